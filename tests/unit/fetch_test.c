/* What fetch serves when all is well: within its bound, each frame once, to
 * many threads. */
#include "tests/unit/stored_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "engine/repo/fetch_int.h"

/* A store that counts its reads and is slow when told to. */
struct counting {
	struct store base;
	struct store *inner;
	atomic_uint reads;
	atomic_bool slow;
	atomic_uint expected, come;	/* reads wait until so many have */
};

static struct store *
inner_of(struct store *s)
{
	return (((struct counting *)s)->inner);
}

static void
c_close(struct store *s)
{
	store_close(inner_of(s));
	free(s);
}

static int
c_read(struct store *s, const char *name, uint64_t off, void *dst, size_t len,
    size_t *got, struct err *e)
{
	struct counting *c = (struct counting *)s;

	if (strncmp(name, "packs/", 6) == 0)
		atomic_fetch_add(&c->reads, 1);
	while (atomic_load(&c->come) < atomic_load(&c->expected))
		usleep(1000);
	if (atomic_load(&c->slow))
		usleep(20000);
	return (store_read(c->inner, name, off, dst, len, got, e));
}

static int
c_stat(struct store *s, const char *name, struct store_stat *st, struct err *e)
{
	return (store_stat(inner_of(s), name, st, e));
}

static int
c_put(struct store *s, const char *name, const void *p, size_t len,
    struct err *e)
{
	return (store_put(inner_of(s), name, p, len, e));
}

static int
c_begin(struct store *s, struct store_put **out, struct err *e)
{
	return (store_put_begin(inner_of(s), out, e));
}

static int
c_list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	return (store_list(inner_of(s), prefix, fn, ctx, e));
}

static int
c_remove(struct store *s, const char *name, struct err *e)
{
	return (store_remove(inner_of(s), name, e));
}

/* Streams are the inner store's own. */
static const struct store_ops counting_ops = {
	.close = c_close, .read = c_read, .stat = c_stat, .put = c_put,
	.put_begin = c_begin, .list = c_list, .remove = c_remove
};

static struct repo *
open_counting(const char *dir, struct counting **out)
{
	const struct repo_env env = {
		.memory_bytes = 64U << 20, .threads = 2
	};
	struct counting *c = calloc(1, sizeof(*c));
	struct secret secret;
	struct repo *repo;
	char path[320];

	assert_non_null(c);
	(void)snprintf(path, sizeof(path), "%s/repo", dir);
	OK(store_open(&c->inner, path, false, E));
	c->base.ops = &counting_ops;
	(void)snprintf(c->base.where, sizeof(c->base.where), "%s", path);
	make_secret(&secret);
	OK(repo_open(&repo, &c->base, SLOT_KEY_FILE, &secret, &env, E));
	secret_fini(&secret);
	*out = c;
	return (repo);
}

static void
test_once(void **state)
{
	struct counting *c;
	struct stored s;
	struct repo *repo;
	struct fetch *f;

	(void)state;
	store_chunks(&s, 1500, CHUNK);
	repo = open_counting(s.dir, &c);
	OK(fetch_new(&f, repo, 64U << 20, false, E));
	for (unsigned round = 0; round < 3; round++)
		for (uint32_t i = 0; i < s.n; i++)
			OK(fetch_kept(f, &s.log, &s.kept[i], CHUNK, E));
	assert_int_equal(atomic_load(&c->reads), frames_of(&s));
	fetch_free(f);
	repo_close(repo);
	stored_fini(&s);
}

static void
test_bound(void **state)
{
	static const size_t caches[] = { 0, 3U << 20, 6U << 20, 40U << 20 };
	struct stored s;

	(void)state;
	store_chunks(&s, 3000, CHUNK);
	for (size_t k = 0; k < sizeof(caches) / sizeof(*caches); k++) {
		struct repo *repo = open_repo(s.dir, NULL);
		struct fetch *f;

		OK(fetch_new(&f, repo, caches[k], k % 2 == 1, E));
		for (uint32_t i = 0; i < s.n; i++)
			OK(fetch_kept(f, &s.log, &s.kept[i * 7 % s.n], CHUNK,
			    E));
		/* One frame more: the one that is held. */
		assert_true(fetch_peak_bytes(f) <= caches[k] + (3U << 19));
		fetch_free(f);
		repo_close(repo);
	}
	stored_fini(&s);
}

