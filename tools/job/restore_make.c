/*
 * Restore, the first walk: each entry is made, planned, left or refused, by
 * what is there (restore_over.c).  Directories are made 0700: nobody looks in
 * yet.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/job/restore_impl.h"

/* 0; CATALOG_SKIP when something else is in the way. */
static int
make_dir(struct restore *rs, const struct parent *parent, const char *name,
    const char *path, size_t len, const struct entry *en, struct err *e)
{
	enum over how = OVER_MAKE;

	if (mkdirat(parent->fd, name, 0700) < 0) {
		int saved = errno;

		if (errno == ENOSPC || errno == EDQUOT)
			return (err_sys(e, errno, "%s", path));
		if (errno == EEXIST)
			how = over_look(rs, parent->fd, name, en);
		if (how == OVER_KEEP) {
			(void)atomic_fetch_add(&rs->kept, 1);
			return (CATALOG_SKIP);
		}
		if (how == OVER_REFUSE || how == OVER_MAKE) {
			restore_failed(rs, path, "%s; nor what is below it",
			    how == OVER_MAKE ? strerror(saved) :
			    "something of this name is there already");
			return (CATALOG_SKIP);
		}
		if (how != OVER_SAME && over_remove(rs, parent->fd, name, path,
		    how) < 0)
			return (CATALOG_SKIP);
		if (how != OVER_SAME && mkdirat(parent->fd, name, 0700) < 0) {
			restore_failed(rs, path, "%s; nor what is below it",
			    strerror(errno));
			return (CATALOG_SKIP);
		}
	}
	(void)atomic_fetch_add(&rs->dirs, 1);
	if (how != OVER_SAME) {
		if (parent->acl)
			acl_none(rs, &(struct meta_at){ -1, parent->fd, name },
			    path);
		above_made(rs, en, path);
	}
	if (how == OVER_SAME && rs->env->delete_extra)
		return (over_delete(rs, en, path, len, e));
	return (0);
}

/* It is as it should be, or nearly: its metadata. */
static int
adjust(struct restore *rs, const struct parent *parent, const char *name,
    const char *path, const struct entry *en, struct err *e)
{
	struct meta_at at = { -1, parent->fd, name };

	(void)atomic_fetch_add(&rs->kept, 1);
	if (meta_restore(rs, &at, path, en, e) == 0)
		return (0);
	if (e->code != ERR_CORRUPT)
		return (-1);
	restore_failed(rs, path, "%s", err_text(e));
	err_init(e);
	return (0);
}

/* Walk 1, one entry that is no directory, under its own name. */
static int
make_named(struct restore *rs, struct parent *parent, const char *name,
    const char *path, size_t len, const struct entry *en, bool *made,
    struct err *e)
{
	/* Without a wish, what is there is met when it is to be made. */
	enum over how = rs->env->overwrite == OVERWRITE_REFUSE ? OVER_MAKE :
	    over_look(rs, parent->fd, name, en);

	*made = true;
	switch (how) {
	case OVER_KEEP:
		(void)atomic_fetch_add(&rs->kept, 1);
		*made = false;
		return (0);
	case OVER_SAME:
		return (adjust(rs, parent, name, path, en, e));
	case OVER_REPLACE_DIR:
		if (over_remove(rs, parent->fd, name, path, how) < 0) {
			*made = false;
			return (0);
		}
		how = OVER_MAKE;
		break;
	default:
		break;
	}
	if (en->kind == ENTRY_FILE)
		return (plan_file(rs, parent, path, len, en, how, e));
	return (other_restore(rs, parent, name, path, en, how, made, e));
}

static int
make_entry(struct restore *rs, struct parent *parent, const char *name,
    const char *path, size_t len, const struct entry *en, struct err *e)
{
	bool made;
	int r;

	if ((en->flags & ENTRY_UNREAD) != 0) {
		restore_failed(rs, path, "it could not be read when it was "
		    "backed up");
		return (0);
	}
	if (en->nlink > 1) {
		r = links_first(rs->links, en->ino, path, len, e);
		if (r != LINKS_NONE)
			return (r);
	}
	if (make_named(rs, parent, name, path, len, en, &made, e) < 0)
		return (-1);
	if (!made && en->nlink > 1)
		return (links_drop(rs->links, en->ino, e));
	return (0);
}

/* Make the directories that lead to an entry that alone is wanted. */
static int
make_parents(struct restore *rs, const char *path, size_t len, struct err *e)
{
	const char *slash = path, *end = path + len, *at = path;
	char name[CATALOG_NAME_MAX + 1];
	int dir, r = 0;

	while (r == 0 && (slash = memchr(at, '/', (size_t)(end - at))) !=
	    NULL) {
		size_t n = (size_t)(slash - at);

		if (!name_is_safe(at, n))
			return (0);
		memcpy(name, at, n);
		name[n] = '\0';
		r = beneath_open(rs->target, path, at == path ? 0 :
		    (size_t)(at - path) - 1, &dir, e);
		if (r == 0) {
			if (mkdirat(dir, name, 0700) == 0) {
				(void)atomic_fetch_add(&rs->dirs, 1);
				if (acl_handed_down(dir))
					acl_none(rs, &(struct meta_at){ -1, dir,
					    name }, path);
				r = above_made_at(rs, path,
				    (size_t)(slash - path), e);
			}
			(void)close(dir);
		}
		at = slash + 1;
	}
	return (r < 0 ? -1 : 0);
}

/* An entry that is wanted. */
static int
make_wanted(struct restore *rs, const char *path, size_t len,
    const struct entry *en, struct err *e)
{
	struct parent *parent;
	const char *name;
	int r;

	r = parent_get(rs, path, len, &parent, &name, e);
	if (r == RESTORE_GONE && !filter_wants_all(rs->filter)) {
		if (make_parents(rs, path, len, e) < 0)
			return (-1);
		r = parent_get(rs, path, len, &parent, &name, e);
	}
	if (r == RESTORE_GONE) {
		restore_failed(rs, path, "its directory can't be opened");
		return (en->kind == ENTRY_DIR ? CATALOG_SKIP : 0);
	}
	if (r < 0)
		return (-1);
	if (!name_is_safe(name, len - (size_t)(name - path))) {
		restore_failed(rs, path, "no name that can be made");
		r = en->kind == ENTRY_DIR ? CATALOG_SKIP : 0;
	} else if (en->kind != ENTRY_DIR)
		r = make_entry(rs, parent, name, path, len, en, e);
	else if ((r = make_dir(rs, parent, name, path, len, en, e)) == 0 &&
	    (en->flags & ENTRY_UNREAD) != 0)
		restore_failed(rs, path, "it could not be read when it was "
		    "backed up: what was in it is missing");
	parent_put(parent);
	return (r);
}

int
walk_make(void *ctx, const char *bytes, size_t len, const struct entry *en,
    struct err *e)
{
	struct restore *rs = ctx;
	const char *path;
	int r = restore_wanted(rs, bytes, len, en, &path, e);

	if (r != 0 || path == NULL)
		return (r);
	restore_tick(rs, NULL, path);
	if (rs->env->dry_run)
		return (dry_entry(rs, path, len, en, e));
	return (make_wanted(rs, path, len, en, e));
}
