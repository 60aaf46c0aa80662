/* Storing where the store fails at any call: nothing half, and what was said to
 * be stored is. */
#include "tests/unit/put_fixture.h"

#define CHUNK	20000

/* A small run over a store that fails: 0, or -1 and the error. */
static int
faulty_run(struct repo *repo, struct pool *pool, bool salvage, struct err *e)
{
	enum { N = 330 };
	struct put_log log = { 0 };
	struct put_env env = make_env(pool, &log);
	struct kept kept[N];
	struct session *session;
	struct put *put = NULL;
	struct chunk_id id;
	struct place at[2];
	int rc;

	rc = session_begin(&session, repo, e);
	if (rc != 0)
		return (rc);
	rc = put_open(&put, session, &env, e);
	for (unsigned i = 0; i < N && rc == 0; i++) {
		rc = put_one(put, 2 * i + 1, CHUNK, &kept[i], e);
		if (rc == 0 && i % 20 == 0)
			rc = put_meta(put, &i, sizeof(i), true, &id, at, e);
	}
	if (rc == 0)
		rc = put_close(put, OBJECT_PACK_DATA, e);
	if (rc == 0)
		rc = put_close(put, OBJECT_PACK_META, e);
	if (rc < 0 && put != NULL) {
		struct err again = ERR_INIT;

		assert_true(put_one(put, 3, CHUNK, &kept[0], &again) < 0 ||
		    !kept[0].place.fresh);
		assert_true(put_flush(put, OBJECT_PACK_DATA, &again) < 0);
		assert_true(put_close(put, OBJECT_PACK_DATA, &again) < 0);
		assert_string_equal(err_text(&again), err_text(e));
	}
	if (rc < 0 && put != NULL && salvage)
		assert_true(put_salvage(put, &(struct err)ERR_INIT) < 0);
	else
		put_free(put);
	session_end(session);
	log_fini(&log);
	return (rc);
}

static void
faults_of(const char *op, const char *what, unsigned threads, unsigned step)
{
	unsigned failed = 0;

	for (unsigned n = 1;; n += step) {
		struct err e = ERR_INIT;
		struct pool *pool;
		struct repo *repo;
		char dir[64], plan[96];
		int rc;

		make_dir(dir);
		make_repo(dir);
		(void)snprintf(plan, sizeof(plan), "%s@%u+=%s", op, n, what);
		OK(pool_new(&pool, threads, E));
		repo = NULL;
		{
			const struct repo_env renv = {
				.memory_bytes = 64U << 20, .threads = 1
			};
			struct secret secret;
			struct store *store;
			char path[320];

			(void)snprintf(path, sizeof(path), "%s/repo", dir);
			make_secret(&secret);
			OK(store_open(&store, path, false, E));
			OK(store_fault_open(&store, store, plan, E));
			rc = repo_open(&repo, store, SLOT_KEY_FILE, &secret,
			    &renv, &e);
			secret_fini(&secret);
		}
		if (rc == 0)
			rc = faulty_run(repo, pool, n % 2 == 0, &e);
		if (rc != 0) {
			assert_true(rc < 0 && e.code != ERR_NONE);
			assert_true(*err_text(&e) != '\0');
			failed++;
		}
		repo_close(repo);
		/* Nothing half; and a run without faults goes on. */
		repo = open_repo(dir, NULL);
		check_whole(repo);
		assert_int_equal(count(repo, "tmp"), 0);
		OK(faulty_run(repo, pool, false, E));
		check_whole(repo);
		repo_close(repo);
		pool_free(pool);
		remove_dir(dir);
		if (rc == 0)
			break;
		assert_true(n < 1000);
	}
	if (failed == 0)
		fail_msg("no fault of %s was met", op);
}

static void
test_faults(void **state)
{
	(void)state;
	faults_of("append", "enospc", 0, 1);
	faults_of("append", "enospc", 2, 3);
	faults_of("begin", "eio", 2, 1);
	faults_of("commit", "eio", 2, 1);
	faults_of("commit", "lost", 2, 1);
	faults_of("put", "enospc", 0, 1);
	faults_of("list", "eio", 0, 1);
	faults_of("read", "eio", 1, 1);
}

/* Put n chunks into a repository over that plan, and drop or salvage what
 * failed: how many were known. */
static unsigned
known_of(const char *dir, const char *plan, uint32_t n)
{
	struct put_log log = { 0 };
	struct err e = ERR_INIT;
	struct put_stats stats;
	struct session *session;
	struct repo *repo = open_repo(dir, plan);
	struct pool *pool;
	struct put_env env;
	struct kept kept;
	struct put *put;
	int rc = 0;

	OK(pool_new(&pool, 2, E));
	env = make_env(pool, &log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		rc = put_one(put, 2 * i + 1, CHUNK, &kept, &e);
	if (rc == 0 && plan != NULL)
		rc = put_close(put, OBJECT_PACK_DATA, &e);
	put_stats(put, &stats);
	if (plan != NULL) {
		assert_true(rc < 0);
		assert_int_equal(e.code, ERR_FULL);
		assert_true(put_salvage(put, &e) < 0);
	} else {
		assert_int_equal(rc, 0);
		put_free(put);
	}
	session_end(session);
	log_fini(&log);
	check_whole(repo);
	pool_free(pool);
	repo_close(repo);
	return ((unsigned)stats.chunks_known);
}

/* A disk that is full: the packs that are stored are known to the next run. */
static void
test_full(void **state)
{
	enum { N = 15000 };
	char dir[64];
	unsigned known;

	(void)state;
	make_dir(dir);
	make_repo(dir);
	assert_int_equal(known_of(dir, "commit@3=enospc", N), 0);
	known = known_of(dir, NULL, N);
	assert_in_range(known, N / 10, N - 1);
	remove_dir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_full),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
