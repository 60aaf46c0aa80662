/* What put stores: all of it, once, in the same bytes whatever the threads. */
#include "tests/unit/put_fixture.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/repo/put_int.h"
#include "engine/repo/records.h"

#define CHUNK	20000

/* Put, fetch all; put again in a new session: nothing new. */
static void
round_trip(unsigned threads, uint32_t n, size_t max)
{
	struct put_log log = { 0 };
	struct kept *kept = calloc(n, sizeof(*kept));
	struct session *session;
	struct put_stats stats;
	struct put_env env;
	struct pool *pool;
	struct repo *repo;
	struct put *put;
	char dir[64];

	make_dir(dir);
	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, threads, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	put_run(put, 0, n, max, kept);
	put_run(put, 0, n, max, kept);		/* all known by now */
	OK(put_close(put, OBJECT_PACK_DATA, E));
	put_stats(put, &stats);
	assert_int_equal(stats.chunks_new, n);
	assert_int_equal(stats.chunks_known, n);
	assert_int_equal(stats.packs, count(repo, "packs"));
	put_run(put, 0, n, max, kept);		/* by way of the table */
	for (uint32_t i = 0; i < n; i++)
		assert_false(kept[i].place.fresh);
	put_free(put);
	session_end(session);
	check_whole(repo);
	fetch_all(repo, &log, kept, n, max);

	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	put_run(put, 0, n, max, kept);
	put_stats(put, &stats);
	assert_int_equal(stats.chunks_new, 0);
	OK(put_close(put, OBJECT_PACK_DATA, E));
	put_stats(put, &stats);
	assert_int_equal(stats.packs, 0);
	assert_int_equal(stats.bytes_added, 0);
	fetch_all(repo, &log, kept, n, max);
	put_free(put);
	session_end(session);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	free(kept);
	remove_dir(dir);
}

static void
test_round_trip(void **state)
{
	(void)state;
	round_trip(0, 1, 1);
	round_trip(0, 300, CHUNK);
	round_trip(2, 2500, CHUNK);
	round_trip(3, 40, 3U << 20);
	round_trip(1, 20000, 60);
}

/* A small run is one data pack and one table. */
static void
test_small_run(void **state)
{
	struct put_log log = { 0 };
	struct kept kept[100];
	struct session *session;
	struct put_env env;
	struct pool *pool;
	struct repo *repo;
	struct put *put;
	char dir[64];

	(void)state;
	make_dir(dir);
	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, 2, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	put_run(put, 0, 100, CHUNK, kept);
	OK(put_close(put, OBJECT_PACK_DATA, E));
	assert_int_equal(count(repo, "packs"), 1);
	assert_int_equal(count(repo, "index"), 1);
	OK(put_close(put, OBJECT_PACK_DATA, E));
	OK(put_close(put, OBJECT_PACK_META, E));
	assert_int_equal(count(repo, "packs"), 1);
	assert_int_equal(count(repo, "index"), 1);
	put_free(put);
	session_end(session);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	remove_dir(dir);
}

