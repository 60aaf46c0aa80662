/* put_name(): packs are told while the store still has them to take; nothing
 * that names them for others is stored before they are; and the store gets
 * their digests with them. */
#include "tests/unit/put_fixture.h"

#include <pthread.h>

#include "engine/repo/header.h"

#define CHUNK	20000
#define N	40

/* Forwards; while the gate is shut, no stream is committed.  The other names
 * that are given are noted with how many streams were committed before. */
struct gate {
	struct store base;
	struct store *inner;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool shut;			/* lock */
	enum err_code broken;		/* lock: packs' commits fail so */
	unsigned packs, before_table;	/* lock; of data packs */
	unsigned sums, said;		/* lock: digests, and those of packs */
	unsigned tables;		/* lock; that came to it */
	bool holds;			/* lock: workers' appends */
	unsigned held;			/* lock; appends that waited */
	pthread_t coordinator;
};
struct gate_put {
	struct store_put base;
	struct store_put *inner;
	const uint8_t *sum;
};

static void
g_close(struct store *s)
{
	store_close(((struct gate *)s)->inner);
	free(s);
}

static int
g_read(struct store *s, const char *name, uint64_t off, void *dst, size_t len,
    size_t *got, struct err *e)
{
	return (store_read(((struct gate *)s)->inner, name, off, dst, len, got,
	    e));
}

static int
g_stat(struct store *s, const char *name, struct store_stat *st, struct err *e)
{
	return (store_stat(((struct gate *)s)->inner, name, st, e));
}

static int
g_put(struct store *s, const char *name, const void *p, size_t len,
    struct err *e)
{
	return (store_put(((struct gate *)s)->inner, name, p, len, e));
}

static int
g_begin(struct store *s, struct store_put **out, struct err *e)
{
	struct gate_put *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->base.store = s;
	*out = &p->base;
	return (store_put_begin(((struct gate *)s)->inner, &p->inner, e));
}

static int
g_append(struct store_put *p, const void *src, size_t len, struct err *e)
{
	struct gate *g = (struct gate *)p->store;

	(void)pthread_mutex_lock(&g->lock);
	if (g->holds && !pthread_equal(pthread_self(), g->coordinator)) {
		g->held++;
		while (g->holds)
			(void)pthread_cond_wait(&g->cond, &g->lock);
	}
	(void)pthread_mutex_unlock(&g->lock);
	return (store_put_append(((struct gate_put *)p)->inner, src, len, e));
}

static void
g_sha256(struct store_put *p, const uint8_t *sum)
{
	((struct gate_put *)p)->sum = sum;
}

static void
g_abort(struct store_put *p)
{
	store_put_abort(((struct gate_put *)p)->inner);
	free(p);
}

static int
g_commit(struct store_put *p, const char *name, struct err *e)
{
	struct gate *g = (struct gate *)p->store;
	struct store_put *inner = ((struct gate_put *)p)->inner;
	const uint8_t *sum = ((struct gate_put *)p)->sum;
	bool table = strncmp(name, "index/", 6) == 0;
	char hex[ID_HEX];
	int rc;

	free(p);
	(void)pthread_mutex_lock(&g->lock);
	while (g->shut)
		(void)pthread_cond_wait(&g->cond, &g->lock);
	g->tables += table;
	if (table)
		g->before_table = g->packs;
	g->sums += sum != NULL;
	if (sum != NULL && strcmp(strrchr(name, '/') + 1,
	    hex_emit(hex, sum, ID_BYTES)) == 0)
		g->said++;
	rc = g->broken != ERR_NONE && !table ? err_set(e, g->broken,
	    "the gate is broken") : 0;
	(void)pthread_mutex_unlock(&g->lock);
	if (rc != 0) {
		store_put_abort(inner);
		return (rc);
	}
	rc = store_put_commit(inner, name, e);
	(void)pthread_mutex_lock(&g->lock);
	g->packs += !table;
	(void)pthread_mutex_unlock(&g->lock);
	return (rc);
}

static int
g_list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	return (store_list(((struct gate *)s)->inner, prefix, fn, ctx, e));
}

static int
g_remove(struct store *s, const char *name, struct err *e)
{
	return (store_remove(((struct gate *)s)->inner, name, e));
}

static const struct store_ops gate_ops = {
	.close = g_close, .read = g_read, .stat = g_stat, .put = g_put,
	.put_begin = g_begin, .put_append = g_append, .put_sha256 = g_sha256,
	.put_commit = g_commit, .put_abort = g_abort, .list = g_list,
	.remove = g_remove
};

