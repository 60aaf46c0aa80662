/*
 * The cache of opened pages.  Many threads look up at once and mostly find what
 * they need here, so a look takes one shard's mutex for a few instructions; a
 * page that is in use is held by its reference, not by a lock.
 *
 * Invariants:
 *  1. A page in a shard has the shard's reference besides those of its users.
 *  2. A shard holds at most `cap' pages, half of them other than filters; what
 *     users hold beyond is one page a thread.
 *  3. plain, table, number, bad never change once a page is in a shard.
 *
 * Replacement is the clock: a page that was used since the hand passed gets
 * another round, a filter page three, since without it a look-up must go to the
 * store.  Most other pages are asked for once; so they don't take what is left
 * for filters, and memory grows by these, a byte and a quarter a chunk.
 */
#include "engine/map/table.h"

#include <stdlib.h>
#include <string.h>

#define SHARDS_MAX	64
#define SHARD_PAGES_MIN	16
#define CHANCES_FILTER	3
#define CHANCES_OTHER	1

struct shard {
	pthread_mutex_t lock;
	struct page **bucket;		/* owned; mask + 1 */
	struct page *hand;	/* a ring of all pages; NULL when none */
	size_t mask, n, cap;
	size_t nother;			/* no filters */
};
struct pages {
	size_t nshards;			/* a power of two */
	struct shard shard[SHARDS_MAX];
};

static uint64_t
mix(uint32_t table, uint32_t number)
{
	uint64_t h = (uint64_t)table << 32 | number;

	/* Both ends are used: the low bits for the shard, the next for the
	 * bucket. */
	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9ULL;
	return (h ^ h >> 32);
}

int
pages_new(struct pages **out, size_t cache_bytes, struct err *e)
{
	size_t total = cache_bytes / sizeof(struct page);
	struct pages *p;
	size_t slots = 1;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	p->nshards = 1;
	while (p->nshards < SHARDS_MAX &&
	    total / (p->nshards * 2) >= SHARD_PAGES_MIN)
		p->nshards *= 2;
	total = total / p->nshards < 4 ? 4 : total / p->nshards;
	while (slots < total)
		slots *= 2;
	for (size_t i = 0; i < p->nshards; i++)
		(void)pthread_mutex_init(&p->shard[i].lock, NULL);
	for (size_t i = 0; i < p->nshards; i++) {
		p->shard[i].cap = total;
		p->shard[i].mask = slots - 1;
		p->shard[i].bucket = calloc(slots, sizeof(struct page *));
		if (p->shard[i].bucket == NULL) {
			pages_free(p);
			return (err_set(e, ERR_NOMEM, "out of memory"));
		}
	}
	*out = p;
	return (0);
}

void
pages_put(struct page *page)
{
	if (page == NULL)
		return;
	if (atomic_fetch_sub_explicit(&page->refs, 1,
	    memory_order_acq_rel) == 1)
		free(page);
}

static void
unlink_page(struct shard *s, struct page **link)
{
	struct page *page = *link;

	BUG_ON(page == NULL);
	*link = page->next;
	if (page->ring_next == page)
		s->hand = NULL;
	else {
		page->ring_next->ring_prev = page->ring_prev;
		page->ring_prev->ring_next = page->ring_next;
		if (s->hand == page)
			s->hand = page->ring_next;
	}
	s->n--;
	if (!page->filter)
		s->nother--;
	pages_put(page);
}

void
pages_free(struct pages *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->nshards; i++) {
		struct shard *s = &p->shard[i];

		for (size_t k = 0; s->bucket != NULL && k <= s->mask; k++)
			while (s->bucket[k] != NULL)
				unlink_page(s, &s->bucket[k]);
		free(s->bucket);
		(void)pthread_mutex_destroy(&s->lock);
	}
	free(p);
}

static struct page **
find(struct shard *s, uint64_t h, uint32_t table, uint32_t number)
{
	struct page **link = &s->bucket[(h >> 6) & s->mask];

	while (*link != NULL && ((*link)->table != table ||
	    (*link)->number != number))
		link = &(*link)->next;
	return (link);
}

static struct page *
hold(struct page *page)
{
	atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
	return (page);
}

struct page *
pages_get(struct pages *p, uint32_t table, uint32_t number)
{
	uint64_t h = mix(table, number);
	struct shard *s = &p->shard[h & (p->nshards - 1)];
	struct page *page;

	(void)pthread_mutex_lock(&s->lock);
	page = *find(s, h, table, number);
	if (page != NULL) {
		page->chances = page->filter ? CHANCES_FILTER : CHANCES_OTHER;
		(void)hold(page);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return (page);
}

/* Make room for one more: every pass takes a chance, so this ends. */
static void
evict(struct shard *s, bool filter)
{
	bool others = !filter && s->nother >= s->cap / 2;

	while (others ? s->nother >= s->cap / 2 : s->n >= s->cap) {
		struct page *page = s->hand;

		BUG_ON(page == NULL);
		if (page->chances == 0 && !(others && page->filter)) {
			unlink_page(s, find(s, mix(page->table, page->number),
			    page->table, page->number));
			continue;
		}
		if (!(others && page->filter))
			page->chances--;
		s->hand = page->ring_next;
	}
}

struct page *
pages_add(struct pages *p, struct page *page)
{
	uint64_t h = mix(page->table, page->number);
	struct shard *s = &p->shard[h & (p->nshards - 1)];
	struct page **link, *first;

	(void)pthread_mutex_lock(&s->lock);
	first = *find(s, h, page->table, page->number);
	if (first != NULL) {
		(void)hold(first);
		(void)pthread_mutex_unlock(&s->lock);
		pages_put(page);
		return (first);
	}
	evict(s, page->filter);
	page->chances = page->filter ? CHANCES_FILTER : CHANCES_OTHER;
	link = find(s, h, page->table, page->number);
	page->next = NULL;
	*link = hold(page);
	if (s->hand == NULL)
		s->hand = page->ring_next = page->ring_prev = page;
	else {
		page->ring_next = s->hand;
		page->ring_prev = s->hand->ring_prev;
		page->ring_prev->ring_next = page;
		s->hand->ring_prev = page;
	}
	s->n++;
	if (!page->filter)
		s->nother++;
	(void)pthread_mutex_unlock(&s->lock);
	return (page);
}
