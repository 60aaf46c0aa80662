/*
 * The map: all live tables of a domain, asked in turn.
 *
 * Invariants:
 *  1. A table that another open table names as replaced is never asked; it
 *     is not even opened where that was known before (a merged table names
 *     all that it stands for, those that its sources replaced too).
 *  2. No answer names an excluded pack.
 *  3. A look-up takes the map's lock for reading only, and a shard's mutex of
 *     the page cache for moments: no look-up waits for another's read of the
 *     store.
 */
#include "engine/map/map_impl.h"

#include <stdlib.h>
#include <string.h>

#define SAME_ID_MAX	64	/* places of one id that are tried in a table */
#define HINTS_MISS	8	/* tables without hint before it is made anew */

static size_t
set_slot(const struct pack_set *s, const struct pack_id *id)
{
	uint64_t h;
	size_t i;

	memcpy(&h, id->b, sizeof(h));
	for (i = h & (s->cap - 1); !id_is_zero(s->v[i].b) &&
	    !id_equal(s->v[i].b, id->b); i = (i + 1) & (s->cap - 1))
		;
	return (i);
}

static bool
set_has(const struct pack_set *s, const struct pack_id *id)
{
	return (s->n > 0 && !id_is_zero(s->v[set_slot(s, id)].b));
}

