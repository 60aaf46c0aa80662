#ifndef VITRINE_ENGINE_BASE_CLOCK_H
#define VITRINE_ENGINE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "engine/base/buf.h"
#include "engine/base/rd.h"

/* Seconds in 64 bits and nanoseconds apart: 64 bits of ns end in 2262. */
struct stamp {
	int64_t s;
	uint32_t ns;		/* 0 .. 999999999 */
};
/* As all objects have it: i64, u32.  More nanoseconds set rd->bad. */
void stamp_emit(struct buf *, const struct stamp *);
void stamp_parse(struct stamp *, struct rd *);

/* < 0, 0 or > 0, as the first is before, at or after the second. */
static inline int
stamp_compare(const struct stamp *a, const struct stamp *b)
{
	if (a->s != b->s)
		return (a->s < b->s ? -1 : 1);
	return (a->ns < b->ns ? -1 : a->ns > b->ns);
}

/* The wall clock.  A test build (VITRINE_TESTING) honours VITRINE_TEST_TIME,
 * seconds since the epoch, which then stands still. */
struct stamp clock_wall(void);
/* Milliseconds that never go back; for intervals only. */
uint64_t clock_mono_ms(void);

/* What comes nearest to it of what a library can be told whose time_t may have
 * 32 bits.  Inline: it is the including file's time_t (see the GNUmakefile). */
static inline time_t
clock_nearest(int64_t s)
{
	time_t t = (time_t)s;

	return (t == s ? t : s < 0 ? INT32_MIN : INT32_MAX);
}

#endif
