/*
 * One catalog read by many threads, with fewer connections and blocks than
 * they want; and several opened at one time.
 */
#include "tests/unit/catalog_fixture.h"

#include <pthread.h>
#include <time.h>

#include "tests/unit/memory_pages.h"

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

/* Pages whose first read waits until somebody else reads others. */
struct slow_pages {
	struct memory_pages memory;
	bool met;			/* meeting_lock */
};

static pthread_mutex_t meeting_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t meeting = PTHREAD_COND_INITIALIZER;
static unsigned come;			/* meeting_lock */

static int
slow_read(struct pages *p, void *dst, size_t len, uint64_t off, struct err *e)
{
	struct slow_pages *s = (struct slow_pages *)p;
	struct timespec until;
	int rc = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	(void)pthread_mutex_lock(&meeting_lock);
	come += !s->met;
	s->met = true;
	(void)pthread_cond_broadcast(&meeting);
	while (come < 2 && rc == 0)
		rc = pthread_cond_timedwait(&meeting, &meeting_lock, &until);
	(void)pthread_mutex_unlock(&meeting_lock);
	if (rc != 0)
		return (err_set(e, ERR_NET, "nobody else came"));
	return (memory_read(p, dst, len, off, e));
}

static const struct pages_ops slow_ops = { slow_read, memory_size, NULL,
    NULL };

static void *
open_slow(void *pages)
{
	struct catalog *c;
	struct err e = ERR_INIT;
	struct entry x;
	int r = catalog_over(&c, pages, 0, 1, &e);

	if (r != 0)
		return (pages);
	r = catalog_get(c, CATALOG_ROOT_INO, &x, &e);
	catalog_close(c);
	return (r == 0 ? NULL : pages);
}

/* A store that doesn't answer one who opens a catalog keeps no other. */
static void
test_opens(void **state)
{
	struct slow_pages slow[2] = { 0 };
	struct err e = ERR_INIT;
	pthread_t thread[2];
	void *failed;

	for (unsigned i = 0; i < 2; i++) {
		OK(memory_catalog(&slow[i].memory, NULL, &e));
		slow[i].memory.pages.ops = &slow_ops;
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, open_slow,
		    &slow[i].memory.pages), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
		free(slow[i].memory.bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_opens),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
