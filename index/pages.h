#ifndef VITRINE_INDEX_PAGES_H
#define VITRINE_INDEX_PAGES_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

/*
 * What a SQLite file's bytes come from: the blocks of a stored catalog
 * (blocks.h), an overlay over them (overlay.h), or memory in a test.  Embedded
 * as first member by whoever implements it.  read must be thread-safe where
 * several connections share the object.
 */
struct pages;
struct pages_ops {
	/* Exactly len bytes within the size. */
	int (*read)(struct pages *, void *dst, size_t len, uint64_t off,
	    struct err *);
	uint64_t (*size)(struct pages *);
	/* NULL: read-only. */
	int (*write)(struct pages *, const void *, size_t len, uint64_t off,
	    struct err *);
	int (*truncate)(struct pages *, uint64_t size, struct err *);
};
struct pages {
	const struct pages_ops *ops;
};

/*
 * Open a connection over them: read-only (immutable, no locks, no journal)
 * where they can't be written.  Borrows the pages until sqlite3_close.
 * Confined to one thread at a time.
 */
int vfs_open(sqlite3 **out, struct pages *, struct err *);

/*
 * Fill an error from a connection that answered rc: what the pages said when
 * they failed, else ERR_CORRUPT for a malformed file, ERR_NOMEM, ERR_FULL.
 * Returns -1.
 */
int vfs_error(sqlite3 *, int rc, struct err *, const char *what);
#ifdef __clang_analyzer__
#define vfs_error(db, rc, e, what)	((void)(vfs_error)(db, rc, e, what), -1)
#endif

#endif
