/*
 * Merging small tables into one, so that a look-up touches few.  A merge
 * streams: some pages of each source, the new filter (10 bits an entry) and
 * some bytes a pack are all that is held, and the number of entries and packs
 * merged at once is bounded.
 *
 * Entries with one id but different places all stay: which of them holds is not
 * known here.  The sources are not deleted; the new table names them as
 * replaced.
 */
#include "engine/map/map_impl.h"

#include <stdlib.h>
#include <string.h>

#define MERGE_MIN_TABLES	4
#define MERGE_MAX_TABLES	64
/* Entries that fill a page: a smaller table takes no less room, nor reading. */
#define MERGE_SMALL		TABLE_PAGE_ENTRIES
#define MERGE_MAX_ENTRIES	(1ULL << 24)
#define MERGE_MAX_PACKS		(1U << 18)
#define MERGE_MAX_REPLACED	(1U << 16)

struct source {
	struct table *table;		/* borrowed */
	uint32_t *pack;			/* owned: its number -> the new one */
	struct cursor *c;		/* owned */
};
struct origin {				/* a pack of a source */
	struct pack_id id;
	uint32_t source, pack;
};
struct merge {
	struct map *map;
	struct source s[MERGE_MAX_TABLES];
	uint32_t n;
	struct source *heap[MERGE_MAX_TABLES];
	uint32_t nheap;
	struct origin *packs;		/* owned; distinct, by new number */
	uint32_t npacks;
	struct object_id *replaced;	/* owned; what it stands for */
	uint32_t nreplaced;
	uint64_t entries, info_bytes;
};

static void
merge_fini(struct merge *g)
{
	for (uint32_t i = 0; i < g->n; i++) {
		free(g->s[i].pack);
		if (g->s[i].c != NULL)
			cursor_fini(g->s[i].c);
		free(g->s[i].c);
	}
	free(g->packs);
	free(g->replaced);
}

/* Smallest first, as many as fit. */
static void
choose(struct merge *g, struct map *m, uint64_t limit)
{
	uint64_t entries = 0, packs = 0;

	for (size_t i = m->n; i-- > 0 && g->n < MERGE_MAX_TABLES;) {
		struct table *t = m->tables[i];

		if (t->replaced || atomic_load(&t->said) ||
		    t->head.entries > limit)
			continue;
		entries += t->head.entries;
		packs += t->head.packs;
		if (entries > MERGE_MAX_ENTRIES || packs > MERGE_MAX_PACKS)
			break;
		g->s[g->n++].table = t;
	}
}

static int
origin_compare(const void *va, const void *vb)
{
	const struct origin *a = va, *b = vb;
	int c = memcmp(a->id.b, b->id.b, ID_BYTES);

	if (c != 0)
		return (c);
	return (a->source < b->source ? -1 : a->source > b->source);
}

/* The bytes that a pack has in the information. */
static int
pack_bytes(struct table *t, uint32_t pack, uint64_t *off, uint64_t *len,
    struct pack_info *info, struct err *e)
{
	uint8_t b[PACK_RECORD_MAX + 4];
	const struct info_index *x;
	struct rd r;
	size_t got;
	int ret;

	ret = table_index(t, &x, e);
	if (ret != 0)
		return (ret);
	*off = x->off[pack];
	ret = table_info(t, *off, b, sizeof(b), &got, e);
	if (ret != 0)
		return (ret);
	rd_init(&r, b, got);
	pack_info_parse(info, &r);
	*len = (uint64_t)rd_u32(&r) * INFO_FRAME_BYTES;
	*len += (uint64_t)(r.p - b);
	return (0);
}

