#ifndef VITRINE_ENGINE_STORE_CACHE_H
#define VITRINE_ENGINE_STORE_CACHE_H

#include "engine/store/store.h"

/*
 * A wrapper that keeps on this machine what store_read_near() has brought, in
 * files of at most about max_bytes together; bulk too where that is asked for.
 * Takes the inner store (unless it fails).  The directory is made when it is
 * first needed, and may be shared by processes, damaged, or removed at any
 * time: whatever is wrong with it, the bytes come from the inner store.
 */
int store_cache_open(struct store **out, struct store *inner, const char *dir,
    uint64_t max_bytes, bool bulk, struct err *);

/* How often it had what was asked for, and how often not. */
void store_cache_counts(const struct store *, uint64_t *hits,
    uint64_t *misses);

#endif
