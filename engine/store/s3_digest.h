#ifndef VITRINE_ENGINE_STORE_S3_DIGEST_H
#define VITRINE_ENGINE_STORE_S3_DIGEST_H

#include "engine/store/http.h"
#include "engine/store/s3_sign.h"

#define MD5_BYTES	16

/* What a server checks a body by; a file is read from its beginning. */
int s3_sha256(const struct http_body *, uint8_t out[SHA256_BYTES],
    struct err *);
/* > 0 where this build has no MD5 (no libcrypto). */
int s3_md5(const struct http_body *, uint8_t out[MD5_BYTES], struct err *);

#endif
