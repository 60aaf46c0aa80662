#ifndef VITRINE_INDEX_CATALOG_IMPL_H
#define VITRINE_INDEX_CATALOG_IMPL_H

#include <pthread.h>

#include "index/blocks.h"
#include "index/btree.h"
#include "index/catalog.h"
#include "index/codec.h"
#include "index/schema.h"

/* Shared by the files that make up the reader; not for callers. */

enum stmt {
	STMT_GET, STMT_LOOKUP, STMT_DIR, STMT_DIR_AFTER, STMT_BLOB,
	STMT_SEGMENT, STMT_SEGMENT_AT, STMT_FRAME, STMT_XSET, STMT_XPART,
	STMT_OWNER, STMT_PACKS, STMT_UP, STMT_SOURCE, STMT_FRAMES,
	STMT_NEXT_INO, STMT_SMALL,
	STMT_COUNT
};

/* A connection with its statements, lent to one thread at a time. */
struct conn {
	sqlite3 *db;
	sqlite3_stmt *st[STMT_COUNT];	/* prepared at first use */
	struct conn *next;		/* in the catalog's free list */
};

/* Where a frame lies, as it was looked up last: neighbouring files lie in the
 * same few. */
#define FRAME_MEMOS	16
struct frame_memo {
	uint32_t no;			/* 0: none */
	struct pack_info pack;
	struct frame_info frame;
};

struct catalog {
	struct blocks *blocks;		/* owned; NULL over other pages */
	struct pages *pages;		/* borrowed */
	uint32_t domain;
	unsigned max;			/* connections */
	pthread_mutex_t lock;		/* what follows */
	pthread_cond_t returned;
	struct conn *idle;
	unsigned open;
	struct frame_memo memo[FRAME_MEMOS];	/* by number */
};

/* A catalog over any pages (which it borrows). */
int catalog_over(struct catalog **out, struct pages *, uint32_t domain,
    unsigned connections, struct err *);

/* A new connection over the catalog's pages, guarded and checked. */
int catalog_connect(struct catalog *, sqlite3 **out, struct err *);
/* Waits while all are lent.  Never held over a callback. */
int conn_get(struct catalog *, struct conn **out, struct err *);
void conn_put(struct catalog *, struct conn *);
/* The statement, reset and without bindings. */
int conn_stmt(struct conn *, enum stmt, sqlite3_stmt **out, struct err *);
/* 1 for a row, 0 for none, -1. */
int conn_step(struct conn *, sqlite3_stmt *, struct err *);

/* Every row of a statement whose one parameter is `after'; fn says false of a
 * row that can't be, and calls nothing of the catalog. */
typedef bool conn_row_fn(void *ctx, sqlite3_stmt *);
int conn_each(struct catalog *, enum stmt, uint64_t after, conn_row_fn *,
    void *ctx, struct err *);

/* Integers and bytes out of a row: any other type, or more than max, sets *bad.
 */
uint64_t col_u64(sqlite3_stmt *, int col, uint64_t max, bool *bad);
int64_t col_i64(sqlite3_stmt *, int col, bool *bad);
const void *col_blob(sqlite3_stmt *, int col, size_t max, size_t *len,
    bool *bad);

/* n columns as values, which point into the row. */
void col_values(struct bval *, size_t n, sqlite3_stmt *, int first);

/* The columns of a node, in the order that entry_columns() reads. */
#define NODE_COLUMNS(t) \
	t "ino, " t "kind, " t "flags, " t "mode, " t "uid, " t "gid, " \
	t "size, " t "mtime, " t "mtime_ns, " t "ctime, " t "ctime_ns, " \
	t "nlink, " t "rdev_major, " t "rdev_minor, " t "parent, " t "xset, " \
	t "src_dev, " t "src_ino"
#define NODE_NCOLUMNS	18
#define ENTRY_FLAGS	31	/* every ENTRY_x */
/* false when a value can't be. */
bool entry_columns(struct entry *, sqlite3_stmt *, int first);

/* A pack row of "no, id, size, domain, writer, run, salt, wrap_kind, wrapped".
 */
#define PACK_COLUMNS(t) \
	t "id, " t "size, " t "domain, " t "writer, " t "run, " t "salt, " \
	t "wrap_kind, " t "wrapped"
#define PACK_NCOLUMNS	8
bool pack_columns(struct pack_info *, sqlite3_stmt *, int first,
    uint32_t domain);
/* "no_in_pack, off, stored, raw". */
#define FRAME_NCOLUMNS	4
bool frame_columns(struct frame_info *, sqlite3_stmt *, int first,
    const struct pack_info *);

/* Rows of a directory, copied so that no connection is held over a callback. */
#define PATH_BYTES_MAX	(16U << 20)
#define BATCH_ROWS	256
struct batch_row {
	struct entry entry;
	uint32_t name;			/* offset in names */
	uint8_t len;
};
struct batch {
	struct batch_row *rows;		/* BATCH_ROWS, owned */
	size_t n;
	struct buf names;
};
int batch_init(struct batch *, struct err *);
void batch_fini(struct batch *);
/* Up to BATCH_ROWS children after a name (NULL: from the first). */
int batch_load(struct batch *, struct catalog *, uint64_t dir,
    const char *after, size_t after_len, struct err *);

/* The extents of one BLOB, beginning at off: at most max, appended to v from
 * *n on; *end is where they end.  false when malformed. */
bool extents_parse(struct extent *v, size_t max, size_t *n, const void *,
    size_t len, uint64_t off, uint64_t *end);

/* catalog_extents() on one connection. */
int conn_extents(struct conn *, uint64_t ino, uint64_t off, struct extent *,
    size_t max, size_t *n, struct err *);
/* Finalize the statements and close. */
void conn_fini(struct conn *);
/* The path of a directory, without a '/' in front, appended to b. */
int conn_path(struct conn *, uint64_t dir, struct buf *b, struct err *);
/* The first directory with that source inode; CATALOG_ABSENT. */
int catalog_source(struct catalog *, uint64_t src_dev, uint64_t src_ino,
    struct entry *, struct buf *path, struct err *);

int catalog_corrupt(struct err *, const char *what);

#endif
