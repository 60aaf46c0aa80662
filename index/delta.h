#ifndef VITRINE_INDEX_DELTA_H
#define VITRINE_INDEX_DELTA_H

#include <stddef.h>

#include "engine/base/buf.h"

/*
 * How a changed block is stored (vitrine-catalog(5), WRITING): deltas made
 * with a prefix.  Confined.
 */
struct delta;
int delta_new(struct delta **out, struct err *);
void delta_free(struct delta *);

/* What the block takes when it is compressed by itself. */
int delta_full_bytes(struct delta *, const void *block, size_t len,
    size_t *bytes, struct err *);
/* The delta that makes block out of prefix, into `out' (emptied first);
 * decoded again and compared. */
int delta_make(struct delta *, struct buf *out, const void *prefix,
    size_t prefix_len, const void *block, size_t len, struct err *);

#endif
