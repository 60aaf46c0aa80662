/*
 * Frames on the reading side.  The seal says that a writer of this repository
 * made the bytes, not that they make sense: everything behind it is parsed as
 * if an enemy had written it.
 */
#include <pthread.h>
#include <zstd.h>

#include "engine/base/rd.h"
#include "engine/crypto/aead.h"
#include "engine/pack/layout.h"
#include "engine/pack/seal.h"

#define WINDOW_MOST	(8ULL << 20)
#define ZSTD_MAGIC	0xfd2fb528U
#define ROOM_MIN	(64U << 10)
#define PART_MOST	7		/* eighths of a frame */
#define PART_OF		8

/*
 * What it takes to open a frame, kept for the next one: making and faulting in
 * this memory anew costs as much as decrypting.  They are lent, the last one
 * returned first, so that there are as many as frames were opened at a time,
 * not as there are threads.
 */
struct workspace {
	struct workspace *next;
	ZSTD_DCtx *d;
	struct buf plain;	/* what was behind the seal */
};
#define PLAIN_KEPT	(2 * FRAME_TARGET)
#define KEPT_MAX	64	/* beyond any number of threads that helps */

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static struct workspace *kept;		/* kept_lock */
static unsigned nkept;			/* kept_lock */

static void
workspace_free(struct workspace *w)
{
	(void)ZSTD_freeDCtx(w->d);
	buf_fini(&w->plain);
	free(w);
}

/* NULL without memory. */
static struct workspace *
workspace_get(void)
{
	struct workspace *w;

	(void)pthread_mutex_lock(&kept_lock);
	w = kept;
	if (w != NULL) {
		kept = w->next;
		nkept--;
	}
	(void)pthread_mutex_unlock(&kept_lock);
	if (w != NULL)
		return (w);
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return (NULL);
	w->d = ZSTD_createDCtx();
	if (w->d == NULL) {
		workspace_free(w);
		return (NULL);
	}
	return (w);
}

static void
workspace_put(struct workspace *w)
{
	if (w->plain.cap > PLAIN_KEPT)
		buf_fini(&w->plain);
	(void)pthread_mutex_lock(&kept_lock);
	if (nkept < KEPT_MAX) {
		w->next = kept;
		kept = w;
		nkept++;
		w = NULL;
	}
	(void)pthread_mutex_unlock(&kept_lock);
	if (w != NULL)
		workspace_free(w);
}

void
opened_frame_fini(struct opened_frame *f)
{
	free(f->raw);
	free(f->off);
	free(f->prefix);
	*f = (struct opened_frame){ 0 };
}

size_t
opened_frame_room(size_t raw_len)
{
	size_t room = ROOM_MIN;

	if (raw_len > FRAME_TARGET)
		return (raw_len);
	while (room < raw_len)
		room *= 2;
	return (room);
}

size_t
opened_frame_bytes(const struct opened_frame *f)
{
	return (f->raw_cap + (f->off == NULL ? 0 : sizeof(*f->off) +
	    f->slots_cap * (sizeof(*f->off) + sizeof(*f->prefix))));
}

/* Memory for n slots; what stood in it is lost. */
static int
reserve_slots(struct opened_frame *f, uint32_t n, struct err *e)
{
	if (f->off != NULL && f->prefix != NULL && n <= f->slots_cap)
		return (0);
	free(f->off);
	free(f->prefix);
	f->off = malloc((n + 1) * sizeof(*f->off));
	f->prefix = malloc(n * sizeof(*f->prefix));
	if (f->off == NULL || f->prefix == NULL) {
		free(f->off);
		free(f->prefix);
		f->off = NULL;
		f->prefix = NULL;
		return (err_set(e, ERR_NOMEM, "no memory for a frame"));
	}
	f->slots_cap = n;
	return (0);
}

/* Memory for so many raw bytes; what stood in it is lost. */
static int
reserve_raw(struct opened_frame *f, size_t len, struct err *e)
{
	if (f->raw != NULL && len <= f->raw_cap)
		return (0);
	free(f->raw);
	f->raw_cap = opened_frame_room(len);
	f->raw = malloc(f->raw_cap);
	if (f->raw == NULL) {
		f->raw_cap = 0;
		return (err_set(e, ERR_NOMEM, "no memory for a frame"));
	}
	return (0);
}