/* A frame_load_fn: counts the frames that bring no memory. */
static int
load_counted(void *ctx, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, struct opened_frame *out,
    struct err *e)
{
	unsigned *allocated = ctx;

	if (out->raw_cap < frame->raw) {
		assert_null(out->raw);
		out->raw_cap = opened_frame_room(frame->raw);
		out->raw = malloc(out->raw_cap);
		assert_non_null(out->raw);
		++*allocated;
	}
	out->raw_len = out->have = frame->raw;
	return (0);
}

/* A cache that is full gives each frame the memory of one that it drove out,
 * and none to one that wants another size. */
static void
test_memory(void **state)
{
	const struct pack_info pack = { .kind = OBJECT_PACK_DATA };
	struct frame_info frame = { .raw = FRAME_TARGET - 1000 };
	unsigned allocated = 0;
	struct frame_cache *c;
	struct fetched *x;
	size_t now, peak;

	(void)state;
	OK(frame_cache_new(&c, 6U << 20, false, load_counted, &allocated, E));
	for (frame.no = 0; frame.no < 100; frame.no++) {
		OK(frame_cache_get(c, &pack, &frame, FETCH_WHOLE, &x,
		    E));
		frame_cache_put(c, x);
	}
	assert_int_equal(allocated, 5);
	frame.raw = FRAME_TARGET / 2;
	for (; frame.no < 103; frame.no++) {
		OK(frame_cache_get(c, &pack, &frame, FETCH_WHOLE, &x,
		    E));
		assert_int_equal(x->frame.raw_cap, FRAME_TARGET / 2);
		frame_cache_put(c, x);
	}
	assert_int_equal(allocated, 8);
	frame_cache_usage(c, &now, &peak);
	assert_true(peak <= (6U << 20) + FRAME_TARGET + 1024);
	frame_cache_free(c);
}

struct reader {
	pthread_t thread;
	const struct stored *s;
	struct counting *c;	/* read_first()'s */
	struct fetch *f;
	unsigned seed;
	uint32_t n;
};

static void *
read_some(void *arg)
{
	struct reader *r = arg;
	unsigned x = r->seed;

	for (uint32_t i = 0; i < r->n; i++) {
		const struct kept *k;
		struct pack_info pack;
		struct frame_info frame;
		uint32_t slot;

		x = x * 1103515245u + 12345u;
		k = &r->s->kept[(x >> 8) % r->s->n];
		if (i % 3 == 0) {
			find_place(&r->s->log, &k->place, &pack, &frame, &slot);
			fetch_ahead_slot(r->f, &pack, &frame, i % 2 == 0 ?
			    slot : FETCH_WHOLE);
		}
		OK(fetch_kept_as(r->f, &r->s->log, k, CHUNK, i % 4 < 2, E));
	}
	return (NULL);
}

static void
test_threads(void **state)
{
	struct reader r[6];
	struct stored s;
	struct repo *repo;
	struct fetch *f;

	(void)state;
	store_chunks(&s, 1500, CHUNK);
	repo = open_repo(s.dir, NULL);
	for (unsigned rehash = 0; rehash < 2; rehash++) {
		OK(fetch_new(&f, repo, 4U << 20, rehash, E));
		for (unsigned i = 0; i < 6; i++) {
			r[i] = (struct reader){ .s = &s, .f = f, .seed = i,
			    .n = 300 };
			assert_int_equal(pthread_create(&r[i].thread, NULL,
			    read_some, &r[i]), 0);
		}
		for (unsigned i = 0; i < 6; i++)
			pthread_join(r[i].thread, NULL);
		fetch_free(f);
	}
	repo_close(repo);
	stored_fini(&s);
}

/* A chunk that is wanted alone: what is behind it is not there, and who wants
 * that gets the whole frame, once. */