static void
gate_set(struct gate *g, bool shut, enum err_code broken)
{
	(void)pthread_mutex_lock(&g->lock);
	g->shut = shut;
	g->broken = broken;
	(void)pthread_cond_broadcast(&g->cond);
	(void)pthread_mutex_unlock(&g->lock);
}

struct at_gate {
	struct gate *gate;		/* the store's */
	struct repo *repo;
	struct session *session;
	struct pool *pool;
	struct put *put;
	struct put_log log;
	struct kept kept[N];
	char dir[64];
};

/* As one that was made before there were features. */
static void
make_older(const char *dir)
{
	struct repo *repo = open_repo(dir, NULL);
	struct repo_header h = *repo_header(repo);
	struct buf b = BUF_INIT;

	h.need_read = h.need_write = h.need_collect = 0;
	OK(header_emit(&b, &h, repo_keyring(repo), E));
	OK(store_remove(repo_store(repo), HEADER_NAME, E));
	OK(store_put(repo_store(repo), HEADER_NAME, b.data, b.len, E));
	buf_fini(&b);
	repo_close(repo);
}

static void
setup(struct at_gate *a, unsigned threads, bool older)
{
	const struct repo_env renv = {
		.memory_bytes = 64U << 20, .threads = 2
	};
	struct gate *g = calloc(1, sizeof(*g));
	struct secret secret;
	struct store *store;
	struct put_env env;
	char path[320];

	assert_non_null(g);
	make_dir(a->dir);
	make_repo(a->dir);
	if (older)
		make_older(a->dir);
	(void)snprintf(path, sizeof(path), "%s/repo", a->dir);
	g->base.ops = &gate_ops;
	(void)pthread_mutex_init(&g->lock, NULL);
	(void)pthread_cond_init(&g->cond, NULL);
	OK(store_open(&g->inner, path, false, E));
	memcpy(g->base.where, g->inner->where, sizeof(g->base.where));
	make_secret(&secret);
	/* As behind one that tests put in front. */
	OK(store_fault_open(&store, &g->base, "put@1000=eio", E));
	OK(repo_open(&a->repo, store, SLOT_KEY_FILE, &secret, &renv, E));
	secret_fini(&secret);
	a->gate = g;
	g->coordinator = pthread_self();
	OK(pool_new(&a->pool, threads, E));
	env = make_env(a->pool, &a->log);
	OK(session_begin(&a->session, a->repo, E));
	OK(put_open(&a->put, a->session, &env, E));
	put_run(a->put, 0, N, CHUNK, a->kept);
}

static void
teardown(struct at_gate *a)
{
	put_free(a->put);
	session_end(a->session);
	pool_free(a->pool);
	repo_close(a->repo);
	log_fini(&a->log);
	remove_dir(a->dir);
}

static unsigned
told(const struct put_log *l)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < l->npacks; i++)
		n += l->packs[i].set;
	return (n);
}

/* The packs' names are known while none is stored; a table comes after them. */
static void
ends_with(enum object_kind kind, unsigned threads)
{
	struct at_gate a = { .gate = NULL };
	struct place at[2];
	struct chunk_id id;

	setup(&a, threads, false);
	/* Were put_name() to wait for the store, it would hang here; where
	 * there is no thread it has to. */
	gate_set(a.gate, threads > 0, ERR_NONE);
	(void)alarm(250);	/* before tests/run ends us */
	OK(put_name(a.put, E));
	(void)alarm(0);
	assert_int_equal(told(&a.log), 1);
	assert_int_equal(count(a.repo, "packs"), threads > 0 ? 0 : 1);
	assert_int_equal(count(a.repo, "index"), 0);
	if (kind == OBJECT_PACK_META)
		OK(put_meta(a.put, "a tree", 6, true, &id, at, E));
	gate_set(a.gate, false, ERR_NONE);
	OK(put_close(a.put, kind, E));
	assert_int_equal(count(a.repo, "packs"),
	    kind == OBJECT_PACK_META ? 3 : 1);
	assert_int_equal(count(a.repo, "index"), 1);
	assert_true(a.gate->before_table >= 1);
	assert_int_equal(a.gate->said, count(a.repo, "packs"));
	assert_int_equal(told(&a.log), count(a.repo, "packs"));
	check_whole(a.repo);
	fetch_all(a.repo, &a.log, a.kept, N, CHUNK);
	/* Nothing is left for another. */
	OK(put_close(a.put, OBJECT_PACK_DATA, E));
	assert_int_equal(count(a.repo, "index"), 1);
	teardown(&a);
}

static void
test_ends_with_data(void **state)
{
	(void)state;
	ends_with(OBJECT_PACK_DATA, 2);
	ends_with(OBJECT_PACK_DATA, 0);
}