static int
corrupt(struct err *e, const char *what)
{
	return (err_set(e, ERR_CORRUPT, "%s", what));
}

/* The prefix: what the sealed bytes' length and codec are said to be. */
static int
parse_prefix(uint8_t *codec, const uint8_t *stored, size_t len, struct err *e)
{
	struct rd r;
	uint32_t n;

	rd_init(&r, stored, len);
	n = rd_u32(&r);
	*codec = rd_u8(&r);
	rd_zeros(&r, 3);
	if (r.bad || n != rd_left(&r) || *codec > CODEC_ZSTD ||
	    n < AEAD_TAG_BYTES)
		return (corrupt(e, "the frame's prefix makes no sense"));
	return (0);
}

/* The slot table; what is left in r are the chunks. */
static int
parse_table(struct opened_frame *f, struct rd *r, uint8_t codec, struct err *e)
{
	uint8_t inner = rd_u8(r);
	uint64_t sum = 0;
	struct rd t;
	uint32_t n;
	size_t len;

	rd_zeros(r, 1);
	n = rd_u16(r);
	len = FRAME_SLOT_BYTES * (size_t)n;
	if (r->bad || inner != codec || n == 0 || n > FRAME_SLOTS_MAX ||
	    rd_left(r) < len)
		return (corrupt(e, "the frame's head makes no sense"));
	if (reserve_slots(f, n, e) < 0)
		return (-1);
	rd_init(&t, rd_view(r, len), len);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t chunk = rd_u32(&t);

		rd_bytes(&t, f->prefix[i], FRAME_ID_BYTES);
		f->off[i] = (uint32_t)sum;
		sum += chunk;
		if (chunk == 0 || chunk > CHUNK_MAX || sum > FRAME_RAW_MAX)
			return (corrupt(e,
			    "the frame's slots make no sense"));
	}
	f->off[n] = (uint32_t)sum;
	f->have = 0;
	f->nslots = n;
	f->raw_len = (size_t)sum;
	return (0);
}

/*
 * Exactly one zstd frame, without dictionary, its window within the limit.
 * Zstd's one-pass decoder needs no window and so doesn't look, but other
 * readers stream.
 */
static bool
zstd_is_ours(const uint8_t *p, size_t len)
{
	uint8_t flags, window;
	struct rd r;

	rd_init(&r, p, len);
	if (rd_u32(&r) != ZSTD_MAGIC)
		return (false);
	flags = rd_u8(&r);
	if ((flags & 3) != 0)
		return (false);
	if ((flags & 0x20) == 0) {
		window = rd_u8(&r);
		uint64_t base = 1ULL << (10 + (window >> 3));

		if (base + base / 8 * (window & 7) > WINDOW_MOST)
			return (false);
	} else if (ZSTD_getFrameContentSize(p, len) > WINDOW_MOST) {
		return (false);
	}
	return (!r.bad && ZSTD_findFrameCompressedSize(p, len) == len);
}

static int
zstd_failed(size_t n, struct err *e)
{
	return (err_set(e, ERR_CORRUPT, "the frame doesn't decompress: %s",
	    ZSTD_getErrorName(n)));
}

static int
decode_all(struct opened_frame *f, ZSTD_DCtx *d, const uint8_t *p, size_t len,
    struct err *e)
{
	size_t n = ZSTD_decompressDCtx(d, f->raw, f->raw_len, p, len);

	if (ZSTD_isError(n))
		return (zstd_failed(n, e));
	if (n != f->raw_len)
		return (corrupt(e, "the frame decompresses to another length"));
	return (0);
}

