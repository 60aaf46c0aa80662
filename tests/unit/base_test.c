/*
 * The error object, the bounded reader, the buffer, hex and the clocks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/err.h"
#include "engine/base/id.h"
#include "engine/base/log.h"
#include "engine/base/rd.h"
#include "engine/base/wide.h"

static void
err_grows_to_the_left(void **state)
{
	struct err e = ERR_INIT;
	struct err copy;

	assert_string_equal(err_text(&e), "");
	assert_int_equal(err_exit_status(&e), EXIT_DONE);
	assert_int_equal(err_sys(&e, EIO, "read %d", 7), -1);
	assert_int_equal(e.code, ERR_SYS);
	assert_int_equal(e.sys, EIO);
	assert_int_equal(err_wrap(&e, "pack %s", "77c0"), -1);
	assert_int_equal(err_wrap(&e, "snapshot 3f2a"), -1);
	assert_string_equal(err_text(&e),
	    "snapshot 3f2a: pack 77c0: read 7: Input/output error");
	copy = e;
	assert_string_equal(err_text(&copy), err_text(&e));
	assert_int_equal(err_set(&e, ERR_CORRUPT, "new"), -1);
	assert_string_equal(err_text(&e), "new");
	assert_int_equal(e.sys, 0);
	err_init(&e);
	assert_string_equal(err_text(&e), "");
}

static void
err_codes_follow_errno(void **state)
{
	struct err e = ERR_INIT;

	err_sys(&e, ENOSPC, "x");
	assert_int_equal(e.code, ERR_FULL);
	err_sys(&e, EDQUOT, "x");
	assert_int_equal(e.code, ERR_FULL);
	err_sys(&e, ENOMEM, "x");
	assert_int_equal(e.code, ERR_NOMEM);
	err_sys(&e, ESTALE, "x");
	assert_int_equal(e.code, ERR_SYS);
}

static void
err_status_is_the_wrappers(void **state)
{
	static const struct { enum err_code code; int status; } want[] = {
		{ ERR_SYS, 1 }, { ERR_NOMEM, 1 }, { ERR_CORRUPT, 4 },
		{ ERR_AUTH, 12 }, { ERR_VERSION, 1 }, { ERR_NET, 1 },
		{ ERR_REMOTE, 1 }, { ERR_BUSY, 11 }, { ERR_FULL, 1 },
		{ ERR_LIMIT, 1 }, { ERR_CANCELED, 130 }, { ERR_ABSENT, 1 },
		{ ERR_EXISTS, 1 }, { ERR_NOREPO, 10 }, { ERR_USAGE, 2 }
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		err_set(&e, want[i].code, "x");
		assert_int_equal(err_exit_status(&e), want[i].status);
	}
}

static void
err_is_cut_when_too_long(void **state)
{
	char big[2 * ERR_TEXT_BYTES];
	struct err e = ERR_INIT;

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, ERR_SYS, "%s", big);
	assert_int_equal(strlen(err_text(&e)), ERR_TEXT_BYTES - 1);
	/* No room: the cause stays, the context goes. */
	err_wrap(&e, "context");
	assert_int_equal(strlen(err_text(&e)), ERR_TEXT_BYTES - 1);
	assert_int_equal(err_text(&e)[0], 'a');

	err_sys(&e, EIO, "%s", big);
	assert_int_equal(strlen(err_text(&e)), ERR_TEXT_BYTES - 1);

	err_set(&e, ERR_SYS, "cause");
	err_wrap(&e, "%s", big);
	assert_int_equal(strlen(err_text(&e)), ERR_TEXT_BYTES - 1);
	assert_string_equal(err_text(&e) + ERR_TEXT_BYTES - 1 - 7, ": cause");
	for (int i = 0; i < 10; i++)
		err_wrap(&e, "y");
	assert_string_equal(err_text(&e) + ERR_TEXT_BYTES - 1 - 7, ": cause");
}

static void
bug_aborts(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)close(STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL);
		BUG("on purpose");
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
rd_reads_little_endian(void **state)
{
	static const uint8_t in[] = {
		1, 2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 9, 9, 0, 0
	};
	uint8_t two[2];
	struct rd r;

	rd_init(&r, in, sizeof(in));
	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_u16(&r), 0x0102);
	assert_int_equal(rd_u32(&r), 0x01020304);
	assert_true(rd_u64(&r) == UINT64_C(0x0102030405060708));
	assert_true(rd_i64(&r) == -1);
	assert_false(rd_end(&r));
	rd_bytes(&r, two, 2);
	assert_int_equal(two[1], 9);
	rd_zeros(&r, 2);
	assert_true(rd_end(&r));
}

static void
rd_never_passes_the_end(void **state)
{
	/* On the heap, so that a sanitizer sees one byte too many. */
	for (size_t len = 0; len < 9; len++) {
		uint8_t *in = malloc(len + 1);
		uint8_t *exact = len == 0 ? in : realloc(in, len);
		uint8_t out[9];
		struct rd r;

		assert_non_null(exact);
		memset(exact, 0xee, len);
		rd_init(&r, exact, len);
		memset(out, 0xaa, sizeof(out));
		rd_bytes(&r, out, 9);
		assert_true(r.bad);
		assert_int_equal(out[0], 0);
		assert_int_equal(out[8], 0);
		/* It stays bad, and gives zeros. */
		assert_int_equal(rd_u8(&r), 0);
		assert_true(rd_u64(&r) == 0);
		assert_null(rd_view(&r, 0));
		assert_false(rd_end(&r));
		rd_init(&r, exact, len);
		assert_null(rd_view(&r, SIZE_MAX));
		assert_true(r.bad);
		free(exact);
	}
}

