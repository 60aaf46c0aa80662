/*
 * What the store has already.  The map answers from tables; but a table
 * outlives the packs that it names, and a chunk counts as known only if its
 * pack is in the store and neither condemned nor damaged.  So packs/ is listed
 * once, after the tables were (a pack is stored before the table that names
 * it), and kept as a sorted array of eight bytes a pack.
 *
 * Packs of this very run need no look: a table names them when they are
 * durable.
 */
#include <stdlib.h>

#include "engine/repo/put_int.h"

#define MAP_CACHE_MIN	(4U << 20)
#define MAP_CACHE_SHARE	16	/* of the memory that the job may use */
#define PACK_NAME_AT	9	/* where the id begins in "packs/xx/ID" */

struct known {
	struct map *map;		/* owned */
	struct run_id run;
	uint64_t *packs;		/* owned; sorted; immutable once open */
	size_t n;
	size_t cap;
};

static uint64_t
prefix_of(const struct pack_id *id)
{
	uint64_t v;

	memcpy(&v, id->b, sizeof(v));
	return (v);
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y ? -1 : *x > *y);
}

static int
note_pack(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct known *k = ctx;
	struct pack_id id;

	(void)st;
	if (strlen(name) != PACK_NAME_AT + 2 * ID_BYTES ||
	    hex_parse(id.b, ID_BYTES, name + PACK_NAME_AT) != 0)
		return (0);
	if (k->n == k->cap) {
		size_t cap = k->cap == 0 ? 1024 : 2 * k->cap;
		uint64_t *p = realloc(k->packs, cap * sizeof(*p));

		if (p == NULL)
			return (err_set(e, ERR_NOMEM, "no memory"));
		k->packs = p;
		k->cap = cap;
	}
	k->packs[k->n++] = prefix_of(&id);
	return (0);
}

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
	k->run = *session_run(session);
	if (map_open(&k->map, repo_store(repo), repo_keyring(repo),
	    keyring_domain(repo_keyring(repo)), map_cache(repo),
	    repo_log(repo), e) != 0 ||
	    session_each_banned(session, exclude, k, e) != 0 ||
	    store_list(repo_store(repo), "packs", note_pack, k, e) < 0) {
		known_close(k);
		return (-1);
	}
	if (k->n > 0)
		qsort(k->packs, k->n, sizeof(*k->packs), by_value);
	*out = k;
	return (0);
}

void
known_close(struct known *k)
{
	if (k == NULL)
		return;
	map_close(k->map);
	free(k->packs);
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
	uint64_t key = prefix_of(&pack->id);

	if (memcmp(&pack->run, &k->run, sizeof(k->run)) == 0)
		return (true);
	return (k->n > 0 && bsearch(&key, k->packs, k->n, sizeof(*k->packs),
	    by_value) != NULL);
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
