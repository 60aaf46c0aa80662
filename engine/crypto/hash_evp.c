/*
 * Digests by libcrypto, for where they are the faster.  Every chunk's id is a
 * keyed BLAKE2b and the name of a pack in an older repository a plain one, so
 * that they took a third of a first backup and most of a check.  Libsodium's
 * code for AVX2 keeps a row of the state in one vector, where each operation
 * waits for the one before; libcrypto's plain C has four independent chains.
 * Which of the two wins depends on the processor (on Zen 5 libcrypto does 1.45
 * GB/s and libsodium 0.70), so both are timed once, and no list of processors
 * has to be kept.
 *
 * As in aead.c each thread keeps a context, for making one costs as much as
 * hashing some KiB.  It holds a copy of the last key, which is overwritten
 * before the call returns.
 *
 * Without a key libcrypto's digest is of 64 bytes, which is another function
 * (the length goes into the initial state), before its version 3.2, which can
 * be asked for 32.  Older ones take the wish and ignore it: so what it computes
 * is compared before it is used.
 *
 * SHA-256 needs no trial: libsodium has it in plain C, libcrypto by what the
 * processor has for it (2.0 GB/s here against 0.35).
 */
#include "engine/crypto/hash_int.h"

#ifdef HAVE_LIBCRYPTO
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "engine/base/err.h"

#define TRIAL_BYTES	(16U << 10)
#define TRIALS		4

static pthread_once_t loaded = PTHREAD_ONCE_INIT;
static pthread_once_t timed = PTHREAD_ONCE_INIT;
static pthread_key_t slot;		/* a thread's EVP_MAC_CTX */
static EVP_MAC *mac;			/* NULL: libcrypto has none */
static EVP_MD *md[2];			/* likewise, by enum hash_kind */
static bool faster, long_faster;

static void
context_free(void *ctx)
{
	EVP_MAC_CTX_free(ctx);
}

static void
load(void)
{
	if (pthread_key_create(&slot, context_free) != 0)
		return;
	mac = EVP_MAC_fetch(NULL, "BLAKE2BMAC", NULL);
	md[HASH_BLAKE2B] = EVP_MD_fetch(NULL, "BLAKE2B-512", NULL);
	md[HASH_SHA256] = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

/* This thread's context, set to our length; NULL when there is none. */
static EVP_MAC_CTX *
context(void)
{
	size_t bytes = HASH_BYTES;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &bytes),
		OSSL_PARAM_construct_end()
	};
	EVP_MAC_CTX *ctx;

	(void)pthread_once(&loaded, load);
	if (mac == NULL)
		return (NULL);
	ctx = pthread_getspecific(slot);
	if (ctx != NULL)
		return (ctx);
	ctx = EVP_MAC_CTX_new(mac);
	if (ctx == NULL)
		return (NULL);
	if (EVP_MAC_CTX_set_params(ctx, params) != 1 ||
	    pthread_setspecific(slot, ctx) != 0) {
		EVP_MAC_CTX_free(ctx);
		return (NULL);
	}
	return (ctx);
}

bool
hash_evp_keyed(uint8_t out[HASH_BYTES], const uint8_t key[KEY_BYTES],
    const void *src, size_t len)
{
	static const uint8_t none[KEY_BYTES];
	EVP_MAC_CTX *ctx = context();
	size_t n = 0;
	bool done;

	if (ctx == NULL)
		return (false);
	done = EVP_MAC_init(ctx, key, KEY_BYTES, NULL) == 1 &&
	    EVP_MAC_update(ctx, src, len) == 1 &&
	    EVP_MAC_final(ctx, out, &n, HASH_BYTES) == 1 && n == HASH_BYTES;
	/* Over the key's copy, and the first block of the state. */
	(void)EVP_MAC_init(ctx, none, KEY_BYTES, NULL);
	return (done);
}

/* This thread's time, so that others on the processor don't count. */
static uint64_t
now_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) != 0)
		return (0);
	return ((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
}

void *
hash_evp_new(enum hash_kind kind)
{
	size_t bytes = HASH_BYTES;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_DIGEST_PARAM_SIZE, &bytes),
		OSSL_PARAM_construct_end()
	};
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx != NULL && EVP_DigestInit_ex2(ctx, md[kind],
	    kind == HASH_BLAKE2B ? params : NULL) == 1)
		return (ctx);
	EVP_MD_CTX_free(ctx);
	return (NULL);
}

void
hash_evp_update(void *ctx, const void *src, size_t len)
{
	if (EVP_DigestUpdate(ctx, src, len) != 1)
		BUG("libcrypto failed in the midst of a digest");
}

void
hash_evp_final(void *ctx, uint8_t out[HASH_BYTES])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_DigestFinal_ex(ctx, digest, &n) != 1)
		BUG("libcrypto failed at the end of a digest");
	memcpy(out, digest, HASH_BYTES);
}

void
hash_evp_free(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static bool
digest_plain(uint8_t out[HASH_BYTES], const void *src, size_t len)
{
	void *ctx = md[HASH_BLAKE2B] != NULL ? hash_evp_new(HASH_BLAKE2B) :
	    NULL;

	if (ctx == NULL)
		return (false);
	hash_evp_update(ctx, src, len);
	hash_evp_final(ctx, out);
	hash_evp_free(ctx);
	return (true);
}

/* The shortest of a few turns each: the first finds cold caches. */
static bool
wins(bool keyed)
{
	static const uint8_t bytes[TRIAL_BYTES];
	const uint8_t *key = keyed ? bytes : NULL;
	uint8_t a[HASH_BYTES], b[HASH_BYTES];
	uint64_t sodium = UINT64_MAX, evp = UINT64_MAX;

	for (int i = 0; i < TRIALS; i++) {
		uint64_t t0 = now_ns(), t1, t2;

		(void)crypto_generichash(a, HASH_BYTES, bytes, sizeof(bytes),
		    key, keyed ? KEY_BYTES : 0);
		t1 = now_ns();
		if (!(keyed ? hash_evp_keyed(b, key, bytes, sizeof(bytes)) :
		    digest_plain(b, bytes, sizeof(bytes))) ||
		    memcmp(a, b, HASH_BYTES) != 0)
			return (false);
		t2 = now_ns();
		if (t1 - t0 < sodium)
			sodium = t1 - t0;
		if (t2 - t1 < evp)
			evp = t2 - t1;
	}
	return (evp < sodium);
}

static void
compare(void)
{
	crypto_init();
	(void)pthread_once(&loaded, load);
	faster = wins(true);
	long_faster = wins(false);
}

bool
hash_evp_is_faster(void)
{
	(void)pthread_once(&timed, compare);
	return (faster);
}

bool
hash_evp_long_is_faster(enum hash_kind kind)
{
	if (kind == HASH_SHA256) {
		(void)pthread_once(&loaded, load);
		return (md[kind] != NULL);
	}
	(void)pthread_once(&timed, compare);
	return (long_faster);
}
#else
bool
hash_evp_keyed(uint8_t out[HASH_BYTES], const uint8_t key[KEY_BYTES],
    const void *src, size_t len)
{
	return (false);
}

bool
hash_evp_is_faster(void)
{
	return (false);
}

bool
hash_evp_long_is_faster(enum hash_kind kind)
{
	return (false);
}

void *
hash_evp_new(enum hash_kind kind)
{
	return (NULL);
}

void
hash_evp_update(void *ctx, const void *src, size_t len)
{
}

void
hash_evp_final(void *ctx, uint8_t out[HASH_BYTES])
{
}

void
hash_evp_free(void *ctx)
{
}
#endif
