/*
 * The directory store where calls fail, processes die, writers race, disks are
 * full or read-only; and the fault store, which does such things on demand.
 */
#include "tests/unit/store_fixture.h"

/* Each system call of a put fails, each way: an honest error, nothing under the
 * name, nothing in tmp/ (unless it was the unlink that failed), and the next
 * try succeeds. */
static void
put_fails_at_every_call(void **state)
{
	static const int why[] = { EIO, ENOSPC, ESTALE, EROFS };
	struct err e = ERR_INIT;
	struct store_stat st;
	char name[STORE_NAME_MAX];
	int n, rc, counted;

	for (int links = 0; links < 2; links++)
	for (int w = 0; w < 4; w++)
	for (n = 1;; n++) {
		calm();
		(void)snprintf(name, sizeof(name), "packs/%d%d/%d", links, w,
		    n);
		rename_errno = links ? EINVAL : 0;
		watch = C_ALL & ~C_UNLINK & ~C_STAT;
		fail_at = n;
		fail_errno = why[w];
		rc = store_put(s, name, "object", 6, &e);
		counted = calls;
		calm();
		if (rc == 0) {
			assert_true(counted < n);
			break;
		}
		assert_int_equal(e.sys, why[w]);
		assert_int_equal(e.code, why[w] == ENOSPC ? ERR_FULL : ERR_SYS);
		assert_int_equal(store_stat(s, name, &st, &e), STORE_ABSENT);
		assert_int_equal(names_in("tmp"), 0);
		put_ok(name, "object");
		is_there(s, name, "object");
	}
}

/* Each system call of a put is where the process dies: the object is whole or
 * absent, and the next try succeeds or finds it. */
