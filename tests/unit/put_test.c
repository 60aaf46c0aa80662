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
	struct kept *kept = calloc(n, sizeof(*kept));
	struct put_stats stats;
	struct rig rig;

	rig_new(&rig, threads);
	rig_begin(&rig);
	put_run(rig.put, 0, n, max, kept);
	put_run(rig.put, 0, n, max, kept);	/* all known by now */
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	put_stats(rig.put, &stats);
	assert_int_equal(stats.chunks_new, n);
	assert_int_equal(stats.chunks_known, n);
	assert_int_equal(stats.packs, count(rig.repo, "packs"));
	put_run(rig.put, 0, n, max, kept);	/* by way of the table */
	for (uint32_t i = 0; i < n; i++)
		assert_false(kept[i].place.fresh);
	rig_end(&rig);
	check_whole(rig.repo);
	fetch_all(rig.repo, &rig.log, kept, n, max);

	rig_begin(&rig);
	put_run(rig.put, 0, n, max, kept);
	put_stats(rig.put, &stats);
	assert_int_equal(stats.chunks_new, 0);
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	put_stats(rig.put, &stats);
	assert_int_equal(stats.packs, 0);
	assert_int_equal(stats.bytes_added, 0);
	fetch_all(rig.repo, &rig.log, kept, n, max);
	rig_end(&rig);
	free(kept);
	rig_free(&rig);
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
	struct kept kept[100];
	struct rig rig;

	(void)state;
	rig_new(&rig, 2);
	rig_begin(&rig);
	put_run(rig.put, 0, 100, CHUNK, kept);
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	assert_int_equal(count(rig.repo, "packs"), 1);
	assert_int_equal(count(rig.repo, "index"), 1);
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	OK(put_close(rig.put, OBJECT_PACK_META, E));
	assert_int_equal(count(rig.repo, "packs"), 1);
	assert_int_equal(count(rig.repo, "index"), 1);
	rig_end(&rig);
	rig_free(&rig);
}

/* Metadata: always stored; second copies in another pack. */
static void
stores_meta(bool (*twice)(unsigned))
{
	enum { N = 60 };
	struct { struct chunk_id id; struct place at[2]; } m[N];
	size_t given = 0, there = 0;
	struct fetch *f;
	uint8_t *bytes = malloc(65536);
	struct rig rig;

	rig_new(&rig, 2);
	rig_begin(&rig);
	for (unsigned i = 0; i < N; i++) {
		size_t len = make_chunk(bytes, 65536, i / 2);

		OK(put_meta(rig.put, bytes, len, twice(i), &m[i].id, m[i].at,
		    E));
		assert_true(m[i].at[0].fresh);
		assert_int_equal(twice(i), m[i].at[1].frame != UINT32_MAX);
		given += twice(i) ? len : 0;
	}
	OK(put_flush(rig.put, OBJECT_PACK_META, E));
	for (unsigned i = 0; i < N; i++)
		assert_true(rig.log.frames[m[i].at[0].frame].set);
	OK(put_close(rig.put, OBJECT_PACK_META, E));
	assert_int_equal(count(rig.repo, "packs"), 2);
	assert_int_equal(count(rig.repo, "index"), 0);
	put_free(rig.put);
	OK(fetch_new(&f, rig.repo, 1U << 20, false, E));
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
		find_place(&rig.log, at, &pack, &frame, &slot);
		assert_int_equal(pack.kind, OBJECT_PACK_META);
		assert_true(frame.raw <= META_FRAME_TARGET);
		OK(fetch_meta(f, &pack, &frame, slot, i % 4 < 2 ? NULL :
		    &m[i / 2].id, &ref, &data, &len, E));
		assert_int_equal(make_chunk(bytes, 65536, i / 4), len);
		assert_memory_equal(data, bytes, len);
		fetch_put(f, ref);
		if (i % 2 == 1) {
			/* Its frames have nothing else. */
			there += slot == 0 ? frame.raw : 0;
			find_place(&rig.log, &m[i / 2].at[0], &other, &frame,
			    &slot);
			assert_memory_not_equal(&other.id, &pack.id, ID_BYTES);
		}
	}
	assert_int_equal(there, given);
	fetch_free(f);
	session_end(rig.session);
	free(bytes);
	rig_free(&rig);
}

static bool
always(unsigned i)
{
	return (true);
}

static bool
each_third(unsigned i)
{
	return (i % 3 == 0);
}

