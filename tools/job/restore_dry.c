/*
 * Restore with nothing done: the same walk and the same decisions, each told to
 * who asked.
 */
#include <dirent.h>
#include <fcntl.h>
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

/* A directory that rmdir would not take away. */
static bool
is_full(int dir, const char *name)
{
	DIR *dp;
	int fd, n = 0;

	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dp = fd < 0 ? NULL : fdopendir(fd);
	if (dp == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return (false);
	}
	while (n < 3 && readdir(dp) != NULL)
		n++;
	(void)closedir(dp);
	return (n == 3);
}

/* Decide by what is there now. */
static int
decide(struct restore *rs, const char *path, size_t len,
    const struct entry *en, enum over *how, bool *full, struct err *e)
{
	const char *slash = memrchr(path, '/', len), *name;
	size_t dir_len = slash != NULL ? (size_t)(slash - path) : 0;
	int dir, r;

	*how = OVER_MAKE;
	*full = false;
	if (rs->target < 0)
		return (0);
	r = beneath_open(rs->target, path, dir_len, &dir, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	name = slash != NULL ? slash + 1 : path;
	*how = over_look(rs, dir, name, en);
	*full = *how == OVER_REPLACE_DIR && !rs->env->delete_extra &&
	    is_full(dir, name);
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
	bool is_dir = en->kind == ENTRY_DIR, full;
	enum over how;

	if ((en->flags & ENTRY_UNREAD) != 0)
		restore_failed(rs, path, "it could not be read when it was "
		    "backed up%s", is_dir ? ": what was in it is missing" :
		    "");
	if ((en->flags & ENTRY_UNREAD) != 0 && !is_dir)
		return (0);
	if (decide(rs, path, len, en, &how, &full, e) < 0)
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
		if (full) {
			restore_failed(rs, path, "%s", OVER_FULL_TEXT);
			return (0);
		}
		restore_would(rs, "replace", path);
		break;
	default:
		restore_would(rs, "create", path);
	}
	return (count(rs, path, len, en, e));
}
