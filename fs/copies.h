#ifndef VITRINE_FS_COPIES_H
#define VITRINE_FS_COPIES_H

#include <stddef.h>
#include <stdint.h>

#include "engine/repo/fetch.h"
#include "index/catalog.h"

/*
 * Small files that a reader will come to and that lie where it reads nothing
 * else: kept when their frame is decoded for another one.  Used by one thread
 * at a time.
 */
struct copies;

/* `memory' bounds the bytes kept. */
int copies_new(struct copies **out, size_t memory, struct err *);
void copies_free(struct copies *);	/* NULL is fine */

/* The reader of that snapshot (by the mount's number) is behind node ino:
 * forget what it has passed, and look at some more of what it will come to.
 * Somewhere else than before changes nothing, until it was that some times in a
 * row: then that is followed.  What is asked next is of the same snapshot. */
int copies_follow(struct copies *, struct catalog *, uint32_t snapshot,
    uint64_t ino, struct err *);
/* Of those that lie in a frame and are not kept: the last slot, or `slot' if
 * that is behind it.  `frame' is the catalog's number, here and below. */
uint32_t copies_last_slot(const struct copies *, uint32_t frame,
    uint32_t slot);
/* Keep those of that frame, as far as it is decoded and there is memory. */
void copies_keep(struct copies *, struct fetch *, const struct pack_info *,
    const struct frame_info *, uint32_t frame);
/* All of that file, borrowed until the next copies_follow(); NULL: it isn't
 * kept. */
const uint8_t *copies_find(const struct copies *, uint64_t ino);

#endif
