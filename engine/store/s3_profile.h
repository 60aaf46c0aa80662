#ifndef VITRINE_ENGINE_STORE_S3_PROFILE_H
#define VITRINE_ENGINE_STORE_S3_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/store/s3_url.h"

/*
 * What the environment and the files that all of Amazon's tools share
 * (~/.aws/credentials, ~/.aws/config) say.
 */
#define S3_ACCESS_MAX	256
#define S3_SECRET_MAX	252		/* "AWS4" in front makes a key of it */
#define S3_TOKEN_MAX	8192

/* Lies in locked memory. */
struct s3_keys {
	char access[S3_ACCESS_MAX];
	char secret[S3_SECRET_MAX];
	char token[S3_TOKEN_MAX];	/* "" when there is none */
	int64_t expires;		/* 0: never */
};
struct s3_keys *s3_keys_new(struct err *);
void s3_keys_free(struct s3_keys *);	/* wipes; NULL is fine */

struct s3_profile {
	char region[S3_REGION_MAX];	/* "" for what isn't said */
	char endpoint[S3_HOST_MAX + 16];
	bool has_keys;
	const char *from;		/* where the keys come from */
};
/*
 * Who is meant when it isn't whom the environment says: a bucket that has
 * nothing to do with the repository's.  With keys or a profile nothing of the
 * environment counts; an endpoint stands for the environment's.  All NULL:
 * nobody else.
 */
struct s3_who {
	const char *access, *secret, *token;	/* token: may be NULL */
	const char *profile;
	const char *endpoint;
};
/*
 * Environment first, then the profile that AWS_PROFILE names, else "default".
 * A profile that is named and is nowhere is ERR_USAGE; so are keys from
 * something that vitrine does not do, unless none are needed (anonymous).
 */
int s3_profile_load(struct s3_profile *, struct s3_keys *,
    const struct s3_who *, bool anonymous, struct err *);

/*
 * The pairs of one section of such a file; fn gets them trimmed.  Pairs that
 * are indented belong to the one before them, whose value is empty: fn gets
 * "outer.inner"; other lines that are indented are passed over.  > 0 when there
 * is no such section; < 0 as fn returned, which ends it.  Pure.
 */
typedef int s3_ini_fn(void *ctx, const char *key, size_t key_len,
    const char *value, size_t value_len, struct err *);
int s3_ini_section(const char *text, size_t len, const char *section,
    s3_ini_fn *, void *ctx, struct err *);

#endif
