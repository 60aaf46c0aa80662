/*
 * What one core does around a catalog, in calls a second of processor time:
 * loading a catalog of FILES files, walking it, reading its blocks, looking
 * chunks up in a table.  Works in a new directory below TMPDIR (/var/tmp).
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/map/map.h"
#include "index/blocks.h"
#include "index/build.h"

#define FILES		200000U
#define DIR_FILES	20U

#define MUST(call)	do {						\
	if ((call) != 0) {						\
		(void)fprintf(stderr, "%s: %s\n", #call,		\
		    err_text(&err));					\
		exit(1);						\
	}								\
} while (0)

static struct err err = ERR_INIT;
static char top[256];
static struct repo *repo;
static struct fetch *fetch;
static struct chunk_id ids[FILES];

static double
seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return ((double)t.tv_sec + (double)t.tv_nsec / 1e9);
}

static void
say(const char *what, double count, const char *unit, double since)
{
	(void)printf("  %-14s %10.0f %s/s\n", what,
	    count / (seconds() - since), unit);
}

static void
make(void)
{
	const struct repo_env env = { .memory_bytes = 256U << 20 };
	struct slot_params slot = slot_params_default(SLOT_KEY_FILE);
	const struct repo_params params = { 0 };
	struct secret secret;
	struct store *store;
	char dir[300];

	(void)snprintf(dir, sizeof(dir), "%s/repo", top);
	MUST(secret_copy(&secret, "0123456789abcdef0123456789abcdef", 32,
	    &err));
	MUST(store_open(&store, dir, true, &err));
	MUST(repo_init(store, &params, &slot, &secret, "bench", &err));
	store_close(store);
	MUST(store_open(&store, dir, false, &err));
	MUST(repo_open(&repo, store, SLOT_KEY_FILE, &secret, &env, &err));
	secret_fini(&secret);
	MUST(fetch_new(&fetch, repo, 16U << 20, false, &err));
}

static struct entry
entry_of(uint64_t ino, enum entry_kind kind)
{
	struct entry en = { .ino = ino, .kind = (uint8_t)kind, .mode = 0644,
	    .uid = 1000, .gid = 1000, .src_dev = 1, .src_ino = ino };

	en.mtime.s = en.ctime.s = 1700000000 + (int64_t)ino;
	return (en);
}

static void
add_dir(struct build *b, uint64_t ino, uint64_t parent, unsigned n)
{
	struct entry en = entry_of(ino, ENTRY_DIR);
	char name[32];

	en.parent = parent;
	(void)snprintf(name, sizeof(name), "directory-%05u", n);
	MUST(build_node(b, &en, NULL, 0, &err));
	if (ino != CATALOG_ROOT_INO)
		MUST(build_name(b, parent, name, strlen(name), ino, &err));
}

static void
add_file(struct build *b, struct put *put, uint64_t dir, uint64_t ino,
    unsigned n)
{
	struct entry en = entry_of(ino, ENTRY_FILE);
	struct put_hint hint;
	struct place place;
	char name[32], bytes[64];
	int len = snprintf(bytes, sizeof(bytes), "file %u of this run", n);

	(void)snprintf(name, sizeof(name), "file-%06u.c", n);
	MUST(build_node(b, &en, NULL, 0, &err));
	MUST(build_name(b, dir, name, strlen(name), ino, &err));
	MUST(build_content_begin(b, ino, &err));
	MUST(put_lookup(put, bytes, (size_t)len, &hint, &err));
	MUST(put_chunk(put, &hint, bytes, (size_t)len, &place, &err));
	MUST(build_content_chunk(b, ino, &hint.id, (uint32_t)len, &place,
	    &err));
	MUST(build_content_end(b, ino, &err));
	ids[n] = hint.id;
}

/* Put and catalog together; what is said is the whole of it. */
static void
load(struct manifest *m)
{
	struct build_env env = { .repo = repo, .fetch = fetch };
	struct put_env penv = { .budget_bytes = 64U << 20, .verify_data = true,
	    .on_frame = build_on_frame, .on_pack = build_on_pack };
	struct session *session;
	struct build *b;
	struct put *put;
	double t = seconds();
	uint64_t ino, dir = 0;

	MUST(session_begin(&session, repo, &err));
	MUST(pool_new(&penv.pool, 0, &err));
	env.session = session;
	MUST(build_open(&b, &env, &err));
	penv.ctx = b;
	MUST(put_open(&put, session, &penv, &err));
	build_set_put(b, put);
	add_dir(b, CATALOG_ROOT_INO, CATALOG_ROOT_INO, 0);
	for (unsigned i = 0; i < FILES; i++) {
		if (i % DIR_FILES == 0) {
			MUST(build_inos(b, 1 + DIR_FILES, &dir, &err));
			add_dir(b, dir, CATALOG_ROOT_INO, i / DIR_FILES);
		}
		ino = dir + 1 + i % DIR_FILES;
		add_file(b, put, dir, ino, i);
	}
	say("catalog load", FILES, "files", t);
	t = seconds();
	MUST(put_close(put, OBJECT_PACK_DATA, &err));
	MUST(build_finish(b, m, &err));
	say("catalog store", FILES, "files", t);
	put_free(put);
	build_free(b);
	session_end(session);
	pool_free(penv.pool);
}