/* Metadata: always stored; second copies in another pack. */
static void
test_meta(void **state)
{
	enum { N = 60 };
	struct put_log log = { 0 };
	struct { struct chunk_id id; struct place at[2]; } m[N];
	struct session *session;
	struct put_env env;
	struct pool *pool;
	struct repo *repo;
	struct fetch *f;
	struct put *put;
	char dir[64];
	uint8_t *bytes = malloc(65536);

	(void)state;
	make_dir(dir);
	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, 2, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	for (unsigned i = 0; i < N; i++) {
		size_t len = make_chunk(bytes, 65536, i / 2);

		OK(put_meta(put, bytes, len, i % 3 == 0, &m[i].id, m[i].at, E));
		assert_true(m[i].at[0].fresh);
		if (i % 3 != 0)
			assert_int_equal(m[i].at[1].frame, UINT32_MAX);
	}
	OK(put_flush(put, OBJECT_PACK_META, E));
	for (unsigned i = 0; i < N; i++)
		assert_true(log.frames[m[i].at[0].frame].set);
	OK(put_close(put, OBJECT_PACK_META, E));
	assert_int_equal(count(repo, "packs"), 2);
	assert_int_equal(count(repo, "index"), 0);
	put_free(put);
	OK(fetch_new(&f, repo, 1U << 20, false, E));
	for (unsigned i = 0; i < 2 * N; i++) {
		const struct place *at = &m[i / 2].at[i % 2];
		struct pack_info pack, other;
		struct frame_info frame;
		struct fetched *ref;
		const uint8_t *data;
		uint32_t slot;
		size_t len;

		if (at->frame == UINT32_MAX)
			continue;
		find_place(&log, at, &pack, &frame, &slot);
		assert_int_equal(pack.kind, OBJECT_PACK_META);
		assert_true(frame.raw <= META_FRAME_TARGET);
		OK(fetch_meta(f, &pack, &frame, slot, i % 4 < 2 ? NULL :
		    &m[i / 2].id, &ref, &data, &len, E));
		assert_int_equal(make_chunk(bytes, 65536, i / 4), len);
		assert_memory_equal(data, bytes, len);
		fetch_put(f, ref);
		if (i % 2 == 1) {
			find_place(&log, &m[i / 2].at[0], &other, &frame,
			    &slot);
			assert_memory_not_equal(&other.id, &pack.id, ID_BYTES);
		}
	}
	fetch_free(f);
	session_end(session);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	free(bytes);
	remove_dir(dir);
}

/* In a child, so that the injected random source begins at the same state. */
static void
write_store(const char *dir, unsigned threads)
{
	enum { N = 4000 };
	struct put_log log = { 0 };
	struct kept *kept = calloc(N, sizeof(*kept));
	struct chunk_id id;
	struct place at[2];
	struct session *session;
	struct put_env env;
	struct pool *pool;
	struct repo *repo;
	struct put *put;
	uint32_t told = 0;
	FILE *tale;
	char path[320];

	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, threads, E));
	env = make_env(pool, &log);
	(void)snprintf(path, sizeof(path), "%s/repo/tale", dir);
	tale = fopen(path, "w");
	assert_non_null(tale);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	for (uint32_t i = 0; i < N; i++) {
		OK(put_one(put, i % 3500, CHUNK, &kept[i], E));
		if (i % 7 == 0)
			OK(put_meta(put, &kept[i], sizeof(kept[i].seed),
			    i % 14 == 0, &id, at, E));
		if (i == 1700)
			OK(put_flush(put, OBJECT_PACK_META, E));
		if (i == 2700)
			OK(put_close(put, OBJECT_PACK_DATA, E));
		/* What was told by when. */
		if (log.nframes != told)
			fprintf(tale, "%u %u\n", i, log.nframes);
		told = log.nframes;
	}
	OK(put_close(put, OBJECT_PACK_DATA, E));
	OK(put_close(put, OBJECT_PACK_META, E));
	put_free(put);
	session_end(session);
	fclose(tale);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	free(kept);
}