/* The first `end' bytes: block by block, until they are there. */
static int
decode_part(struct opened_frame *f, ZSTD_DCtx *d, const uint8_t *p, size_t len,
    size_t end, struct err *e)
{
	ZSTD_inBuffer in = { p, len, 0 };
	ZSTD_outBuffer out = { f->raw, end, 0 };
	size_t n = ZSTD_initDStream(d);

	while (!ZSTD_isError(n) && out.pos < end) {
		size_t before = in.pos + out.pos;

		n = ZSTD_decompressStream(d, &out, &in);
		if (!ZSTD_isError(n) && out.pos < end &&
		    (n == 0 || in.pos + out.pos == before))
			return (corrupt(e, "the frame decompresses to another "
			    "length"));
	}
	return (ZSTD_isError(n) ? zstd_failed(n, e) : 0);
}

/* How much to decode for the sake of that slot. */
static size_t
end_for(const struct opened_frame *f, uint32_t slot)
{
	size_t end = slot < f->nslots ? f->off[slot + 1] : f->raw_len;

	/* In one pass it is faster. */
	return (end > f->raw_len / PART_OF * PART_MOST ? f->raw_len : end);
}

static int
decode(struct opened_frame *f, struct rd *r, uint8_t codec, uint32_t slot,
    ZSTD_DCtx *d, struct err *e)
{
	size_t end = end_for(f, slot), len = rd_left(r);
	const uint8_t *p = rd_view(r, len);
	int rc = 0;

	if (codec == CODEC_RAW ? len != f->raw_len : !zstd_is_ours(p, len))
		return (corrupt(e, "the frame's chunks make no sense"));
	if (reserve_raw(f, end, e) < 0)
		return (-1);
	if (codec == CODEC_RAW)
		memcpy(f->raw, p, end);
	else if (end == f->raw_len)
		rc = decode_all(f, d, p, len, e);
	else
		rc = decode_part(f, d, p, len, end, e);
	f->have = rc == 0 ? end : 0;
	return (rc);
}

/* Open the seal into w->plain and take apart what it held. */
static int
open_in(struct workspace *w, struct opened_frame *f, const struct pack_seal *s,
    uint32_t no, uint8_t codec, const uint8_t *sealed, size_t len,
    uint32_t slot, struct err *e)
{
	uint8_t ad[FRAME_AD_BYTES];
	struct rd r;

	buf_reset(&w->plain);
	if (buf_reserve(&w->plain, len, e) < 0)
		return (-1);
	frame_ad(ad, s, codec, no);
	if (aead_open(w->plain.data, s->frame_key, no, ad, sizeof(ad), sealed,
	    len) != 0)
		return (corrupt(e, "forged or damaged: the frame's seal "
		    "doesn't hold"));
	rd_init(&r, w->plain.data, len - AEAD_TAG_BYTES);
	if (parse_table(f, &r, codec, e) < 0)
		return (-1);
	return (decode(f, &r, codec, slot, w->d, e));
}

int
frame_reopen_slot(struct opened_frame *f, const struct pack_seal *s,
    uint32_t no, const void *stored, size_t len, uint32_t slot, struct err *e)
{
	const uint8_t *bytes = stored;
	struct workspace *w;
	uint8_t codec;
	int r;

	f->nslots = 0;
	f->raw_len = f->have = 0;
	if (parse_prefix(&codec, bytes, len, e) < 0)
		return (-1);
	w = workspace_get();
	if (w == NULL)
		return (err_set(e, ERR_NOMEM, "no memory to open a frame"));
	r = open_in(w, f, s, no, codec, bytes + FRAME_PREFIX,
	    len - FRAME_PREFIX, slot, e);
	workspace_put(w);
	if (r < 0) {
		f->nslots = 0;
		f->raw_len = f->have = 0;
	}
	return (r);
}

int
frame_reopen(struct opened_frame *f, const struct pack_seal *s, uint32_t no,
    const void *stored, size_t len, struct err *e)
{
	return (frame_reopen_slot(f, s, no, stored, len, FRAME_SLOTS_MAX, e));
}

int
frame_open(struct opened_frame *out, const struct pack_seal *s, uint32_t no,
    const void *stored, size_t len, struct err *e)
{
	struct opened_frame f = { 0 };

	if (frame_reopen(&f, s, no, stored, len, e) < 0) {
		opened_frame_fini(&f);
		return (-1);
	}
	*out = f;
	return (0);
}
