/*
 * More snapshots than catalogs may be open: which are closed, and when.
 */
#include "tests/unit/catalog_fixture.h"

#include <pthread.h>

#include "fs/shelf.h"

#define SNAPSHOTS	5
#define OPEN_MAX	2
#define THREADS		6
#define ROUNDS		200

struct rig {
	struct fixture f;
	struct snapshot_id id[SNAPSHOTS];	/* of n: has a file "f<n>" */
	struct shelf *shelf;
};

static struct snapshot_id
snapshot(struct fixture *f, unsigned n)
{
	struct entry x = { .kind = ENTRY_FILE };
	struct err e = ERR_INIT;
	struct snapshot_id id;
	char name[16];
	struct run r;

	(void)snprintf(name, sizeof(name), "f%u", n);
	run_begin(&r, f, NULL);
	OK(build_inos(r.build, 1, &x.ino, &e));
	OK(build_node(r.build, &x, NULL, 0, &e));
	OK(build_name(r.build, CATALOG_ROOT_INO, name, strlen(name), x.ino,
	    &e));
	OK(bytes_set(&r.m.host, name, strlen(name), &e));
	OK(strings_add(&r.m.roots, "/", 1, &e));
	OK(put_close(r.put, OBJECT_PACK_DATA, &e));
	OK(build_finish(r.build, &r.m, &e));
	OK(session_commit(r.session, &r.m, build_packs, r.build, &id, &e));
	manifest_fini(&r.m);
	run_fini(&r);
	return (id);
}

static void
rig_new(struct rig *rig)
{
	struct shelf_env env = { .open_max = OPEN_MAX };
	struct err e = ERR_INIT;

	fixture_init(&rig->f, false);
	for (unsigned i = 0; i < SNAPSHOTS; i++)
		rig->id[i] = snapshot(&rig->f, i);
	env.repo = rig->f.repo;
	env.fetch = rig->f.fetch;
	env.each.cache_bytes = 1U << 20;
	OK(shelf_new(&rig->shelf, &env, &e));
}

static void
rig_free(struct rig *rig)
{
	shelf_free(rig->shelf);
	fixture_fini(&rig->f);
}

static bool
is_of(struct catalog *c, unsigned n)
{
	struct err e = ERR_INIT;
	struct entry x;
	char name[16];

	(void)snprintf(name, sizeof(name), "f%u", n);
	return (catalog_lookup(c, CATALOG_ROOT_INO, name, strlen(name), &x,
	    &e) == 0);
}

static struct catalog *
get(struct rig *rig, unsigned n)
{
	struct err e = ERR_INIT;
	struct catalog *c;

	OK(shelf_get(rig->shelf, &rig->id[n], &c, &e));
	assert_true(is_of(c, n));
	return (c);
}

/* From now on only what is open can be had. */
static void
lose_snapshots(struct rig *rig)
{
	char cmd[192];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s/snapshots/*",
	    rig->f.repo_dir);
	assert_int_equal(system(cmd), 0);
}

static bool
is_open(struct rig *rig, unsigned n)
{
	struct err e = ERR_INIT;
	struct catalog *c;
	int rc = shelf_get(rig->shelf, &rig->id[n], &c, &e);

	assert_true(rc == 0 || rc == SHELF_ABSENT);
	if (rc == 0)
		shelf_put(rig->shelf, c);
	return (rc == 0);
}

/* What is in use stays, however many; then all but so many go. */
static void
test_in_use(void **state)
{
	struct catalog *c[SNAPSHOTS];
	struct rig rig;

	(void)state;
	rig_new(&rig);
	for (unsigned i = 0; i < SNAPSHOTS; i++)
		c[i] = get(&rig, i);
	for (unsigned i = 0; i < SNAPSHOTS; i++) {
		assert_ptr_equal(get(&rig, i), c[i]);
		shelf_put(rig.shelf, c[i]);
		assert_true(is_of(c[i], i));
	}
	for (unsigned i = 0; i < SNAPSHOTS; i++)
		shelf_put(rig.shelf, c[i]);
	lose_snapshots(&rig);
	for (unsigned i = SNAPSHOTS; i-- > 0;)
		assert_int_equal(is_open(&rig, i), i >= SNAPSHOTS - OPEN_MAX);
	rig_free(&rig);
}

/* Who was used last stays. */
static void
test_oldest_goes(void **state)
{
	struct rig rig;

	(void)state;
	rig_new(&rig);
	shelf_put(rig.shelf, get(&rig, 0));
	shelf_put(rig.shelf, get(&rig, 1));
	shelf_put(rig.shelf, get(&rig, 0));
	shelf_put(rig.shelf, get(&rig, 2));
	lose_snapshots(&rig);
	assert_true(is_open(&rig, 0));
	assert_true(is_open(&rig, 2));
	assert_false(is_open(&rig, 1));
	rig_free(&rig);
}

struct reader {
	pthread_t thread;
	struct rig *rig;
	unsigned seed, errors;
};

static void *
read_some(void *arg)
{
	struct reader *r = arg;
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n = (i * 7 + r->seed * 3 + i / 5) % SNAPSHOTS;
		struct catalog *c = NULL;

		if (shelf_get(r->rig->shelf, &r->rig->id[n], &c, &e) != 0 ||
		    !is_of(c, n))
			r->errors++;
		shelf_put(r->rig->shelf, c);
	}
	return (NULL);
}

static void
test_threads(void **state)
{
	struct reader readers[THREADS];
	struct rig rig;

	(void)state;
	rig_new(&rig);
	for (unsigned i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){ .rig = &rig, .seed = i };
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
		    read_some, &readers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_int_equal(readers[i].errors, 0);
	}
	rig_free(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_oldest_goes),
		cmocka_unit_test(test_threads),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
