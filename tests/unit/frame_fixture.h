#ifndef VITRINE_TESTS_UNIT_FRAME_FIXTURE_H
#define VITRINE_TESTS_UNIT_FRAME_FIXTURE_H

/* What the tests of frames and of packs share: the keys of vectors.py, frames
 * of text and of noise, and one of their own to begin with and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "engine/pack/pack.h"
#include "tests/unit/crypt_fixture.h"
#include "tests/unit/vectors.h"

static struct keyring *ring;
static struct squeezer *squeezer;
static struct pack_seal seal5;		/* of vectors.py: domain 5, data */

static inline int
setup(void **state)
{
	struct err e = ERR_INIT;
	struct repo_id repo;
	uint8_t salt[SALT_BYTES];

	ring = fix_full();
	fix_repo(&repo);
	fix_salt(salt);
	pack_seal_init(&seal5, &repo, 5, OBJECT_PACK_DATA, salt, v_session);
	return (ring == NULL || squeezer_new(&squeezer, 0, &e) != 0);
}

static inline int
teardown(void **state)
{
	squeezer_free(squeezer);
	keyring_free(ring);
	return (0);
}

static inline struct frame *
new_frame(void)
{
	struct err e = ERR_INIT;
	struct frame *f;

	assert_int_equal(frame_new(&f, &e), 0);
	return (f);
}

static inline void
add(struct frame *f, const void *bytes, size_t len)
{
	struct err e = ERR_INIT;
	struct chunk_id id;
	uint32_t slot, want = f->nslots;
	uint8_t key[32];

	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	hash_keyed(id.b, key, bytes, len);
	assert_int_equal(frame_add(f, &id, bytes, len, &slot, &e), 0);
	assert_int_equal(slot, want);
}

static inline void
add_text(struct frame *f, size_t len, unsigned seed)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	srand(seed);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)('a' + rand() % 7);
	add(f, p, len);
	free(p);
}

static inline void
add_noise(struct frame *f, size_t len)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	randombytes_buf(p, len);
	add(f, p, len);
	free(p);
}

#endif
