/*
 * Compressing frames: zstd, or nothing where nothing is gained.  A round trip
 * is part of the job: this is the one moment at which a fault of memory or
 * compressor can be noticed while the source is still at hand.
 */
#include <zstd.h>

#include "engine/pack/frame.h"
#include "engine/pack/layout.h"

#define LEVEL_DEFAULT	3
#define LEVEL_MOST	22
#define LEVEL_LEAST	(-7)
#define WINDOW_LOG_MOST	23	/* vitrine-format(5), FRAMES */
#define LEVEL_WIDE	19	/* above it zstd would take a larger window */
#define PROBE_LEAST	(16U << 10)	/* smaller frames are just tried */
#define PROBE_SPOTS	32
#define PROBE_BYTES	256	/* a spot */
#define TRIAL_BYTES	(32U << 10)
#define TRIAL_LEVEL	(-1)
#define GAIN_SHIFT	7	/* less than 1/128 is no gain */
#define CONTROLS_SHIFT	4	/* more than 1/16 of them is no text */

/* What a frame's bytes look like. */
enum content { CONTENT_TEXT, CONTENT_BINARY, CONTENT_UNIFORM };

/*
 * The default level's search, made for a frame of 1 MiB: zstd's own choice goes
 * by windows of many, and its tables are then larger than a processor's nearest
 * caches.  Text gains by matches of 5 bytes and more, machine code and tables
 * by those of 4 as well.  Against level 3 as it comes, text takes 8 to 11 %
 * less time for 0.2 to 0.9 % more bytes, binaries 4 to 11 % less time for 0.1
 * to 1.6 % fewer bytes.
 */
struct tuning {
	int hash_log, chain_log, min_match;	/* 0: zstd's own */
};
#define TUNED_LEAST	(256U << 10)	/* for up to that, zstd has its own */
#define TUNED_MOST	(2 * FRAME_TARGET)	/* beyond, they are too small */
static const struct tuning untuned;
static const struct tuning for_text = { 15, 16, 5 };
static const struct tuning for_binary = { 16, 15, 4 };

struct squeezer {
	ZSTD_CCtx *c;
	bool tuned;		/* at the default level */
	ZSTD_CCtx *trial;	/* for probes */
	ZSTD_DCtx *d;
	uint8_t scratch[TRIAL_BYTES];
};

int
squeezer_new(struct squeezer **out, int level, struct err *e)
{
	struct squeezer *s;
	size_t r;

	if (level == 0)
		level = LEVEL_DEFAULT;
	if (level < LEVEL_LEAST || level > LEVEL_MOST)
		return (err_set(e, ERR_USAGE, "compression level %d is not "
		    "within %d to %d", level, LEVEL_LEAST, LEVEL_MOST));
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return (err_set(e, ERR_NOMEM, "no memory to compress"));
	s->tuned = level == LEVEL_DEFAULT;
	s->c = ZSTD_createCCtx();
	s->trial = ZSTD_createCCtx();
	s->d = ZSTD_createDCtx();
	if (s->c == NULL || s->trial == NULL || s->d == NULL) {
		squeezer_free(s);
		return (err_set(e, ERR_NOMEM, "no memory to compress"));
	}
	r = ZSTD_CCtx_setParameter(s->c, ZSTD_c_compressionLevel, level);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(s->c, ZSTD_c_checksumFlag, 0);
	if (!ZSTD_isError(r) && level > LEVEL_WIDE)
		r = ZSTD_CCtx_setParameter(s->c, ZSTD_c_windowLog,
		    WINDOW_LOG_MOST);
	if (ZSTD_isError(r)) {
		squeezer_free(s);
		return (err_set(e, ERR_LIMIT, "zstd: %s",
		    ZSTD_getErrorName(r)));
	}
	*out = s;
	return (0);
}

void
squeezer_free(struct squeezer *s)
{
	if (s == NULL)
		return;
	(void)ZSTD_freeCCtx(s->c);
	(void)ZSTD_freeCCtx(s->trial);
	(void)ZSTD_freeDCtx(s->d);
	free(s);
}

/* Bytes that text has few of, in whatever encoding of eight bits. */
static bool
is_control(unsigned c)
{
	return (c < ' ' && (c < '\t' || c > '\r') && c != '\033');
}

/*
 * By samples.  They look uniform by the number of coincidences: with n samples
 * the sum of squared counts is n + n^2/256 for uniform bytes, and more for any
 * other distribution.
 */
static enum content
content_of(const uint8_t *p, size_t len)
{
	uint32_t count[256] = { 0 };
	const uint64_t n = PROBE_SPOTS * PROBE_BYTES;
	uint64_t sum = 0, controls = 0;
	size_t step;

	if (len < PROBE_LEAST)
		return (CONTENT_TEXT);
	step = (len - PROBE_BYTES) / (PROBE_SPOTS - 1);
	for (size_t i = 0; i < PROBE_SPOTS; i++)
		for (size_t j = 0; j < PROBE_BYTES; j++)
			count[p[i * step + j]]++;
	for (unsigned c = 0; c < 256; c++) {
		sum += (uint64_t)count[c] * count[c];
		controls += is_control(c) ? count[c] : 0;
	}
	/* JPEG and deflate lie within 10 % of the uniform value. */
	if (sum < (n + n * n / 256) * 5 / 4)
		return (CONTENT_UNIFORM);
	return (controls > n >> CONTROLS_SHIFT ? CONTENT_BINARY : CONTENT_TEXT);
}

