#ifndef VITRINE_ENGINE_STORE_S3_SIGN_H
#define VITRINE_ENGINE_STORE_S3_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * AWS Signature Version 4, by hand: libcurl's own got shapes of requests wrong
 * until recently (no body's hash, queries unsorted), and differently in each
 * version.  Pure.
 */
#define SHA256_BYTES	32
#define SHA256_TEXT	(2 * SHA256_BYTES + 1)
#define S3_DATE_BYTES	17		/* "20130524T000000Z" */

struct s3_header {
	const char *name;		/* lower-case */
	const char *value;		/* without spaces around */
};

struct s3_signing {
	const char *method;
	const char *path;		/* as it is sent: encoded */
	const char *query;		/* likewise, sorted; "" for none */
	const struct s3_header *headers;	/* sorted by name; all signed */
	size_t nheaders;
	const char *payload;		/* SHA-256 in hex, UNSIGNED-PAYLOAD */
	const char *date;		/* the value of x-amz-date */
	const char *region, *service;
	const char *access_key, *secret_key;
};

/* "YYYYMMDDTHHMMSSZ". */
void s3_date(char dst[S3_DATE_BYTES], int64_t s);
/* The value of the Authorization header, appended. */
void s3_sign(struct buf *, const struct s3_signing *);

#endif
