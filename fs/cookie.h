#ifndef VITRINE_FS_COOKIE_H
#define VITRINE_FS_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "index/catalog.h"

/*
 * Where a reading of a directory goes on.  There is no opendir, so nothing is
 * kept for a reader; the position that the kernel hands back is a count of
 * entries, and this bounded cache knows the name that stands before some of
 * those positions.  What it has forgotten is found by counting from the
 * nearest position before: slower, never wrong.  Thread-safe.
 */
struct cookies;

int cookies_new(struct cookies **out, size_t n, struct err *);
void cookies_free(struct cookies *);	/* NULL is fine */
/* The entry before position `off' of directory `node' is called so, and is
 * the last, as far as that is known. */
void cookies_note(struct cookies *, uint64_t node, uint64_t off,
    const char *name, size_t len, bool last);
/* The nearest known position at or before `off': *found and the name before it.
 * 0 and no name when none is known.  true: it is `off', and nothing follows. */
bool cookies_find(struct cookies *, uint64_t node, uint64_t off,
    uint64_t *found, char name[CATALOG_NAME_MAX + 1], size_t *len);

#endif
