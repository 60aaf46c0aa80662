/*
 * How fast put and fetch are, from memory into a directory store and back:
 *
 *	put_bench FILE DIR [threads [MiB [level]]]
 *
 * FILE's first 256 MiB are put again and again, each chunk of 64 KiB stamped so
 * that none is known, until so much has been put; then all is fetched again by
 * place.  DIR is made and must not exist.
 */
#include <sys/resource.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/base/pool.h"
#include "engine/repo/fetch.h"
#include "engine/repo/put.h"

#define CHUNK		(64U << 10)
#define BATCH		16		/* chunks: 1 MiB */
#define SOURCE_MAX	(256U << 20)
#define WIDE		16

#define MUST(call)	do {						\
	if ((call) != 0) {						\
		fprintf(stderr, "%s: %s\n", #call, err_text(&err));	\
		exit(1);						\
	}								\
} while (0)

static struct err err = ERR_INIT;

/* Chunks that are looked up together, as a backup's reader does. */
struct batch {
	struct job job;
	struct put *put;
	const uint8_t *src;
	uint64_t first;
	uint8_t bytes[BATCH][CHUNK];
	struct put_hint hint[BATCH];
	int rc;
	struct err err;
};

static void
look(struct job *job)
{
	struct batch *b = (struct batch *)job;

	for (unsigned i = 0; i < BATCH; i++) {
		uint64_t stamp = b->first + i;

		memcpy(b->bytes[i], b->src + i * CHUNK, CHUNK);
		memcpy(b->bytes[i], &stamp, sizeof(stamp));
		b->rc = put_lookup(b->put, b->bytes[i], CHUNK, &b->hint[i],
		    &b->err);
		if (b->rc != 0)
			return;
	}
}

struct where {
	struct chunk_id id;
	struct place place;
};
static struct where *at;
static struct {
	uint32_t pack;
	struct frame_info info;
} *frames;
static struct pack_info packs[4096];

static int
on_frame(void *ctx, uint32_t frame, uint32_t pack,
    const struct frame_info *info, struct err *e)
{
	frames[frame].pack = pack;
	frames[frame].info = *info;
	return (0);
}

static int
on_pack(void *ctx, uint32_t pack, const struct pack_info *info, struct err *e)
{
	packs[pack] = *info;
	return (0);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((double)ts.tv_sec + (double)ts.tv_nsec / 1e9);
}

static void
report(const char *what, double start, double bytes)
{
	struct rusage ru;
	double wall = now() - start;

	getrusage(RUSAGE_SELF, &ru);
	printf("%-8s %6.2f s  %6.3f GB/s  (so far: user %.2f s, sys %.2f s, "
	    "peak %ld MiB)\n", what, wall, bytes / wall / 1e9,
	    (double)ru.ru_utime.tv_sec + (double)ru.ru_utime.tv_usec / 1e6,
	    (double)ru.ru_stime.tv_sec + (double)ru.ru_stime.tv_usec / 1e6,
	    ru.ru_maxrss / 1024);
}

static struct repo *
make(const char *dir, unsigned threads)
{
	const struct repo_params params = { 0 };
	const struct repo_env env = {
		.memory_bytes = 256U << 20, .threads = threads
	};
	struct slot_params slot = slot_params_default(SLOT_KEY_FILE);
	struct secret secret;
	struct store *store;
	struct repo *repo;

	MUST(secret_copy(&secret, "0123456789abcdef0123456789abcdef", 32,
	    &err));
	MUST(store_open(&store, dir, true, &err));
	MUST(repo_init(store, &params, &slot, &secret, "bench", &err));
	store_close(store);
	MUST(store_open(&store, dir, false, &err));
	MUST(repo_open(&repo, store, SLOT_KEY_FILE, &secret, &env, &err));
	secret_fini(&secret);
	return (repo);
}

/* Look-ups on the pool, chunks in order. */
static void
put_batches(struct put *put, struct lane *lane, const uint8_t *src,
    size_t batches_of_src, uint32_t batches)
{
	struct batch *b = calloc(WIDE, sizeof(*b));
	uint32_t given = 0, done = 0;

	if (b == NULL)
		exit(1);
	while (done < batches) {
		struct batch *t = &b[given % WIDE];

		if (given < batches && !lane_is_full(lane)) {
			t->job.run = look;
			t->put = put;
			t->src = src + given % batches_of_src * BATCH * CHUNK;
			t->first = (uint64_t)given * BATCH + 1;
			lane_submit(lane, &t->job);
			given++;
			continue;
		}
		t = (struct batch *)lane_take(lane);
		err = t->err;
		MUST(t->rc);
		for (unsigned i = 0; i < BATCH; i++) {
			struct where *w = &at[done * BATCH + i];

			w->id = t->hint[i].id;
			MUST(put_chunk(put, &t->hint[i], t->bytes[i], CHUNK,
			    &w->place, &err));
		}
		done++;
	}
	free(b);
}

