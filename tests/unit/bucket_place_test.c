/* Keys of a bucket as paths: a place for each, a key for each place, both ways
 * the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "index/catalog.h"
#include "tools/job/bucket_place.h"

static void
place_is(const char *key, size_t len, bool marker, const char *place)
{
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(place_of_key(&out, key, len, marker, &e), 0);
	assert_int_equal(out.len, strlen(place));
	assert_memory_equal(out.data, place, out.len);
	buf_reset(&out);
	assert_int_equal(key_of_place(&out, place, strlen(place), marker, &e),
	    0);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.data, key, len);
	buf_fini(&out);
}

static void
test_places(void **state)
{
	static const struct {
		const char *key, *place;
		bool marker;
	} cases[] = {
		{ "a", "a", false }, { "a/b/c", "a/b/c", false },
		{ "a//b", "a/%0/b", false }, { "/a", "%0/a", false },
		{ "/", "%0", true }, { "/", "%0/%0", false },
		{ "//", "%0/%0", true }, { "a/", "a", true },
		{ "a/", "a/%0", false }, { "a//", "a/%0", true },
		{ ".", "%.", false }, { "..", "%..", false },
		{ "a/../b", "a/%../b", false }, { "./", "%.", true },
		{ "...", "...", false }, { ".%", ".%", false },
		{ "%", "%%", false }, { "%0", "%%0", false },
		{ "%%", "%%%", false }, { "%.", "%%.", false },
		{ "%=", "%%=", false }, { "a/%=", "a/%%=", false },
		{ "%+a/b", "%%+a/b", false }, { "a%0", "a%0", false },
		{ "\377\001 ~+&", "\377\001 ~+&", false },
		{ "a\\b\n", "a\\b\n", false }
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		place_is(cases[i].key, strlen(cases[i].key), cases[i].marker,
		    cases[i].place);
}

static void
test_long(void **state)
{
	static const struct {
		size_t len;		/* of the key */
		size_t head;		/* characters '%' at its beginning */
		const char *start;
	} cases[] = {
		{ 255, 0, "aaa" }, { 256, 0, "%+a" }, { 254, 1, "%%a" },
		{ 255, 1, "%+%" }, { 1024, 0, "%+a" }, { 506, 506, "%+%" },
		{ 1024, 1024, "%+%" }
	};
	char key[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf place = BUF_INIT, back = BUF_INIT;
		struct err e = ERR_INIT;
		size_t run = 0;

		memset(key, 'a', sizeof(key));
		memset(key, '%', cases[i].head);
		assert_int_equal(place_of_key(&place, key, cases[i].len, false,
		    &e), 0);
		assert_memory_equal(place.data, cases[i].start, 3);
		for (size_t k = 0; k < place.len; k++) {
			run = place.data[k] == '/' ? 0 : run + 1;
			assert_true(run <= CATALOG_NAME_MAX);
		}
		assert_int_equal(key_of_place(&back, (char *)place.data,
		    place.len, false, &e), 0);
		assert_int_equal(back.len, cases[i].len);
		assert_memory_equal(back.data, key, back.len);
		buf_fini(&place);
		buf_fini(&back);
	}
}

static void
test_self(void **state)
{
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(key_of_place(&out, "a/b/%=", 6, false, &e), 0);
	assert_int_equal(out.len, 3);
	assert_memory_equal(out.data, "a/b", 3);
	/* "a/" with content beside "a//b" */
	assert_int_equal(key_of_place(&out, "a/%0/%=", 7, false, &e), 0);
	assert_int_equal(out.len, 5);
	assert_memory_equal(out.data, "a/ba/", 5);
	assert_int_equal(key_of_place(&out, "", 0, true, &e), 0);
	assert_int_equal(out.len, 5);
	buf_fini(&out);
}

static void
test_no_places(void **state)
{
	static const struct {
		const char *place;
		bool marker;
	} cases[] = {
		{ "", false }, { "/a", false }, { "a/", false }, { ".", false },
		{ "..", true }, { "a//b", false }, { "%", false },
		{ "%a", false },
		{ "%00", false }, { "%=", false }, { "%=", true },
		{ "a/%=", true }, { "a/%=/%=", false }, { "a/%=/b", false },
		{ "%+a", false }, { "%+a/b", false }, { "%+a", true },
		{ "%...", false }, { "%0", false }
	};
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(key_of_place(&out, cases[i].place,
		    strlen(cases[i].place), cases[i].marker, &e), PLACE_NONE);
		assert_int_equal(out.len, 0);
	}
	assert_int_equal(place_of_key(&out, "", 0, false, &e), PLACE_NONE);
	assert_int_equal(place_of_key(&out, "a\0b", 3, false, &e), PLACE_NONE);
	buf_fini(&out);
}

/* Keys of few characters, so that all that is odd comes often. */
static void
test_random(void **state)
{
	static const char letters[] = "%%//..0+=a\200";
	uint32_t x = 1;

	for (unsigned i = 0; i < 200000; i++) {
		struct buf place = BUF_INIT, back = BUF_INIT;
		struct err e = ERR_INIT;
		char key[800];
		size_t len;
		bool marker;

		x = x * 1664525 + 1013904223;
		len = 1 + (x >> 16) % (i % 16 == 0 ? sizeof(key) : 8);
		for (size_t k = 0; k < len; k++) {
			x = x * 1664525 + 1013904223;
			key[k] = (x >> 20) % 7 == 0 || i % 16 != 0 ?
			    letters[(x >> 16) % (sizeof(letters) - 1)] : 'b';
		}
		marker = key[len - 1] == '/' && (x >> 30) != 0;
		assert_int_equal(place_of_key(&place, key, len, marker, &e), 0);
		assert_int_equal(key_of_place(&back, (char *)place.data,
		    place.len, marker, &e), 0);
		assert_int_equal(back.len, len);
		assert_memory_equal(back.data, key, len);
		buf_fini(&place);
		buf_fini(&back);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_no_places),
		cmocka_unit_test(test_random),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
