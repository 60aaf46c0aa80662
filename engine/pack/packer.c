/*
 * Writing a pack: the bytes around the frames, and the directory of what was
 * added.  The frames' bytes pass by to be hashed and counted only; whoever
 * holds the stream writes them.
 *
 * Invariants:
 *  1. bytes is what was emitted or added so far; hashed is as much of it as was
 *     hashed, in order, and at the close that is all.
 *  2. frames and slots describe every frame added, in order.
 *  3. A pack that would pass a limit of the format refuses the frame and stays
 *     as it was.
 */
#include "engine/crypto/aead.h"
#include "engine/pack/pack.h"

#include "engine/pack/layout.h"

struct packer {
	struct pack_seal seal;
	struct pack_info info;		/* but for id and size */
	uint8_t head[PACK_HEAD_AD];	/* bound to the directory */
	struct hash_long hash;
	uint64_t hashed;		/* of bytes; the hasher's, as hash is */
	uint64_t bytes;
	uint32_t nframes;
	struct buf frames;		/* the directory's two parts */
	struct buf slots;
	bool closed;
};

static int
emit_header(struct packer *p, struct buf *out, const struct keyring *ring,
    struct err *e)
{
	struct head head = { .kind = p->info.kind, .repo = *keyring_repo(ring),
	    .domain = p->info.domain, .writer = p->info.writer };
	uint8_t mac[HASH_BYTES];
	size_t start = out->len;

	head_emit(out, &head);
	buf_bytes(out, p->info.run.b, RUN_BYTES);
	buf_bytes(out, p->info.salt, SALT_BYTES);
	buf_u8(out, p->info.wrap.kind);
	buf_zeros(out, 7);
	buf_bytes(out, p->info.wrap.bytes, WRAP_BYTES);
	if (buf_ok(out, e) < 0 || keyring_mac(ring, head.writer, "pack",
	    out->data + start, PACK_MAC_AT, mac, e) < 0)
		return (-1);
	buf_bytes(out, mac, sizeof(mac));
	if (buf_ok(out, e) < 0)
		return (-1);
	memcpy(p->head, out->data + start, sizeof(p->head));
	hash_long_update(&p->hash, out->data + start, PACK_HEADER_BYTES);
	p->hashed = p->bytes = PACK_HEADER_BYTES;
	return (0);
}

int
packer_open(struct packer **out_packer, struct buf *out,
    const struct keyring *ring, enum hash_kind naming, enum object_kind kind,
    const struct run_id *run, uint64_t number, const void *mix, size_t mix_len,
    struct err *e)
{
	uint8_t key[KEY_BYTES];
	struct packer *p;

	BUG_ON(kind != OBJECT_PACK_DATA && kind != OBJECT_PACK_META);
	crypto_init();
	p = sodium_malloc(sizeof(*p));
	if (p == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for a pack"));
	memset(p, 0, sizeof(*p));
	p->info.domain = keyring_domain(ring);
	p->info.writer = keyring_writer(ring);
	p->info.kind = (uint8_t)kind;
	p->info.run = *run;
	salt_new(p->info.salt, run, number, mix, mix_len);
	if (session_key_new(ring, run, p->info.salt, &p->info.wrap, key, e) < 0)
		goto fail;
	pack_seal_init(&p->seal, keyring_repo(ring), p->info.domain,
	    p->info.kind, p->info.salt, key);
	sodium_memzero(key, sizeof(key));
	hash_long_init(&p->hash, naming);
	if (emit_header(p, out, ring, e) < 0)
		goto fail;
	*out_packer = p;
	return (0);
fail:
	packer_free(p);
	return (-1);
}

void
packer_free(struct packer *p)
{
	if (p == NULL)
		return;
	buf_fini(&p->frames);
	buf_fini(&p->slots);
	hash_long_fini(&p->hash);
	sodium_free(p);
}

const struct pack_seal *
packer_seal(const struct packer *p)
{
	return (&p->seal);
}

uint32_t
packer_next_frame(const struct packer *p)
{
	return (p->nframes);
}

uint64_t
packer_bytes(const struct packer *p)
{
	return (p->bytes);
}

/* The pack's size without padding, were it closed with these. */
static uint64_t
bare_size(uint64_t bytes, uint64_t directory)
{
	return (bytes + directory + AEAD_TAG_BYTES + PACK_TRAILER_BYTES);
}

uint64_t
pack_padding(uint64_t frame_bytes, uint64_t frames, uint64_t slots)
{
	uint64_t bare = bare_size(PACK_HEADER_BYTES + frame_bytes,
	    frames * DIR_FRAME_BYTES + slots * DIR_SLOT_BYTES);

	return (padme(bare) - bare);
}

int
packer_add(struct packer *p, const struct frame *f, struct frame_info *info,
    struct err *e)
{
	uint64_t bytes = p->bytes + f->stored.len;
	uint64_t dir = p->frames.len + p->slots.len + DIR_FRAME_BYTES +
	    (uint64_t)f->nslots * DIR_SLOT_BYTES;
	uint64_t size = padme(bare_size(bytes, dir));
	uint32_t raw = 0;

