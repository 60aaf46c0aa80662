/* The memory of a frame that was opened serves the next one, and never what
 * stood in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pack/pack.h"
#include "tests/unit/crypt_fixture.h"

static struct squeezer *squeezer;
static struct pack_seal seal;

static int
setup(void **state)
{
	uint8_t salt[SALT_BYTES], session[KEY_BYTES] = { 7 };
	struct err e = ERR_INIT;
	struct repo_id repo;

	(void)state;
	fix_repo(&repo);
	fix_salt(salt);
	pack_seal_init(&seal, &repo, 5, OBJECT_PACK_DATA, salt, session);
	return (squeezer_new(&squeezer, 0, &e));
}

static int
teardown(void **state)
{
	(void)state;
	squeezer_free(squeezer);
	return (0);
}

/* A sealed frame of n chunks, each of len bytes of its own letter. */
static struct frame *
sealed(uint32_t no, uint32_t n, size_t len)
{
	struct err e = ERR_INIT;
	struct chunk_id id = { { 0 } };
	uint8_t *p = malloc(len);
	struct frame *f;
	uint32_t slot;

	assert_non_null(p);
	assert_int_equal(frame_new(&f, &e), 0);
	for (uint32_t i = 0; i < n; i++) {
		memset(p, (int)('a' + no + i), len);
		assert_int_equal(frame_add(f, &id, p, len, &slot, &e), 0);
	}
	free(p);
	assert_int_equal(frame_squeeze(f, squeezer, true, &e), 0);
	assert_int_equal(frame_seal(f, &seal, no, true, &e), 0);
	return (f);
}

static int
reopen(struct opened_frame *o, uint32_t no, const struct frame *f)
{
	struct err e = ERR_INIT;

	return (frame_reopen(o, &seal, no, f->stored.data, f->stored.len, &e));
}

static void
check(const struct opened_frame *o, uint32_t no, uint32_t n, size_t len)
{
	assert_int_equal(o->nslots, n);
	assert_int_equal(o->raw_len, n * len);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(o->off[i + 1] - o->off[i], len);
		for (size_t k = 0; k < len; k++)
			assert_int_equal(o->raw[o->off[i] + k], 'a' + no + i);
	}
}

static void
test_memory(void **state)
{
	struct frame *large = sealed(0, 4, 50000);
	struct frame *many = sealed(1, 20, 10);
	struct frame *other = sealed(2, 3, 80000);
	struct opened_frame o = { 0 };
	const uint8_t *raw;

	(void)state;
	assert_int_equal(reopen(&o, 0, large), 0);
	check(&o, 0, 4, 50000);
	assert_int_equal(o.raw_cap, opened_frame_room(200000));
	raw = o.raw;
	assert_int_equal(reopen(&o, 1, many), 0);
	check(&o, 1, 20, 10);
	assert_ptr_equal(o.raw, raw);
	assert_int_equal(reopen(&o, 2, other), 0);
	check(&o, 2, 3, 80000);
	assert_ptr_equal(o.raw, raw);
	assert_int_equal(opened_frame_bytes(&o),
	    o.raw_cap + 21 * sizeof(*o.off) + 20 * sizeof(*o.prefix));
	opened_frame_fini(&o);
	frame_free(large);
	frame_free(many);
	frame_free(other);
}

static int
reopen_slot(struct opened_frame *o, uint32_t no, const struct frame *f,
    uint32_t slot)
{
	struct err e = ERR_INIT;

	return (frame_reopen_slot(o, &seal, no, f->stored.data, f->stored.len,
	    slot, &e));
}

/* A frame for one slot's sake: what is before it is there as well, and what is
 * behind it only where that saves nothing. */
static void
test_slot(void **state)
{
	static uint8_t noise[200000];
	struct frame *f = sealed(3, 20, 50000), *raw;
	struct opened_frame o = { 0 };
	struct chunk_id id = { { 0 } };
	struct err e = ERR_INIT;
	uint32_t x = 1, slot;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(reopen_slot(&o, 3, f, i), 0);
		assert_int_equal(o.nslots, 20);
		assert_int_equal(o.raw_len, 20 * 50000);
		assert_int_equal(o.have, i < 17 ? o.off[i + 1] : o.raw_len);
		for (size_t k = 0; k < o.have; k++)
			assert_int_equal(o.raw[k], 'a' + 3 + k / 50000);
		opened_frame_fini(&o);
	}
	assert_int_equal(reopen_slot(&o, 3, f, 2), 0);
	assert_int_equal(o.raw_cap, opened_frame_room(150000));
	assert_int_equal(reopen_slot(&o, 3, f, 20), 0);
	assert_int_equal(o.have, o.raw_len);
	check(&o, 3, 20, 50000);
	/* The seal is that of the whole frame. */
	f->stored.data[f->stored.len - 1] ^= 1;
	assert_int_equal(reopen_slot(&o, 3, f, 0), -1);
	assert_int_equal(o.have, 0);

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)((x = x * 1103515245u + 12345u) >> 23);
	assert_int_equal(frame_new(&raw, &e), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(frame_add(raw, &id, noise + 50000 * i, 50000,
		    &slot, &e), 0);
	assert_int_equal(frame_squeeze(raw, squeezer, true, &e), 0);
	assert_int_equal(frame_seal(raw, &seal, 4, true, &e), 0);
	assert_int_equal(reopen_slot(&o, 4, raw, 1), 0);
	assert_int_equal(o.have, 100000);
	assert_memory_equal(o.raw, noise, 100000);
	opened_frame_fini(&o);
	frame_free(raw);
	frame_free(f);
}

/* What fails leaves nothing of the frame before to be read. */
static void
test_failure(void **state)
{
	struct frame *good = sealed(0, 4, 5000);
	struct frame *bad = sealed(1, 4, 5000);
	struct opened_frame o = { 0 };

	(void)state;
	for (size_t at = 0; at < bad->stored.len; at++) {
		assert_int_equal(reopen(&o, 0, good), 0);
		bad->stored.data[at] ^= 1;
		assert_int_equal(reopen(&o, 1, bad), -1);
		bad->stored.data[at] ^= 1;
		assert_int_equal(o.nslots, 0);
		assert_int_equal(o.raw_len, 0);
	}
	assert_int_equal(reopen(&o, 1, bad), 0);
	check(&o, 1, 4, 5000);
	opened_frame_fini(&o);
	frame_free(good);
	frame_free(bad);
}

static void
test_room(void **state)
{
	(void)state;
	assert_int_equal(opened_frame_room(1), 64 << 10);
	assert_int_equal(opened_frame_room(64 << 10), 64 << 10);
	assert_int_equal(opened_frame_room((64 << 10) + 1), 128 << 10);
	assert_int_equal(opened_frame_room(FRAME_TARGET), FRAME_TARGET);
	assert_int_equal(opened_frame_room(FRAME_TARGET + 1), FRAME_TARGET + 1);
	assert_int_equal(opened_frame_room(FRAME_RAW_MAX), FRAME_RAW_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_slot),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_room),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
