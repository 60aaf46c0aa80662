/*
 * A catalog with changed bytes.  The input is a row of patches over a small
 * database that is right: u24 offset, u8 n (at most 64), n bytes.
 */
#ifndef VITRINE_TESTS_FUZZ_PATCHED_H
#define VITRINE_TESTS_FUZZ_PATCHED_H

#include "tests/unit/memory_pages.h"

/* As catalog_over(); until it is closed the bytes are its own. */
static inline int
patched_catalog(struct catalog **out, const struct memory_pages *good,
    const uint8_t *data, size_t len, struct err *e)
{
	static struct memory_pages memory;
	struct rd r;

	if (memory.bytes == NULL) {
		memory.bytes = malloc(MEMORY_MAX);
		BUG_ON(memory.bytes == NULL);
		memory.pages.ops = &memory_ro;
	}
	memory.size = good->size;
	memcpy(memory.bytes, good->bytes, good->size);
	rd_init(&r, data, len);
	while (rd_left(&r) > 4) {
		uint64_t off = rd_int(&r, 3) % good->size;
		size_t n = rd_u8(&r) % 65;

		if (n > rd_left(&r))
			n = rd_left(&r);
		if (n > good->size - off)
			n = good->size - off;
		rd_bytes(&r, memory.bytes + off, n);
	}
	return (catalog_over(out, &memory.pages, 0, 1, e));
}

#endif
