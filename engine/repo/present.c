/*
 * Which packs the store holds: one listing when a session begins, kept as a
 * sorted array of eight bytes a pack (three million packs are 100 TB and 24
 * MB).  Two packs that share these bytes would be taken for one another; ids
 * are hashes.
 *
 * It is the longest of the listings, and nobody asks for a while: so it is done
 * by a thread of its own.
 *
 *	begin ----> running ----wait, fini: join----> listed, or failed
 *	  '---------without a thread: there and then------^
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

	if (atomic_load(&p->cancel))
		return (STORE_STOP);
	if (st->odd || strlen(name) != PACK_NAME_AT + 2 * ID_BYTES ||
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

static void *
list_packs(void *arg)
{
	struct present *p = arg;

	p->ret = store_list_names(p->store, "packs", note_pack, p, &p->err);
	if (p->n > 0)
		qsort(p->v, p->n, sizeof(*p->v), by_value);
	return (NULL);
}

void
present_init(struct present *p, struct store *store)
{
	*p = (struct present){ .store = store };
	(void)pthread_mutex_init(&p->lock, NULL);
}

void
present_begin(struct present *p)
{
	p->running = pthread_create(&p->thread, NULL, list_packs, p) == 0;
	if (!p->running)
		(void)list_packs(p);
}

int
present_wait(struct present *p, struct err *e)
{
	(void)pthread_mutex_lock(&p->lock);
	if (p->running)
		(void)pthread_join(p->thread, NULL);
	p->running = false;
	(void)pthread_mutex_unlock(&p->lock);
	if (p->ret < 0) {
		*e = p->err;
		return (-1);
	}
	atomic_store(&p->listed, true);
	return (0);
}

void
present_fini(struct present *p)
{
	struct err ignored = ERR_INIT;

	atomic_store(&p->cancel, true);
	(void)present_wait(p, &ignored);
	(void)pthread_mutex_destroy(&p->lock);
	free(p->v);
	p->v = NULL;
	p->n = 0;
}

int
session_packs(struct session *s, struct err *e)
{
	return (present_wait(&s->present, e));
}

bool
session_has_pack(const struct session *s, const struct pack_id *id)
{
	uint64_t key = prefix_of(id);

	BUG_ON(!atomic_load(&s->present.listed));
	return (s->present.n > 0 && bsearch(&key, s->present.v, s->present.n,
	    sizeof(*s->present.v), by_value) != NULL);
}
