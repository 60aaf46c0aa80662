/*
 * The file that a catalog is: what its blocks are, so that those that are the
 * same as in the catalog before are known; what each page is used for; and what
 * lies beside the trees: SQLite's header, the list of free pages, blocks that
 * hold nothing else.
 *
 * Invariant:
 *  1. No page is in two places (`used'), and none in no place.
 */
#include <string.h>

#include "index/prove_impl.h"

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
	if (blocks_packs(blocks, &packs, &n, e) != 0)
		return (-1);
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

int
prove_identify(struct prove *p, struct err *e)
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

uint64_t
prove_block(const struct prove *p, uint64_t page)
{
	return (p->c->blocks == NULL ? page - 1 :
	    (page - 1) / (CATALOG_BLOCK_BYTES / BTREE_PAGE));
}

bool
prove_same_block(const struct prove *p, uint64_t block)
{
	return (block < p->before.nblocks && block < p->now.nblocks &&
	    memcmp(p->before.ids[block], p->now.ids[block], HASH_BYTES) == 0);
}

static bool
take(uint64_t *map, uint64_t i)
{
	uint64_t bit = UINT64_C(1) << (i % 64);
	bool was = (map[i / 64] & bit) != 0;

	map[i / 64] |= bit;
	return (!was);
}

int
prove_use(struct prove *p, uint64_t page)
{
	if (page < 1 || page > p->now.npages || !take(p->used, page - 1))
		return (prove_odd());
	return (0);
}

int
prove_read(struct prove *p, struct catalog *c, uint64_t page,
    uint8_t dst[BTREE_PAGE], struct err *e)
{
	if (p->parsed++ % GOING_PAGES == 0 && p->ops->going(p->ctx, e) < 0)
		return (-1);
	if (c == p->c)
		(void)take(p->touched, prove_block(p, page));
	return (c->pages->ops->read(c->pages, dst, BTREE_PAGE,
	    (page - 1) * BTREE_PAGE, e) < 0 ? -1 : 0);
}

bool
prove_head(const struct prove *p, const uint8_t *first)
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
int
prove_find_roots(struct prove *p, const uint8_t *first)
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
int
prove_free_pages(struct prove *p, const uint8_t *first, struct err *e)
{
	uint8_t bytes[BTREE_PAGE];
	uint64_t page = btree_be32(first + HEAD_FREE);
	uint64_t left = btree_be32(first + HEAD_NFREE), n;

	while (page != 0) {
		if (prove_use(p, page) != 0 || left-- == 0)
			return (prove_odd());
		if (prove_read(p, p->c, page, bytes, e) < 0)
			return (-1);
		n = btree_be32(bytes + 4);
		if (n > TRUNK_MAX || n > left)
			return (prove_odd());
		for (uint64_t i = 0; i < n; i++)
			if (prove_use(p, btree_be32(bytes + 8 + 4 * i)) != 0)
				return (prove_odd());
		left -= n;
		page = btree_be32(bytes);
	}
	return (left == 0 ? 0 : prove_odd());
}

int
prove_whole_file(struct prove *p, struct err *e)
{
	uint8_t bytes[BTREE_PAGE];

	for (uint64_t i = 1; i <= p->now.npages; i++) {
		uint64_t block = prove_block(p, i);

		if (take(p->used, i - 1) && i != LOCK_BYTE / BTREE_PAGE + 1)
			return (prove_odd());
		if (prove_same_block(p, block))
			continue;
		if (take(p->touched, block) &&
		    prove_read(p, p->c, i, bytes, e) < 0)
			return (-1);
	}
	return (0);
}
