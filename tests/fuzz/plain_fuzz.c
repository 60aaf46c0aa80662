/* Plain objects, as they come and with the MAC made good, for a keyring that
 * can check it and one that can't. */
#include <stdlib.h>

#include "engine/pack/object.h"
#include "tests/unit/crypt_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct keyring *ring, *other;
	struct buf content = BUF_INIT;
	struct err e = ERR_INIT;
	uint8_t key[KEY_BYTES], *copy;
	struct sealed s;
	bool verified;

	if (ring == NULL) {
		ring = fix_full();
		other = fix_put_only(9, 9);
	}
	BUG_ON(ring == NULL || other == NULL);
	(void)plain_open(&s, &content, &verified, other, OBJECT_LEASE, data,
	    len, &e);
	if (len >= HEAD_BYTES + HASH_BYTES) {
		copy = malloc(len);
		BUG_ON(copy == NULL);
		memcpy(copy, data, len);
		le_put32(copy + 28, 7);
		BUG_ON(keyring_writer_key(ring, 7, key, &e) != 0);
		derive(copy + len - HASH_BYTES, key, "plain", copy,
		    len - HASH_BYTES);
		(void)plain_open(&s, &content, &verified, ring, OBJECT_LEASE,
		    copy, len, &e);
		free(copy);
	}
	buf_fini(&content);
	return (0);
}
