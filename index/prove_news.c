/*
 * What a catalog has that the one before it hadn't, row by row, for who asks
 * while it is proven.  Rows are gone through only where a page is not what it
 * was; those that stood on the page of the same number just so are no news.  A
 * row that moved to another page is told, though nothing changed: whoever asks
 * looks it up in the catalog before, which is for few then.
 */
#include <string.h>

#include "index/prove_impl.h"
#include "index/values_int.h"

int
prove_compare(const struct bval *a, const struct bval *b, size_t n)
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

bool
prove_asked(const struct prove *p, enum tree tree)
{
	return (p->ops->news != NULL && (tree == TREE_DIRENT ||
	    tree == TREE_NODE || tree == TREE_SEGMENT));
}

int
prove_past(struct prove *p, struct past *past, enum tree tree, uint64_t page,
    bool leaf, struct err *e)
{
	const struct note *n;

	past->same = past->there = false;
	past->at = 0;
	if (p->was == NULL || page > p->before.npages)
		return (0);
	n = &p->before.v[page - 1];
	if (n->state == NOTE_NONE || n->tree != tree)
		return (0);
	/* Its bounds are others. */
	past->same = prove_same_block(p, prove_block(p, page));
	if (past->same)
		return (0);
	if (prove_read(p, p->was, page, past->bytes, e) < 0)
		return (-1);
	past->there = bpage_open(&past->page, past->bytes, false) == 0 &&
	    past->page.leaf == leaf &&
	    past->page.table == tree_forms[tree].table;
	return (0);
}

/* How a row of the page before stands to the one that is looked for. */
static int
order(enum tree tree, const struct bcell *was, const struct bcell *c,
    const struct bval *v)
{
	const struct tree_form *form = &tree_forms[tree];
	struct bval old[BTREE_COLUMNS];

	if (form->table)
		return (was->rowid < c->rowid ? -1 : was->rowid > c->rowid);
	/* Of a catalog that was proven: so no other can be. */
	if (brow_parse(old, strlen(form->columns), was->row, was->len) < 0 ||
	    !prove_columns(tree, old))
		return (1);
	return (prove_compare(old, v, form->keys));
}

bool
prove_was_there(struct past *past, enum tree tree, const struct bcell *c,
    const struct bval *v)
{
	struct bcell was;
	int r;

	if (past->same)
		return (true);
	for (; past->there && past->at < past->page.ncells; past->at++) {
		if (bpage_cell(&past->page, past->at, &was) < 0)
			return (false);
		if ((r = order(tree, &was, c, v)) > 0)
			return (false);
		if (r == 0)
			return (was.len == c->len &&
			    memcmp(was.row, c->row, c->len) == 0);
	}
	return (false);
}

/* The row was looked at by prove_row(). */
int
prove_tell(struct prove *p, enum tree tree, const struct bval *v,
    struct err *e)
{
	const struct prove_news *news = p->ops->news;
	struct entry x;

	if (tree == TREE_DIRENT)
		return (news->name(p->ctx, (uint64_t)v[0].i,
		    (const char *)v[1].p, v[1].len, (uint64_t)v[2].i, e));
	if (tree == TREE_SEGMENT)
		return (news->content(p->ctx, (uint64_t)v[0].i, e));
	if (!entry_values(&x, v))
		return (prove_odd());
	if (x.kind != ENTRY_DIR)
		return (news->node(p->ctx, &x, NULL, 0, e));
	return (news->node(p->ctx, &x, (const char *)v[18].p, v[18].len, e));
}
