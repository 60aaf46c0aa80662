/*
 * A backup's reading, on the workers: open a file without waiting, following or
 * touching it, find its holes, read, cut, look the chunks up.  A small file
 * that is not exactly what the walk saw is left to the coordinator, which reads
 * it alone.
 */
#include "tools/job/backup_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/job/pace.h"

void
read_pace(struct backup *b, size_t bytes)
{
	if (b->pace != NULL)
		pace_wait(b->pace, bytes, b->ev);
}

int
read_open(const struct walk_dir *dir, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	int fd = openat(dir->fd, name, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM)
		fd = openat(dir->fd, name, flags);
	return (fd < 0 ? -errno : fd);
}

bool
read_is_sparse(const struct meta_stat *st)
{
	return (st->allocated_bytes < st->size);
}

int
read_span(int fd, bool sparse, uint64_t off, uint64_t size, uint64_t *hole,
    uint64_t *data)
{
	off_t start, end;

	*hole = *data = 0;
	if (off >= size)
		return (0);
	if (!sparse) {
		*data = size - off;
		return (0);
	}
	start = lseek(fd, (off_t)off, SEEK_DATA);
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
	end = lseek(fd, start, SEEK_HOLE);
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

int
read_at(int fd, void *dst, size_t len, uint64_t off, size_t *got)
{
	*got = 0;
	while (*got < len) {
		ssize_t n = pread(fd, (uint8_t *)dst + *got, len - *got,
		    (off_t)(off + *got));

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

static int
cuts_add(struct cuts *c, size_t off, size_t len, struct err *e)
{
	if (c->n == c->cap) {
		size_t cap = c->cap == 0 ? 64 : c->cap * 2;
		struct cut *v = reallocarray(c->v, cap, sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "no memory for chunks"));
		c->v = v;
		c->cap = cap;
	}
	c->v[c->n].off = (uint32_t)off;
	c->v[c->n].len = (uint32_t)len;
	c->n++;
	return (0);
}

int
read_cut(struct backup *b, const uint8_t *buf, size_t off, size_t len,
    bool last, struct cuts *cuts, size_t *left, struct err *e)
{
	while (len > 0) {
		size_t n = cutter_cut(&b->cutter, buf + off, len, last);

		if (n == 0)
			break;
		if (cuts_add(cuts, off, n, e) != 0)
			return (-1);
		off += n;
		len -= n;
	}
	*left = len;
	return (0);
}

int
read_lookup(struct backup *b, const uint8_t *buf, struct cuts *cuts,
    size_t first, struct err *e)
{
	for (size_t i = first; i < cuts->n; i++)
		if (sink_lookup(b, buf + cuts->v[i].off, cuts->v[i].len,
		    &cuts->v[i].hint, e) != 0)
			return (-1);
	return (0);
}

/* All of a file that should have st->size bytes; one more shows that it
 * grew. */
static int
read_whole(int fd, const struct meta_stat *st, uint8_t *dst, size_t *got)
{
	*got = 0;
	while (*got < st->size) {
		ssize_t n = read(fd, dst + *got, (size_t)st->size + 1 - *got);

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

/* Has a file that takes less room than its size no holes all the same (it is
 * compressed)? */
static bool
is_whole(int fd, const struct meta_stat *st)
{
	return (!read_is_sparse(st) || st->size == 0 ||
	    (lseek(fd, 0, SEEK_HOLE) >= (off_t)st->size &&
	    lseek(fd, 0, SEEK_SET) == 0));
}

int
read_small(struct backup *b, struct run_item *ri, uint8_t *buf, size_t off,
    struct cuts *cuts, struct err *e)
{
	const struct meta_stat *st = &ri->it.st;
	int fd = read_open(ri->it.dir, ri->it.name);
	struct meta_stat now;
	size_t got = 0, left;

	ri->first_cut = cuts->n;
	ri->ncuts = 0;
	if (fd < 0) {
		ri->error = -fd;
		return (0);
	}
	if (!is_whole(fd, st))
		ri->redo = true;
	else if (st->size > 0)
		ri->error = read_whole(fd, st, buf + off, &got);
	meta_read_fd(&ri->meta, fd);
	if (meta_stat(&now, fd, "") != 0 || !meta_is_same(&now, st) ||
	    got != st->size || ri->error != 0)
		ri->redo = true;
	(void)close(fd);
	if (ri->redo) {
		ri->error = 0;
		meta_fini(&ri->meta);
		return (0);
	}
	if (read_cut(b, buf, off, got, true, cuts, &left, e) != 0 ||
	    read_lookup(b, buf, cuts, ri->first_cut, e) != 0)
		return (-1);
	ri->ncuts = cuts->n - ri->first_cut;
	return (0);
}
