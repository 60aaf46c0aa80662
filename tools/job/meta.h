#ifndef VITRINE_TOOLS_JOB_META_H
#define VITRINE_TOOLS_JOB_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "index/build.h"

/*
 * What an entry at the source is besides its bytes and its name.
 */
struct meta_stat {
	uint8_t kind;			/* enum entry_kind; 0: none of them */
	uint16_t mode;			/* 07777 */
	uint32_t uid, gid;
	uint32_t nlink;
	uint64_t size;			/* as stat gives it, of any kind */
	uint64_t allocated_bytes;
	struct stamp mtime, ctime;
	uint64_t dev, ino;
	uint32_t rdev_major, rdev_minor;
};

/* By name in a directory, not following links and not mounting anything; or of
 * the descriptor itself with name "".  0 or errno. */
int meta_stat(struct meta_stat *, int dirfd, const char *name);
/* Could the entry change after this without its times showing it, as clocks are
 * coarse? */
bool meta_is_recent(const struct meta_stat *, const struct stamp *now);
/* The same object with the same content, as far as stat can tell. */
bool meta_is_same(const struct meta_stat *, const struct meta_stat *);

/* A link's target and extended attributes, in one piece of memory each. */
struct meta {
	char *target;			/* owned; NULL for other kinds */
	size_t target_len;
	struct xattr *xattrs;		/* owned, with what they point to */
	size_t nxattrs;
	int error;			/* errno: something of it is missing */
};
void meta_fini(struct meta *);		/* frees; leaves it empty */
/* Of an open descriptor (not O_PATH).  Errors go into the meta. */
void meta_read_fd(struct meta *, int fd);
/* Of a name in a directory; a link's target as well: where that is empty, the
 * error says why. */
void meta_read_at(struct meta *, int dirfd, const char *name, uint8_t kind);

#endif
