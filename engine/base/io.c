/*
 * File I/O that finishes or fails.  Everything above deals with whole reads and
 * writes; interruptions, short counts and the order of calls that makes a file
 * durable stand here once.
 */
#include "engine/base/io.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/id.h"

/* One call never asks for more: Linux moves at most 2 GiB at a time. */
#define IO_STEP_BYTES	((size_t)1 << 30)
#define SLURP_STEP_BYTES ((size_t)1 << 16)
#define ZEROS_STEP_BYTES ((size_t)1 << 14)
#define TMP_RANDOM_BYTES 8
_Static_assert(sizeof(off_t) == sizeof(uint64_t), "offsets have 64 bits");

static size_t
step(size_t left)
{
	return (left < IO_STEP_BYTES ? left : IO_STEP_BYTES);
}

/* Does [off, off + len) fit a file offset? */
static bool
range_fits(uint64_t off, size_t len)
{
	uint64_t end;

	return (!__builtin_add_overflow(off, (uint64_t)len, &end) &&
	    end <= INT64_MAX);
}

int
io_pread(int fd, void *dst, size_t len, uint64_t off, size_t *got,
    struct err *e)
{
	uint8_t *p = dst;
	ssize_t n;

	*got = 0;
	if (!range_fits(off, len))
		return (err_set(e, ERR_LIMIT, "read: offset out of range"));
	while (*got < len) {
		n = pread(fd, p + *got, step(len - *got), (off_t)(off + *got));
		if (n == 0)
			break;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return (err_sys(e, errno, "read"));
		}
		*got += (size_t)n;
	}
	return (0);
}

int
io_pread_all(int fd, void *dst, size_t len, uint64_t off, struct err *e)
{
	size_t got;

	if (io_pread(fd, dst, len, off, &got, e) != 0)
		return (-1);
	if (got != len)
		return (err_set(e, ERR_CORRUPT,
		    "read: ends after %zu of %zu bytes", got, len));
	return (0);
}

/* How far the next data is from there; len when it isn't before that. */
static uint64_t
hole_bytes(int fd, uint64_t off, uint64_t len)
{
	off_t data = lseek(fd, (off_t)off, SEEK_DATA);
	struct stat st;

	if (data >= (off_t)off)
		return ((uint64_t)data - off < len ? (uint64_t)data - off :
		    len);
	/* No data from here on; a file that ends before is read, and so found
	 * too short, as is one whose holes can't be told. */
	if (data < 0 && errno == ENXIO && fstat(fd, &st) == 0 &&
	    st.st_size >= (off_t)(off + len))
		return (len);
	return (0);
}

int
io_is_zeros(int fd, uint64_t off, uint64_t len, bool *zeros, struct err *e)
{
	uint8_t piece[ZEROS_STEP_BYTES];
	uint64_t hole;
	size_t n, got;

	*zeros = false;
	if (!range_fits(off, len))
		return (err_set(e, ERR_LIMIT, "read: offset out of range"));
	for (;;) {
		hole = hole_bytes(fd, off, len);
		off += hole;
		len -= hole;
		if (len == 0)
			break;
		n = len < sizeof(piece) ? (size_t)len : sizeof(piece);
		if (io_pread(fd, piece, n, off, &got, e) != 0)
			return (-1);
		if (got != n || piece[0] != 0 ||
		    memcmp(piece, piece + 1, n - 1) != 0)
			return (0);
		off += n;
		len -= n;
	}
	*zeros = true;
	return (0);
}

int
io_write_all(int fd, const void *src, size_t len, struct err *e)
{
	const uint8_t *p = src;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, step(len));
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return (err_sys(e, errno, "write"));
		}
		p += n;
		len -= (size_t)n;
	}
	return (0);
}

int
io_pwrite_all(int fd, const void *src, size_t len, uint64_t off, struct err *e)
{
	const uint8_t *p = src;
	ssize_t n;

	if (!range_fits(off, len))
		return (err_set(e, ERR_LIMIT, "write: offset out of range"));
	while (len > 0) {
		n = pwrite(fd, p, step(len), (off_t)off);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return (err_sys(e, errno, "write"));
		}
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return (0);
}

int
io_slurp(int fd, struct buf *dst, size_t max, struct err *e)
{
	size_t before = dst->len;
	size_t want;
	ssize_t n;

	for (;;) {
		/* One byte more than allowed shows that there is more. */
		want = max - (dst->len - before);
		want = want < SLURP_STEP_BYTES ? want + 1 : SLURP_STEP_BYTES;
		if (buf_reserve(dst, want, e) != 0)
			goto fail;
		n = read(fd, dst->data + dst->len, want);
		if (n == 0)
			return (0);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			(void)err_sys(e, errno, "read");
			goto fail;
		}
		dst->len += (size_t)n;
		if (dst->len - before > max) {
			(void)err_set(e, ERR_LIMIT,
			    "read: more than %zu bytes", max);
			goto fail;
		}
	}
fail:
	dst->len = before;
	return (-1);
}

int
io_sync_dir(int dirfd, struct err *e)
{
	if (fsync(dirfd) == 0)
		return (0);
	/* Some file systems know no fsync of a directory: nothing more can be
	 * done there, and nothing has failed. */
	if (errno == EINVAL || errno == ENOTSUP)
		return (0);
	return (err_sys(e, errno, "fsync of the directory"));
}

