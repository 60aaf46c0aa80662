#ifndef VITRINE_TOOLS_JOB_BUCKET_PLACE_H
#define VITRINE_TOOLS_JOB_BUCKET_PLACE_H

#include <stdbool.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * Where an object stands in the tree of its bucket, and back: vitrine-s3(5),
 * PLACES OF OBJECTS.  Pure.
 *
 * A place is a path without '/' at either end, of names that a directory can
 * have.  The part of a key between two slashes is a name, as it stands; what
 * can't be one is escaped by a '%' in front, and so are those that begin with
 * it:
 *
 *	""	%0		"."	%.		".."	%..
 *	%rest	%%rest		long	%+PIECE, a directory; below it the rest
 *
 * An object whose place is that of a directory as well is %= in it.  A key that
 * ends in '/' is the directory itself if the object is empty (`marker').
 */
#define PLACE_SELF	"%="
#define PLACE_NONE	1		/* it has none */

/* Append the place of a key.  PLACE_NONE for one that is empty or has a NUL. */
int place_of_key(struct buf *, const char *key, size_t len, bool marker,
    struct err *);
/*
 * Append the key of an object's place (or, of a directory's, its marker's).
 * PLACE_NONE where place_of_key() gives no such place; nothing is appended
 * then.  The place of a marker may be "", and the key then is.
 */
int key_of_place(struct buf *, const char *place, size_t len, bool marker,
    struct err *);

#endif
