/*
 * Stats that are interrupted: wherever they are, also where no row comes and no
 * object is told for long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>

#include "engine/store/store.h"
#include "tests/unit/memory_pages.h"
#include "tools/job/stats.h"

#define OK(call) do { \
	int ok_ = (call); \
	if (ok_ != 0) \
		fail_msg("%s: %d: %s", #call, ok_, err_text(e)); \
} while (0)

/* Files of one hole each: rows without a chunk.  No name leads to them, so that
 * nothing of it is proven. */
static const char holes[] =
    "WITH RECURSIVE c(x) AS (SELECT 7 UNION ALL SELECT x+1 FROM c "
    "WHERE x<8000) INSERT INTO node SELECT x,1,0,420,0,0,4096,0,0,0,0,1,0,0,0,"
    "0,0,0,NULL,x'020010000000000000' FROM c";

static struct memory_pages memory;
static atomic_bool cancel;
static unsigned reads, cancel_at;

static int
counted_read(struct pages *p, void *dst, size_t len, uint64_t off,
    struct err *e)
{
	if (++reads == cancel_at)
		atomic_store(&cancel, true);
	return (memory_read(p, dst, len, off, e));
}

static const struct pages_ops counted = { counted_read, memory_size, NULL,
    NULL };

/* With so many reads of pages behind it, it is told to stop; 0: never. */
static int
counted_stats(unsigned at, struct err *e)
{
	const struct events ev = { .cancel = &cancel };
	struct stats_sum sum;
	struct catalog *c;
	struct stats *s;
	int r;

	reads = 0;
	cancel_at = at;
	atomic_store(&cancel, false);
	OK(catalog_over(&c, &memory.pages, 0, 2, e));
	OK(stats_new(&s, 8U << 20, e));
	r = stats_add(s, c, NULL, &ev, e);
	stats_get(s, &sum);
	if (r >= 0)
		assert_int_equal(sum.chunks, 1);
	stats_free(s);
	catalog_close(c);
	return (r);
}

static void
test_no_rows(void **state)
{
	struct err error = ERR_INIT, *e = &error;
	unsigned all;

	(void)state;
	OK(memory_catalog(&memory, holes, e));
	memory.pages.ops = &counted;
	assert_int_equal(counted_stats(0, e), STATS_ALONE);
	all = reads;
	assert_true(all > 30);
	assert_int_equal(counted_stats(all - 15, e), -1);
	assert_int_equal(error.code, ERR_CANCELED);
	assert_true(reads < all);
}

static int
list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	const struct store_stat st = { .size_bytes = 1 };
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 100; i++) {
		if (++reads == cancel_at)
			atomic_store(&cancel, true);
		r = fn(ctx, "packs/00/00", &st, e);
	}
	return (r < 0 ? -1 : 0);
}

static int
stat_none(struct store *s, const char *name, struct store_stat *st,
    struct err *e)
{
	return (STORE_ABSENT);
}

static void
test_listing(void **state)
{
	static const struct store_ops ops = { .list = list,
	    .stat = stat_none };
	const struct events ev = { .cancel = &cancel };
	struct err error = ERR_INIT, *e = &error;
	struct store store = { .ops = &ops };
	struct stats_store sum;

	(void)state;
	reads = cancel_at = 0;
	atomic_store(&cancel, false);
	OK(stats_of_store(&store, &sum, &ev, e));
	assert_int_equal(sum.objects, reads);
	reads = 0;
	cancel_at = 150;
	assert_int_equal(stats_of_store(&store, &sum, &ev, e), -1);
	assert_int_equal(error.code, ERR_CANCELED);
	assert_int_equal(reads, cancel_at);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_listing),
	};

	if (sodium_init() < 0)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
