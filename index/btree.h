#ifndef VITRINE_INDEX_BTREE_H
#define VITRINE_INDEX_BTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Pages of a SQLite database as values (https://www.sqlite.org/fileformat2,
 * "B-tree Pages" and "Record Format"), as far as a catalog has them: 16 KiB
 * pages, no overflow.  Bounded by the page, no I/O, nothing owned: what comes
 * out points into the page.  All: 0, or -1 for bytes that can't be.
 */
#define BTREE_PAGE	16384
#define BTREE_DEPTH_MAX	20
#define BTREE_HEADER	100	/* of the file, on its first page */
#define BTREE_COLUMNS	20

struct bpage {
	const uint8_t *bytes;		/* BTREE_PAGE */
	uint32_t right;			/* the last child; 0 in a leaf */
	uint16_t ncells;
	uint16_t base;			/* of the page's own header */
	bool leaf;
	bool table;			/* keys are row numbers */
};
struct bcell {
	uint32_t child;			/* what is before it; 0 in a leaf */
	int64_t rowid;			/* of a table */
	const uint8_t *row;		/* NULL inside a table */
	size_t len;
};
enum bval_type { BVAL_NULL, BVAL_INT, BVAL_BLOB, BVAL_TEXT, BVAL_OTHER };
struct bval {
	enum bval_type type;
	int64_t i;
	const uint8_t *p;
	size_t len;
};

/* `first': it is the file's page 1. */
int bpage_open(struct bpage *, const uint8_t bytes[BTREE_PAGE], bool first);
int bpage_cell(const struct bpage *, unsigned i, struct bcell *);
/* Do cells and free space fill the page, each byte once?  (A writer relies on
 * it.) */
int bpage_fill(const struct bpage *);
/* Exactly n columns. */
int brow_parse(struct bval *, size_t n, const uint8_t *row, size_t len);

/* Big-endian, as the file's header and its list of free pages have it. */
uint32_t btree_be32(const uint8_t *);

#endif
