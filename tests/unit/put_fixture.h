#ifndef VITRINE_TESTS_UNIT_PUT_FIXTURE_H
#define VITRINE_TESTS_UNIT_PUT_FIXTURE_H

/* A repository in a temporary directory, chunks of made-up data, and a record
 * of where put said that they lie; for the tests of put and fetch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/repo/fetch.h"
#include "engine/repo/pack_name.h"
#include "engine/repo/put.h"
#include "engine/store/dir.h"
#include "engine/store/fault.h"

#define OK(call)	do {						\
	struct err ok_err = ERR_INIT;					\
	if ((call) != 0)						\
		fail_msg("%s: %s", #call, err_text(&ok_err));		\
} while (0)
#define E	(&ok_err)

static const char key_file[] = "0123456789abcdef0123456789abcdef";

/* Another secret: a put-only writer's. */
static const char put_only_file[] = "put-only put-only put-only";
static bool as_put_only;

static inline void
make_secret(struct secret *s)
{
	if (as_put_only)
		OK(secret_copy(s, put_only_file, sizeof(put_only_file) - 1, E));
	else
		OK(secret_copy(s, key_file, sizeof(key_file) - 1, E));
}

static inline void
make_dir(char dst[64])
{
	(void)snprintf(dst, 64, "/tmp/vitrine-put-XXXXXX");
	assert_non_null(mkdtemp(dst));
}

static inline void
remove_dir(const char *path)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", path);
	assert_int_equal(system(cmd), 0);
}

/* Make a repository in dir/repo. */
static inline void
make_repo(const char *dir)
{
	const struct repo_params params = { 0 };
	struct slot_params slot = slot_params_default(SLOT_KEY_FILE);
	struct secret secret;
	struct store *store;
	char path[320];

	(void)snprintf(path, sizeof(path), "%s/repo", dir);
	make_secret(&secret);
	OK(store_open(&store, path, true, E));
	OK(repo_init(store, &params, &slot, &secret, "test", E));
	store_close(store);
	secret_fini(&secret);
}

/* Open it, behind a fault store when there is a plan. */
static inline struct repo *
open_repo(const char *dir, const char *plan)
{
	const struct repo_env env = {
		.memory_bytes = 64U << 20, .threads = 2
	};
	struct secret secret;
	struct store *store;
	struct repo *repo;
	char path[320];

	(void)snprintf(path, sizeof(path), "%s/repo", dir);
	make_secret(&secret);
	OK(store_open(&store, path, false, E));
	if (plan != NULL)
		OK(store_fault_open(&store, store, plan, E));
	OK(repo_open(&repo, store, SLOT_KEY_FILE, &secret, &env, E));
	secret_fini(&secret);
	return (repo);
}

/* Deterministic bytes: even seeds give text that compresses, odd ones noise. */
static inline size_t
make_chunk(uint8_t *dst, size_t max, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
	size_t len;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 32;
	len = max <= sizeof(seed) ? max :
	    sizeof(seed) + x % (max - sizeof(seed));
	memcpy(dst, &seed, len < sizeof(seed) ? len : sizeof(seed));
	for (size_t i = sizeof(seed); i < len; i++) {
		if (seed % 2 == 1 || i % 16 == 0) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
		}
		dst[i] = seed % 2 == 1 ? (uint8_t)x :
		    (uint8_t)('a' + (x >> (i % 16)) % 7);
	}
	return (len);
}

/* What put told, and what was put. */
struct put_log {
	struct { uint32_t pack; struct frame_info info; bool set; } *frames;
	uint32_t nframes;
	struct { struct pack_info info; bool set; } *packs;
	uint32_t npacks;
	bool refuse;			/* fail at the next frame */
};
struct kept {
	uint64_t seed;
	struct chunk_id id;
	uint32_t len;
	struct place place;
};

static inline int
log_frame(void *ctx, uint32_t frame, uint32_t pack,
    const struct frame_info *info, struct err *e)
{
	struct put_log *l = ctx;

	if (l->refuse)
		return (err_set(e, ERR_CANCELED, "refused"));
	if (frame >= l->nframes) {
		l->frames = realloc(l->frames, (frame + 1) *
		    sizeof(*l->frames));
		for (uint32_t i = l->nframes; i <= frame; i++)
			l->frames[i].set = false;
		l->nframes = frame + 1;
	}
	assert_false(l->frames[frame].set);
	l->frames[frame].pack = pack;
	l->frames[frame].info = *info;
	l->frames[frame].set = true;
	return (0);
}

static inline int
log_pack(void *ctx, uint32_t pack, const struct pack_info *info, struct err *e)
{
	struct put_log *l = ctx;

	(void)e;
	if (pack >= l->npacks) {
		l->packs = realloc(l->packs, (pack + 1) * sizeof(*l->packs));
		for (uint32_t i = l->npacks; i <= pack; i++)
			l->packs[i].set = false;
		l->npacks = pack + 1;
	}
	assert_false(l->packs[pack].set);
	l->packs[pack].info = *info;
	l->packs[pack].set = true;
	return (0);
}

static inline void
log_fini(struct put_log *l)
{
	free(l->frames);
	free(l->packs);
	*l = (struct put_log){ 0 };
}

static inline struct put_env
make_env(struct pool *pool, struct put_log *l)
{
	return ((struct put_env){
		.pool = pool, .budget_bytes = 64U << 20, .verify_data = true,
		.on_frame = log_frame, .on_pack = log_pack, .ctx = l
	});
}

/* Look up and put one made-up chunk; 0, or -1 with the error. */
static inline int
put_one(struct put *put, uint64_t seed, size_t max, struct kept *k,
    struct err *e)
{
	uint8_t *bytes = malloc(max);
	struct put_hint hint;
	int rc;

