/*
 * The map of a stored catalog: from a block's number to its chain, level by
 * level from the root, which the manifest holds.  Parsed pages are kept, those
 * that were used last, under the lock; none is held while one is loaded.
 */
#include <stdlib.h>
#include <string.h>

#include "index/blocks_impl.h"

/* Under the lock: the slot of a map page, or NULL. */
static struct page_slot *
page_find(struct blocks_state *s, unsigned level, uint64_t no)
{
	for (size_t i = 0; i < PAGE_SLOTS; i++)
		if (s->map[i].level == level && s->map[i].no == no) {
			s->map[i].used = ++s->tick;
			return (&s->map[i]);
		}
	return (NULL);
}

static void
page_keep(struct blocks_state *s, unsigned level, uint64_t no, void *entries)
{
	struct page_slot *v = &s->map[0];

	if (page_find(s, level, no) != NULL) {
		free(entries);
		return;
	}
	for (size_t i = 1; i < PAGE_SLOTS; i++)
		if (s->map[i].used < v->used)
			v = &s->map[i];
	free(v->entries);
	*v = (struct page_slot){ .level = level, .no = no,
	    .used = ++s->tick, .entries = entries };
}

static int
page_load(struct blocks_state *s, unsigned level, uint64_t no,
    const struct mref *m, struct err *e)
{
	size_t n = map_entries(s->count, level, no), len = 0;
	uint8_t *bytes = malloc(CATALOG_BLOCK_BYTES);
	void *entries = calloc(n, level == 1 ? sizeof(struct chain) :
	    sizeof(struct mref));
	int r = -1;

	if (bytes == NULL || entries == NULL) {
		(void)err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	if (blocks_load(s, m, NULL, 0, bytes, CATALOG_BLOCK_BYTES, &len,
	    e) != 0) {
		(void)err_wrap(e, "the catalog's map");
		goto out;
	}
	r = level == 1 ? map_parse_leaf(entries, n, bytes, len) :
	    map_parse_inner(entries, n, bytes, len);
	if (r != 0) {
		(void)err_set(e, ERR_CORRUPT, "a malformed map of a catalog");
		goto out;
	}
	pthread_mutex_lock(&s->lock);
	page_keep(s, level, no, entries);
	pthread_mutex_unlock(&s->lock);
	entries = NULL;
out:
	free(bytes);
	free(entries);
	return (r);
}

/* Entry `at' of a map page, copied into dst. */
static int
page_entry(struct blocks_state *s, unsigned level, uint64_t no, size_t at,
    void *dst, struct err *e)
{
	size_t each = level == 1 ? sizeof(struct chain) : sizeof(struct mref);
	struct page_slot *p;
	struct mref m;

	for (unsigned tries = 0; tries < 4; tries++) {
		pthread_mutex_lock(&s->lock);
		p = page_find(s, level, no);
		if (p != NULL)
			memcpy(dst, (uint8_t *)p->entries + at * each, each);
		pthread_mutex_unlock(&s->lock);
		if (p != NULL)
			return (0);
		if (level == s->levels)
			m = s->root;
		else if (page_entry(s, level + 1, no / MAP_FANOUT,
		    no % MAP_FANOUT, &m, e) != 0)
			return (-1);
		if (page_load(s, level, no, &m, e) != 0)
			return (-1);
	}
	/* Loaded and driven out again by others, four times. */
	return (err_set(e, ERR_LIMIT, "too many readers of one catalog"));
}

int
blocks_chain(struct blocks *b, uint64_t i, struct chain *out, struct err *e)
{
	if (i >= b->s->count)
		return (err_set(e, ERR_CORRUPT,
		    "a block beyond the catalog's end"));
	return (page_entry(b->s, 1, i / MAP_FANOUT, i % MAP_FANOUT, out, e));
}

int
blocks_page_ref(struct blocks *b, unsigned level, uint64_t no,
    struct mref *out, struct err *e)
{
	struct blocks_state *s = b->s;

	if (level > s->levels || no >= map_pages(s->count, level))
		return (1);
	if (level == s->levels) {
		*out = s->root;
		return (0);
	}
	return (page_entry(s, level + 1, no / MAP_FANOUT, no % MAP_FANOUT,
	    out, e));
}

bool
blocks_chain_at_hand(struct blocks_state *s, uint64_t i, struct chain *c)
{
	const struct page_slot *p;

	pthread_mutex_lock(&s->lock);
	p = page_find(s, 1, i / MAP_FANOUT);
	if (p != NULL)
		*c = ((const struct chain *)p->entries)[i % MAP_FANOUT];
	pthread_mutex_unlock(&s->lock);
	return (p != NULL);
}
