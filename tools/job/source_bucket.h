#ifndef VITRINE_TOOLS_JOB_SOURCE_BUCKET_H
#define VITRINE_TOOLS_JOB_SOURCE_BUCKET_H

#include "engine/store/s3_client.h"
#include "tools/job/event.h"
#include "tools/job/source.h"

/*
 * A bucket as a source: its objects below "/BUCKET", each at its place
 * (bucket_place.h), as they were listed when it was opened.  One flat listing,
 * nothing else is asked for until an object is read; an error on any page is an
 * error of all.
 *
 *	inode		a hash: of an object's tag and size, of a directory's
 *			path
 *	times		the object's; of a directory its marker's, else 0
 *	owner, mode	who runs this; 0600, directories 0700
 *	attributes	user.s3.*: vitrine-s3(5), ATTRIBUTES
 */
struct bucket_env {
	struct s3 *s3;			/* borrowed */
	size_t cache_bytes;
	const struct events *events;	/* keys without a place are told */
};
struct bucket_counts {
	uint64_t objects;
	uint64_t nowhere;		/* keys that have no place */
};
int source_bucket_new(struct source **out, const struct bucket_env *,
    struct bucket_counts *, struct err *);
void source_bucket_free(struct source *);	/* NULL is fine */

/* "/BUCKET" or "/BUCKET/PREFIX", with a NUL. */
int bucket_root(struct buf *, const struct s3_url *, struct err *);
/* The endpoint's host, with its port. */
void bucket_host(char dst[S3_HOST_MAX], const struct s3_url *);
/* The inode that the directory of this path has. */
uint64_t bucket_dir_ino(const char *path);

#endif