static void
rd_refuses_what_is_left_or_not_zero(void **state)
{
	static const uint8_t in[] = { 0, 0, 1 };
	struct rd r;

	rd_init(&r, in, 3);
	rd_zeros(&r, 2);
	assert_false(r.bad);
	assert_false(rd_end(&r));
	rd_zeros(&r, 1);
	assert_true(r.bad);
	rd_init(&r, in, 0);
	assert_true(rd_end(&r));
}

static void
buf_emits_what_rd_reads(void **state)
{
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct rd r;

	buf_u8(&b, 0xfe);
	buf_u16(&b, 0xfedc);
	buf_u32(&b, 0);
	buf_u64(&b, UINT64_C(0xfedcba9876543210));
	buf_i64(&b, -5);
	buf_str16(&b, "name", 4);
	buf_zeros(&b, 1000);
	buf_bytes(&b, NULL, 0);
	buf_patch_u32(&b, 3, 77);
	assert_int_equal(buf_ok(&b, &e), 0);
	rd_init(&r, b.data, b.len);
	assert_int_equal(rd_u8(&r), 0xfe);
	assert_int_equal(rd_u16(&r), 0xfedc);
	assert_int_equal(rd_u32(&r), 77);
	assert_true(rd_u64(&r) == UINT64_C(0xfedcba9876543210));
	assert_true(rd_i64(&r) == -5);
	assert_int_equal(rd_u16(&r), 4);
	assert_memory_equal(rd_view(&r, 4), "name", 4);
	rd_zeros(&r, 1000);
	assert_true(rd_end(&r));
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_non_null(b.data);
	buf_wipe(&b);
	assert_null(b.data);
	buf_fini(&b);
}

static void
buf_failure_sticks(void **state)
{
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	buf_u8(&b, 1);
	assert_int_equal(buf_reserve(&b, SIZE_MAX, &e), -1);
	assert_int_equal(e.code, ERR_NOMEM);
	assert_null(buf_grow(&b, 1));
	buf_u64(&b, 1);
	assert_int_equal(b.len, 1);
	assert_int_equal(buf_ok(&b, &e), -1);
	buf_reset(&b);
	assert_int_equal(buf_ok(&b, &e), 0);
	buf_str16(&b, "", 65536);
	assert_int_equal(buf_ok(&b, &e), -1);
	buf_fini(&b);
}

static void
hex_has_one_form(void **state)
{
	static const uint8_t in[] = { 0x00, 0x9f, 0xff };
	char text[7];
	uint8_t out[3];

	assert_string_equal(hex_emit(text, in, 3), "009fff");
	assert_int_equal(hex_parse(out, 3, text), 0);
	assert_memory_equal(out, in, 3);
	assert_int_equal(hex_parse(out, 3, "009FFF"), -1);
	assert_int_equal(hex_parse(out, 3, "009ff"), -1);
	assert_int_equal(hex_parse(out, 3, "009fff0"), -1);
	assert_int_equal(hex_parse(out, 3, "009ff "), -1);
	assert_int_equal(hex_parse(out, 3, ""), -1);
	assert_int_equal(hex_parse(out, 0, ""), 0);
}

static void
clock_stands_still_for_a_test(void **state)
{
	struct stamp a, b;
	uint64_t m = clock_mono_ms();

	unsetenv("VITRINE_TEST_TIME");
	a = clock_wall();
	assert_true(a.s > 1700000000);
	assert_true(a.ns < 1000000000);
	setenv("VITRINE_TEST_TIME", "12345", 1);
	b = clock_wall();
	assert_true(b.s == 12345);
	assert_int_equal(b.ns, 0);
	unsetenv("VITRINE_TEST_TIME");
	assert_true(clock_mono_ms() >= m);
}

static char said[64];

static void
say(void *ctx, enum log_level level, const char *text)
{
	(void)snprintf(said, sizeof(said), "%s%d%s", (const char *)ctx,
	    (int)level, text);
}

static void
log_reaches_its_sink(void **state)
{
	char ctx[] = "ctx";
	struct log log = { say, ctx };
	struct log none = { NULL, NULL };

	log_say(&log, LOG_NOTICE, "%d packs", 3);
	assert_string_equal(said, "ctx13 packs");
	log_say(&none, LOG_NOTICE, "nobody");
	log_say(NULL, LOG_NOTICE, "nobody");
	assert_string_equal(said, "ctx13 packs");
}

static void
wide_product(void **state)
{
	uint64_t two32 = 1ULL << 32;

	assert_int_equal(mul_high(0, UINT64_MAX), 0);
	assert_int_equal(mul_high(two32, two32 - 1), 0);
	assert_int_equal(mul_high(two32, two32), 1);
	assert_int_equal(mul_high(UINT64_MAX, 2), 1);
	assert_int_equal(mul_high(UINT64_MAX, UINT64_MAX), UINT64_MAX - 1);
	/* Both middle products carry. */
	assert_int_equal(mul_high(0xfedcba9876543210, 0xffffffff00000001),
	    0xfedcba9777777778);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_grows_to_the_left),
		cmocka_unit_test(err_codes_follow_errno),
		cmocka_unit_test(err_status_is_the_wrappers),
		cmocka_unit_test(err_is_cut_when_too_long),
		cmocka_unit_test(bug_aborts),
		cmocka_unit_test(rd_reads_little_endian),
		cmocka_unit_test(rd_never_passes_the_end),
		cmocka_unit_test(rd_refuses_what_is_left_or_not_zero),
		cmocka_unit_test(buf_emits_what_rd_reads),
		cmocka_unit_test(buf_failure_sticks),
		cmocka_unit_test(hex_has_one_form),
		cmocka_unit_test(clock_stands_still_for_a_test),
		cmocka_unit_test(log_reaches_its_sink),
		cmocka_unit_test(wide_product),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