/* A name beside `name' that nobody else uses. */
static int
tmp_name(char *dst, size_t size, const char *name, struct err *e)
{
	uint8_t raw[TMP_RANDOM_BYTES];
	char hex[2 * TMP_RANDOM_BYTES + 1];
	int n;

	if (getentropy(raw, sizeof(raw)) != 0)
		return (err_sys(e, errno, "random bytes"));
	n = snprintf(dst, size, ".%s.%s", name,
	    hex_emit(hex, raw, sizeof(raw)));
	if (n < 0 || (size_t)n >= size)
		return (err_set(e, ERR_LIMIT, "%s: name too long", name));
	return (0);
}

int
io_replace(int dirfd, const char *name, const void *src, size_t len,
    mode_t mode, struct err *e)
{
	char tmp[NAME_MAX + 1];
	int fd;

	BUG_ON(strchr(name, '/') != NULL || *name == '\0');
	if (tmp_name(tmp, sizeof(tmp), name, e) != 0)
		return (-1);
	fd = openat(dirfd, tmp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return (err_sys(e, errno, "%s: create", name));
	if (io_write_all(fd, src, len, e) != 0) {
		(void)err_wrap(e, "%s", name);
		goto fail_open;
	}
	if (fsync(fd) != 0) {
		(void)err_sys(e, errno, "%s: fsync", name);
		goto fail_open;
	}
	if (close(fd) != 0) {
		(void)err_sys(e, errno, "%s: close", name);
		goto fail_closed;
	}
	if (renameat(dirfd, tmp, dirfd, name) != 0) {
		(void)err_sys(e, errno, "%s: rename", name);
		goto fail_closed;
	}
	if (io_sync_dir(dirfd, e) != 0)
		return (err_wrap(e, "%s", name));
	return (0);
fail_open:
	(void)close(fd);
fail_closed:
	(void)unlinkat(dirfd, tmp, 0);
	return (-1);
}

void
io_keep(int dirfd, const char *path, const void *src, size_t len)
{
	struct err ignored = ERR_INIT;
	char *tmp;
	int fd, ret;

	/* One that died leaves no more of these than there are numbers. */
	if (asprintf(&tmp, "%s.%d", path, (int)getpid()) < 0)
		return;
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd >= 0) {
		ret = io_write_all(fd, src, len, &ignored);
		if (close(fd) != 0)
			ret = -1;
		if (ret != 0 || renameat(dirfd, tmp, dirfd, path) != 0)
			(void)unlinkat(dirfd, tmp, 0);
	}
	free(tmp);
}

const char *
io_temp_dir(void)
{
	const char *t = getenv("TMPDIR");

	return (t != NULL && *t == '/' ? t : "/var/tmp");
}

int
io_temp_file(const char *dir, struct err *e)
{
	char path[PATH_MAX];
	int fd;

	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return (fd);
	/* Not every file system has such files. */
	if ((size_t)snprintf(path, sizeof(path), "%s/vitrine-XXXXXX", dir) >=
	    sizeof(path))
		return (err_set(e, ERR_LIMIT, "%s: too long", dir));
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return (err_sys(e, errno, "%s: a temporary file", dir));
	(void)unlink(path);
	return (fd);
}

bool
io_temp_link(int fd, int dirfd, const char *name)
{
	char from[64], tmp[NAME_MAX + 1];
	int n;

	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	n = snprintf(tmp, sizeof(tmp), "%s.new", name);
	if (n < 0 || (size_t)n >= sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return (false);
	}
	/* One that died in between may have left it. */
	(void)unlinkat(dirfd, tmp, 0);
	if (linkat(AT_FDCWD, from, dirfd, tmp, AT_SYMLINK_FOLLOW) != 0)
		return (false);
	if (renameat(dirfd, tmp, dirfd, name) == 0)
		return (true);
	(void)unlinkat(dirfd, tmp, 0);
	return (false);
}

/* fsync the directory that holds path's last component. */
static int
sync_parent(char *path, struct err *e)
{
	char *slash = strrchr(path, '/');
	const char *parent = path;
	int fd, rc;

	if (slash == NULL)
		parent = ".";
	else if (slash == path)
		parent = "/";
	else
		*slash = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		rc = err_sys(e, errno, "%s: open", parent);
	} else {
		rc = io_sync_dir(fd, e);
		if (rc != 0)
			(void)err_wrap(e, "%s", parent);
		(void)close(fd);
	}
	if (slash != NULL)
		*slash = '/';
	return (rc);
}

/* One directory, all before it being there. */
static int
make_one(char *path, mode_t mode, struct err *e)
{
	struct stat st;
	int why;

	if (mkdir(path, mode) == 0)
		return (sync_parent(path, e));
	/* A read-only or foreign parent answers before it looks. */
	why = errno;
	if (stat(path, &st) == 0)
		return (S_ISDIR(st.st_mode) ? 0 :
		    err_sys(e, ENOTDIR, "%s", path));
	return (err_sys(e, why, "%s: mkdir", path));
}

int
io_mkdirs(const char *path, mode_t mode, struct err *e)
{
	char p[PATH_MAX];
	size_t len = strlen(path);
	size_t i = 0;

	if (len == 0)
		return (err_sys(e, ENOENT, "mkdir of an empty path"));
	if (len >= sizeof(p))
		return (err_sys(e, ENAMETOOLONG, "mkdir"));
	memcpy(p, path, len + 1);
	while (len > 1 && p[len - 1] == '/')
		p[--len] = '\0';
	while (p[i] == '/')
		i++;
	for (; i < len; i++) {
		if (p[i] != '/')
			continue;
		p[i] = '\0';
		if (make_one(p, mode, e) != 0)
			return (-1);
		p[i] = '/';
		while (p[i + 1] == '/')
			i++;
	}
	return (make_one(p, mode, e));
}
