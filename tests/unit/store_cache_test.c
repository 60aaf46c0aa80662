/* The cache in front of a store: what it keeps, drops, and doesn't believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/store/cache.h"
#include "engine/store/fault.h"

#define OBJECTS	64
#define BYTES	((size_t)100 << 10)

static char dir[128], near_dir[160], repo_dir[160];
static struct store *inner;		/* of the last cache; counts calls */
static uint64_t on_disk;
static int damage;			/* what visit() does to files */

static int
visit(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	int fd;

	if (kind == FTW_F) {
		on_disk += (uint64_t)st->st_size;
		if (damage == 1) {
			fd = open(path, O_WRONLY);
			assert_int_equal(pwrite(fd, "?", 1, 60), 1);
			(void)close(fd);
		} else if (damage == 2) {
			assert_int_equal(truncate(path, 30), 0);
		}
	} else if (kind == FTW_DP && damage == 3) {
		(void)rmdir(path);
	}
	if (kind == FTW_F && damage == 3)
		(void)unlink(path);
	return (0);
}

static uint64_t
walk(int what)
{
	damage = what;
	on_disk = 0;
	(void)nftw(near_dir, visit, 16, FTW_DEPTH | FTW_PHYS);
	return (on_disk);
}

static void
name_of(char name[64], unsigned i)
{
	(void)snprintf(name, 64, "packs/%02x/%u", i, i);
}

static int
setup(void **state)
{
	struct err e = ERR_INIT;
	struct store *plain;
	uint8_t *bytes = malloc(BYTES);
	char name[64];

	(void)snprintf(dir, sizeof(dir), "/tmp/vitrine-cache.XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(repo_dir, sizeof(repo_dir), "%s/store", dir);
	(void)snprintf(near_dir, sizeof(near_dir), "%s/near", dir);
	assert_int_equal(store_open(&plain, repo_dir, true, &e), 0);
	for (unsigned i = 0; i < OBJECTS; i++) {
		memset(bytes, (int)i, BYTES);
		name_of(name, i);
		assert_int_equal(store_put(plain, name, bytes, BYTES, &e), 0);
	}
	free(bytes);
	store_close(plain);
	return (0);
}

static int
teardown(void **state)
{
	char command[200];

	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return (system(command));
}

static struct store *
cached(uint64_t max, bool bulk)
{
	struct err e = ERR_INIT;
	struct store *plain, *c;

	assert_int_equal(store_open(&plain, repo_dir, false, &e), 0);
	assert_int_equal(store_fault_open(&inner, plain, "remove@999=eio", &e),
	    0);
	assert_int_equal(store_cache_open(&c, inner, near_dir, max, bulk, &e),
	    0);
	return (c);
}

static void
get(struct store *c, unsigned i, size_t off, size_t len, bool bulk)
{
	uint8_t *dst = malloc(len);
	struct err e = ERR_INIT;
	size_t got = 0, want = len < BYTES - off ? len : BYTES - off;
	char name[64];

	name_of(name, i);
	assert_int_equal(store_read_near(c, name, off, dst, len, &got, bulk,
	    &e), 0);
	assert_int_equal(got, want);
	for (size_t k = 0; k < got; k++)
		assert_int_equal(dst[k], (uint8_t)i);
	free(dst);
}

static void
test_keeps(void **state)
{
	struct store *c = cached(64 << 20, false);
	uint64_t hits, misses, calls;

	calls = store_fault_calls(inner);
	for (int round = 0; round < 3; round++) {
		get(c, 1, 0, 1000, false);
		get(c, 1, 10, 1000, false);	/* another range */
		get(c, 2, BYTES - 10, 100, false);	/* over the end */
		get(c, 3, 0, 1000, true);	/* bulk: not kept */
	}
	store_cache_counts(c, &hits, &misses);
	assert_int_equal(hits, 6);
	assert_int_equal(misses, 3);
	assert_int_equal(store_fault_calls(inner) - calls, 3 + 3);
	/* Damaged, cut off, gone: fetched again, and right. */
	for (int what = 1; what <= 3; what++) {
		assert_true(walk(what) > 0);
		calls = store_fault_calls(inner);
		get(c, 1, 0, 1000, false);
		assert_int_equal(store_fault_calls(inner) - calls, 1);
		get(c, 1, 0, 1000, false);
		assert_int_equal(store_fault_calls(inner) - calls, 1);
		(void)walk(3);
		get(c, 1, 0, 1000, false);
	}
	store_close(c);
}

/* A store that was wrong once is not for ever: what is forgotten is asked for
 * again, and nothing else is. */
static void
test_forgets(void **state)
{
	struct store *c = cached(64 << 20, false);
	uint64_t calls;

	get(c, 7, 0, 500, false);
	get(c, 7, 0, 600, false);
	calls = store_fault_calls(inner);
	store_forget(c, "packs/07/7", 0, 500);
	store_forget(c, "packs/07/7", 0, 700);
	store_forget(c, "../x", 0, 700);
	get(c, 7, 0, 500, false);
	get(c, 7, 0, 600, false);
	assert_int_equal(store_fault_calls(inner) - calls, 1);
	store_close(c);
}

/* What is absent stays so, and is not kept. */
static void
test_absent(void **state)
{
	struct store *c = cached(64 << 20, true);
	struct err e = ERR_INIT;
	uint8_t b[4];
	size_t got;

	assert_int_equal(store_read_near(c, "packs/zz/0", 0, b, 4, &got, false,
	    &e), STORE_ABSENT);
	assert_int_equal(store_read_near(c, "../x", 0, b, 4, &got, false, &e),
	    -1);
	store_close(c);
}

static void
test_bound(void **state)
{
	const uint64_t max = 2 << 20;
	struct store *c = cached(max, true);

	for (int round = 0; round < 8; round++)
		for (unsigned i = 0; i < OBJECTS; i++)
			get(c, i, (size_t)round * 1000, 8000, true);
	assert_true(walk(0) <= max);
	assert_true(walk(0) > max / 4);
	(void)walk(3);
	store_close(c);
}

/* Where it can't be written reads go on. */
static void
test_unwritable(void **state)
{
	struct store *c;
	int fd;

	(void)walk(3);
	(void)rmdir(near_dir);
	fd = open(near_dir, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	c = cached(64 << 20, true);
	get(c, 1, 0, 1000, false);
	get(c, 1, 0, 1000, false);
	assert_int_equal(unlink(near_dir), 0);
	store_close(c);
}

static void *
reader(void *arg)
{
	struct store *c = arg;

	for (unsigned i = 0; i < 400; i++)
		get(c, i % OBJECTS, i % 7 * 100, 5000, true);
	return (NULL);
}

/* Two caches on one directory, as two processes would have them. */
static void
test_shared(void **state)
{
	struct store *c[2] = { cached(1 << 20, true), cached(1 << 20, true) };
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, reader, c[i % 2]),
		    0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_true(walk(0) <= 2 << 20);
	store_close(c[0]);
	store_close(c[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps),
		cmocka_unit_test(test_forgets),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_unwritable),
		cmocka_unit_test(test_shared)
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
