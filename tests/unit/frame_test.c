/* Frames: one made elsewhere (vectors.py), round trips, every limit refused,
 * every flipped bit and missing byte noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "engine/crypto/aead.h"
#include "tests/unit/frame_fixture.h"

/* Squeeze, seal as number no, open, compare with what was added. */
static void
round_trip(struct frame *f, uint32_t no, enum codec codec)
{
	struct err e = ERR_INIT;
	struct opened_frame o;
	uint8_t *want = malloc(f->raw.len);
	size_t len = f->raw.len;

	assert_non_null(want);
	memcpy(want, f->raw.data, len);
	assert_int_equal(frame_squeeze(f, squeezer, true, &e), 0);
	assert_int_equal(f->codec, codec);
	assert_int_equal(f->raw.len, len);
	assert_int_equal(frame_seal(f, &seal5, no, true, &e), 0);
	assert_int_equal(frame_open(&o, &seal5, no, f->stored.data,
	    f->stored.len, &e), 0);
	assert_int_equal(o.raw_len, len);
	assert_memory_equal(o.raw, want, len);
	assert_int_equal(o.nslots, f->nslots);
	assert_int_equal(o.off[0], 0);
	for (uint32_t i = 0; i < o.nslots; i++) {
		assert_int_equal(o.off[i + 1] - o.off[i], f->slots[i].len);
		assert_memory_equal(o.prefix[i], f->slots[i].id.b, 8);
	}
	opened_frame_fini(&o);
	free(want);
}

static void
test_frame_vector(void **state)
{
	struct frame *f = new_frame();
	struct err e = ERR_INIT;

	add(f, "one", 3);
	add(f, "three", 5);
	round_trip(f, 9, CODEC_RAW);
	assert_int_equal(f->stored.len, sizeof(v_frame));
	assert_memory_equal(f->stored.data, v_frame, sizeof(v_frame));
	frame_free(f);
	frame_free(NULL);
	(void)e;
}

static void
test_frame_round_trips(void **state)
{
	struct frame *f = new_frame();

	add(f, "x", 1);
	round_trip(f, 0, CODEC_RAW);
	frame_reset(f);
	for (unsigned i = 0; i < 14; i++)
		add_text(f, 70000 + i, i);
	round_trip(f, 1, CODEC_ZSTD);
	assert_true(f->stored.len < 14 * 70000 / 2);
	frame_reset(f);
	for (unsigned i = 0; i < 14; i++)
		add_noise(f, 70000 + i);
	round_trip(f, 65535, CODEC_RAW);
	/* Uniform bytes that repeat are worth compressing. */
	frame_reset(f);
	uint8_t noise[4096];
	randombytes_buf(noise, sizeof(noise));
	for (unsigned i = 0; i < 64; i++)
		add(f, noise, sizeof(noise));
	round_trip(f, 3, CODEC_ZSTD);
	frame_reset(f);
	for (unsigned i = 0; i < FRAME_SLOTS_MAX; i++) {
		assert_true(frame_has_room(f, 100));
		add(f, &i, 1 + i % 4);
	}
	assert_false(frame_has_room(f, 1));
	round_trip(f, 4, CODEC_ZSTD);
	frame_reset(f);
	assert_true(frame_has_room(f, CHUNK_MAX));
	add_text(f, CHUNK_MAX, 5);
	assert_false(frame_has_room(f, 1));
	round_trip(f, 5, CODEC_ZSTD);
	frame_free(f);
}

