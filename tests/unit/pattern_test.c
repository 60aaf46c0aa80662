/* Exclude patterns: what each form matches, and what it doesn't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/job/glob.h"
#include "tools/job/ignore.h"
#include "tools/job/pattern.h"

static void
test_fits(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = {
		{ "a", "a", true }, { "a", "b", false }, { "a", "ab", false },
		{ "*", "", true }, { "*", "abc", true }, { "*", "a/b", false },
		{ "*.o", "x.o", true }, { "*.o", ".o", true },
		{ "*.o", "x.oo", false }, { "*.o*o", "x.ooo", true },
		{ "a?c", "abc", true }, { "a?c", "a/c", false },
		{ "[a-c]x", "bx", true }, { "[a-c]x", "dx", false },
		{ "[!a-c]x", "dx", true }, { "[^a-c]x", "ax", false },
		{ "[]x]", "]", true }, { "[]x]", "x", true },
		{ "[\\]]", "]", true }, { "[a-]", "-", true },
		{ "[!/]", "/", false }, { "a[/]b", "a/b", false },
		{ "\\*", "*", true }, { "\\*", "a", false },
		{ "a/*/c", "a/b/c", true }, { "a/*/c", "a/b/b/c", false },
		{ "a/**/c", "a/b/b/c", true }, { "a/**/c", "a/c", true },
		{ "a/**/c", "ac", false }, { "a/**", "a/b/c", true },
		{ "a/**", "a", false }, { "**/c", "c", true },
		{ "**/c", "a/b/c", true }, { "**/c", "a/bc", false },
		{ "**c", "a/bc", true }, { "/**/a/b", "/x/y/a/b", true },
		{ "/**/a/b", "/a/b", true }, { "/**/a/b", "/xa/b", false },
		{ "/**/a*/b", "/a/a1/b", true },
		{ "/**/a/*/b", "/a/a/x/b", true },
		{ "/**/a/*/**/b", "/a/q/r/s/b", true },
		{ "\xff*", "\xff\xfe", true }, { "[\x80-\xff]", "\xe4", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (glob_fits(cases[i].pattern, cases[i].text, GLOB_PLAIN) !=
		    cases[i].fits)
			fail_msg("%s against %s", cases[i].pattern,
			    cases[i].text);
}

static void
test_git(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = {
		{ "a**b", "axb", true }, { "a**b", "ax/yb", false },
		{ "?a**b", "xax/yb", false }, { "a/**", "a/b/c", true },
		{ "a/***", "a/b/c", true }, { "a/**b", "a/x/b", false },
		{ "**/b", "b", true }, { "a**/b", "ax/y/b", true },
		{ "*a**/b", "xax/y/b", false }, { "[a", "[a", false },
		{ "a\\", "a\\", false }, { "[[:upper:]]", "A", true },
		{ "[[:upper:]]", "a", false }, { "[[:huh:]a]", "a", false },
		{ "[[:]", ":", true }, { "[a-c-e]", "-", true },
		{ "[a-c-e]", "d", false }, { "[!a]", "/", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (glob_fits(cases[i].pattern, cases[i].text, GLOB_GIT) !=
		    cases[i].fits)
			fail_msg("%s against %s", cases[i].pattern,
			    cases[i].text);
}

static enum ignore_verdict
ignored(const char *rules, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');
	struct err e = ERR_INIT;
	enum ignore_verdict v;
	struct ignore *ig;

	assert_int_equal(ignore_parse(&ig, rules, strlen(rules), &e), 0);
	v = ignore_verdict(ig, path, slash != NULL ? slash + 1 : path, is_dir);
	ignore_free(ig);
	return (v);
}

static void
test_ignore(void **state)
{
	assert_int_equal(ignored("", "a", false), IGNORE_NONE);
	assert_int_equal(ignored("*.o\n!b.o", "x/a.o", false), IGNORE_OUT);
	assert_int_equal(ignored("*.o\n!b.o", "x/b.o", false), IGNORE_KEEP);
	assert_int_equal(ignored("/a", "x/a", false), IGNORE_NONE);
	assert_int_equal(ignored("x/a/", "x/a", false), IGNORE_NONE);
	assert_int_equal(ignored("x/a/", "x/a", true), IGNORE_OUT);
	assert_int_equal(ignored("# a\n\\#a\r\n", "#a", false), IGNORE_OUT);
	assert_int_equal(ignored("a  \n", "a", false), IGNORE_OUT);
	assert_int_equal(ignored("a\\ \n", "a ", false), IGNORE_OUT);
	assert_int_equal(ignored("\xef\xbb\xbf" "a", "a", false), IGNORE_OUT);
}

static void
test_taken_back(void **state)
{
	static const char *const list[] = { "*.o", "!/x/b.o", "c.o" };
	struct err e = ERR_INIT;
	struct patterns *ps;

	assert_int_equal(patterns_new(&ps, list, 3, &e), 0);
	assert_int_equal(patterns_verdict(ps, "/x/a.o", "a.o", false),
	    PATTERN_HIT);
	assert_int_equal(patterns_verdict(ps, "/x/b.o", "b.o", false),
	    PATTERN_TAKEN_BACK);
	assert_int_equal(patterns_verdict(ps, "/x/b.c", "b.c", false),
	    PATTERN_NONE);
	assert_false(patterns_match(ps, "/x", "b.o", false));
	assert_true(patterns_match(ps, "/y", "b.o", false));
	patterns_free(ps);
}

static void
test_steps(void **state)
{
	char text[4097], pattern[402];

	/* What takes a backtracking matcher for ever. */
	memset(text, 'a', 4096);
	text[4096] = '\0';
	for (int i = 0; i < 200; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	memcpy(pattern + 400, "b", 2);
	assert_false(glob_fits(pattern, text, GLOB_PLAIN));
}

static bool
matches(const char *pattern, const char *dir, const char *name, bool is_dir)
{
	struct err e = ERR_INIT;
	struct patterns *ps;
	bool hit;

	assert_int_equal(patterns_new(&ps, &pattern, 1, &e), 0);
	hit = patterns_match(ps, dir, name, is_dir);
	patterns_free(ps);
	return (hit);
}

static void
test_forms(void **state)
{
	assert_true(matches("*.o", "/x/y", "z.o", false));
	assert_false(matches("y", "/x/y", "z", false));
	assert_true(matches("cache/", "/x", "cache", true));
	assert_false(matches("cache/", "/x", "cache", false));
	assert_true(matches("/x/y", "/x", "y", false));
	assert_false(matches("/x/y", "/a/x", "y", false));
	assert_true(matches("x/y", "/a/x", "y", false));
	assert_true(matches("x/y", "/x", "y", false));
	assert_false(matches("x/y", "/ax", "y", false));
	assert_true(matches("x/*/", "/x", "y", true));
	assert_true(matches("/top", "", "top", false));
}

static void
test_bad(void **state)
{
	static const char *const bad[] = { "", "/", "//", "[a", "x[!",
	    "!", "!/", "[[:huh:]]" };
	struct err e = ERR_INIT;
	struct patterns *ps;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(patterns_new(&ps, &bad[i], 1, &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_git),
		cmocka_unit_test(test_ignore),
		cmocka_unit_test(test_taken_back),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_bad),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
