/*
 * Proving catalogs page by page: what a proof goes through, and what is kept of
 * the catalog proven last.  The file and its blocks are prove_file.c's, the
 * trees prove_trees.c's, their rows prove_rows.c's.  Here stands, too, what
 * hashes can't count: rows that are gone and on which others may lean.
 *
 * Invariants:
 *  1. `before' describes a catalog that was proven, all of it.
 *  2. Between two catalogs the copies of pages are those of `before'.
 */
#include "index/prove.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "index/prove_impl.h"

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
	p->later = calloc(LATER_MAX, sizeof(*p->later));
	p->key = sodium_malloc(KEY_BYTES);
	if (ops->news != NULL)
		p->past = calloc(1, sizeof(*p->past));
	if (p->pages == NULL || p->good == NULL || p->later == NULL ||
	    (ops->news != NULL && p->past == NULL) || p->key == NULL) {
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
	free(p->later);
	free(p->past);
	sodium_free(p->key);
	free(p);
}

static void
drop_copies(struct prove *p)
{
	for (size_t i = 0; i < PAGE_CACHE; i++)
		p->pages[i].no = 0;
}

/* Copies are of the catalog before: what is the same stays. */
static void
drop_changed_copies(struct prove *p)
{
	for (size_t i = 0; i < PAGE_CACHE; i++)
		if (p->pages[i].no != 0 &&
		    !prove_same_block(p, prove_block(p, p->pages[i].no)))
			p->pages[i].no = 0;
}

/* Do rows of such a page matter to others when they are gone? */
static bool
is_leant_on(const struct note *n)
{
	return (n->state != NOTE_NONE && (n->tree == TREE_NODE ||
	    n->tree == TREE_XSET || n->tree == TREE_XPART ||
	    n->tree == TREE_PACK));
}

int
prove_gone_page(struct prove *p, uint64_t page, struct err *e)
{
	const struct note *n;
	uint8_t bytes[BTREE_PAGE];
	struct bval v[BTREE_COLUMNS];
	struct bpage b;
	struct bcell c;
	int r;

	if (p->was == NULL || page > p->before.npages ||
	    !is_leant_on(n = &p->before.v[page - 1]))
		return (0);
	if (prove_read(p, p->was, page, bytes, e) < 0)
		return (-1);
	if (bpage_open(&b, bytes, false) < 0)
		return (PROVE_AGAIN);
	for (unsigned k = 0; b.leaf && k < b.ncells; k++) {
		if (bpage_cell(&b, k, &c) < 0 || brow_parse(v,
		    strlen(tree_forms[n->tree].columns), c.row, c.len) < 0)
			return (PROVE_AGAIN);
		r = prove_gone(p, n->tree, c.rowid, v, e);
		if (r != 0)
			return (r);
	}
	return (0);
}

/* What stood on pages that have changed, or are gone, as far as the leaves
 * there now did not bring it up. */
static int
gone_rows(struct prove *p, struct err *e)
{
	int r = 0;

	for (uint64_t i = 1; r == 0 && i <= p->before.npages; i++)
		if (i > p->now.npages || (!p->now.v[i - 1].gone_asked &&
		    p->now.v[i - 1].state != NOTE_SAME))
			r = prove_gone_page(p, i, e);
	return (r);
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
run(struct prove *p, struct err *e)
{
	const struct pack_info *meta;
	uint8_t first[BTREE_PAGE];
	size_t n = 0;
	int r = 0;

	if (p->c->blocks != NULL &&
	    blocks_packs(p->c->blocks, &meta, &n, e) != 0)
		return (-1);
	for (size_t i = 0; i < n; i++)
		if (p->ops->pack(p->ctx, &meta[i], e) < 0)
			return (-1);
	if (prove_identify(p, e) != 0)
		return (-1);
	drop_changed_copies(p);
	if (prove_read(p, p->c, 1, first, e) < 0)
		return (-1);
	if (!prove_head(p, first) || prove_use(p, 1) != 0 ||
	    prove_find_roots(p, first) != 0)
		return (prove_odd());
	if ((r = prove_trees(p, e)) == 0)
		r = prove_root(p, e);
	if (r == 0)
		r = prove_free_pages(p, first, e);
	if (r == 0)
		r = prove_whole_file(p, e);
	if (r == 0 && p->was != NULL)
		r = gone_rows(p, e);
	return (r == 0 ? balance(p) : r);
}

/* Forget what was copied and remembered of another catalog. */
static int
begin(struct prove *p, struct catalog *c, struct catalog *before,
    uint64_t npages, struct err *e)
{
	uint64_t per = c->blocks == NULL ? 1 :
	    CATALOG_BLOCK_BYTES / BTREE_PAGE;

	p->c = c;
	p->was = before;
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
	p->nlater = 0;
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
	r = begin(p, c, before, npages, e);
	if (r == 0)
		r = run(p, e);
	free(p->used);
	free(p->touched);
	p->used = p->touched = NULL;
	buf_fini(&p->bounds);
	if (r == 0) {
		notes_fini(&p->before);
		p->before = p->now;
		memset(&p->now, 0, sizeof(p->now));
		/* What is still asked of it, gone_rows() asks in order; not
		 * so who looks up what is new. */
		if (c->blocks != NULL && p->ops->news == NULL)
			blocks_shrink(c->blocks);
	}
	if (r != 0)
		drop_copies(p);
	notes_fini(&p->now);
	p->c = p->was = NULL;
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
