/*
 * Looking rows up in the catalog that is being proven.  Its trees may be
 * crooked still: then an answer may be wrong, but it comes, and the tree is
 * found crooked in its turn.
 */
#include <string.h>

#include "index/prove_impl.h"

int
prove_page(struct prove *p, uint64_t no, struct bpage *out, struct err *e)
{
	struct page_copy *copy = &p->pages[no % PAGE_CACHE];

	if (no < 1 || no > p->now.npages)
		return (prove_odd());
	if (copy->no != no) {
		copy->no = 0;
		if (p->c->pages->ops->read(p->c->pages, copy->bytes,
		    BTREE_PAGE, (no - 1) * BTREE_PAGE, e) < 0)
			return (-1);
		copy->no = no;
	}
	return (bpage_open(out, copy->bytes, no == 1) < 0 ? prove_odd() : 0);
}

/* The first cell whose row number is at least that. */
static int
seek_rowid(const struct bpage *b, int64_t rowid, unsigned *at)
{
	unsigned lo = 0, hi = b->ncells, mid;
	struct bcell c;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (bpage_cell(b, mid, &c) < 0)
			return (prove_odd());
		if (c.rowid < rowid)
			lo = mid + 1;
		else
			hi = mid;
	}
	*at = lo;
	return (0);
}

/* From an inner page to the child that would have it. */
static int
step_down(const struct bpage *b, struct leaf_memo *m, int64_t rowid)
{
	struct bcell c;
	unsigned at;

	if (seek_rowid(b, rowid, &at) != 0)
		return (prove_odd());
	if (at > 0) {
		if (bpage_cell(b, at - 1, &c) < 0)
			return (prove_odd());
		m->has_lo = true;
		m->lo = c.rowid;
	}
	m->page = b->right;
	if (at < b->ncells) {
		if (bpage_cell(b, at, &c) < 0)
			return (prove_odd());
		m->has_hi = true;
		m->hi = c.rowid;
		m->page = c.child;
	}
	return (0);
}

static int
find_leaf(struct prove *p, enum tree tree, int64_t rowid, struct bpage *b,
    struct err *e)
{
	struct leaf_memo m = { .page = p->roots[tree] }, *was = &p->memo[tree];
	int r;

	if (was->page != 0 && (!was->has_lo || rowid > was->lo) &&
	    (!was->has_hi || rowid <= was->hi))
		return (prove_page(p, was->page, b, e));
	for (unsigned depth = 0; depth < BTREE_DEPTH_MAX; depth++) {
		if ((r = prove_page(p, m.page, b, e)) != 0)
			return (r);
		if (!b->table)
			break;
		if (b->leaf) {
			*was = m;
			return (0);
		}
		if ((r = step_down(b, &m, rowid)) != 0)
			return (r);
	}
	return (prove_odd());
}

bool
prove_columns(enum tree tree, const struct bval *v)
{
	static const enum bval_type types['t' + 1] = {
		['n'] = BVAL_NULL, ['i'] = BVAL_INT, ['b'] = BVAL_BLOB,
		['B'] = BVAL_BLOB, ['t'] = BVAL_TEXT
	};
	const char *columns = tree_forms[tree].columns;

	for (size_t i = 0; columns[i] != '\0'; i++)
		if (v[i].type != types[(unsigned char)columns[i]] &&
		    (columns[i] != 'B' || v[i].type != BVAL_NULL))
			return (false);
	return (true);
}

int
prove_find(struct prove *p, enum tree tree, int64_t rowid, struct bval *v,
    struct err *e)
{
	struct bpage b;
	struct bcell c;
	unsigned at;
	int r = find_leaf(p, tree, rowid, &b, e);

	if (r != 0)
		return (r);
	if (!b.leaf || !b.table || seek_rowid(&b, rowid, &at) != 0)
		return (prove_odd());
	if (at == b.ncells)
		return (FIND_NONE);
	if (bpage_cell(&b, at, &c) < 0)
		return (prove_odd());
	if (c.rowid != rowid)
		return (FIND_NONE);
	if (brow_parse(v, strlen(tree_forms[tree].columns), c.row,
	    c.len) < 0 || !prove_columns(tree, v))
		return (prove_odd());
	return (0);
}

static int
first_column(const struct bpage *b, enum tree tree, unsigned i, int64_t *out,
    uint64_t *child)
{
	struct bval v[BTREE_COLUMNS];
	struct bcell c;

	if (bpage_cell(b, i, &c) < 0 || c.row == NULL ||
	    brow_parse(v, strlen(tree_forms[tree].columns), c.row,
	    c.len) < 0 || v[0].type != BVAL_INT)
		return (prove_odd());
	*out = v[0].i;
	*child = c.child;
	return (0);
}

int
prove_any(struct prove *p, enum tree tree, int64_t first, struct err *e)
{
	uint64_t page = p->roots[tree], child;
	struct bpage b;
	int r;

	for (unsigned depth = 0; depth < BTREE_DEPTH_MAX; depth++) {
		unsigned lo = 0, hi, mid;
		int64_t have;

		if ((r = prove_page(p, page, &b, e)) != 0)
			return (r);
		if (b.table)
			break;
		page = b.right;
		for (hi = b.ncells; lo < hi;) {
			mid = lo + (hi - lo) / 2;
			if (first_column(&b, tree, mid, &have, &child) != 0)
				return (prove_odd());
			if (have == first)
				return (0);
			if (have < first) {
				lo = mid + 1;
			} else {
				hi = mid;
				page = child;
			}
		}
		if (b.leaf)
			return (FIND_NONE);
	}
	return (prove_odd());
}
