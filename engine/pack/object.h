#ifndef VITRINE_ENGINE_PACK_OBJECT_H
#define VITRINE_ENGINE_PACK_OBJECT_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/id.h"
#include "engine/base/rd.h"
#include "engine/crypto/keys.h"

/* What every object of a repository begins with (vitrine-format(5), HEAD). */
enum object_kind {
	OBJECT_HEADER = 1, OBJECT_SLOT = 2, OBJECT_PACK_DATA = 3,
	OBJECT_PACK_META = 4, OBJECT_TABLE = 5, OBJECT_MANIFEST = 6,
	OBJECT_LEASE = 7, OBJECT_CONDEMNED = 8, OBJECT_FORWARDS = 9,
	OBJECT_FORGOTTEN = 10, OBJECT_DAMAGED = 11, OBJECT_REVOCATION = 12,
	OBJECT_TAGS = 13
};

#define HEAD_BYTES	32
#define FORMAT_VERSION	1

struct head {
	uint8_t kind;
	struct repo_id repo;
	uint32_t domain;
	uint32_t writer;
};

void head_emit(struct buf *, const struct head *);
/* Checks magic, version (ERR_VERSION), generation, and, where given (not NULL),
 * kind and repository (ERR_CORRUPT). */
int head_parse(struct head *out, struct rd *, const enum object_kind *kind,
    const struct repo_id *, struct err *);

/* Padme (Nikitin et al., PETS 2019): the padded size for a size. */
uint64_t padme(uint64_t size);

/*
 * A sealed object: head, run, salt, wrap, MAC, and a body under a session key
 * (vitrine-format(5), SEALED OBJECTS).  Manifests, forwards, forgotten,
 * tags, revocations.
 */
#define SEALED_MAX	(64U << 20)
struct sealed {
	struct head head;
	struct run_id run;
};
/* Emits an object whose body is content padded; salt comes from salt_new with
 * the content as mix. */
int sealed_emit(struct buf *out, const struct keyring *, enum object_kind,
    const struct run_id *, uint64_t counter, const struct buf *content,
    struct err *);
/* Verifies the writer's MAC and opens: content appended to `content'.
 * ERR_CORRUPT when forged or damaged; ERR_AUTH for a put-only keyring. */
int sealed_open(struct sealed *out, struct buf *content,
    const struct keyring *, enum object_kind, const void *object, size_t len,
    struct err *);

/*
 * A plain object: head, run, body, MAC (vitrine-format(5), PLAIN OBJECTS).
 * Leases, condemned, damaged: readable by every writer.
 */
#define PLAIN_MAX	(64U << 20)
int plain_emit(struct buf *out, const struct keyring *, enum object_kind,
    const struct run_id *, const struct buf *content, struct err *);
/* *verified says whether this keyring could check the MAC (a put-only one
 * can for its own only); a MAC that can be checked and doesn't hold is
 * ERR_CORRUPT. */
int plain_open(struct sealed *out, struct buf *content, bool *verified,
    const struct keyring *, enum object_kind, const void *object, size_t len,
    struct err *);

#endif
