#ifndef VITRINE_INDEX_CATALOG_H
#define VITRINE_INDEX_CATALOG_H

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/repo/fetch.h"
#include "engine/repo/repo.h"

/*
 * Reading a snapshot's catalog: path -> entry -> chunk list, opened in place
 * over sealed blocks (vitrine-catalog(5)).  A struct catalog is thread-safe:
 * it keeps a bounded pool of read-only SQLite connections, one a calling
 * thread at a time. The bytes are hostile even when authenticated: what
 * doesn't add up is ERR_CORRUPT; only CATALOG_ABSENT is proven absence.
 */
#define CATALOG_ABSENT	1
#define CATALOG_STOP	2	/* a callback asked to stop */

#define CATALOG_NAME_MAX	255
#define CATALOG_TARGET_MAX	4095
#define CATALOG_ROOT_INO	1
#define CATALOG_XATTR_NAME_MAX	255
#define CATALOG_XATTRS_MAX	(16U << 20)	/* bytes of one set, emitted */

enum entry_kind {
	ENTRY_FILE = 1, ENTRY_DIR = 2, ENTRY_SYMLINK = 3, ENTRY_FIFO = 4,
	ENTRY_SOCKET = 5, ENTRY_CHAR = 6, ENTRY_BLOCK = 7
};
#define ENTRY_IMPLIED	1	/* an ancestor of a root, not backed up */
#define ENTRY_UNREAD	2	/* content or children are missing */
#define ENTRY_CHANGED	4	/* changed while it was read */
#define ENTRY_RECENT	8	/* too fresh then to be trusted as unchanged */
#define ENTRY_SPARSE	16	/* has holes: set by build_content_end */

struct entry {
	uint64_t ino;			/* our own, > 0 */
	uint64_t parent;		/* of a directory; else 0 */
	uint8_t kind;			/* enum entry_kind */
	uint8_t flags;			/* ENTRY_x */
	uint16_t mode;			/* 07777 */
	uint32_t uid, gid;
	uint32_t nlink;			/* names here; 1 for a directory */
	uint64_t size;			/* of a file; else 0 */
	struct stamp mtime, ctime;
	uint32_t rdev_major, rdev_minor;
	uint64_t xattrs;		/* number of the set; 0: none */
	uint64_t src_dev, src_ino;	/* at the source */
};

struct extent {
	uint64_t off, len;		/* in the file */
	bool hole;			/* reads as zeros; the rest is unset */
	struct chunk_id id;		/* CHUNK_KEY_BYTES count */
	uint32_t frame;			/* the catalog's number */
	uint32_t slot;
};

/* A file of one chunk. */
struct small_file {
	uint64_t ino;
	struct extent x;		/* all of it */
};

struct catalog;
struct images;
struct catalog_env {
	size_t cache_bytes;		/* for decoded blocks */
	unsigned connections;		/* at most; 0 = 4 */
	/* The plain file in the local cache may serve blocks, each verified. */
	bool use_cache;
	/* Borrowed: what catalogs share that are read one after the other
	 * (images.h), or NULL. */
	struct images *images;
};

/* Borrows the fetch (for metadata and its store); copies what it needs of the
 * manifest. */
int catalog_open(struct catalog **out, struct fetch *, struct repo *,
    const struct manifest *, const struct catalog_env *, struct err *);
void catalog_close(struct catalog *);

int catalog_get(struct catalog *, uint64_t ino, struct entry *, struct err *);
int catalog_lookup(struct catalog *, uint64_t dir, const char *name, size_t len,
    struct entry *, struct err *);
/* An absolute path (or one of any "/"-separated form; "" and "/" are the
 * root); no ".." and no following of links.  CATALOG_ABSENT; *known (may be
 * NULL) is then the length of the longest leading part that exists. */
int catalog_resolve(struct catalog *, const char *path, size_t len,
    struct entry *, size_t *known, struct err *);

/* The path of a directory, without a '/' in front, appended. */
int catalog_dir_path(struct catalog *, uint64_t dir, struct buf *,
    struct err *);

/* Children in byte order of their names, after the name `after' (NULL: all).
 * fn: 0 go on, CATALOG_STOP, or < 0.  It may call catalog functions. */
typedef int catalog_dir_fn(void *ctx, const char *name, size_t len,
    const struct entry *, struct err *);
int catalog_readdir(struct catalog *, uint64_t dir, const char *after,
    size_t after_len, catalog_dir_fn *, void *ctx, struct err *);
