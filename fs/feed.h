#ifndef VITRINE_FS_FEED_H
#define VITRINE_FS_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

struct catalog;
struct fs;
struct fuse_session;
struct node;

/*
 * Small files given to the kernel before they are asked for, for those who read
 * one after another.  Thread-safe but for new, begin and free.
 */
struct feed;

/* `memory' is for files that are kept until their turn, bytes. */
int feed_new(struct feed **out, size_t memory, struct err *);
/* Before anything is served; the session is borrowed until feed_free(). */
void feed_begin(struct feed *, struct fuse_session *);
void feed_free(struct feed *);	/* NULL is fine */

/* The whole of a file of one chunk is about to be sent to its reader: perhaps
 * send what comes after it first.  Not to be called with anything held that
 * another request may wait for. */
void feed_after(struct feed *, struct fs *, struct catalog *,
    const struct node *, uint64_t number);
/* A directory was listed from its beginning, with the attributes of files, of
 * which `first' is the first; then, in a request of its own that is yet to be
 * answered, its end was reached.  Perhaps send those files. */
void feed_listing(struct feed *, uint64_t dir, uint64_t first);
void feed_listed(struct feed *, struct fs *, struct catalog *, uint64_t dir);

#endif
