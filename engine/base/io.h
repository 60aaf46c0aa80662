#ifndef VITRINE_ENGINE_BASE_IO_H
#define VITRINE_ENGINE_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/* Reads and writes that finish or fail: EINTR and short counts are dealt with
 * here, so that no caller has a loop of its own. */

/* Up to len bytes at off; *got < len only at the end of the file, or when it
 * failed: then it is what came before. */
int io_pread(int fd, void *dst, size_t len, uint64_t off, size_t *got,
    struct err *);
/* Exactly len bytes; a file that ends early is ERR_CORRUPT. */
int io_pread_all(int fd, void *dst, size_t len, uint64_t off, struct err *);
/* Are the len bytes at off there, and zeros?  Holes are not read. */
int io_is_zeros(int fd, uint64_t off, uint64_t len, bool *zeros, struct err *);
int io_write_all(int fd, const void *src, size_t len, struct err *);
int io_pwrite_all(int fd, const void *src, size_t len, uint64_t off,
    struct err *);
/* The whole of a stream or file of at most max bytes, appended to dst; more is
 * ERR_LIMIT. */
int io_slurp(int fd, struct buf *dst, size_t max, struct err *);

/*
 * Write a whole file so that a crash leaves either what was there before or
 * all of the new one: temporary name in the same directory, fsync, rename,
 * fsync of the directory.  The name holds no '/'.  For local state, not for
 * the store (which never replaces).
 */
int io_replace(int dirfd, const char *name, const void *src, size_t len,
    mode_t mode, struct err *);

/*
 * The same for what can be had again: not synced, since its reader notices a
 * torn file, and what fails is nobody's concern.  Whoever looks finds what was
 * there before or all of the new one.  The path is below dirfd, or AT_FDCWD.
 */
void io_keep(int dirfd, const char *path, const void *src, size_t len);

/* TMPDIR where it is a path from the root on, else /var/tmp: in /tmp a large
 * file might be memory. */
const char *io_temp_dir(void);
/* A new file without a name in that directory, so that nothing of it outlives
 * us.  The descriptor, or < 0. */
int io_temp_file(const char *dir, struct err *);
/* Give such a file a name after all, in place of what has it; not synced.  The
 * caller sees to it that nobody else does so in that directory.  False with
 * errno: the name is what it was; not every file system allows it. */
bool io_temp_link(int fd, int dirfd, const char *name);

/* fsync a directory by descriptor. */
int io_sync_dir(int dirfd, struct err *);
/* mkdir -p with the mode for each directory it makes; syncs parents. */
int io_mkdirs(const char *path, mode_t mode, struct err *);

#endif