static bool
but_each_11th(unsigned i)
{
	return (i % 11 != 5);
}

static bool
at_first(unsigned i)
{
	return (i < 23);
}

static bool
at_last(unsigned i)
{
	return (i > 23);
}

static void
test_meta(void **state)
{
	(void)state;
	stores_meta(each_third);
	/* Frames that are alike are squeezed once, until they are not. */
	stores_meta(always);
	stores_meta(but_each_11th);
	stores_meta(at_first);
	stores_meta(at_last);
}

/* In a child, so that the injected random source begins at the same state. */
static void
write_store(const char dir[64], unsigned threads)
{
	enum { N = 4000 };
	struct kept *kept = calloc(N, sizeof(*kept));
	struct chunk_id id;
	struct place at[2];
	uint32_t told = 0;
	FILE *tale;
	char path[320];
	struct rig rig;

	memcpy(rig.dir, dir, sizeof(rig.dir));
	make_repo(dir);
	rig_open(&rig, threads);
	(void)snprintf(path, sizeof(path), "%s/repo/tale", dir);
	tale = fopen(path, "w");
	assert_non_null(tale);
	rig_begin(&rig);
	for (uint32_t i = 0; i < N; i++) {
		OK(put_one(rig.put, i % 3500, CHUNK, &kept[i], E));
		if (i % 7 == 0)
			OK(put_meta(rig.put, &kept[i], sizeof(kept[i].seed),
			    i % 14 == 0, &id, at, E));
		if (i == 1700)
			OK(put_flush(rig.put, OBJECT_PACK_META, E));
		if (i == 2700)
			OK(put_close(rig.put, OBJECT_PACK_DATA, E));
		/* What was told by when. */
		if (rig.log.nframes != told)
			fprintf(tale, "%u %u\n", i, rig.log.nframes);
		told = rig.log.nframes;
	}
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	OK(put_close(rig.put, OBJECT_PACK_META, E));
	rig_end(&rig);
	fclose(tale);
	rig_close(&rig);
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
	struct put_hint *hints = calloc(N, sizeof(*hints));
	struct put_stats stats;
	struct place place;
	struct rig rig;

	(void)state;
	assert_non_null(hints);
	rig_new(&rig, 2);
	rig_begin(&rig);
	for (uint32_t i = 0; i < N; i++) {
		OK(put_lookup(rig.put, &i, sizeof(i), &hints[i], E));
		assert_false(hints[i].known);
	}
	for (uint32_t i = 0; i < N; i++) {
		OK(put_chunk(rig.put, &hints[i], &i, sizeof(i), &place, E));
		assert_true(place.fresh);
	}
	assert_int_equal(count(rig.repo, "index"), 1);
	for (uint32_t i = 0; i < N; i += 101) {
		OK(put_chunk(rig.put, &hints[i], &i, sizeof(i), &place, E));
		assert_int_equal(place.fresh, i >= TABLE_ENTRIES_PER_RUN);
	}
	put_stats(rig.put, &stats);
	assert_int_equal(stats.chunks_new, N);
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	assert_int_equal(count(rig.repo, "index"), 2);
	for (uint32_t i = 0; i < N; i += 503) {
		OK(put_lookup(rig.put, &i, sizeof(i), &hints[i], E));
		assert_true(hints[i].known);
	}
	rig_end(&rig);
	free(hints);
	rig_free(&rig);
}

/* Chunks of a MiB, all different. */
static uint8_t *
large(uint32_t i)
{
	static uint8_t bytes[1 << 20];

	memcpy(bytes, &i, sizeof(i));
	return (bytes);
}

static void
put_large(struct rig *rig, int64_t s, uint32_t i)
{
	struct put_hint hint;
	struct place place;
	char now[24];

	(void)snprintf(now, sizeof(now), "%lld", (long long)s);
	setenv("VITRINE_TEST_TIME", now, 1);
	OK(put_lookup(rig->put, large(i), 1 << 20, &hint, E));
	OK(put_chunk(rig->put, &hint, large(i), 1 << 20, &place, E));
	assert_true(place.fresh);
}

/* How many the next run knows. */
static uint32_t
known_after(struct rig *rig, uint32_t n)
{
	struct put_hint hint;
	uint32_t known = 0;

	rig_end(rig);
	log_fini(&rig->log);
	rig_begin(rig);
	for (uint32_t i = 0; i < n; i++) {
		OK(put_lookup(rig->put, large(i), 1 << 20, &hint, E));
		known += hint.known;
	}
	return (known);
}

