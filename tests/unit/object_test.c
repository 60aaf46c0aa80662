/* Heads, padding, sealed and plain objects: against ones made elsewhere
 * (vectors.py), every flipped bit and missing byte noticed, limits refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "engine/crypto/aead.h"
#include "engine/pack/object.h"
#include "tests/unit/crypt_fixture.h"
#include "tests/unit/vectors.h"

static struct keyring *ring, *writer7, *writer8;
static struct run_id run;

static int
setup(void **state)
{
	ring = fix_full();
	writer7 = fix_put_only(7, 3);
	writer8 = fix_put_only(8, 3);
	fix_run(&run);
	return (ring == NULL || writer7 == NULL || writer8 == NULL);
}

static int
teardown(void **state)
{
	keyring_free(ring);
	keyring_free(writer7);
	keyring_free(writer8);
	return (0);
}

static void
test_padme(void **state)
{
	static const struct { uint64_t in, out; } want[] = {
		{ 0, 0 }, { 1, 1 }, { 2, 2 }, { 3, 3 }, { 4, 4 }, { 5, 5 },
		{ 7, 7 }, { 8, 8 }, { 9, 10 }, { 10, 10 }, { 11, 12 },
		{ 100, 104 }, { 1000, 1024 }, { 1025, 1088 },
		{ (1 << 20) + 1, (1 << 20) + (1 << 15) },
		{ (32 << 20) - 1, 32 << 20 },
		{ (32 << 20) + 1, (32 << 20) + (1 << 20) },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		assert_int_equal(padme(want[i].in), want[i].out);
	for (uint64_t n = 0; n < 100000; n++) {
		uint64_t p = padme(n);

		assert_true(p >= n && padme(p) == p);
		assert_true(p <= n + n / 8 + 1);
	}
}

static void
test_head(void **state)
{
	struct head h = { .kind = OBJECT_TABLE, .domain = 1, .writer = 2 }, g;
	static const enum object_kind table = OBJECT_TABLE, slot = OBJECT_SLOT;
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	struct repo_id other = { { 1 } };
	struct rd r;

	head_emit(&b, &h);
	assert_int_equal(b.len, HEAD_BYTES);
	rd_init(&r, b.data, b.len);
	assert_int_equal(head_parse(&g, &r, &table, &h.repo, &e), 0);
	assert_int_equal(g.domain, 1);
	assert_int_equal(g.writer, 2);
	rd_init(&r, b.data, b.len);
	assert_int_equal(head_parse(&g, &r, NULL, NULL, &e), 0);
	rd_init(&r, b.data, b.len);
	assert_int_equal(head_parse(&g, &r, &slot, NULL, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	rd_init(&r, b.data, b.len);
	assert_int_equal(head_parse(&g, &r, NULL, &other, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	for (size_t n = 0; n < HEAD_BYTES; n++) {
		rd_init(&r, b.data, n);
		assert_int_equal(head_parse(&g, &r, NULL, NULL, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
	}
	for (size_t at = 5; at < 8; at++) {
		b.data[at] ^= 2;
		rd_init(&r, b.data, b.len);
		assert_int_equal(head_parse(&g, &r, NULL, NULL, &e), -1);
		assert_int_equal(e.code, ERR_VERSION);
		b.data[at] ^= 2;
	}
	b.data[0] = 'v';
	rd_init(&r, b.data, b.len);
	assert_int_equal(head_parse(&g, &r, NULL, NULL, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	buf_fini(&b);
}

static int
open_sealed(const uint8_t *p, size_t len, struct buf *content, struct err *e)
{
	struct sealed s;

	return (sealed_open(&s, content, ring, OBJECT_MANIFEST, p, len, e));
}

static int
open_plain(const struct keyring *k, const uint8_t *p, size_t len,
    struct buf *content, bool *verified, struct err *e)
{
	struct sealed s;

	return (plain_open(&s, content, verified, k, OBJECT_LEASE, p, len, e));
}

static void
test_sealed_vector(void **state)
{
	struct buf c = BUF_INIT;
	struct err e = ERR_INIT;
	struct sealed s;

	buf_u8(&c, 'x');
	assert_int_equal(sealed_open(&s, &c, ring, OBJECT_MANIFEST, v_sealed,
	    sizeof(v_sealed), &e), 0);
	assert_int_equal(c.len, 16);
	assert_memory_equal(c.data, "xa manifest, say", 16);
	assert_memory_equal(s.run.b, run.b, 16);
	assert_int_equal(s.head.writer, 0);
	assert_int_equal(sealed_open(&s, &c, ring, OBJECT_FORWARDS, v_sealed,
	    sizeof(v_sealed), &e), -1);
	assert_int_equal(sealed_open(&s, &c, writer7, OBJECT_MANIFEST,
	    v_sealed, sizeof(v_sealed), &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	buf_fini(&c);
}

static void
sealed_from(const struct keyring *k)
{
	static const size_t lens[] = { 0, 1, 5, 100, 5000 };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		struct buf in = BUF_INIT, out = BUF_INIT, got = BUF_INIT;

		if (lens[i] > 0)
			randombytes_buf(buf_grow(&in, lens[i]), lens[i]);
		assert_int_equal(sealed_emit(&out, k, OBJECT_MANIFEST, &run, i,
		    &in, &e), 0);
		assert_int_equal(out.len, padme(out.len));
		assert_int_equal(open_sealed(out.data, out.len, &got, &e), 0);
		assert_int_equal(got.len, in.len);
		if (got.len > 0)
			assert_memory_equal(got.data, in.data, in.len);
		buf_reset(&got);
		for (size_t bit = 0; bit < out.len * 8; bit++) {
			out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(open_sealed(out.data, out.len, &got,
			    &e), -1);
			out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (lens[i] > 1000 && bit % 64 == 63)
				bit += 512;
		}
		for (size_t n = 0; n < out.len; n += 1 + n / 300)
			assert_int_equal(open_sealed(out.data, n, &got, &e),
			    -1);
		buf_u8(&out, 0);
		assert_int_equal(open_sealed(out.data, out.len, &got, &e), -1);
		assert_int_equal(got.len, 0);
		buf_fini(&in);
		buf_fini(&out);
		buf_fini(&got);
	}
}

static void
test_sealed(void **state)
{
	sealed_from(ring);
	sealed_from(writer7);
}

/* Behind valid MAC and seal: a body that isn't canonical. */
static void
test_sealed_hostile(void **state)
{
	uint8_t ck[16 + 4 + 1 + 32], key[32], bad[sizeof(v_sealed)];
	uint8_t body[sizeof(v_sealed)];
	size_t n = sizeof(v_sealed) - 208 - 16;
	struct buf c = BUF_INIT;
	struct err e = ERR_INIT;
	struct repo_id repo;

	fix_repo(&repo);
	memset(ck, 0, sizeof(ck));
	memcpy(ck, repo.b, 16);
	ck[20] = OBJECT_MANIFEST;
	fix_salt(ck + 21);
	derive(key, v_session, "body", ck, sizeof(ck));
	memcpy(bad, v_sealed, sizeof(bad));
	assert_int_equal(aead_open(body, key, 0, bad, 208, bad + 208, n + 16),
	    0);
	for (unsigned i = 0; i < 4; i++) {
		uint8_t copy[sizeof(v_sealed)];

		memcpy(copy, body, n);
		if (i == 0)
			copy[n - 1] = 1;	/* padding */
		if (i == 1)
			le_put32(copy, (uint32_t)n - 3);
		if (i == 2)
			le_put32(copy, UINT32_MAX);
		if (i == 3) {
			/* Less content than that much padding is for. */
			memset(copy, 0, n);
		}
		aead_seal(bad + 208, key, 0, bad, 208, copy, n);
		assert_int_equal(open_sealed(bad, sizeof(bad), &c, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
	}
	buf_fini(&c);
}

/* One writer's key makes nothing in another's name. */
static void
test_forged_writer(void **state)
{
	struct buf in = BUF_INIT, out = BUF_INIT, got = BUF_INIT;
	struct err e = ERR_INIT;
	uint8_t key[32];
	bool v;

	buf_bytes(&in, "hello", 5);
	assert_int_equal(sealed_emit(&out, writer7, OBJECT_MANIFEST, &run, 0,
	    &in, &e), 0);
	le_put32(out.data + 28, 8);
	assert_int_equal(keyring_writer_key(writer7, 7, key, &e), 0);
	derive(out.data + 176, key, "object", out.data, 176);
	assert_int_equal(open_sealed(out.data, out.len, &got, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	buf_reset(&out);
	assert_int_equal(plain_emit(&out, writer7, OBJECT_LEASE, &run, &in,
	    &e), 0);
	le_put32(out.data + 28, 8);
	derive(out.data + out.len - 32, key, "plain", out.data, out.len - 32);
	assert_int_equal(open_plain(ring, out.data, out.len, &got, &v, &e),
	    -1);
	assert_int_equal(open_plain(writer8, out.data, out.len, &got, &v, &e),
	    -1);
	/* Who doesn't hold writer 8's key can't know. */
	assert_int_equal(open_plain(writer7, out.data, out.len, &got, &v, &e),
	    0);
	assert_false(v);
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&got);
}

static void
test_plain(void **state)
{
	struct buf in = BUF_INIT, out = BUF_INIT, got = BUF_INIT;
	struct err e = ERR_INIT;
	bool v = false;

	assert_int_equal(open_plain(ring, v_plain, sizeof(v_plain), &got, &v,
	    &e), 0);
	assert_true(v);
	assert_int_equal(got.len, 15);
	assert_memory_equal(got.data, "a manifest, say", 15);
	buf_bytes(&in, "a manifest, say", 15);
	assert_int_equal(plain_emit(&out, writer7, OBJECT_LEASE, &run, &in,
	    &e), 0);
	assert_int_equal(out.len, sizeof(v_plain));
	assert_memory_equal(out.data, v_plain, out.len);
	buf_reset(&got);
	assert_int_equal(open_plain(writer7, out.data, out.len, &got, &v, &e),
	    0);
	assert_true(v);
	assert_int_equal(open_plain(writer8, out.data, out.len, &got, &v, &e),
	    0);
	assert_false(v);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(open_plain(ring, out.data, out.len, &got, &v,
		    &e), -1);
		out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t n = 0; n < out.len; n++) {
		assert_int_equal(open_plain(ring, out.data, n, &got, &v, &e),
		    -1);
		assert_int_equal(open_plain(writer8, out.data, n, &got, &v,
		    &e), -1);
	}
	buf_u8(&out, 0);
	assert_int_equal(open_plain(writer8, out.data, out.len, &got, &v, &e),
	    -1);
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&got);
}

static void
test_limits(void **state)
{
	struct buf in = BUF_INIT, out = BUF_INIT, got = BUF_INIT;
	struct err e = ERR_INIT;

	buf_zeros(&in, SEALED_MAX - 208 - 20);
	assert_int_equal(sealed_emit(&out, ring, OBJECT_MANIFEST, &run, 0, &in,
	    &e), 0);
	assert_int_equal(out.len, SEALED_MAX);
	assert_int_equal(open_sealed(out.data, out.len, &got, &e), 0);
	buf_u8(&in, 0);
	buf_reset(&out);
	assert_int_equal(sealed_emit(&out, ring, OBJECT_MANIFEST, &run, 0, &in,
	    &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	buf_zeros(&in, 300);
	assert_int_equal(plain_emit(&out, ring, OBJECT_LEASE, &run, &in, &e),
	    -1);
	assert_int_equal(e.code, ERR_LIMIT);
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_padme),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_sealed_vector),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_sealed_hostile),
		cmocka_unit_test(test_forged_writer),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_limits),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
