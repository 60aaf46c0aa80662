#ifndef VITRINE_ENGINE_CRYPTO_HASH_H
#define VITRINE_ENGINE_CRYPTO_HASH_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES	32
#define HASH_BYTES	32

/* Starts libsodium, once, from whichever thread comes first.  Everything in
 * engine/crypto calls it; whoever uses libsodium directly calls it before. */
void crypto_init(void);

/* BLAKE2b-256 (RFC 7693); all functions are thread-safe. */
void hash_bytes(uint8_t out[HASH_BYTES], const void *, size_t len);
void hash_keyed(uint8_t out[HASH_BYTES], const uint8_t key[KEY_BYTES],
    const void *, size_t len);

/* The same in pieces. */
struct hash {
	crypto_generichash_state state;
};
void hash_init(struct hash *);
void hash_update(struct hash *, const void *, size_t len);
void hash_final(struct hash *, uint8_t out[HASH_BYTES]);

/*
 * The digest of a long message (a pack's name, a body's for S3), by the library
 * that is the faster here: BLAKE2b-256, or SHA-256 (FIPS 180-4).  Not to be
 * copied; what was begun is ended by hash_long_final() or given up by
 * hash_long_fini(), which does nothing to one that is zeroed or ended.
 */
enum hash_kind { HASH_BLAKE2B, HASH_SHA256 };
struct hash_long {
	enum hash_kind kind;
	union {				/* unless evp is there */
		struct hash blake2b;
		crypto_hash_sha256_state sha256;
	};
	void *evp;
};
void hash_long_init(struct hash_long *, enum hash_kind);
void hash_long_update(struct hash_long *, const void *, size_t len);
void hash_long_final(struct hash_long *, uint8_t out[HASH_BYTES]);
void hash_long_fini(struct hash_long *);

/*
 * derive(): the one key derivation and the one MAC of the format
 * (vitrine-format(5), KEYS): BLAKE2b-256 with the key, a zero salt, the label
 * padded with zeros to 16 bytes as personalisation, and info as the message.
 * label: at most 16 characters.
 */
void derive(uint8_t out[HASH_BYTES], const uint8_t key[KEY_BYTES],
    const char *label, const void *info, size_t len);
/* 0 when the two MACs are equal, in constant time; else -1. */
int mac_compare(const uint8_t a[HASH_BYTES], const uint8_t b[HASH_BYTES]);

#endif
