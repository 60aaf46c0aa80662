/*
 * Images that catalogs share: found by all of their hash, and whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "index/images.h"

static struct chunk_id
hash_of(uint8_t first, uint8_t last)
{
	struct chunk_id id = { { first } };

	id.b[ID_BYTES - 1] = last;
	return (id);
}

static void
keeps(void **state)
{
	static uint8_t bytes[CATALOG_BLOCK_BYTES], out[CATALOG_BLOCK_BYTES];
	struct chunk_id a = hash_of(1, 1), like = hash_of(1, 2);
	struct chunk_id last = hash_of(2, 1);
	struct images *m;
	struct err err = ERR_INIT;
	size_t len = 0;

	(void)state;
	assert_int_equal(images_new(&m, 4U << 20, &err), 0);
	assert_false(images_find(m, &a, out, &len));
	memset(bytes, 7, sizeof(bytes));
	images_keep(m, &a, bytes, sizeof(bytes));
	assert_true(images_find(m, &a, out, &len));
	assert_int_equal(len, sizeof(bytes));
	assert_memory_equal(out, bytes, sizeof(bytes));
	/* One whose hash begins with the same bytes is another. */
	assert_false(images_find(m, &like, out, &len));
	images_keep(m, &like, out, sizeof(out));
	assert_false(images_find(m, &like, out, &len));
	/* The last block of a catalog is as short as it is. */
	images_keep(m, &last, bytes, 16384);
	memset(out, 0, sizeof(out));
	assert_true(images_find(m, &last, out, &len));
	assert_int_equal(len, 16384);
	assert_memory_equal(out, bytes, 16384);
	assert_int_equal(out[16384], 0);
	images_free(m);
}

static void
lets_go(void **state)
{
	static uint8_t bytes[CATALOG_BLOCK_BYTES], out[CATALOG_BLOCK_BYTES];
	struct chunk_id id;
	struct images *m;
	struct err err = ERR_INIT;
	size_t len, found = 0;

	(void)state;
	assert_int_equal(images_new(&m, 1U << 20, &err), 0);
	for (uint8_t i = 0; i < 100; i++) {
		id = hash_of(i, 0);
		memset(bytes, i, sizeof(bytes));
		images_keep(m, &id, bytes, sizeof(bytes));
	}
	for (uint8_t i = 0; i < 100; i++) {
		id = hash_of(i, 0);
		if (!images_find(m, &id, out, &len))
			continue;
		found++;
		assert_int_equal(out[0], i);
		assert_int_equal(out[len - 1], i);
	}
	assert_in_range(found, 10, 16);
	images_free(m);
}

static void
hints(void **state)
{
	struct chunk_id a = hash_of(1, 1), b = hash_of(1, 2);
	struct images *m;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(images_new(&m, 1U << 20, &err), 0);
	assert_false(images_differs(m, 5, 3, &a));
	images_saw(m, 5, 3, &a);
	assert_false(images_differs(m, 5, 3, &a));
	assert_true(images_differs(m, 5, 3, &b));
	assert_false(images_differs(m, 5, 4, &b));
	assert_false(images_differs(m, 6, 3, &b));
	images_saw(m, 5, 3, &b);
	assert_true(images_differs(m, 5, 3, &a));
	/* A file that nobody told is never passed over. */
	images_saw(m, 0, 0, &a);
	assert_false(images_differs(m, 0, 0, &b));
	images_free(m);
}

static void
none(void **state)
{
	static uint8_t bytes[CATALOG_BLOCK_BYTES];
	struct chunk_id a = hash_of(1, 1);
	size_t len;

	(void)state;
	images_keep(NULL, &a, bytes, sizeof(bytes));
	assert_false(images_find(NULL, &a, bytes, &len));
	images_saw(NULL, 1, 1, &a);
	assert_false(images_differs(NULL, 1, 1, &a));
	images_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps),
		cmocka_unit_test(lets_go),
		cmocka_unit_test(hints),
		cmocka_unit_test(none),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
