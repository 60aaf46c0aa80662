/*
 * The directory store and the fault store.  The system calls of a put are
 * interposed below: each can be made to fail, or to be where the process dies,
 * so that "whole and durable or not at all" is tried at every step.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/store/dir.h"
#include "engine/store/fault.h"
#include "engine/store/store.h"

/* What is interposed. */
enum { C_OPEN = 1, C_WRITE = 2, C_FSYNC = 4, C_RENAME = 8, C_LINK = 16,
	C_MKDIR = 32, C_UNLINK = 64, C_STAT = 128, C_READDIR = 256,
	C_READ = 512, C_ALL = 1023 };

static int watch;	/* which calls count; 0: none */
static int fail_at;	/* the Nth of them fails ... */
static int fail_errno;	/* ... so; 0: dies there */
static int calls;
static int rename_errno;	/* renameat2 never works, as on NFS */
static _Atomic int fsynced;

static int
fails(int which)
{
	if ((watch & which) == 0 || ++calls != fail_at)
		return (0);
	if (fail_errno == 0)
		(void)kill(getpid(), SIGKILL);
	errno = fail_errno;
	return (1);
}

int
openat(int at, const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(ap, int) : 0;
	va_end(ap);
	if (fails(C_OPEN))
		return (-1);
	return ((int)syscall(SYS_openat, at, path, flags, mode));
}

ssize_t
write(int fd, const void *p, size_t n)
{
	if (fails(C_WRITE))
		return (-1);
	return (syscall(SYS_write, fd, p, n));
}

ssize_t
pread(int fd, void *p, size_t n, off_t off)
{
	if (fails(C_READ))
		return (-1);
	return (syscall(SYS_pread64, fd, p, n, off));
}

int
fsync(int fd)
{
	if (fails(C_FSYNC))
		return (-1);
	fsynced++;
	return ((int)syscall(SYS_fsync, fd));
}

int
renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	if (fails(C_RENAME))
		return (-1);
	if (rename_errno != 0) {
		errno = rename_errno;
		return (-1);
	}
	return ((int)syscall(SYS_renameat2, a, from, b, to, flags));
}

int
linkat(int a, const char *from, int b, const char *to, int flags)
{
	if (fails(C_LINK))
		return (-1);
	return ((int)syscall(SYS_linkat, a, from, b, to, flags));
}

int
mkdirat(int at, const char *path, mode_t mode)
{
	if (fails(C_MKDIR))
		return (-1);
	return ((int)syscall(SYS_mkdirat, at, path, mode));
}

int
unlinkat(int at, const char *path, int flags)
{
	if (fails(C_UNLINK))
		return (-1);
	return ((int)syscall(SYS_unlinkat, at, path, flags));
}

int
fstatat(int at, const char *path, struct stat *st, int flags)
{
	if (fails(C_STAT))
		return (-1);
	return ((int)syscall(SYS_newfstatat, at, path, st, flags));
}

static struct dirent *(*libc_readdir)(DIR *);

struct dirent *
readdir(DIR *dp)
{
	if (fails(C_READDIR))
		return (NULL);
	return (libc_readdir(dp));
}

static char dir[64];
static struct store *s;

#define A16	"aaaaaaaaaaaaaaaa"
#define B16	"bbbbbbbbbbbbbbbb"
#define ID_A	"packs/ab/" A16 A16 A16 A16
#define ID_B	"packs/cd/" B16 B16 B16 B16

static void
calm(void)
{
	watch = fail_at = fail_errno = calls = rename_errno = 0;
	fsynced = 0;
}

static int
setup(void **state)
{
	struct err e = ERR_INIT;

	calm();
	(void)snprintf(dir, sizeof(dir), "/tmp/vitrine-store.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	return (store_dir_open(&s, dir, true, &e));
}

static int
teardown(void **state)
{
	char cmd[128];

	calm();
	store_close(s);
	s = NULL;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return (system(cmd));
}

static void
put_ok(const char *name, const char *text)
{
	struct err e = ERR_INIT;

	if (store_put(s, name, text, strlen(text), &e) != 0)
		fail_msg("%s: %s", name, err_text(&e));
}

static void
is_there(struct store *st, const char *name, const char *text)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;

	if (store_load(st, name, &b, 1 << 20, &e) != 0)
		fail_msg("%s: %s", name, err_text(&e));
	assert_int_equal(b.len, strlen(text));
	assert_memory_equal(b.data, text, b.len);
	buf_fini(&b);
}

static int
names_in(const char *sub)
{
	char path[128];
	struct dirent *de;
	DIR *dp;
	int n = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, sub);
	dp = opendir(path);
	if (dp == NULL)
		return (0);
	while ((de = readdir(dp)) != NULL)
		n += strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0;
	(void)closedir(dp);
	return (n);
}

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

struct seen {
	int n;
	int stop_at;
	uint64_t bytes;
};

static int
see(void *ctx, const char *name, const struct store_stat *st, struct err *e)
{
	struct seen *seen = ctx;

	assert_true(store_name_ok(name));
	seen->bytes += st->size_bytes;
	return (++seen->n == seen->stop_at ? STORE_STOP : 0);
}

static int
refuse(void *ctx, const char *name, const struct store_stat *st, struct err *e)
{
	return (err_set(e, ERR_CANCELED, "enough"));
}

static void
touch(const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
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
	assert_int_equal(store_list(s, "keys", see, &seen, &e), -1);
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
	assert_int_equal(store_open(&other, "s3://x/y", false, &e), -1);
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

	*(void **)&libc_readdir = dlsym(RTLD_NEXT, "readdir64");
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
