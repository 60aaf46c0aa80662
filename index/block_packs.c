/*
 * The list of the metadata packs that a catalog's blocks lie in.  The manifest
 * holds its tail; the older part is in pages of the store, two for each some
 * dozens of snapshots, and most who open a catalog never ask for a pack there:
 * what is new is in the tail, what is old in the local cache.  So pages are
 * loaded at need.
 *
 * A page's places name packs behind it, of the tail or of later pages.  So they
 * are loaded from the last one back, as far as is needed:
 *
 *	packs[0 ..]	pages_from * PACK_PAGE_RECORDS	  npages * ...	  npacks
 *	| not loaded			| loaded		| tail	  |
 *
 * Invariants:
 *  1. What lies at pages_from or behind doesn't change any more: it is read
 *     without the lock once pages_from was seen under it.
 *  2. Loading page p needs packs of loaded pages only, so it can't recur.
 */
#include <stdlib.h>
#include <string.h>

#include "index/blocks_impl.h"

#define PACK_PAGES_MAX	32768

static bool
is_strange(const struct blocks_state *s, const struct pack_info *p)
{
	return (p->kind != OBJECT_PACK_META || p->domain != s->domain);
}

int
packs_init(struct blocks_state *s, const struct catalog_root *root,
    uint32_t domain, struct err *e)
{
	struct pack_info *tail;

	if (root->npages > PACK_PAGES_MAX || root->ntail > MANIFEST_PACKS_MAX)
		return (err_set(e, ERR_CORRUPT,
		    "a pack list that is too long"));
	s->domain = domain;
	s->npages = s->pages_from = root->npages;
	s->npacks = (size_t)root->npages * PACK_PAGE_RECORDS + root->ntail;
	s->packs = calloc(s->npacks + 1, sizeof(*s->packs));
	s->pages = calloc(root->npages + 1U, sizeof(*s->pages));
	if (s->packs == NULL || s->pages == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (root->npages > 0)
		memcpy(s->pages, root->pages,
		    root->npages * sizeof(*s->pages));
	tail = s->packs + (size_t)root->npages * PACK_PAGE_RECORDS;
	if (root->ntail > 0)
		memcpy(tail, root->tail, root->ntail * sizeof(*tail));
	for (uint32_t i = 0; i < root->ntail; i++)
		if (is_strange(s, &tail[i]))
			return (err_set(e, ERR_CORRUPT,
			    "a pack list with a strange pack"));
	return (0);
}

void
packs_fini(struct blocks_state *s)
{
	free(s->packs);
	free(s->pages);
}

static int
parse_page(const struct blocks_state *s, struct pack_info *v,
    const void *bytes, size_t len, struct err *e)
{
	bool strange = false;
	struct rd r;

	rd_init(&r, bytes, len);
	for (uint32_t i = 0; i < PACK_PAGE_RECORDS; i++) {
		pack_info_parse(&v[i], &r);
		strange |= is_strange(s, &v[i]);
	}
	if (!rd_end(&r))
		return (err_set(e, ERR_CORRUPT, "a malformed pack list"));
	if (strange)
		return (err_set(e, ERR_CORRUPT,
		    "a pack list with a strange pack"));
	return (0);
}

/* Page p, all behind it being loaded. */
static int
load_page(struct blocks_state *s, uint32_t p, struct err *e)
{
	const struct mref *m = &s->pages[p];
	uint32_t past = (p + 1) * PACK_PAGE_RECORDS;
	struct pack_info *v;
	uint8_t *bytes;
	size_t len;
	int r = -1;

	if (m->place[0].pack < past || m->place[1].pack < past)
		return (err_set(e, ERR_CORRUPT,
		    "a pack list that names itself"));
	bytes = malloc(CATALOG_BLOCK_BYTES);
	v = calloc(PACK_PAGE_RECORDS, sizeof(*v));
	if (bytes == NULL || v == NULL)
		(void)err_set(e, ERR_NOMEM, "out of memory");
	else if (blocks_load(s, m, NULL, 0, bytes, CATALOG_BLOCK_BYTES, &len,
	    e) == 0)
		r = parse_page(s, v, bytes, len, e);
	pthread_mutex_lock(&s->lock);
	if (r == 0 && s->pages_from == p + 1) {
		memcpy(s->packs + (size_t)p * PACK_PAGE_RECORDS, v,
		    PACK_PAGE_RECORDS * sizeof(*v));
		s->pages_from = p;
	}
	pthread_mutex_unlock(&s->lock);
	free(bytes);
	free(v);
	return (r);
}

/* Page p, and with it all behind it. */
static int
need_page(struct blocks_state *s, uint32_t p, struct err *e)
{
	uint32_t from;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		from = s->pages_from;
		pthread_mutex_unlock(&s->lock);
		if (p >= from)
			return (0);
		if (load_page(s, from - 1, e) != 0)
			return (err_wrap(e, "the catalog's pack list"));
	}
}

int
blocks_pack(struct blocks_state *s, uint32_t no, const struct pack_info **out,
    struct err *e)
{
	uint32_t page = no / PACK_PAGE_RECORDS;

	if (no >= s->npacks)
		return (err_set(e, ERR_CORRUPT,
		    "a pack that the list doesn't have"));
	if (page < s->npages && need_page(s, page, e) != 0)
		return (-1);
	*out = &s->packs[no];
	return (0);
}

int
blocks_packs(struct blocks *b, const struct pack_info **out, size_t *n,
    struct err *e)
{
	if (b->s->npages > 0 && need_page(b->s, 0, e) != 0)
		return (-1);
	*out = b->s->packs;
	*n = b->s->npacks;
	return (0);
}
