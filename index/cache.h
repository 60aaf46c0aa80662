#ifndef VITRINE_INDEX_CACHE_H
#define VITRINE_INDEX_CACHE_H

#include "engine/repo/repo.h"

/*
 * The local cache of a lineage's newest catalog: a directory with the files
 * plain, key and l1, each block at its own offset, and lock.  Every block is
 * verified when it is used (blocks.h), so that a torn or stale file costs time
 * only.
 */

/* "$cache/catalog/LINEAGE", owned; NULL without a cache or memory. */
char *cache_path(const struct repo *, const struct lineage_id *);

#endif
