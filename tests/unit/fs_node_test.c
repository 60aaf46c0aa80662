/*
 * What a hostile catalog may say of an entry, and what of that the kernel may
 * hear: names, where a directory belongs, node numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "fs/fs_int.h"

#define DIR_INO	7

static void
checked(const struct entry *child, const char *name, size_t len, bool fine)
{
	struct err e = ERR_INIT;

	assert_int_equal(fs_check_child(child, DIR_INO, name, len, &e),
	    fine ? 0 : -1);
	assert_int_equal(e.code, fine ? ERR_NONE : ERR_CORRUPT);
}

static void
test_names(void **state)
{
	const struct entry file = { .kind = ENTRY_FILE, .ino = 9 };
	char longest[CATALOG_NAME_MAX + 1];

	(void)state;
	memset(longest, 'n', sizeof(longest));
	checked(&file, longest, CATALOG_NAME_MAX, true);
	checked(&file, longest, CATALOG_NAME_MAX + 1, false);
	checked(&file, "", 0, false);
	checked(&file, ".", 1, false);
	checked(&file, "..", 2, false);
	checked(&file, "...", 3, true);
	checked(&file, ".a", 2, true);
	checked(&file, "a.", 2, true);
	checked(&file, "..a", 3, true);
	checked(&file, "/", 1, false);
	checked(&file, "a/b", 3, false);
	checked(&file, "a\0b", 3, false);
	checked(&file, "a\nb\377", 4, true);
}

/* A file has a name in any directory; a directory, in its parent's. */
static void
test_places(void **state)
{
	struct entry x = { .kind = ENTRY_FILE, .ino = 9, .parent = 8 };

	(void)state;
	checked(&x, "a", 1, true);
	x.kind = ENTRY_DIR;
	checked(&x, "a", 1, false);
	x.parent = DIR_INO;
	checked(&x, "a", 1, true);
	x.ino = DIR_INO;
	checked(&x, "a", 1, false);
	x.kind = ENTRY_FILE;
	checked(&x, "a", 1, false);
}

static void
numbered(struct fs *fs, uint64_t ino, uint64_t want)
{
	const struct node in = { .kind = NODE_ENTRY, .snapshot = 5,
	    .ino = DIR_INO };
	struct err e = ERR_INIT;
	uint64_t number;

	assert_int_equal(fs_number(fs, &in, ino, &number, &e),
	    want != 0 ? 0 : -1);
	if (want != 0)
		assert_true(number == want);
	else
		assert_int_equal(e.code, ERR_CORRUPT);
}

static void
test_numbers(void **state)
{
	struct fs all = { 0 };
	struct fs one = { .layout = { .single = true, .root_ino = 44 } };
	struct fs whole = { .layout = { .single = true,
	    .root_ino = CATALOG_ROOT_INO } };
	const uint64_t of_five = UINT64_C(5) << LAYOUT_SHIFT;

	(void)state;
	numbered(&all, CATALOG_ROOT_INO, of_five | CATALOG_ROOT_INO);
	numbered(&all, 9, of_five | 9);
	numbered(&all, LAYOUT_INO_MAX, of_five | LAYOUT_INO_MAX);
	numbered(&all, LAYOUT_INO_MAX + 1, 0);
	numbered(&all, 0, 0);
	numbered(&one, 44, 1);
	numbered(&one, 9, 9);
	/* What is above the mounted directory isn't in it. */
	numbered(&one, CATALOG_ROOT_INO, 0);
	numbered(&whole, CATALOG_ROOT_INO, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_numbers),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
