/*
 * Making one entry: a regular file from its pieces, or a link, FIFO, socket,
 * device.  Never over something that is there.  A file that can't be written
 * whole is taken away again: what stands in the target is whole.
 *
 *	planned --file_open--> open --last file_put--> closed, with metadata
 *	           \--no--> failed     \--failed--> taken away
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "tools/job/restore_plan_int.h"

#define ALLOCATE_MIN	(4U << 20)

/* The lock of a file, and of some others. */
static pthread_mutex_t *
file_lock(const struct file *f)
{
	return (&f->parent->rs->file_lock[f->ino % FILE_LOCKS]);
}

/* Under the lock, where there is need of one.  An error is twice as large as
 * all else of a file, and few files have one. */
static void
fail(struct file *f, const struct err *e)
{
	if (atomic_load(&f->failed))
		return;
	f->err = malloc(sizeof(*f->err));
	if (f->err != NULL)
		*f->err = *e;
	atomic_store(&f->failed, true);
}

void
file_fail(struct file *f, const struct err *e)
{
	(void)pthread_mutex_lock(file_lock(f));
	fail(f, e);
	(void)pthread_mutex_unlock(file_lock(f));
}

void
file_count(struct file *f, uint64_t bytes)
{
	(void)atomic_fetch_add(&f->bytes, bytes);
	(void)atomic_fetch_add(&f->parent->rs->bytes, bytes);
}

const char *
file_path(const struct file *f, struct buf *b)
{
	struct err ignored = ERR_INIT;

	buf_reset(b);
	buf_bytes(b, f->parent->path, f->parent->len);
	if (f->parent->len > 0)
		buf_u8(b, '/');
	buf_bytes(b, f->name, strlen(f->name) + 1);
	return (buf_ok(b, &ignored) < 0 ? f->name : (const char *)b->data);
}

/*
 * A file that several will write to gets its size at once, and a large one
 * without holes its blocks: then the file system lays it out in one piece, in
 * whatever order it is written.
 */
static int
set_size(int fd, const struct file *f, struct err *e)
{
	if (f->size >= ALLOCATE_MIN && (f->flags & ENTRY_SPARSE) == 0) {
		if (fallocate(fd, 0, 0, (off_t)f->size) == 0)
			return (0);
		if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
			return (err_sys(e, errno, "allocate"));
	}
	if (ftruncate(fd, (off_t)f->size) < 0)
		return (err_sys(e, errno, "set size"));
	return (0);
}

uint32_t
temp_number(void)
{
	static atomic_uint_least32_t counter;

	return (atomic_fetch_add(&counter, 1));
}

void
temp_name(char dst[TEMP_NAME_BYTES], uint32_t number)
{
	(void)snprintf(dst, TEMP_NAME_BYTES, ".vitrine-%lx-%lx",
	    (unsigned long)getpid(), (unsigned long)number);
}

/* Is it what was looked at, as far as that matters?  With the file's size. */
static int
take_over(const struct file *f, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return (err_sys(e, errno, "stat"));
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return (err_set(e, ERR_SYS, "it became something else "
		    "meanwhile"));
	if ((uint64_t)st.st_size != f->size &&
	    ftruncate(fd, (off_t)f->size) < 0)
		return (err_sys(e, errno, "set size"));
	return (0);
}

/* The file that is there, to be written in place. */
static int
open_file(struct file *f, int dir, struct err *e)
{
	int fd;

	/* Not to wait for a FIFO that was put there meanwhile. */
	fd = openat(dir, f->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (fd < 0)
		return (err_sys(e, errno, "open to write"));
	/* Until then nothing in it was changed. */
	if (take_over(f, fd, e) < 0) {
		(void)close(fd);
		return (-1);
	}
	f->fd = fd;
	return (0);
}

/*
 * The mode that a file is made with.  Its own, which spares a change, if that
 * lets nobody at it who isn't to be in the end, whoever owns it for the moment:
 * the group may no more than the others, and no ACL says less.  What is written
 * bit by bit is shown to nobody before it is whole.
 */
static mode_t
first_mode(const struct file *f)
{
	mode_t others = f->mode & 07, group = (f->mode >> 3) & 07;
	mode_t owner = (f->mode >> 6) & 07;

	if (!f->single || f->xattrs != 0 || (f->mode & 07000) != 0 ||
	    group != others || (others & ~owner) != 0 || (owner & 06) != 06)
		return (0600);
	return (f->mode);
}

/* A new file beside the one that is there. */
static int
make_temp(struct file *f, int dir, struct err *e)
{
	char temp[TEMP_NAME_BYTES];
	int fd;

	do {
		f->temp = temp_number();
		temp_name(temp, f->temp);
		fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, first_mode(f));
	} while (fd < 0 && errno == EEXIST);
	return (fd < 0 ? err_sys(e, errno, "make") : fd);
}