static void
test_frame_limits(void **state)
{
	struct frame *f = new_frame();
	struct err e = ERR_INIT;
	struct chunk_id id = { { 0 } };
	uint32_t slot;
	uint8_t *p = calloc(1, CHUNK_MAX + 1);
	struct squeezer *s;

	assert_non_null(p);
	assert_false(frame_has_room(f, CHUNK_MAX + 1));
	assert_int_equal(frame_add(f, &id, p, CHUNK_MAX + 1, &slot, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(frame_add(f, &id, p, 0, &slot, &e), -1);
	add(f, p, FRAME_TARGET - 10);
	assert_true(frame_has_room(f, 10));
	assert_false(frame_has_room(f, 11));
	assert_int_equal(frame_add(f, &id, p, CHUNK_MAX, &slot, &e), 0);
	assert_int_equal(frame_add(f, &id, p, 11, &slot, &e), -1);
	frame_reset(f);
	for (uint32_t i = 0; i < FRAME_SLOTS_MAX; i++)
		assert_int_equal(frame_add(f, &id, p, 1, &slot, &e), 0);
	assert_false(frame_has_room(f, 1));
	assert_int_equal(frame_add(f, &id, p, 1, &slot, &e), -1);
	assert_int_equal(squeezer_new(&s, 23, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_int_equal(squeezer_new(&s, -8, &e), -1);
	squeezer_free(NULL);
	frame_free(f);
	free(p);
}

/* The window stays within the format's limit at the highest level as well. */
static void
test_levels(void **state)
{
	static const int levels[] = { -7, 1, 3, 12, 19, 22 };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		struct frame *f = new_frame();
		struct opened_frame o;
		struct squeezer *s;
		uint8_t *p = malloc(10 << 20);

		assert_non_null(p);
		randombytes_buf(p, 1 << 20);
		for (size_t j = 1; j < 10; j++)
			memset(p + (j << 20), (int)j, 1 << 20);
		add(f, p, 10 << 20);
		assert_int_equal(squeezer_new(&s, levels[i], &e), 0);
		assert_int_equal(frame_squeeze(f, s, true, &e), 0);
		assert_int_equal(f->codec, CODEC_ZSTD);
		assert_int_equal(frame_seal(f, &seal5, 0, true, &e), 0);
		assert_int_equal(frame_open(&o, &seal5, 0, f->stored.data,
		    f->stored.len, &e), 0);
		assert_memory_equal(o.raw, p, 10 << 20);
		opened_frame_fini(&o);
		squeezer_free(s);
		frame_free(f);
		free(p);
	}
}

/* Records of a few numbers: neither text nor uniform. */
static void
add_records(struct frame *f, size_t len, unsigned seed)
{
	uint32_t *p = malloc(len);

	assert_non_null(p);
	srand(seed);
	for (size_t i = 0; i < len / sizeof(*p); i++)
		p[i] = (uint32_t)(rand() % 500);
	add(f, p, len);
	free(p);
}

static void
fill(struct frame *f, unsigned kind)
{
	frame_reset(f);
	switch (kind) {
	case 0:
		add_text(f, 1 << 20, 1);
		break;
	case 1:
		add_records(f, 1 << 20, 2);
		break;
	case 2:
		add_text(f, 100 << 10, 3);
		break;
	case 3:
		add_records(f, 4 << 20, 4);
		break;
	default:
		add_noise(f, 1 << 20);
	}
}

/* What a squeezer did before leaves no trace in what it does: any thread's
 * gives the same bytes. */
static void
test_squeezer_forgets(void **state)
{
	static const int levels[] = { 0, 1, 3 };
	enum { KINDS = 5 };
	struct frame *f = new_frame(), *g = new_frame();
	struct squeezer *used, *fresh;
	struct err e = ERR_INIT;

	for (size_t l = 0; l < sizeof(levels) / sizeof(*levels); l++) {
		assert_int_equal(squeezer_new(&used, levels[l], &e), 0);
		for (unsigned i = 0; i < KINDS * KINDS; i++) {
			fill(f, i % 2 == 0 ? i / 2 % KINDS : i / KINDS);
			frame_reset(g);
			add(g, f->raw.data, f->raw.len);
			assert_int_equal(squeezer_new(&fresh, levels[l], &e),
			    0);
			assert_int_equal(frame_squeeze(f, used, true, &e), 0);
			assert_int_equal(frame_squeeze(g, fresh, true, &e), 0);
			assert_int_equal(f->plain.len, g->plain.len);
			assert_memory_equal(f->plain.data, g->plain.data,
			    f->plain.len);
			squeezer_free(fresh);
		}
		squeezer_free(used);
	}
	frame_free(f);
	frame_free(g);
}

/* Seal any bytes as a frame: what an enemy with the key could do. */
static int
open_plain(const void *plain, size_t len, struct opened_frame *o,
    struct err *e)
{
	struct frame *f = new_frame();
	int r;

	buf_bytes(&f->plain, plain, len);
	f->codec = f->plain.data[0];
	assert_int_equal(frame_seal(f, &seal5, 0, false, e), 0);
	r = frame_open(o, &seal5, 0, f->stored.data, f->stored.len, e);
	frame_free(f);
	return (r);
}

static void
refuse_plain(const struct buf *b)
{
	struct err e = ERR_INIT;
	struct opened_frame o;

	assert_int_equal(open_plain(b->data, b->len, &o, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
}

/* codec, one slot that claims `claim' bytes, then these. */
static struct buf
one_slot(uint8_t codec, uint32_t claim, const void *bytes, size_t len)
{
	struct buf b = BUF_INIT;

	buf_u8(&b, codec);
	buf_u8(&b, 0);
	buf_u16(&b, 1);
	buf_u32(&b, claim);
	buf_u64(&b, 7);
	buf_bytes(&b, bytes, len);
	return (b);
}

static void
test_hostile_plain(void **state)
{
	struct err e = ERR_INIT;
	struct opened_frame o;
	uint8_t z[4096], skip[8 + sizeof(z)], *big = calloc(1, 9 << 20);
	char text[1000];
	struct buf b;
	size_t n;

	memset(text, 'a', sizeof(text));
	n = ZSTD_compress(z, sizeof(z), text, sizeof(text), 3);
	b = one_slot(CODEC_ZSTD, 1000, z, n);
	assert_int_equal(open_plain(b.data, b.len, &o, &e), 0);
	opened_frame_fini(&o);
	for (size_t cut = 1; cut < b.len; cut++) {
		struct buf t = { b.data, cut, b.cap, false };

		refuse_plain(&t);
	}
	b.data[1] = 1;		/* zero byte */
	refuse_plain(&b);
	b.data[1] = 0;
	b.data[0] = 2;		/* codec */
	refuse_plain(&b);
	b.data[0] = CODEC_ZSTD;
	le_put16(b.data + 2, 0);
	refuse_plain(&b);
	le_put16(b.data + 2, 8193);
	refuse_plain(&b);
	buf_fini(&b);

	static const uint32_t claims[] = { 0, 999, 1001, CHUNK_MAX + 1,
	    UINT32_MAX };
	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
		b = one_slot(CODEC_ZSTD, claims[i], z, n);
		refuse_plain(&b);
		buf_fini(&b);
		b = one_slot(CODEC_RAW, claims[i], text, sizeof(text));
		refuse_plain(&b);
		buf_fini(&b);
	}
	/* Two zstd frames, a skippable one in front. */
	memcpy(z + n, z, n);
	b = one_slot(CODEC_ZSTD, 2000, z, 2 * n);
	refuse_plain(&b);
	buf_fini(&b);
	le_put32(skip, 0x184d2a50);
	le_put32(skip + 4, 0);
	memcpy(skip + 8, z, n);
	b = one_slot(CODEC_ZSTD, 1000, skip, n + 8);
	refuse_plain(&b);
	buf_fini(&b);
	/* A window above 8 MiB, declared or as the single segment. */
	assert_non_null(big);
	n = ZSTD_compress(z, sizeof(z), big, 9 << 20, 3);
	b = one_slot(CODEC_ZSTD, 9 << 20, z, n);
	assert_int_equal(open_plain(b.data, b.len, &o, &e), 0);
	opened_frame_fini(&o);
	assert_int_equal(z[4] & 0x20, 0);
	b.data[16 + 5] = 14 << 3;
	refuse_plain(&b);
	buf_fini(&b);
	ZSTD_CCtx *c = ZSTD_createCCtx();
	assert_non_null(c);
	(void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 24);
	n = ZSTD_compress2(c, z, sizeof(z), big, 9 << 20);
	assert_int_equal(z[4] & 0x20, 0x20);
	b = one_slot(CODEC_ZSTD, 9 << 20, z, n);
	refuse_plain(&b);
	buf_fini(&b);
	ZSTD_freeCCtx(c);
	free(big);
	/* 8192 slots that together pass the limit. */
	b = (struct buf)BUF_INIT;
	buf_u16(&b, CODEC_ZSTD);
	buf_u16(&b, 8192);
	for (int i = 0; i < 8192; i++) {
		buf_u32(&b, CHUNK_MAX);
		buf_u64(&b, 0);
	}
	refuse_plain(&b);
	buf_fini(&b);
}

static void
test_frame_flips(void **state)
{
	uint8_t bad[sizeof(v_frame) + 1];
	struct err e = ERR_INIT;
	struct opened_frame o;
	struct pack_seal s;

	assert_int_equal(frame_open(&o, &seal5, 9, v_frame, sizeof(v_frame),
	    &e), 0);
	opened_frame_fini(&o);
	for (size_t bit = 0; bit < sizeof(v_frame) * 8; bit++) {
		memcpy(bad, v_frame, sizeof(v_frame));
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(frame_open(&o, &seal5, 9, bad,
		    sizeof(v_frame), &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
	}
	for (size_t n = 0; n < sizeof(v_frame); n++)
		assert_int_equal(frame_open(&o, &seal5, 9, v_frame, n, &e),
		    -1);
	memcpy(bad, v_frame, sizeof(v_frame));
	bad[sizeof(v_frame)] = 0;
	assert_int_equal(frame_open(&o, &seal5, 9, bad, sizeof(bad), &e), -1);
	/* Nothing may be moved to another place. */
	assert_int_equal(frame_open(&o, &seal5, 8, v_frame, sizeof(v_frame),
	    &e), -1);
	s = seal5;
	s.domain = 4;
	assert_int_equal(frame_open(&o, &s, 9, v_frame, sizeof(v_frame), &e),
	    -1);
	s = seal5;
	s.kind = OBJECT_PACK_META;
	assert_int_equal(frame_open(&o, &s, 9, v_frame, sizeof(v_frame), &e),
	    -1);
	s = seal5;
	s.repo.b[0] ^= 1;
	assert_int_equal(frame_open(&o, &s, 9, v_frame, sizeof(v_frame), &e),
	    -1);
	s = seal5;
	s.salt[31] ^= 1;
	assert_int_equal(frame_open(&o, &s, 9, v_frame, sizeof(v_frame), &e),
	    -1);
}

static void *
open_much(void *arg)
{
	struct err e = ERR_INIT;
	struct opened_frame o;
	struct frame *f = arg;

	for (int i = 0; i < 50; i++) {
		if (frame_open(&o, &seal5, 1, f->stored.data, f->stored.len,
		    &e) != 0)
			return (arg);
		opened_frame_fini(&o);
	}
	return (NULL);
}

static void
test_threads(void **state)
{
	struct frame *f = new_frame();
	struct err e = ERR_INIT;
	pthread_t t[4];

	add_text(f, 100000, 1);
	assert_int_equal(frame_squeeze(f, squeezer, true, &e), 0);
	assert_int_equal(frame_seal(f, &seal5, 1, true, &e), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, open_much, f), 0);
	for (int i = 0; i < 4; i++) {
		void *bad;

		assert_int_equal(pthread_join(t[i], &bad), 0);
		assert_null(bad);
	}
	frame_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_vector),
		cmocka_unit_test(test_frame_round_trips),
		cmocka_unit_test(test_frame_limits),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_squeezer_forgets),
		cmocka_unit_test(test_hostile_plain),
		cmocka_unit_test(test_frame_flips),
		cmocka_unit_test(test_threads),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
