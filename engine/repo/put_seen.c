/*
 * The chunks that this run has stored since its last table: what the map can't
 * know yet.  At most TABLE_ENTRIES_PER_RUN, then they become a table and this
 * is emptied; so its memory is bounded whatever the size of the run, and its
 * entries are the table's, waiting for their packs' numbers.
 *
 * Open addressing with linear probing; ids are keyed hashes, so their first
 * bytes need no further mixing.  A bucket has an entry's index + 1 and more
 * bits of its id, by which most others are passed without a look at their
 * entries, which no cache has.
 */
#include <stdlib.h>

#include "engine/repo/put_int.h"

#define CAP_MIN	1024

#define INDEX_BITS	19
#define INDEX_MASK	((UINT32_C(1) << INDEX_BITS) - 1)
_Static_assert(TABLE_ENTRIES_PER_RUN <= INDEX_MASK, "a bucket is too narrow");

/* The bits above the index. */
static uint32_t
mark(const struct chunk_id *id)
{
	uint32_t h;

	memcpy(&h, id->b + 4, sizeof(h));
	return (h & ~INDEX_MASK);
}

static uint32_t
home(const struct seen *s, const struct chunk_id *id)
{
	uint32_t h;

	memcpy(&h, id->b, sizeof(h));
	return (h & (2 * s->cap - 1));
}

static uint32_t *
slot_of(const struct seen *s, const struct chunk_id *id)
{
	uint32_t i = home(s, id), want = mark(id), have;

	while ((have = s->bucket[i]) != 0 && ((have & ~INDEX_MASK) != want ||
	    !id_equal(s->v[(have & INDEX_MASK) - 1].id.b, id->b)))
		i = (i + 1) & (2 * s->cap - 1);
	return (&s->bucket[i]);
}

void
seen_fini(struct seen *s)
{
	free(s->v);
	free(s->bucket);
	*s = (struct seen){ 0 };
}

static void
empty(struct seen *s)
{
	if (s->cap > 0)
		memset(s->bucket, 0, 2 * (size_t)s->cap * sizeof(*s->bucket));
}

void
seen_reset(struct seen *s)
{
	s->n = 0;
	empty(s);
}

/* The buckets are empty. */
static void
fill(struct seen *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		*slot_of(s, &s->v[i].id) = (i + 1) | mark(&s->v[i].id);
}

void
seen_index(struct seen *s)
{
	empty(s);
	fill(s);
}

const struct map_entry *
seen_find(const struct seen *s, const struct chunk_id *id)
{
	uint32_t at;

	if (s->n == 0)
		return (NULL);
	at = *slot_of(s, id);
	return (at == 0 ? NULL : &s->v[(at & INDEX_MASK) - 1]);
}

static int
grow(struct seen *s, struct err *e)
{
	uint32_t cap = s->cap == 0 ? CAP_MIN : 2 * s->cap;
	struct map_entry *v = realloc(s->v, cap * sizeof(*v));
	uint32_t *bucket;

	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	s->v = v;
	bucket = calloc(2 * (size_t)cap, sizeof(*bucket));
	if (bucket == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	free(s->bucket);
	s->bucket = bucket;
	s->cap = cap;
	fill(s);
	return (0);
}

int
seen_add(struct seen *s, const struct chunk_id *id, uint32_t frame,
    uint32_t slot, struct err *e)
{
	uint32_t *at;

	if (s->n == s->cap && grow(s, e) != 0)
		return (-1);
	at = slot_of(s, id);
	BUG_ON(*at != 0);
	s->v[s->n].id = *id;
	s->v[s->n].pack = UINT32_MAX;
	s->v[s->n].frame = frame;
	s->v[s->n].slot = slot;
	*at = ++s->n | mark(id);
	return (0);
}
