/*
 * The map's cache of pages: which of them stay when more are added than fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/map/table.h"

#define CAP	16			/* pages; so few are one shard */

static struct pages *
cache(void)
{
	struct pages *p;
	struct err e;

	err_init(&e);
	assert_int_equal(pages_new(&p, CAP * sizeof(struct page), &e), 0);
	return (p);
}

static void
add(struct pages *p, uint32_t number, bool filter)
{
	struct page *page = calloc(1, sizeof(*page));

	assert_non_null(page);
	page->table = filter;
	page->number = number;
	page->filter = filter;
	atomic_init(&page->refs, 1);
	pages_put(pages_add(p, page));
}

static void
fill(struct pages *p, bool filter, uint32_t from, uint32_t to)
{
	while (from < to)
		add(p, from++, filter);
}

static unsigned
count(struct pages *p, bool filter, uint32_t to)
{
	struct page *page;
	unsigned n = 0;

	for (uint32_t i = 0; i < to; i++) {
		page = pages_get(p, filter, i);
		n += page != NULL;
		pages_put(page);
	}
	return (n);
}

/* Filters may take all; others half, and nothing of those. */
static void
test_shares(void **state)
{
	struct pages *p = cache();

	(void)state;
	fill(p, false, 0, 3 * CAP);
	assert_int_equal(count(p, false, 3 * CAP), CAP / 2);
	fill(p, true, 0, CAP / 2);
	assert_int_equal(count(p, true, CAP / 2), CAP / 2);
	assert_int_equal(count(p, false, 3 * CAP), CAP / 2);
	fill(p, false, 3 * CAP, 6 * CAP);
	assert_int_equal(count(p, true, CAP / 2), CAP / 2);
	assert_int_equal(count(p, false, 6 * CAP), CAP / 2);
	fill(p, true, CAP / 2, CAP);
	assert_true(count(p, true, CAP) > CAP / 2);
	assert_int_equal(count(p, true, CAP) + count(p, false, 6 * CAP), CAP);
	pages_free(p);
}

/* One that is held outlasts its place, and the cache. */
static void
test_held(void **state)
{
	struct pages *p = cache();
	struct page *page;

	(void)state;
	add(p, 7, false);
	page = pages_get(p, false, 7);
	assert_non_null(page);
	fill(p, false, 8, 4 * CAP);
	assert_int_equal(count(p, false, 8), 0);
	pages_free(p);
	assert_int_equal(page->number, 7);
	pages_put(page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_held),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
