/*
 * Proving catalogs page by page.
 *
 * The inner pages of every tree are read for each catalog (they are one in
 * some hundred): they say which page is a leaf of what, and between which keys.
 * A leaf with the same content in the same place as in the catalog before has
 * the balance that it had; the others are gone through, in the order in which
 * they lie, so that each block is decoded once.  Then what hashes can't count:
 * rows that are gone and on which others may lean (prove_gone()), the list of
 * free pages, blocks that hold nothing but free pages.
 *
 * Invariants:
 *  1. `before' describes a catalog that was proven, all of it.
 *  2. A note that is SAME or READ has its page's balance in this catalog.
 *  3. No page is in two places (`used'), and none in no place.
 *  4. Between two catalogs the copies of pages are those of `before'.
 */
#include "index/prove.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "index/prove_impl.h"

#define BOUNDS_MAX	(8U << 20)	/* before the leaves are gone through */
#define LOCK_BYTE	0x40000000	/* SQLite leaves its page alone */
#define GOING_PAGES	64
#define SCHEMA_COLUMNS	5
#define HEAD_PAGES	28		/* where in the file's header */
#define HEAD_FREE	32
#define HEAD_NFREE	36
#define HEAD_TEXT	16		/* page size and such: as it must be */
#define HEAD_VACUUM	52
#define HEAD_ENCODING	56
#define HEAD_INCREMENTAL 64
#define TRUNK_MAX	(BTREE_PAGE / 4 - 2)

const struct tree_form tree_forms[TREE_COUNT] = {
	[TREE_DIRENT] = { "dirent", false, "ibi", 2 },
	[TREE_NODE] = { "node", true, "niiiiiiiiiiiiiiiiiBB", 0 },
	[TREE_SEGMENT] = { "segment", false, "iib", 2 },
	[TREE_XSET] = { "xset", true, "nbiB", 0 },
	[TREE_XPART] = { "xpart", true, "nb", 0 },
	[TREE_OWNER] = { "owner", false, "iib", 2 },
	[TREE_META] = { "meta", false, "ti", 1 },
	[TREE_FRAME] = { "frame", true, "niiiiii", 0 },
	[TREE_PACK] = { "pack", true, "nbiiibbiB", 0 },
	[TREE_NODE_SOURCE] = { "node_source", false, "iii", 3 },
	[TREE_NODE_ORPHAN] = { "node_orphan", false, "", 0 },
	[TREE_XSET_HASH] = { "xset_hash", false, "bi", 2 },
	[TREE_FRAME_PLACE] = { "frame_place", false, "iii", 2 },
	[TREE_FRAME_DEAD] = { "frame_dead", false, "", 0 },
	[TREE_PACK_ID] = { "pack_id", false, "bi", 1 },
};

