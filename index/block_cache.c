/*
 * The cache of decoded blocks: a hash table whose entries form a list by age.
 * All is under one lock, which is held for a copy of at most a block.
 */
#include "index/block_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NOTHING		UINT32_MAX

struct slot {
	uint64_t no;
	uint8_t *bytes;			/* owned */
	uint32_t next;			/* in the bucket */
	uint32_t newer, older;
};

struct block_cache {
	pthread_mutex_t lock;		/* of all below */
	struct slot *slots;		/* owned, nslots */
	uint32_t nslots, used, nbuckets;
	uint32_t *buckets;		/* owned */
	uint32_t newest, oldest;
};

int
block_cache_new(struct block_cache **out, uint32_t blocks, struct err *e)
{
	struct block_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	c->nslots = blocks == 0 ? 1 : blocks;
	c->nbuckets = c->nslots | 1;
	c->newest = c->oldest = NOTHING;
	(void)pthread_mutex_init(&c->lock, NULL);
	c->slots = calloc(c->nslots, sizeof(*c->slots));
	c->buckets = malloc(c->nbuckets * sizeof(*c->buckets));
	if (c->slots == NULL || c->buckets == NULL) {
		block_cache_free(c);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	for (uint32_t i = 0; i < c->nbuckets; i++)
		c->buckets[i] = NOTHING;
	*out = c;
	return (0);
}

void
block_cache_free(struct block_cache *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; c->slots != NULL && i < c->used; i++)
		free(c->slots[i].bytes);
	(void)pthread_mutex_destroy(&c->lock);
	free(c->slots);
	free(c->buckets);
	free(c);
}

void
block_cache_shrink(struct block_cache *c, uint32_t blocks)
{
	(void)pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < c->used; i++)
		free(c->slots[i].bytes);
	for (uint32_t i = 0; i < c->nbuckets; i++)
		c->buckets[i] = NOTHING;
	memset(c->slots, 0, c->used * sizeof(*c->slots));
	c->used = 0;
	c->newest = c->oldest = NOTHING;
	if (blocks < c->nslots)
		c->nslots = blocks == 0 ? 1 : blocks;
	(void)pthread_mutex_unlock(&c->lock);
}

/* From here to block_cache_read(): under the lock. */
static void
age_take(struct block_cache *c, uint32_t v)
{
	struct slot *x = &c->slots[v];

	if (x->newer != NOTHING)
		c->slots[x->newer].older = x->older;
	else
		c->newest = x->older;
	if (x->older != NOTHING)
		c->slots[x->older].newer = x->newer;
	else
		c->oldest = x->newer;
}

static void
age_push(struct block_cache *c, uint32_t v)
{
	struct slot *x = &c->slots[v];

	x->newer = NOTHING;
	x->older = c->newest;
	if (c->newest != NOTHING)
		c->slots[c->newest].newer = v;
	c->newest = v;
	if (c->oldest == NOTHING)
		c->oldest = v;
}

static uint32_t
find(const struct block_cache *c, uint64_t no)
{
	uint32_t v = c->buckets[no % c->nbuckets];

	while (v != NOTHING && c->slots[v].no != no)
		v = c->slots[v].next;
	return (v);
}

/* A slot for one more; its old bytes are the caller's to free. */
static uint32_t
make_room(struct block_cache *c, uint8_t **gone)
{
	uint32_t v, *p;

	*gone = NULL;
	if (c->used < c->nslots)
		return (c->used++);
	v = c->oldest;
	age_take(c, v);
	for (p = &c->buckets[c->slots[v].no % c->nbuckets]; *p != v;)
		p = &c->slots[*p].next;
	*p = c->slots[v].next;
	*gone = c->slots[v].bytes;
	return (v);
}

bool
block_cache_read(struct block_cache *c, uint64_t no, size_t at, void *dst,
    size_t len)
{
	uint32_t v;

	(void)pthread_mutex_lock(&c->lock);
	v = find(c, no);
	if (v != NOTHING) {
		memcpy(dst, c->slots[v].bytes + at, len);
		if (v != c->newest) {
			age_take(c, v);
			age_push(c, v);
		}
	}
	(void)pthread_mutex_unlock(&c->lock);
	return (v != NOTHING);
}

bool
block_cache_has(struct block_cache *c, uint64_t no)
{
	bool has;

	(void)pthread_mutex_lock(&c->lock);
	has = find(c, no) != NOTHING;
	(void)pthread_mutex_unlock(&c->lock);
	return (has);
}

void
block_cache_keep(struct block_cache *c, uint64_t no, uint8_t *bytes)
{
	uint8_t *gone = bytes;
	uint32_t v, *bucket = &c->buckets[no % c->nbuckets];

	(void)pthread_mutex_lock(&c->lock);
	if (find(c, no) == NOTHING) {
		v = make_room(c, &gone);
		c->slots[v].no = no;
		c->slots[v].bytes = bytes;
		c->slots[v].next = *bucket;
		*bucket = v;
		age_push(c, v);
	}
	(void)pthread_mutex_unlock(&c->lock);
	free(gone);
}