static void
test_ends_with_meta(void **state)
{
	(void)state;
	ends_with(OBJECT_PACK_META, 2);
	ends_with(OBJECT_PACK_META, 0);
}

/* How many of the first n chunks the next run knows. */
static unsigned
known_next(const struct at_gate *a, uint32_t n)
{
	struct put_log log = { 0 };
	struct put_env env = make_env(a->pool, &log);
	struct put_stats stats;
	struct session *session;
	struct kept kept;
	struct put *put;

	OK(session_begin(&session, a->repo, E));
	OK(put_open(&put, session, &env, E));
	for (uint32_t i = 0; i < n; i++)
		OK(put_one(put, i, CHUNK, &kept, E));
	put_stats(put, &stats);
	put_free(put);
	session_end(session);
	log_fini(&log);
	return ((unsigned)stats.chunks_known);
}

/* More comes after it all the same: it is in the table, and what was before it
 * is found. */
static void
goes_on(enum object_kind kind, unsigned threads)
{
	struct at_gate a = { .gate = NULL };
	struct put_stats before, after;
	struct kept kept[N];

	setup(&a, threads, false);
	OK(put_name(a.put, E));
	put_stats(a.put, &before);
	put_run(a.put, 0, N, CHUNK, kept);
	put_stats(a.put, &after);
	assert_int_equal(after.chunks_known - before.chunks_known, N);
	put_run(a.put, N, N, CHUNK, kept);
	if (kind == OBJECT_PACK_DATA)
		OK(put_name(a.put, E));
	OK(put_close(a.put, kind, E));
	assert_int_equal(count(a.repo, "packs"), 2);
	assert_int_equal(count(a.repo, "index"), 1);
	check_whole(a.repo);
	fetch_all(a.repo, &a.log, a.kept, N, CHUNK);
	assert_int_equal(known_next(&a, 2 * N), 2 * N);
	teardown(&a);
}

static void
test_goes_on(void **state)
{
	(void)state;
	goes_on(OBJECT_PACK_DATA, 2);
	goes_on(OBJECT_PACK_META, 2);
	goes_on(OBJECT_PACK_META, 0);
}

/* A pack that was told and then could not be stored fails the end, and no table
 * names it. */
static void
test_fails_late(void **state)
{
	struct at_gate a = { .gate = NULL };
	struct err e = ERR_INIT;

	(void)state;
	setup(&a, 2, false);
	gate_set(a.gate, true, ERR_NONE);
	OK(put_name(a.put, E));
	gate_set(a.gate, false, ERR_NET);
	assert_true(put_close(a.put, OBJECT_PACK_META, &e) < 0);
	assert_non_null(strstr(err_text(&e), "the gate is broken"));
	assert_int_equal(count(a.repo, "index"), 0);
	teardown(&a);
}

/* Killed by a signal in between: what was told is found by the next run. */
static void
test_salvaged(void **state)
{
	struct at_gate a = { .gate = NULL };

	(void)state;
	setup(&a, 2, false);
	OK(put_name(a.put, E));
	OK(put_salvage(a.put, E));
	a.put = NULL;
	assert_int_equal(count(a.repo, "packs"), 1);
	assert_int_equal(count(a.repo, "index"), 1);
	check_whole(a.repo);
	teardown(&a);
}

static int
check_older(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct buf b = BUF_INIT;
	uint8_t hash[HASH_BYTES];
	char hex[ID_HEX];

	OK(store_load(ctx, name, &b, PACK_MAX, E));
	hash_bytes(hash, b.data, b.len);
	assert_string_equal(hex_emit(hex, hash, sizeof(hash)),
	    strrchr(name, '/') + 1);
	buf_fini(&b);
	return (0);
}

/* Of packs that are named by their BLAKE2b nobody says that it is what a server
 * is to compare the bytes with. */
static void
test_older(void **state)
{
	struct at_gate a = { .gate = NULL };

	(void)state;
	setup(&a, 2, true);
	OK(put_close(a.put, OBJECT_PACK_DATA, E));
	assert_int_equal(count(a.repo, "packs"), 1);
	OK(store_list(repo_store(a.repo), "packs", check_older,
	    repo_store(a.repo), E));
	assert_int_equal(a.gate->sums, 0);
	fetch_all(a.repo, &a.log, a.kept, N, CHUNK);
	teardown(&a);
}

/* After the first pack's commit the store fails with that code, or a callback
 * fails (ERR_NONE): what is known to the next run, by one table or none. */