int
prove_new(struct prove **out, size_t budget_bytes,
    const struct prove_ops *ops, void *ctx, struct err *e)
{
	struct prove *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	p->ops = ops;
	p->ctx = ctx;
	p->budget = budget_bytes;
	p->pages = calloc(PAGE_CACHE, sizeof(*p->pages));
	p->good = calloc(GOOD_DIRS, sizeof(*p->good));
	p->key = sodium_malloc(KEY_BYTES);
	if (p->pages == NULL || p->good == NULL || p->key == NULL) {
		prove_free(p);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	/* Whoever wrote the catalogs must not know it. */
	randombytes_buf(p->key, KEY_BYTES);
	*out = p;
	return (0);
}

static void
notes_fini(struct notes *n)
{
	free(n->v);
	free(n->ids);
	memset(n, 0, sizeof(*n));
}

void
prove_free(struct prove *p)
{
	if (p == NULL)
		return;
	notes_fini(&p->before);
	notes_fini(&p->now);
	free(p->pages);
	free(p->good);
	sodium_free(p->key);
	free(p);
}

void
prove_pages(const struct prove *p, uint64_t *parsed, uint64_t *total)
{
	*parsed = p->parsed;
	*total = p->total;
}

/* What a block is: its bytes' hash, how it is made of what, and where. */
static int
block_id(struct prove *p, uint64_t i, uint8_t out[HASH_BYTES], struct err *e)
{
	const struct pack_info *packs;
	struct blocks *blocks = p->c->blocks;
	struct chain chain;
	struct buf b = BUF_INIT;
	size_t n;
	int r;

	if ((r = blocks_chain(blocks, i, &chain, e)) != 0)
		return (r);
	n = blocks_packs(blocks, &packs);
	map_emit_chain(&b, &chain);
	for (unsigned d = 0; d < chain.depth; d++)
		for (unsigned k = 0; k < 2; k++)
			if (chain.ref[d].place[k].pack < n)
				buf_bytes(&b, packs[chain.ref[d].place[k].pack]
				    .id.b, ID_BYTES);
	if ((r = buf_ok(&b, e)) == 0)
		hash_keyed(out, p->key, b.data, b.len);
	buf_fini(&b);
	return (r);
}

static int
identify(struct prove *p, struct err *e)
{
	uint8_t page[BTREE_PAGE];
	struct pages *pages = p->c->pages;

	for (uint64_t i = 0; i < p->now.nblocks; i++) {
		if (p->c->blocks != NULL) {
			if (block_id(p, i, p->now.ids[i], e) != 0)
				return (-1);
			continue;
		}
		/* Over other pages each page stands for itself. */
		if (pages->ops->read(pages, page, BTREE_PAGE, i * BTREE_PAGE,
		    e) < 0)
			return (-1);
		hash_keyed(p->now.ids[i], p->key, page, BTREE_PAGE);
	}
	return (0);
}

static void
drop_copies(struct prove *p)
{
	for (size_t i = 0; i < PAGE_CACHE; i++)
		p->pages[i].no = 0;
}

static uint64_t
block_of(const struct prove *p, uint64_t page)
{
	return (p->c->blocks == NULL ? page - 1 :
	    (page - 1) / (CATALOG_BLOCK_BYTES / BTREE_PAGE));
}

/* Is the block what it was in the catalog before? */
static bool
same_block(const struct prove *p, uint64_t block)
{
	return (block < p->before.nblocks && block < p->now.nblocks &&
	    memcmp(p->before.ids[block], p->now.ids[block], HASH_BYTES) == 0);
}

/* Copies are of the catalog before: what is the same stays. */
static void
drop_changed_copies(struct prove *p)
{
	for (size_t i = 0; i < PAGE_CACHE; i++)
		if (p->pages[i].no != 0 &&
		    !same_block(p, block_of(p, p->pages[i].no)))
			p->pages[i].no = 0;
}

static bool
take(uint64_t *map, uint64_t i)
{
	uint64_t bit = UINT64_C(1) << (i % 64);
	bool was = (map[i / 64] & bit) != 0;

	map[i / 64] |= bit;
	return (!was);
}

/* A page has one use. */
static int
use(struct prove *p, uint64_t page)
{
	if (page < 1 || page > p->now.npages || !take(p->used, page - 1))
		return (prove_odd());
	return (0);
}

/* A page for good, beside the copies. */
static int
read_page(struct prove *p, struct catalog *c, uint64_t page,
    uint8_t dst[BTREE_PAGE], struct err *e)
{
	if (p->parsed++ % GOING_PAGES == 0 && p->ops->going(p->ctx, e) < 0)
		return (-1);
	if (c == p->c)
		(void)take(p->touched, block_of(p, page));
	return (c->pages->ops->read(c->pages, dst, BTREE_PAGE,
	    (page - 1) * BTREE_PAGE, e) < 0 ? -1 : 0);
}

static void
bound_emit(struct buf *b, const struct bound *k)
{
	buf_u8(b, k->none ? 0 : k->row == NULL ? 1 : 2);
	if (k->none)
		return;
	buf_u64(b, (uint64_t)k->rowid);
	buf_u32(b, (uint32_t)k->len);
	buf_bytes(b, k->row, k->len);
}

static void
bound_parse(struct bound *k, struct rd *r)
{
	uint8_t kind = rd_u8(r);

	memset(k, 0, sizeof(*k));
	k->none = kind == 0;
	if (k->none)
		return;
	k->rowid = (int64_t)rd_u64(r);
	k->len = rd_u32(r);
	k->row = rd_view(r, k->len);
	if (kind == 1)
		k->row = NULL;
}

/* Note a page's place; its balance, if it was there before. */
static int
note_page(struct prove *p, enum tree tree, uint64_t page, unsigned level,
    const struct bound *lo, const struct bound *hi, struct err *e)
{
	struct note *n = &p->now.v[page - 1];
	uint8_t hash[HASH_BYTES];
	size_t from = p->bounds.len, to;

	bound_emit(&p->bounds, lo);
	bound_emit(&p->bounds, hi);
	to = p->bounds.len;
	n->bounds = (uint32_t)from;
	n->tree = (uint8_t)tree;
	buf_u8(&p->bounds, (uint8_t)tree);
	buf_u8(&p->bounds, (uint8_t)level);
	buf_u8(&p->bounds, (uint8_t)((page - 1) %
	    (CATALOG_BLOCK_BYTES / BTREE_PAGE)));
	buf_bytes(&p->bounds, p->now.ids[block_of(p, page)], HASH_BYTES);
	if (buf_ok(&p->bounds, e) != 0)
		return (-1);
	hash_keyed(hash, p->key, p->bounds.data + from, p->bounds.len - from);
	memcpy(n->where, hash, sizeof(n->where));
	n->state = NOTE_PENDING;
	p->total++;
	if (page <= p->before.npages) {
		const struct note *was = &p->before.v[page - 1];

		if (was->state != NOTE_NONE && memcmp(was->where, n->where,
		    sizeof(n->where)) == 0) {
			n->balance = was->balance;
			n->state = NOTE_SAME;
		}
	}
	p->bounds.len = n->state == NOTE_PENDING ? to : from;
	return (0);
}

static int
compare_values(const struct bval *a, const struct bval *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t min = a[i].len < b[i].len ? a[i].len : b[i].len;
		int r = 0;

		if (a[i].type == BVAL_INT)
			r = a[i].i < b[i].i ? -1 : a[i].i > b[i].i;
		else if (min > 0)
			r = memcmp(a[i].p, b[i].p, min);
		if (r == 0)
			r = a[i].len < b[i].len ? -1 : a[i].len > b[i].len;
		if (r != 0)
			return (r);
	}
	return (0);
}

