/* When listings go without attributes, and when they stop to: the guess about
 * the readers, over a session that is mounted nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fuse_lowlevel.h>
#include <unistd.h>

#include "fs/lean.h"

static struct fuse_session *session;

static int
setup(void **state)
{
	static const struct fuse_lowlevel_ops ops = { 0 };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

	(void)state;
	if (fuse_opt_add_arg(&args, "test") != 0)
		return (1);
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	fuse_opt_free_args(&args);
	return (session == NULL);
}

static int
teardown(void **state)
{
	(void)state;
	fuse_session_destroy(session);
	return (0);
}

static struct leans *
make(void)
{
	struct err e = ERR_INIT;
	struct leans *l;

	assert_int_equal(leans_new(&l, &e), 0);
	leans_begin(l, session);
	return (l);
}

/* List so many directories, and tell how many were lean. */
static unsigned
list(struct leans *l, uint64_t first, unsigned n)
{
	unsigned lean = 0;

	for (unsigned i = 0; i < n; i++)
		lean += leans_list(l, first + i, true) == LISTING_LEAN;
	return (lean);
}

static void
look_up(struct leans *l, uint64_t dir, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		leans_lookup(l, dir);
}

/* Names alone are wanted: it stays lean, also where a file is opened now and
 * then. */
static void
test_names(void **state)
{
	struct leans *l = make();

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(list(l, 1 + 64 * i, 64), 64);
		look_up(l, 1 + 64 * i, 10);
	}
	assert_int_equal(leans_list(l, 5, false), LISTING_LEAN);
	assert_int_equal(leans_list(l, 1U << 30, false), LISTING_FULL);
	/* What was never listed tells nothing of listings. */
	look_up(l, 1U << 30, 1000);
	assert_int_equal(list(l, 7000, 10), 10);
	leans_free(l);
}

/* Each file is looked at: full but for probes, which are looked up. */
static void
test_attributes(void **state)
{
	struct leans *l = make();
	unsigned probes = 0;

	(void)state;
	assert_int_equal(list(l, 1, 2), 2);
	look_up(l, 2, 16);
	assert_int_equal(leans_list(l, 2, false), LISTING_FULL);
	for (uint64_t dir = 3; dir < 2003; dir++) {
		enum listing how = leans_list(l, dir, true);

		assert_int_not_equal(how, LISTING_LEAN);
		if (how == LISTING_PROBE) {
			probes++;
			leans_lookup(l, dir);
		}
	}
	assert_int_equal(probes, 250);
	leans_free(l);
}

/* And when nobody looks any more, lean again: many times over, as what is to be
 * forgotten is handed to a thread each time. */
static void
test_back(void **state)
{
	struct leans *l = make();
	uint64_t dir = 1;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		unsigned full = 0;

		while (leans_list(l, dir++, true) != LISTING_LEAN) {
			/* The thread may have to end first. */
			if (++full > 260)
				(void)usleep(1000);
			assert_true(full < 100000);
		}
		assert_true(round == 0 || full >= 250);
		look_up(l, dir - 1, 16);
	}
	leans_free(l);
}

/* What may have to be forgotten is bounded. */
static void
test_bound(void **state)
{
	struct leans *l = make();
	unsigned n = list(l, 1, 200000);

	(void)state;
	assert_int_equal(n, 98304);
	assert_int_equal(leans_list(l, 1, true), LISTING_LEAN);
	assert_int_equal(leans_list(l, 199999, true), LISTING_FULL);
	look_up(l, 1, 16);
	assert_int_equal(list(l, 1, 200), 0);
	leans_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_bound),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
