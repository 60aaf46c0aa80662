#ifndef VITRINE_ENGINE_STORE_S3_XML_H
#define VITRINE_ENGINE_STORE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * What S3 says in XML, read with expat.  Pure.  Declarations of entities are
 * refused, depth and lengths are bounded; elements that nobody asked for are
 * passed over.
 */
#define S3_TEXT_MAX	256

/* <Error>.  Texts are cut to fit and empty where they are missing. */
struct s3_error {
	char code[64];
	char message[S3_TEXT_MAX];
	char request_id[128];
	char region[64];
	char server_time[40];
	char endpoint[S3_TEXT_MAX];
};
/* 0; > 0 when it is no <Error>, or no XML at all. */
int s3_error_parse(struct s3_error *, const void *, size_t len);

/* <InitiateMultipartUploadResult>: the upload's id, with a NUL.  0; > 0 when it
 * is none. */
int s3_upload_parse(struct buf *id, const void *, size_t len);

/* One page of ListObjectsV2. */
struct s3_object {
	const char *key;		/* decoded; any bytes */
	size_t key_len;
	uint64_t size_bytes;
	int64_t mtime_s;
	uint32_t mtime_ns;
	const char *etag;		/* without quotes; "" when missing */
	const char *storage_class;
};
typedef int s3_object_fn(void *ctx, const struct s3_object *, struct err *);
struct s3_page {
	bool truncated;			/* there is more */
	struct buf token;		/* for the next page; NUL-terminated */
};
/*
 * fn is called for each object in order; what it returns other than 0 ends the
 * parsing and is returned.  A page that isn't whole, or that says there is more
 * and not how to get it, is ERR_REMOTE.
 */
int s3_page_parse(struct s3_page *, const void *, size_t len, s3_object_fn *,
    void *ctx, struct err *);
void s3_page_fini(struct s3_page *);

#endif
