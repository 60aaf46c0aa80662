/*
 * The keys and associated data of one pack's frames and directory.  All that a
 * sealed frame claims about where it belongs (repository, domain, kind, pack,
 * number, codec) is bound here, so that none can be moved or swapped.
 */
#include "engine/pack/frame.h"
#include "engine/pack/seal.h"

void
pack_seal_init(struct pack_seal *s, const struct repo_id *repo,
    uint32_t domain, uint8_t kind, const uint8_t salt[SALT_BYTES],
    const uint8_t session_key[KEY_BYTES])
{
	uint8_t c[16 + 4 + 1 + SALT_BYTES];

	s->repo = *repo;
	s->domain = domain;
	s->kind = kind;
	memcpy(s->salt, salt, SALT_BYTES);
	memcpy(c, repo->b, 16);
	le_put32(c + 16, domain);
	c[20] = kind;
	memcpy(c + 21, salt, SALT_BYTES);
	derive(s->frame_key, session_key, "frames", c, sizeof(c));
	derive(s->dir_key, session_key, "directory", c, sizeof(c));
}

void
frame_ad(uint8_t out[FRAME_AD_BYTES], const struct pack_seal *s, uint8_t codec,
    uint32_t no)
{
	memcpy(out, s->repo.b, 16);
	le_put32(out + 16, s->domain);
	out[20] = s->kind;
	out[21] = codec;
	le_put16(out + 22, 0);
	memcpy(out + 24, s->salt, SALT_BYTES);
	le_put32(out + 56, no);
}
