/* Frames and packs: a frame made elsewhere (vectors.py), round trips, every
 * limit refused, every flipped bit and missing byte noticed, nothing
 * movable. */
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
#include "engine/pack/pack.h"
#include "tests/unit/crypt_fixture.h"
#include "tests/unit/vectors.h"

static struct keyring *ring;
static struct squeezer *squeezer;
static struct pack_seal seal5;		/* of vectors.py: domain 5, data */

static int
setup(void **state)
{
	struct err e = ERR_INIT;
	struct repo_id repo;
	uint8_t salt[SALT_BYTES];

	ring = fix_full();
	fix_repo(&repo);
	fix_salt(salt);
	pack_seal_init(&seal5, &repo, 5, OBJECT_PACK_DATA, salt, v_session);
	return (ring == NULL || squeezer_new(&squeezer, 0, &e) != 0);
}

static int
teardown(void **state)
{
	squeezer_free(squeezer);
	keyring_free(ring);
	return (0);
}

static struct frame *
new_frame(void)
{
	struct err e = ERR_INIT;
	struct frame *f;

	assert_int_equal(frame_new(&f, &e), 0);
	return (f);
}

static void
add(struct frame *f, const void *bytes, size_t len)
{
	struct err e = ERR_INIT;
	struct chunk_id id;
	uint32_t slot, want = f->nslots;
	uint8_t key[32];

	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	hash_keyed(id.b, key, bytes, len);
	assert_int_equal(frame_add(f, &id, bytes, len, &slot, &e), 0);
	assert_int_equal(slot, want);
}

static void
add_text(struct frame *f, size_t len, unsigned seed)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	srand(seed);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)('a' + rand() % 7);
	add(f, p, len);
	free(p);
}

static void
add_noise(struct frame *f, size_t len)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	randombytes_buf(p, len);
	add(f, p, len);
	free(p);
}

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

/* A pack as bytes, made by that ring. */
static struct buf
make_pack(const struct keyring *k, unsigned frames, struct pack_info *info,
    struct frame_info *fi)
{
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct packer *p;
	struct run_id run;
	uint64_t bytes;

	fix_run(&run);
	assert_int_equal(packer_open(&p, &b, k, OBJECT_PACK_DATA, &run, 0,
	    "mix", 3, &e), 0);
	assert_int_equal(b.len, PACK_HEADER_BYTES);
	for (unsigned i = 0; i < frames; i++) {
		struct frame *f = new_frame();

		add_text(f, 100 + i, i);
		add(f, &i, sizeof(i));
		assert_int_equal(packer_next_frame(p), i);
		assert_int_equal(frame_squeeze(f, squeezer, true, &e), 0);
		assert_int_equal(frame_seal(f, packer_seal(p), i, true, &e), 0);
		assert_int_equal(packer_bytes(p), b.len);
		assert_int_equal(packer_add(p, f, &fi[i], &e), 0);
		packer_hash(p, f);
		assert_int_equal(fi[i].off, b.len);
		buf_bytes(&b, f->stored.data, f->stored.len);
		frame_free(f);
	}
	bytes = b.len - PACK_HEADER_BYTES;
	assert_int_equal(packer_close(p, &b, info, &e), 0);
	assert_int_equal(packer_bytes(p), b.len);
	/* A frame of two slots has 11 + 2 * 36 bytes in the directory. */
	assert_int_equal(pack_padding(bytes, frames, 2 * frames), b.len -
	    (PACK_HEADER_BYTES + bytes + frames * 83 + 16 +
	    PACK_TRAILER_BYTES));
	packer_free(p);
	packer_free(NULL);
	assert_int_equal(info->size_bytes, b.len);
	assert_int_equal(padme(b.len), b.len);
	return (b);
}

/* Read a whole pack with nothing but a full keyring. */
static int
read_pack(const uint8_t *p, size_t len, struct pack_info *info,
    struct pack_directory *dir, struct err *e)
{
	uint64_t off, dir_len;
	struct pack_seal s;
	uint32_t n;

	if (len < PACK_HEADER_BYTES + PACK_TRAILER_BYTES)
		return (-1);
	if (pack_header_parse(info, ring, p, e) < 0 ||
	    pack_seal_open(&s, ring, info, e) < 0 ||
	    pack_trailer_parse(&off, &dir_len, &n,
	    p + len - PACK_TRAILER_BYTES, len, e) < 0 ||
	    pack_directory_open(dir, &s, p, p + len - PACK_TRAILER_BYTES,
	    p + off, (size_t)dir_len, e) < 0)
		return (-1);
	for (uint32_t i = 0; i < dir->nframes; i++) {
		struct opened_frame o;

		if (frame_open(&o, &s, i, p + dir->frames[i].off,
		    dir->frames[i].stored, e) < 0) {
			pack_directory_fini(dir);
			return (-1);
		}
		assert_int_equal(o.raw_len, dir->frames[i].raw);
		assert_int_equal(o.nslots,
		    dir->first_slot[i + 1] - dir->first_slot[i]);
		opened_frame_fini(&o);
	}
	return (0);
}

