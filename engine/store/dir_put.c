/*
 * Making objects in a directory store, so that one exists whole and durable or
 * not at all.
 *
 *	begin	a temporary file in tmp/, locked		-> OPEN
 *	append	write; writeback is started early		   OPEN, FAILED
 *	commit	fsync, make and sync directories, name it,
 *		sync its directory				-> gone
 *	abort	unlink						-> gone
 *
 *  1. A name is given only to bytes whose fsync has succeeded.
 *  2. A name is given by a call that refuses to replace.
 *  3. Success, and STORE_EXISTS, are answered only when the name itself is
 *     durable: another writer may have given it and not synced it yet.
 *  4. After a failed fsync, of the file or of its directory, nothing of this
 *     attempt is left under the name: a second fsync may succeed without
 *     having written anything.
 *  5. The temporary file is locked (flock) as long as it has its temporary
 *     name; a cleaner removes only what it can lock and what is old by the
 *     store's own clock.
 */
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/id.h"
#include "engine/base/io.h"
#include "engine/store/dir_impl.h"

#define TMP_DIR		"tmp"
#define TMP_RANDOM_BYTES 16
#define TMP_NAME	(sizeof(TMP_DIR) + 2 * TMP_RANDOM_BYTES + 1)
#define STALE_S		(24 * 60 * 60)
/* Start writeback whenever so much is new: the fsync at the end is short, and
 * the disk works while the next frames are compressed. */
#define WRITEBACK_BYTES	((uint64_t)4 << 20)

struct dir_writer {
	struct store_put base;
	int fd;
	bool failed;		/* an append failed: commit refuses */
	uint64_t written;
	uint64_t started;	/* writeback begun up to here */
	char tmp[TMP_NAME];
};

static struct dir_store *
store_of(const struct dir_writer *w)
{
	return ((struct dir_store *)w->base.store);
}

/* Remove one temporary file if it is old and nobody holds it. */
static void
clean_one(int dirfd, const char *name, int64_t now_s)
{
	struct stat st;
	int fd;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode) || st.st_mtim.tv_sec > now_s - STALE_S)
		return;
	/* Writable, because NFS locks with fcntl underneath. */
	fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(dirfd, name, 0);
	(void)close(fd);
}

/*
 * Remove what crashed writers left.  `now_s' is the time of a file that was
 * just made there: the store's clock, which may not be ours.  Best effort:
 * leftovers cost space only.
 */
static void
clean(struct dir_store *d, int64_t now_s)
{
	struct dirent *de;
	DIR *dp;
	int fd;

	fd = openat(d->fd, TMP_DIR,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	dp = fdopendir(fd);
	if (dp == NULL) {
		(void)close(fd);
		return;
	}
	while ((de = readdir(dp)) != NULL)
		if (strlen(de->d_name) == 2 * TMP_RANDOM_BYTES)
			clean_one(dirfd(dp), de->d_name, now_s);
	(void)closedir(dp);
}

static int
open_tmp(struct dir_store *d, struct dir_writer *w, struct err *e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	uint8_t raw[TMP_RANDOM_BYTES];

	/* Not the repository's random source: these names are no part of what
	 * must be the same from run to run, nor may they disturb it. */
	if (getentropy(raw, sizeof(raw)) != 0)
		return (err_sys(e, errno, "random bytes"));
	memcpy(w->tmp, TMP_DIR "/", sizeof(TMP_DIR));
	hex_emit(w->tmp + sizeof(TMP_DIR), raw, sizeof(raw));
	w->fd = openat(d->fd, w->tmp, flags, 0600);
	if (w->fd < 0 && errno == ENOENT) {
		if (mkdirat(d->fd, TMP_DIR, 0700) != 0 && errno != EEXIST)
			return (err_sys(e, errno, "%s: can't write: mkdir "
			    TMP_DIR, d->base.where));
		w->fd = openat(d->fd, w->tmp, flags, 0600);
	}
	if (w->fd < 0)
		return (err_sys(e, errno, "%s: can't write: create in "
		    TMP_DIR, d->base.where));
	/* Where locks are not to be had, a cleaner gets none either. */
	(void)flock(w->fd, LOCK_EX | LOCK_NB);
	return (0);
}

int
dir_put_begin(struct store *s, struct store_put **out, struct err *e)
{
	struct dir_store *d = (struct dir_store *)s;
	struct dir_writer *w;
	struct stat st;

	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	w->base.store = s;
	if (open_tmp(d, w, e) != 0) {
		free(w);
		return (-1);
	}
	if (!atomic_exchange(&d->cleaned, true) && fstat(w->fd, &st) == 0)
		clean(d, st.st_mtim.tv_sec);
	*out = &w->base;
	return (0);
}

int
dir_put_append(struct store_put *p, const void *src, size_t len, struct err *e)
{
	struct dir_writer *w = (struct dir_writer *)p;

	if (w->failed)
		return (err_set(e, ERR_SYS, "%s: an earlier write failed",
		    p->store->where));
	if (io_write_all(w->fd, src, len, e) != 0) {
		w->failed = true;
		return (err_wrap(e, "%s", p->store->where));
	}
	w->written += len;
	if (w->written - w->started >= WRITEBACK_BYTES) {
		/* Only a hint; what goes wrong is told by the fsync. */
		(void)sync_file_range(w->fd, (off_t)w->started,
		    (off_t)(w->written - w->started), SYNC_FILE_RANGE_WRITE);
		w->started = w->written;
	}
	return (0);
}

void
dir_put_abort(struct store_put *p)
{
	struct dir_writer *w = (struct dir_writer *)p;

	(void)unlinkat(store_of(w)->fd, w->tmp, 0);
	(void)close(w->fd);
	free(w);
}

static bool
is_known(struct dir_store *d, const char *dir)
{
	bool found = false;

	(void)pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; !found && i < d->known_n; i++)
		found = strcmp(d->known[i], dir) == 0;
	(void)pthread_mutex_unlock(&d->lock);
	return (found);
}

