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

#include "tools/job/restore_plan.h"

#define ALLOCATE_MIN	(4U << 20)

bool
failure_is_local(const struct err *e)
{
	switch (e->code) {
	case ERR_SYS:
		return (e->sys != EMFILE && e->sys != ENFILE);
	case ERR_CORRUPT:
	case ERR_AUTH:
	case ERR_VERSION:
	case ERR_NET:
	case ERR_REMOTE:
	case ERR_ABSENT:
		return (true);
	default:
		return (false);
	}
}

void
file_fail(struct file *f, const struct err *e)
{
	(void)pthread_mutex_lock(&f->lock);
	if (!atomic_load(&f->failed)) {
		f->err = *e;
		atomic_store(&f->failed, true);
	}
	(void)pthread_mutex_unlock(&f->lock);
}

static const char *
file_name(const struct file *f)
{
	return (f->path + f->name);
}

/*
 * A file that several will write to gets its size at once, and a large one
 * without holes its blocks: then the file system lays it out in one piece, in
 * whatever order it is written.
 */
static int
set_size(int fd, const struct entry *en, struct err *e)
{
	if (en->size >= ALLOCATE_MIN && (en->flags & ENTRY_SPARSE) == 0) {
		if (fallocate(fd, 0, 0, (off_t)en->size) == 0)
			return (0);
		if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
			return (err_sys(e, errno, "allocate"));
	}
	if (ftruncate(fd, (off_t)en->size) < 0)
		return (err_sys(e, errno, "set size"));
	return (0);
}

/* Under the lock, where there is need of one. */
static int
make_file(struct file *f, struct err *e)
{
	int fd;

	fd = openat(f->parent->fd, file_name(f), O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return (err_sys(e, errno, "make"));
	f->fd = fd;
	f->made = true;
	if (!f->single && f->entry.size > 0)
		return (set_size(fd, &f->entry, e));
	return (0);
}

int
file_open(struct file *f)
{
	struct err e = ERR_INIT;
	int fd;

	if (!f->single)
		(void)pthread_mutex_lock(&f->lock);
	if (!f->tried) {
		f->tried = true;
		if (make_file(f, &e) < 0 && !atomic_load(&f->failed)) {
			f->err = e;
			atomic_store(&f->failed, true);
		}
	}
	fd = f->fd;
	if (!f->single)
		(void)pthread_mutex_unlock(&f->lock);
	return (atomic_load(&f->failed) ? -1 : fd);
}

static void
file_free(struct file *f)
{
	parent_put(f->parent);
	(void)pthread_mutex_destroy(&f->lock);
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

/* Say why, leave nothing behind.  < 0: what failed is more than this file. */
static int
abandon(struct file *f, struct err *e)
{
	struct restore *rs = f->rs;
	const struct err *why = &f->err;

	if (f->fd >= 0)
		(void)close(f->fd);
	if (f->made && unlinkat(f->parent->fd, file_name(f), 0) < 0)
		restore_failed(rs, f->path, "a part of it was written and "
		    "can't be taken away: %s", strerror(errno));
	if (f->entry.nlink > 1 && note_undone(rs, f->entry.ino, e) < 0)
		return (-1);
	if (why->code == ERR_CANCELED)
		return (0);
	/* Nothing could be made here: nor can the others. */
	if (!failure_is_local(why) || (!f->made && (why->sys == ENOSPC ||
	    why->sys == EDQUOT) && why->code == ERR_SYS)) {
		*e = *why;
		return (err_wrap(e, "%s", f->path));
	}
	restore_failed(rs, f->path, "%s", !f->made && why->code == ERR_SYS &&
	    why->sys == EEXIST ? "something of this name is there already" :
	    err_text(why));
	return (0);
}

static int
finish(struct file *f, struct err *e)
{
	struct meta_at at = { f->fd, f->parent->fd, file_name(f) };
	struct restore *rs = f->rs;
	int r;

	if (meta_restore(rs, &at, f->path, &f->entry, &f->err) < 0)
		return (abandon(f, e));
	r = close(f->fd);
	f->fd = -1;
	if (r < 0) {
		(void)err_sys(&f->err, errno, "close");
		return (abandon(f, e));
	}
	(void)atomic_fetch_add(&rs->files, 1);
	restore_note(rs, EVENT_DETAIL, f->path, "restored");
	return (0);
}

int
file_put(struct file *f, struct err *e)
{
	int r = 0;

	if (atomic_fetch_sub(&f->refs, 1) > 1)
		return (0);
	if (atomic_load(&f->failed))
		r = abandon(f, e);
	else if (f->fd >= 0)
		r = finish(f, e);
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
    const char *path, const struct entry *en, bool *made, struct err *e)
{
	struct meta_at at = { -1, dir->fd, name };

	*made = false;
	if (make_other(rs, dir->fd, name, en, e) < 0) {
		if (!failure_is_local(e))
			return (err_wrap(e, "%s", path));
		restore_failed(rs, path, "%s", e->sys == EEXIST ?
		    "something of this name is there already" : err_text(e));
		err_init(e);
		return (0);
	}
	*made = true;
	(void)atomic_fetch_add(&rs->others, 1);
	if (meta_restore(rs, &at, path, en, e) < 0) {
		if (!failure_is_local(e))
			return (err_wrap(e, "%s", path));
		restore_failed(rs, path, "%s", err_text(e));
		err_init(e);
	}
	return (0);
}
