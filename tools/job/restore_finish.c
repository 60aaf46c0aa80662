/*
 * Restore, the second walk: the further names of inodes with several are linked
 * to the first; each directory gets its metadata when the walk leaves it, for
 * nothing below it is touched again.  Runs alone, when all files are made.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/job/restore_impl.h"

/* The directories that the walk is in, from the outside in. */
struct open_dir {
	size_t len;		/* of its path, a prefix of the last path */
	struct entry entry;
};
struct finishing {
	struct restore *rs;
	struct open_dir *dirs;	/* owned */
	size_t n, cap;
	struct buf last;	/* the last directory's path, with a NUL */
};

static int
finish_dir(struct restore *rs, const char *path, size_t len,
    const struct entry *en, struct err *e)
{
	struct meta_at at = { -1, -1, NULL };
	int r;

	if ((en->flags & ENTRY_IMPLIED) != 0)
		return (0);
	r = beneath_open(rs->target, path, len, &at.fd, e);
	if (r != 0)
		/* Something was in its way: said in the first walk. */
		return (r < 0 ? -1 : 0);
	r = meta_restore(rs, &at, len > 0 ? path : rs->env->target, en, e);
	(void)close(at.fd);
	return (r);
}

/* Is the path below that prefix? */
static bool
is_below(const char *path, size_t len, const char *dir, size_t dir_len)
{
	return (len > dir_len && path[dir_len] == '/' &&
	    memcmp(path, dir, dir_len) == 0);
}

/* Finish the directories that `path' is not in (all of them: NULL). */
static int
leave(struct finishing *f, const char *path, size_t len, struct err *e)
{
	char *last = (char *)f->last.data;

	while (f->n > 0) {
		struct open_dir *d = &f->dirs[f->n - 1];

		if (path != NULL && is_below(path, len, last, d->len))
			break;
		last[d->len] = '\0';
		if (finish_dir(f->rs, last, d->len, &d->entry, e) < 0)
			return (-1);
		f->n--;
	}
	return (0);
}

static int
enter(struct finishing *f, const char *path, size_t len,
    const struct entry *en, struct err *e)
{
	struct open_dir *dirs;
	size_t cap;

	if (f->n == f->cap) {
		cap = f->cap == 0 ? 32 : f->cap * 2;
		dirs = reallocarray(f->dirs, cap, sizeof(*dirs));
		if (dirs == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		f->dirs = dirs;
		f->cap = cap;
	}
	f->dirs[f->n].len = len;
	f->dirs[f->n++].entry = *en;
	buf_reset(&f->last);
	buf_bytes(&f->last, path, len);
	buf_u8(&f->last, '\0');
	return (buf_ok(&f->last, e));
}

/* The first name failed: this one is made in its place. */
static int
make_instead(struct restore *rs, const char *path, size_t len,
    const struct entry *en, struct err *e)
{
	struct parent *parent;
	const char *name;
	bool made = false;
	int r;

	r = parent_get(rs, path, len, &parent, &name, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	r = links_first(rs->links, en->ino, path, len, e);
	if (r == LINKS_NONE)
		r = 0;
	if (r == 0 && name_is_safe(name, len - (size_t)(name - path))) {
		if (en->kind == ENTRY_FILE) {
			r = plan_file(rs, parent, path, len, en, e);
			made = true;
			/* What fails is taken off the list by the drain. */
			if (plan_drain(rs, e) < 0)
				r = -1;
		} else
			r = other_restore(rs, parent, name, path, en, &made, e);
	}
	if (r == 0 && !made)
		r = links_drop(rs->links, en->ino, e);
	parent_put(parent);
	return (r < 0 ? -1 : 0);
}

static int
link_to(struct restore *rs, const char *first, const char *path, size_t len,
    const struct entry *en, struct err *e)
{
	struct parent *parent;
	const char *name, *slash = strrchr(first, '/');
	size_t dir_len = slash != NULL ? (size_t)(slash - first) : 0;
	int fd, r;

	r = parent_get(rs, path, len, &parent, &name, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	r = beneath_open(rs->target, first, dir_len, &fd, e);
	if (r == 0) {
		if (!name_is_safe(name, len - (size_t)(name - path)))
			restore_failed(rs, path, "no name that can be made");
		else if (linkat(fd, slash != NULL ? slash + 1 : first,
		    parent->fd, name, 0) < 0)
			restore_failed(rs, path, "link to %s: %s", first,
			    strerror(errno));
		else if (en->kind == ENTRY_FILE)
			(void)atomic_fetch_add(&rs->files, 1);
		else
			(void)atomic_fetch_add(&rs->others, 1);
		(void)close(fd);
	} else if (r > 0)
		restore_failed(rs, path, "link to %s: it is gone", first);
	parent_put(parent);
	return (r < 0 ? -1 : 0);
}

static int
walk_finish(void *ctx, const char *bytes, size_t len, const struct entry *en,
    struct err *e)
{
	struct finishing *f = ctx;
	struct buf first = BUF_INIT;
	const char *path;
	int r;

	if (restore_stopped(f->rs))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	if ((path = restore_path(f->rs, bytes, len, e)) == NULL)
		return (-1);
	if (leave(f, path, len, e) < 0)
		return (-1);
	if (en->kind == ENTRY_DIR)
		return (enter(f, path, len, en, e));
	if (en->nlink < 2 || (en->flags & ENTRY_UNREAD) != 0)
		return (0);
	r = links_get(f->rs->links, en->ino, &first, e);
	if (r == LINKS_NONE)
		r = make_instead(f->rs, path, len, en, e);
	else if (r == 0 && (first.len != len + 1 ||
	    memcmp(first.data, path, len) != 0))
		r = link_to(f->rs, (const char *)first.data, path, len, en, e);
	buf_fini(&first);
	return (r < 0 ? -1 : 0);
}

int
restore_finish(struct restore *rs, const struct entry *top, struct err *e)
{
	struct finishing f = { .rs = rs, .last = BUF_INIT };
	int r;

	r = catalog_walk(rs->catalog, top->ino, walk_finish, &f, e);
	if (r >= 0)
		r = leave(&f, NULL, 0, e);
	if (r >= 0 && rs->target_made)
		r = finish_dir(rs, "", 0, top, e);
	free(f.dirs);
	buf_fini(&f.last);
	return (r < 0 ? -1 : 0);
}
