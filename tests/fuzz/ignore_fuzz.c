/*
 * Ignore rules and patterns: the bytes up to the first NUL are a path, what
 * follows is a file of rules.  Matching ends, stays within the text, and a last
 * rule that takes everything back does.
 */
#include "tools/job/ignore.h"

#include <stdint.h>
#include <string.h>

#include "engine/base/buf.h"
#include "tools/job/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MAX	4096	/* matching may take length times length */

static enum ignore_verdict
verdict(const void *rules, size_t len, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');
	struct err e = ERR_INIT;
	enum ignore_verdict v;
	struct ignore *ig;

	BUG_ON(ignore_parse(&ig, rules, len, &e) != 0);
	v = ignore_verdict(ig, path, slash != NULL ? slash + 1 : path, is_dir);
	ignore_free(ig);
	return (v);
}

static void
try_pattern(const char *text, const char *path)
{
	struct err e = ERR_INIT;
	struct patterns *ps;

	if (patterns_new(&ps, &text, 1, &e) != 0) {
		BUG_ON(e.code != ERR_USAGE);
		return;
	}
	(void)patterns_match(ps, "", path, true);
	patterns_free(ps);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf path = BUF_INIT, rules = BUF_INIT;
	size_t n;

	if (len > MAX)
		return (0);
	n = strnlen((const char *)data, len);
	buf_bytes(&path, data, n);
	buf_u8(&path, 0);
	buf_bytes(&rules, data + n, len - n);
	(void)verdict(rules.data, rules.len, (char *)path.data, false);
	buf_bytes(&rules, "\n!*\n", 4);
	BUG_ON(verdict(rules.data, rules.len, (char *)path.data, true) !=
	    IGNORE_KEEP);
	buf_u8(&rules, 0);
	if (len > n)
		try_pattern((char *)rules.data + 1, (char *)path.data);
	buf_fini(&path);
	buf_fini(&rules);
	return (0);
}