/* The rows of a page in their order, with what they stand beside. */
struct rows {
	enum tree tree;
	bool begun;
	int64_t rowid;			/* of the last */
	struct bval v[BTREE_COLUMNS];	/* of the last */
};

static int
row_after(struct rows *r, const struct bound *k)
{
	const struct tree_form *form = &tree_forms[r->tree];
	struct bval v[BTREE_COLUMNS];

	if (form->table) {
		if (r->begun && k->rowid <= r->rowid)
			return (prove_odd());
	} else {
		if (form->columns[0] == '\0' || brow_parse(v,
		    strlen(form->columns), k->row, k->len) < 0 ||
		    !prove_columns(r->tree, v) || (r->begun &&
		    compare_values(r->v, v, form->keys) >= 0))
			return (prove_odd());
		memcpy(r->v, v, sizeof(v));
	}
	r->rowid = k->rowid;
	r->begun = true;
	return (0);
}

static void
bound_of(struct bound *k, const struct bcell *c)
{
	memset(k, 0, sizeof(*k));
	k->rowid = c->rowid;
	k->row = c->row;
	k->len = c->len;
}

/* Begin behind a lower bound. */
static int
rows_init(struct rows *r, enum tree tree, const struct bound *lo)
{
	memset(r, 0, sizeof(*r));
	r->tree = tree;
	return (lo->none ? 0 : row_after(r, lo));
}

