#ifndef VITRINE_FS_TRACK_H
#define VITRINE_FS_TRACK_H

#include "engine/base/err.h"

/*
 * What is remembered of the files that are being read: there is no open, so
 * by node.  A bounded table; thread-safe.
 */
struct tracks;

#define TRACK_AHEAD_BYTES	(4U << 20)	/* read ahead of the reader */

/* Read ahead as far as TRACK_AHEAD_BYTES, and of a store far away up to
 * far_bytes (0: it is at hand), as readers wait. */
int tracks_new(struct tracks **out, size_t far_bytes, struct err *);
void tracks_free(struct tracks *);		/* NULL is fine */

/* [off, off + len) of a file of that size is read: if that goes on from where
 * reading was, the stretch that is worth being fetched ahead, *from < *to, each
 * given out once. */
bool track_read(struct tracks *, uint64_t node, uint64_t size, uint64_t off,
    uint64_t len, uint64_t *from, uint64_t *to);
/* A read of the node took so long that what it wanted had not come yet. */
void track_waited(struct tracks *, uint64_t node);

#endif
