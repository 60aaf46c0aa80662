/* The directory store: what an object is, names, streams, listings, removal. */
#include "tests/unit/store_fixture.h"

static void
puts_and_reads(void **state)
{
	struct err e = ERR_INIT;
	struct store_stat st;
	struct stat real;
	char path[256], out[8];
	size_t got;

	put_ok(ID_A, "hello");
	/* the file; the store (for packs), packs (for ab), ab (for the name) */
	assert_int_equal(fsynced, 4);
	is_there(s, ID_A, "hello");
	assert_int_equal(store_stat(s, ID_A, &st, &e), 0);
	assert_int_equal(st.size_bytes, 5);
	assert_int_equal(store_read(s, ID_A, 3, out, 8, &got, &e), 0);
	assert_int_equal(got, 2);
	assert_memory_equal(out, "lo", 2);
	assert_int_equal(store_read(s, ID_A, 99, out, 8, &got, &e), 0);
	assert_int_equal(got, 0);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, ID_A);
	assert_int_equal(stat(path, &real), 0);
	assert_int_equal(real.st_mode & 07777, 0600);
	assert_int_equal(real.st_nlink, 1);
	(void)snprintf(path, sizeof(path), "%s/packs/ab", dir);
	assert_int_equal(stat(path, &real), 0);
	assert_int_equal(real.st_mode & 07777, 0700);
	assert_int_equal(names_in("tmp"), 0);
	put_ok("vitrine", "");
	is_there(s, "vitrine", "");
}

