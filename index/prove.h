#ifndef VITRINE_INDEX_PROVE_H
#define VITRINE_INDEX_PROVE_H

#include "index/catalog.h"

/*
 * Prove many catalogs, each distinct page once: what catalog_verify() looks
 * for is not there, and every chunk's place holds.  Each page has a balance (a
 * sum of keyed hashes of what it asks of others less what it offers), a
 * catalog's pages add up to zero; so of a catalog that follows another one
 * only the pages that differ are read.  A proof errs with a chance below 2^-60
 * whatever the bytes; what can't be proven is not wrong for that: then
 * catalog_verify() tells.  Confined to one thread.
 */
struct prove;
/*
 * Rows that a catalog has and the one before it hadn't, told while it is proven
 * (for nothing, if it can't be).  All of those are told; so may be, and again,
 * rows that only changed their page.
 */
struct prove_news {
	int (*name)(void *ctx, uint64_t dir, const char *name, size_t len,
	    uint64_t ino, struct err *);
	/* A directory's name stands in its row; NULL for others. */
	int (*node)(void *ctx, const struct entry *, const char *name,
	    size_t len, struct err *);
	/* Some of a long file's extents. */
	int (*content)(void *ctx, uint64_t ino, struct err *);
};
struct prove_ops {
	/* A pack's record is met (again, perhaps). */
	int (*pack)(void *ctx, const struct pack_info *, struct err *);
	/* 0: the chunk is to be had; PROVE_UNPROVEN. */
	int (*place)(void *ctx, const struct pack_info *,
	    const struct frame_info *, const struct extent *, struct err *);
	/* Now and then; < 0 to give up. */
	int (*going)(void *ctx, struct err *);
	/* Borrowed; NULL: nobody asks. */
	const struct prove_news *news;
};
#define PROVE_UNPROVEN	1

/* What is kept of a catalog is 1/200 of its bytes, twice, and at most
 * budget_bytes: a larger one is unproven. */
int prove_new(struct prove **out, size_t budget_bytes,
    const struct prove_ops *, void *ctx, struct err *);
void prove_free(struct prove *);	/* NULL is fine */

/* 0 proven; PROVE_UNPROVEN; < 0 what could not be read.  `before' is the
 * catalog proven last, or NULL, and then all of it is gone through; both are
 * borrowed during the call.  Only 0 makes this one the catalog proven last; it
 * then has let go of its cached blocks, unless news were asked for. */
int prove_catalog(struct prove *, struct catalog *, struct catalog *before,
    struct err *);

#endif
