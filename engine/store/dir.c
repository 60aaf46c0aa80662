/*
 * A store in a directory: opening, reading, listing, removing.  dir_put.c makes
 * the objects.
 *
 * The directory may lie on any file system, NFS and FUSE among them, and may be
 * read-only.  Names are taken relative to one descriptor that is opened once,
 * so that a store stays the directory it was opened as whatever is renamed or
 * mounted later.
 *
 *  1. ENOENT for an object is the only proof of absence; every other error is
 *     handed up as what it is.
 *  2. A listing that returns 0 has seen every object that was there all the
 *     time.  What else has a name like one is told as odd, so that it hides no
 *     object.
 *  3. A removal that returned 0 is durable: else a snapshot could come back
 *     after its packs have gone.
 */
#include "engine/store/dir.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/store/dir_impl.h"

#define LIST_DEPTH_MAX	4	/* packs/xx/ID is the deepest */

static const struct store_ops dir_ops;

static void
dir_close(struct store *s)
{
	struct dir_store *d = (struct dir_store *)s;

	(void)pthread_mutex_destroy(&d->lock);
	(void)close(d->fd);
	free(d);
}

int
dir_open_parent(const struct dir_store *d, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	char parent[STORE_NAME_MAX + 1];
	const char *slash = strrchr(name, '/');
	size_t len;

	if (slash == NULL)
		return (openat(d->fd, ".", flags));
	len = (size_t)(slash - name);
	memcpy(parent, name, len);
	parent[len] = '\0';
	return (openat(d->fd, parent, flags));
}

/* A directory that was removed, or whose file system has gone, answers ENOENT
 * for everything: that proves nothing. */
static int
absent(const struct dir_store *d, struct err *e)
{
	struct stat st;

	if (fstat(d->fd, &st) != 0)
		return (err_sys(e, errno, "%s", d->base.where));
	if (st.st_nlink == 0)
		return (err_set(e, ERR_SYS, "%s: the repository's directory "
		    "was removed", d->base.where));
	return (STORE_ABSENT);
}

static int
not_regular(const struct dir_store *d, const char *name, struct err *e)
{
	return (err_set(e, ERR_CORRUPT, "%s/%s: not a regular file",
	    d->base.where, name));
}

static int
dir_read(struct store *s, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, struct err *e)
{
	struct dir_store *d = (struct dir_store *)s;
	struct stat st;
	int fd, rc;

	/* NONBLOCK: a FIFO put there must not hold us up. */
	fd = openat(d->fd, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT)
			return (absent(d, e));
		if (errno == ELOOP)
			return (not_regular(d, name, e));
		return (err_sys(e, errno, "%s/%s: open", s->where, name));
	}
	if (fstat(fd, &st) != 0)
		rc = err_sys(e, errno, "%s/%s", s->where, name);
	else if (!S_ISREG(st.st_mode))
		rc = not_regular(d, name, e);
	else if ((rc = io_pread(fd, dst, len, off, got, e)) != 0)
		(void)err_wrap(e, "%s/%s", s->where, name);
	(void)close(fd);
	return (rc);
}

static int
dir_stat(struct store *s, const char *name, struct store_stat *out,
    struct err *e)
{
	struct dir_store *d = (struct dir_store *)s;
	struct stat st;

	if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return (absent(d, e));
		return (err_sys(e, errno, "%s/%s: stat", s->where, name));
	}
	if (!S_ISREG(st.st_mode))
		return (not_regular(d, name, e));
	out->size_bytes = (uint64_t)st.st_size;
	out->mtime_s = st.st_mtim.tv_sec;
	return (0);
}

/* One walk of a listing; name is the whole name of where it stands. */
struct listing {
	struct dir_store *d;
	store_list_fn *fn;
	void *ctx;
	bool names_only;
	char name[STORE_NAME_MAX + 1];
};

static int list_dir(struct listing *, int fd, size_t len, unsigned depth,
    struct err *);

static int
list_below(struct listing *l, int dirfd, const char *entry, size_t len,
    unsigned depth, struct err *e)
{
	int fd;

	if (depth == LIST_DEPTH_MAX)
		return (0);	/* no object lies there */
	fd = openat(dirfd, entry,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT)
			return (0);	/* removed since */
		return (err_sys(e, errno, "open"));
	}
	return (list_dir(l, fd, len, depth + 1, e));
}

/* What stands at l->name, an entry of the directory `dirfd'. */
static int
list_entry(struct listing *l, int dirfd, const struct dirent *de, size_t len,
    unsigned depth, struct err *e)
{
	struct store_stat out = { 0 };
	const char *entry = de->d_name;
	struct stat st;

	if (l->names_only && de->d_type == DT_REG)
		return (l->fn(l->ctx, l->name, &out, e));
	if (de->d_type == DT_DIR)
		return (list_below(l, dirfd, entry, len, depth, e));
	if (fstatat(dirfd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT)
			return (0);	/* removed since */
		return (err_sys(e, errno, "stat"));
	}
	if (S_ISDIR(st.st_mode))
		return (list_below(l, dirfd, entry, len, depth, e));
	out.odd = !S_ISREG(st.st_mode);
	out.size_bytes = out.odd ? 0 : (uint64_t)st.st_size;
	out.mtime_s = st.st_mtim.tv_sec;
	return (l->fn(l->ctx, l->name, &out, e));
}

