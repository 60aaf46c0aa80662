/* Order, bounds and progress of lanes, for the serial twin and for threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/pool.h"

struct work {
	struct job job;
	unsigned serial;
	unsigned spin;
	unsigned result;
};

static atomic_uint running, peak;

static void
work_run(struct job *job)
{
	struct work *w = (struct work *)job;
	unsigned now = atomic_fetch_add(&running, 1) + 1;
	unsigned seen = atomic_load(&peak);

	while (now > seen && !atomic_compare_exchange_weak(&peak, &seen, now))
		;
	if (w->spin % 7 == 0)
		sched_yield();
	if (w->spin % 31 == 0) {
		struct timespec ts = { 0, 50000 };

		nanosleep(&ts, NULL);
	}
	w->result = w->serial * 2654435761u;
	atomic_fetch_sub(&running, 1);
}

static struct pool *
make_pool(unsigned threads)
{
	struct err e = ERR_INIT;
	struct pool *pool;

	assert_int_equal(pool_new(&pool, threads, &e), 0);
	return (pool);
}

static struct lane *
make_lane(struct pool *pool, unsigned priority, unsigned capacity)
{
	struct err e = ERR_INIT;
	struct lane *lane;

	assert_int_equal(lane_new(&lane, pool, priority, capacity, &e), 0);
	return (lane);
}

/* Two stages: what leaves the first in order enters the second. */
static void
two_stages(unsigned threads, unsigned jobs, unsigned cap1, unsigned cap2)
{
	struct pool *pool = make_pool(threads);
	struct lane *first = make_lane(pool, 1, cap1);
	struct lane *second = make_lane(pool, 2, cap2);
	struct work *work = calloc(jobs, sizeof(*work));
	unsigned given = 0, moved = 0, out = 0;

	assert_non_null(work);
	if (cap1 == 8)
		lane_gather(first, 4);
	srand(threads * 7919 + jobs);
	while (out < jobs) {
		if (given < jobs && !lane_is_full(first)) {
			work[given].job.run = work_run;
			work[given].serial = given;
			work[given].spin = (unsigned)rand();
			lane_submit(first, &work[given].job);
			given++;
			continue;
		}
		if (!lane_is_full(second) && !lane_is_empty(first) &&
		    (lane_is_ready(first) || rand() % 2 == 0 ||
		    lane_is_empty(second))) {
			struct work *w = (struct work *)lane_take(first);

			assert_ptr_equal(w, &work[moved]);
			assert_int_equal(w->result, moved * 2654435761u);
			w->serial += jobs;
			lane_submit(second, &w->job);
			moved++;
			continue;
		}
		struct work *w = (struct work *)lane_take(second);

		assert_ptr_equal(w, &work[out]);
		assert_int_equal(w->result, (out + jobs) * 2654435761u);
		out++;
	}
	assert_true(lane_is_empty(first));
	assert_null(lane_take(first));
	assert_null(lane_take(second));
	lane_free(first);
	lane_free(second);
	pool_free(pool);
	free(work);
}

static void
test_order(void **state)
{
	static const unsigned threads[] = { 0, 1, 2, 5 };

	(void)state;
	for (size_t i = 0; i < sizeof(threads) / sizeof(*threads); i++) {
		two_stages(threads[i], 3000, 8, 8);
		two_stages(threads[i], 500, 1, 1);
		two_stages(threads[i], 1000, 32, 1);
		two_stages(threads[i], 1000, 1, 32);
	}
}

static void
test_workers_bound(void **state)
{
	(void)state;
	atomic_store(&peak, 0);
	two_stages(3, 2000, 16, 16);
	assert_true(atomic_load(&peak) <= 3);
}

static unsigned ran_order[64];
static atomic_uint ran;

static void
note_run(struct job *job)
{
	ran_order[atomic_fetch_add(&ran, 1)] = ((struct work *)job)->serial;
}

static atomic_bool gate;

static void
gate_run(struct job *job)
{
	(void)job;
	while (!atomic_load(&gate))
		sched_yield();
}

/* With the one worker held up, the downstream lane goes first. */
static void
test_priority(void **state)
{
	struct pool *pool = make_pool(1);
	struct lane *up = make_lane(pool, 1, 16);
	struct lane *down = make_lane(pool, 9, 16);
	struct work block = { .job.run = gate_run };
	struct work work[20];

	(void)state;
	atomic_store(&gate, false);
	atomic_store(&ran, 0);
	lane_submit(up, &block.job);
	for (unsigned i = 0; i < 20; i++) {
		work[i] = (struct work){ .job.run = note_run, .serial = i };
		lane_submit(i < 10 ? up : down, &work[i].job);
	}
	assert_false(lane_is_ready(up));
	atomic_store(&gate, true);
	while (lane_take(up) != NULL)
		;
	while (lane_take(down) != NULL)
		;
	assert_int_equal(atomic_load(&ran), 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(ran_order[i], i < 10 ? i + 10 : i - 10);
	lane_free(up);
	lane_free(down);
	pool_free(pool);
}

static void
test_full_and_limits(void **state)
{
	struct pool *pool = make_pool(0);
	struct lane *lane = make_lane(pool, 0, 2);
	struct work a = { .job.run = work_run }, b = { .job.run = work_run };
	struct err e = ERR_INIT;
	struct pool *no = NULL;

	(void)state;
	assert_true(lane_is_empty(lane));
	lane_submit(lane, &a.job);
	assert_false(lane_is_full(lane));
	lane_submit(lane, &b.job);
	assert_true(lane_is_full(lane));
	assert_false(lane_is_ready(lane));
	assert_ptr_equal(lane_take(lane), &a.job);
	assert_ptr_equal(lane_take(lane), &b.job);
	assert_int_equal(pool_threads(pool), 0);
	lane_free(lane);
	lane_free(NULL);
	pool_free(pool);
	pool_free(NULL);
	assert_int_equal(pool_new(&no, 1u << 30, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_workers_bound),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_full_and_limits),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