static void
check_pack(const struct keyring *k, unsigned frames)
{
	struct frame_info fi[8];
	struct pack_info info, got;
	struct pack_directory dir;
	struct err e = ERR_INIT;
	struct buf b = make_pack(k, frames, &info, fi);
	uint8_t id[32];

	hash_bytes(id, b.data, b.len);
	assert_memory_equal(id, info.id.b, 32);
	assert_int_equal(read_pack(b.data, b.len, &got, &dir, &e), 0);
	got.id = info.id;
	got.size_bytes = info.size_bytes;
	assert_memory_equal(&got, &info, sizeof(got));
	assert_int_equal(dir.nframes, frames);
	for (unsigned i = 0; i < frames; i++) {
		assert_int_equal(dir.frames[i].no, i);
		assert_int_equal(dir.frames[i].off, fi[i].off);
		assert_int_equal(dir.frames[i].stored, fi[i].stored);
		assert_int_equal(dir.frames[i].raw, fi[i].raw);
		assert_int_equal(dir.slots[2 * i + 1].len, 4);
	}
	pack_directory_fini(&dir);
	buf_fini(&b);
}

static void
test_pack(void **state)
{
	struct keyring *w = fix_put_only(7, 9);

	assert_non_null(w);
	check_pack(ring, 0);
	check_pack(ring, 1);
	check_pack(ring, 8);
	check_pack(w, 3);
	keyring_free(w);
}