static void
absent_is_proven(void **state)
{
	struct err e = ERR_INIT;
	struct store_stat st;
	struct buf b = BUF_INIT;
	size_t got;
	char c;

	assert_int_equal(store_read(s, ID_A, 0, &c, 1, &got, &e),
	    STORE_ABSENT);
	assert_int_equal(store_load(s, ID_A, &b, 10, &e), STORE_ABSENT);
	assert_int_equal(store_stat(s, ID_A, &st, &e), STORE_ABSENT);
	assert_int_equal(store_remove(s, ID_A, &e), STORE_ABSENT);
	/* A component that is no directory proves nothing. */
	put_ok("packs", "a file");
	assert_int_equal(store_stat(s, ID_A, &st, &e), -1);
	assert_int_equal(e.sys, ENOTDIR);
	assert_int_equal(store_remove(s, ID_A, &e), -1);
	assert_int_equal(store_remove(s, "packs", &e), 0);
	/* Nor does a store that was removed under us. */
	(void)rmdir("tmp");
	{
		char cmd[128];
		(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
		assert_int_equal(system(cmd), 0);
	}
	assert_int_equal(store_stat(s, ID_A, &st, &e), -1);
	assert_int_equal(store_read(s, ID_A, 0, &c, 1, &got, &e), -1);
	assert_int_equal(store_put(s, ID_A, "x", 1, &e), -1);
	assert_int_equal(mkdir(dir, 0700), 0);
	buf_fini(&b);
}

static void
names_are_checked(void **state)
{
	static const char *const bad[] = {
		"", "/", "a/", "/a", "a//b", "..", "a/../b", "a/./b", "A",
		"a b",
		"a_b", "a.b", "tmp", "tmp/a", "packs/\xc3\xa9", "a\n",
		A16 A16 A16 A16 A16 A16 A16 A16 "a"
	};
	struct err e = ERR_INIT;
	struct store_stat st;
	struct store_put *p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(store_name_ok(bad[i]));
		assert_int_equal(store_put(s, bad[i], "x", 1, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
		assert_int_equal(store_stat(s, bad[i], &st, &e), -1);
		assert_int_equal(store_remove(s, bad[i], &e), -1);
		assert_int_equal(store_put_begin(s, &p, &e), 0);
		assert_int_equal(store_put_commit(p, bad[i], &e), -1);
	}
	assert_int_equal(names_in("tmp"), 0);
	assert_true(store_name_ok("tmp0"));
	assert_true(store_name_ok("leases/0af-00000000"));
	assert_true(store_name_ok(bad[16] + 1));
}

static void
a_taken_name_is_kept(void **state)
{
	struct err e = ERR_INIT;

	for (int links = 0; links < 2; links++) {
		const char *name = links ? ID_B : ID_A;

		rename_errno = links ? EINVAL : 0;
		put_ok(name, "first");
		fsynced = 0;
		assert_int_equal(store_put(s, name, "other", 5, &e),
		    STORE_EXISTS);
		/* The other writer may not have synced the name yet. */
		assert_int_equal(fsynced, 2);
		is_there(s, name, "first");
		/* Another size under a name made of contents is damage. */
		assert_int_equal(store_put(s, name, "longer", 6, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
		assert_int_equal(names_in("tmp"), 0);
	}
	put_ok("vitrine", "one");
	assert_int_equal(store_put(s, "vitrine", "three", 5, &e),
	    STORE_EXISTS);
	rename_errno = EINVAL;
	watch = C_LINK;
	fail_at = 1;
	fail_errno = EPERM;
	assert_int_equal(store_put(s, "keys/a", "x", 1, &e), -1);
	assert_int_equal(e.sys, EPERM);
	assert_int_equal(names_in("tmp"), 0);
}

static void
streams(void **state)
{
	struct err e = ERR_INIT;
	struct store_put *p, *q;
	static char big[3 << 20];
	struct store_stat st;

	assert_int_equal(store_put_begin(s, &p, &e), 0);
	assert_int_equal(store_put_begin(s, &q, &e), 0);
	assert_int_equal(names_in("tmp"), 2);
	for (int i = 0; i < 5; i++)
		assert_int_equal(store_put_append(p, big, sizeof(big), &e), 0);
	assert_int_equal(store_put_append(q, "x", 1, &e), 0);
	store_put_abort(q);
	assert_int_equal(names_in("tmp"), 1);
	assert_int_equal(store_put_commit(p, ID_A, &e), 0);
	assert_int_equal(store_stat(s, ID_A, &st, &e), 0);
	assert_int_equal(st.size_bytes, 5 * sizeof(big));
	store_put_abort(NULL);
	/* A failed append spoils the stream. */
	assert_int_equal(store_put_begin(s, &p, &e), 0);
	watch = C_WRITE;
	fail_at = 1;
	fail_errno = ENOSPC;
	assert_int_equal(store_put_append(p, "x", 1, &e), -1);
	assert_int_equal(e.code, ERR_FULL);
	calm();
	assert_int_equal(store_put_append(p, "x", 1, &e), -1);
	assert_int_equal(store_put_commit(p, ID_B, &e), -1);
	assert_int_equal(store_stat(s, ID_B, &st, &e), STORE_ABSENT);
	assert_int_equal(names_in("tmp"), 0);
}

static void
load_is_bounded(void **state)
{
	static char big[300000];
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;

	memset(big, 'q', sizeof(big));
	assert_int_equal(store_put(s, ID_A, big, sizeof(big), &e), 0);
	buf_u8(&b, 1);
	assert_int_equal(store_load(s, ID_A, &b, sizeof(big), &e), 0);
	assert_int_equal(b.len, sizeof(big) + 1);
	assert_memory_equal(b.data + 1, big, sizeof(big));
	b.len = 1;
	assert_int_equal(store_load(s, ID_A, &b, sizeof(big) - 1, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(b.len, 1);
	assert_int_equal(store_load(s, ID_A, &b, SIZE_MAX, &e), 0);
	b.len = 1;
	assert_int_equal(store_load(s, ID_A, &b, 0, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	put_ok("keys/empty", "");
	assert_int_equal(store_load(s, "keys/empty", &b, 0, &e), 0);
	assert_int_equal(b.len, 1);
	buf_fini(&b);
}

static int
refuse(void *ctx, const char *name, const struct store_stat *st, struct err *e)
{
	return (err_set(e, ERR_CANCELED, "enough"));
}

static void
lists_all_of_a_prefix(void **state)
{
	struct err e = ERR_INIT;
	struct seen seen = { 0 };

	assert_int_equal(store_list(s, "packs", see, &seen, &e), 0);
	assert_int_equal(seen.n, 0);
	put_ok(ID_A, "1");
	put_ok(ID_B, "22");
	put_ok("packs-other/x", "333");
	put_ok("keys/x", "4444");
	touch("packs/.nfs0001");
	touch("packs/ab/UPPER");
	assert_int_equal(store_list(s, "packs", see, &seen, &e), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.bytes, 3);
	seen = (struct seen){ .stop_at = 1 };
	assert_int_equal(store_list(s, "packs", see, &seen, &e), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(store_list(s, "packs", refuse, NULL, &e), -1);
	assert_int_equal(e.code, ERR_CANCELED);
	seen = (struct seen){ 0 };
	assert_int_equal(store_list(s, "packs/ab", see, &seen, &e), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(store_list(s, "tmp", see, &seen, &e), -1);
	/* A file where a directory should be is no empty listing. */
	assert_int_equal(store_list(s, "keys/x", see, &seen, &e), -1);
}

/* Every system call of a listing, failing: an error each time, never a short
 * listing. */
static void
a_listing_that_fails_says_so(void **state)
{
	static const int why[] = { EIO, ESTALE, EACCES, ENOMEM };
	struct err e = ERR_INIT;
	struct seen seen;
	int n = 1;

	put_ok(ID_A, "1");
	put_ok(ID_B, "2");
	for (;; n++) {
		seen = (struct seen){ 0 };
		calm();
		watch = C_OPEN | C_STAT | C_READDIR;
		fail_at = n;
		fail_errno = why[n % 4];
		if (store_list(s, "packs", see, &seen, &e) == 0)
			break;
		assert_int_equal(e.sys, why[n % 4]);
	}
	assert_true(calls < n);
	assert_int_equal(seen.n, 2);
	/* packs; ab, cd: 3 opens; 4 entries; the ends of 3 directories */
	assert_true(n > 10);
}

static void
what_is_no_file_is_refused(void **state)
{
	struct err e = ERR_INIT;
	struct seen seen = { 0 };
	struct store_stat st;
	char path[256], c;
	size_t got;

	put_ok("keys/real", "x");
	(void)snprintf(path, sizeof(path), "%s/keys/link", dir);
	assert_int_equal(symlink("real", path), 0);
	assert_int_equal(store_read(s, "keys/link", 0, &c, 1, &got, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_int_equal(store_stat(s, "keys/link", &st, &e), -1);
	/* It hides no object beside it. */
	assert_int_equal(store_list(s, "keys", see, &seen, &e), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.odd, 1);
	assert_int_equal(store_list_names(s, "keys", see, &seen, &e), 0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.odd, 2);
	assert_int_equal(seen.bytes, 1);
	assert_int_equal(store_put(s, "keys/link", "x", 1, &e), -1);
	(void)unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(store_read(s, "keys/link", 0, &c, 1, &got, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_int_equal(store_read(s, "keys", 0, &c, 1, &got, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
}

static void
removal_is_durable(void **state)
{
	struct err e = ERR_INIT;
	struct store_stat st;

	put_ok(ID_A, "x");
	fsynced = 0;
	assert_int_equal(store_remove(s, ID_A, &e), 0);
	assert_int_equal(fsynced, 1);
	assert_int_equal(store_stat(s, ID_A, &st, &e), STORE_ABSENT);
	put_ok(ID_A, "y");
	watch = C_FSYNC;
	fail_at = 1;
	fail_errno = EIO;
	assert_int_equal(store_remove(s, ID_A, &e), -1);
	assert_int_equal(e.sys, EIO);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(puts_and_reads),
		T(absent_is_proven),
		T(names_are_checked),
		T(a_taken_name_is_kept),
		T(streams),
		T(load_is_bounded),
		T(lists_all_of_a_prefix),
		T(a_listing_that_fails_says_so),
		T(what_is_no_file_is_refused),
		T(removal_is_durable),
	};

	interpose();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
