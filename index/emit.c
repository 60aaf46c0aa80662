/*
 * Storing a catalog: its changed blocks as keys or deltas, the pages of the
 * map above them from the bottom up, the pack list, the root.
 *
 * A reference needs the place of what it names, which is known only after a
 * flush; so each level waits for the one below.  What did not change keeps the
 * parent's reference, and with it the numbers in the pack list: the list only
 * grows until everything is stored anew.
 */
#include "index/build_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "index/delta.h"

#define L2_PERCENT	5	/* of the block compressed by itself, at most */
#define L1_PERCENT	30
#define SPILL_AT	64	/* records of the tail that make a page */

/* A block of this snapshot that isn't as the parent has it. */
struct changed {
	uint64_t no;
	struct chain chain;		/* the last step's places come later */
	struct meta_place at;
};
/* A page of the map, or of the pack list. */
struct page {
	uint64_t no;
	struct mref ref;
	struct meta_place at;
};

struct emit {
	struct build *b;
	struct blocks *old;		/* NULL: everything anew */
	uint64_t nblocks, size;
	uint8_t *id_key;
	struct delta *delta;
	struct changed *blocks;		/* owned; by number, once all are */
	size_t nblock, cap;
	uint64_t *inner;		/* owned: blocks that come last */
	size_t ninner, inner_cap;
	struct page *pages, *below;	/* of this level, of the one below */
	size_t npages, nbelow, pages_cap;
	uint8_t *plain, *base;		/* CATALOG_BLOCK_BYTES each */
	struct buf bytes;
};

/* Store a metadata chunk; its places are resolved by place_known(). */
static int
store_chunk(struct emit *m, const void *p, size_t len, bool twice,
    struct chunk_id *id, struct meta_place *at, struct err *e)
{
	struct build *b = m->b;
	struct place place[2];

	if (put_meta(b->put, p, len, twice, id, place, e) != 0)
		return (-1);
	if (b->first_meta == UINT32_MAX)
		b->first_meta = !twice || place[0].frame < place[1].frame ?
		    place[0].frame : place[1].frame;
	for (unsigned i = 0; i < 2; i++) {
		at->frame[i] = i == 0 || twice ? place[i].frame : UINT32_MAX;
		at->slot[i] = place[i].slot;
	}
	return (0);
}

static int
place_known(struct build *b, const struct meta_place *at, struct mref *ref,
    struct err *e)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct meta_frame *f;
		size_t no;

		memset(&ref->place[i], 0, sizeof(ref->place[i]));
		ref->place[i].pack = MPLACE_NONE;
		if (at->frame[i] == UINT32_MAX)
			continue;
		no = at->frame[i] - b->first_meta;
		if (no >= b->nframes || !b->frames[no].told)
			return (err_set(e, ERR_CORRUPT,
			    "a frame of the catalog that wasn't stored"));
		f = &b->frames[no];
		ref->place[i].pack = b->meta_base + f->pack;
		ref->place[i].frame = f->info;
		ref->place[i].frame.raw = 0;
		ref->place[i].slot = (uint16_t)at->slot[i];
	}
	return (0);
}

/* Is one of the block's pages inside a B-tree?  Then many rows hang on it. */
static bool
has_interior(const uint8_t *block, size_t len, bool first)
{
	for (size_t at = 0; at < len; at += CATALOG_PAGE_BYTES) {
		uint8_t type = block[at + (first && at == 0 ? 100 : 0)];

		if (type == 2 || type == 5)
			return (true);
	}
	return (false);
}

/* Choose how the block is stored, and store the step that is new.  Where there
 * is an old one, the chain begins with the block's hash. */
static int
store_block(struct emit *m, struct changed *c, const struct chain *old,
    size_t len, struct err *e)
{
	bool twice = has_interior(m->plain, len, c->no == 0);
	struct chunk_id hash = c->chain.ref[0].hash;
	size_t full = 0, base = 0;
	unsigned from = old == NULL ? 0 : old->depth > 2 ? 2 : old->depth;
	struct chunk_id id;

	if (from > 0 && delta_full_bytes(m->delta, m->plain, len, &full,
	    e) != 0)
		return (-1);
	for (; from > 0; from--) {
		unsigned percent = from == 2 ? L2_PERCENT : L1_PERCENT;

		if (blocks_image(m->old, c->no, old, from, m->base, &base,
		    e) != 0 || delta_make(m->delta, &m->bytes, m->base, base,
		    m->plain, len, e) != 0)
			return (-1);
		if (m->bytes.len * 100 > full * percent)
			continue;
		for (unsigned i = 0; i < from; i++)
			c->chain.ref[i] = old->ref[i];
		c->chain.ref[from].hash = hash;
		c->chain.depth = (uint8_t)(from + 1);
		return (store_chunk(m, m->bytes.data, m->bytes.len, twice, &id,
		    &c->at, e));
	}
	c->chain.depth = 1;
	return (store_chunk(m, m->plain, len, true, &c->chain.ref[0].hash,
	    &c->at, e));
}

