#ifndef VITRINE_INDEX_BLOCKS_IMPL_H
#define VITRINE_INDEX_BLOCKS_IMPL_H

#include <pthread.h>
#include <zstd.h>

#include "index/block_cache.h"
#include "index/blocks.h"
#include "index/images.h"

/* Shared by the files that read a stored catalog's blocks; not for callers. */

#define PAGE_SLOTS	48	/* map pages held: at most 32 KiB each */
#define DECODERS	8

struct page_slot {			/* a parsed map page */
	unsigned level;			/* 0: empty */
	uint64_t no;
	uint64_t used;
	void *entries;			/* struct chain or struct mref; owned */
};

/* The files of the local cache: the plain one, and the images after the first
 * and the second step. */
enum { LOCAL_PLAIN, LOCAL_KEY, LOCAL_L1, LOCALS };

struct blocks_state {
	struct fetch *fetch;
	uint8_t *key;			/* the domain's id key; sodium_malloc */
	uint64_t size;
	uint64_t count;
	unsigned levels;
	struct mref root;
	struct pack_info *packs;	/* owned; see block_packs.c */
	size_t npacks;
	uint32_t npages;		/* so many of them are in pages ... */
	struct mref *pages;		/* ... which these name; owned */
	uint32_t domain;
	struct images *images;		/* borrowed; or NULL */
	int local[LOCALS];		/* the local files, or -1 */
	uint64_t file[LOCALS];		/* which they are, for the images */

	struct block_cache *cache;
	pthread_mutex_t lock;		/* of all below */
	struct page_slot map[PAGE_SLOTS];
	uint64_t tick;
	uint32_t pages_from;		/* pages of the pack list not loaded */
	ZSTD_DCtx *decoders[DECODERS];
	unsigned ndecoders;
};

/* What it hashes to under the domain's id key; does it have this hash? */
void blocks_hash(const struct blocks_state *, struct chunk_id *out,
    const void *bytes, size_t len);
bool blocks_hash_holds(const struct blocks_state *, const struct chunk_id *want,
    const void *bytes, size_t len);
/*
 * block_load.c: load what an mref names into dst, from whichever of its places
 * verifies: itself, or (with a prefix) the block that the delta makes of the
 * prefix.  *len is at most max.  ERR_CORRUPT only where both are damaged.
 */
int blocks_load(struct blocks_state *, const struct mref *,
    const uint8_t *prefix, size_t plen, uint8_t *dst, size_t max, size_t *len,
    struct err *);
/*
 * block_packs.c: the metadata packs.  blocks_pack gives one by its number,
 * ERR_CORRUPT where the list has none such; it stays until packs_fini.
 */
int packs_init(struct blocks_state *, const struct catalog_root *,
    uint32_t domain, struct err *);
void packs_fini(struct blocks_state *);
int blocks_pack(struct blocks_state *, uint32_t no, const struct pack_info **,
    struct err *);
/* block_map.c: the chain of a block whose map page is at hand. */
bool blocks_chain_at_hand(struct blocks_state *, uint64_t i, struct chain *);

#endif
