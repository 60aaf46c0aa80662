#ifndef VITRINE_TOOLS_JOB_CONTENT_H
#define VITRINE_TOOLS_JOB_CONTENT_H

#include "index/catalog.h"

/*
 * A file's bytes from `off' on, in order, each verified; data is NULL for a
 * hole.  fn returns 0 to go on; anything else ends the reading and is returned.
 * What stands behind the last call is not there, where it fails.
 */
typedef int content_fn(void *ctx, uint64_t off, const uint8_t *data,
    uint64_t len, struct err *);
int content_read(struct catalog *, struct fetch *, const struct entry *,
    uint64_t off, content_fn *, void *ctx, struct err *);

#endif
