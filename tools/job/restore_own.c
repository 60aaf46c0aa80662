/*
 * What is vitrine's own: the repository in a directory, and the cache.  A
 * backup leaves both out, so that to a restore they are what the snapshot
 * doesn't have: with --delete the last copy of everything would go.  They are
 * told by their device and inode where something is to be deleted, and by
 * their path where something is to be made.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/store/dir.h"
#include "engine/store/s3.h"
#include "engine/store/s3_url.h"
#include "tools/job/restore_impl.h"

/* Is the path the directory, or below it? */
static bool
is_in(const char *path, size_t len, const char *dir, size_t dir_len)
{
	return (len >= dir_len && memcmp(path, dir, dir_len) == 0 &&
	    (len == dir_len || dir_len == 0 || path[dir_len] == '/'));
}

/* The target without links; as far as it is there, and whether all of it is. */
static char *
real_target(const char *target, bool *all)
{
	char *path = strdup(target), *full = NULL, *slash;

	*all = true;
	while (path != NULL &&
	    (full = realpath(*path != '\0' ? path : "/", NULL)) == NULL &&
	    errno == ENOENT) {
		*all = false;
		if ((slash = strrchr(path, '/')) == NULL) {
			full = realpath(".", NULL);
			break;
		}
		*slash = '\0';
	}
	free(path);
	return (full);
}

/* Note one of them.  A target in the repository is refused; a cache may be what
 * anybody calls one, such as /tmp. */
static int
add(struct restore *rs, const struct own *it, const char *where, bool is_cache,
    struct err *e)
{
	struct own *o = &rs->own[rs->nown++];
	char *target, *full = realpath(where, NULL);
	size_t len;
	bool all;
	int r = 0;

	*o = *it;
	/* What can't be looked at can't be restored to either. */
	target = real_target(rs->env->target, &all);
	if (target != NULL && full != NULL) {
		len = strcmp(target, "/") == 0 ? 0 : strlen(target);
		if (is_in(target, len, full, strlen(full)))
			r = is_cache ? 0 : err_set(e, ERR_EXISTS,
			    "%s is the repository or lies in it",
			    rs->env->target);
		else if (all && is_in(full, strlen(full), target, len) &&
		    (o->path = strdup(full + len + 1)) == NULL)
			r = err_set(e, ERR_NOMEM, "out of memory");
	}
	free(target);
	free(full);
	return (r);
}

/* A repository in the bucket that is restored to, in the target or around it.
 */
static int
check_bucket(struct restore *rs, struct err *e)
{
	const struct s3_url *own = store_s3_url(repo_store(rs->repo));
	const struct s3_url *u = s3_url(rs->env->bucket);
	struct own *o = &rs->own[rs->nown];
	const char *below;

	if (own == NULL)
		return (0);
	if (s3_url_within(u, own) != NULL)
		return (err_set(e, ERR_EXISTS, "%s is the repository or lies "
		    "in it", rs->env->target));
	if ((below = s3_url_within(own, u)) == NULL)
		return (0);
	/* But for its final '/'. */
	o->path = strndup(below, strlen(below) - 1);
	if (o->path == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	rs->nown++;
	return (0);
}

int
own_find(struct restore *rs, struct err *e)
{
	const char *cache = repo_env(rs->repo)->cache_dir;
	struct store *store = repo_store(rs->repo);
	struct own it = { .path = NULL };
	struct stat st;

	if (rs->env->bucket != NULL)
		return (check_bucket(rs, e));
	if (store_dir_identity(store, &it.dev, &it.ino) == 0 &&
	    add(rs, &it, store->where, false, e) < 0)
		return (-1);
	if (cache == NULL || stat(cache, &st) < 0)
		return (0);
	it.dev = st.st_dev;
	it.ino = st.st_ino;
	return (add(rs, &it, cache, true, e));
}

void
own_fini(struct restore *rs)
{
	while (rs->nown > 0)
		free(rs->own[--rs->nown].path);
}

bool
own_has(const struct restore *rs, const char *path, size_t len)
{
	for (unsigned i = 0; i < rs->nown; i++)
		if (rs->own[i].path != NULL && is_in(path, len,
		    rs->own[i].path, strlen(rs->own[i].path)))
			return (true);
	return (false);
}

bool
own_is(const struct restore *rs, const struct stat *st)
{
	for (unsigned i = 0; i < rs->nown; i++)
		if (st->st_dev == rs->own[i].dev &&
		    st->st_ino == rs->own[i].ino)
			return (true);
	return (false);
}
