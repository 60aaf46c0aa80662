/* Frames: the input as stored bytes, then as the plaintext behind a good
 * seal. */
#include "engine/pack/frame.h"
#include "tests/unit/crypt_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
look(struct opened_frame *o)
{
	BUG_ON(o->nslots == 0 || o->nslots > FRAME_SLOTS_MAX ||
	    o->off[o->nslots] != o->raw_len || o->raw_len > FRAME_RAW_MAX);
	for (uint32_t i = 0; i < o->nslots; i++)
		BUG_ON(o->off[i] >= o->off[i + 1]);
	opened_frame_fini(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t key[KEY_BYTES] = { 1 };
	static struct pack_seal seal;
	static struct frame *f;
	struct err e = ERR_INIT;
	struct opened_frame o;
	struct repo_id repo;
	uint8_t salt[SALT_BYTES];

	if (f == NULL) {
		fix_repo(&repo);
		fix_salt(salt);
		pack_seal_init(&seal, &repo, 0, 3, salt, key);
		BUG_ON(frame_new(&f, &e) != 0);
	}
	if (frame_open(&o, &seal, 0, data, len, &e) == 0)
		look(&o);
	if (len == 0)
		return (0);
	frame_reset(f);
	buf_bytes(&f->plain, data, len);
	f->codec = data[0];
	BUG_ON(frame_seal(f, &seal, 0, true, &e) != 0);
	if (frame_open(&o, &seal, 0, f->stored.data, f->stored.len, &e) == 0)
		look(&o);
	return (0);
}
