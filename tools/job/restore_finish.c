/*
 * Restore, the second walk: the further names of inodes with several are linked
 * to the first; each directory gets its metadata when the walk leaves it, for
 * nothing below it is touched again.  Runs alone, when all files are made.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/job/restore_impl.h"

/* The directories that the walk is in, from the outside in. */
struct open_dir {
	size_t len;		/* of its path, a prefix of the last path */
	bool wanted;		/* itself, or something below it */
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
	struct entry own = *en;
	int r;

	if ((en->flags & ENTRY_IMPLIED) != 0 && !above_wants(rs, &own))
		return (0);
	r = beneath_open(rs->target, path, len, &at.fd, e);
	if (r != 0)
		/* Something was in its way: said in the first walk. */
		return (r < 0 ? -1 : 0);
	r = mounted_note(rs, at.fd, path, len, e);
	if (r == 0)
		r = meta_restore(rs, &at, len > 0 ? path : rs->env->target,
		    &own, e);
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
		if (d->wanted && finish_dir(f->rs, last, d->len, &d->entry,
		    e) < 0)
			return (-1);
		f->n--;
	}
	return (0);
}

static int
enter(struct finishing *f, const char *path, size_t len,
    const struct entry *en, bool wanted, struct err *e)
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
	f->dirs[f->n].wanted = wanted;
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
	enum over how;
	int r;

	r = parent_get(rs, path, len, &parent, &name, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	how = over_look(rs, parent->fd, name, en);
	if (how == OVER_KEEP || how == OVER_SAME) {
		(void)atomic_fetch_add(&rs->kept, 1);
		parent_put(parent);
		return (0);
	}
	if (how == OVER_REPLACE_DIR &&
	    over_remove(rs, parent->fd, name, path, how) < 0) {
		parent_put(parent);
		return (0);
	}
	/* Who refuses meets it when it is to be made. */
	if (how == OVER_REFUSE || how == OVER_REPLACE_DIR)
		how = OVER_MAKE;
	r = links_first(rs->links, en->ino, path, len, e);
	if (r == LINKS_NONE)
		r = 0;
	if (r == 0 && name_is_safe(name, len - (size_t)(name - path))) {
		if (en->kind == ENTRY_FILE) {
			r = plan_file(rs, parent, path, len, en, how, e);
			made = true;
			/* What fails is taken off the list by the drain. */
			if (plan_drain(rs, e) < 0)
				r = -1;
		} else
			r = other_restore(rs, parent, name, path, en, how,
			    &made, e);
	}
	if (r == 0 && !made)
		r = links_drop(rs->links, en->ino, e);
	parent_put(parent);
	return (r < 0 ? -1 : 0);
}

/* Something of that name is there: the link itself, or what is in its way.  0
 * when it was replaced. */
static int
link_over(struct restore *rs, int from, const char *first,
    const struct parent *parent, const char *name, const char *path,
    const struct entry *en)
{
	char temp[TEMP_NAME_BYTES];
	struct stat a, b;
	enum over how;

	if (fstatat(from, first, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(parent->fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
		(void)atomic_fetch_add(&rs->kept, 1);
		return (-1);
	}
	how = over_look(rs, parent->fd, name, en);
	if (how == OVER_KEEP) {
		(void)atomic_fetch_add(&rs->kept, 1);
		return (-1);
	}
	if (how == OVER_REFUSE) {
		restore_failed(rs, path, "link to it: something of this name "
		    "is there already");
		return (-1);
	}
	if (how == OVER_REPLACE_DIR &&
	    over_remove(rs, parent->fd, name, path, how) < 0)
		return (-1);
	temp_name(temp, temp_number());
	if (linkat(from, first, parent->fd, temp, 0) == 0) {
		if (renameat(parent->fd, temp, parent->fd, name) == 0)
			return (0);
		(void)unlinkat(parent->fd, temp, 0);
	}
	restore_failed(rs, path, "link: %s", strerror(errno));
	return (-1);
}

static void
link_name(struct restore *rs, int from, const char *first,
    const struct parent *parent, const char *name, const char *path,
    const struct entry *en)
{
	if (linkat(from, first, parent->fd, name, 0) < 0) {
		if (errno != EEXIST) {
			restore_failed(rs, path, "link to %s: %s", first,
			    strerror(errno));
			return;
		}
		if (link_over(rs, from, first, parent, name, path, en) < 0)
			return;
	}
	(void)atomic_fetch_add(en->kind == ENTRY_FILE ? &rs->files :
	    &rs->others, 1);
}

static int
link_to(struct restore *rs, const char *first, const char *path, size_t len,
    const struct entry *en, struct err *e)
{
	struct parent *parent;
	const char *name, *slash = strrchr(first, '/');
	size_t dir_len = slash != NULL ? (size_t)(slash - first) : 0;
	int fd, r;

	/* The first walk made it, or said why not. */
	r = parent_get(rs, path, len, &parent, &name, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	r = beneath_open(rs->target, first, dir_len, &fd, e);
	if (r == 0) {
		if (!name_is_safe(name, len - (size_t)(name - path)))
			restore_failed(rs, path, "no name that can be made");
		else
			link_name(rs, fd, slash != NULL ? slash + 1 : first,
			    parent, name, path, en);
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
	enum wanted wanted;
	const char *path;
	bool tried;
	int r;

	if (restore_stopped(f->rs))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	if ((path = restore_path(f->rs, bytes, len, e)) == NULL)
		return (-1);
	if (leave(f, path, len, e) < 0)
		return (-1);
	wanted = own_has(f->rs, path, len) ? WANTED_NOT :
	    filter_ask(f->rs->filter, path, len, en->kind == ENTRY_DIR);
	if (wanted == WANTED_NOT)
		return (en->kind == ENTRY_DIR ? CATALOG_SKIP : 0);
	/* What leads to something that is wanted is wanted itself. */
	for (size_t i = f->n; wanted == WANTED && i > 0 &&
	    !f->dirs[i - 1].wanted; i--)
		f->dirs[i - 1].wanted = true;
	if (en->kind == ENTRY_DIR)
		return (enter(f, path, len, en, wanted == WANTED, e));
	if (en->nlink < 2 || (en->flags & ENTRY_UNREAD) != 0)
		return (0);
	/* What came of it was said in the first walk. */
	r = links_tried(f->rs->links, en->ino, path, len, &tried, e);
	if (r != 0 || tried)
		return (r);
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