static int
make_new(struct file *f, int dir, struct err *e)
{
	int fd;

	fd = openat(dir, f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, first_mode(f));
	return (fd < 0 ? err_sys(e, errno, "make") : fd);
}

/* 0, or < 0. */
static int
hold_parent(struct file *f, int *dir, struct err *e)
{
	int r = parent_hold(f->parent, dir, e);

	return (r == RESTORE_GONE ? err_sys(e, ENOENT, "open its directory") :
	    r);
}

static int
drop_acl(const struct file *f, struct err *e)
{
	int error = acl_drop(&(struct meta_at){ f->fd, -1, NULL });

	return (error == 0 ? 0 : err_sys(e, error,
	    "take away the directory's ACL"));
}

/* Under the lock, where there is need of one. */
static int
make_file(struct file *f, struct err *e)
{
	int dir, fd, r = 0;

	if (hold_parent(f, &dir, e) < 0)
		return (-1);
	if (f->how == OVER_UPDATE) {
		r = open_file(f, dir, e);
	} else if ((fd = f->how == OVER_REPLACE ? make_temp(f, dir, e) :
	    make_new(f, dir, e)) < 0) {
		r = -1;
	} else {
		f->fd = fd;
		f->made = true;
	}
	parent_let(f->parent);
	if (f->made && f->parent->acl)
		r = drop_acl(f, e);
	if (r == 0 && f->made && !f->single && f->size > 0)
		r = set_size(f->fd, f, e);
	return (r);
}

int
file_open(struct file *f)
{
	struct err e = ERR_INIT;
	int fd;

	if (!f->single)
		(void)pthread_mutex_lock(file_lock(f));
	/* What failed before anything was made is left as it was. */
	if (!f->tried && !atomic_load(&f->failed)) {
		f->tried = true;
		if (make_file(f, &e) < 0)
			fail(f, &e);
	}
	fd = f->fd;
	if (!f->single)
		(void)pthread_mutex_unlock(file_lock(f));
	return (atomic_load(&f->failed) ? -1 : fd);
}

int
file_punch(struct file *f, uint64_t off, uint64_t len, struct err *e)
{
	static const uint8_t zeros[65536];
	int fd = file_open(f);

	if (fd < 0)
		return (0);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)off, (off_t)len) == 0)
		return (0);
	while (len > 0) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		if (io_pwrite_all(fd, zeros, n, off, e) < 0)
			return (-1);
		off += n;
		len -= n;
	}
	return (0);
}

static void
file_free(struct file *f)
{
	parent_put(f->parent);
	free(f->err);
	free(f);
}

/* The coordinator forgets that this name stands for others. */
static int
note_undone(struct restore *rs, uint64_t ino, struct err *e)
{
	int r;

	(void)pthread_mutex_lock(&rs->lock);
	buf_bytes(&rs->undone, &ino, sizeof(ino));
	r = buf_ok(&rs->undone, e);
	(void)pthread_mutex_unlock(&rs->lock);
	return (r);
}

/* What was made of it is taken away. */
static int
unmake(struct file *f, struct err *e)
{
	char temp[TEMP_NAME_BYTES];
	int dir, r;

	if (hold_parent(f, &dir, e) < 0)
		return (-1);
	temp_name(temp, f->temp);
	r = unlinkat(dir, f->how == OVER_REPLACE ? temp : f->name, 0);
	if (r < 0)
		(void)err_sys(e, errno, "unlink");
	parent_let(f->parent);
	return (r);
}

/* Say why, leave nothing behind.  < 0: what failed is more than this file. */
static int
abandon(struct file *f, const char *path, struct err *e)
{
	struct restore *rs = f->parent->rs;
	struct err still = ERR_INIT;
	struct err why = ERR_INIT;

	if (f->err != NULL)
		why = *f->err;
	else
		(void)err_set(&why, ERR_NOMEM, "out of memory");
	(void)atomic_fetch_sub(&rs->bytes, atomic_load(&f->bytes));
	if (f->fd >= 0)
		(void)close(f->fd);
	if (f->how == OVER_UPDATE && f->fd >= 0)
		restore_failed(rs, path, "it is a mixture now: a part of it "
		    "may be the snapshot's, a part what it was");
	if (f->made && unmake(f, &still) < 0)
		restore_failed(rs, path, "a part of it was written and "
		    "can't be taken away: %s", err_text(&still));
	if (f->has_links && note_undone(rs, f->ino, e) < 0)
		return (-1);
	if (why.code == ERR_CANCELED)
		return (0);
	/* A full disk, say: nor can the others be made. */
	if (!failure_is_local(rs, &why)) {
		*e = why;
		return (err_wrap(e, "%s", path));
	}
	restore_failed(rs, path, "%s", !f->made && why.code == ERR_SYS &&
	    why.sys == EEXIST ? "something of this name is there already" :
	    err_text(&why));
	return (0);
}

