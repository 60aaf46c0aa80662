/*
 * A moment as bytes, and the two clocks.  The wall clock is for people only and
 * can be held still by a test; intervals are measured on the one that never
 * goes back.
 */
#include "engine/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/err.h"

#define NS_PER_S	1000000000U

void
stamp_emit(struct buf *b, const struct stamp *t)
{
	buf_i64(b, t->s);
	buf_u32(b, t->ns);
}

void
stamp_parse(struct stamp *t, struct rd *r)
{
	t->s = rd_i64(r);
	t->ns = rd_u32(r);
	if (t->ns >= NS_PER_S)
		r->bad = true;
}

#ifdef VITRINE_TESTING
/* Is the clock held still, and at what second? */
static int
test_time(int64_t *s)
{
	const char *text = getenv("VITRINE_TEST_TIME");
	char *end;
	long long v;

	if (text == NULL || *text == '\0')
		return (0);
	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0')
		BUG("VITRINE_TEST_TIME is no number of seconds");
	*s = v;
	return (1);
}
#endif

struct stamp
clock_wall(void)
{
	struct timespec ts;
	struct stamp now;

#ifdef VITRINE_TESTING
	if (test_time(&now.s)) {
		now.ns = 0;
		return (now);
	}
#endif
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		BUG("no wall clock");
	now.s = ts.tv_sec;
	now.ns = (uint32_t)ts.tv_nsec;
	return (now);
}

uint64_t
clock_mono_ms(void)
{
	struct timespec ts;

	/* BOOTTIME goes on while a laptop sleeps: a lease ages meanwhile. */
	if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0 &&
	    clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
		BUG("no monotonic clock");
	return ((uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000);
}
