#ifndef VITRINE_INDEX_IMAGES_H
#define VITRINE_INDEX_IMAGES_H

#include "engine/base/id.h"
#include "engine/repo/manifest.h"

/*
 * Blocks, and the images that they are made of, by what they hash to, for those
 * who read the catalogs of many snapshots: what one of them has decoded and
 * verified need not be in the next.  Not for a check, which is to see whether
 * each can be had from where it lies.  That the id keys of domains differ takes
 * care of itself: no two give one hash.  Thread-safe but for new and free.
 * Where there are none (NULL) nothing is found or kept.
 */
struct images;

int images_new(struct images **out, size_t bytes, struct err *);
void images_free(struct images *);	/* NULL is fine */
/* *len is CATALOG_BLOCK_BYTES but for the last block of a catalog. */
bool images_find(struct images *, const struct chunk_id *,
    uint8_t dst[CATALOG_BLOCK_BYTES], size_t *len);
/* Copies bytes that were verified, under the hash that they have. */
void images_keep(struct images *, const struct chunk_id *, const uint8_t *,
    size_t len);

/*
 * A file that lies beside serves blocks of one catalog, and most of those
 * around it: where it was seen to have another block it isn't read again.  That
 * is a hint: the file may have changed since, and then the store serves.
 */
bool images_differs(struct images *, uint64_t file, uint64_t no,
    const struct chunk_id *want);
void images_saw(struct images *, uint64_t file, uint64_t no,
    const struct chunk_id *have);

#endif