static int
set_meta(struct file *f, const char *path, struct err *e)
{
	const struct meta_at at = { f->fd, -1, NULL };
	const struct entry en = {
		.kind = ENTRY_FILE, .ino = f->ino, .size = f->size,
		.flags = f->flags, .mode = f->mode, .uid = f->uid,
		.gid = f->gid, .mtime = f->mtime, .xattrs = f->xattrs
	};

	return (meta_restore(f->parent->rs, &at, path, &en, e));
}

/* The file beside the one that is there takes its place. */
static int
replace(struct file *f, struct err *e)
{
	char temp[TEMP_NAME_BYTES];
	int dir, r = 0;

	if (hold_parent(f, &dir, e) < 0)
		return (-1);
	temp_name(temp, f->temp);
	if (renameat(dir, temp, dir, f->name) < 0)
		r = err_sys(e, errno, "rename");
	parent_let(f->parent);
	return (r);
}

static int
finish(struct file *f, const char *path, struct err *e)
{
	struct restore *rs = f->parent->rs;
	struct err why = ERR_INIT;
	int r;

	r = set_meta(f, path, &why);
	/* Some file systems say only here that they couldn't write it. */
	if (r == 0) {
		if (close(f->fd) < 0)
			r = err_sys(&why, errno, "close");
		f->fd = -1;
	}
	if (r == 0 && f->how == OVER_REPLACE)
		r = replace(f, &why);
	if (r < 0) {
		fail(f, &why);
		return (abandon(f, path, e));
	}
	if (rs->env->verify && written_note(rs, f->ino, e) < 0)
		return (-1);
	(void)atomic_fetch_add(&rs->files, 1);
	early_made(rs->early, 0, true);
	restore_note(rs, EVENT_DETAIL, path, "restored");
	return (0);
}

int
file_put(struct file *f, struct err *e)
{
	struct buf path = BUF_INIT;
	int r = 0;

	if (atomic_fetch_sub(&f->refs, 1) > 1)
		return (0);
	if (atomic_load(&f->failed))
		r = abandon(f, file_path(f, &path), e);
	else if (f->fd >= 0)
		r = finish(f, file_path(f, &path), e);
	buf_fini(&path);
	file_free(f);
	return (r);
}

static int
make_other(struct restore *rs, int dir, const char *name,
    const struct entry *en, struct err *e)
{
	char target[CATALOG_TARGET_MAX + 1];
	size_t len;
	mode_t type;
	dev_t dev = 0;

	switch (en->kind) {
	case ENTRY_SYMLINK:
		if (catalog_target(rs->catalog, en->ino, target, &len, e) < 0)
			return (-1);
		if (symlinkat(target, dir, name) < 0)
			return (err_sys(e, errno, "symlink"));
		return (0);
	case ENTRY_FIFO:
		type = S_IFIFO;
		break;
	case ENTRY_SOCKET:
		type = S_IFSOCK;
		break;
	case ENTRY_CHAR:
	case ENTRY_BLOCK:
		type = en->kind == ENTRY_CHAR ? S_IFCHR : S_IFBLK;
		dev = makedev(en->rdev_major, en->rdev_minor);
		break;
	default:
		return (err_set(e, ERR_CORRUPT, "an entry of unknown kind %u",
		    en->kind));
	}
	if (mknodat(dir, name, type | 0600, dev) < 0)
		return (err_sys(e, errno, "make"));
	return (0);
}

int
other_restore(struct restore *rs, const struct parent *dir, const char *name,
    const char *path, const struct entry *en, enum over how, bool *made,
    struct err *e)
{
	struct meta_at at = { -1, dir->fd, name };
	char temp[TEMP_NAME_BYTES];
	int error;

	*made = false;
	if (how == OVER_REPLACE) {
		temp_name(temp, temp_number());
		at.name = temp;
	}
	if (make_other(rs, dir->fd, at.name, en, e) < 0) {
		if (!failure_is_local(rs, e))
			return (err_wrap(e, "%s", path));
		restore_failed(rs, path, "%s", e->sys == EEXIST ?
		    "something of this name is there already" : err_text(e));
		err_init(e);
		return (0);
	}
	error = dir->acl && en->kind != ENTRY_SYMLINK ? acl_drop(&at) : 0;
	if (error != 0)
		restore_failed(rs, path, "its directory's ACL stays on it: %s",
		    strerror(error));
	if (meta_restore(rs, &at, path, en, e) < 0) {
		if (!failure_is_local(rs, e))
			return (err_wrap(e, "%s", path));
		restore_failed(rs, path, "%s", err_text(e));
		err_init(e);
	}
	if (how == OVER_REPLACE &&
	    renameat(dir->fd, temp, dir->fd, name) < 0) {
		restore_failed(rs, path, "rename: %s", strerror(errno));
		(void)unlinkat(dir->fd, temp, 0);
		return (0);
	}
	*made = true;
	(void)atomic_fetch_add(&rs->others, 1);
	return (0);
}