static void
test_alone(void **state)
{
	const struct kept *k;
	struct counting *c;
	struct pack_info pack;
	struct frame_info frame;
	struct stored s;
	struct repo *repo;
	struct fetch *f;
	uint32_t slot;

	(void)state;
	store_chunks(&s, 1500, CHUNK);
	k = s.kept;
	find_place(&s.log, &k[2].place, &pack, &frame, &slot);
	assert_int_equal(k[0].place.frame, k[2].place.frame);
	assert_int_equal(slot, 2);
	repo = open_counting(s.dir, &c);
	for (unsigned rehash = 0; rehash < 2; rehash++) {
		OK(fetch_new(&f, repo, 64U << 20, rehash, E));
		atomic_store(&c->reads, 0);
		OK(fetch_kept_as(f, &s.log, &k[1], CHUNK, true, E));
		OK(fetch_kept_as(f, &s.log, &k[1], CHUNK, true, E));
		OK(fetch_kept_as(f, &s.log, &k[0], CHUNK, true, E));
		assert_int_equal(atomic_load(&c->reads), 1);
		assert_true(fetch_is_ready(f, &pack, &frame, 0));
		assert_false(fetch_is_ready(f, &pack, &frame, 2));
		assert_false(fetch_is_ready(f, &pack, &frame, FETCH_WHOLE));
		OK(fetch_kept_as(f, &s.log, &k[2], CHUNK, true, E));
		assert_true(fetch_is_ready(f, &pack, &frame, FETCH_WHOLE));
		for (uint32_t i = 0; i < 3; i++)
			OK(fetch_kept(f, &s.log, &k[i], CHUNK, E));
		assert_int_equal(atomic_load(&c->reads), 2);
		fetch_free(f);
	}
	repo_close(repo);
	stored_fini(&s);
}

static void *
read_first(void *arg)
{
	struct reader *r = arg;

	atomic_fetch_add(&r->c->come, 1);
	OK(fetch_kept(r->f, &r->s->log, &r->s->kept[0], CHUNK, E));
	return (NULL);
}

/* Many that want one frame at once fetch it once. */
static void
test_single_flight(void **state)
{
	struct reader r[8];
	struct counting *c;
	struct stored s;
	struct repo *repo;
	struct fetch *f;

	(void)state;
	store_chunks(&s, 10, CHUNK);
	repo = open_counting(s.dir, &c);
	/* Kept, for who comes late all the same. */
	OK(fetch_new(&f, repo, 64U << 20, false, E));
	atomic_store(&c->slow, true);
	atomic_store(&c->expected, 8);
	for (unsigned i = 0; i < 8; i++) {
		r[i] = (struct reader){ .s = &s, .c = c, .f = f };
		assert_int_equal(pthread_create(&r[i].thread, NULL, read_first,
		    &r[i]), 0);
	}
	for (unsigned i = 0; i < 8; i++)
		pthread_join(r[i].thread, NULL);
	assert_int_equal(atomic_load(&c->reads), 1);
	fetch_free(f);
	repo_close(repo);
	stored_fini(&s);
}

/* What was brought in ahead is there when it is asked for. */
static void
test_ahead(void **state)
{
	struct counting *c;
	struct stored s;
	struct repo *repo;
	struct fetch *f;
	unsigned reads;

	(void)state;
	store_chunks(&s, 400, CHUNK);
	repo = open_counting(s.dir, &c);
	OK(fetch_new(&f, repo, 64U << 20, false, E));
	for (uint32_t i = 0; i < s.log.nframes; i++)
		fetch_ahead(f, &s.log.packs[s.log.frames[i].pack].info,
		    &s.log.frames[i].info);
	for (unsigned i = 0; i < 12000 &&
	    atomic_load(&c->reads) < frames_of(&s); i++)
		usleep(10000);
	reads = atomic_load(&c->reads);
	assert_int_equal(reads, frames_of(&s));
	for (uint32_t i = 0; i < s.n; i++)
		OK(fetch_kept(f, &s.log, &s.kept[i], CHUNK, E));
	assert_int_equal(atomic_load(&c->reads), reads);
	/* Freed with requests still waiting. */
	atomic_store(&c->slow, true);
	fetch_free(f);
	OK(fetch_new(&f, repo, 64U << 20, false, E));
	for (uint32_t i = 0; i < s.log.nframes; i++)
		fetch_ahead(f, &s.log.packs[s.log.frames[i].pack].info,
		    &s.log.frames[i].info);
	fetch_free(f);
	repo_close(repo);
	stored_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_single_flight),
		cmocka_unit_test(test_ahead),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
