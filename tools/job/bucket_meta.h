#ifndef VITRINE_TOOLS_JOB_BUCKET_META_H
#define VITRINE_TOOLS_JOB_BUCKET_META_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "tools/job/meta.h"

/*
 * What an object has besides its bytes, as extended attributes and back:
 * vitrine-s3(5), ATTRIBUTES.  Pure.
 */
#define BUCKET_ETAG	"user.s3.etag"	/* every object's, and theirs alone */

/* From the header lines of an answer.  Errors go into the meta. */
void bucket_meta_read(struct meta *, const struct buf *head);
/*
 * The name of the header that an attribute becomes again when the object is
 * put, lower-case; false: none.
 */
bool bucket_meta_header(const char *attribute, char *name, size_t size);

#endif
