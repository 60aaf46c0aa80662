/*
 * Digests of bodies.  MD5 is OpenSSL's, which libcurl brings; where it isn't
 * there SHA-256 does alone.
 */
#include "engine/store/s3_digest.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/io.h"
#include "engine/crypto/hash.h"

#ifdef HAVE_LIBCRYPTO
#include <openssl/evp.h>
#endif

#define PIECE	((size_t)64 << 10)

typedef int update_fn(void *ctx, const void *, size_t len);

static int
feed(const struct http_body *body, update_fn *update, void *ctx, struct err *e)
{
	uint8_t piece[PIECE];
	size_t n;

	if (body->bytes != NULL)
		return (update(ctx, body->bytes, (size_t)body->len));
	for (uint64_t off = 0; off < body->len; off += n) {
		n = body->len - off < PIECE ? (size_t)(body->len - off) :
		    PIECE;
		if (io_pread_all(body->fd, piece, n, off, e) != 0)
			return (-1);
		if (update(ctx, piece, n) != 0)
			return (-1);
	}
	return (0);
}

#ifdef HAVE_LIBCRYPTO
static int
evp_update(void *ctx, const void *p, size_t len)
{
	if (EVP_DigestUpdate(ctx, p, len) != 1)
		BUG("a digest can't be updated");
	return (0);
}

int
s3_md5(const struct http_body *body, uint8_t out[MD5_BYTES], struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc;

	if (ctx == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (EVP_DigestInit_ex(ctx, EVP_md5(), NULL) != 1)
		rc = 1;		/* not in this OpenSSL, or not allowed */
	else if ((rc = feed(body, evp_update, ctx, e)) == 0 &&
	    EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		BUG("a digest can't be ended");
	EVP_MD_CTX_free(ctx);
	return (rc);
}
#else
int
s3_md5(const struct http_body *body, uint8_t out[MD5_BYTES], struct err *e)
{
	return (1);
}
#endif

static int
sha256_update(void *ctx, const void *p, size_t len)
{
	hash_long_update(ctx, p, len);
	return (0);
}

int
s3_sha256(const struct http_body *body, uint8_t out[SHA256_BYTES],
    struct err *e)
{
	struct hash_long h;
	int rc;

	hash_long_init(&h, HASH_SHA256);
	rc = feed(body, sha256_update, &h, e);
	if (rc == 0)
		hash_long_final(&h, out);
	hash_long_fini(&h);
	return (rc);
}

struct s3_digest {
	enum s3_sum_kind kind;
	struct hash_long sha256;
#ifdef HAVE_LIBCRYPTO
	EVP_MD_CTX *md5;
#endif
};

struct s3_digest *
s3_digest_new(enum s3_sum_kind kind)
{
	struct s3_digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return (NULL);
	d->kind = kind;
	if (kind == S3_SHA256) {
		hash_long_init(&d->sha256, HASH_SHA256);
		return (d);
	}
#ifdef HAVE_LIBCRYPTO
	d->md5 = EVP_MD_CTX_new();
	if (d->md5 != NULL && EVP_DigestInit_ex(d->md5, EVP_md5(), NULL) == 1)
		return (d);
	EVP_MD_CTX_free(d->md5);
#endif
	free(d);
	return (NULL);
}

void
s3_digest_add(struct s3_digest *d, const void *p, size_t len)
{
	if (d == NULL)
		return;
	if (d->kind == S3_SHA256)
		hash_long_update(&d->sha256, p, len);
#ifdef HAVE_LIBCRYPTO
	else
		(void)evp_update(d->md5, p, len);
#endif
}

bool
s3_digest_end(struct s3_digest *d, struct s3_sum *out)
{
	if (d == NULL)
		return (false);
	out->kind = d->kind;
	if (d->kind == S3_SHA256)
		hash_long_final(&d->sha256, out->bytes);
#ifdef HAVE_LIBCRYPTO
	else if (EVP_DigestFinal_ex(d->md5, out->bytes, NULL) != 1)
		BUG("a digest can't be ended");
	EVP_MD_CTX_free(d->md5);
#endif
	free(d);
	return (true);
}
