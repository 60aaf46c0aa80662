#ifndef VITRINE_INDEX_BUILD_H
#define VITRINE_INDEX_BUILD_H

#include "engine/repo/put.h"
#include "index/catalog.h"

/*
 * Writing a snapshot's catalog: an overlay over the parent's (or over
 * nothing), then its changed blocks stored as keys or deltas
 * (vitrine-catalog(5)).  Confined to the coordinator of the put; the order of
 * the calls decides the bytes.
 */
struct build;

struct build_env {
	struct repo *repo;
	struct session *session;
	struct put *put;		/* or by build_set_put */
	struct fetch *fetch;		/* to read the parent's blocks */
	/* The parent's manifest, or NULL: then the catalog is built anew. */
	const struct manifest *parent;
	/* Inode numbers from here on, where the parent is not the newest of
	 * the lineage and says less; 0: as the parent says. */
	uint64_t first_ino;
};

/*
 * BUILD_NO_PARENT (nothing is built): the parent's blocks are neither cached
 * nor to be read (put-only); call again without parent.
 */
#define BUILD_NO_PARENT	1
int build_open(struct build **out, const struct build_env *, struct err *);
void build_free(struct build *);	/* NULL is fine; leaves no file */
void build_set_put(struct build *, struct put *);

/* The parent as it was, for comparing; thread-safe; NULL when there is none. */
struct catalog *build_parent(struct build *);
/* May what this file's row says be carried over?  false when a chunk of it
 * lies in a pack that is gone, condemned or damaged.  Thread-safe. */
int build_is_sound(struct build *, uint64_t ino, bool *sound, struct err *);

/* n consecutive inode numbers, never used in this lineage; the first. */
int build_inos(struct build *, uint64_t n, uint64_t *first, struct err *);
/* Make or replace a node (not its extents or names); nlink is ours to count,
 * the size is that of the content: 0 before build_content_end. */
int build_node(struct build *, const struct entry *, const char *target,
    size_t target_len, struct err *);
int build_name(struct build *, uint64_t dir, const char *name, size_t len,
    uint64_t ino, struct err *);
/* The same of a name that the directory has not been given before in this run:
 * cheaper where the directory is new.  If it has been, this or a later call
 * fails. */
int build_new_name(struct build *, uint64_t dir, const char *name, size_t len,
    uint64_t ino, struct err *);
/* Take a name away; a node without names goes, a directory with all below it.
 * CATALOG_ABSENT is fine: it was moved. */
int build_unname(struct build *, uint64_t dir, const char *name, size_t len,
    struct err *);
/* A directory that was renamed at the source: found by its source inode in the
 * parent catalog (CATALOG_ABSENT), moved with all below it. */
int build_find_dir(struct build *, uint64_t src_dev, uint64_t src_ino,
    struct entry *, char *path, size_t size, struct err *);
int build_move_dir(struct build *, uint64_t ino, uint64_t dir,
    const char *name, size_t len, struct err *);
/* Hard links: the node that a source (dev, ino) got in this run;
 * CATALOG_ABSENT. Kept on disk, not in memory. */
int build_linked(struct build *, uint64_t src_dev, uint64_t src_ino,
    uint64_t *ino, struct err *);
int build_link(struct build *, uint64_t src_dev, uint64_t src_ino,
    uint64_t ino, struct err *);

/* Replace a file's content: begin, extents in order, end (which sets size). */
int build_content_begin(struct build *, uint64_t ino, struct err *);
int build_content_chunk(struct build *, uint64_t ino, const struct chunk_id *,
    uint32_t len, const struct place *, struct err *);
int build_content_hole(struct build *, uint64_t ino, uint64_t len,
    struct err *);
int build_content_end(struct build *, uint64_t ino, struct err *);

/* An xattr set (name, value pairs, any order); the same set gets the same
 * number. */
struct xattr {
	const char *name;
	const void *value;
	size_t len;
};
int build_xattrs(struct build *, const struct xattr *, size_t n, uint64_t *set,
    struct err *);
int build_owner(struct build *, bool group, uint32_t id, const char *name,
    struct err *);

/* To be wired to the put_env's callbacks. */
int build_on_frame(void *build, uint32_t frame, uint32_t pack,
    const struct frame_info *, struct err *);
int build_on_pack(void *build, uint32_t pack, const struct pack_info *,
    struct err *);

/*
 * After put_name(), or put_close() of data: store the catalog (put_meta,
 * put_close of metadata) and replace m->catalog (freed first).  Nothing
 * changed: the parent's root again.
 */
int build_finish(struct build *, struct manifest *m, struct err *);
/* Every pack that the snapshot needs (a session_packs_fn). */
int build_packs(void *build, session_pack_fn *, void *ctx, struct err *);
/* After the commit: what is now the parent goes into the local cache.  A
 * failure costs the next run time, nothing else. */
int build_adopt(struct build *, const struct snapshot_id *,
    const struct manifest *, struct err *);

#endif
