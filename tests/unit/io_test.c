/*
 * Whole reads and writes, the durable replacement of a file, mkdir -p.  The
 * calls that matter are interposed (syscalls below), so that each can be made
 * to fail.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"

static int fail_fsync_at;	/* the Nth fsync answers EIO; 0: none */
static int fsyncs;

/* Stands before libc's own. */
int
fsync(int fd)
{
	if (++fsyncs == fail_fsync_at) {
		errno = EIO;
		return (-1);
	}
	return ((int)syscall(SYS_fsync, fd));
}

static char dir[64];
static int dirfd_;

static int
setup(void **state)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/vitrine-io.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
	fail_fsync_at = fsyncs = 0;
	return (dirfd_ < 0 ? -1 : 0);
}

static int
teardown(void **state)
{
	char cmd[128];

	(void)close(dirfd_);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return (system(cmd));
}

static int
entries(void)
{
	DIR *dp = opendir(dir);
	int n = 0;

	while (readdir(dp) != NULL)
		n++;
	(void)closedir(dp);
	return (n - 2);
}

static void
reads_and_writes_whole(void **state)
{
	static const char text[] = "hello, world";
	struct err e = ERR_INIT;
	char out[64];
	size_t got;
	int fd;

	fd = openat(dirfd_, "f", O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, 12, &e), 0);
	assert_int_equal(io_pwrite_all(fd, "W", 1, 7, &e), 0);
	assert_int_equal(io_pread(fd, out, sizeof(out), 5, &got, &e), 0);
	assert_int_equal(got, 7);
	assert_memory_equal(out, ", World", 7);
	assert_int_equal(io_pread(fd, out, 4, 100, &got, &e), 0);
	assert_int_equal(got, 0);
	assert_int_equal(io_pread_all(fd, out, 12, 0, &e), 0);
	assert_int_equal(io_pread_all(fd, out, 13, 0, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_int_equal(io_pread(fd, out, 1, UINT64_MAX, &got, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(io_pwrite_all(fd, out, 1, INT64_MAX, &e), -1);
	(void)close(fd);
	assert_int_equal(io_write_all(fd, text, 1, &e), -1);
	assert_int_equal(e.sys, EBADF);
	fd = open("/dev/full", O_WRONLY);
	assert_int_equal(io_write_all(fd, text, 1, &e), -1);
	assert_int_equal(e.code, ERR_FULL);
	(void)close(fd);
}

static void
zeros_are_told(void **state)
{
	static const uint8_t none[3] = { 0 };
	struct err e = ERR_INIT;
	const uint64_t end = (uint64_t)1 << 42;
	bool zeros;
	int fd = openat(dirfd_, "sparse", O_CREAT | O_RDWR, 0600);

	/* More than could be read in the time that a test has. */
	assert_int_equal(ftruncate(fd, (off_t)end), 0);
	assert_int_equal(io_is_zeros(fd, 0, end, &zeros, &e), 0);
	assert_true(zeros);
	assert_int_equal(io_is_zeros(fd, end, 0, &zeros, &e), 0);
	assert_true(zeros);
	assert_int_equal(io_is_zeros(fd, end - 1, 2, &zeros, &e), 0);
	assert_false(zeros);
	assert_int_equal(io_pwrite_all(fd, none, 3, end / 2, &e), 0);
	assert_int_equal(io_is_zeros(fd, 5, end - 5, &zeros, &e), 0);
	assert_true(zeros);
	assert_int_equal(io_pwrite_all(fd, "x", 1, end / 2 + 3, &e), 0);
	assert_int_equal(io_is_zeros(fd, 5, end - 5, &zeros, &e), 0);
	assert_false(zeros);
	assert_int_equal(io_is_zeros(fd, 0, end / 2 + 3, &zeros, &e), 0);
	assert_true(zeros);
	(void)close(fd);
	assert_int_equal(io_is_zeros(fd, 0, 1, &zeros, &e), -1);
	assert_int_equal(e.sys, EBADF);
}

static void
slurp_is_bounded(void **state)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	int p[2];

	buf_u8(&b, 'x');
	assert_int_equal(pipe(p), 0);
	assert_int_equal(io_write_all(p[1], "abc", 3, &e), 0);
	(void)close(p[1]);
	assert_int_equal(io_slurp(p[0], &b, 3, &e), 0);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "xabc", 4);
	(void)close(p[0]);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(io_write_all(p[1], "abc", 3, &e), 0);
	(void)close(p[1]);
	assert_int_equal(io_slurp(p[0], &b, 2, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(b.len, 4);
	(void)close(p[0]);
	buf_fini(&b);
}

static void
check_file(const char *want)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	int fd = openat(dirfd_, "state", O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(io_slurp(fd, &b, 100, &e), 0);
	assert_int_equal(b.len, strlen(want));
	assert_memory_equal(b.data, want, b.len);
	(void)close(fd);
	buf_fini(&b);
}

static void
replace_is_all_or_nothing(void **state)
{
	struct err e = ERR_INIT;
	struct stat st;

	assert_int_equal(io_replace(dirfd_, "state", "one", 3, 0600, &e), 0);
	assert_int_equal(fsyncs, 2);
	assert_int_equal(fstatat(dirfd_, "state", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(io_replace(dirfd_, "state", "two", 3, 0600, &e), 0);
	check_file("two");
	fsyncs = 0;
	fail_fsync_at = 1;
	assert_int_equal(io_replace(dirfd_, "state", "three", 5, 0600, &e),
	    -1);
	assert_int_equal(e.sys, EIO);
	check_file("two");
	fsyncs = 0;
	fail_fsync_at = 2;
	assert_int_equal(io_replace(dirfd_, "state", "four", 4, 0600, &e), -1);
	assert_int_equal(entries(), 1);
}

static void
replace_on_a_bad_directory(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(io_replace(dirfd_, "state", "x", 1, 0600, &e), -1);
	assert_int_equal(e.sys, ENOENT);
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void
mkdirs_makes_and_syncs(void **state)
{
	struct err e = ERR_INIT;
	char p[160];
	struct stat st;

	(void)snprintf(p, sizeof(p), "%s/a//b/./c/", dir);
	assert_int_equal(io_mkdirs(p, 0700, &e), 0);
	assert_int_equal(fsyncs, 3);
	assert_int_equal(stat(p, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(io_mkdirs(p, 0700, &e), 0);
	assert_int_equal(fsyncs, 3);
	assert_int_equal(io_mkdirs("/", 0700, &e), 0);
	assert_int_equal(fchdir(dirfd_), 0);
	assert_int_equal(io_mkdirs("rel/x", 0700, &e), 0);
	assert_int_equal(fstatat(dirfd_, "rel/x", &st, 0), 0);
	assert_int_equal(io_mkdirs("", 0700, &e), -1);
	(void)close(openat(dirfd_, "file", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(io_mkdirs("file", 0700, &e), -1);
	assert_int_equal(e.sys, ENOTDIR);
	assert_int_equal(io_mkdirs("file/x", 0700, &e), -1);
	fsyncs = 0;
	fail_fsync_at = 1;
	assert_int_equal(io_mkdirs("unsynced", 0700, &e), -1);
	assert_int_equal(e.sys, EIO);
	assert_int_equal(chdir("/"), 0);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(reads_and_writes_whole),
		T(zeros_are_told),
		T(slurp_is_bounded),
		T(replace_is_all_or_nothing),
		T(replace_on_a_bad_directory),
		T(mkdirs_makes_and_syncs),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
