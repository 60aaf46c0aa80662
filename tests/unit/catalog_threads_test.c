/*
 * One catalog read by many threads, with fewer connections and blocks than
 * they want.
 */
#include "tests/unit/catalog_fixture.h"

#include <pthread.h>

#define THREADS	6
#define FILES	3000

struct reader {
	pthread_t thread;
	struct catalog *c;
	uint64_t dir;
	unsigned seed;
	unsigned errors;
	size_t seen;
};

static int
nested(void *ctx, const char *name, size_t len, const struct entry *x,
    struct err *e)
{
	struct reader *r = ctx;
	struct entry again;

	r->seen++;
	/* A callback may ask the catalog itself, though all threads do. */
	if (r->seen % 97 == 0 && (catalog_lookup(r->c, r->dir, name, len,
	    &again, e) != 0 || again.ino != x->ino))
		r->errors++;
	return (0);
}

static void *
read_all(void *arg)
{
	struct reader *r = arg;
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < 300; i++) {
		unsigned k = (i * 7919 + r->seed * 131) % FILES;
		struct extent v[2];
		struct entry x;
		char name[32];
		size_t n;

		(void)snprintf(name, sizeof(name), "f%u", k);
		if (catalog_lookup(r->c, r->dir, name, strlen(name), &x,
		    &e) != 0 || catalog_extents(r->c, x.ino, 0, v, 2, &n,
		    &e) != 0 || n != 1 || v[0].len != k + 1U)
			r->errors++;
	}
	if (catalog_readdir(r->c, r->dir, NULL, 0, nested, r, &e) != 0)
		r->errors++;
	return (NULL);
}

static void
test_threads(void **state)
{
	struct catalog_env env = { .cache_bytes = 1, .connections = 2 };
	struct reader readers[THREADS];
	struct err e = ERR_INIT;
	struct fixture f;
	struct manifest m;
	struct catalog *c;
	struct run r;
	uint64_t ino;

	fixture_init(&f, false);
	run_begin(&r, &f, NULL);
	OK(build_inos(r.build, FILES, &ino, &e));
	for (unsigned i = 0; i < FILES; i++) {
		struct entry x = { .ino = ino + i, .kind = ENTRY_FILE };
		char name[32];

		(void)snprintf(name, sizeof(name), "f%u", i);
		OK(build_node(r.build, &x, NULL, 0, &e));
		OK(build_name(r.build, CATALOG_ROOT_INO, name, strlen(name),
		    x.ino, &e));
		OK(build_content_begin(r.build, x.ino, &e));
		OK(build_content_hole(r.build, x.ino, i + 1U, &e));
		OK(build_content_end(r.build, x.ino, &e));
	}
	run_end(&r, &m);
	OK(catalog_open(&c, f.fetch, f.repo, &m, &env, &e));
	for (unsigned i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){ .c = c, .seed = i,
		    .dir = CATALOG_ROOT_INO };
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
		    read_all, &readers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_int_equal(readers[i].errors, 0);
		assert_int_equal(readers[i].seen, FILES);
	}
	catalog_close(c);
	manifest_fini(&m);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
