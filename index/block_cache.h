#ifndef VITRINE_INDEX_BLOCK_CACHE_H
#define VITRINE_INDEX_BLOCK_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/*
 * Decoded blocks by number, the least recently used given up for new ones.
 * Thread-safe but for new and free.
 */
struct block_cache;

/* Room for so many blocks, at least 1. */
int block_cache_new(struct block_cache **out, uint32_t blocks, struct err *);
void block_cache_free(struct block_cache *);	/* NULL is fine */
/* What it holds is let go, and no more than so many (at least 1) are kept from
 * now on. */
void block_cache_shrink(struct block_cache *, uint32_t blocks);
/* Copy len bytes at `at' of block no out, if it is there. */
bool block_cache_read(struct block_cache *, uint64_t no, size_t at, void *dst,
    size_t len);
/* Is it there?  Doesn't count as a use. */
bool block_cache_has(struct block_cache *, uint64_t no);
/* Keep a block; takes the bytes (malloc'ed), also where another thread was
 * faster. */
void block_cache_keep(struct block_cache *, uint64_t no, uint8_t *bytes);

#endif