/* Put a block with the inside of a B-tree off until the leaves are stored. */
static int
put_off(struct emit *m, uint64_t no, struct err *e)
{
	if (m->ninner == m->inner_cap) {
		size_t cap = m->inner_cap == 0 ? 64 : m->inner_cap * 2;
		uint64_t *v = realloc(m->inner, cap * sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		m->inner = v;
		m->inner_cap = cap;
	}
	m->inner[m->ninner++] = no;
	return (0);
}

static int
emit_block(struct emit *m, uint64_t no, bool leaves, struct err *e)
{
	size_t len = CATALOG_BLOCK_BYTES;
	struct pages *pages = overlay_pages(m->b->overlay);
	struct chain old;
	bool has_old;
	struct changed *c;

	if (m->size - no * CATALOG_BLOCK_BYTES < len)
		len = (size_t)(m->size - no * CATALOG_BLOCK_BYTES);
	if (pages->ops->read(pages, m->plain, len, no * CATALOG_BLOCK_BYTES,
	    e) != 0)
		return (-1);
	if (leaves && has_interior(m->plain, len, no == 0))
		return (put_off(m, no, e));
	has_old = m->old != NULL && no < blocks_count(m->old);
	if (has_old && blocks_chain(m->old, no, &old, e) != 0)
		return (-1);
	if (m->nblock == m->cap) {
		size_t cap = m->cap == 0 ? 256 : m->cap * 2;
		struct changed *v = realloc(m->blocks, cap * sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		m->blocks = v;
		m->cap = cap;
	}
	c = &m->blocks[m->nblock];
	memset(c, 0, sizeof(*c));
	c->no = no;
	if (has_old) {
		hash_keyed(c->chain.ref[0].hash.b, m->id_key, m->plain, len);
		/* Written, but to what it was. */
		if (id_equal(old.ref[old.depth - 1].hash.b,
		    c->chain.ref[0].hash.b))
			return (0);
	}
	if (store_block(m, c, has_old ? &old : NULL, len, e) != 0)
		return (-1);
	m->b->depth[no] = c->chain.depth;
	m->nblock++;
	return (0);
}

static int
by_number(const void *a, const void *b)
{
	const struct changed *x = a, *y = b;

	return (x->no < y->no ? -1 : x->no > y->no);
}

/*
 * Leaves in the order of the file, as a walk reads them; then what is inside of
 * the B-trees, next to the map: what every look-up begins with lies together.
 */
static int
emit_blocks(struct emit *m, struct err *e)
{
	struct build *b = m->b;

	for (uint64_t no = 0; no < m->nblocks; no++) {
		bool same = m->old != NULL && no < blocks_count(m->old) &&
		    !overlay_is_dirty(b->overlay, no);

		/* The last block may have grown by pages that nobody wrote. */
		if (same && no + 1 == blocks_count(m->old) &&
		    overlay_size(b->overlay) !=
		    m->old->pages.ops->size(&m->old->pages))
			same = false;
		if (!same && emit_block(m, no, true, e) != 0)
			return (err_wrap(e, "block %llu of the catalog",
			    (unsigned long long)no));
	}
	for (size_t i = 0; i < m->ninner; i++)
		if (emit_block(m, m->inner[i], false, e) != 0)
			return (err_wrap(e, "block %llu of the catalog",
			    (unsigned long long)m->inner[i]));
	if (m->nblock > 0)
		qsort(m->blocks, m->nblock, sizeof(*m->blocks), by_number);
	if (put_flush(b->put, OBJECT_PACK_META, e) != 0)
		return (-1);
	for (size_t i = 0; i < m->nblock; i++) {
		struct chain *c = &m->blocks[i].chain;
		struct mref *last = &c->ref[c->depth - 1];

		if (place_known(b, &m->blocks[i].at, last, e) != 0)
			return (-1);
	}
	return (0);
}

static int
add_page(struct emit *m, uint64_t no, struct err *e)
{
	struct page *p;

	if (m->npages == m->pages_cap) {
		size_t cap = m->pages_cap == 0 ? 64 : m->pages_cap * 2;

		p = realloc(m->pages, cap * sizeof(*p));
		if (p == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		m->pages = p;
		m->pages_cap = cap;
	}
	p = &m->pages[m->npages];
	p->no = no;
	if (store_chunk(m, m->bytes.data, m->bytes.len, true, &p->ref.hash,
	    &p->at, e) != 0)
		return (-1);
	m->npages++;
	return (0);
}

static int
flush_pages(struct emit *m, struct err *e)
{
	if (put_flush(m->b->put, OBJECT_PACK_META, e) != 0)
		return (-1);
	for (size_t i = 0; i < m->npages; i++)
		if (place_known(m->b, &m->pages[i].at, &m->pages[i].ref,
		    e) != 0)
			return (-1);
	return (0);
}

/* The level 1 page that the changed blocks from *i on lie in. */
static int
emit_leaf(struct emit *m, size_t *i, struct err *e)
{
	uint64_t no = m->blocks[*i].no / MAP_FANOUT;
	size_t n = map_entries(m->nblocks, 1, no);
	struct chain old;

	buf_reset(&m->bytes);
	for (size_t at = 0; at < n; at++) {
		uint64_t block = no * MAP_FANOUT + at;

		if (*i < m->nblock && m->blocks[*i].no == block) {
			map_emit_chain(&m->bytes, &m->blocks[*i].chain);
			(*i)++;
			continue;
		}
		if (m->old == NULL ||
		    blocks_chain(m->old, block, &old, e) != 0)
			return (m->old != NULL ? -1 :
			    err_set(e, ERR_CORRUPT, "a block without bytes"));
		map_emit_chain(&m->bytes, &old);
	}
	if (buf_ok(&m->bytes, e) != 0)
		return (-1);
	return (add_page(m, no, e));
}

/* The same of a higher level, over the changed pages below. */
static int
emit_inner(struct emit *m, unsigned level, size_t *i, struct err *e)
{
	uint64_t no = m->below[*i].no / MAP_FANOUT;
	size_t n = map_entries(m->nblocks, level, no);
	struct mref ref;
	int r;

	buf_reset(&m->bytes);
	for (size_t at = 0; at < n; at++) {
		uint64_t page = no * MAP_FANOUT + at;

		if (*i < m->nbelow && m->below[*i].no == page) {
			mref_emit(&m->bytes, &m->below[*i].ref);
			(*i)++;
			continue;
		}
		r = m->old == NULL ? CATALOG_ABSENT :
		    blocks_page_ref(m->old, level - 1, page, &ref, e);
		if (r != 0)
			return (r < 0 ? -1 : err_set(e, ERR_CORRUPT, "a page "
			    "of the catalog's map that isn't there"));
		mref_emit(&m->bytes, &ref);
	}
	if (buf_ok(&m->bytes, e) != 0)
		return (-1);
	return (add_page(m, no, e));
}

static int
emit_map(struct emit *m, struct catalog_root *root, struct err *e)
{
	unsigned levels = map_levels(m->nblocks);

	for (unsigned level = 1; level <= levels; level++) {
		size_t i = 0;

		if (level > 1) {
			free(m->below);
			m->below = m->pages;
			m->nbelow = m->npages;
			m->pages = NULL;
			m->npages = m->pages_cap = 0;
		}
		while (i < (level == 1 ? m->nblock : m->nbelow))
			if ((level == 1 ? emit_leaf(m, &i, e) :
			    emit_inner(m, level, &i, e)) != 0)
				return (-1);
		if (flush_pages(m, e) != 0)
			return (-1);
	}
	if (m->npages != 1 || m->pages[0].no != 0)
		return (err_set(e, ERR_CORRUPT, "a map without root"));
	root->levels = (uint8_t)levels;
	root->map = m->pages[0].ref;
	return (0);
}

/* Records of the tail that earlier runs have closed go into pages. */
static int
emit_pack_pages(struct emit *m, struct catalog_root *root, struct err *e)
{
	struct build *b = m->b;
	const struct catalog_root *old = &b->parent;
	uint32_t had = m->old == NULL ? 0 : old->ntail;
	uint32_t spill = 0;

	while (had - spill >= PACK_PAGE_RECORDS &&
	    had - spill + b->nmetas >= SPILL_AT)
		spill += PACK_PAGE_RECORDS;
	root->npages = m->old == NULL ? 0 : old->npages;
	root->pages = calloc(root->npages + spill / PACK_PAGE_RECORDS + 1U,
	    sizeof(*root->pages));
	if (root->pages == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (root->npages > 0)
		memcpy(root->pages, old->pages,
		    root->npages * sizeof(*root->pages));
	m->npages = 0;
	for (uint32_t at = 0; at < spill; at += PACK_PAGE_RECORDS) {
		buf_reset(&m->bytes);
		for (uint32_t i = 0; i < PACK_PAGE_RECORDS; i++)
			pack_info_emit(&m->bytes, &old->tail[at + i]);
		if (buf_ok(&m->bytes, e) != 0 || add_page(m, 0, e) != 0)
			return (-1);
	}
	if (m->npages > 0 && flush_pages(m, e) != 0)
		return (-1);
	for (size_t i = 0; i < m->npages; i++)
		root->pages[root->npages++] = m->pages[i].ref;
	return (0);
}

/* After the packs were closed: what is left of the old tail, then ours. */
static int
emit_tail(struct emit *m, struct catalog_root *root, struct err *e)
{
	struct build *b = m->b;
	const struct catalog_root *old = &b->parent;
	uint32_t had = m->old == NULL ? 0 : old->ntail;
	uint32_t gone = m->old == NULL ? 0 :
	    (root->npages - old->npages) * PACK_PAGE_RECORDS;
	size_t n = had - gone + b->nmetas;

	if (n > MANIFEST_PACKS_MAX)
		return (err_set(e, ERR_LIMIT, "a catalog in %zu packs", n));
	root->tail = calloc(n + 1, sizeof(*root->tail));
	if (root->tail == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (uint32_t i = gone; i < had; i++)
		root->tail[root->ntail++] = old->tail[i];
	for (size_t i = 0; i < b->nmetas; i++) {
		if (!b->metas[i].told)
			return (err_set(e, ERR_CORRUPT,
			    "a pack of the catalog that wasn't closed"));
		root->tail[root->ntail++] = b->metas[i].info;
	}
	return (0);
}

static int
emit_all(struct emit *m, struct catalog_root *root, struct err *e)
{
	struct build *b = m->b;

	if (keyring_domain_id_key(repo_keyring(b->repo), b->domain, m->id_key,
	    e) != 0 || delta_new(&m->delta, e) != 0)
		return (-1);
	if (emit_blocks(m, e) != 0 || emit_map(m, root, e) != 0 ||
	    emit_pack_pages(m, root, e) != 0 ||
	    put_close(b->put, OBJECT_PACK_META, e) != 0)
		return (-1);
	return (emit_tail(m, root, e));
}

int
build_emit(struct build *b, bool anew, struct catalog_root *root,
    struct err *e)
{
	struct emit m = { .b = b, .bytes = BUF_INIT };
	int r = -1;

	if (!anew && b->parent_catalog != NULL)
		m.old = b->parent_catalog->blocks;
	m.size = overlay_size(b->overlay);
	m.nblocks = m.size / CATALOG_BLOCK_BYTES +
	    (m.size % CATALOG_BLOCK_BYTES != 0);
	b->meta_base = m.old == NULL ? 0 : b->parent.npages *
	    PACK_PAGE_RECORDS + b->parent.ntail;
	b->first_meta = UINT32_MAX;
	b->emitting = true;
	memset(root, 0, sizeof(*root));
	root->size_bytes = m.size;
	root->snapshots_since_key = m.old == NULL ? 0 :
	    b->parent.snapshots_since_key + 1;
	m.id_key = sodium_malloc(KEY_BYTES);
	m.plain = malloc(CATALOG_BLOCK_BYTES);
	m.base = malloc(CATALOG_BLOCK_BYTES);
	b->nblocks = m.nblocks;
	b->depth = calloc(m.nblocks + 1, 1);
	if (m.id_key == NULL || m.plain == NULL || m.base == NULL ||
	    b->depth == NULL)
		(void)err_set(e, ERR_NOMEM, "out of memory");
	else
		r = emit_all(&m, root, e);
	if (r != 0) {
		free(root->pages);
		free(root->tail);
		memset(root, 0, sizeof(*root));
	}
	sodium_free(m.id_key);
	delta_free(m.delta);
	free(m.plain);
	free(m.base);
	free(m.blocks);
	free(m.inner);
	free(m.pages);
	free(m.below);
	buf_fini(&m.bytes);
	return (r == 0 ? 0 : err_wrap(e, "storing the catalog"));
}
