/* Pack directories behind a good seal: the first 12 bytes are what the trailer
 * claims (offset and number of frames), the rest is the plaintext. */
#include <stdlib.h>

#include "engine/base/rd.h"
#include "engine/crypto/aead.h"
#include "engine/pack/pack.h"
#include "tests/unit/crypt_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
look(struct pack_directory *d, uint64_t off)
{
	uint64_t at = PACK_HEADER_BYTES;

	for (uint32_t i = 0; i < d->nframes; i++) {
		BUG_ON(d->frames[i].off != at || d->frames[i].no != i);
		BUG_ON(d->first_slot[i] >= d->first_slot[i + 1]);
		at += d->frames[i].stored;
	}
	BUG_ON(at != off);
	pack_directory_fini(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t key[KEY_BYTES] = { 1 };
	uint8_t ad[80 + PACK_TRAILER_BYTES] = { 0 }, *t = ad + 80, *sealed;
	struct pack_directory d;
	struct pack_seal seal;
	struct err e = ERR_INIT;
	struct repo_id repo;
	uint8_t salt[SALT_BYTES];
	uint64_t off;
	struct rd r;
	size_t n;

	if (len < 12)
		return (0);
	fix_repo(&repo);
	fix_salt(salt);
	pack_seal_init(&seal, &repo, 0, 3, salt, key);
	n = len - 12 + AEAD_TAG_BYTES;
	memcpy(t, data, 8);
	le_put64(t + 8, n);
	memcpy(t + 16, data + 8, 4);
	memcpy(t + 20, "VTRE", 4);
	rd_init(&r, data, 8);
	off = rd_u64(&r);
	sealed = malloc(n);
	BUG_ON(sealed == NULL);
	aead_seal(sealed, seal.dir_key, 0, ad, sizeof(ad), data + 12, len - 12);
	if (pack_directory_open(&d, &seal, ad, t, sealed, n, &e) == 0)
		look(&d, off);
	free(sealed);
	return (0);
}
