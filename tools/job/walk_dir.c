/*
 * The directories of a walk: references and paths.
 */
#include "tools/job/walk_int.h"

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

static void
close_fd(struct walk_dir *d)
{
	if (d->fd >= 0)
		(void)close(d->fd);
	d->fd = -1;
}

void
walk_dir_unref(struct walk_dir *d)
{
	while (d != NULL && --d->refs == 0) {
		struct walk_dir *parent = d->parent;

		close_fd(d);
		ignore_free(d->ignore);
		free(d);
		d = parent;
	}
}

void
walk_dir_leave(struct walk_dir *d)
{
	d->left = true;
	if (d->users == 0)
		close_fd(d);
	walk_dir_unref(d);
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
	if (--d->users == 0 && d->left)
		close_fd(d);
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
