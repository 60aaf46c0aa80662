/*
 * The command line: options, typed values, suggestions, and values as text.
 */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The command's modules are in no library. */
#include "tools/cmd/nearest.c"
#include "tools/cmd/opt.c"
#include "tools/cmd/value.c"
#include "tools/cmd/text.c"

static const struct opt table[] = {
	{ "exclude", 'e', OPT_TEXT, true, "PATTERN", "" },
	{ "host", 0, OPT_TEXT, false, "HOST", "" },
	{ "dry-run", 'n', OPT_FLAG, false, NULL, "" },
	{ "time", 0, OPT_TIME, false, "TIME", "" },
	{ .name = NULL }
};
static const struct opt table2[] = {
	{ "repo", 'r', OPT_TEXT, false, "DIR", "" },
	{ "memory", 0, OPT_SIZE, false, "SIZE", "" },
	{ "verbose", 'v', OPT_FLAG, false, NULL, "" },
	{ .name = NULL }
};

struct parsed {
	struct opts own, global;
	char *rest[16];
	int nrest;
	struct err e;
};

static int
parse(struct parsed *p, const char *const *args)
{
	static char words[16][128];
	char *argv[17];
	struct opts *sets[2] = { &p->own, &p->global };
	int argc = 0, at = 0;

	memset(p, 0, sizeof(*p));
	err_init(&p->e);
	assert_int_equal(opts_init(&p->own, table, &p->e), 0);
	assert_int_equal(opts_init(&p->global, table2, &p->e), 0);
	for (; args[argc] != NULL; argc++) {
		(void)snprintf(words[argc], sizeof(words[0]), "%s",
		    args[argc]);
		argv[argc] = words[argc];
	}
	argv[argc] = NULL;
	return (opts_parse(sets, 2, argc, argv, &at, p->rest, &p->nrest,
	    &p->e));
}

static void
done(struct parsed *p)
{
	opts_fini(&p->own);
	opts_fini(&p->global);
}

#define ARGS(...)	((const char *const[]){ __VA_ARGS__, NULL })

static void
test_order(void **state)
{
	struct parsed p;
	const struct opt_value *v;

	assert_int_equal(parse(&p, ARGS("/home", "--exclude=*.o", "-r", "/b",
	    "-e", "x", "-vvn", "/etc", "--host", "h", "--", "-q")), 0);
	assert_int_equal(p.nrest, 3);
	assert_string_equal(p.rest[0], "/home");
	assert_string_equal(p.rest[1], "/etc");
	assert_string_equal(p.rest[2], "-q");
	v = opts_get(&p.own, "exclude");
	assert_int_equal(v->n, 2);
	assert_string_equal(v->list[0], "*.o");
	assert_string_equal(v->list[1], "x");
	assert_string_equal(opts_get(&p.own, "host")->text, "h");
	assert_true(opts_given(&p.own, "dry-run"));
	assert_int_equal(opts_get(&p.global, "verbose")->times, 2);
	assert_string_equal(opts_get(&p.global, "repo")->text, "/b");
	done(&p);

	/* A value may look like an option; a lone dash is an argument. */
	assert_int_equal(parse(&p, ARGS("--host", "-x", "-", "-r/a")), 0);
	assert_string_equal(opts_get(&p.own, "host")->text, "-x");
	assert_string_equal(opts_get(&p.global, "repo")->text, "/a");
	assert_int_equal(p.nrest, 1);
	done(&p);
}

static void
refused(const char *const *args, const char *text)
{
	struct parsed p;

	assert_int_equal(parse(&p, args), -1);
	assert_int_equal(p.e.code, ERR_USAGE);
	assert_non_null(strstr(err_text(&p.e), text));
	done(&p);
}

static void
test_refusals(void **state)
{
	refused(ARGS("--exlude", "x"), "did you mean --exclude?");
	refused(ARGS("--excl=x"), "did you mean --exclude?");
	refused(ARGS("--zzz"), "unknown option --zzz");
	refused(ARGS("--dry-run=1"), "takes no value");
	refused(ARGS("--host"), "needs a value (HOST)");
	refused(ARGS("-e"), "needs a value (PATTERN)");
	refused(ARGS("-z"), "unknown option -z");
	refused(ARGS("--memory", "12Q"), "option --memory: \"12Q\"");
	refused(ARGS("--time=noon"), "option --time: \"noon\"");
}

static void
size_is(const char *text, uint64_t want)
{
	struct err e = ERR_INIT;
	uint64_t v = 1;

	assert_int_equal(value_size(&v, text, &e), 0);
	assert_int_equal(v, want);
}