/* The last row is not above the upper bound; a table's may be equal. */
static int
rows_end(struct rows *r, const struct bound *hi)
{
	if (hi->none)
		return (0);
	if (tree_forms[r->tree].table)
		return (r->begun && r->rowid > hi->rowid ? prove_odd() : 0);
	return (row_after(r, hi));
}

static int
go_through(struct prove *p, enum tree tree, const uint8_t *bytes,
    const struct bound *lo, const struct bound *hi, struct sum *sum,
    struct err *e)
{
	const struct tree_form *form = &tree_forms[tree];
	struct rows rows;
	struct bpage b;
	struct bcell c;
	struct bound k;
	int r;

	if (bpage_open(&b, bytes, false) < 0 || !b.leaf ||
	    b.table != form->table || bpage_fill(&b) < 0 ||
	    rows_init(&rows, tree, lo) != 0)
		return (prove_odd());
	for (unsigned i = 0; i < b.ncells; i++) {
		if (bpage_cell(&b, i, &c) < 0)
			return (prove_odd());
		bound_of(&k, &c);
		if (row_after(&rows, &k) != 0)
			return (prove_odd());
		if (form->table) {
			if (brow_parse(rows.v, strlen(form->columns), c.row,
			    c.len) < 0 || !prove_columns(tree, rows.v))
				return (prove_odd());
			rows.v[0].type = BVAL_INT;
			rows.v[0].i = c.rowid;
		}
		if ((r = prove_row(p, tree, rows.v, sum, e)) != 0)
			return (r);
	}
	return (rows_end(&rows, hi));
}

/* The leaves that are pending, in the order of the file. */
static int
flush(struct prove *p, struct err *e)
{
	uint8_t bytes[BTREE_PAGE];
	struct bound lo, hi;
	struct rd r;
	int got;

	for (uint64_t i = p->pending_min; i <= p->pending_max; i++) {
		struct note *n = &p->now.v[i - 1];

		if (n->state != NOTE_PENDING)
			continue;
		rd_init(&r, p->bounds.data + n->bounds,
		    p->bounds.len - n->bounds);
		bound_parse(&lo, &r);
		bound_parse(&hi, &r);
		if (read_page(p, p->c, i, bytes, e) < 0)
			return (-1);
		memset(&n->balance, 0, sizeof(n->balance));
		got = go_through(p, n->tree, bytes, &lo, &hi, &n->balance, e);
		if (got != 0)
			return (got);
		n->state = NOTE_READ;
	}
	p->pending_min = p->now.npages + 1;
	p->pending_max = 0;
	buf_reset(&p->bounds);
	return (0);
}

static int visit(struct prove *, enum tree, uint64_t page, unsigned level,
    unsigned height, const struct bound *lo, const struct bound *hi,
    struct err *);

/* The children of an inner page, and in an index its rows. */
static int
visit_inner(struct prove *p, enum tree tree, uint64_t page,
    const struct bpage *b, unsigned level, unsigned height,
    const struct bound *lo, const struct bound *hi, struct err *e)
{
	struct note *n = &p->now.v[page - 1];
	struct sum sum = { 0, 0 };
	struct bound from = *lo, to;
	struct rows rows;
	struct bcell c;
	int r;

	if (b->ncells == 0 || b->leaf || b->table != tree_forms[tree].table ||
	    bpage_fill(b) < 0 || rows_init(&rows, tree, lo) != 0)
		return (prove_odd());
	for (unsigned i = 0; i < b->ncells; i++) {
		if (bpage_cell(b, i, &c) < 0)
			return (prove_odd());
		bound_of(&to, &c);
		if (row_after(&rows, &to) != 0)
			return (prove_odd());
		if (!b->table && n->state == NOTE_PENDING &&
		    (r = prove_row(p, tree, rows.v, &sum, e)) != 0)
			return (r);
		r = visit(p, tree, c.child, level + 1, height, &from, &to, e);
		if (r != 0)
			return (r);
		from = to;
	}
	if (n->state == NOTE_PENDING) {
		n->balance = sum;
		n->state = NOTE_READ;
	}
	if (rows_end(&rows, hi) != 0)
		return (prove_odd());
	return (visit(p, tree, b->right, level + 1, height, &from, hi, e));
}

