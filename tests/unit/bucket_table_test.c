/* A listing as a tree: the same whatever the order in which objects come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/buf.h"
#include "tools/job/bucket_table.h"

struct given {
	const char *path;
	bool marker;
};
static const struct given objects[] = {
	{ "b", false }, { "b/x", false }, { "b/x/y", false },
	{ "b/x/y/z", false }, { "b!", false }, { "b!/q", false },
	{ "b-c/d", false }, { "m", true }, { "m/n", true }, { "m", false },
	{ "w/deep/er/one", false }, { "w/deep/er/two", false },
	{ "w/deeper/one", false }, { "z", false }
};
#define N	(sizeof(objects) / sizeof(objects[0]))

static void
add(struct bucket_table *t, const struct given *g)
{
	struct listed l = { .size = strlen(g->path) + (g->marker ? 100 : 0) };
	struct err e = ERR_INIT;

	(void)snprintf(l.etag, sizeof(l.etag), "%s%s", g->path,
	    g->marker ? "/" : "");
	assert_int_equal(bucket_table_add(t, g->path, strlen(g->path),
	    g->marker, &l, &e), 0);
}

static int
see(void *ctx, const char *name, size_t len, bool is_dir)
{
	buf_bytes(ctx, name, len);
	buf_u8(ctx, '\0');
	return (0);
}

/* All that is below a directory, as lines. */
static void
dump(struct bucket_table *t, uint64_t dir, struct buf *out)
{
	struct buf names = BUF_INIT;
	struct err e = ERR_INIT;
	struct listed l;
	char line[600];

	assert_int_equal(bucket_table_names(t, dir, NULL, see, &names, &e), 0);
	for (size_t at = 0; at < names.len;) {
		const char *name = (const char *)names.data + at;

		at += strlen(name) + 1;
		assert_int_equal(bucket_table_get(t, dir, name, strlen(name),
		    &l, &e), 0);
		(void)snprintf(line, sizeof(line), "%s%s %s %llu\n", name,
		    l.dir > 0 ? "/" : "", l.has_object ? l.etag : "-",
		    (unsigned long long)(l.has_object ? l.size : 0));
		buf_bytes(out, line, strlen(line));
		if (l.dir == 0)
			continue;
		dump(t, l.dir, out);
		buf_bytes(out, "..\n", 3);
	}
	buf_fini(&names);
}

static const char wanted[] =
    "b/ - 0\n"
    "%= b 1\n"
    "x/ - 0\n"
    "%= b/x 3\n"
    "y/ - 0\n"
    "%= b/x/y 5\n"
    "z b/x/y/z 7\n"
    "..\n..\n..\n"
    "b!/ - 0\n"
    "%= b! 2\n"
    "q b!/q 4\n"
    "..\n"
    "b-c/ - 0\n"
    "d b-c/d 5\n"
    "..\n"
    "m/ m/ 101\n"
    "%= m 1\n"
    "n/ m/n/ 103\n"
    "..\n..\n"
    "w/ - 0\n"
    "deep/ - 0\n"
    "er/ - 0\n"
    "one w/deep/er/one 13\n"
    "two w/deep/er/two 13\n"
    "..\n..\n"
    "deeper/ - 0\n"
    "one w/deeper/one 12\n"
    "..\n..\n"
    "z z 1\n";

static void
test_orders(void **state)
{
	uint32_t x = 7;

	for (unsigned round = 0; round < 500; round++) {
		struct given order[N];
		struct bucket_table *t;
		struct buf out = BUF_INIT;
		struct err e = ERR_INIT;

		memcpy(order, objects, sizeof(order));
		for (size_t i = N - 1; round > 0 && i > 0; i--) {
			struct given swap = order[i];
			size_t k;

			x = x * 1664525 + 1013904223;
			k = (x >> 8) % (i + 1);
			order[i] = order[k];
			order[k] = swap;
		}
		assert_int_equal(bucket_table_new(&t, 1 << 20, &e), 0);
		for (size_t i = 0; i < N; i++)
			add(t, &order[i]);
		/* Some servers list an object twice, at a page's end. */
		add(t, &order[0]);
		dump(t, TABLE_ROOT, &out);
		buf_u8(&out, '\0');
		assert_string_equal((char *)out.data, wanted);
		buf_fini(&out);
		bucket_table_free(t);
	}
}

static int
count(void *ctx, const char *name, size_t len, bool is_dir)
{
	return (++*(unsigned *)ctx == 3);
}

static void
test_names(void **state)
{
	struct bucket_table *t;
	struct err e = ERR_INIT;
	struct listed l;
	unsigned n = 0;

	assert_int_equal(bucket_table_new(&t, 1 << 20, &e), 0);
	assert_int_equal(bucket_table_dir(t, "p/q", 3, &e), 0);
	assert_int_equal(bucket_table_get(t, TABLE_ROOT, "p", 1, &l, &e), 0);
	assert_true(l.dir > 0 && !l.has_object);
	assert_int_equal(bucket_table_get(t, l.dir, "r", 1, &l, &e),
	    TABLE_ABSENT);
	for (size_t i = 0; i < N; i++)
		add(t, &objects[i]);
	assert_int_equal(bucket_table_names(t, TABLE_ROOT, "b-c", count, &n,
	    &e), 0);
	assert_int_equal(n, 3);		/* m, p, and stopped at w */
	bucket_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_names),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