/* A slow run that dies without a word: what it stored some minutes ago is found
 * by the next.  Where the clock was set back, a table too many does no harm. */
static void
test_table_in_time(void **state)
{
	const int64_t s = 1700000000;
	struct rig rig;
	uint32_t i = 0;

	(void)state;
	setenv("VITRINE_TEST_TIME", "1700000000", 1);
	rig_new(&rig, 2);
	rig_begin(&rig);
	while (i < 65)
		put_large(&rig, s + 599, i++);
	assert_int_equal(count(rig.repo, "index"), 0);
	put_large(&rig, s + 600, i++);
	assert_int_equal(count(rig.repo, "index"), 1);
	/* Much later, but not much. */
	while (i < 129)
		put_large(&rig, s + 5000, i++);
	assert_int_equal(count(rig.repo, "index"), 1);
	assert_int_equal(known_after(&rig, i), 65);
	/* Much, but not later. */
	while (i < 300)
		put_large(&rig, s + 5000, i++);
	assert_int_equal(count(rig.repo, "index"), 1);
	put_large(&rig, s, i++);
	assert_int_equal(count(rig.repo, "index"), 2);
	rig_end(&rig);
	unsetenv("VITRINE_TEST_TIME");
	rig_free(&rig);
}

/* Of many such tables some are merged while the run goes on. */
static void
test_tables_in_time_merged(void **state)
{
	enum { MANY = 12 };	/* so many filters fit the map's cache */
	int64_t s = 1700000000;
	struct rig rig;
	uint32_t i = 0;

	(void)state;
	setenv("VITRINE_TEST_TIME", "1700000000", 1);
	rig_new(&rig, 2);
	rig_begin(&rig);
	while (i < 1000 && count(rig.repo, "index") < MANY)
		put_large(&rig, s += 10, i++);
	assert_int_equal(count(rig.repo, "index"), MANY + 1);
	assert_int_equal(known_after(&rig, i), i - 1);
	rig_end(&rig);
	unsetenv("VITRINE_TEST_TIME");
	rig_free(&rig);
}

/* The fourth small table is followed by one that stands for all of them. */
static void
test_merged_at_end(void **state)
{
	enum { N = 50 };
	struct kept kept[N];
	struct rig rig;

	(void)state;
	rig_new(&rig, 2);
	for (unsigned i = 0; i < 4; i++) {
		log_fini(&rig.log);
		rig_begin(&rig);
		put_run(rig.put, i * N, N, CHUNK, kept);
		OK(put_close(rig.put, OBJECT_PACK_DATA, E));
		rig_end(&rig);
		assert_int_equal(count(rig.repo, "index"), i < 3 ?
		    i + 1 : 5);
	}
	rig_free(&rig);
}

/* The filters of many tables would not fit the map's cache: while the run goes
 * on some are merged, and what was stored is found in those as well. */
static void
test_merged_meanwhile(void **state)
{
	enum { TABLES = 12, N = TABLES * TABLE_ENTRIES_PER_RUN + 1 };
	uint64_t tables, entries;
	struct put_hint hint;
	struct place place;
	struct map *map;
	struct rig rig;

	(void)state;
	rig_new(&rig, 2);
	rig_begin(&rig);
	assert_int_equal(known_tables(rig.put->known), TABLES);
	for (uint32_t i = 0; i < N; i++) {
		OK(put_lookup(rig.put, &i, sizeof(i), &hint, E));
		OK(put_chunk(rig.put, &hint, &i, sizeof(i), &place, E));
		assert_true(place.fresh);
	}
	OK(known_map(rig.put->known, &map, E));
	map_stats(map, &tables, &entries);
	assert_int_equal(tables, 1);
	assert_int_equal(entries, TABLES * TABLE_ENTRIES_PER_RUN);
	for (uint32_t i = 0; i < N - 1; i += 5003) {
		OK(put_lookup(rig.put, &i, sizeof(i), &hint, E));
		assert_true(hint.known);
	}
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	assert_int_equal(count(rig.repo, "index"), TABLES + 2);
	rig_end(&rig);
	rig_free(&rig);
}

static unsigned
known_again(const struct rig *rig, uint32_t n)
{
	struct rig again = { .repo = rig->repo, .pool = rig->pool };
	struct kept *kept = calloc(n, sizeof(*kept));
	struct put_stats stats;

	again.env = make_env(again.pool, &again.log);
	rig_begin(&again);
	put_run(again.put, 0, n, CHUNK, kept);
	put_stats(again.put, &stats);
	rig_end(&again);		/* what was new is dropped */
	log_fini(&again.log);
	free(kept);
	return ((unsigned)stats.chunks_known);
}

