/*
 * Reading packs: header, record, trailer, directory.  A reader that has a pack
 * record needs none of the others to open a frame; they are for checking,
 * salvage and rebuilding tables.
 */
#include "engine/pack/pack.h"

#include "engine/crypto/aead.h"
#include "engine/pack/layout.h"

#define FRAME_LEAST	(FRAME_PREFIX + FRAME_TABLE_HEAD + FRAME_SLOT_BYTES + \
			1 + AEAD_TAG_BYTES)
#define SIZE_LEAST	(PACK_HEADER_BYTES + AEAD_TAG_BYTES + \
			PACK_TRAILER_BYTES)

void
pack_info_emit(struct buf *b, const struct pack_info *p)
{
	buf_bytes(b, p->id.b, ID_BYTES);
	buf_u64(b, p->size_bytes);
	buf_u32(b, p->domain);
	buf_u32(b, p->writer);
	buf_u8(b, p->kind);
	buf_bytes(b, p->run.b, RUN_BYTES);
	buf_bytes(b, p->salt, SALT_BYTES);
	buf_u8(b, p->wrap.kind);
	if (p->wrap.kind == WRAP_SEALED)
		buf_bytes(b, p->wrap.bytes, WRAP_BYTES);
}

void
pack_info_parse(struct pack_info *p, struct rd *r)
{
	memset(p, 0, sizeof(*p));
	rd_bytes(r, p->id.b, ID_BYTES);
	p->size_bytes = rd_u64(r);
	p->domain = rd_u32(r);
	p->writer = rd_u32(r);
	p->kind = rd_u8(r);
	rd_bytes(r, p->run.b, RUN_BYTES);
	rd_bytes(r, p->salt, SALT_BYTES);
	p->wrap.kind = rd_u8(r);
	if (p->wrap.kind == WRAP_SEALED)
		rd_bytes(r, p->wrap.bytes, WRAP_BYTES);
	if ((p->kind != OBJECT_PACK_DATA && p->kind != OBJECT_PACK_META) ||
	    p->wrap.kind != wrap_kind_of(p->writer) ||
	    p->size_bytes < SIZE_LEAST || p->size_bytes > PACK_MAX ||
	    padme(p->size_bytes) != p->size_bytes)
		r->bad = true;
}

int
pack_header_parse(struct pack_info *out, const struct keyring *ring,
    const void *bytes, struct err *e)
{
	uint8_t mac[HASH_BYTES];
	struct pack_info p;
	struct head head;
	struct rd r;

	memset(&p, 0, sizeof(p));
	rd_init(&r, bytes, PACK_HEADER_BYTES);
	if (head_parse(&head, &r, NULL, keyring_repo(ring), e) < 0)
		return (-1);
	p.kind = head.kind;
	p.domain = head.domain;
	p.writer = head.writer;
	rd_bytes(&r, p.run.b, RUN_BYTES);
	rd_bytes(&r, p.salt, SALT_BYTES);
	p.wrap.kind = rd_u8(&r);
	rd_zeros(&r, 7);
	rd_bytes(&r, p.wrap.bytes, WRAP_BYTES);
	rd_bytes(&r, mac, sizeof(mac));
	if (!rd_end(&r) ||
	    (p.kind != OBJECT_PACK_DATA && p.kind != OBJECT_PACK_META) ||
	    p.wrap.kind != wrap_kind_of(p.writer))
		return (err_set(e, ERR_CORRUPT,
		    "the pack's header makes no sense"));
	if (keyring_mac_check(ring, p.writer, "pack", bytes, PACK_MAC_AT, mac,
	    e) < 0)
		return (-1);
	*out = p;
	return (0);
}

int
pack_seal_open(struct pack_seal *out, const struct keyring *ring,
    const struct pack_info *p, struct err *e)
{
	uint8_t key[KEY_BYTES];

	if (session_key_open(ring, &p->run, p->salt, &p->wrap, key, e) < 0)
		return (-1);
	pack_seal_init(out, keyring_repo(ring), p->domain, p->kind, p->salt,
	    key);
	sodium_memzero(key, sizeof(key));
	return (0);
}

int
pack_trailer_parse(uint64_t *dir_off, uint64_t *dir_len, uint32_t *frames,
    const void *bytes, uint64_t pack_bytes, struct err *e)
{
	uint64_t off, len;
	uint8_t magic[4];
	uint32_t n;
	struct rd r;

	rd_init(&r, bytes, PACK_TRAILER_BYTES);
	off = rd_u64(&r);
	len = rd_u64(&r);
	n = rd_u32(&r);
	rd_bytes(&r, magic, sizeof(magic));
	if (!rd_end(&r) || memcmp(magic, PACK_TRAILER_MAGIC, 4) != 0 ||
	    pack_bytes > PACK_MAX || padme(pack_bytes) != pack_bytes ||
	    off < PACK_HEADER_BYTES || off > PACK_MAX ||
	    len < AEAD_TAG_BYTES || len > PACK_DIR_MAX ||
	    off + len + PACK_TRAILER_BYTES != pack_bytes ||
	    n > PACK_FRAMES_MAX ||
	    (uint64_t)n * (DIR_FRAME_BYTES + DIR_SLOT_BYTES) > len)
		return (err_set(e, ERR_CORRUPT,
		    "the pack's trailer makes no sense"));
	*dir_off = off;
	*dir_len = len;
	*frames = n;
	return (0);
}

