#ifndef VITRINE_ENGINE_CRYPTO_AEAD_H
#define VITRINE_ENGINE_CRYPTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "engine/crypto/hash.h"

/*
 * ChaCha20-Poly1305 (RFC 8439).  The 12-byte nonce is four zero bytes and the
 * number as 64 bits little-endian.  A key and number seal once, ever.
 * libcrypto's when the build found it (2.5 x faster), else libsodium's: the
 * same bytes.  Thread-safe.
 */
#define AEAD_TAG_BYTES	16

/* dst has len + AEAD_TAG_BYTES; dst == src is allowed. */
void aead_seal(uint8_t *dst, const uint8_t key[KEY_BYTES], uint64_t number,
    const void *ad, size_t ad_len, const uint8_t *src, size_t len);
/* len counts the tag.  0, or -1 if the seal doesn't hold (dst is then
 * zeroed).  dst has len - AEAD_TAG_BYTES; dst == src is allowed. */
int aead_open(uint8_t *dst, const uint8_t key[KEY_BYTES], uint64_t number,
    const void *ad, size_t ad_len, const uint8_t *src, size_t len);

#endif
