/*
 * Digests of bodies.  OpenSSL's are several times faster than libsodium's, and
 * libcurl brings them; where they aren't there SHA-256 does alone.
 */
#include "engine/store/s3_digest.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/io.h"

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

static int
evp(const struct http_body *body, const EVP_MD *md, uint8_t *out,
    struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc;

	if (ctx == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (EVP_DigestInit_ex(ctx, md, NULL) != 1)
		rc = 1;		/* not in this OpenSSL, or not allowed */
	else if ((rc = feed(body, evp_update, ctx, e)) == 0 &&
	    EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		BUG("a digest can't be ended");
	EVP_MD_CTX_free(ctx);
	return (rc);
}
#endif

static int
sodium_update(void *ctx, const void *p, size_t len)
{
	return (crypto_hash_sha256_update(ctx, p, len));
}

int
s3_sha256(const struct http_body *body, uint8_t out[SHA256_BYTES],
    struct err *e)
{
	crypto_hash_sha256_state h;

#ifdef HAVE_LIBCRYPTO
	int rc = evp(body, EVP_sha256(), out, e);

	if (rc <= 0)
		return (rc);
#endif
	(void)crypto_hash_sha256_init(&h);
	if (feed(body, sodium_update, &h, e) != 0)
		return (-1);
	(void)crypto_hash_sha256_final(&h, out);
	return (0);
}

int
s3_md5(const struct http_body *body, uint8_t out[MD5_BYTES], struct err *e)
{
#ifdef HAVE_LIBCRYPTO
	return (evp(body, EVP_md5(), out, e));
#else
	return (1);
#endif
}

#ifdef HAVE_LIBCRYPTO
struct s3_digest {
	enum s3_sum_kind kind;
	EVP_MD_CTX *evp;
};

struct s3_digest *
s3_digest_new(enum s3_sum_kind kind)
{
	struct s3_digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return (NULL);
	d->kind = kind;
	d->evp = EVP_MD_CTX_new();
	if (d->evp == NULL || EVP_DigestInit_ex(d->evp,
	    kind == S3_MD5 ? EVP_md5() : EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(d->evp);
		free(d);
		return (NULL);
	}
	return (d);
}

void
s3_digest_add(struct s3_digest *d, const void *p, size_t len)
{
	if (d != NULL)
		(void)evp_update(d->evp, p, len);
}

bool
s3_digest_end(struct s3_digest *d, struct s3_sum *out)
{
	if (d == NULL)
		return (false);
	out->kind = d->kind;
	if (EVP_DigestFinal_ex(d->evp, out->bytes, NULL) != 1)
		BUG("a digest can't be ended");
	EVP_MD_CTX_free(d->evp);
	free(d);
	return (true);
}
#else
struct s3_digest *
s3_digest_new(enum s3_sum_kind kind)
{
	return (NULL);
}

void
s3_digest_add(struct s3_digest *d, const void *p, size_t len)
{
}

bool
s3_digest_end(struct s3_digest *d, struct s3_sum *out)
{
	return (false);
}
#endif
