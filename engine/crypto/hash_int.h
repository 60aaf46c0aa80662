#ifndef VITRINE_ENGINE_CRYPTO_HASH_INT_H
#define VITRINE_ENGINE_CRYPTO_HASH_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/crypto/hash.h"

/* The digests of libcrypto (hash_evp.c), for hash.c and the tests.
 * Thread-safe. */

/* The keyed BLAKE2b-256, and true; false (out is then undefined) when libcrypto
 * is not there or can't do it. */
bool hash_evp_keyed(uint8_t out[HASH_BYTES], const uint8_t key[KEY_BYTES],
    const void *, size_t len);
/* Is it there, and faster on this machine than libsodium's?  Measured at the
 * first call, in some tenths of a millisecond. */
bool hash_evp_is_faster(void);

/* A digest without a key, in pieces; only where it is_faster, which it is
 * nowhere where it can't be had.  NULL: no memory. */
bool hash_evp_long_is_faster(enum hash_kind);
void *hash_evp_new(enum hash_kind);
void hash_evp_update(void *, const void *, size_t len);
void hash_evp_final(void *, uint8_t out[HASH_BYTES]);
void hash_evp_free(void *);		/* NULL is fine */

#endif
