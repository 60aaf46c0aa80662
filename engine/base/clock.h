#ifndef VITRINE_ENGINE_BASE_CLOCK_H
#define VITRINE_ENGINE_BASE_CLOCK_H

#include <stdint.h>

/* Seconds in 64 bits and nanoseconds apart: 64 bits of ns end in 2262. */
struct stamp {
	int64_t s;
	uint32_t ns;		/* 0 .. 999999999 */
};

/* The wall clock.  A test build (VITRINE_TESTING) honours VITRINE_TEST_TIME,
 * seconds since the epoch, which then stands still. */
struct stamp clock_wall(void);
/* Milliseconds that never go back; for intervals only. */
uint64_t clock_mono_ms(void);

#endif
