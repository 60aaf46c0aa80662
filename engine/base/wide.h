#ifndef VITRINE_ENGINE_BASE_WIDE_H
#define VITRINE_ENGINE_BASE_WIDE_H

#include <stdint.h>

/* The upper half of a product; compilers for 32 bits have no type that holds
 * the whole of it. */
static inline uint64_t
mul_high(uint64_t a, uint64_t b)
{
	uint64_t a1 = a >> 32, a0 = a & UINT32_MAX;
	uint64_t b1 = b >> 32, b0 = b & UINT32_MAX;
	uint64_t x = a1 * b0 + (a0 * b0 >> 32);
	uint64_t y = a0 * b1 + (x & UINT32_MAX);

	return (a1 * b1 + (x >> 32) + (y >> 32));
}

#endif