	assert_non_null(bytes);
	k->seed = seed;
	k->len = (uint32_t)make_chunk(bytes, max, seed);
	rc = put_lookup(put, bytes, k->len, &hint, e);
	k->id = hint.id;
	if (rc == 0)
		rc = put_chunk(put, &hint, bytes, k->len, &k->place, e);
	free(bytes);
	return (rc);
}

/* A repository in a directory of its own, opened, and in a session of it a put.
 * Begins with rig_new(), or with a name in dir and rig_open(). */
struct rig {
	char dir[64];
	struct repo *repo;
	struct pool *pool;
	struct put_log log;
	struct put_env env;
	struct session *session;
	struct put *put;
};

static inline void
rig_open(struct rig *r, unsigned threads)
{
	r->log = (struct put_log){ 0 };
	r->repo = open_repo(r->dir, NULL);
	OK(pool_new(&r->pool, threads, E));
	r->env = make_env(r->pool, &r->log);
}

static inline void
rig_new(struct rig *r, unsigned threads)
{
	make_dir(r->dir);
	make_repo(r->dir);
	rig_open(r, threads);
}

static inline void
rig_begin(struct rig *r)
{
	OK(session_begin(&r->session, r->repo, E));
	OK(put_open(&r->put, r->session, &r->env, E));
}

static inline void
rig_end(struct rig *r)
{
	put_free(r->put);
	session_end(r->session);
}

static inline void
rig_close(struct rig *r)
{
	pool_free(r->pool);
	repo_close(r->repo);
	log_fini(&r->log);
}

static inline void
rig_free(struct rig *r)
{
	rig_close(r);
	remove_dir(r->dir);
}

/* Where a chunk lies, from its place and what was told. */
static inline void
find_place(const struct put_log *l, const struct place *at,
    struct pack_info *pack, struct frame_info *frame, uint32_t *slot)
{
	if (!at->fresh) {
		*pack = at->hit.pack;
		*frame = at->hit.frame;
		*slot = at->hit.slot;
		return;
	}
	assert_true(at->frame < l->nframes && l->frames[at->frame].set);
	assert_true(l->frames[at->frame].pack < l->npacks);
	assert_true(l->packs[l->frames[at->frame].pack].set);
	*pack = l->packs[l->frames[at->frame].pack].info;
	*frame = l->frames[at->frame].info;
	*slot = at->slot;
}

/* Fetch a chunk, or it alone: 0 when the right bytes came, else the error.
 * Other bytes fail the test. */
static inline int
fetch_kept_as(struct fetch *f, const struct put_log *l, const struct kept *k,
    size_t max, bool alone, struct err *e)
{
	struct pack_info pack;
	struct frame_info frame;
	struct fetched *ref;
	const uint8_t *data;
	uint8_t *want;
	uint32_t slot;
	int rc;

	find_place(l, &k->place, &pack, &frame, &slot);
	rc = (alone ? fetch_alone : fetch_chunk)(f, &pack, &frame, slot,
	    &k->id, k->len, &ref, &data, e);
	if (rc != 0) {
		assert_true(rc < 0);
		return (rc);
	}
	want = malloc(max);
	assert_non_null(want);
	assert_int_equal(make_chunk(want, max, k->seed), k->len);
	assert_memory_equal(data, want, k->len);
	free(want);
	fetch_put(f, ref);
	return (0);
}

static inline int
fetch_kept(struct fetch *f, const struct put_log *l, const struct kept *k,
    size_t max, struct err *e)
{
	return (fetch_kept_as(f, l, k, max, false, e));
}

static inline void
put_run(struct put *put, uint64_t first, uint32_t n, size_t max,
    struct kept *kept)
{
	for (uint32_t i = 0; i < n; i++)
		OK(put_one(put, first + i, max, &kept[i], E));
}

static inline void
fetch_all(struct repo *repo, const struct put_log *l, const struct kept *kept,
    uint32_t n, size_t max)
{
	struct fetch *f;

	OK(fetch_new(&f, repo, 8U << 20, true, E));
	for (uint32_t i = 0; i < n; i++)
		OK(fetch_kept(f, l, &kept[i], max, E));
	fetch_free(f);
}

static inline unsigned
count(struct repo *repo, const char *prefix)
{
	char cmd[640];
	FILE *p;
	unsigned n = 0;

	(void)snprintf(cmd, sizeof(cmd), "find '%s/%s' -type f 2>&- | wc -l",
	    repo_store(repo)->where, prefix);
	p = popen(cmd, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%u", &n), 1);
	pclose(p);
	return (n);
}

/* Every object under packs/ and index/ is whole: its name is its hash. */
static inline int
check_object(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct buf b = BUF_INIT;
	bool pack = strncmp(name, "packs/", 6) == 0;
	uint8_t hash[HASH_BYTES];
	char hex[ID_HEX];

	(void)e;
	OK(store_load(ctx, name, &b, PACK_MAX, E));
	assert_int_equal(b.len, st->size_bytes);
	if (pack)
		(void)crypto_hash_sha256(hash, b.data, b.len);
	else
		hash_bytes(hash, b.data, b.len);
	hex_emit(hex, hash, sizeof(hash));
	assert_string_equal(hex, strrchr(name, '/') + 1);
	if (pack)
		assert_int_equal(padme(b.len), b.len);
	buf_fini(&b);
	return (0);
}

static inline void
check_whole(struct repo *repo)
{
	OK(store_list(repo_store(repo), "packs", check_object,
	    repo_store(repo), E));
	OK(store_list(repo_store(repo), "index", check_object,
	    repo_store(repo), E));
}

#endif