static void
make_known(struct dir_store *d, const char *dir)
{
	size_t len = strlen(dir);

	(void)pthread_mutex_lock(&d->lock);
	if (d->known_n < DIR_KNOWN_MAX && len < DIR_KNOWN_NAME)
		memcpy(d->known[d->known_n++], dir, len + 1);
	(void)pthread_mutex_unlock(&d->lock);
}

/* Make one directory and its entry durable.  One that is there already was made
 * by somebody who may not have synced it yet. */
static int
ensure_dir(struct dir_store *d, const char *dir, struct err *e)
{
	int fd, rc;

	if (is_known(d, dir))
		return (0);
	if (mkdirat(d->fd, dir, 0700) != 0 && errno != EEXIST)
		return (err_sys(e, errno, "mkdir %s", dir));
	fd = dir_open_parent(d, dir);
	if (fd < 0)
		return (err_sys(e, errno, "open the parent of %s", dir));
	rc = io_sync_dir(fd, e);
	(void)close(fd);
	if (rc == 0)
		make_known(d, dir);
	return (rc);
}

static int
ensure_parents(struct dir_store *d, const char *name, struct err *e)
{
	char dir[STORE_NAME_MAX + 1];

	for (const char *p = strchr(name, '/'); p != NULL;
	    p = strchr(p + 1, '/')) {
		memcpy(dir, name, (size_t)(p - name));
		dir[p - name] = '\0';
		if (ensure_dir(d, dir, e) != 0)
			return (-1);
	}
	return (0);
}

/*
 * Give the temporary file its name, refusing to replace.  renameat2 does it in
 * one step; NFS has only link(2), vfat only renameat2.  0, STORE_EXISTS, or
 * failure; except after 0 the temporary name still stands.
 */
static int
give_name(struct dir_writer *w, const char *name, struct err *e)
{
	int at = store_of(w)->fd;
	struct stat st;

	if (renameat2(at, w->tmp, at, name, RENAME_NOREPLACE) == 0)
		return (0);
	if (errno == EEXIST)
		return (STORE_EXISTS);
	if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
		return (err_sys(e, errno, "rename"));
	if (linkat(at, w->tmp, at, name, 0) != 0) {
		if (errno != EEXIST)
			return (err_sys(e, errno, "link (this file system "
			    "has no rename that refuses to replace either)"));
		/* Over NFS a request whose answer was lost is sent again, and
		 * then finds its own work. */
		if (fstat(w->fd, &st) != 0 || st.st_nlink != 2)
			return (STORE_EXISTS);
	}
	(void)unlinkat(at, w->tmp, 0);
	return (0);
}

/* The name is taken; is it by these bytes, as far as their number tells?  Names
 * other than the header's are made of the contents. */
static int
compare_existing(const struct dir_writer *w, const char *name, struct err *e)
{
	struct stat st;

	if (strchr(name, '/') == NULL)
		return (STORE_EXISTS);
	if (fstatat(store_of(w)->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return (err_sys(e, errno, "stat"));
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != w->written)
		return (err_set(e, ERR_CORRUPT, "a damaged object of this name "
		    "is there already"));
	return (STORE_EXISTS);
}

/* All of a commit except the release of the stream.  After < 0 or STORE_EXISTS
 * the temporary name may still stand. */
static int
commit(struct dir_writer *w, const char *name, struct err *e)
{
	struct dir_store *d = store_of(w);
	const char *slash = strrchr(name, '/');
	int fd, rc;

	if (w->failed)
		return (err_set(e, ERR_SYS, "an earlier write failed"));
	if (fsync(w->fd) != 0)
		return (err_sys(e, errno, "fsync"));
	if (ensure_parents(d, name, e) != 0)
		return (-1);
	fd = dir_open_parent(d, name);
	if (fd < 0)
		return (err_sys(e, errno, "open the directory"));
	rc = give_name(w, name, e);
	if (rc >= 0 && io_sync_dir(fd, e) != 0) {
		if (rc == 0)
			(void)unlinkat(fd, slash == NULL ? name : slash + 1, 0);
		rc = -1;
	}
	(void)close(fd);
	if (rc == STORE_EXISTS)
		rc = compare_existing(w, name, e);
	return (rc);
}

int
dir_put_commit(struct store_put *p, const char *name, struct err *e)
{
	struct dir_writer *w = (struct dir_writer *)p;
	struct dir_store *d = store_of(w);
	int rc;

	rc = commit(w, name, e);
	if (rc != 0)
		(void)unlinkat(d->fd, w->tmp, 0);
	if (rc < 0)
		(void)err_wrap(e, "%s/%s", d->base.where, name);
	/* The bytes were synced: this close has nothing left to lose. */
	(void)close(w->fd);
	free(w);
	return (rc);
}

int
dir_put(struct store *s, const char *name, const void *src, size_t len,
    struct err *e)
{
	struct store_put *p;

	if (dir_put_begin(s, &p, e) != 0)
		return (-1);
	if (dir_put_append(p, src, len, e) != 0) {
		dir_put_abort(p);
		return (-1);
	}
	return (dir_put_commit(p, name, e));
}