static int
visit(struct prove *p, enum tree tree, uint64_t page, unsigned level,
    unsigned height, const struct bound *lo, const struct bound *hi,
    struct err *e)
{
	uint8_t *bytes;
	struct bpage b;
	size_t from;
	int r;

	if (page < 2 || use(p, page) != 0)
		return (prove_odd());
	from = p->bounds.len;
	if ((r = note_page(p, tree, page, level, lo, hi, e)) != 0)
		return (r);
	if (level == height) {
		if (p->now.v[page - 1].state != NOTE_PENDING)
			return (0);
		if (page < p->pending_min)
			p->pending_min = page;
		if (page > p->pending_max)
			p->pending_max = page;
		return (p->bounds.len < BOUNDS_MAX ? 0 : flush(p, e));
	}
	p->bounds.len = from;
	if ((bytes = malloc(BTREE_PAGE)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	r = read_page(p, p->c, page, bytes, e);
	if (r == 0)
		r = bpage_open(&b, bytes, false) < 0 ? prove_odd() :
		    visit_inner(p, tree, page, &b, level, height, lo, hi, e);
	free(bytes);
	return (r);
}

/* How deep the leaves of a tree lie, by the first of them. */
static int
tree_height(struct prove *p, enum tree tree, unsigned *height, struct err *e)
{
	uint64_t page = p->roots[tree];
	struct bpage b;
	struct bcell c;
	int r;

	for (*height = 0; *height < BTREE_DEPTH_MAX; (*height)++) {
		if ((r = prove_page(p, page, &b, e)) != 0)
			return (r);
		if (b.leaf)
			return (0);
		if (bpage_cell(&b, 0, &c) < 0)
			break;
		page = c.child;
	}
	return (prove_odd());
}

/* The file's header, as far as SQLite lives by it. */
static bool
head_is_right(const struct prove *p, const uint8_t *first)
{
	static const uint8_t form[] = { 0x40, 0, 1, 1, 0, 64, 32, 32 };

	return (memcmp(first, "SQLite format 3", 16) == 0 &&
	    memcmp(first + HEAD_TEXT, form, sizeof(form)) == 0 &&
	    btree_be32(first + HEAD_PAGES) == p->now.npages &&
	    btree_be32(first + HEAD_VACUUM) == 0 &&
	    btree_be32(first + HEAD_ENCODING) == 1 &&
	    btree_be32(first + HEAD_INCREMENTAL) == 0);
}

/* Where the trees begin.  That the schema is the one that there is, word for
 * word, was seen when the catalog was opened. */
static int
find_roots(struct prove *p, const uint8_t *first)
{
	struct bval v[SCHEMA_COLUMNS];
	struct bpage b;
	struct bcell c;

	if (bpage_open(&b, first, true) < 0 || !b.leaf || !b.table ||
	    bpage_fill(&b) < 0 || b.ncells != TREE_COUNT)
		return (prove_odd());
	for (unsigned i = 0; i < b.ncells; i++) {
		if (bpage_cell(&b, i, &c) < 0 ||
		    brow_parse(v, SCHEMA_COLUMNS, c.row, c.len) < 0 ||
		    v[1].type != BVAL_TEXT || v[3].type != BVAL_INT ||
		    v[3].i < 2 || (uint64_t)v[3].i > p->now.npages)
			return (prove_odd());
		for (unsigned t = 0; t < TREE_COUNT; t++)
			if (v[1].len == strlen(tree_forms[t].name) &&
			    memcmp(v[1].p, tree_forms[t].name, v[1].len) == 0)
				p->roots[t] = (uint64_t)v[3].i;
	}
	for (unsigned t = 0; t < TREE_COUNT; t++)
		if (p->roots[t] == 0)
			return (prove_odd());
	return (0);
}

/* Trunks name free pages, and the next trunk. */
static int
free_pages(struct prove *p, const uint8_t *first, struct err *e)
{
	uint8_t bytes[BTREE_PAGE];
	uint64_t page = btree_be32(first + HEAD_FREE);
	uint64_t left = btree_be32(first + HEAD_NFREE), n;

	while (page != 0) {
		if (use(p, page) != 0 || left-- == 0)
			return (prove_odd());
		if (read_page(p, p->c, page, bytes, e) < 0)
			return (-1);
		n = btree_be32(bytes + 4);
		if (n > TRUNK_MAX || n > left)
			return (prove_odd());
		for (uint64_t i = 0; i < n; i++)
			if (use(p, btree_be32(bytes + 8 + 4 * i)) != 0)
				return (prove_odd());
		left -= n;
		page = btree_be32(bytes);
	}
	return (left == 0 ? 0 : prove_odd());
}

/* Every page is of some use, and every block can be read. */
static int
whole_file(struct prove *p, struct err *e)
{
	uint8_t bytes[BTREE_PAGE];

	for (uint64_t i = 1; i <= p->now.npages; i++) {
		uint64_t block = block_of(p, i);

		if (take(p->used, i - 1) && i != LOCK_BYTE / BTREE_PAGE + 1)
			return (prove_odd());
		if (same_block(p, block))
			continue;
		if (take(p->touched, block) &&
		    read_page(p, p->c, i, bytes, e) < 0)
			return (-1);
	}
	return (0);
}

/* What stood on pages that have changed, or are gone. */
static int
gone_rows(struct prove *p, struct catalog *before, struct err *e)
{
	uint8_t bytes[BTREE_PAGE];
	struct bval v[BTREE_COLUMNS];
	struct bpage b;
	struct bcell c;
	int r;

	for (uint64_t i = 1; i <= p->before.npages; i++) {
		const struct note *n = &p->before.v[i - 1];

		if (n->state == NOTE_NONE || (n->tree != TREE_NODE &&
		    n->tree != TREE_XSET && n->tree != TREE_XPART &&
		    n->tree != TREE_PACK) || (i <= p->now.npages &&
		    p->now.v[i - 1].state == NOTE_SAME))
			continue;
		if (read_page(p, before, i, bytes, e) < 0)
			return (-1);
		if (bpage_open(&b, bytes, false) < 0)
			return (PROVE_AGAIN);
		for (unsigned k = 0; b.leaf && k < b.ncells; k++) {
			if (bpage_cell(&b, k, &c) < 0 || brow_parse(v,
			    strlen(tree_forms[n->tree].columns), c.row,
			    c.len) < 0)
				return (PROVE_AGAIN);
			r = prove_gone(p, n->tree, c.rowid, v, e);
			if (r != 0)
				return (r);
		}
	}
	return (0);
}

static int
balance(struct prove *p)
{
	struct sum sum = { 0, 0 };

	for (uint64_t i = 0; i < p->now.npages; i++)
		if (p->now.v[i].state != NOTE_NONE)
			sum_add(&sum, &p->now.v[i].balance, 1);
	if (sum.lo == 0 && sum.hi == 0)
		return (0);
	/* A page that is the same may have asked for what was another kind
	 * of thing then. */
	return (p->before.npages > 0 ? PROVE_AGAIN : prove_odd());
}

static int
trees(struct prove *p, struct err *e)
{
	const struct bound none = { .none = true };
	unsigned height;
	int r = 0;

	for (unsigned t = 0; r == 0 && t < TREE_COUNT; t++) {
		r = tree_height(p, t, &height, e);
		if (r == 0)
			r = visit(p, t, p->roots[t], 0, height, &none, &none,
			    e);
	}
	return (r == 0 ? flush(p, e) : r);
}

static int
run(struct prove *p, struct catalog *before, struct err *e)
{
	const struct pack_info *meta;
	uint8_t first[BTREE_PAGE];
	size_t n = 0;
	int r = 0;

	if (p->c->blocks != NULL)
		n = blocks_packs(p->c->blocks, &meta);
	for (size_t i = 0; i < n; i++)
		if (p->ops->pack(p->ctx, &meta[i], e) < 0)
			return (-1);
	if (identify(p, e) != 0)
		return (-1);
	drop_changed_copies(p);
	if (read_page(p, p->c, 1, first, e) < 0)
		return (-1);
	if (!head_is_right(p, first) || use(p, 1) != 0 ||
	    find_roots(p, first) != 0)
		return (prove_odd());
	if ((r = trees(p, e)) == 0)
		r = prove_root(p, e);
	if (r == 0)
		r = free_pages(p, first, e);
	if (r == 0)
		r = whole_file(p, e);
	if (r == 0 && before != NULL)
		r = gone_rows(p, before, e);
	return (r == 0 ? balance(p) : r);
}

/* Forget what was copied and remembered of another catalog. */
static int
begin(struct prove *p, struct catalog *c, uint64_t npages, struct err *e)
{
	uint64_t per = c->blocks == NULL ? 1 :
	    CATALOG_BLOCK_BYTES / BTREE_PAGE;

	p->c = c;
	p->now.npages = npages;
	p->now.nblocks = (npages + per - 1) / per;
	p->now.v = calloc(npages, sizeof(*p->now.v));
	p->now.ids = calloc(p->now.nblocks, sizeof(*p->now.ids));
	p->used = calloc(npages / 64 + 1, sizeof(*p->used));
	p->touched = calloc(npages / 64 + 1, sizeof(*p->touched));
	if (p->now.v == NULL || p->now.ids == NULL || p->used == NULL ||
	    p->touched == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	memset(p->good, 0, GOOD_DIRS * sizeof(*p->good));
	memset(p->memo, 0, sizeof(p->memo));
	memset(p->roots, 0, sizeof(p->roots));
	p->steps = p->parent_ino = 0;
	p->frame_no = 0;
	p->pending_min = npages + 1;
	p->pending_max = 0;
	buf_reset(&p->bounds);
	return (0);
}

static int
attempt(struct prove *p, struct catalog *c, struct catalog *before,
    uint64_t npages, struct err *e)
{
	int r;

	if (before == NULL) {
		notes_fini(&p->before);
		drop_copies(p);
	}
	r = begin(p, c, npages, e);
	if (r == 0)
		r = run(p, before, e);
	free(p->used);
	free(p->touched);
	p->used = p->touched = NULL;
	buf_fini(&p->bounds);
	if (r == 0) {
		notes_fini(&p->before);
		p->before = p->now;
		memset(&p->now, 0, sizeof(p->now));
		/* What is still asked of it, gone_rows() asks in order. */
		if (c->blocks != NULL)
			blocks_shrink(c->blocks);
	}
	if (r != 0)
		drop_copies(p);
	notes_fini(&p->now);
	p->c = NULL;
	return (r);
}

int
prove_catalog(struct prove *p, struct catalog *c, struct catalog *before,
    struct err *e)
{
	uint64_t size = c->pages->ops->size(c->pages);
	uint64_t npages = size / BTREE_PAGE;
	int r;

	if (npages == 0 || size % BTREE_PAGE != 0 || npages > UINT32_MAX ||
	    npages > p->budget / (2 * (sizeof(struct note) + HASH_BYTES / 4)))
		return (prove_odd());
	r = attempt(p, c, before, npages, e);
	if (r == PROVE_AGAIN)
		r = attempt(p, c, NULL, npages, e);
	return (r);
}
