/*
 * Frames on the writing side: gathering chunks and sealing them.  A frame's
 * buffers live as long as the frame and are reused, so that nothing is
 * allocated for each chunk; compressing is in squeeze.c, reading in opened.c.
 *
 * What the buffers hold, by stage:
 *	frame_add	raw: the chunks; plain, stored: empty
 *	frame_squeeze	plain: what will be sealed; stored: used for comparing
 *	frame_seal	stored: what goes to the pack; raw: used for comparing
 */
#include "engine/pack/frame.h"

#include "engine/crypto/aead.h"
#include "engine/pack/seal.h"

int
frame_new(struct frame **out, struct err *e)
{
	struct frame *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for a frame"));
	f->slots = calloc(FRAME_SLOTS_MAX, sizeof(*f->slots));
	if (f->slots == NULL ||
	    buf_reserve(&f->raw, FRAME_TARGET, e) < 0) {
		frame_free(f);
		return (err_set(e, ERR_NOMEM, "no memory for a frame"));
	}
	*out = f;
	return (0);
}

void
frame_free(struct frame *f)
{
	if (f == NULL)
		return;
	buf_fini(&f->raw);
	buf_fini(&f->plain);
	buf_fini(&f->stored);
	free(f->slots);
	free(f);
}

void
frame_reset(struct frame *f)
{
	buf_reset(&f->raw);
	buf_reset(&f->plain);
	buf_reset(&f->stored);
	f->nslots = 0;
	f->codec = CODEC_RAW;
}

bool
frame_has_room(const struct frame *f, size_t len)
{
	if (f->nslots == 0)
		return (len <= CHUNK_MAX);
	return (f->nslots < FRAME_SLOTS_MAX && f->raw.len < FRAME_TARGET &&
	    len <= FRAME_TARGET - f->raw.len);
}

int
frame_add(struct frame *f, const struct chunk_id *id, const void *bytes,
    size_t len, uint32_t *slot, struct err *e)
{
	if (len == 0 || len > CHUNK_MAX || f->nslots == FRAME_SLOTS_MAX ||
	    f->raw.len + len > FRAME_RAW_MAX)
		return (err_set(e, ERR_LIMIT,
		    "a chunk of %zu bytes has no room in a frame", len));
	buf_bytes(&f->raw, bytes, len);
	if (buf_ok(&f->raw, e) < 0)
		return (-1);
	f->slots[f->nslots].id = *id;
	f->slots[f->nslots].len = (uint32_t)len;
	*slot = f->nslots++;
	return (0);
}

int
frame_copy(struct frame *f, const struct frame *src, struct err *e)
{
	bool squeezed = src->plain.len > 0;
	const struct buf *from = squeezed ? &src->plain : &src->raw;
	struct buf *to = squeezed ? &f->plain : &f->raw;

	BUG_ON(f->nslots != 0 || src->nslots == 0);
	buf_bytes(to, from->data, from->len);
	if (buf_ok(to, e) < 0)
		return (-1);
	memcpy(f->slots, src->slots, src->nslots * sizeof(*f->slots));
	f->nslots = src->nslots;
	f->codec = src->codec;
	if (memcmp(to->data, from->data, from->len) != 0)
		return (err_set(e, ERR_CORRUPT, "what was copied is not the "
		    "same: this machine's memory or processor is faulty"));
	return (0);
}

/* Open what was sealed and compare it with what should be in it. */
static int
verify_seal(struct frame *f, const struct pack_seal *s, uint32_t no,
    const uint8_t ad[FRAME_AD_BYTES], struct err *e)
{
	const struct buf *b = &f->stored;

	buf_reset(&f->raw);
	if (buf_reserve(&f->raw, f->plain.len, e) < 0)
		return (-1);
	if (aead_open(f->raw.data, s->frame_key, no, ad, FRAME_AD_BYTES,
	    b->data + FRAME_PREFIX, b->len - FRAME_PREFIX) != 0 ||
	    (f->plain.len != 0 &&
	    memcmp(f->raw.data, f->plain.data, f->plain.len) != 0))
		return (err_set(e, ERR_CORRUPT, "what was sealed doesn't open "
		    "again: this machine's memory or processor is faulty"));
	return (0);
}

int
frame_seal(struct frame *f, const struct pack_seal *s, uint32_t no,
    bool verify, struct err *e)
{
	size_t n = f->plain.len + AEAD_TAG_BYTES;
	uint8_t ad[FRAME_AD_BYTES];
	uint8_t *p;

	BUG_ON(f->plain.len == 0);
	buf_reset(&f->stored);
	p = buf_grow(&f->stored, FRAME_PREFIX + n);
	if (p == NULL)
		return (buf_ok(&f->stored, e));
	le_put32(p, (uint32_t)n);
	p[4] = f->codec;
	memset(p + 5, 0, 3);
	frame_ad(ad, s, f->codec, no);
	aead_seal(p + FRAME_PREFIX, s->frame_key, no, ad, sizeof(ad),
	    f->plain.data, f->plain.len);
	return (verify ? verify_seal(f, s, no, ad, e) : 0);
}