/* Number the distinct packs of all sources. */
static int
number_packs(struct merge *g, struct err *e)
{
	uint32_t total = 0, n = 0;
	uint64_t off, len;

	for (uint32_t i = 0; i < g->n; i++) {
		g->s[i].pack = calloc((size_t)g->s[i].table->head.packs + 1,
		    sizeof(uint32_t));
		if (g->s[i].pack == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		total += g->s[i].table->head.packs;
	}
	g->packs = calloc((size_t)total + 1, sizeof(*g->packs));
	if (g->packs == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (uint32_t i = 0; i < g->n; i++)
		for (uint32_t k = 0; k < g->s[i].table->head.packs; k++) {
			struct pack_info info;
			int ret = pack_bytes(g->s[i].table, k, &off, &len,
			    &info, e);

			if (ret != 0)
				return (ret);
			g->packs[n++] = (struct origin){ info.id, i, k };
		}
	if (n > 1)
		qsort(g->packs, n, sizeof(*g->packs), origin_compare);
	for (uint32_t i = 0; i < n; i++) {
		struct origin o = g->packs[i];
		struct pack_info info;
		int ret;

		if (g->npacks == 0 ||
		    !id_equal(o.id.b, g->packs[g->npacks - 1].id.b)) {
			ret = pack_bytes(g->s[o.source].table, o.pack, &off,
			    &len, &info, e);
			if (ret != 0)
				return (ret);
			g->info_bytes += len;
			g->packs[g->npacks++] = o;
		}
		g->s[o.source].pack[o.pack] = g->npacks - 1;
	}
	return (0);
}

/* The sources, and what they replaced and is still there: so who opens the map
 * need not open those to learn it. */
static int
list_replaced(struct merge *g, struct err *e)
{
	const struct info_index *x;
	uint64_t most = g->n;
	int ret;

	for (uint32_t i = 0; i < g->n; i++)
		most += g->s[i].table->head.replaces;
	if (most > MERGE_MAX_REPLACED)
		most = MERGE_MAX_REPLACED;
	BUG_ON(most == 0);
	g->replaced = calloc((size_t)most, sizeof(*g->replaced));
	if (g->replaced == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (uint32_t i = 0; i < g->n; i++)
		g->replaced[g->nreplaced++] = g->s[i].table->id;
	for (uint32_t i = 0; i < g->n; i++) {
		const struct table *t = g->s[i].table;

		if (t->head.replaces == 0)
			continue;
		ret = table_index(g->s[i].table, &x, e);
		if (ret != 0)
			return (ret);
		for (uint32_t k = 0; k < t->head.replaces &&
		    g->nreplaced < most; k++)
			if (map_found(g->map, &x->replaces[k]) != NULL)
				g->replaced[g->nreplaced++] = x->replaces[k];
	}
	return (0);
}

/* The heap holds the sources by their next entry's id. */
static int
source_compare(const struct source *a, const struct source *b)
{
	const uint8_t *x = cursor_entry(a->c), *y = cursor_entry(b->c);

	return (memcmp(x, y, TABLE_ID_BYTES));
}

static void
sift(struct merge *g, uint32_t i)
{
	for (;;) {
		uint32_t least = i, l = 2 * i + 1;
		struct source *t;

		for (uint32_t k = l; k < l + 2 && k < g->nheap; k++)
			if (source_compare(g->heap[k], g->heap[least]) < 0)
				least = k;
		if (least == i)
			return;
		t = g->heap[i];
		g->heap[i] = g->heap[least];
		g->heap[least] = t;
		i = least;
	}
}

struct merged_entry {
	uint8_t id[TABLE_ID_BYTES];
	uint32_t pack, frame, slot;
};
typedef int merged_fn(void *ctx, const struct merged_entry *, struct err *);

static int
entry_of(struct merge *g, struct source *s, struct merged_entry *out)
{
	struct rd r;
	uint32_t pack;

	rd_init(&r, cursor_entry(s->c), TABLE_ENTRY_BYTES);
	rd_bytes(&r, out->id, sizeof(out->id));
	pack = rd_u32(&r);
	out->frame = rd_u32(&r);
	out->slot = rd_u32(&r);
	if (pack >= s->table->head.packs) {
		table_say_damaged(s->table, "an entry names what the table "
		    "doesn't hold");
		return (TABLE_DAMAGED);
	}
	out->pack = s->pack[pack];
	return (0);
}

/* Of one id, was this place given before? */
static bool
is_known(const struct merged_entry *same, uint32_t n,
    const struct merged_entry *m)
{
	for (uint32_t i = 0; i < n; i++)
		if (same[i].pack == m->pack && same[i].frame == m->frame &&
		    same[i].slot == m->slot)
			return (true);
	return (false);
}

/* Every distinct entry in order. */
static int
run_through(struct merge *g, merged_fn *fn, void *ctx, struct err *e)
{
	struct merged_entry same[MERGE_MAX_TABLES], m;
	uint32_t nsame = 0;
	int ret;

	g->nheap = 0;
	for (uint32_t i = 0; i < g->n; i++) {
		ret = cursor_start(g->s[i].c, g->s[i].table, e);
		if (ret != 0)
			return (ret);
		if (g->s[i].c->left > 0)
			g->heap[g->nheap++] = &g->s[i];
	}
	for (uint32_t i = g->nheap; i-- > 0;)
		sift(g, i);
	while (g->nheap > 0) {
		ret = entry_of(g, g->heap[0], &m);
		if (ret != 0)
			return (ret);
		if (nsame > 0 && memcmp(same[0].id, m.id, sizeof(m.id)) > 0) {
			table_say_damaged(g->heap[0]->table,
			    "its entries are not sorted");
			return (TABLE_DAMAGED);
		}
		if (nsame > 0 && memcmp(same[0].id, m.id, sizeof(m.id)) != 0)
			nsame = 0;
		if (nsame < MERGE_MAX_TABLES && !is_known(same, nsame, &m)) {
			same[nsame++] = m;
			ret = fn(ctx, &m, e);
			if (ret != 0)
				return (ret);
		}
		ret = cursor_next(g->heap[0]->c, e);
		if (ret != 0)
			return (ret);
		if (g->heap[0]->c->left == 0)
			g->heap[0] = g->heap[--g->nheap];
		sift(g, 0);
	}
	return (0);
}

static int
count_one(void *ctx, const struct merged_entry *m, struct err *e)
{
	struct merge *g = ctx;

	g->entries++;
	return (0);
}

static int
filter_one(void *ctx, const struct merged_entry *m, struct err *e)
{
	table_out_filter(ctx, m->id);
	return (0);
}

static int
write_one(void *ctx, const struct merged_entry *m, struct err *e)
{
	return (table_out_entry(ctx, m->id, m->pack, m->frame, m->slot, e));
}

static int
write_info(struct merge *g, struct table_out *o, struct err *e)
{
	uint8_t b[4096];
	struct pack_info info;
	uint64_t off, len;
	size_t got;
	int ret;

	for (uint32_t i = 0; i < g->npacks; i++) {
		struct table *t = g->s[g->packs[i].source].table;

		ret = pack_bytes(t, g->packs[i].pack, &off, &len, &info, e);
		for (; ret == 0 && len > 0; off += got, len -= got) {
			ret = table_info(t, off, b, len < sizeof(b) ?
			    (size_t)len : sizeof(b), &got, e);
			if (ret == 0 && got == 0) {
				table_say_damaged(t, "it is cut off");
				ret = TABLE_DAMAGED;
			}
			if (ret == 0)
				ret = table_out_info(o, b, got, e);
		}
		if (ret != 0)
			return (ret);
	}
	for (uint32_t i = 0; i < g->nreplaced; i++)
		if (table_out_info(o, g->replaced[i].b, ID_BYTES, e) != 0)
			return (-1);
	return (0);
}

static int
write_merged(struct merge *g, const struct run_id *run, uint64_t counter,
    struct object_id *id, uint64_t *size_bytes, struct err *e)
{
	struct object_id mix[MERGE_MAX_TABLES];
	struct table_plan plan = { .domain = g->map->domain, .mix = mix,
	    .mix_len = g->n * sizeof(mix[0]) };
	struct table_out *o = NULL;
	int ret;

	for (uint32_t i = 0; i < g->n; i++)
		mix[i] = g->s[i].table->id;
	plan.entries = g->entries;
	plan.info_bytes = g->info_bytes + (uint64_t)g->nreplaced *
	    ID_BYTES;
	plan.packs = g->npacks;
	plan.replaces = g->nreplaced;
	ret = table_out_new(&o, g->map->store, g->map->ring, run, counter,
	    &plan, e);
	if (ret == 0)
		ret = run_through(g, filter_one, o, e);
	if (ret == 0)
		ret = table_out_filter_end(o, e);
	if (ret == 0)
		ret = run_through(g, write_one, o, e);
	if (ret == 0)
		ret = table_out_entry_end(o, e);
	if (ret == 0)
		ret = write_info(g, o, e);
	if (ret == 0)
		ret = table_out_commit(o, id, size_bytes, e);
	table_out_free(o);
	return (ret);
}

/* TABLE_DAMAGED: a source could not be read; it is marked, so try without
 * it. */
static int
merge_once(struct map *m, const struct run_id *run, uint64_t counter,
    uint64_t limit, bool *added, struct err *e)
{
	struct merge *g = calloc(1, sizeof(*g));
	struct object_id id;
	uint64_t size;
	int ret = 0;

	if (g == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	g->map = m;
	choose(g, m, limit);
	if (g->n < MERGE_MIN_TABLES)
		goto out;
	for (uint32_t i = 0; i < g->n; i++) {
		g->s[i].c = calloc(1, sizeof(*g->s[i].c));
		if (g->s[i].c == NULL) {
			ret = err_set(e, ERR_NOMEM, "out of memory");
			goto out;
		}
	}
	ret = number_packs(g, e);
	if (ret == 0)
		ret = list_replaced(g, e);
	if (ret == 0)
		ret = run_through(g, count_one, g, e);
	if (ret == 0)
		ret = write_merged(g, run, counter, &id, &size, e);
	if (ret == 0)
		ret = map_add(m, &id, size, e);
	if (ret == 0)
		*added = true;
out:
	merge_fini(g);
	free(g);
	return (ret);
}

int
map_merge(struct map *m, const struct run_id *run, uint64_t counter,
    uint64_t entries, bool *added, struct err *e)
{
	bool done = false;
	uint64_t limit;
	int ret;

	if (__builtin_mul_overflow(entries, (uint64_t)MAP_MERGE_RATIO, &limit))
		limit = UINT64_MAX;
	if (limit < MERGE_SMALL)
		limit = MERGE_SMALL;
	do
		ret = merge_once(m, run, counter, limit, &done, e);
	while (ret == TABLE_DAMAGED);
	if (added != NULL)
		*added = done;
	return (ret < 0 ? err_wrap(e, "merging tables") : 0);
}
