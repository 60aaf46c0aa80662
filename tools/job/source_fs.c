/*
 * The file system as a source: by directory descriptors, without waiting,
 * following links or, where that is allowed, touching access times.
 */
#include "tools/job/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "tools/job/walk.h"

static int
fs_root(struct source *s, struct meta_stat *st)
{
	return (meta_stat(st, -1, "/"));
}

/* Without touching the access time where that is allowed. */
static int
open_dir_at(int at, const char *name, bool path_only)
{
	int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	if (path_only)
		return (openat(at, name, flags | O_PATH));
	fd = openat(at, name, flags | O_RDONLY | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(at, name, flags | O_RDONLY);
	return (fd);
}

/* 0 or errno; the descriptor is closed when it is another directory. */
static int
verify(const struct walk_dir *d, int fd)
{
	struct meta_stat st;
	int error = meta_stat(&st, fd, "");

	if (error == 0 && (st.dev != d->st.dev || st.ino != d->st.ino))
		error = ESTALE;
	if (error != 0)
		(void)close(fd);
	return (error);
}

static int
fs_open_dir(struct source *s, struct walk_dir *d)
{
	int fd = d->parent == NULL ?
	    open_dir_at(AT_FDCWD, "/", d->implied) :
	    open_dir_at(d->parent->fd, d->name, d->implied);
	int error;

	if (fd < 0)
		return (errno);
	error = verify(d, fd);
	if (error == 0)
		d->fd = fd;
	return (error);
}

/* Step down from the nearest open directory to d, by names. */
static int
open_from_above(const struct walk_dir *d)
{
	const struct walk_dir *up = d, **chain;
	size_t n = 0;
	int at, fd;

	BUG_ON(d == NULL);
	for (; up != NULL && (up == d || up->fd < 0); up = up->parent)
		n++;
	chain = calloc(n, sizeof(const struct walk_dir *));
	if (chain == NULL)
		return (-1);
	at = up != NULL ? up->fd : AT_FDCWD;
	for (size_t i = n; i-- > 0; d = d->parent)
		chain[i] = d;
	fd = at;
	for (size_t i = 0; i < n; i++) {
		const struct walk_dir *step = chain[i];

		fd = open_dir_at(at, step->parent == NULL ? "/" : step->name,
		    i + 1 < n || step->implied);
		if (i > 0)
			(void)close(at);
		at = fd;
		if (fd < 0)
			break;
	}
	free(chain);
	return (fd);
}

static int
fs_reopen_dir(struct source *s, struct walk_dir *d,
    const struct walk_dir *child)
{
	int fd, error;

	if (child != NULL && child->fd >= 0) {
		fd = open_dir_at(child->fd, "..", d->implied);
		if (fd >= 0 && verify(d, fd) == 0) {
			d->fd = fd;
			return (0);
		}
	}
	fd = open_from_above(d);
	if (fd < 0)
		return (errno);
	error = verify(d, fd);
	if (error == 0)
		d->fd = fd;
	return (error);
}

static int
fs_list(struct source *s, struct walk_dir *d, bool again, struct names *ns,
    const char *after, size_t max_bytes)
{
	if (again && lseek(d->fd, 0, SEEK_SET) < 0)
		return (errno);
	return (names_list(ns, d->fd, after, max_bytes));
}

static int
fs_stat(struct source *s, const struct walk_dir *d, const char *name,
    struct meta_stat *st)
{
	return (meta_stat(st, d->fd, name));
}

static void
fs_entry_meta(struct source *s, const struct walk_dir *d, const char *name,
    uint8_t kind, struct meta *m)
{
	meta_read_at(m, d->fd, name, kind);
}

static void
fs_dir_meta(struct source *s, const struct walk_dir *d, struct meta *m)
{
	if (d->fd >= 0 && !d->implied)
		meta_read_fd(m, d->fd);
	else if (d->fd >= 0)
		meta_read_at(m, d->fd, ".", ENTRY_DIR);
	else if (d->parent != NULL)
		meta_read_at(m, d->parent->fd, d->name, ENTRY_DIR);
}

static int
fs_open(struct source *s, const struct walk_dir *d, const char *name,
    bool large, struct source_file *f)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;

	f->object = NULL;
	f->holes = HOLES_UNSURE;
	f->fd = openat(d->fd, name, flags | O_NOATIME);
	if (f->fd < 0 && errno == EPERM)
		f->fd = openat(d->fd, name, flags);
	if (f->fd < 0)
		return (errno);
	if (large)
		(void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return (0);
}

static void
fs_close(struct source *s, struct source_file *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
}

static int
fs_stat_file(struct source *s, struct source_file *f, struct meta_stat *st)
{
	return (meta_stat(st, f->fd, ""));
}

static void
fs_file_meta(struct source *s, struct source_file *f, struct meta *m)
{
	meta_read_fd(m, f->fd);
}

static bool
is_sparse(const struct meta_stat *st)
{
	return (st->allocated_bytes < st->size);
}

/* Has a file that takes less room than its size no holes all the same (it is
 * compressed)? */
static bool
is_whole(int fd, const struct meta_stat *st)
{
	return (!is_sparse(st) || st->size == 0 ||
	    (lseek(fd, 0, SEEK_HOLE) >= (off_t)st->size &&
	    lseek(fd, 0, SEEK_SET) == 0));
}

static int
fs_read_whole(struct source *s, struct source_file *f,
    const struct meta_stat *st, uint8_t *dst, size_t *got, bool *redo)
{
	*got = 0;
	*redo = !is_whole(f->fd, st);
	if (*redo)
		return (0);
	/* One more byte shows that it grew. */
	while (*got < st->size) {
		ssize_t n = read(f->fd, dst + *got,
		    (size_t)st->size + 1 - *got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return (errno);
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return (0);
}

/*
 * Are holes told as they are?  Not where data wait to be written: an ext4
 * without extents (that was an ext3) finds none in what has no blocks yet, and
 * other file systems had such faults.  So they are written first.
 */
static bool
tells_holes(struct source_file *f)
{
	if (f->holes == HOLES_UNSURE)
		f->holes = sync_file_range(f->fd, 0, 0,
		    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
		    SYNC_FILE_RANGE_WAIT_AFTER) == 0 || errno == ENOSYS ||
		    errno == EPERM ? HOLES_TOLD : HOLES_DOUBTED;
	return (f->holes == HOLES_TOLD);
}

static int
fs_span(struct source *s, struct source_file *f, const struct meta_stat *st,
    uint64_t off, uint64_t *hole, uint64_t *data)
{
	uint64_t size = st->size;
	off_t start, end;

	*hole = *data = 0;
	if (off >= size)
		return (0);
	if (!is_sparse(st) || !tells_holes(f)) {
		*data = size - off;
		return (0);
	}
	start = lseek(f->fd, (off_t)off, SEEK_DATA);
	if (start < 0 && errno == ENXIO) {
		*hole = size - off;
		return (0);
	}
	if (start < 0 && errno == EINVAL) {
		*data = size - off;
		return (0);
	}
	if (start < 0)
		return (errno);
	end = lseek(f->fd, start, SEEK_HOLE);
	if (end < 0)
		return (errno);
	if ((uint64_t)start >= size) {
		*hole = size - off;
		return (0);
	}
	if ((uint64_t)end > size)
		end = (off_t)size;
	*hole = (uint64_t)start - off;
	*data = (uint64_t)end - (uint64_t)start;
	return (0);
}

static int
fs_read_at(struct source *s, struct source_file *f, void *dst, size_t len,
    uint64_t off, size_t *got)
{
	struct err e = ERR_INIT;

	if (io_pread(f->fd, dst, len, off, got, &e) == 0)
		return (0);
	return (e.sys != 0 ? e.sys : EIO);
}

static bool
fs_has_vanished(struct source *s, const char *path, const struct meta_stat *st)
{
	struct meta_stat now;
	int error = meta_stat(&now, AT_FDCWD, path);

	if (error != 0)
		return (error == ENOENT || error == ENOTDIR);
	return (now.dev != st->dev || now.ino != st->ino);
}

static const char *
fs_why(struct source *s, int error)
{
	return (NULL);
}

static int
fs_check(struct source *s, struct err *e)
{
	return (0);
}

static const struct source_ops fs_ops = {
	.root = fs_root, .open_dir = fs_open_dir, .reopen_dir = fs_reopen_dir,
	.list = fs_list, .stat = fs_stat, .entry_meta = fs_entry_meta,
	.dir_meta = fs_dir_meta, .open = fs_open, .close = fs_close,
	.stat_file = fs_stat_file, .file_meta = fs_file_meta,
	.read_whole = fs_read_whole, .span = fs_span, .read_at = fs_read_at,
	.has_vanished = fs_has_vanished, .why = fs_why, .check = fs_check
};

struct source *
source_fs(void)
{
	static struct source fs = { .ops = &fs_ops, .moves = true };

	return (&fs);
}
