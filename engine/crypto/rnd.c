/*
 * The random source, in one place so that a test build can replace it: with
 * VITRINE_TEST_SEED set, call number i yields the ChaCha20 stream under H(seed)
 * with nonce i.  Then two runs that ask in the same order write the same bytes.
 * A release build doesn't contain that path.
 */
#include "engine/crypto/rnd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/crypto/hash.h"

#ifdef VITRINE_TESTING
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t calls;		/* under lock */

/* Did the seed give the bytes? */
static bool
injected(void *dst, size_t len)
{
	const char *seed = getenv("VITRINE_TEST_SEED");
	uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = { 0 };
	uint8_t key[KEY_BYTES];

	if (seed == NULL)
		return (false);
	hash_bytes(key, seed, strlen(seed));
	(void)pthread_mutex_lock(&lock);
	le_put64(nonce, calls++);
	(void)pthread_mutex_unlock(&lock);
	(void)crypto_stream_chacha20_ietf(dst, len, nonce, key);
	return (true);
}
#endif

void
rnd_bytes(void *dst, size_t len)
{
	crypto_init();
#ifdef VITRINE_TESTING
	if (injected(dst, len))
		return;
#endif
	randombytes_buf(dst, len);
}

uint32_t
rnd_below(uint32_t below)
{
	uint32_t over, v;

	BUG_ON(below == 0);
	/* The 2^32 mod below smallest values would favour the low results. */
	over = (uint32_t)-below % below;
	do {
		rnd_bytes(&v, sizeof(v));
	} while (v < over);
	return (v % below);
}
