#ifndef VITRINE_ENGINE_STORE_S3_DIGEST_H
#define VITRINE_ENGINE_STORE_S3_DIGEST_H

#include "engine/store/http.h"
#include "engine/store/s3_sign.h"

#define MD5_BYTES	16

/*
 * What a server checks a body by, while the body comes piece by piece: so that
 * what is written to a file needn't be read again for it.
 */
enum s3_sum_kind { S3_SHA256, S3_MD5 };
struct s3_sum {
	enum s3_sum_kind kind;
	uint8_t bytes[SHA256_BYTES];	/* of MD5: the first MD5_BYTES */
};
struct s3_digest;
/* NULL where this build has none of the kind; add and end take that, and end
 * then returns false.  End frees. */
struct s3_digest *s3_digest_new(enum s3_sum_kind);
void s3_digest_add(struct s3_digest *, const void *, size_t len);
bool s3_digest_end(struct s3_digest *, struct s3_sum *out);

/* The same of a body that is there; a file is read from its beginning. */
int s3_sha256(const struct http_body *, uint8_t out[SHA256_BYTES],
    struct err *);
/* > 0 where this build has no MD5 (no libcrypto). */
int s3_md5(const struct http_body *, uint8_t out[MD5_BYTES], struct err *);

#endif