static int
count_entry(void *ctx, const char *path, size_t len, const struct entry *en,
    struct err *e)
{
	++*(uint64_t *)ctx;
	return (0);
}

static void
read_back(const struct manifest *m)
{
	struct catalog_env env = { .cache_bytes = 16U << 20,
	    .connections = 1 };
	static uint8_t block[CATALOG_BLOCK_BYTES];
	struct catalog *c;
	struct blocks *blocks;
	uint64_t n = 0;
	double t;

	MUST(catalog_open(&c, fetch, repo, m, &env, &err));
	t = seconds();
	MUST(catalog_walk(c, CATALOG_ROOT_INO, count_entry, &n, &err));
	say("walk", (double)n, "entries", t);
	catalog_close(c);
	MUST(blocks_new(&blocks, fetch, repo_keyring(repo), 0, &m->catalog,
	    4U << 20, NULL, NULL, &err));
	t = seconds();
	for (uint64_t i = 0; i < blocks_count(blocks); i++)
		MUST(blocks_read(blocks, i, block, &err));
	say("block read", (double)blocks_count(blocks), "blocks", t);
	blocks_free(blocks);
}

static void
look_up(void)
{
	struct map_hit hit;
	struct chunk_id id;
	struct map *map;
	double t;

	MUST(map_open(&map, repo_store(repo), repo_keyring(repo), 0,
	    16U << 20, NULL, NULL, &err));
	t = seconds();
	for (unsigned i = 0; i < FILES; i++)
		MUST(map_find(map, &ids[(i * 7919U) % FILES], &hit, &err));
	say("table, known", FILES, "look-ups", t);
	t = seconds();
	for (unsigned i = 0; i < FILES; i++) {
		id = ids[i];
		for (unsigned k = 0; k < ID_BYTES; k++)
			id.b[k] ^= (uint8_t)(0x5a + k);
		if (map_find(map, &id, &hit, &err) != MAP_UNKNOWN)
			exit(1);
	}
	say("table, unknown", FILES, "look-ups", t);
	map_close(map);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	struct manifest m;
	char cmd[300];

	if (sodium_init() < 0)
		return (1);
	(void)snprintf(top, sizeof(top), "%s/vitrine-micro-XXXXXX",
	    tmp != NULL ? tmp : "/var/tmp");
	if (mkdtemp(top) == NULL) {
		perror(top);
		return (1);
	}
	memset(&m, 0, sizeof(m));
	(void)printf("%u files\n", FILES);
	make();
	load(&m);
	read_back(&m);
	look_up();
	fetch_free(fetch);
	repo_close(repo);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", top);
	return (system(cmd) == 0 ? 0 : 1);
}
