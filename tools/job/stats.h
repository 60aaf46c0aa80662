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
int stats_new(struct stats **, struct err *);
void stats_free(struct stats *);	/* NULL is fine */
int stats_add(struct stats *, struct catalog *, const struct events *,
    struct err *);
void stats_get(const struct stats *, struct stats_sum *);

/* Bytes of the objects in a store, by what they are. */
struct stats_store {
	uint64_t packs, tables, snapshots, others, total;
	uint64_t objects;
};
int stats_of_store(struct store *, struct stats_store *, struct err *);

#endif
