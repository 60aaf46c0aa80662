/*
 * What the store has already.  The map answers from tables; but a table
 * outlives the packs that it names, and a chunk counts as known only if its
 * pack is in the store and neither condemned nor damaged, which the session
 * knows.
 *
 * Packs of this very run need no look: a table names them when they are
 * durable.
 */
#include <stdlib.h>

#include "engine/repo/put_int.h"

#define MAP_CACHE_MIN	(4U << 20)
#define MAP_CACHE_SHARE	16	/* of the memory that the job may use */

struct known {
	struct map *map;		/* owned */
	const struct session *session;	/* borrowed */
};

static int
exclude(void *ctx, const struct pack_id *id, struct err *e)
{
	struct known *k = ctx;

	return (map_exclude(k->map, id, e));
}

static size_t
map_cache(const struct repo *repo)
{
	size_t bytes = repo_env(repo)->memory_bytes / MAP_CACHE_SHARE;

	return (bytes < MAP_CACHE_MIN ? MAP_CACHE_MIN : bytes);
}

int
known_open(struct known **out, struct session *session, struct err *e)
{
	struct repo *repo = session_repo(session);
	struct known *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	k->session = session;
	if (map_open(&k->map, repo_store(repo), repo_keyring(repo),
	    keyring_domain(repo_keyring(repo)), map_cache(repo),
	    repo_log(repo), e) != 0 ||
	    session_each_banned(session, exclude, k, e) != 0) {
		known_close(k);
		return (-1);
	}
	*out = k;
	return (0);
}

void
known_close(struct known *k)
{
	if (k == NULL)
		return;
	map_close(k->map);
	free(k);
}

struct map *
known_map(struct known *k)
{
	return (k->map);
}

static bool
is_there(const struct known *k, const struct pack_info *pack)
{
	const struct run_id *run = session_run(k->session);

	return (memcmp(&pack->run, run, sizeof(*run)) == 0 ||
	    session_has_pack(k->session, &pack->id));
}

int
known_find(struct known *k, const struct chunk_id *id, struct map_hit *hit,
    struct err *e)
{
	int rc = map_find(k->map, id, hit, e);

	if (rc == 0 && !is_there(k, &hit->pack))
		return (MAP_UNKNOWN);
	return (rc);
}
