#ifndef VITRINE_TOOLS_JOB_LINKS_H
#define VITRINE_TOOLS_JOB_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * Hard links: which name of an inode came first.  On disk.  Confined.
 */
struct links;
#define LINKS_NONE	1
int links_open(struct links **out, struct err *);
void links_close(struct links *);	/* NULL is fine */
/* The first path of ino: LINKS_NONE, and it is noted as the first. */
int links_first(struct links *, uint64_t ino, const char *path, size_t len,
    struct err *);
/* The first path, appended to `first' with a NUL; LINKS_NONE when it was not
 * made. */
int links_get(struct links *, uint64_t ino, struct buf *first, struct err *);
/* The first could not be made: the next name is to be the first. */
int links_drop(struct links *, uint64_t ino, struct err *);
/* Was this name the first, and dropped? */
int links_tried(struct links *, uint64_t ino, const char *path, size_t len,
    bool *tried, struct err *);

#endif
