/*
 * BLAKE2b in the three roles that the format gives it: plain digest (names of
 * objects), keyed digest (names of chunks), and derive(), the one key
 * derivation and MAC; and SHA-256 (names of packs).  It exists so that no other
 * module knows libsodium's parameters, and that two uses of a key can differ in
 * nothing but their label.  Libsodium is the reference; a keyed digest and that
 * of a long message are libcrypto's where that is the faster (hash_evp.c), the
 * same bytes.
 */
#include "engine/crypto/hash.h"

#include <pthread.h>
#include <string.h>

#include "engine/base/err.h"
#include "engine/crypto/hash_int.h"

static pthread_once_t started = PTHREAD_ONCE_INIT;

static void
start(void)
{
	if (sodium_init() < 0)
		BUG("libsodium doesn't start");
}

void
crypto_init(void)
{
	(void)pthread_once(&started, start);
}

void
hash_bytes(uint8_t out[HASH_BYTES], const void *src, size_t len)
{
	crypto_init();
	(void)crypto_generichash(out, HASH_BYTES, src, len, NULL, 0);
}

void
hash_keyed(uint8_t out[HASH_BYTES], const uint8_t key[KEY_BYTES],
    const void *src, size_t len)
{
	if (hash_evp_is_faster() && hash_evp_keyed(out, key, src, len))
		return;
	crypto_init();
	(void)crypto_generichash(out, HASH_BYTES, src, len, key, KEY_BYTES);
}

void
hash_init(struct hash *h)
{
	crypto_init();
	(void)crypto_generichash_init(&h->state, NULL, 0, HASH_BYTES);
}

void
hash_update(struct hash *h, const void *src, size_t len)
{
	(void)crypto_generichash_update(&h->state, src, len);
}

void
hash_final(struct hash *h, uint8_t out[HASH_BYTES])
{
	(void)crypto_generichash_final(&h->state, out, HASH_BYTES);
}

void
hash_long_init(struct hash_long *h, enum hash_kind kind)
{
	h->kind = kind;
	h->evp = hash_evp_long_is_faster(kind) ? hash_evp_new(kind) : NULL;
	if (h->evp != NULL)
		return;
	if (kind == HASH_BLAKE2B)
		hash_init(&h->blake2b);
	else
		(void)crypto_hash_sha256_init(&h->sha256);
}

void
hash_long_update(struct hash_long *h, const void *src, size_t len)
{
	if (h->evp != NULL)
		hash_evp_update(h->evp, src, len);
	else if (h->kind == HASH_BLAKE2B)
		hash_update(&h->blake2b, src, len);
	else
		(void)crypto_hash_sha256_update(&h->sha256, src, len);
}

void
hash_long_final(struct hash_long *h, uint8_t out[HASH_BYTES])
{
	if (h->evp != NULL)
		hash_evp_final(h->evp, out);
	else if (h->kind == HASH_BLAKE2B)
		hash_final(&h->blake2b, out);
	else
		(void)crypto_hash_sha256_final(&h->sha256, out);
	hash_long_fini(h);
}

void
hash_long_fini(struct hash_long *h)
{
	hash_evp_free(h->evp);
	h->evp = NULL;
}

void
derive(uint8_t out[HASH_BYTES], const uint8_t key[KEY_BYTES],
    const char *label, const void *info, size_t len)
{
	static const uint8_t salt[crypto_generichash_blake2b_SALTBYTES];
	uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = { 0 };
	size_t n = strlen(label);

	BUG_ON(n > sizeof(personal));
	memcpy(personal, label, n);
	crypto_init();
	(void)crypto_generichash_blake2b_salt_personal(out, HASH_BYTES, info,
	    len, key, KEY_BYTES, salt, personal);
}

int
mac_compare(const uint8_t a[HASH_BYTES], const uint8_t b[HASH_BYTES])
{
	return (sodium_memcmp(a, b, HASH_BYTES));
}
