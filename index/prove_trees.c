/*
 * Going through the trees of a catalog that is being proven.  The inner pages
 * of every tree are read for each catalog (they are one in some hundred): they
 * say which page is a leaf of what, and between which keys.  A leaf with the
 * same content in the same place as in the catalog before has the balance that
 * it had; the others are gone through, in the order in which they lie, so that
 * each block is decoded once.  What a row asks for lies near the rows beside
 * it: those of inner pages wait for the leaf before them.
 *
 * Invariant:
 *  1. A note that is SAME or READ has its page's balance in this catalog, less
 *     the rows that wait.
 */
#include <stdlib.h>
#include <string.h>

#include "index/prove_impl.h"

#define BOUNDS_MAX	(8U << 20)	/* before the leaves are gone through */

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
	buf_bytes(&p->bounds, p->now.ids[prove_block(p, page)], HASH_BYTES);
	if (buf_ok(&p->bounds, e) != 0)
		return (-1);
	hash_keyed(hash, p->key, p->bounds.data + from, p->bounds.len - from);
	memcpy(n->where, hash, sizeof(n->where));
	n->state = NOTE_PENDING;
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
		    prove_compare(r->v, v, form->keys) >= 0))
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

/* past is NULL where nobody asks what is new. */
static int
go_through(struct prove *p, enum tree tree, const uint8_t *bytes,
    const struct bound *lo, const struct bound *hi, struct past *past,
    struct sum *sum, struct err *e)
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
		r = prove_row(p, tree, rows.v, sum, e);
		if (r == 0 && past != NULL &&
		    !prove_was_there(past, tree, &c, rows.v))
			r = prove_tell(p, tree, rows.v, e);
		if (r != 0)
			return (r);
	}
	return (rows_end(&rows, hi));
}

static int
by_leaf(const void *va, const void *vb)
{
	const struct later *a = va, *b = vb;

	if (a->beside != b->beside)
		return (a->beside < b->beside ? -1 : 1);
	return (a->row < b->row ? -1 : a->row > b->row);
}

/* The rows from *at on that wait for leaves up to this one. */
static int
go_through_later(struct prove *p, uint64_t leaf, size_t *at, struct err *e)
{
	struct bval v[BTREE_COLUMNS];
	int r;

	for (; *at < p->nlater && p->later[*at].beside <= leaf; (*at)++) {
		const struct later *l = &p->later[*at];

		if (brow_parse(v, strlen(tree_forms[l->tree].columns),
		    p->bounds.data + l->row, l->len) < 0)
			return (prove_odd());
		r = prove_row(p, l->tree, v, &p->now.v[l->page - 1].balance,
		    e);
		if (r == 0 && !l->told)
			r = prove_tell(p, l->tree, v, e);
		if (r != 0)
			return (r);
	}
	return (0);
}

/* A leaf that is pending. */
static int
leaf(struct prove *p, uint64_t page, struct note *n, struct err *e)
{
	struct past *past = prove_asked(p, n->tree) ? p->past : NULL;
	uint8_t bytes[BTREE_PAGE];
	struct bound lo, hi;
	struct rd r;
	int got;

	rd_init(&r, p->bounds.data + n->bounds, p->bounds.len - n->bounds);
	bound_parse(&lo, &r);
	bound_parse(&hi, &r);
	if (prove_read(p, p->c, page, bytes, e) < 0 || (past != NULL &&
	    prove_past(p, past, n->tree, page, true, e) < 0))
		return (-1);
	memset(&n->balance, 0, sizeof(n->balance));
	got = go_through(p, n->tree, bytes, &lo, &hi, past, &n->balance, e);
	if (got != 0)
		return (got);
	n->state = NOTE_READ;
	/* The block that was there is what this one was made of, and at
	 * hand. */
	n->gone_asked = true;
	return (prove_gone_page(p, page, e));
}