/* Chunks in packs that are condemned, or no longer there, are stored again. */
static void
test_banned(void **state)
{
	enum { N = 200 };
	struct condemned condemned = { .state = CONDEMNED };
	struct buf content = BUF_INIT, object = BUF_INIT;
	char name[PACK_NAME_BYTES], other[sizeof("condemned/") + ID_HEX];
	uint8_t hash[HASH_BYTES];
	struct kept kept[N];
	struct rig rig;

	(void)state;
	rig_new(&rig, 1);
	rig_begin(&rig);
	put_run(rig.put, 0, N, CHUNK, kept);
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	rig_end(&rig);
	assert_int_equal(known_again(&rig, N), N);

	condemned.packs = &rig.log.packs[0].info.id;
	condemned.npacks = 1;
	OK(condemned_emit(&content, &condemned, E));
	OK(plain_emit(&object, repo_keyring(rig.repo), OBJECT_CONDEMNED,
	    &rig.log.packs[0].info.run, &content, E));
	hash_bytes(hash, object.data, object.len);
	(void)snprintf(other, sizeof(other), "condemned/");
	hex_emit(other + 10, hash, sizeof(hash));
	OK(store_put(repo_store(rig.repo), other, object.data, object.len, E));
	assert_int_equal(known_again(&rig, N), 0);
	OK(store_remove(repo_store(rig.repo), other, E));
	assert_int_equal(known_again(&rig, N), N);

	OK(store_remove(repo_store(rig.repo),
	    pack_name(name, &rig.log.packs[0].info.id), E));
	assert_int_equal(known_again(&rig, N), 0);
	buf_fini(&content);
	buf_fini(&object);
	rig_free(&rig);
}

/* Tables are looked at when a chunk is; if that fails, so does all after. */
static void
test_tables_at_need(void **state)
{
	static const uint8_t content[] = "the tree";
	struct err e = ERR_INIT, again = ERR_INIT;
	struct place place[2];
	struct chunk_id id;
	struct kept kept;
	struct rig rig;
	char path[160];

	(void)state;
	rig_new(&rig, 1);
	OK(session_begin(&rig.session, rig.repo, E));
	(void)snprintf(path, sizeof(path), "%s/repo/index", rig.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	OK(put_open(&rig.put, rig.session, &rig.env, E));
	OK(put_meta(rig.put, content, sizeof(content), true, &id, place, E));
	OK(put_close(rig.put, OBJECT_PACK_META, E));
	assert_true(put_one(rig.put, 1, CHUNK, &kept, &e) < 0);
	assert_true(put_flush(rig.put, OBJECT_PACK_META, &again) < 0);
	assert_string_equal(err_text(&again), err_text(&e));
	rig_end(&rig);
	rig_free(&rig);
}

/* What a terminated run stored is known to the next. */
static void
test_salvage(void **state)
{
	enum { N = 500 };
	struct kept kept[N];
	struct chunk_id id;
	struct place at[2];
	uint32_t told, frames;
	struct rig rig;

	(void)state;
	rig_new(&rig, 2);
	rig_begin(&rig);
	put_run(rig.put, 0, N, CHUNK, kept);
	OK(put_meta(rig.put, "x", 1, true, &id, at, E));
	told = rig.log.npacks;
	frames = rig.log.nframes;
	OK(put_salvage(rig.put, E));
	assert_int_equal(rig.log.npacks, told);
	assert_int_equal(rig.log.nframes, frames);
	session_end(rig.session);
	check_whole(rig.repo);
	assert_int_equal(known_again(&rig, N), N);

	/* Freed without: nothing is left, nothing is known. */
	rig_begin(&rig);
	log_fini(&rig.log);
	put_run(rig.put, 1000, N, CHUNK, kept);
	rig.log.refuse = true;
	rig_end(&rig);
	assert_int_equal(count(rig.repo, "tmp"), 0);

	/* A callback that fails is the put's failure. */
	rig_begin(&rig);
	put_run(rig.put, 1000, 3, CHUNK, kept);
	{
		struct err e = ERR_INIT;

		assert_true(put_flush(rig.put, OBJECT_PACK_DATA, &e) < 0);
		assert_int_equal(e.code, ERR_CANCELED);
		assert_true(put_salvage(rig.put, &e) < 0);
	}
	session_end(rig.session);
	rig_free(&rig);
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
	struct rig rig;

	(void)state;
	make_dir(rig.dir);
	make_repo(rig.dir);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct kept kept[60];
		size_t held = 0;

		rig_open(&rig, cases[i].threads);
		rig.env.budget_bytes = cases[i].budget;
		rig_begin(&rig);
		assert_in_range(rig.put->nitems, cases[i].least, cases[i].most);
		put_run(rig.put, 100 * i, 60, 500000, kept);
		OK(put_close(rig.put, OBJECT_PACK_DATA, E));
		for (unsigned k = 0; k < rig.put->nitems; k++)
			held += rig.put->items[k].frame->raw.cap +
			    rig.put->items[k].frame->plain.cap +
			    rig.put->items[k].frame->stored.cap;
		assert_true(held <= rig.put->nitems * (4U << 20));
		rig_end(&rig);
		rig_close(&rig);
	}
	remove_dir(rig.dir);
}

