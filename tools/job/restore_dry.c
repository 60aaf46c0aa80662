/*
 * Restore with nothing done: the same walk and the same decisions, each told to
 * who asked.
 */
#include <string.h>
#include <unistd.h>

#include "tools/job/restore_impl.h"

void
restore_would(struct restore *rs, const char *what, const char *path)
{
	if (rs->env->would == NULL)
		return;
	(void)pthread_mutex_lock(&rs->lock);
	rs->env->would(rs->env->would_ctx, what, path);
	(void)pthread_mutex_unlock(&rs->lock);
}

/* Decide by what is there now. */
static int
decide(struct restore *rs, const char *path, size_t len,
    const struct entry *en, enum over *how, struct err *e)
{
	const char *slash = memrchr(path, '/', len);
	size_t dir_len = slash != NULL ? (size_t)(slash - path) : 0;
	int dir, r;

	*how = OVER_MAKE;
	if (rs->target < 0)
		return (0);
	r = beneath_open(rs->target, path, dir_len, &dir, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	*how = over_look(rs, dir, slash != NULL ? slash + 1 : path, en);
	(void)close(dir);
	return (0);
}

/* The bytes of a file with several names once. */
static int
count(struct restore *rs, const char *path, size_t len, const struct entry *en,
    struct err *e)
{
	int r = LINKS_NONE;

	(void)atomic_fetch_add(en->kind == ENTRY_DIR ? &rs->dirs :
	    en->kind == ENTRY_FILE ? &rs->files : &rs->others, 1);
	if (en->kind != ENTRY_FILE)
		return (0);
	if (en->nlink > 1)
		r = links_first(rs->links, en->ino, path, len, e);
	if (r == LINKS_NONE)
		(void)atomic_fetch_add(&rs->bytes, en->size);
	return (r < 0 ? -1 : 0);
}

int
dry_entry(struct restore *rs, const char *path, size_t len,
    const struct entry *en, struct err *e)
{
	bool is_dir = en->kind == ENTRY_DIR;
	enum over how;

	if ((en->flags & ENTRY_UNREAD) != 0)
		restore_failed(rs, path, "it could not be read when it was "
		    "backed up%s", is_dir ? ": what was in it is missing" :
		    "");
	if ((en->flags & ENTRY_UNREAD) != 0 && !is_dir)
		return (0);
	if (decide(rs, path, len, en, &how, e) < 0)
		return (-1);
	switch (how) {
	case OVER_REFUSE:
		restore_failed(rs, path, "something of this name is there "
		    "already%s", is_dir ? "; nor what is below it" : "");
		return (is_dir ? CATALOG_SKIP : 0);
	case OVER_KEEP:
		restore_would(rs, "keep", path);
		(void)atomic_fetch_add(&rs->kept, 1);
		return (is_dir ? CATALOG_SKIP : 0);
	case OVER_SAME:
		restore_would(rs, "metadata", path);
		if (!is_dir)
			(void)atomic_fetch_add(&rs->kept, 1);
		else if (rs->env->delete_extra)
			return (over_delete(rs, en, path, len, e));
		return (0);
	case OVER_UPDATE:
		restore_would(rs, "update", path);
		break;
	case OVER_REPLACE:
	case OVER_REPLACE_DIR:
		restore_would(rs, "replace", path);
		break;
	default:
		restore_would(rs, "create", path);
	}
	return (count(rs, path, len, en, e));
}