/* Depth first, directories before their children; path has no leading '/' and
 * is relative to `dir'.  fn may return CATALOG_SKIP for a directory. */
#define CATALOG_SKIP	3
typedef int catalog_walk_fn(void *ctx, const char *path, size_t len,
    const struct entry *, struct err *);
int catalog_walk(struct catalog *, uint64_t dir, catalog_walk_fn *, void *ctx,
    struct err *);

/* Of an entry that was read and is a link: 0 or < 0. */
int catalog_target(struct catalog *, uint64_t ino,
    char dst[CATALOG_TARGET_MAX + 1], size_t *len, struct err *);
/* Up to max extents of a file from the one that contains `off' on, in order and
 * without gaps; *n == 0 at or beyond the end. */
int catalog_extents(struct catalog *, uint64_t ino, uint64_t off,
    struct extent *, size_t max, size_t *n, struct err *);
/* The same with the file's size and flags, at one look; CATALOG_ABSENT. */
int catalog_content(struct catalog *, uint64_t ino, uint64_t off,
    struct extent *, size_t max, size_t *n, uint64_t *size, uint8_t *flags,
    struct err *);
/* Of the nodes that come after that number, the first max are looked at: which
 * are files of one chunk, of at most max_bytes, by rising numbers.  *last is
 * the last that was looked at, `after' when there is none. */
int catalog_small_files(struct catalog *, uint64_t after, uint64_t max_bytes,
    struct small_file *, size_t max, size_t *n, uint64_t *last, struct err *);
/* Where a frame of an extent lies. */
int catalog_frame(struct catalog *, uint32_t frame, struct pack_info *,
    struct frame_info *, struct err *);

/* xattrs: fn per attribute, names NUL-terminated, in byte order. */
typedef int catalog_xattr_fn(void *ctx, const char *name, const void *value,
    size_t len, struct err *);
int catalog_xattrs(struct catalog *, uint64_t set, catalog_xattr_fn *,
    void *ctx, struct err *);
/* The name that a uid or gid had at the source; CATALOG_ABSENT. */
int catalog_owner(struct catalog *, bool group, uint32_t id, char *dst,
    size_t size, struct err *);

/* The first inode number that the lineage had not used then. */
int catalog_next_ino(struct catalog *, uint64_t *out, struct err *);

/* Every pack of the catalog: its data packs and the metadata packs it lies in.
 */
typedef int catalog_pack_fn(void *ctx, const struct pack_info *, struct err *);
int catalog_packs(struct catalog *, catalog_pack_fn *, void *ctx, struct err *);

/*
 * For vitrine sql: run one read-only statement against the views files, chunks,
 * packs (vitrine-catalog(5)); row by row as text; NULL for null.  What is not
 * a single reading statement is ERR_USAGE with sqlite's words.  stop (may be
 * NULL) is asked now and then, however long a row is in coming; true:
 * ERR_CANCELED.
 */
typedef int catalog_sql_fn(void *ctx, int columns, const char *const *names,
    const char *const *values, const size_t *lens, struct err *);
typedef bool catalog_stop_fn(void *ctx);
int catalog_sql(struct catalog *, const char *sql, catalog_sql_fn *,
    catalog_stop_fn *stop, void *ctx, struct err *);

/*
 * Check a catalog's own structure: SQLite's integrity, that each name has a
 * node, each node a name, sizes equal the extents' sum, places lie within
 * their pack's frames, nlink counts.  fn gets a sentence per finding.
 */
typedef void catalog_fault_fn(void *ctx, const char *path, const char *text);
int catalog_verify(struct catalog *, catalog_fault_fn *, void *ctx,
    uint64_t *faults, struct err *);
/* From damaged frames to the paths that they hit. */
struct damage_ops {
	/* Is this frame damaged? */
	bool (*hit)(void *ctx, const struct pack_info *,
	    const struct frame_info *);
	/* 1 if so this chunk of it is lost, 0 if it is to be had all the
	 * same. */
	int (*lost)(void *ctx, const struct pack_info *,
	    const struct frame_info *, const struct extent *, struct err *);
	/* Bytes of a file that are lost, and what pack held them. */
	int (*path)(void *ctx, const char *path, size_t len, uint64_t off,
	    uint64_t bytes, const struct pack_id *, struct err *);
	/* Rows of frames, or a file's chunks, can't be read: is the rest to be
	 * told all the same?  Else, or NULL, that ends it. */
	bool (*unread)(void *ctx, const struct err *);
};
int catalog_damage(struct catalog *, const struct damage_ops *, void *ctx,
    struct err *);

#endif
