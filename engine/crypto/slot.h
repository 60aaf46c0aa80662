#ifndef VITRINE_ENGINE_CRYPTO_SLOT_H
#define VITRINE_ENGINE_CRYPTO_SLOT_H

#include "engine/base/clock.h"
#include "engine/base/rd.h"
#include "engine/crypto/keys.h"

/*
 * Key slots: objects under keys/ that seal the master secret, or a put-only
 * writer's secrets, under a passphrase or a key file (vitrine-format(5), KEY
 * SLOTS).  Emitting and parsing only; the repository stores them.
 */
enum slot_kind { SLOT_PASSPHRASE = 1, SLOT_KEY_FILE = 2 };

#define SLOT_LABEL_MAX	255
#define SLOT_HOST_MAX	KEYRING_HOST_MAX
#define SLOT_OBJECT_MAX	4096
/* Argon2id as read from a slot: refused above these. */
#define SLOT_OPS_MAX	64
#define SLOT_MEM_MAX	(4ULL << 30)

/* A secret given by a person: passphrase or key file bytes,
 * sodium_malloc'ed. */
struct secret {
	uint8_t *bytes;		/* owned; NULL when none */
	size_t len;
};
int secret_copy(struct secret *, const void *, size_t len, struct err *);
void secret_fini(struct secret *);	/* wipes */

struct slot_params {
	enum slot_kind kind;
	uint32_t ops;			/* Argon2id passes; 0 for a key file */
	uint64_t mem_bytes;		/* 0 for a key file */
};
/* Argon2id, 64 MiB, 3 passes. */
struct slot_params slot_params_default(enum slot_kind);

/* What only a full key can read of any slot (key list, revocation). */
struct slot_record {
	enum key_role role;
	uint32_t writer;		/* 0 for full */
	uint32_t domain;
	struct stamp created;
	char host[SLOT_HOST_MAX + 1]; /* the host a put-only writer may name */
	char label[SLOT_LABEL_MAX + 1];
};

/* The record's bytes, R of the format page; a revocation holds them, too.
 * Parsing sets rd->bad for what makes no sense. */
void slot_record_emit(struct buf *, const struct slot_record *);
void slot_record_parse(struct slot_record *, struct rd *);

/* Emit a slot; `ring' is a full keyring.  For ROLE_PUT_ONLY in the record the
 * writer's secrets are derived and sealed, otherwise the master. */
int slot_emit(struct buf *out, const struct keyring *ring,
    const struct slot_params *, const struct secret *,
    const struct slot_record *, struct err *);

/*
 * Open a slot object with a secret.  0 and a keyring; SLOT_NO_MATCH when the
 * secret isn't this slot's; < 0 for bytes that are no slot.
 */
#define SLOT_NO_MATCH	1
int slot_unlock(struct keyring **out, const void *object, size_t len,
    const struct repo_id *, enum slot_kind kind, const struct secret *,
    struct err *);
/* The kind of a slot object, so that Argon2 isn't run for the wrong kind. */
int slot_kind_of(const void *object, size_t len, const struct repo_id *,
    enum slot_kind *, struct slot_params *, struct err *);
/* The record, with a full keyring. */
int slot_record_open(struct slot_record *out, const void *object, size_t len,
    const struct keyring *, struct err *);

#endif