/* Is compressing uniform bytes a waste of time?  They may still repeat, so a
 * piece out of the middle is tried before that is said. */
static bool
is_hopeless(struct squeezer *s, const uint8_t *p, size_t len)
{
	size_t n = len / 4 < TRIAL_BYTES ? len / 4 : TRIAL_BYTES;
	size_t r;

	r = ZSTD_compressCCtx(s->trial, s->scratch, n, p + len / 2, n,
	    TRIAL_LEVEL);
	return (ZSTD_isError(r) || r > n - (n >> GAIN_SHIFT));
}

static void
set(struct squeezer *s, ZSTD_cParameter what, int value)
{
	BUG_ON(ZSTD_isError(ZSTD_CCtx_setParameter(s->c, what, value)));
}

/* For the next frame. */
static void
tune(struct squeezer *s, enum content content, size_t len)
{
	const struct tuning *t = content == CONTENT_BINARY ? &for_binary :
	    &for_text;

	if (!s->tuned)
		return;
	if (len <= TUNED_LEAST || len > TUNED_MOST)
		t = &untuned;
	set(s, ZSTD_c_hashLog, t->hash_log);
	set(s, ZSTD_c_chainLog, t->chain_log);
	set(s, ZSTD_c_minMatch, t->min_match);
}

static size_t
table_bytes(const struct frame *f)
{
	return (FRAME_TABLE_HEAD + FRAME_SLOT_BYTES * (size_t)f->nslots);
}

/* The slot table, in front of the chunks. */
static void
emit_table(struct buf *b, const struct frame *f, uint8_t codec)
{
	uint8_t *p = buf_grow(b, table_bytes(f));

	if (p == NULL)
		return;
	p[0] = codec;
	p[1] = 0;
	le_put16(p + 2, (uint16_t)f->nslots);
	p += FRAME_TABLE_HEAD;
	for (uint32_t i = 0; i < f->nslots; i++, p += FRAME_SLOT_BYTES) {
		le_put32(p, f->slots[i].len);
		memcpy(p + 4, f->slots[i].id.b, FRAME_ID_BYTES);
	}
}

/* Into `plain', after the table; false when it gains nothing. */
static bool
compress(struct frame *f, struct squeezer *s)
{
	size_t table = f->plain.len;
	size_t most = f->raw.len - (f->raw.len >> GAIN_SHIFT);
	enum content content = content_of(f->raw.data, f->raw.len);
	uint8_t *p;
	size_t r;

	if (content == CONTENT_UNIFORM &&
	    is_hopeless(s, f->raw.data, f->raw.len))
		return (false);
	p = buf_grow(&f->plain, most);
	if (p == NULL)
		return (false);
	tune(s, content, f->raw.len);
	r = ZSTD_compress2(s->c, p, most, f->raw.data, f->raw.len);
	if (ZSTD_isError(r)) {
		/* It did not fit: no gain. */
		f->plain.len = table;
		return (false);
	}
	f->plain.len = table + r;
	f->plain.data[0] = CODEC_ZSTD;
	return (true);
}

/* Decompress again, into `stored', and compare. */
static int
verify_round_trip(struct frame *f, struct squeezer *s, size_t table,
    struct err *e)
{
	uint8_t *p;
	size_t r;

	buf_reset(&f->stored);
	p = buf_grow(&f->stored, f->raw.len);
	if (p == NULL)
		return (buf_ok(&f->stored, e));
	r = ZSTD_decompressDCtx(s->d, p, f->raw.len, f->plain.data + table,
	    f->plain.len - table);
	buf_reset(&f->stored);
	if (ZSTD_isError(r) || r != f->raw.len ||
	    memcmp(p, f->raw.data, r) != 0)
		return (err_set(e, ERR_CORRUPT, "what was compressed doesn't "
		    "decompress to the same: this machine's memory or "
		    "processor is faulty"));
	return (0);
}

int
frame_squeeze(struct frame *f, struct squeezer *s, bool verify, struct err *e)
{
	size_t table = table_bytes(f);

	BUG_ON(f->nslots == 0);
	buf_reset(&f->plain);
	if (buf_reserve(&f->plain, table + f->raw.len, e) < 0)
		return (-1);
	emit_table(&f->plain, f, CODEC_RAW);
	if (s != NULL && compress(f, s)) {
		f->codec = CODEC_ZSTD;
		return (verify ? verify_round_trip(f, s, table, e) : 0);
	}
	f->codec = CODEC_RAW;
	buf_bytes(&f->plain, f->raw.data, f->raw.len);
	return (buf_ok(&f->plain, e));
}
