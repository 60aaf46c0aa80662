/*
 * ChaCha20-Poly1305, the one cipher for everything that is stored.  Libsodium
 * is the reference; libcrypto's assembly gives the same bytes faster and is
 * used where the build found it.  A context of libcrypto's is kept for each
 * thread: making one costs as much as sealing some KiB, and table pages are 16
 * KiB.  Whatever libcrypto can't do (no memory for a context, a length beyond
 * int) libsodium does, so that sealing can't fail.
 */
#include "engine/crypto/aead.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#ifdef HAVE_LIBCRYPTO
#include <openssl/evp.h>
#endif

#include "engine/base/buf.h"
#include "engine/base/err.h"

#define NONCE_BYTES	12

static void
nonce_of(uint8_t nonce[NONCE_BYTES], uint64_t number)
{
	memset(nonce, 0, 4);
	le_put64(nonce + 4, number);
}

#ifdef HAVE_LIBCRYPTO
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t slot;		/* a thread's EVP_CIPHER_CTX */
static EVP_CIPHER *cipher;		/* NULL: libcrypto has none */

static void
context_free(void *ctx)
{
	EVP_CIPHER_CTX_free(ctx);
}

static void
start(void)
{
	if (pthread_key_create(&slot, context_free) != 0)
		return;
	cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
}

/* This thread's context; NULL when there is none to be had. */
static EVP_CIPHER_CTX *
context(void)
{
	EVP_CIPHER_CTX *ctx;

	(void)pthread_once(&once, start);
	if (cipher == NULL)
		return (NULL);
	ctx = pthread_getspecific(slot);
	if (ctx != NULL)
		return (ctx);
	ctx = EVP_CIPHER_CTX_new();
	if (ctx != NULL && pthread_setspecific(slot, ctx) != 0) {
		EVP_CIPHER_CTX_free(ctx);
		return (NULL);
	}
	return (ctx);
}

/* This thread's context, ready for a seal or its opening; NULL, before
 * anything was touched, where there is none or no memory for the key's
 * schedule. */
static EVP_CIPHER_CTX *
evp_begin(bool seal, const uint8_t *key, const uint8_t *nonce)
{
	EVP_CIPHER_CTX *ctx = context();

	if (ctx == NULL ||
	    EVP_CipherInit_ex2(ctx, cipher, key, nonce, seal, NULL) == 1)
		return (ctx);
	(void)EVP_CIPHER_CTX_reset(ctx);
	return (NULL);
}

/* All of a seal but the tag.  The context is reset afterwards: it holds the
 * key's schedule. */
static bool
evp_run(EVP_CIPHER_CTX *ctx, bool seal, uint8_t *dst, const void *ad,
    size_t ad_len, const uint8_t *src, size_t len,
    uint8_t tag[AEAD_TAG_BYTES])
{
	uint8_t none[1];
	int n;

	if (!seal && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
	    AEAD_TAG_BYTES, tag) != 1)
		return (false);
	if (ad_len > 0 &&
	    EVP_CipherUpdate(ctx, NULL, &n, ad, (int)ad_len) != 1)
		return (false);
	if (len > 0 && EVP_CipherUpdate(ctx, dst, &n, src, (int)len) != 1)
		return (false);
	if (EVP_CipherFinal_ex(ctx, none, &n) != 1)
		return (false);
	return (!seal || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
	    AEAD_TAG_BYTES, tag) == 1);
}

static bool
evp_fits(size_t ad_len, size_t len)
{
	return (ad_len <= INT_MAX && len <= INT_MAX);
}
#endif

void
aead_seal(uint8_t *dst, const uint8_t key[KEY_BYTES], uint64_t number,
    const void *ad, size_t ad_len, const uint8_t *src, size_t len)
{
	uint8_t nonce[NONCE_BYTES];

	nonce_of(nonce, number);
#ifdef HAVE_LIBCRYPTO
	EVP_CIPHER_CTX *ctx = evp_fits(ad_len, len) ?
	    evp_begin(true, key, nonce) : NULL;

	if (ctx != NULL) {
		uint8_t tag[AEAD_TAG_BYTES];
		bool done = evp_run(ctx, true, dst, ad, ad_len, src, len, tag);

		(void)EVP_CIPHER_CTX_reset(ctx);
		if (done) {
			memcpy(dst + len, tag, sizeof(tag));
			return;
		}
		/* In place the plaintext is gone, so there's no second way. */
		if (dst == src)
			BUG("libcrypto failed in the midst of a seal");
	}
#endif
	crypto_init();
	(void)crypto_aead_chacha20poly1305_ietf_encrypt_detached(dst,
	    dst + len, NULL, src, len, ad, ad_len, NULL, nonce, key);
}

int
aead_open(uint8_t *dst, const uint8_t key[KEY_BYTES], uint64_t number,
    const void *ad, size_t ad_len, const uint8_t *src, size_t len)
{
	uint8_t nonce[NONCE_BYTES];

	if (len < AEAD_TAG_BYTES)
		return (-1);
	len -= AEAD_TAG_BYTES;
	nonce_of(nonce, number);
#ifdef HAVE_LIBCRYPTO
	EVP_CIPHER_CTX *ctx = evp_fits(ad_len, len) ?
	    evp_begin(false, key, nonce) : NULL;

	if (ctx != NULL) {
		uint8_t tag[AEAD_TAG_BYTES];
		bool good;

		memcpy(tag, src + len, sizeof(tag));
		good = evp_run(ctx, false, dst, ad, ad_len, src, len, tag);
		(void)EVP_CIPHER_CTX_reset(ctx);
		if (good)
			return (0);
		if (len > 0)
			memset(dst, 0, len);
		return (-1);
	}
#endif
	crypto_init();
	return (crypto_aead_chacha20poly1305_ietf_decrypt_detached(dst, NULL,
	    src, len, src + len, ad, ad_len, nonce, key));
}