static void
test_sizes(void **state)
{
	static const char *const bad[] = {
		"", "K", "1,5G", "-1", "1.", "1.M", ".5G", "1 M", "1X", "1MM",
		"0x10", "18446744073709551616", "5000000P", "1KiBx", "1iB"
	};
	uint64_t v;

	size_is("0", 0);
	size_is("4096", 4096);
	size_is("4096B", 4096);
	size_is("256M", 256ULL << 20);
	size_is("1.5G", 3ULL << 29);
	size_is("64KiB", 65536);
	size_is("64kiB", 65536);
	size_is("2kB", 2000);
	size_is("2MB", 2000000);
	size_is("0.5K", 512);
	size_is("4096P", 1ULL << 62);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(value_size(&v, bad[i], &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
}

static void
time_is(const char *text, int64_t s, uint32_t ns)
{
	struct err e = ERR_INIT;
	struct stamp st;

	assert_int_equal(value_time(&st, text, &e), 0);
	assert_int_equal(st.s, s);
	assert_int_equal(st.ns, ns);
}

static void
test_times(void **state)
{
	static const char *const bad[] = {
		"", "@", "@1x", "@-", "2026-02-29 10:00", "2026-13-01 10:00",
		"2026-01-01 ", "2026-02-29",
		"2026-01-01T10:00:00", "2026-01-01T10:00Z",
		"2026-01-01 24:00", "2026-01-01 10:60", "2026-01-01 10:00:60",
		"2026-01-01T10:00:00.Z", "2026-01-01T10:00:00Zx", "26-1-1 1:1",
		"2026-03-29 02:30", "2026-01-01T10:00:00+1:00",
		"2026-01-01T10:00:00.1234567890Z", "2100-02-29 10:00"
	};
	struct stamp st;

	assert_int_equal(setenv("TZ", "Europe/Berlin", 1), 0);
	tzset();
	time_is("2026-11-22T17:47:03Z", 1795369623, 0);
	time_is("2026-11-22t17:47:03.25z", 1795369623, 250000000);
	time_is("2026-11-22T18:47:03+01:00", 1795369623, 0);
	time_is("2026-11-22T12:17:03-05:30", 1795369623, 0);
	time_is("2026-11-22 18:47:03", 1795369623, 0);
	time_is("2026-11-22 18:47", 1795369620, 0);
	time_is("2026-07-01 12:00", 1782900000, 0);
	time_is("2026-11-22", 1795302000, 0);
	time_is("2026-07-01", 1782856800, 0);
	time_is("1969-12-31T23:59:59Z", -1, 0);
	time_is("@0", 0, 0);
	time_is("@1795369623.5", 1795369623, 500000000);
	time_is("@-1.25", -2, 750000000);
	time_is("2400-02-29T00:00:00Z", 13574563200, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		if (value_time(&st, bad[i], &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, ERR_USAGE);
	}
	/* The clock went from 23:59:59 to 01:00. */
	assert_int_equal(setenv("TZ", "America/Sao_Paulo", 1), 0);
	tzset();
	time_is("2018-11-04", 1541300400, 0);
}

static void
test_intervals(void **state)
{
	static const char *const bad[] = {
		"", "0s", "20", "m", "20M", "1.5h", "-1m", "30m1h", "1h1h",
		"1m 1s", "99999999999999999999s", "1001d", "20mx"
	};
	static const struct {
		const char *text;
		uint64_t seconds;
	} good[] = {
		{ "1s", 1 }, { "90s", 90 }, { "20m", 1200 }, { "1h30m", 5400 },
		{ "2d", 172800 }, { "1d2h3m4s", 93784 }, { "1000d", 86400000 }
	};
	uint64_t ms;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(value_interval(&ms, good[i].text, &e), 0);
		assert_int_equal(ms, good[i].seconds * 1000);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		if (value_interval(&ms, bad[i], &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, ERR_USAGE);
	}
}

static void
test_nearest(void **state)
{
	struct nearest n;

	assert_int_equal(nearest_distance("abc", "abc"), 0);
	assert_int_equal(nearest_distance("abc", "acb"), 1);
	assert_int_equal(nearest_distance("abc", ""), 3);
	assert_int_equal(nearest_distance("kitten", "sitting"), 3);
	nearest_init(&n, "snapshto");
	nearest_offer(&n, "backup");
	nearest_offer(&n, "snapshots");
	assert_string_equal(n.best, "snapshots");
	nearest_init(&n, "frobnicate");
	nearest_offer(&n, "backup");
	nearest_offer(&n, "ls");
	assert_null(n.best);
}

static void
test_text(void **state)
{
	char t[TEXT_BYTES];
	struct buf b = BUF_INIT;

	assert_string_equal(text_count(t, 0), "0");
	assert_string_equal(text_count(t, 999), "999");
	assert_string_equal(text_count(t, 1203), "1,203");
	assert_string_equal(text_count(t, UINT64_MAX),
	    "18,446,744,073,709,551,615");
	assert_string_equal(text_size(t, 1023), "1023 B");
	assert_string_equal(text_size(t, 1024), "1.0 KiB");
	assert_string_equal(text_size(t, 1258291), "1.2 MiB");
	assert_string_equal(text_size(t, 45ULL << 20), "45 MiB");
	assert_string_equal(text_size(t, (1ULL << 20) - 1), "1.0 MiB");
	assert_string_equal(text_n(t, 1, "file", "files"), "1 file");
	assert_string_equal(text_n(t, 1203, "file", "files"), "1,203 files");

	text_escape(&b, "a\033[2J\n\0b", 8);
	buf_u8(&b, 0);
	assert_string_equal((char *)b.data, "a\\033[2J\\n\\000b");
	buf_reset(&b);
	text_quote(&b, "it's", 4);
	buf_u8(&b, 0);
	assert_string_equal((char *)b.data, "'it'\\''s'");
	buf_reset(&b);
	text_quote(&b, "a'\n\\", 4);
	buf_u8(&b, 0);
	assert_string_equal((char *)b.data, "$'a\\'\\n\\\\'");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_text)
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
