#ifndef VITRINE_INDEX_PROVE_IMPL_H
#define VITRINE_INDEX_PROVE_IMPL_H

#include "index/btree.h"
#include "index/catalog_impl.h"
#include "index/prove.h"

/* Shared by the files that make up the prover; not for callers. */

enum tree {
	TREE_DIRENT, TREE_NODE, TREE_SEGMENT, TREE_XSET, TREE_XPART,
	TREE_OWNER, TREE_META, TREE_FRAME, TREE_PACK, TREE_NODE_SOURCE,
	TREE_NODE_ORPHAN, TREE_XSET_HASH, TREE_FRAME_PLACE, TREE_FRAME_DEAD,
	TREE_PACK_ID, TREE_COUNT
};
struct tree_form {
	const char *name;
	bool table;			/* keyed by row number */
	/* n null, i integer, b bytes, B bytes or null, t text; "": no rows */
	const char *columns;
	uint8_t keys;			/* columns that rows are sorted by */
};
extern const struct tree_form tree_forms[TREE_COUNT];

/* A number modulo 2^128. */
struct sum {
	uint64_t lo, hi;
};

#define NOTE_NONE	0	/* not of a tree */
#define NOTE_SAME	1	/* as in the catalog before: balance known */
#define NOTE_READ	2	/* gone through: balance known */
#define NOTE_PENDING	3	/* a leaf that is to be gone through */
struct note {
	uint8_t where[16];	/* hash of content, tree, level, bounds */
	struct sum balance;
	uint32_t bounds;	/* PENDING: offset in the bounds */
	uint8_t tree;
	uint8_t state;
	bool gone_asked;	/* prove_gone_page() was called */
};
struct notes {
	struct note *v;			/* owned; [page - 1] */
	uint8_t (*ids)[HASH_BYTES];	/* owned; a block */
	uint64_t npages, nblocks;
};

/* Where a subtree's keys lie: above lo, up to hi. */
struct bound {
	bool none;
	int64_t rowid;
	const uint8_t *row;		/* of an index */
	size_t len;
};

#define PAGE_CACHE	256
#define GOOD_DIRS	4096
struct page_copy {
	uint64_t no;			/* 0: empty */
	uint8_t bytes[BTREE_PAGE];
};
/* A row of an inner page: gone through beside the leaf before it. */
#define LATER_MAX	32768
struct later {
	uint64_t beside;
	uint64_t page;			/* where it stands */
	uint32_t row, len;		/* in the bounds */
	uint8_t tree;
	bool told;			/* it is no news */
};
/* What a page had in the catalog before, while its rows are gone through. */
struct past {
	bool same;			/* just these rows */
	bool there;			/* a page of that tree, that kind */
	unsigned at;			/* rows before it are behind us */
	struct bpage page;
	uint8_t bytes[BTREE_PAGE];
};
struct leaf_memo {		/* of a table: the leaf that was found last */
	uint64_t page;			/* 0: none */
	bool has_lo, has_hi;
	int64_t lo, hi;			/* keys in (lo, hi] */
};
struct good_dir {
	uint64_t ino;
	uint64_t path_bytes;
};

struct prove {
	const struct prove_ops *ops;
	void *ctx;
	size_t budget;
	uint8_t *key;			/* KEY_BYTES; random */
	uint64_t parsed;		/* pages gone through */

	struct notes before;		/* of the catalog proven last */

	/* The one at hand, and the one before it or NULL. */
	struct catalog *c, *was;
	struct notes now;
	uint64_t *used;			/* owned; a bit a page */
	uint64_t *touched;		/* owned; a bit a block */
	uint64_t roots[TREE_COUNT];
	struct buf bounds;		/* of pending leaves; rows for later */
	uint64_t pending_min, pending_max;
	struct later *later;		/* owned; LATER_MAX */
	size_t nlater;
	struct page_copy *pages;	/* owned; PAGE_CACHE */
	struct past *past;		/* owned; of leaves */
	struct leaf_memo memo[TREE_COUNT];
	struct good_dir *good;		/* owned; GOOD_DIRS */
	uint64_t steps;			/* up from directories */

	/* What rows repeat. */
	uint64_t parent_ino;		/* a directory, 0: none */
	uint32_t frame_no;		/* 0: none */
	struct pack_info frame_pack;
	struct frame_info frame;
	struct sum frame_hash;
};

/* Unproven: where a debugger wants to stop. */
static inline int
prove_odd(void)
{
	return (PROVE_UNPROVEN);
}

/* The file (prove_file.c).  What each block is, into now.ids. */
int prove_identify(struct prove *, struct err *);
uint64_t prove_block(const struct prove *, uint64_t page);
/* Is the block what it was in the catalog before? */
bool prove_same_block(const struct prove *, uint64_t block);
/* A page has one use. */
int prove_use(struct prove *, uint64_t page);
/* A page for good, beside the copies. */
int prove_read(struct prove *, struct catalog *, uint64_t page,
    uint8_t dst[BTREE_PAGE], struct err *);
/* Of the first page: the file's header, as far as SQLite lives by it; where the
 * trees begin; the free pages, which are used for that. */
bool prove_head(const struct prove *, const uint8_t *first);
int prove_find_roots(struct prove *, const uint8_t *first);
int prove_free_pages(struct prove *, const uint8_t *first, struct err *);
/* Last: every page is of some use, and every block can be read. */
int prove_whole_file(struct prove *, struct err *);

/* What stood on this page in the catalog before, and hasn't gone through as the
 * same (prove.c): what leant on it still stands.  As prove_gone(). */
int prove_gone_page(struct prove *, uint64_t page, struct err *);

/* Every tree (prove_trees.c): its pages are used, and noted. */
int prove_trees(struct prove *, struct err *);

/* One page of the catalog at hand (prove_find.c): from the copies, or read. */
int prove_page(struct prove *, uint64_t no, struct bpage *, struct err *);
/* A row of a table; FIND_NONE.  The values point into a copy: until the next
 * call. */
#define FIND_NONE	2
int prove_find(struct prove *, enum tree, int64_t rowid, struct bval *,
    struct err *);
/* Is there a row of an index whose first column is this?  0 or FIND_NONE. */
int prove_any(struct prove *, enum tree, int64_t first, struct err *);
bool prove_columns(enum tree, const struct bval *);

/* One row (prove_rows.c): its share is added to the balance. */
void sum_add(struct sum *, const struct sum *, int64_t times);
int prove_row(struct prove *, enum tree, const struct bval *, struct sum *,
    struct err *);
/* The root is a directory. */
int prove_root(struct prove *, struct err *);
/* A row of the catalog before, on a page that has changed: what leant on it
 * still stands.  PROVE_AGAIN: all has to be gone through. */
#define PROVE_AGAIN	3
int prove_gone(struct prove *, enum tree, int64_t rowid, const struct bval *,
    struct err *);

/* What is new (prove_news.c).  Rows of trees that nobody asks about are not. */
bool prove_asked(const struct prove *, enum tree);
/* Before the rows of a page, which are then asked about in their order. */
int prove_past(struct prove *, struct past *, enum tree, uint64_t page,
    bool leaf, struct err *);
/* Was it there?  The values are those of the cell. */
bool prove_was_there(struct past *, enum tree, const struct bcell *,
    const struct bval *);
int prove_tell(struct prove *, enum tree, const struct bval *, struct err *);
/* By n columns, which are of the same types. */
int prove_compare(const struct bval *, const struct bval *, size_t n);

#endif
