#ifndef VITRINE_ENGINE_REPO_HEADER_H
#define VITRINE_ENGINE_REPO_HEADER_H

#include "engine/repo/repo.h"

/* The header object, "vitrine" (vitrine-format(5), HEADER). */
#define HEADER_NAME	"vitrine"
#define HEADER_BYTES	160

/* Features: bits of what a program must know to read, write or collect. */
#define FEATURE_SHA256_PACKS	(1ULL << 0)	/* what packs are named by */
#define FEATURE_SHORT_IDS	(1ULL << 1)	/* what catalogs hold of ids */
#define FEATURES_KNOWN		(FEATURE_SHA256_PACKS | FEATURE_SHORT_IDS)

/* `ring' is a full keyring. */
int header_emit(struct buf *, const struct repo_header *,
    const struct keyring *ring, struct err *);
/* Everything but the MAC. */
int header_parse(struct repo_header *, const void *, size_t len, struct err *);
/* A full keyring checks the MAC, a put-only one that the public key is the one
 * its slot binds.  ERR_CORRUPT. */
int header_verify(const struct repo_header *, const void *, size_t len,
    const struct keyring *, struct err *);
/* ERR_VERSION naming the bits of `needed' that we don't know. */
int header_features(uint64_t needed, const char *operation, struct err *);

#endif