static void
test_deterministic(void **state)
{
	static const unsigned threads[] = { 0, 1, 2, 7 };
	char dir[4][64], cmd[640];

	(void)state;
	setenv("VITRINE_TEST_SEED", "put_test", 1);
	setenv("VITRINE_TEST_TIME", "1700000000", 1);
	for (unsigned i = 0; i < 4; i++) {
		pid_t pid;
		int status;

		make_dir(dir[i]);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			write_store(dir[i], threads[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		(void)snprintf(cmd, sizeof(cmd), "diff -r '%s' '%s'", dir[0],
		    dir[i]);
		assert_int_equal(system(cmd), 0);
	}
	(void)snprintf(cmd, sizeof(cmd),
	    "test $(find '%s/repo/packs' -type f | wc -l) -ge 4", dir[0]);
	assert_int_equal(system(cmd), 0);
	unsetenv("VITRINE_TEST_SEED");
	unsetenv("VITRINE_TEST_TIME");
	for (unsigned i = 0; i < 4; i++)
		remove_dir(dir[i]);
}

/* More chunks than one table takes: found again on both sides of it, also with
 * hints that are older than the table. */
static void
test_epochs(void **state)
{
	enum { N = TABLE_ENTRIES_PER_RUN + 1000 };
	struct put_log log = { 0 };
	struct put_hint *hints = calloc(N, sizeof(*hints));
	struct session *session;
	struct put_stats stats;
	struct put_env env;
	struct place place;
	struct pool *pool;
	struct repo *repo;
	struct put *put;
	char dir[64];

	(void)state;
	assert_non_null(hints);
	make_dir(dir);
	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, 2, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	for (uint32_t i = 0; i < N; i++) {
		OK(put_lookup(put, &i, sizeof(i), &hints[i], E));
		assert_false(hints[i].known);
	}
	for (uint32_t i = 0; i < N; i++) {
		OK(put_chunk(put, &hints[i], &i, sizeof(i), &place, E));
		assert_true(place.fresh);
	}
	assert_int_equal(count(repo, "index"), 1);
	for (uint32_t i = 0; i < N; i += 101) {
		OK(put_chunk(put, &hints[i], &i, sizeof(i), &place, E));
		assert_int_equal(place.fresh, i >= TABLE_ENTRIES_PER_RUN);
	}
	put_stats(put, &stats);
	assert_int_equal(stats.chunks_new, N);
	OK(put_close(put, OBJECT_PACK_DATA, E));
	assert_int_equal(count(repo, "index"), 2);
	for (uint32_t i = 0; i < N; i += 503) {
		OK(put_lookup(put, &i, sizeof(i), &hints[i], E));
		assert_true(hints[i].known);
	}
	put_free(put);
	session_end(session);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	free(hints);
	remove_dir(dir);
}

static unsigned
known_again(struct repo *repo, struct pool *pool, uint32_t n)
{
	struct put_log log = { 0 };
	struct kept *kept = calloc(n, sizeof(*kept));
	struct put_env env = make_env(pool, &log);
	struct session *session;
	struct put_stats stats;
	struct put *put;

	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	put_run(put, 0, n, CHUNK, kept);
	put_stats(put, &stats);
	put_free(put);		/* what was new is dropped */
	session_end(session);
	log_fini(&log);
	free(kept);
	return ((unsigned)stats.chunks_known);
}

/* Chunks in packs that are condemned, or no longer there, are stored again. */
static void
test_banned(void **state)
{
	enum { N = 200 };
	struct put_log log = { 0 };
	struct condemned condemned = { .state = CONDEMNED };
	struct buf content = BUF_INIT, object = BUF_INIT;
	char name[PACK_NAME_BYTES], other[sizeof("condemned/") + ID_HEX];
	uint8_t hash[HASH_BYTES];
	struct kept kept[N];
	struct session *session;
	struct put_env env;
	struct pool *pool;
	struct repo *repo;
	struct put *put;
	char dir[64];

	(void)state;
	make_dir(dir);
	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, 1, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	put_run(put, 0, N, CHUNK, kept);
	OK(put_close(put, OBJECT_PACK_DATA, E));
	put_free(put);
	session_end(session);
	assert_int_equal(known_again(repo, pool, N), N);

	condemned.packs = &log.packs[0].info.id;
	condemned.npacks = 1;
	OK(condemned_emit(&content, &condemned, E));
	OK(plain_emit(&object, repo_keyring(repo), OBJECT_CONDEMNED,
	    &log.packs[0].info.run, &content, E));
	hash_bytes(hash, object.data, object.len);
	(void)snprintf(other, sizeof(other), "condemned/");
	hex_emit(other + 10, hash, sizeof(hash));
	OK(store_put(repo_store(repo), other, object.data, object.len, E));
	assert_int_equal(known_again(repo, pool, N), 0);
	OK(store_remove(repo_store(repo), other, E));
	assert_int_equal(known_again(repo, pool, N), N);

	OK(store_remove(repo_store(repo),
	    pack_name(name, &log.packs[0].info.id), E));
	assert_int_equal(known_again(repo, pool, N), 0);
	buf_fini(&content);
	buf_fini(&object);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	remove_dir(dir);
}

/* Tables are looked at when a chunk is; if that fails, so does all after. */
static void
test_tables_at_need(void **state)
{
	static const uint8_t content[] = "the tree";
	struct err e = ERR_INIT, again = ERR_INIT;
	struct put_log log = { 0 };
	struct session *session;
	struct place place[2];
	struct chunk_id id;
	struct put_env env;
	struct kept kept;
	struct pool *pool;
	struct repo *repo;
	struct put *put;
	char dir[64], path[160];

	(void)state;
	make_dir(dir);
	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, 1, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	(void)snprintf(path, sizeof(path), "%s/repo/index", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	OK(put_open(&put, session, &env, E));
	OK(put_meta(put, content, sizeof(content), true, &id, place, E));
	OK(put_close(put, OBJECT_PACK_META, E));
	assert_true(put_one(put, 1, CHUNK, &kept, &e) < 0);
	assert_true(put_flush(put, OBJECT_PACK_META, &again) < 0);
	assert_string_equal(err_text(&again), err_text(&e));
	put_free(put);
	session_end(session);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	remove_dir(dir);
}

/* What a terminated run stored is known to the next. */
static void
test_salvage(void **state)
{
	enum { N = 500 };
	struct put_log log = { 0 };
	struct kept kept[N];
	struct session *session;
	struct put_env env;
	struct chunk_id id;
	struct place at[2];
	struct pool *pool;
	struct repo *repo;
	struct put *put;
	char dir[64];
	uint32_t told;

	(void)state;
	make_dir(dir);
	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, 2, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	put_run(put, 0, N, CHUNK, kept);
	OK(put_meta(put, "x", 1, true, &id, at, E));
	told = log.npacks;
	OK(put_salvage(put, E));
	assert_int_equal(log.npacks, told);
	session_end(session);
	check_whole(repo);
	assert_int_equal(known_again(repo, pool, N), N);

	/* Freed without: nothing is left, nothing is known. */
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	log_fini(&log);
	put_run(put, 1000, N, CHUNK, kept);
	log.refuse = true;
	put_free(put);
	session_end(session);
	assert_int_equal(count(repo, "tmp"), 0);

	/* A callback that fails is the put's failure. */
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	put_run(put, 1000, 3, CHUNK, kept);
	{
		struct err e = ERR_INIT;

		assert_true(put_flush(put, OBJECT_PACK_DATA, &e) < 0);
		assert_int_equal(e.code, ERR_CANCELED);
		assert_true(put_salvage(put, &e) < 0);
	}
	session_end(session);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	remove_dir(dir);
}

/* The frames in memory follow the budget and the threads, whatever is put. */
static void
test_budget(void **state)
{
	static const struct { size_t budget; unsigned threads, least, most; }
	cases[] = {
		{ 0, 0, 5, 5 }, { 0, 4, 5, 5 }, { 64U << 20, 0, 5, 5 },
		{ 64U << 20, 2, 8, 8 }, { 1U << 30, 2, 8, 8 },
		{ 34U << 20, 8, 6, 10 }, { 1U << 30, 64, 32, 32 },
	};
	char dir[64];

	(void)state;
	make_dir(dir);
	make_repo(dir);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct put_log log = { 0 };
		struct session *session;
		struct put_env env;
		struct kept kept[60];
		struct pool *pool;
		struct repo *repo;
		struct put *put;
		size_t held = 0;

		repo = open_repo(dir, NULL);
		OK(pool_new(&pool, cases[i].threads, E));
		env = make_env(pool, &log);
		env.budget_bytes = cases[i].budget;
		OK(session_begin(&session, repo, E));
		OK(put_open(&put, session, &env, E));
		assert_in_range(put->nitems, cases[i].least, cases[i].most);
		put_run(put, 100 * i, 60, 500000, kept);
		OK(put_close(put, OBJECT_PACK_DATA, E));
		for (unsigned k = 0; k < put->nitems; k++)
			held += put->items[k].frame->raw.cap +
			    put->items[k].frame->plain.cap +
			    put->items[k].frame->stored.cap;
		assert_true(held <= put->nitems * (4U << 20));
		put_free(put);
		session_end(session);
		pool_free(pool);
		repo_close(repo);
		log_fini(&log);
	}
	remove_dir(dir);
}

/* A full pack is of about 32 MiB, with hardly any padding in it. */
static void
test_full_packs(void **state)
{
	enum { CHUNKS = 240 };
	static struct kept kept[CHUNKS];
	struct put_log log = { 0 };
	struct session *session;
	struct put_env env;
	struct repo *repo;
	struct pool *pool;
	struct put *put;
	uint32_t open[DATA_PACKS_OPEN], full = 0;
	char dir[64];

	(void)state;
	make_dir(dir);
	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, 2, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	put_run(put, 0, CHUNKS, 1U << 20, kept);
	OK(put_flush(put, OBJECT_PACK_DATA, E));
	for (unsigned i = 0; i < DATA_PACKS_OPEN; i++)
		open[i] = put->open_data[i] == NULL ? UINT32_MAX :
		    put->open_data[i]->number;
	OK(put_close(put, OBJECT_PACK_DATA, E));
	for (uint32_t n = 0; n < log.npacks; n++) {
		uint64_t bytes = 0, frames = 0, slots = 0, padding;

		for (uint32_t i = 0; i < log.nframes; i++)
			if (log.frames[i].pack == n) {
				bytes += log.frames[i].info.stored;
				frames++;
			}
		for (uint32_t i = 0; i < CHUNKS; i++)
			slots += log.frames[kept[i].place.frame].pack == n;
		if (n == open[0] || n == open[1])
			continue;
		full++;
		assert_true(bytes >= 28U << 20);
		padding = pack_padding(bytes, frames, slots);
		assert_true(padding <= bytes / 256 || bytes >= 36U << 20);
		assert_true(log.packs[n].info.size_bytes > bytes + padding);
		assert_true(log.packs[n].info.size_bytes <= 38U << 20);
	}
	assert_true(full > 0);
	put_free(put);
	session_end(session);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	remove_dir(dir);
}

/* Look-ups from many threads while the coordinator puts. */
struct looker {
	struct job job;
	struct put *put;
	uint64_t seed;
	struct put_hint hint;
	uint8_t bytes[CHUNK];
	size_t len;
	int rc;
	struct err err;
};

static void
look_run(struct job *job)
{
	struct looker *l = (struct looker *)job;

	l->len = make_chunk(l->bytes, CHUNK, l->seed);
	l->rc = put_lookup(l->put, l->bytes, l->len, &l->hint, &l->err);
}

static void
test_parallel_lookup(void **state)
{
	enum { N = 3000, WIDE = 16 };
	struct put_log log = { 0 };
	struct looker *l = calloc(WIDE, sizeof(*l));
	struct session *session;
	struct put_stats stats;
	struct put_env env;
	struct lane *lane;
	struct place place;
	struct pool *pool;
	struct repo *repo;
	struct put *put;
	char dir[64];

	(void)state;
	make_dir(dir);
	make_repo(dir);
	repo = open_repo(dir, NULL);
	OK(pool_new(&pool, 3, E));
	OK(lane_new(&lane, pool, 1, WIDE, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	for (unsigned i = 0; i < N + WIDE; i++) {
		struct looker *at = &l[i % WIDE];

		if (i >= WIDE) {
			assert_ptr_equal(lane_take(lane), &at->job);
			assert_int_equal(at->rc, 0);
			OK(put_chunk(put, &at->hint, at->bytes, at->len,
			    &place, E));
			if (i % 500 == 0)
				OK(put_close(put, OBJECT_PACK_DATA, E));
		}
		if (i >= N)
			continue;
		at->job.run = look_run;
		at->put = put;
		at->seed = i % 1200;
		lane_submit(lane, &at->job);
	}
	put_stats(put, &stats);
	assert_int_equal(stats.chunks_new, 1200);
	assert_int_equal(stats.chunks_known, N - 1200);
	OK(put_close(put, OBJECT_PACK_DATA, E));
	put_free(put);
	session_end(session);
	lane_free(lane);
	pool_free(pool);
	repo_close(repo);
	log_fini(&log);
	free(l);
	remove_dir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_small_run),
		cmocka_unit_test(test_meta),
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_banned),
		cmocka_unit_test(test_tables_at_need),
		cmocka_unit_test(test_salvage),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_full_packs),
		cmocka_unit_test(test_parallel_lookup),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
