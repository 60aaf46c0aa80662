#ifndef VITRINE_TOOLS_JOB_STATS_H
#define VITRINE_TOOLS_JOB_STATS_H

#include "index/catalog.h"
#include "tools/job/event.h"

/*
 * What snapshots take: their distinct chunks and the frames that hold them,
 * counted over any number of catalogs in memory that does not grow with them (a
 * temporary database spills to disk).  Confined.
 */
struct stats;
struct stats_sum {
	uint64_t chunks, unique_bytes;	/* distinct chunks */
	uint64_t frames, compressed_bytes; /* the frames that hold them */
};
/* Of the memory, budget_bytes are for what is known of a catalog. */
int stats_new(struct stats **, size_t budget_bytes, struct err *);
void stats_free(struct stats *);	/* NULL is fine */
/*
 * Of a catalog that follows `before' only the pages that differ are read.  0:
 * it may be the next one's `before'; STATS_ALONE: all was counted, but the next
 * one's is the same as this one's was.  NULL: none.
 */
#define STATS_ALONE	1
int stats_add(struct stats *, struct catalog *, struct catalog *before,
    const struct events *, struct err *);
void stats_get(const struct stats *, struct stats_sum *);

/* Bytes of the objects in a store, by what they are. */
struct stats_store {
	uint64_t packs, tables, snapshots, others, total;
	uint64_t objects;
};
int stats_of_store(struct store *, struct stats_store *,
    const struct events *, struct err *);

#endif