/* A full pack is of about 32 MiB, with hardly any padding in it. */
static void
test_full_packs(void **state)
{
	enum { CHUNKS = 240 };
	static struct kept kept[CHUNKS];
	uint32_t open[DATA_PACKS_OPEN], full = 0;
	struct rig rig;

	(void)state;
	rig_new(&rig, 2);
	rig_begin(&rig);
	put_run(rig.put, 0, CHUNKS, 1U << 20, kept);
	OK(put_flush(rig.put, OBJECT_PACK_DATA, E));
	for (unsigned i = 0; i < DATA_PACKS_OPEN; i++)
		open[i] = rig.put->open_data[i] == NULL ? UINT32_MAX :
		    rig.put->open_data[i]->number;
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	for (uint32_t n = 0; n < rig.log.npacks; n++) {
		uint64_t bytes = 0, frames = 0, slots = 0, padding;

		for (uint32_t i = 0; i < rig.log.nframes; i++)
			if (rig.log.frames[i].pack == n) {
				bytes += rig.log.frames[i].info.stored;
				frames++;
			}
		for (uint32_t i = 0; i < CHUNKS; i++)
			slots += rig.log.frames[kept[i].place.frame].pack == n;
		if (n == open[0] || n == open[1])
			continue;
		full++;
		assert_true(bytes >= 28U << 20);
		padding = pack_padding(bytes, frames, slots);
		assert_true(padding <= bytes / 256 || bytes >= 36U << 20);
		assert_true(rig.log.packs[n].info.size_bytes > bytes + padding);
		assert_true(rig.log.packs[n].info.size_bytes <= 38U << 20);
	}
	assert_true(full > 0);
	rig_end(&rig);
	rig_free(&rig);
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
	struct looker *l = calloc(WIDE, sizeof(*l));
	struct put_stats stats;
	struct lane *lane;
	struct place place;
	struct rig rig;

	(void)state;
	rig_new(&rig, 3);
	OK(lane_new(&lane, rig.pool, 1, WIDE, E));
	rig_begin(&rig);
	for (unsigned i = 0; i < N + WIDE; i++) {
		struct looker *at = &l[i % WIDE];

		if (i >= WIDE) {
			assert_ptr_equal(lane_take(lane), &at->job);
			assert_int_equal(at->rc, 0);
			OK(put_chunk(rig.put, &at->hint, at->bytes, at->len,
			    &place, E));
			if (i % 500 == 0)
				OK(put_close(rig.put, OBJECT_PACK_DATA, E));
		}
		if (i >= N)
			continue;
		at->job.run = look_run;
		at->put = rig.put;
		at->seed = i % 1200;
		lane_submit(lane, &at->job);
	}
	put_stats(rig.put, &stats);
	assert_int_equal(stats.chunks_new, 1200);
	assert_int_equal(stats.chunks_known, N - 1200);
	OK(put_close(rig.put, OBJECT_PACK_DATA, E));
	rig_end(&rig);
	lane_free(lane);
	free(l);
	rig_free(&rig);
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
		cmocka_unit_test(test_table_in_time),
		cmocka_unit_test(test_tables_in_time_merged),
		cmocka_unit_test(test_merged_at_end),
		cmocka_unit_test(test_merged_meanwhile),
		cmocka_unit_test(test_banned),
		cmocka_unit_test(test_tables_at_need),
		cmocka_unit_test(test_salvage),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_full_packs),
		cmocka_unit_test(test_parallel_lookup),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
