/*
 * Which packs the store holds: one listing when a session begins, kept as a
 * sorted array of eight bytes a pack (three million packs are 100 TB and 24
 * MB).  Two packs that share these bytes would be taken for one another; ids
 * are hashes.
 */
#include <stdlib.h>

#include "engine/repo/session_impl.h"

#define PACK_NAME_AT	9	/* where the id begins in "packs/xx/ID" */

static uint64_t
prefix_of(const struct pack_id *id)
{
	uint64_t v;

	memcpy(&v, id->b, sizeof(v));
	return (v);
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y ? -1 : *x > *y);
}

static int
note_pack(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct present *p = ctx;
	struct pack_id id;

	if (strlen(name) != PACK_NAME_AT + 2 * ID_BYTES ||
	    hex_parse(id.b, ID_BYTES, name + PACK_NAME_AT) != 0)
		return (0);
	if (p->n == p->cap) {
		size_t cap = p->cap == 0 ? 1024 : 2 * p->cap;
		uint64_t *v = realloc(p->v, cap * sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		p->v = v;
		p->cap = cap;
	}
	p->v[p->n++] = prefix_of(&id);
	return (0);
}

int
present_load(struct present *p, struct store *store, struct err *e)
{
	if (store_list_names(store, "packs", note_pack, p, e) < 0)
		return (-1);
	if (p->n > 0)
		qsort(p->v, p->n, sizeof(*p->v), by_value);
	return (0);
}

void
present_fini(struct present *p)
{
	free(p->v);
	*p = (struct present){ 0 };
}

bool
session_has_pack(const struct session *s, const struct pack_id *id)
{
	uint64_t key = prefix_of(id);

	return (s->present.n > 0 && bsearch(&key, s->present.v, s->present.n,
	    sizeof(*s->present.v), by_value) != NULL);
}
