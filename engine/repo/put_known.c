/*
 * What the store has already.  The map answers from tables; but a table
 * outlives the packs that it names, and a chunk counts as known only if its
 * pack is in the store and neither condemned nor damaged, which the session
 * knows.
 *
 * Packs of this very run need no look: a table names them when they are
 * durable.
 *
 * The map is opened by the first who asks: a run that finds all unchanged never
 * does.
 */
#include <stdlib.h>

#include "engine/repo/put_int.h"

#define MAP_CACHE_MIN	(4U << 20)
#define MAP_CACHE_SHARE	16	/* of the memory that the job may use */
/* A full table's filter: 10 bits a chunk. */
#define FILTER_BYTES	(TABLE_ENTRIES_PER_RUN / 8 * 10)
#define TABLES_MAX	32	/* what one merge takes, with room to spare */
_Static_assert(MAP_CACHE_MIN / 2 / FILTER_BYTES >= 4, "too few to merge");

struct known {
	struct session *session;	/* borrowed */
	pthread_mutex_t lock;		/* over the opening: all wait for it */
	_Atomic(struct map *) map;	/* owned; NULL until it is needed */
	atomic_bool failed;		/* to open it: once is enough */
	struct err err;			/* lock */
};

static int
exclude(void *ctx, const struct pack_id *id, struct err *e)
{
	return (map_exclude(ctx, id, e));
}

static size_t
map_cache(const struct repo *repo)
{
	size_t bytes = repo_env(repo)->memory_bytes / MAP_CACHE_SHARE;

	return (bytes < MAP_CACHE_MIN ? MAP_CACHE_MIN : bytes);
}

unsigned
known_tables(const struct known *k)
{
	size_t n = map_cache(session_repo(k->session)) / 2 / FILTER_BYTES;

	return (n < TABLES_MAX ? (unsigned)n : TABLES_MAX);
}

int
known_new(struct known **out, struct session *session, struct err *e)
{
	struct known *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	k->session = session;
	(void)pthread_mutex_init(&k->lock, NULL);
	*out = k;
	return (0);
}

void
known_free(struct known *k)
{
	if (k == NULL)
		return;
	map_close(atomic_load(&k->map));
	(void)pthread_mutex_destroy(&k->lock);
	free(k);
}

static int
open_map(struct map **out, struct session *session, struct err *e)
{
	struct repo *repo = session_repo(session);
	uint32_t domain = keyring_domain(repo_keyring(repo));
	char *hints = NULL;
	struct map *map;
	int ret;

	if (session_packs(session, e) != 0)
		return (-1);
	if (repo_cache_dir(repo) != NULL && asprintf(&hints, "%s/tables-%u",
	    repo_cache_dir(repo), domain) < 0)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	ret = map_open(&map, repo_store(repo), repo_keyring(repo), domain,
	    map_cache(repo), hints, repo_log(repo), e);
	free(hints);
	if (ret != 0)
		return (-1);
	if (session_each_banned(session, exclude, map, e) != 0) {
		map_close(map);
		return (-1);
	}
	*out = map;
	return (0);
}

int
known_map(struct known *k, struct map **out, struct err *e)
{
	*out = atomic_load(&k->map);
	if (*out != NULL)
		return (0);
	(void)pthread_mutex_lock(&k->lock);
	*out = atomic_load(&k->map);
	if (*out == NULL && !atomic_load(&k->failed)) {
		if (open_map(out, k->session, &k->err) == 0)
			atomic_store(&k->map, *out);
		else
			atomic_store(&k->failed, true);
	}
	(void)pthread_mutex_unlock(&k->lock);
	return (known_check(k, e));
}

int
known_check(struct known *k, struct err *e)
{
	if (!atomic_load(&k->failed))
		return (0);
	(void)pthread_mutex_lock(&k->lock);
	*e = k->err;
	(void)pthread_mutex_unlock(&k->lock);
	return (-1);
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
	struct map *map;
	int rc = known_map(k, &map, e);

	if (rc == 0)
		rc = map_find(map, id, hit, e);
	if (rc == 0 && !is_there(k, &hit->pack))
		return (MAP_UNKNOWN);
	return (rc);
}
