#ifndef VITRINE_INDEX_BLOCKS_H
#define VITRINE_INDEX_BLOCKS_H

#include "engine/repo/fetch.h"
#include "engine/repo/repo.h"
#include "index/pages.h"

/*
 * The blocks of a stored catalog (vitrine-format(5), CATALOG BLOCKS): the map
 * read by levels, each block decoded from its chain key -> L1 -> L2 and
 * checked after every step, in a bounded cache shared by all connections.
 * Thread-safe but for new and free.  A reference is stored twice where it
 * matters: either copy that verifies serves.
 */
#define CHAIN_MAX	3

/* How one block is made: key, delta, delta of the delta. */
struct chain {
	uint8_t depth;			/* 0: no such block */
	struct mref ref[CHAIN_MAX];
};

struct images;
struct blocks {
	struct pages pages;		/* read-only; first member */
	struct blocks_state *s;		/* private */
};

/* cache: the directory of the lineage's local cache (borrowed during the
 * call), or NULL.  The images (NULL: none) are borrowed.  Reads nothing from
 * the store yet. */
int blocks_new(struct blocks **out, struct fetch *, const struct keyring *,
    uint32_t domain, const struct catalog_root *, size_t cache_bytes,
    const char *cache, struct images *, struct err *);
void blocks_free(struct blocks *);
/* Let go what is cached, and cache no more than a walk in order needs. */
void blocks_shrink(struct blocks *);

uint64_t blocks_count(const struct blocks *);
/* Bytes of block i: CATALOG_BLOCK_BYTES but for the last. */
size_t blocks_len(const struct blocks *, uint64_t i);
/* The whole block i, verified. */
int blocks_read(struct blocks *, uint64_t i, uint8_t *dst, struct err *);
int blocks_chain(struct blocks *, uint64_t i, struct chain *, struct err *);
/* The image after step `steps' (1 = the key) of that chain, which is block i's:
 * verified; *len is set. */
int blocks_image(struct blocks *, uint64_t i, const struct chain *,
    unsigned steps, uint8_t dst[CATALOG_BLOCK_BYTES], size_t *len,
    struct err *);
/* The mref of a map page; CATALOG_ABSENT (1) where this map has none. */
int blocks_page_ref(struct blocks *, unsigned level, uint64_t no,
    struct mref *, struct err *);

/* All metadata packs, by number: those that nobody asked for yet are loaded.
 * *out is the blocks'. */
int blocks_packs(struct blocks *, const struct pack_info **out, size_t *n,
    struct err *);

/* Parsing a map page: n entries of level 1, or n mrefs.  0 or -1. */
int map_parse_leaf(struct chain *, size_t n, const void *, size_t len);
int map_parse_inner(struct mref *, size_t n, const void *, size_t len);
void map_emit_chain(struct buf *, const struct chain *);

/* Levels that a map of so many blocks has; entries of page `no' of a level. */
unsigned map_levels(uint64_t nblocks);
uint64_t map_pages(uint64_t nblocks, unsigned level);
size_t map_entries(uint64_t nblocks, unsigned level, uint64_t no);

#endif
