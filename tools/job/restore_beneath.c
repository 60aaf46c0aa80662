/*
 * Nothing outside the target: every directory is opened from the target's
 * descriptor by openat2() with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, and
 * things are made in it by a single name.  Whatever the catalog says, and
 * whatever links lie in the target, a path can't lead elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/job/restore_impl.h"

/* A path is opened in pieces below the kernel's PATH_MAX. */
#define PIECE_MAX	4000
#define DIR_FLAGS	(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

bool
name_is_safe(const char *name, size_t len)
{
	if (len == 0 || len > CATALOG_NAME_MAX)
		return (false);
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return (false);
	return (memchr(name, '/', len) == NULL &&
	    memchr(name, '\0', len) == NULL);
}

/* Without openat2 (before Linux 5.6, or filtered): by single components. */
static int
open_stepwise(int dir, const char *path)
{
	char name[CATALOG_NAME_MAX + 1];
	const char *slash;
	int fd = dir, next;
	size_t len;

	for (;; path = slash + 1) {
		slash = strchr(path, '/');
		len = slash != NULL ? (size_t)(slash - path) : strlen(path);
		if (!name_is_safe(path, len)) {
			next = -1;
			errno = ENOENT;
		} else {
			memcpy(name, path, len);
			name[len] = '\0';
			next = openat(fd, name, DIR_FLAGS);
		}
		if (fd != dir) {
			int saved = errno;

			(void)close(fd);
			errno = saved;
		}
		if (next < 0 || slash == NULL)
			return (next);
		fd = next;
	}
}

static int
open_piece(int dir, const char *path)
{
	struct open_how how;
	long fd;

	memset(&how, 0, sizeof(how));
	how.flags = DIR_FLAGS;
	how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
	    RESOLVE_NO_MAGICLINKS;
	do
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return (open_stepwise(dir, path));
	return ((int)fd);
}

/* The end of the next piece of a path: at a '/', or its end. */
static size_t
piece_len(const char *path, size_t len)
{
	size_t n = len;

	if (n <= PIECE_MAX)
		return (n);
	for (n = PIECE_MAX; n > 0 && path[n] != '/'; n--)
		;
	return (n);
}

int
beneath_open(int target, const char *path, size_t len, int *out,
    struct err *e)
{
	char piece[PIECE_MAX + 1];
	int fd = -1, next;
	size_t n;

	if (len == 0) {
		fd = fcntl(target, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return (err_sys(e, errno, "dup"));
		*out = fd;
		return (0);
	}
	while (len > 0) {
		n = piece_len(path, len);
		if (n == 0) {
			errno = ENAMETOOLONG;
			next = -1;
		} else {
			memcpy(piece, path, n);
			piece[n] = '\0';
			next = open_piece(fd < 0 ? target : fd, piece);
		}
		if (next < 0) {
			int saved = errno;

			if (fd >= 0)
				(void)close(fd);
			if (saved == EMFILE || saved == ENFILE ||
			    saved == ENOMEM)
				return (err_sys(e, saved, "open"));
			return (RESTORE_GONE);
		}
		if (fd >= 0)
			(void)close(fd);
		fd = next;
		path += n;
		len -= n;
		if (len > 0) {
			path++;
			len--;
		}
	}
	*out = fd;
	return (0);
}