/* Takes fd; the first len bytes of l->name name the directory. */
static int
list_dir(struct listing *l, int fd, size_t len, unsigned depth, struct err *e)
{
	struct dirent *de;
	size_t n;
	DIR *dp;
	int rc = 0;

	dp = fdopendir(fd);
	if (dp == NULL) {
		rc = err_sys(e, errno, "opendir");
		(void)close(fd);
		return (rc);
	}
	while (rc == 0) {
		errno = 0;
		de = readdir(dp);
		if (de == NULL) {
			if (errno != 0)
				rc = err_sys(e, errno, "readdir");
			break;
		}
		n = strlen(de->d_name);
		/* What can't be an object's name is none: ".", a file
		 * manager's droppings, NFS's ".nfs..." */
		if (len + 1 + n > STORE_NAME_MAX)
			continue;
		l->name[len] = '/';
		memcpy(l->name + len + 1, de->d_name, n + 1);
		if (!store_name_ok(l->name))
			continue;
		rc = list_entry(l, dirfd(dp), de, len + 1 + n, depth, e);
	}
	l->name[len] = '\0';
	if (closedir(dp) != 0 && rc == 0)
		rc = err_sys(e, errno, "closedir");
	return (rc);
}

static int
list_under(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    bool names_only, struct err *e)
{
	struct dir_store *d = (struct dir_store *)s;
	struct listing l = { .d = d, .fn = fn, .ctx = ctx,
	    .names_only = names_only };
	size_t len = strlen(prefix);
	int fd, rc;

	memcpy(l.name, prefix, len + 1);
	fd = openat(d->fd, prefix,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT)
			return (err_sys(e, errno, "%s/%s: list", s->where,
			    prefix));
		rc = absent(d, e);
		return (rc == STORE_ABSENT ? 0 : rc);
	}
	rc = list_dir(&l, fd, len, 1, e);
	if (rc < 0)
		(void)err_wrap(e, "%s: listing %s", s->where, prefix);
	return (rc);
}

static int
dir_list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	return (list_under(s, prefix, fn, ctx, false, e));
}

static int
dir_list_names(struct store *s, const char *prefix, store_list_fn *fn,
    void *ctx, struct err *e)
{
	return (list_under(s, prefix, fn, ctx, true, e));
}

static int
dir_remove(struct store *s, const char *name, struct err *e)
{
	struct dir_store *d = (struct dir_store *)s;
	const char *slash = strrchr(name, '/');
	int fd, rc = 0;

	fd = dir_open_parent(d, name);
	if (fd < 0) {
		if (errno == ENOENT)
			return (absent(d, e));
		return (err_sys(e, errno, "%s/%s: remove", s->where, name));
	}
	if (unlinkat(fd, slash == NULL ? name : slash + 1, 0) == 0) {
		rc = io_sync_dir(fd, e);
		if (rc != 0)
			(void)err_wrap(e, "%s/%s: remove", s->where, name);
	} else if (errno == ENOENT) {
		rc = absent(d, e);
	} else {
		rc = err_sys(e, errno, "%s/%s: remove", s->where, name);
	}
	(void)close(fd);
	return (rc);
}

static const struct store_ops dir_ops = {
	.close = dir_close,
	.read = dir_read,
	.stat = dir_stat,
	.put = dir_put,
	.put_begin = dir_put_begin,
	.put_append = dir_put_append,
	.put_commit = dir_put_commit,
	.put_abort = dir_put_abort,
	.list = dir_list,
	.list_names = dir_list_names,
	.remove = dir_remove
};

/* A new repository goes into an empty directory only; what an init that died
 * has left (keys/ and tmp/) is no obstacle to the next. */
static int
must_be_empty(const struct dir_store *d, struct err *e)
{
	struct dirent *de;
	DIR *dp;
	int fd, rc = 0;

	fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dp = fd < 0 ? NULL : fdopendir(fd);
	if (dp == NULL) {
		rc = err_sys(e, errno, "%s: open", d->base.where);
		if (fd >= 0)
			(void)close(fd);
		return (rc);
	}
	for (;;) {
		errno = 0;
		de = readdir(dp);
		if (de == NULL) {
			if (errno != 0)
				rc = err_sys(e, errno, "%s: list",
				    d->base.where);
			break;
		}
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0 ||
		    strcmp(de->d_name, "keys") == 0 ||
		    strcmp(de->d_name, "tmp") == 0)
			continue;
		rc = err_set(e, ERR_EXISTS, "%s is not empty: \"%s\" is in it",
		    d->base.where, de->d_name);
		break;
	}
	(void)closedir(dp);
	return (rc);
}

int
store_dir_open(struct store **out, const char *path, bool create,
    struct err *e)
{
	struct dir_store *d;
	struct stat st;

	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	d->base.ops = &dir_ops;
	(void)snprintf(d->base.where, sizeof(d->base.where), "%s", path);
	if (create && io_mkdirs(path, 0700, e) != 0)
		goto fail;
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			(void)err_set(e, ERR_NOREPO, "%s: %s", path,
			    errno == ENOENT ? "no such directory" :
			    "not a directory");
		else
			(void)err_sys(e, errno, "%s: open", path);
		goto fail;
	}
	if (fstat(d->fd, &st) != 0) {
		(void)err_sys(e, errno, "%s: stat", path);
		goto fail_open;
	}
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	if (create && must_be_empty(d, e) != 0)
		goto fail_open;
	if (pthread_mutex_init(&d->lock, NULL) != 0)
		BUG("a plain mutex can't be made");
	*out = &d->base;
	return (0);
fail_open:
	(void)close(d->fd);
fail:
	free(d);
	return (-1);
}

int
store_dir_identity(struct store *s, dev_t *dev, ino_t *ino)
{
	struct dir_store *d;

	while (s->under != NULL)
		s = s->under;
	if (s->ops != &dir_ops)
		return (-1);
	d = (struct dir_store *)s;
	*dev = d->dev;
	*ino = d->ino;
	return (0);
}