static void
flips_in(const struct keyring *k)
{
	struct frame_info fi[3];
	struct pack_info info, got;
	struct pack_directory dir;
	struct err e = ERR_INIT;
	struct buf b = make_pack(k, 3, &info, fi);

	for (size_t bit = 0; bit < b.len * 8; bit += 1 + bit % 3) {
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(read_pack(b.data, b.len, &got, &dir, &e), -1);
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(read_pack(b.data, n, &got, &dir, &e), -1);
	buf_zeros(&b, 8);
	assert_int_equal(read_pack(b.data, b.len, &got, &dir, &e), -1);
	buf_fini(&b);
}

static void
test_pack_flips(void **state)
{
	struct keyring *w = fix_put_only(7, 9);

	assert_non_null(w);
	flips_in(ring);
	flips_in(w);
	keyring_free(w);
}

/* A put-only key writes packs and opens none, not even its own. */
static void
test_pack_put_only(void **state)
{
	struct keyring *w = fix_put_only(7, 9), *other = fix_put_only(8, 9);
	struct pack_info info, got;
	struct frame_info fi[1];
	struct err e = ERR_INIT;
	struct pack_seal s;
	struct buf b = make_pack(w, 1, &info, fi);

	assert_int_equal(info.writer, 7);
	assert_int_equal(info.domain, 9);
	assert_int_equal(info.wrap.kind, WRAP_SEALED);
	assert_int_equal(pack_header_parse(&got, w, b.data, &e), 0);
	assert_int_equal(pack_seal_open(&s, w, &got, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	assert_int_equal(pack_header_parse(&got, other, b.data, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	assert_int_equal(pack_header_parse(&got, ring, b.data, &e), 0);
	assert_int_equal(pack_seal_open(&s, ring, &got, &e), 0);
	buf_fini(&b);
	keyring_free(w);
	keyring_free(other);
}

static void
test_record(void **state)
{
	struct keyring *w = fix_put_only(7, 9);
	struct pack_info info, got;
	struct frame_info fi[1];
	struct buf pack, b = BUF_INIT;
	struct rd r;

	for (int i = 0; i < 2; i++) {
		pack = make_pack(i == 0 ? ring : w, 1, &info, fi);
		buf_reset(&b);
		pack_info_emit(&b, &info);
		assert_int_equal(b.len, i == 0 ? 98 : PACK_RECORD_MAX);
		rd_init(&r, b.data, b.len);
		pack_info_parse(&got, &r);
		assert_true(rd_end(&r));
		assert_memory_equal(&got, &info, sizeof(got));
		for (size_t n = 0; n < b.len; n++) {
			rd_init(&r, b.data, n);
			pack_info_parse(&got, &r);
			assert_true(r.bad);
		}
		buf_fini(&pack);
	}
	/* Kind, wrap, size, size without padding. */
	static const struct { size_t at; uint8_t v; } bad[] = {
		{ 48, 5 }, { 97, 1 }, { 97, 3 }, { 39, 1 }, { 32, 1 },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		uint8_t copy[PACK_RECORD_MAX];

		memcpy(copy, b.data, b.len);
		copy[bad[i].at] = bad[i].v;
		rd_init(&r, copy, b.len);
		pack_info_parse(&got, &r);
		assert_true(r.bad);
	}
	buf_fini(&b);
	keyring_free(w);
}

/* A pack refuses what would pass its limits, and closes well afterwards. */
static void
test_pack_limits(void **state)
{
	struct pack_info info;
	struct frame_info fi;
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	struct packer *p;
	struct run_id run;
	struct frame *f = new_frame();
	uint64_t before;
	int r;

	fix_run(&run);
	assert_int_equal(packer_open(&p, &b, ring, OBJECT_PACK_META, &run, 1,
	    NULL, 0, &e), 0);
	add_noise(f, CHUNK_MAX);
	assert_int_equal(frame_squeeze(f, squeezer, false, &e), 0);
	assert_int_equal(frame_seal(f, packer_seal(p), 0, false, &e), 0);
	do {
		before = packer_bytes(p);
		r = packer_add(p, f, &fi, &e);
		if (r == 0)
			packer_hash(p, f);
	} while (r == 0);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(packer_bytes(p), before);
	buf_reset(&b);
	assert_int_equal(packer_close(p, &b, &info, &e), 0);
	assert_true(info.size_bytes <= PACK_MAX);
	assert_int_equal(before + b.len, info.size_bytes);
	packer_free(p);
	frame_free(f);
	/* 65536 frames and no more. */
	buf_reset(&b);
	assert_int_equal(packer_open(&p, &b, ring, OBJECT_PACK_META, &run, 1,
	    NULL, 0, &e), 0);
	f = new_frame();
	add(f, "x", 1);
	assert_int_equal(frame_squeeze(f, squeezer, false, &e), 0);
	assert_int_equal(frame_seal(f, packer_seal(p), 0, false, &e), 0);
	for (unsigned i = 0; i < PACK_FRAMES_MAX; i++)
		assert_int_equal(packer_add(p, f, &fi, &e), 0);
	assert_int_equal(packer_add(p, f, &fi, &e), -1);
	packer_free(p);
	frame_free(f);
	buf_fini(&b);
}

/* A directory with that plaintext, behind 200 + used bytes of pack. */
static int
open_dir(const struct buf *plain, uint32_t frames, uint64_t off)
{
	uint8_t ad[104], *t = ad + 80, *sealed = malloc(plain->len + 16);
	struct pack_directory d;
	struct err e = ERR_INIT;
	int r;

	assert_non_null(sealed);
	memset(ad, 9, 80);
	le_put64(t, off);
	le_put64(t + 8, plain->len + 16);
	le_put32(t + 16, frames);
	memcpy(t + 20, "VTRE", 4);
	aead_seal(sealed, seal5.dir_key, 0, ad, sizeof(ad), plain->data,
	    plain->len);
	r = pack_directory_open(&d, &seal5, ad, t, sealed, plain->len + 16,
	    &e);
	if (r == 0)
		pack_directory_fini(&d);
	else
		assert_int_equal(e.code, ERR_CORRUPT);
	free(sealed);
	return (r);
}

static void
test_hostile_directory(void **state)
{
	const uint64_t off = 200 + 100;
	struct buf b = BUF_INIT;
	size_t bare;

	buf_u32(&b, 100);	/* stored */
	buf_u32(&b, 9);		/* raw */
	buf_u8(&b, CODEC_RAW);
	buf_u16(&b, 1);
	buf_zeros(&b, 32);
	buf_u32(&b, 9);
	bare = b.len;
	buf_zeros(&b, (size_t)(padme(off + bare + 40) - (off + bare + 40)));
	assert_int_equal(open_dir(&b, 1, off), 0);
	assert_int_equal(open_dir(&b, 0, off), -1);
	assert_int_equal(open_dir(&b, 2, off), -1);
	assert_int_equal(open_dir(&b, 65537, off), -1);
	assert_int_equal(open_dir(&b, 1, off + 1), -1);
	assert_int_equal(open_dir(&b, 1, 199), -1);
	static const struct { size_t at; uint8_t v; } bad[] = {
		{ 0, 99 }, { 0, 101 }, { 3, 255 }, { 4, 8 }, { 4, 0 },
		{ 7, 255 }, { 8, 2 }, { 9, 0 }, { 9, 2 }, { 10, 0x21 },
		{ 43, 8 }, { 46, 255 },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		uint8_t was = b.data[bad[i].at];

		b.data[bad[i].at] = bad[i].v;
		assert_int_equal(open_dir(&b, 1, off), -1);
		b.data[bad[i].at] = was;
	}
	for (size_t n = 0; n < b.len; n++) {
		struct buf t = { b.data, n, b.cap, false };

		assert_int_equal(open_dir(&t, 1, off), -1);
	}
	if (b.len > bare) {
		b.data[b.len - 1] = 1;
		assert_int_equal(open_dir(&b, 1, off), -1);
		b.data[b.len - 1] = 0;
	}
	buf_zeros(&b, 64);
	assert_int_equal(open_dir(&b, 1, off), -1);
	buf_fini(&b);
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
		cmocka_unit_test(test_hostile_plain),
		cmocka_unit_test(test_frame_flips),
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_pack_flips),
		cmocka_unit_test(test_pack_put_only),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_pack_limits),
		cmocka_unit_test(test_hostile_directory),
		cmocka_unit_test(test_threads),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
