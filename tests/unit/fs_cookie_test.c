/*
 * Positions in directories: the nearest that is known, its name, and what gives
 * way when there are more than are kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/cookie.h"

#define KEPT	8

static struct cookies *
make(void)
{
	struct err e = ERR_INIT;
	struct cookies *c;

	assert_int_equal(cookies_new(&c, KEPT, &e), 0);
	return (c);
}

/* The entry before that position has the position for its name. */
static void
note(struct cookies *c, uint64_t node, uint64_t off, bool last)
{
	char name[32];
	int n = snprintf(name, sizeof(name), "%llu-%llu",
	    (unsigned long long)node, (unsigned long long)off);

	cookies_note(c, node, off, name, (size_t)n, last);
}

/* What is found for a position is that one; 0: nothing is. */
static void
finds(struct cookies *c, uint64_t node, uint64_t off, uint64_t want, bool last)
{
	char name[CATALOG_NAME_MAX + 1], wanted[32] = "";
	uint64_t found = 77;
	size_t len = 77;

	if (want != 0)
		(void)snprintf(wanted, sizeof(wanted), "%llu-%llu",
		    (unsigned long long)node, (unsigned long long)want);
	assert_int_equal(cookies_find(c, node, off, &found, name, &len), last);
	assert_int_equal(found, want);
	assert_string_equal(name, wanted);
	assert_int_equal(len, strlen(wanted));
}

/* Never one behind it, nor another directory's. */
static void
test_nearest(void **state)
{
	struct cookies *c = make();

	(void)state;
	finds(c, 1, 50, 0, false);
	note(c, 1, 40, false);
	note(c, 1, 20, false);
	note(c, 1, 30, false);
	note(c, 2, 35, false);
	finds(c, 1, 19, 0, false);
	finds(c, 1, 20, 20, false);
	finds(c, 1, 29, 20, false);
	finds(c, 1, 39, 30, false);
	finds(c, 1, 1000, 40, false);
	finds(c, 2, 39, 35, false);
	finds(c, 3, 39, 0, false);
	cookies_free(c);
}

static void
test_last(void **state)
{
	struct cookies *c = make();

	(void)state;
	note(c, 1, 20, false);
	note(c, 1, 30, true);
	finds(c, 1, 29, 20, false);
	finds(c, 1, 30, 30, true);
	/* Where nothing is: that is for the directory to say. */
	finds(c, 1, 31, 30, false);
	/* What is known of a position changes. */
	note(c, 1, 20, true);
	note(c, 1, 30, false);
	finds(c, 1, 20, 20, true);
	finds(c, 1, 30, 30, false);
	cookies_free(c);
}

/* The oldest gives way, one for each that is new: noting the same ones over and
 * over, as readers of one directory do, costs nobody else's. */
static void
test_bounded(void **state)
{
	struct cookies *c = make();

	(void)state;
	for (uint64_t i = 1; i <= KEPT; i++)
		note(c, i, 10, false);
	for (uint64_t i = 0; i < 10 * KEPT; i++)
		note(c, KEPT, 10, false);
	finds(c, 1, 10, 10, false);
	for (uint64_t i = 1; i <= 3 * KEPT; i++) {
		note(c, KEPT + i, 10, false);
		finds(c, i, 10, 0, false);
		for (uint64_t k = i + 1; k <= KEPT + i; k++)
			finds(c, k, 10, 10, false);
	}
	cookies_free(c);
}

/* A name as long as any. */
static void
test_long(void **state)
{
	char name[CATALOG_NAME_MAX], got[CATALOG_NAME_MAX + 1];
	struct cookies *c = make();
	uint64_t found;
	size_t len;

	(void)state;
	memset(name, 'n', sizeof(name));
	cookies_note(c, 1, 9, name, sizeof(name), false);
	assert_false(cookies_find(c, 1, 9, &found, got, &len));
	assert_int_equal(len, sizeof(name));
	assert_memory_equal(got, name, sizeof(name));
	assert_int_equal(got[len], '\0');
	cookies_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_last),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_long),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
