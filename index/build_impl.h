#ifndef VITRINE_INDEX_BUILD_IMPL_H
#define VITRINE_INDEX_BUILD_IMPL_H

#include "index/build.h"
#include "index/catalog_impl.h"
#include "index/overlay.h"

/* Shared by the files that make up the writer; not for callers. */

enum bstmt {
	B_NODE_GET, B_NODE_INSERT, B_NODE_UPDATE, B_NODE_DELETE, B_ORPHANS,
	B_NAME_GET, B_NAME_INSERT, B_NAMES_INSERT, B_NAME_REPLACE,
	B_NAME_DELETE, B_CHILDREN,
	B_SEGMENT_INSERT, B_SEGMENTS, B_SEGMENTS_DELETE,
	B_XSET_FIND, B_XSET_INSERT, B_XPART_INSERT,
	B_OWNER_GET, B_OWNER_PUT, B_META_GET, B_META_PUT,
	B_FRAME_FIND, B_FRAME_INSERT, B_FRAME_REFS, B_FRAMES_DEAD,
	B_FRAME_DELETE, B_PACK_USED, B_PACK_FIND, B_PACK_INSERT,
	B_PACK_DELETE, B_PACKS,
	B_COUNT
};
enum sstmt { S_LINK_GET, S_LINK_PUT, S_RUN_GET, S_RUN_PUT, S_COUNT };

/* A node on its way to its row.  Rows are gathered so that a new entry, its
 * names and its extents cost one insert. */
#define WINDOW	512
struct row {
	struct entry e;
	uint8_t *blob;		/* target, a directory's name, inline chunks */
	size_t len;
	bool used;
	bool exists;		/* in the table */
	bool dirty;
	bool chunks;		/* a file whose extents are in blob */
};

/* Names of which the caller has said that they are new, on their way. */
#define NAMES_AT_ONCE	16	/* as many as B_NAMES_INSERT has */
struct new_name {
	uint64_t dir, ino;
	size_t len;
	char name[CATALOG_NAME_MAX];
};

/* A file's extents on their way. */
struct content {
	struct content *next;
	uint64_t ino;
	uint64_t off;			/* where the next begins */
	struct extent v[EXTENTS_SEGMENT];
	size_t n;
	bool segmented;
	bool sparse;
};

/* Changes of reference counts, not yet in their rows. */
struct ref_delta {
	uint32_t frame;		/* 0: empty */
	int64_t delta;
};

/* A metadata chunk of this run: where put_meta() said that it will lie. */
struct meta_place {
	uint32_t frame[2];		/* UINT32_MAX: none */
	uint32_t slot[2];
};
struct meta_frame {
	uint32_t pack;			/* index in metas */
	struct frame_info info;
	bool told;
};
struct meta_pack {
	uint32_t run_no;
	struct pack_info info;
	bool told;
};

struct build {
	struct repo *repo;
	struct session *session;
	struct put *put;
	struct fetch *fetch;
	uint32_t domain;

	struct catalog_root parent;	/* a copy; zeros without */
	struct catalog *parent_catalog;	/* owned */
	struct pack_id *banned;		/* data packs of the parent, sorted */
	size_t nbanned;

	struct overlay *overlay;
	sqlite3 *db;
	sqlite3_stmt *st[B_COUNT];
	bool writing;			/* a transaction is open */
	sqlite3 *scratch;
	sqlite3_stmt *sst[S_COUNT];

	uint64_t first_new, next_ino, ino_high;
	uint64_t *made;			/* owned; bits, from first_new on */
	uint64_t made_cap;		/* bits */
	uint64_t next_xset;
	uint32_t next_frame, next_pack;
	struct row window[WINDOW];
	struct new_name names[NAMES_AT_ONCE];
	unsigned nnames;
	struct content *contents;	/* open ones */
	struct content *spare;

	struct ref_delta *refs;
	size_t nrefs, refs_cap;
	uint32_t *run_packs;		/* run's pack -> ours; 0: not seen */
	size_t nrun_packs;
	uint32_t memo_run, memo_run_no;		/* the last fresh frame */
	struct pack_id memo_pack;		/* the last known one */
	uint32_t memo_pack_frame, memo_pack_no;

	bool emitting;
	uint32_t first_meta;		/* the run's number of frames[0] */
	struct meta_frame *frames;	/* from first_meta on */
	size_t nframes;
	struct meta_pack *metas;
	size_t nmetas;
	uint32_t meta_base;		/* metas[0] in the pack list */
	uint8_t *depth;			/* a byte a block: its new depth,
					 * 0 where it is as it was; owned */
	uint64_t nblocks;
	struct catalog_root result;	/* for build_packs */
};

static inline void
bind_int(sqlite3_stmt *st, int at, uint64_t v)
{
	(void)sqlite3_bind_int64(st, at, (int64_t)v);
}

/* build.c */
int build_stmt(struct build *, enum bstmt, sqlite3_stmt **out, struct err *);
/* Run a statement that gives no rows; resets it. */
int build_run(struct build *, sqlite3_stmt *, struct err *);
/* 1 for a row, 0 for none, -1. */
int build_step(struct build *, sqlite3_stmt *, struct err *);
/* Before the first statement that writes. */
int build_begin(struct build *, struct err *);

/* node.c */
/* CATALOG_ABSENT.  Valid until the next call of build_row. */
int build_row(struct build *, uint64_t ino, struct row **out, struct err *);
int build_flush_rows(struct build *, struct err *);
/* Target, name or inline chunks of a row: a copy. */
int build_row_blob(struct row *, const void *, size_t len, struct err *);
/* Remove the nodes that have no name, and what hangs on them. */
int build_remove_orphans(struct build *, struct err *);

/* name.c: what waits goes into the table: before anything asks that for a name,
 * and at the end. */
int build_flush_names(struct build *, struct err *);
/* A directory goes: its children lose their names. */
int build_drop_children(struct build *, uint64_t dir, struct err *);

/* content.c */
int build_release(struct build *, const struct row *, struct err *);
void build_contents_free(struct build *);

/* frames.c */
int build_frame_no(struct build *, const struct place *, uint32_t *out,
    struct err *);
int build_ref(struct build *, uint32_t frame, int64_t delta, struct err *);
/* All counts into their rows, then what nothing uses goes. */
int build_finish_frames(struct build *, struct err *);

/* finish.c */
int root_copy(struct catalog_root *dst, const struct catalog_root *src,
    struct err *);
void root_fini(struct catalog_root *);

/* emit.c */
int build_emit(struct build *, bool anew, struct catalog_root *, struct err *);

#endif
