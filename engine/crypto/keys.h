#ifndef VITRINE_ENGINE_CRYPTO_KEYS_H
#define VITRINE_ENGINE_CRYPTO_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/id.h"
#include "engine/crypto/hash.h"

/*
 * The key hierarchy (vitrine-format(5), KEYS).  A keyring is what an unlocked
 * slot gives: either the master secret, from which all else is derived, or the
 * few keys of a put-only writer.  Its memory is sodium_malloc'ed, wiped when
 * freed, and read-only after keyring_new: so it is immutable and may be shared
 * by threads.
 */
struct keyring;

enum key_role {
	ROLE_FULL = 0,		/* reads and writes everything */
	ROLE_PUT_ONLY = 1	/* writes in one domain, reads nothing */
};

/* What a put-only slot seals. */
#define KEYRING_HOST_MAX	255
struct put_only_secrets {
	uint32_t writer;
	uint32_t domain;
	uint8_t writer_key[KEY_BYTES];		/* K_w */
	uint8_t domain_secret[KEY_BYTES];
	uint8_t public_key[32];			/* X25519 */
	char host[KEYRING_HOST_MAX + 1];	/* the only one it may name */
};

int keyring_new_full(struct keyring **out, const struct repo_id *,
    const uint8_t master[KEY_BYTES], struct err *);
int keyring_new_put_only(struct keyring **out, const struct repo_id *,
    const struct put_only_secrets *, struct err *);
void keyring_free(struct keyring *);

enum key_role keyring_role(const struct keyring *);
const struct repo_id *keyring_repo(const struct keyring *);
uint32_t keyring_writer(const struct keyring *);	/* 0 for a full key */
uint32_t keyring_domain(const struct keyring *);	/* 0 for a full key */
const uint8_t *keyring_public_key(const struct keyring *);	/* 32 bytes */
/* The host name that this writer's snapshots must carry; "" for a full key. */
const char *keyring_host(const struct keyring *);
/* The master secret; NULL for a put-only keyring. */
const uint8_t *keyring_master(const struct keyring *);

/* Keys by purpose.  0, or -1 with ERR_AUTH when this keyring doesn't have
 * that key (a put-only keyring has its own writer and domain only). */
int keyring_writer_key(const struct keyring *, uint32_t writer,
    uint8_t out[KEY_BYTES], struct err *);
/* The writer's MAC of some bytes; the check is ERR_CORRUPT for another. */
int keyring_mac(const struct keyring *, uint32_t writer, const char *label,
    const void *bytes, size_t len, uint8_t out[HASH_BYTES], struct err *);
int keyring_mac_check(const struct keyring *, uint32_t writer,
    const char *label, const void *bytes, size_t len,
    const uint8_t mac[HASH_BYTES], struct err *);
int keyring_domain_id_key(const struct keyring *, uint32_t domain,
    uint8_t out[KEY_BYTES], struct err *);
int keyring_domain_chunker_key(const struct keyring *, uint32_t domain,
    uint8_t out[KEY_BYTES], struct err *);
int keyring_domain_table_key(const struct keyring *, uint32_t domain,
    uint8_t out[KEY_BYTES], struct err *);
/* Full only: "header", "registry". */
int keyring_subkey(const struct keyring *, const char *label,
    uint8_t out[KEY_BYTES], struct err *);
/* Full only: what a new put-only writer gets; the host is left empty, for the
 * caller to fill in. */
int keyring_put_only(const struct keyring *, uint32_t writer, uint32_t domain,
    struct put_only_secrets *out, struct err *);

/*
 * Session keys.  A full-key writer's session key is derived from the master,
 * run and salt (WRAP_DERIVED, no bytes); a put-only writer's is random and
 * sealed to the repository's public key (WRAP_SEALED, 80 bytes).
 */
enum wrap_kind { WRAP_DERIVED = 1, WRAP_SEALED = 2 };
#define WRAP_BYTES	80
#define SALT_BYTES	32

struct wrap {
	uint8_t kind;			/* enum wrap_kind */
	uint8_t bytes[WRAP_BYTES];	/* zeros for WRAP_DERIVED */
};

/* The only way in which that writer's session keys are wrapped. */
static inline uint8_t
wrap_kind_of(uint32_t writer)
{
	return (writer == 0 ? WRAP_DERIVED : WRAP_SEALED);
}

/* A new session key for a new object. */
int session_key_new(const struct keyring *, const struct run_id *,
    const uint8_t salt[SALT_BYTES], struct wrap *out,
    uint8_t key[KEY_BYTES], struct err *);
/* The session key of an existing object; full only, ERR_AUTH for a put-only
 * keyring, ERR_CORRUPT when the wrap doesn't open. */
int session_key_open(const struct keyring *, const struct run_id *,
    const uint8_t salt[SALT_BYTES], const struct wrap *,
    uint8_t key[KEY_BYTES], struct err *);

/*
 * A fresh salt: random bytes hashed with run, counter, time and `mix' (the
 * first frame's ids), so that a cloned machine or a repeated random state
 * does not repeat a key.  Called from ordered code.
 */
void salt_new(uint8_t out[SALT_BYTES], const struct run_id *, uint64_t counter,
    const void *mix, size_t mix_len);

#endif
