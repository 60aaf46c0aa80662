#ifndef VITRINE_TESTS_UNIT_STORE_FIXTURE_H
#define VITRINE_TESTS_UNIT_STORE_FIXTURE_H

/*
 * A directory store in a place of its own.  The system calls of a put are
 * interposed: each can be made to fail, or to be where the process dies, so
 * that "whole and durable or not at all" is tried at every step.
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

static inline int
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
	struct statx x;

	if (fails(C_STAT))
		return (-1);
	/* The one form of it that all machines have. */
	if (syscall(SYS_statx, at, path, flags, STATX_BASIC_STATS, &x) < 0)
		return (-1);
	memset(st, 0, sizeof(*st));
	st->st_mode = x.stx_mode;
	st->st_nlink = x.stx_nlink;
	st->st_size = (off_t)x.stx_size;
	st->st_mtim.tv_sec = x.stx_mtime.tv_sec;
	return (0);
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

static inline void
calm(void)
{
	watch = fail_at = fail_errno = calls = rename_errno = 0;
	fsynced = 0;
}

static inline int
setup(void **state)
{
	struct err e = ERR_INIT;

	calm();
	(void)snprintf(dir, sizeof(dir), "/tmp/vitrine-store.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return (-1);
	return (store_dir_open(&s, dir, true, &e));
}

static inline int
teardown(void **state)
{
	char cmd[128];

	calm();
	store_close(s);
	s = NULL;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return (system(cmd));
}

static inline void
put_ok(const char *name, const char *text)
{
	struct err e = ERR_INIT;

	if (store_put(s, name, text, strlen(text), &e) != 0)
		fail_msg("%s: %s", name, err_text(&e));
}

static inline void
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

static inline int
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

static inline void
touch(const char *name)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
}

struct seen {
	int n;
	int stop_at;
	int odd;
	uint64_t bytes;
};

static inline int
see(void *ctx, const char *name, const struct store_stat *st, struct err *e)
{
	struct seen *seen = ctx;

	assert_true(store_name_ok(name));
	seen->bytes += st->size_bytes;
	seen->odd += st->odd;
	return (++seen->n == seen->stop_at ? STORE_STOP : 0);
}

/* Before the first test. */
static inline void
interpose(void)
{
	*(void **)&libc_readdir = dlsym(RTLD_NEXT, "readdir64");
}

#endif
