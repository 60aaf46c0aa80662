/* Packs: round trips, every limit refused, every flipped bit and missing byte
 * noticed, nothing movable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "engine/crypto/aead.h"
#include "tests/unit/frame_fixture.h"

/* A pack as bytes, made by that ring. */
static struct buf
make_pack(const struct keyring *k, enum hash_kind naming, unsigned frames,
    struct pack_info *info, struct frame_info *fi)
{
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct packer *p;
	struct run_id run;
	uint64_t bytes;

	fix_run(&run);
	assert_int_equal(packer_open(&p, &b, k, naming, OBJECT_PACK_DATA, &run,
	    0, "mix", 3, &e), 0);
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
check_pack(const struct keyring *k, enum hash_kind naming, unsigned frames)
{
	struct frame_info fi[8];
	struct pack_info info, got;
	struct pack_directory dir;
	struct err e = ERR_INIT;
	struct buf b = make_pack(k, naming, frames, &info, fi);
	uint8_t id[32];

	if (naming == HASH_SHA256)
		(void)crypto_hash_sha256(id, b.data, b.len);
	else
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
	check_pack(ring, HASH_SHA256, 0);
	check_pack(ring, HASH_SHA256, 1);
	check_pack(ring, HASH_BLAKE2B, 8);
	check_pack(w, HASH_SHA256, 3);
	check_pack(w, HASH_BLAKE2B, 1);
	keyring_free(w);
}

static void
flips_in(const struct keyring *k)
{
	struct frame_info fi[3];
	struct pack_info info, got;
	struct pack_directory dir;
	struct err e = ERR_INIT;
	struct buf b = make_pack(k, HASH_SHA256, 3, &info, fi);

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
	struct buf b = make_pack(w, HASH_SHA256, 1, &info, fi);

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
		pack = make_pack(i == 0 ? ring : w, HASH_SHA256, 1, &info, fi);
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
	assert_int_equal(packer_open(&p, &b, ring, HASH_SHA256,
	    OBJECT_PACK_META, &run, 1, NULL, 0, &e), 0);
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
	assert_int_equal(packer_open(&p, &b, ring, HASH_SHA256,
	    OBJECT_PACK_META, &run, 1, NULL, 0, &e), 0);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_pack_flips),
		cmocka_unit_test(test_pack_put_only),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_pack_limits),
		cmocka_unit_test(test_hostile_directory),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