static void
put_dies_at_every_call(void **state)
{
	struct err e = ERR_INIT;
	struct store_stat st;
	char name[STORE_NAME_MAX];
	int n, rc, status, whole = 0;

	for (int links = 0; links < 2; links++)
	for (n = 1;; n++) {
		pid_t pid;

		(void)snprintf(name, sizeof(name), "packs/%d%d/x", links, n);
		pid = fork();
		if (pid == 0) {
			calm();
			rename_errno = links ? EINVAL : 0;
			watch = C_ALL;
			fail_at = n;
			_exit(store_put(s, name, "object", 6, &e) != 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		rc = store_stat(s, name, &st, &e);
		if (rc == 0) {
			is_there(s, name, "object");
			whole++;
		} else {
			assert_int_equal(rc, STORE_ABSENT);
		}
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			assert_int_equal(rc, 0);
			break;
		}
		assert_int_equal(store_put(s, name, "object", 6, &e),
		    rc == 0 ? STORE_EXISTS : 0);
		is_there(s, name, "object");
	}
	/* Some deaths came after the name was given. */
	assert_true(whole > 2);
}

static void
stale_files_go_live_ones_stay(void **state)
{
	static const char old[] = "tmp/00000000000000000000000000000001";
	static const char held[] = "tmp/00000000000000000000000000000002";
	static const char fresh[] = "tmp/00000000000000000000000000000003";
	const struct timespec past[2] = { { 1000, 0 }, { 1000, 0 } };
	struct err e = ERR_INIT;
	struct store *other;
	struct store_put *p;
	int root, fd;

	put_ok("keys/a", "makes tmp");
	touch(old);
	touch(held);
	touch(fresh);
	touch("tmp/foreign");
	root = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(utimensat(root, old, past, 0), 0);
	assert_int_equal(utimensat(root, held, past, 0), 0);
	assert_int_equal(utimensat(root, "tmp/foreign", past, 0), 0);
	fd = openat(root, held, O_WRONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(store_dir_open(&other, dir, false, &e), 0);
	assert_int_equal(store_put_begin(other, &p, &e), 0);
	assert_int_equal(faccessat(root, old, F_OK, 0), -1);
	assert_int_equal(faccessat(root, held, F_OK, 0), 0);
	assert_int_equal(faccessat(root, fresh, F_OK, 0), 0);
	assert_int_equal(faccessat(root, "tmp/foreign", F_OK, 0), 0);
	store_put_abort(p);
	store_close(other);
	(void)close(fd);
	(void)close(root);
}

#define RACERS	8
#define ROUNDS	60

static pthread_barrier_t start;

struct racer {
	pthread_t thread;
	int made, existed, failed;
};

static void *
race(void *arg)
{
	struct racer *r = arg;
	struct err e = ERR_INIT;
	char name[STORE_NAME_MAX], text[32];

	for (int i = 0; i < ROUNDS; i++) {
		(void)snprintf(name, sizeof(name), "packs/%02x/%d", i, i);
		(void)snprintf(text, sizeof(text), "round %04d", i);
		(void)pthread_barrier_wait(&start);
		switch (store_put(s, name, text, strlen(text), &e)) {
		case 0:
			r->made++;
			break;
		case STORE_EXISTS:
			r->existed++;
			break;
		default:
			r->failed++;
			break;
		}
	}
	return (NULL);
}

static void
one_of_many_writers_wins(void **state)
{
	struct racer r[RACERS] = { 0 };
	struct err e = ERR_INIT;
	struct seen seen = { 0 };
	int made = 0;

	assert_int_equal(pthread_barrier_init(&start, NULL, RACERS), 0);
	for (int i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&r[i].thread, NULL, race,
		    &r[i]), 0);
	for (int i = 0; i < RACERS; i++) {
		assert_int_equal(pthread_join(r[i].thread, NULL), 0);
		assert_int_equal(r[i].failed, 0);
		assert_int_equal(r[i].made + r[i].existed, ROUNDS);
		made += r[i].made;
	}
	(void)pthread_barrier_destroy(&start);
	assert_int_equal(made, ROUNDS);
	assert_int_equal(names_in("tmp"), 0);
	assert_int_equal(store_list(s, "packs", see, &seen, &e), 0);
	assert_int_equal(seen.n, ROUNDS);
	assert_int_equal(seen.bytes, ROUNDS * 10);
	is_there(s, "packs/00/0", "round 0000");
}

static void
opening(void **state)
{
	struct err e = ERR_INIT;
	struct store *other;
	char path[128];
	dev_t dev = 0;
	ino_t ino = 0;
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/none", dir);
	assert_int_equal(store_open(&other, path, false, &e), -1);
	assert_int_equal(e.code, ERR_NOREPO);
	assert_int_equal(store_open(&other, "", false, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_int_equal(store_open(&other, "ftp://x/y", false, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	touch("file");
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	assert_int_equal(store_open(&other, path, false, &e), -1);
	assert_int_equal(e.code, ERR_NOREPO);
	/* Create: only where nothing is. */
	assert_int_equal(store_open(&other, dir, true, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	assert_non_null(strstr(err_text(&e), "\"file\""));
	(void)snprintf(path, sizeof(path), "%s/new/repo", dir);
	assert_int_equal(store_open(&other, path, true, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	store_close(other);
	setenv("VITRINE_TEST_FAULTS", "stat@1=eio", 1);
	assert_int_equal(store_open(&other, path, true, &e), 0);
	unsetenv("VITRINE_TEST_FAULTS");
	assert_int_equal(store_dir_identity(other, &dev, &ino), 0);
	assert_true(dev == st.st_dev && ino == st.st_ino);
	{
		struct store_stat x;
		assert_int_equal(store_stat(other, "vitrine", &x, &e), -1);
		assert_int_equal(e.sys, EIO);
		assert_int_equal(store_stat(other, "vitrine", &x, &e),
		    STORE_ABSENT);
	}
	store_close(other);
	store_close(NULL);
}

/* A mount of our own; or the test is skipped. */
static void
mount_or_skip(const char *type, const char *path, const char *data)
{
	if (geteuid() != 0) {
		print_message("not root\n");
		skip();
	}
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", path, type, 0, data) != 0) {
		print_message("no mounts here: %s\n", strerror(errno));
		skip();
	}
}

static void
a_full_disk_leaves_no_half_object(void **state)
{
	static char big[300 << 10];
	struct err e = ERR_INIT;
	struct store_stat st;
	struct store *full;
	char path[128], name[64];
	int n = 0, rc;

	(void)snprintf(path, sizeof(path), "%s/full", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	mount_or_skip("tmpfs", path, "size=1m");
	assert_int_equal(store_dir_open(&full, path, true, &e), 0);
	memset(big, 'x', sizeof(big));
	do {
		(void)snprintf(name, sizeof(name), "packs/ab/%d", n++);
		rc = store_put(full, name, big, sizeof(big), &e);
	} while (rc == 0);
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, ERR_FULL);
	assert_int_equal(n, 4);
	assert_int_equal(store_stat(full, name, &st, &e), STORE_ABSENT);
	assert_int_equal(names_in("full/tmp"), 0);
	/* What was stored can be read, and room can be made. */
	assert_int_equal(store_stat(full, "packs/ab/0", &st, &e), 0);
	assert_int_equal(st.size_bytes, sizeof(big));
	assert_int_equal(store_remove(full, "packs/ab/0", &e), 0);
	assert_int_equal(store_put(full, name, big, sizeof(big), &e), 0);
	store_close(full);
	assert_int_equal(umount(path), 0);
}

static void
a_read_only_store_reads(void **state)
{
	struct err e = ERR_INIT;
	struct seen seen = { 0 };
	struct store *ro;
	struct store_put *p;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/ro", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	mount_or_skip("tmpfs", path, "size=1m");
	assert_int_equal(store_dir_open(&ro, path, true, &e), 0);
	assert_int_equal(store_put(ro, "keys/a", "x", 1, &e), 0);
	store_close(ro);
	assert_int_equal(mount("none", path, "none", MS_REMOUNT | MS_RDONLY,
	    NULL), 0);
	assert_int_equal(store_dir_open(&ro, path, false, &e), 0);
	is_there(ro, "keys/a", "x");
	assert_int_equal(store_list(ro, "keys", see, &seen, &e), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(store_put_begin(ro, &p, &e), -1);
	assert_int_equal(e.sys, EROFS);
	assert_int_equal(store_put(ro, "keys/b", "x", 1, &e), -1);
	assert_int_equal(e.sys, EROFS);
	assert_int_equal(store_remove(ro, "keys/a", &e), -1);
	assert_int_equal(e.sys, EROFS);
	store_close(ro);
	assert_int_equal(umount(path), 0);
}

/* As a user without the right to write, where tmp/ was never made. */
static void
no_right_to_write(void **state)
{
	struct err e = ERR_INIT;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("not root\n");
		skip();
	}
	put_ok("keys/a", "x");
	assert_int_equal(chmod(dir, 0755), 0);
	pid = fork();
	if (pid == 0) {
		struct store_put *p;

		if (setuid(65534) != 0)
			_exit(2);
		if (store_put_begin(s, &p, &e) != -1 || e.sys != EACCES)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- the fault store --- */

static struct store *
faulty(const char *plan)
{
	struct err e = ERR_INIT;
	struct store *inner, *f;

	assert_int_equal(store_dir_open(&inner, dir, false, &e), 0);
	if (store_fault_open(&f, inner, plan, &e) != 0)
		fail_msg("%s", err_text(&e));
	return (f);
}

static void
fault_plans_are_parsed(void **state)
{
	static const char *const bad[] = {
		"", "read", "read@1", "read=eio", "read@0=eio", "read@x=eio",
		"write@1=eio", "read@1=eioo", "read@1=", "read@1=eio,",
		"read@1=tear", "put@1=flip", "commit@1=short", "read@1-=eio"
	};
	struct err e = ERR_INIT;
	struct store *f;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(store_fault_open(&f, s, bad[i], &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
	store_close(faulty("read@1=eio,any@3+=estale,commit@12=tear"));
}

static void
faults_hit_the_nth_call(void **state)
{
	struct store *f = faulty("read@2=eio,read@3=flip,read@4=short,"
	    "stat@2+=estale,list@1=enospc,list@2=short,remove@1=lost");
	struct err e = ERR_INIT;
	struct store_stat st;
	struct seen seen = { 0 };
	char out[4];
	size_t got;

	put_ok("keys/a", "abcd");
	put_ok("keys/b", "abcd");
	assert_int_equal(store_read(f, "keys/a", 0, out, 4, &got, &e), 0);
	assert_memory_equal(out, "abcd", 4);
	assert_int_equal(store_read(f, "keys/a", 0, out, 4, &got, &e), -1);
	assert_int_equal(e.sys, EIO);
	assert_int_equal(store_read(f, "keys/a", 0, out, 4, &got, &e), 0);
	assert_memory_equal(out, "abbd", 4);
	assert_int_equal(store_read(f, "keys/a", 0, out, 4, &got, &e), 0);
	assert_int_equal(got, 2);
	assert_int_equal(store_stat(f, "keys/a", &st, &e), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_stat(f, "keys/a", &st, &e), -1);
		assert_int_equal(e.sys, ESTALE);
	}
	assert_int_equal(store_list(f, "keys", see, &seen, &e), -1);
	assert_int_equal(e.code, ERR_FULL);
	assert_int_equal(store_list(f, "keys", see, &seen, &e), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(store_remove(f, "keys/a", &e), -1);
	assert_int_equal(store_stat(s, "keys/a", &st, &e), STORE_ABSENT);
	assert_int_equal(store_fault_calls(f), 11);
	store_close(f);
}

static void
faults_of_puts(void **state)
{
	struct store *f = faulty("put@1=tear,put@2=lost,append@1=tear,"
	    "commit@1=tear,commit@3=lost,begin@4=eio");
	struct err e = ERR_INIT;
	struct store_put *p;
	struct store_stat st;

	assert_int_equal(store_put(f, "keys/torn", "abcd", 4, &e), -1);
	is_there(f, "keys/torn", "ab");
	assert_int_equal(store_put(f, "keys/lost", "abcd", 4, &e), -1);
	is_there(f, "keys/lost", "abcd");
	/* append torn: the stream is spoilt */
	assert_int_equal(store_put_begin(f, &p, &e), 0);
	assert_int_equal(store_put_append(p, "abcd", 4, &e), -1);
	store_put_abort(p);
	assert_int_equal(store_put_begin(f, &p, &e), 0);
	assert_int_equal(store_put_append(p, "abcd", 4, &e), 0);
	assert_int_equal(store_put_append(p, "efgh", 4, &e), 0);
	assert_int_equal(store_put_commit(p, "keys/stream", &e), -1);
	is_there(f, "keys/stream", "abcd");
	assert_int_equal(store_put_begin(f, &p, &e), 0);
	assert_int_equal(store_put_append(p, "abcd", 4, &e), 0);
	assert_int_equal(store_put_commit(p, "keys/good", &e), 0);
	is_there(f, "keys/good", "abcd");
	assert_int_equal(store_put_begin(f, &p, &e), -1);
	assert_int_equal(store_put_begin(f, &p, &e), 0);
	assert_int_equal(store_put_commit(p, "keys/answer", &e), -1);
	assert_int_equal(store_stat(f, "keys/answer", &st, &e), 0);
	store_close(f);
	assert_int_equal(names_in("tmp"), 0);
}

static void
a_fault_kills(void **state)
{
	struct err e = ERR_INIT;
	struct store_stat st;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct store *f = faulty("put@2=kill");

		(void)store_put(f, "keys/a", "x", 1, &e);
		(void)store_put(f, "keys/b", "x", 1, &e);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(store_stat(s, "keys/a", &st, &e), 0);
	assert_int_equal(store_stat(s, "keys/b", &st, &e), STORE_ABSENT);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(put_fails_at_every_call),
		T(put_dies_at_every_call),
		T(stale_files_go_live_ones_stay),
		T(one_of_many_writers_wins),
		T(opening),
		T(a_full_disk_leaves_no_half_object),
		T(a_read_only_store_reads),
		T(no_right_to_write),
		T(fault_plans_are_parsed),
		T(faults_hit_the_nth_call),
		T(faults_of_puts),
		T(a_fault_kills),
	};

	interpose();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