static int
set_add(struct pack_set *s, const struct pack_id *id, struct err *e)
{
	size_t i;

	if (id_is_zero(id->b))
		return (0);		/* no pack has that name */
	if ((s->n + 1) * 2 > s->cap) {
		struct pack_set bigger = { .cap = s->cap == 0 ? 64 :
		    s->cap * 2, .n = s->n };

		bigger.v = calloc(bigger.cap, sizeof(*bigger.v));
		if (bigger.v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		for (i = 0; i < s->cap; i++)
			if (!id_is_zero(s->v[i].b))
				bigger.v[set_slot(&bigger, &s->v[i])] = s->v[i];
		free(s->v);
		*s = bigger;
	}
	i = set_slot(s, id);
	if (id_is_zero(s->v[i].b)) {
		s->v[i] = *id;
		s->n++;
	}
	return (0);
}

/*
 * Opening.
 */

/* Does a stand before b?  Never by which was opened first: hints change that,
 * and of two places of one chunk the first that is found is taken. */
static bool
is_before(const struct table *a, const struct table *b)
{
	if (a->head.entries != b->head.entries)
		return (a->head.entries > b->head.entries);
	if (table_pages(&a->head) != table_pages(&b->head))
		return (table_pages(&a->head) > table_pages(&b->head));
	return (memcmp(a->id.b, b->id.b, ID_BYTES) < 0);
}

/* Insert a table; takes it. */
static int
insert(struct map *m, struct table *t, struct err *e)
{
	size_t i;

	if (m->n == m->cap) {
		size_t cap = m->cap == 0 ? 16 : m->cap * 2;
		struct table **v = reallocarray(m->tables, cap, sizeof(*v));

		if (v == NULL) {
			table_free(t);
			return (err_set(e, ERR_NOMEM, "out of memory"));
		}
		m->tables = v;
		m->cap = cap;
	}
	for (i = m->n; i > 0 && is_before(t, m->tables[i - 1]); i--)
		m->tables[i] = m->tables[i - 1];
	m->tables[i] = t;
	m->n++;
	return (0);
}

static int
found_compare(const void *a, const void *b)
{
	const struct found_table *x = a, *y = b;

	return (memcmp(x->id.b, y->id.b, ID_BYTES));
}

struct found_table *
map_found(const struct map *m, const struct object_id *id)
{
	struct found_table key = { .id = *id };

	return (m->nfound == 0 ? NULL : bsearch(&key, m->found, m->nfound,
	    sizeof(key), found_compare));
}

/* Leave out what this table replaces. */
static int
apply_replaces(struct map *m, struct table *t, struct err *e)
{
	const struct info_index *x;
	int ret;

	if (t->head.replaces == 0)
		return (0);
	ret = table_index(t, &x, e);
	if (ret != 0)
		return (ret < 0 ? ret : 0);
	for (uint32_t i = 0; i < t->head.replaces; i++) {
		struct found_table *f = map_found(m, &x->replaces[i]);

		if (id_equal(x->replaces[i].b, t->id.b))
			continue;
		if (f != NULL)
			f->replaced = true;
		for (size_t k = 0; k < m->n; k++)
			if (id_equal(m->tables[k]->id.b, x->replaces[i].b))
				m->tables[k]->replaced = true;
	}
	return (0);
}

static int
note_listed(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct map *m = ctx;
	struct object_id id;

	if (strncmp(name, "index/", 6) != 0 ||
	    hex_parse(id.b, sizeof(id.b), name + 6) != 0) {
		log_say(m->log, LOG_NOTICE, "%s: not a table's name; ignored",
		    name);
		return (0);
	}
	if (m->nfound == m->found_cap) {
		size_t cap = m->found_cap == 0 ? 64 : m->found_cap * 2;
		struct found_table *v = reallocarray(m->found, cap,
		    sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		m->found = v;
		m->found_cap = cap;
	}
	m->found[m->nfound++] = (struct found_table){ .id = id,
	    .size_bytes = st->size_bytes, .sized = st->size_bytes > 0 };
	return (0);
}

/* A listing of names alone brings no sizes.  0; STORE_ABSENT, also for what is
 * no object. */
static int
learn_size(struct map *m, struct found_table *f, struct err *e)
{
	char name[6 + ID_HEX], hex[ID_HEX];
	struct store_stat st;
	int ret;

	if (f->sized)
		return (0);
	(void)snprintf(name, sizeof(name), "index/%s", hex_emit(hex, f->id.b,
	    ID_BYTES));
	ret = store_stat(m->store, name, &st, e);
	if (ret == 0) {
		f->size_bytes = st.size_bytes;
		f->sized = true;
	} else if (ret < 0 && e->code == ERR_CORRUPT) {
		log_say(m->log, LOG_WARNING, "%s is left out: %s", name,
		    err_text(e));
		err_init(e);
		ret = STORE_ABSENT;
	}
	return (ret);
}

static int
larger_first(const void *a, const void *b)
{
	const struct found_table *const *x = a, *const *y = b;

	if ((*x)->size_bytes != (*y)->size_bytes)
		return ((*x)->size_bytes > (*y)->size_bytes ? -1 : 1);
	return (found_compare(*x, *y));
}

static int
open_found(struct map *m, struct found_table *f, struct err *e)
{
	struct table *t;
	int ret;

	f->tried = true;
	ret = learn_size(m, f, e);
	if (ret == 0)
		ret = table_open(&t, m->store, m->ring, m->domain, &f->id,
		    f->size_bytes, m->pages, m->next_no, m->log, e);
	if (ret != 0)
		return (ret < 0 ? ret : 0);
	m->next_no++;
	ret = insert(m, t, e);
	return (ret == 0 ? apply_replaces(m, t, e) : ret);
}

/* Those that were live the last time, in that order: most of the others are
 * what they replace. */
static int
open_hinted(struct map *m, const struct object_id *v, size_t n, struct err *e)
{
	struct found_table *f;
	int ret = 0;

	for (size_t i = 0; i < n && ret == 0; i++) {
		f = map_found(m, &v[i]);
		if (f != NULL && !f->replaced && !f->tried)
			ret = open_found(m, f, e);
	}
	return (ret);
}

/* The largest first: those say which of the others need not be opened.
 * *missed: so many were left. */
static int
open_rest(struct map *m, size_t *missed, struct err *e)
{
	struct found_table **order;
	size_t n = 0;
	int ret = 0;

	*missed = 0;
	order = calloc(m->nfound + 1, sizeof(struct found_table *));
	if (order == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < m->nfound && ret >= 0; i++) {
		struct found_table *f = &m->found[i];

		if (f->replaced || f->tried)
			continue;
		ret = learn_size(m, f, e);
		if (ret == 0)
			order[n++] = f;
	}
	*missed = n;
	if (n > 1)
		qsort(order, n, sizeof(struct found_table *), larger_first);
	for (size_t i = 0; i < n && ret >= 0; i++)
		if (!order[i]->replaced)
			ret = open_found(m, order[i], e);
	free(order);
	return (ret < 0 ? -1 : 0);
}

static void
note_live(const struct map *m, const char *path)
{
	struct object_id *v = calloc(m->n + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; v != NULL && i < m->n; i++)
		if (!m->tables[i]->replaced)
			v[n++] = m->tables[i]->id;
	if (v != NULL)
		hints_store(path, v, n);
	free(v);
}

static int
open_tables(struct map *m, const char *hints, struct err *e)
{
	struct object_id *v = NULL;
	size_t n = 0, missed;
	int ret;

	/* Where sizes come with the listing, those are as good. */
	for (size_t i = 0; i < m->nfound; i++)
		if (m->found[i].sized)
			hints = NULL;
	if (m->nfound > 1)
		qsort(m->found, m->nfound, sizeof(*m->found), found_compare);
	if (hints != NULL)
		hints_load(hints, &v, &n);
	ret = open_hinted(m, v, n, e);
	if (ret == 0)
		ret = open_rest(m, &missed, e);
	if (ret == 0 && hints != NULL && missed > HINTS_MISS)
		note_live(m, hints);
	free(v);
	return (ret);
}

int
map_open(struct map **out, struct store *store, const struct keyring *ring,
    uint32_t domain, size_t cache_bytes, const char *hints,
    const struct log *log, struct err *e)
{
	struct map *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	m->store = store;
	m->ring = ring;
	m->log = log;
	m->domain = domain;
	(void)pthread_rwlock_init(&m->lock, NULL);
	if (pages_new(&m->pages, cache_bytes, e) != 0)
		goto fail;
	if (store_list_names(store, "index", note_listed, m, e) < 0) {
		(void)err_wrap(e, "listing index");
		goto fail;
	}
	if (open_tables(m, hints, e) != 0)
		goto fail;
	*out = m;
	return (0);
fail:
	map_close(m);
	return (-1);
}

void
map_close(struct map *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		table_free(m->tables[i]);
	free(m->tables);
	free(m->found);
	free(m->excluded.v);
	pages_free(m->pages);
	(void)pthread_rwlock_destroy(&m->lock);
	free(m);
}

int
map_add(struct map *m, const struct object_id *id, uint64_t size_bytes,
    struct err *e)
{
	char hex[ID_HEX];
	struct table *t;
	int ret;

	ret = table_open(&t, m->store, m->ring, m->domain, id, size_bytes,
	    m->pages, m->next_no, m->log, e);
	if (ret < 0)
		return (-1);
	if (ret > 0)
		return (err_set(e, ERR_CORRUPT, "index/%s: a table that was "
		    "just written can't be read", hex_emit(hex, id->b,
		    sizeof(id->b))));
	(void)pthread_rwlock_wrlock(&m->lock);
	m->next_no++;
	ret = insert(m, t, e);
	if (ret == 0)
		ret = apply_replaces(m, t, e);
	(void)pthread_rwlock_unlock(&m->lock);
	return (ret);
}

int
map_exclude(struct map *m, const struct pack_id *id, struct err *e)
{
	int ret;

	(void)pthread_rwlock_wrlock(&m->lock);
	ret = set_add(&m->excluded, id, e);
	(void)pthread_rwlock_unlock(&m->lock);
	return (ret);
}

/*
 * Asking.
 */

/* One table: after *skip places that count, which it counts down.  0 and the
 * place; > 0 when it has none. */
static int
find_in(struct map *m, struct table *t, const struct chunk_id *id,
    unsigned *skip, struct map_hit *hit, struct err *e)
{
	uint32_t pack, frame;
	int ret;

	for (unsigned nth = 0; nth < SAME_ID_MAX; nth++) {
		ret = table_find(t, id->b, nth, &pack, &frame, &hit->slot, e);
		if (ret == 0)
			ret = table_place(t, pack, frame, &hit->pack,
			    &hit->frame, e);
		if (ret != 0)
			return (ret);
		if (set_has(&m->excluded, &hit->pack.id))
			continue;
		if (*skip == 0)
			return (0);
		--*skip;
	}
	return (MAP_UNKNOWN);
}

int
map_find(struct map *m, const struct chunk_id *id, struct map_hit *out,
    struct err *e)
{
	return (map_find_nth(m, id, 0, out, e));
}

int
map_find_nth(struct map *m, const struct chunk_id *id, unsigned nth,
    struct map_hit *out, struct err *e)
{
	struct map_hit hit;
	int ret = MAP_UNKNOWN;

	(void)pthread_rwlock_rdlock(&m->lock);
	for (size_t i = 0; i < m->n && ret > 0; i++)
		if (!m->tables[i]->replaced)
			ret = find_in(m, m->tables[i], id, &nth, &hit, e);
	(void)pthread_rwlock_unlock(&m->lock);
	if (ret == 0)
		*out = hit;
	return (ret > 0 ? MAP_UNKNOWN : ret);
}

void
map_stats(struct map *m, uint64_t *tables, uint64_t *entries)
{
	*tables = *entries = 0;
	(void)pthread_rwlock_rdlock(&m->lock);
	for (size_t i = 0; i < m->n; i++)
		if (!m->tables[i]->replaced) {
			++*tables;
			*entries += m->tables[i]->head.entries;
		}
	(void)pthread_rwlock_unlock(&m->lock);
}