	BUG_ON(p->closed || f->stored.len == 0);
	if (p->nframes == PACK_FRAMES_MAX || size > PACK_MAX ||
	    size - bytes > PACK_DIR_MAX)
		return (err_set(e, ERR_LIMIT,
		    "the pack has no room for another frame"));
	if (buf_reserve(&p->frames, DIR_FRAME_BYTES, e) < 0 ||
	    buf_reserve(&p->slots, (size_t)f->nslots * DIR_SLOT_BYTES, e) < 0)
		return (-1);
	for (uint32_t i = 0; i < f->nslots; i++) {
		buf_bytes(&p->slots, f->slots[i].id.b, ID_BYTES);
		buf_u32(&p->slots, f->slots[i].len);
		raw += f->slots[i].len;
	}
	buf_u32(&p->frames, (uint32_t)f->stored.len);
	buf_u32(&p->frames, raw);
	buf_u8(&p->frames, f->codec);
	buf_u16(&p->frames, (uint16_t)f->nslots);
	*info = (struct frame_info){ .no = p->nframes,
	    .off = (uint32_t)p->bytes, .stored = (uint32_t)f->stored.len,
	    .raw = raw };
	p->bytes = bytes;
	p->nframes++;
	return (0);
}

void
packer_hash(struct packer *p, const struct frame *f)
{
	hash_long_update(&p->hash, f->stored.data, f->stored.len);
	p->hashed += f->stored.len;
}

int
packer_close(struct packer *p, struct buf *out, struct pack_info *info,
    struct err *e)
{
	size_t plain = p->frames.len + p->slots.len;
	uint64_t bare = bare_size(p->bytes, plain), size = padme(bare);
	size_t dir = plain + (size_t)(size - bare);
	size_t start = out->len;
	uint8_t ad[PACK_HEAD_AD + PACK_TRAILER_BYTES];
	uint8_t *t = ad + PACK_HEAD_AD;
	uint8_t *d;

	BUG_ON(p->closed || p->hashed != p->bytes);
	d = buf_grow(out, dir + AEAD_TAG_BYTES + PACK_TRAILER_BYTES);
	if (d == NULL)
		return (buf_ok(out, e));
	memcpy(ad, p->head, PACK_HEAD_AD);
	le_put64(t, p->bytes);
	le_put64(t + 8, dir + AEAD_TAG_BYTES);
	le_put32(t + 16, p->nframes);
	memcpy(t + 20, PACK_TRAILER_MAGIC, 4);
	if (plain > 0) {
		memcpy(d, p->frames.data, p->frames.len);
		memcpy(d + p->frames.len, p->slots.data, p->slots.len);
	}
	memset(d + plain, 0, dir - plain);
	aead_seal(d, p->seal.dir_key, 0, ad, sizeof(ad), d, dir);
	memcpy(d + dir + AEAD_TAG_BYTES, t, PACK_TRAILER_BYTES);
	hash_long_update(&p->hash, d, out->len - start);
	*info = p->info;
	info->size_bytes = size;
	hash_long_final(&p->hash, info->id.b);
	p->bytes = size;
	p->closed = true;
	return (0);
}