void
pack_directory_fini(struct pack_directory *d)
{
	free(d->frames);
	free(d->codec);
	free(d->first_slot);
	free(d->slots);
	*d = (struct pack_directory){ 0 };
}

static int
makes_no_sense(struct err *e)
{
	return (err_set(e, ERR_CORRUPT, "the pack's directory makes no sense"));
}

static int
alloc_frames(struct pack_directory *d, uint32_t n, struct err *e)
{
	d->frames = malloc((n + 1) * sizeof(*d->frames));
	d->codec = malloc(n + 1);
	d->first_slot = malloc((n + 1) * sizeof(*d->first_slot));
	if (d->frames == NULL || d->codec == NULL || d->first_slot == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for a directory"));
	d->nframes = n;
	return (0);
}

/* The frames' part; the frames must fill the pack up to the directory. */
static int
parse_frames(struct pack_directory *d, struct rd *r, uint64_t dir_off,
    struct err *e)
{
	uint64_t off = PACK_HEADER_BYTES;
	uint32_t slots = 0;

	for (uint32_t i = 0; i < d->nframes; i++) {
		struct frame_info *f = &d->frames[i];
		uint16_t n;

		f->no = i;
		f->off = (uint32_t)off;
		f->stored = rd_u32(r);
		f->raw = rd_u32(r);
		d->codec[i] = rd_u8(r);
		n = rd_u16(r);
		if (r->bad || f->stored < FRAME_LEAST || f->raw == 0 ||
		    f->stored > dir_off - off || f->raw > FRAME_RAW_MAX ||
		    d->codec[i] > CODEC_ZSTD || n == 0 || n > FRAME_SLOTS_MAX)
			return (makes_no_sense(e));
		d->first_slot[i] = slots;
		slots += n;
		off += f->stored;
	}
	d->first_slot[d->nframes] = slots;
	if (off != dir_off || rd_left(r) < (uint64_t)slots * DIR_SLOT_BYTES)
		return (makes_no_sense(e));
	return (0);
}

static int
parse_slots(struct pack_directory *d, struct rd *r, struct err *e)
{
	uint32_t total = d->first_slot[d->nframes];

	d->slots = malloc(((size_t)total + 1) * sizeof(*d->slots));
	if (d->slots == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for a directory"));
	for (uint32_t i = 0; i < d->nframes; i++) {
		uint64_t raw = 0;

		for (uint32_t s = d->first_slot[i]; s < d->first_slot[i + 1];
		    s++) {
			rd_bytes(r, d->slots[s].id.b, ID_BYTES);
			d->slots[s].len = rd_u32(r);
			if (d->slots[s].len == 0 || d->slots[s].len > CHUNK_MAX)
				return (makes_no_sense(e));
			raw += d->slots[s].len;
		}
		if (raw != d->frames[i].raw)
			return (makes_no_sense(e));
	}
	return (0);
}

static int
parse_directory(struct pack_directory *d, const uint8_t *plain, size_t len,
    uint64_t dir_off, uint32_t nframes, struct err *e)
{
	uint64_t used;
	struct rd r;

	rd_init(&r, plain, len);
	if (rd_left(&r) < (uint64_t)nframes * DIR_FRAME_BYTES)
		return (makes_no_sense(e));
	if (alloc_frames(d, nframes, e) < 0 ||
	    parse_frames(d, &r, dir_off, e) < 0 || parse_slots(d, &r, e) < 0)
		return (-1);
	used = len - rd_left(&r);
	rd_zeros(&r, rd_left(&r));
	if (!rd_end(&r) || padme(dir_off + used + AEAD_TAG_BYTES +
	    PACK_TRAILER_BYTES) != dir_off + len + AEAD_TAG_BYTES +
	    PACK_TRAILER_BYTES)
		return (makes_no_sense(e));
	return (0);
}

int
pack_directory_open(struct pack_directory *out, const struct pack_seal *s,
    const uint8_t *head, const uint8_t *trailer, const void *sealed,
    size_t len, struct err *e)
{
	uint8_t ad[PACK_HEAD_AD + PACK_TRAILER_BYTES];
	struct pack_directory d = { 0 };
	uint64_t off, dir_len;
	uint32_t nframes;
	uint8_t *plain;
	struct rd r;
	int rv;

	/* The trailer must fit these bytes; its place in the pack was the
	 * caller's to check (pack_trailer_parse). */
	rd_init(&r, trailer, PACK_TRAILER_BYTES);
	off = rd_u64(&r);
	dir_len = rd_u64(&r);
	nframes = rd_u32(&r);
	if (dir_len != len || len < AEAD_TAG_BYTES || len > PACK_DIR_MAX ||
	    nframes > PACK_FRAMES_MAX || off < PACK_HEADER_BYTES ||
	    off > PACK_MAX)
		return (makes_no_sense(e));
	plain = malloc(len);
	if (plain == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for a directory"));
	memcpy(ad, head, PACK_HEAD_AD);
	memcpy(ad + PACK_HEAD_AD, trailer, PACK_TRAILER_BYTES);
	if (aead_open(plain, s->dir_key, 0, ad, sizeof(ad), sealed, len) != 0)
		rv = err_set(e, ERR_CORRUPT, "forged or damaged: the seal of "
		    "the pack's directory doesn't hold");
	else
		rv = parse_directory(&d, plain, len - AEAD_TAG_BYTES, off,
		    nframes, e);
	free(plain);
	if (rv < 0) {
		pack_directory_fini(&d);
		return (-1);
	}
	*out = d;
	return (0);
}