/* The leaves that are pending, in the order of the file, and what waits. */
static int
flush(struct prove *p, struct err *e)
{
	size_t at = 0;
	int got;

	if (p->nlater > 1)
		qsort(p->later, p->nlater, sizeof(*p->later), by_leaf);
	for (uint64_t i = p->pending_min; i <= p->pending_max; i++) {
		struct note *n = &p->now.v[i - 1];

		if ((got = go_through_later(p, i, &at, e)) != 0)
			return (got);
		if (n->state == NOTE_PENDING &&
		    (got = leaf(p, i, n, e)) != 0)
			return (got);
	}
	if ((got = go_through_later(p, UINT64_MAX, &at, e)) != 0)
		return (got);
	p->nlater = 0;
	p->pending_min = p->now.npages + 1;
	p->pending_max = 0;
	buf_reset(&p->bounds);
	return (0);
}

static int visit(struct prove *, enum tree, uint64_t page, unsigned level,
    unsigned height, const struct bound *lo, const struct bound *hi,
    struct err *);

/* An inner page while its children are visited. */
struct inner {
	uint64_t no;
	struct bpage b;
	uint8_t bytes[BTREE_PAGE];
	struct past past;		/* where somebody asks what is new */
};

/* A row of an inner page of an index. */
static int
put_off(struct prove *p, enum tree tree, uint64_t page, const struct bcell *c,
    bool told, struct err *e)
{
	struct later *l = &p->later[p->nlater];

	*l = (struct later){ .beside = c->child, .page = page,
	    .row = (uint32_t)p->bounds.len, .len = (uint32_t)c->len,
	    .tree = (uint8_t)tree, .told = told };
	buf_bytes(&p->bounds, c->row, c->len);
	if (buf_ok(&p->bounds, e) != 0)
		return (-1);
	p->nlater++;
	return (p->nlater < LATER_MAX && p->bounds.len < BOUNDS_MAX ? 0 :
	    flush(p, e));
}

/* The children of an inner page, and in an index its rows. */
static int
visit_inner(struct prove *p, enum tree tree, struct inner *in,
    unsigned level, unsigned height, const struct bound *lo,
    const struct bound *hi, struct err *e)
{
	struct note *n = &p->now.v[in->no - 1];
	const struct bpage *b = &in->b;
	bool fresh = n->state == NOTE_PENDING;
	bool asked = fresh && !b->table && prove_asked(p, tree);
	struct bound from = *lo, to;
	struct rows rows;
	struct bcell c;
	int r;

	if (b->ncells == 0 || b->leaf || b->table != tree_forms[tree].table ||
	    bpage_fill(b) < 0 || rows_init(&rows, tree, lo) != 0)
		return (prove_odd());
	if (fresh) {
		memset(&n->balance, 0, sizeof(n->balance));
		n->state = NOTE_READ;
	}
	if (asked && prove_past(p, &in->past, tree, in->no, false, e) < 0)
		return (-1);
	for (unsigned i = 0; i < b->ncells; i++) {
		if (bpage_cell(b, i, &c) < 0)
			return (prove_odd());
		bound_of(&to, &c);
		if (row_after(&rows, &to) != 0)
			return (prove_odd());
		if (!b->table && fresh &&
		    (r = put_off(p, tree, in->no, &c, !asked ||
		    prove_was_there(&in->past, tree, &c, rows.v), e)) != 0)
			return (r);
		r = visit(p, tree, c.child, level + 1, height, &from, &to, e);
		if (r != 0)
			return (r);
		from = to;
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
	struct inner *in;
	size_t from;
	int r;

	if (page < 2 || prove_use(p, page) != 0)
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
	if ((in = malloc(sizeof(*in))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	in->no = page;
	r = prove_read(p, p->c, page, in->bytes, e);
	if (r == 0)
		r = bpage_open(&in->b, in->bytes, false) < 0 ? prove_odd() :
		    visit_inner(p, tree, in, level, height, lo, hi, e);
	free(in);
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

int
prove_trees(struct prove *p, struct err *e)
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
