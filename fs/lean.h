#ifndef VITRINE_FS_LEAN_H
#define VITRINE_FS_LEAN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

/*
 * Whether directories are listed with the attributes of their files, or, for
 * those who only want names, with those of their directories alone.  It is a
 * guess about the readers: either is right, one is faster.  Thread-safe but for
 * new, begin and free.
 */
struct leans;
struct fuse_session;

#define LEAN_ENTRIES	1024	/* of a directory, at its beginning */

enum listing {
	LISTING_FULL,
	LISTING_PROBE,		/* full but for one file */
	LISTING_LEAN
};

int leans_new(struct leans **out, struct err *);
/* Before anything is served; the session is borrowed until leans_free(). */
void leans_begin(struct leans *, struct fuse_session *);
void leans_free(struct leans *);	/* NULL is fine */

/* The directory of that node number is read from its beginning, or on. */
enum listing leans_list(struct leans *, uint64_t dir, bool from_start);
/* A file's name in it was looked up. */
void leans_lookup(struct leans *, uint64_t dir);

#endif