static void
salvaged_after(enum err_code code, bool in_second_epoch, unsigned known)
{
	struct at_gate a = { .gate = NULL };
	struct err e = ERR_INIT, first = ERR_INIT;
	unsigned before = in_second_epoch ? N : 0, tables;
	struct kept kept[N];

	setup(&a, 2, false);
	if (in_second_epoch) {
		OK(put_close(a.put, OBJECT_PACK_DATA, E));
		put_run(a.put, N, N, CHUNK, kept);
	}
	tables = a.gate->tables;
	gate_set(a.gate, true, ERR_NONE);
	OK(put_name(a.put, E));
	/* These are in no pack that is stored. */
	put_run(a.put, before + N, N, CHUNK, kept);
	if (code == ERR_NONE) {
		a.log.refuse = true;
		assert_true(put_flush(a.put, OBJECT_PACK_DATA, &first) < 0);
		/* It must be waited for. */
		gate_set(a.gate, false, ERR_NONE);
	} else {
		gate_set(a.gate, false, ERR_NONE);
		for (unsigned n = 0; n < before / N + 1;
		    (void)usleep(1000)) {
			(void)pthread_mutex_lock(&a.gate->lock);
			n = a.gate->packs;
			(void)pthread_mutex_unlock(&a.gate->lock);
		}
		gate_set(a.gate, false, code);
	}
	assert_true(put_salvage(a.put, &e) < 0);
	a.put = NULL;
	assert_int_equal(e.code, code == ERR_NONE ? first.code : code);
	gate_set(a.gate, false, ERR_NONE);
	assert_int_equal(a.gate->tables - tables, known > 0);
	check_whole(a.repo);
	assert_int_equal(known_next(&a, before + 2 * N), before + known);
	teardown(&a);
}

/* A failure: what was stored before it is known to the next run, all of it and
 * nothing else.  A store that is out of reach isn't waited for again. */
static void
test_salvaged_after_failure(void **state)
{
	(void)state;
	salvaged_after(ERR_NONE, false, N);
	salvaged_after(ERR_NONE, true, N);
	salvaged_after(ERR_FULL, false, N);
	salvaged_after(ERR_REMOTE, true, N);
	salvaged_after(ERR_NET, false, 0);
	salvaged_after(ERR_NET, true, 0);
}

static void *
let_go(void *arg)
{
	struct gate *g = arg;

	(void)usleep(100000);
	(void)pthread_mutex_lock(&g->lock);
	g->holds = false;
	(void)pthread_cond_broadcast(&g->cond);
	(void)pthread_mutex_unlock(&g->lock);
	return (NULL);
}

/* A pack that is being written to is not taken away from who writes. */
static void
test_salvaged_at_work(void **state)
{
	struct at_gate a = { .gate = NULL };
	struct put_hint hint = { .known = false };
	struct err e = ERR_INIT;
	struct place place;
	struct kept kept;
	pthread_t thread;
	unsigned held = 0;

	(void)state;
	setup(&a, 2, false);
	(void)pthread_mutex_lock(&a.gate->lock);
	a.gate->holds = true;
	(void)pthread_mutex_unlock(&a.gate->lock);
	for (uint32_t i = 0; held == 0; i++) {
		OK(put_one(a.put, N + i % 1000, CHUNK, &kept, E));
		(void)usleep(1000);
		(void)pthread_mutex_lock(&a.gate->lock);
		held = a.gate->held;
		(void)pthread_mutex_unlock(&a.gate->lock);
	}
	assert_true(put_chunk(a.put, &hint, &e, 0, &place, &e) < 0);
	assert_int_equal(pthread_create(&thread, NULL, let_go, a.gate), 0);
	assert_true(put_salvage(a.put, &e) < 0);
	a.put = NULL;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(a.gate->tables, 0);
	assert_int_equal(count(a.repo, "packs"), 0);
	teardown(&a);
}

/* Nothing was stored: no table. */
static void
test_nothing_to_salvage(void **state)
{
	struct at_gate a = { .gate = NULL };
	struct err e = ERR_INIT;

	(void)state;
	setup(&a, 2, false);
	gate_set(a.gate, false, ERR_FULL);
	assert_true(put_salvage(a.put, &e) < 0);
	a.put = NULL;
	assert_int_equal(e.code, ERR_FULL);
	assert_int_equal(a.gate->tables, 0);
	assert_int_equal(known_next(&a, N), 0);
	teardown(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_with_data),
		cmocka_unit_test(test_ends_with_meta),
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_fails_late),
		cmocka_unit_test(test_salvaged),
		cmocka_unit_test(test_older),
		cmocka_unit_test(test_salvaged_after_failure),
		cmocka_unit_test(test_salvaged_at_work),
		cmocka_unit_test(test_nothing_to_salvage),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