static void
put_all(struct repo *repo, unsigned threads, int level, const uint8_t *src,
    size_t batches_of_src, uint32_t batches)
{
	unsigned wide = 2 * threads + 2 < WIDE ? 2 * threads + 2 : WIDE;
	struct session *session;
	struct put_stats stats;
	struct put_env env = {
		.budget_bytes = 96U << 20, .level = level,
		.verify_data = true, .on_frame = on_frame, .on_pack = on_pack
	};
	struct lane *lane;
	struct put *put;
	double start = now();

	MUST(pool_new(&env.pool, threads, &err));
	MUST(lane_new(&lane, env.pool, 1, wide, &err));
	MUST(session_begin(&session, repo, &err));
	MUST(put_open(&put, session, &env, &err));
	put_batches(put, lane, src, batches_of_src, batches);
	MUST(put_close(put, OBJECT_PACK_DATA, &err));
	put_stats(put, &stats);
	report("put", start, (double)stats.bytes_new);
	printf("         %llu chunks, stored as %.3f of their size in %llu "
	    "packs\n", (unsigned long long)stats.chunks_new,
	    (double)stats.bytes_added / (double)stats.bytes_new,
	    (unsigned long long)stats.packs);
	put_free(put);
	session_end(session);
	lane_free(lane);
	pool_free(env.pool);
}

static void
fetch_one(struct fetch *f, const struct where *w)
{
	uint32_t fr = w->place.frame;
	struct fetched *ref;
	const uint8_t *data;

	MUST(fetch_chunk(f, &packs[frames[fr].pack], &frames[fr].info,
	    w->place.slot, &w->id, CHUNK, &ref, &data, &err));
	fetch_put(f, ref);
}

/* All chunks in order, `ahead' frames in advance; then the last ones again and
 * again: what a hit costs. */
static void
fetch_run(struct repo *repo, const char *what, uint32_t chunks, bool rehash,
    uint32_t ahead)
{
	struct fetch *f;
	double start;

	MUST(fetch_new(&f, repo, 48U << 20, rehash, &err));
	start = now();
	for (uint32_t i = 0; i < chunks; i++) {
		uint32_t next = i + BATCH * ahead;

		if (ahead > 0 && next < chunks &&
		    at[next].place.frame != at[next - 1].place.frame)
			fetch_ahead(f,
			    &packs[frames[at[next].place.frame].pack],
			    &frames[at[next].place.frame].info);
		fetch_one(f, &at[i]);
	}
	report(what, start, (double)chunks * CHUNK);
	start = now();
	for (uint32_t k = 0; k < 1000000; k++)
		fetch_one(f, &at[chunks - 1 - k % 64]);
	printf("         %.0f hits/s\n", 1e6 / (now() - start));
	fetch_free(f);
}

int
main(int argc, char **argv)
{
	unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 2;
	uint64_t mib = argc > 4 ? strtoull(argv[4], NULL, 10) : 1024;
	int level = argc > 5 ? (int)strtol(argv[5], NULL, 10) : 0;
	uint32_t chunks = (uint32_t)mib * BATCH;
	uint8_t *src = malloc(SOURCE_MAX);
	struct repo *repo;
	size_t got = 0;
	int fd;

	at = calloc(chunks, sizeof(*at));
	frames = calloc(chunks, sizeof(*frames));
	if (argc < 3 || src == NULL || at == NULL || frames == NULL) {
		fprintf(stderr, "usage: put_bench FILE DIR [threads [MiB "
		    "[level]]]\n");
		return (2);
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0) {
		perror(argv[1]);
		return (1);
	}
	MUST(io_pread(fd, src, SOURCE_MAX, 0, &got, &err));
	close(fd);
	if (got < BATCH * CHUNK) {
		fprintf(stderr, "%s: less than 1 MiB\n", argv[1]);
		return (1);
	}
	repo = make(argv[2], threads);
	put_all(repo, threads, level, src, got / (BATCH * CHUNK),
	    (uint32_t)mib);
	free(src);
	fetch_run(repo, "fetch", chunks, false, 0);
	fetch_run(repo, "rehash", chunks, true, 0);
	fetch_run(repo, "ahead", chunks, false, 8);
	repo_close(repo);
	free(at);
	free(frames);
	return (0);
}
