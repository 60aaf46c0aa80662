/*
 * The directories of a walk: references, paths, descriptors.  A descriptor is
 * closed early on deep paths and opened again through the child's "..", or from
 * the nearest directory above that is open; either way it must be the same
 * directory as before.
 */
#include "tools/job/walk_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct walk_dir *
walk_dir_new(struct walk_dir *parent, const char *name, size_t len)
{
	struct walk_dir *d = calloc(1, sizeof(*d) + len + 1);

	if (d == NULL)
		return (NULL);
	d->parent = parent;
	if (parent != NULL)
		parent->refs++;
	d->fd = -1;
	d->refs = 1;
	d->listed = true;
	d->len = (uint16_t)len;
	memcpy(d->name, name, len);
	return (d);
}

void
walk_dir_unref(struct walk_dir *d)
{
	while (d != NULL && --d->refs == 0) {
		struct walk_dir *parent = d->parent;

		if (d->fd >= 0)
			(void)close(d->fd);
		ignore_free(d->ignore);
		free(d);
		d = parent;
	}
}

void
walk_dir_hold(struct walk_dir *d)
{
	d->refs++;
	d->users++;
}

void
walk_dir_drop(struct walk_dir *d)
{
	d->users--;
	walk_dir_unref(d);
}

int
walk_path(const struct walk_dir *dir, const char *name, struct buf *out,
    struct err *e)
{
	size_t len = name != NULL ? strlen(name) + 1 : 0, total = len;
	uint8_t *end;

	for (const struct walk_dir *d = dir; d->parent != NULL; d = d->parent)
		total += d->len + 1u;
	buf_reset(out);
	end = buf_grow(out, total + 1);
	if (end == NULL)
		return (buf_ok(out, e));
	end += total;
	*end = '\0';
	if (name != NULL) {
		end -= len;
		*end = '/';
		memcpy(end + 1, name, len - 1);
	}
	for (const struct walk_dir *d = dir; d->parent != NULL; d = d->parent) {
		end -= d->len + 1u;
		*end = '/';
		memcpy(end + 1, d->name, d->len);
	}
	out->len--;
	return (0);
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

int
walk_dir_open(struct walk_dir *d)
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

int
walk_dir_reopen(struct walk_dir *d, const struct walk_dir *child)
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
