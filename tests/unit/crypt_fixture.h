#ifndef VITRINE_TESTS_UNIT_CRYPT_FIXTURE_H
#define VITRINE_TESTS_UNIT_CRYPT_FIXTURE_H

/* The keys, ids and salts that vectors.py uses. */
#include <string.h>

#include "engine/crypto/keys.h"

static inline void
fix_repo(struct repo_id *repo)
{
	for (int i = 0; i < 16; i++)
		repo->b[i] = (uint8_t)(100 + i);
}

static inline void
fix_run(struct run_id *run)
{
	for (int i = 0; i < 16; i++)
		run->b[i] = (uint8_t)(200 + i);
}

static inline void
fix_salt(uint8_t salt[SALT_BYTES])
{
	for (int i = 0; i < SALT_BYTES; i++)
		salt[i] = (uint8_t)(64 + i);
}

/* NULL when there is no memory. */
static inline struct keyring *
fix_full(void)
{
	struct err e = ERR_INIT;
	struct keyring *k = NULL;
	struct repo_id repo;
	uint8_t master[KEY_BYTES];

	for (int i = 0; i < KEY_BYTES; i++)
		master[i] = (uint8_t)i;
	fix_repo(&repo);
	return (keyring_new_full(&k, &repo, master, &e) == 0 ? k : NULL);
}

static inline struct keyring *
fix_put_only(uint32_t writer, uint32_t domain)
{
	struct err e = ERR_INIT;
	struct keyring *f = fix_full(), *k = NULL;
	struct put_only_secrets s;
	struct repo_id repo;

	fix_repo(&repo);
	if (f == NULL || keyring_put_only(f, writer, domain, &s, &e) != 0 ||
	    keyring_new_put_only(&k, &repo, &s, &e) != 0)
		k = NULL;
	keyring_free(f);
	return (k);
}

#endif
