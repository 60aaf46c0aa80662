/* Sealed objects, as they come and once more with MAC and seal made good, so
 * that what stands behind them is reached. */
#include <stdlib.h>

#include "engine/crypto/aead.h"
#include "engine/pack/object.h"
#include "tests/unit/crypt_fixture.h"

#define FIXED	208

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* As a full-key writer with this run and salt would have made it. */
static void
make_good(uint8_t *p, size_t len, const struct keyring *ring)
{
	uint8_t key[KEY_BYTES], c[16 + 4 + 1 + SALT_BYTES], wkey[KEY_BYTES];
	struct wrap wrap;
	struct run_id run;
	struct err e = ERR_INIT;

	fix_repo((struct repo_id *)(void *)(p + 8));
	le_put32(p + 28, 0);
	memcpy(run.b, p + 32, RUN_BYTES);
	le_put64(p + 168, len - FIXED);
	BUG_ON(keyring_writer_key(ring, 0, wkey, &e) != 0);
	derive(p + 176, wkey, "object", p, 176);
	BUG_ON(session_key_new(ring, &run, p + 48, &wrap, key, &e) != 0);
	memcpy(c, p + 8, 16);
	memcpy(c + 16, p + 24, 4);
	c[20] = p[4];
	memcpy(c + 21, p + 48, SALT_BYTES);
	derive(key, key, "body", c, sizeof(c));
	aead_seal(p + FIXED, key, 0, p, FIXED, p + FIXED,
	    len - FIXED - AEAD_TAG_BYTES);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct keyring *ring;
	struct buf content = BUF_INIT;
	struct err e = ERR_INIT;
	struct sealed s;
	uint8_t *copy;

	if (ring == NULL)
		ring = fix_full();
	BUG_ON(ring == NULL);
	(void)sealed_open(&s, &content, ring, OBJECT_MANIFEST, data, len, &e);
	if (len >= FIXED + AEAD_TAG_BYTES) {
		copy = malloc(len);
		BUG_ON(copy == NULL);
		memcpy(copy, data, len);
		make_good(copy, len, ring);
		(void)sealed_open(&s, &content, ring, OBJECT_MANIFEST, copy,
		    len, &e);
		free(copy);
	}
	buf_fini(&content);
	return (0);
}
