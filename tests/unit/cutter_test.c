/* The cutter against a plain reading of the page, byte by byte; its bounds, and
 * that cuts come back after a shift. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chunk/cutter.h"
#include "tests/unit/vectors.h"

#define DATA	(8U << 20)

static uint8_t *data;

static int
setup(void **state)
{
	static const uint8_t seed[randombytes_SEEDBYTES] = { 1 };

	data = malloc(DATA);
	if (data == NULL)
		return (-1);
	randombytes_buf_deterministic(data, DATA, seed);
	/* Some runs without entropy as well. */
	memset(data + (2 << 20), 0, 300000);
	for (size_t i = 0; i < 300000; i++)
		data[(3 << 20) + i] = "abcdefgh"[i % 8];
	return (0);
}

static int
teardown(void **state)
{
	free(data);
	return (0);
}

static struct cutter
cutter(uint32_t avg)
{
	struct cutter_params p = cutter_params_for(avg);
	struct err e = ERR_INIT;
	struct cutter c;

	assert_int_equal(cutter_init(&c, &p, v_domain_0_chunker, &e), 0);
	return (c);
}

/* vitrine-format(5), CUTTING, word for word. */
static size_t
by_the_page(const struct cutter *c, const uint8_t *p, size_t len,
    unsigned log2_avg)
{
	uint64_t h = 0;

	for (size_t i = c->params.min_bytes; i < len; i++) {
		unsigned bits = i < c->params.avg_bytes ? log2_avg + 1 :
		    log2_avg - 4;

		h = (h << 1) + c->gear[p[i]];
		if (h >> (64 - bits) == 0 || i + 1 == c->params.max_bytes)
			return (i + 1);
	}
	return (len);
}

static void
test_gear(void **state)
{
	struct cutter c = cutter(65536);
	uint8_t le[8];

	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)(c.gear[0] >> 8 * i);
	assert_memory_equal(le, v_gear_0, 8);
	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)(c.gear[255] >> 8 * i);
	assert_memory_equal(le, v_gear_255, 8);
}

static void
test_by_the_page(void **state)
{
	for (unsigned log2_avg = 12; log2_avg <= 17; log2_avg++) {
		struct cutter c = cutter(1U << log2_avg);

		for (size_t at = 0; at < DATA;) {
			size_t n = cutter_cut(&c, data + at, DATA - at, true);

			assert_int_equal(n, by_the_page(&c, data + at,
			    DATA - at, log2_avg));
			at += n;
		}
	}
	/* Odd sizes. */
	struct cutter_params p = { 257, 4096, 4097 };
	struct err e = ERR_INIT;
	struct cutter c;

	assert_int_equal(cutter_init(&c, &p, v_domain_0_chunker, &e), 0);
	for (size_t at = 0; at < DATA;) {
		size_t n = cutter_cut(&c, data + at, DATA - at, true);

		assert_int_equal(n, by_the_page(&c, data + at, DATA - at, 12));
		at += n;
	}
}

/* However the bytes come, the cuts are the same. */
static void
test_more_bytes(void **state)
{
	struct cutter c = cutter(65536);

	for (size_t at = 0; at < DATA - 98304;) {
		size_t want = cutter_cut(&c, data + at, DATA - at, true);
		static const size_t some[] = { 1, 100, 32768, 32769, 65535,
		    65536, 65537, 98303 };

		for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++) {
			size_t n = cutter_cut(&c, data + at, some[i], false);

			assert_int_equal(n, some[i] >= want ? want : 0);
			n = cutter_cut(&c, data + at, some[i], true);
			assert_int_equal(n, some[i] >= want ? want : some[i]);
		}
		assert_int_equal(cutter_cut(&c, data + at, want, false), want);
		assert_int_equal(cutter_cut(&c, data + at, 98304, false),
		    want);
		at += want;
	}
}

static void
test_sizes(void **state)
{
	struct cutter c = cutter(65536);
	uint8_t *p = malloc(64 << 20);
	size_t n = 0;

	assert_non_null(p);
	randombytes_buf_deterministic(p, 64 << 20, v_h_abc);
	for (size_t at = 0; at < 64 << 20; n++) {
		size_t len = cutter_cut(&c, p + at, (64 << 20) - at, true);

		assert_true(len <= 98304);
		at += len;
		assert_true(len > 32768 || at == 64 << 20);
	}
	/* The mean of uniform data is the average that was asked for. */
	assert_in_range((64 << 20) / n, 61 << 10, 67 << 10);
	free(p);
}

static void
test_shift(void **state)
{
	struct cutter c = cutter(4096);
	uint8_t *p = malloc(DATA);
	static uint8_t is_cut[DATA];
	size_t at, back = 0, cuts = 0;

	assert_non_null(p);
	randombytes_buf_deterministic(p, DATA, v_h_abc);
	memset(is_cut, 0, sizeof(is_cut));
	for (at = 0; at < DATA;) {
		at += cutter_cut(&c, p + at, DATA - at, true);
		if (at < DATA)
			is_cut[at] = 1;
	}
	/* The same without the first 1000 bytes. */
	for (at = 1000; at < DATA; cuts++) {
		at += cutter_cut(&c, p + at, DATA - at, true);
		if (at < DATA)
			back += is_cut[at];
	}
	assert_true(back > cuts - 40);
	free(p);
}

static void
test_params(void **state)
{
	static const struct cutter_params bad[] = {
		{ 255, 4096, 8192 }, { 4096, 4096, 8192 }, { 256, 4095, 8192 },
		{ 256, 5000, 8192 }, { 256, 2048, 8192 }, { 256, 4096, 4096 },
		{ 256, 16U << 20, (16U << 20) + 1 },
		{ 256, 8U << 20, (16U << 20) + 1 }, { 0, 0, 0 },
	};
	struct cutter_params p = cutter_params_for(65536);
	struct err e = ERR_INIT;
	struct cutter c;

	assert_int_equal(p.min_bytes, 32768);
	assert_int_equal(p.max_bytes, 98304);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(cutter_init(&c, &bad[i], v_h_abc, &e), -1);
		assert_int_equal(e.code, ERR_LIMIT);
	}
	p = cutter_params_for(8U << 20);
	assert_int_equal(cutter_init(&c, &p, v_h_abc, &e), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gear),
		cmocka_unit_test(test_by_the_page),
		cmocka_unit_test(test_more_bytes),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_shift),
		cmocka_unit_test(test_params),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
