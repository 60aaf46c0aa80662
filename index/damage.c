/*
 * From damaged frames to the paths that they hit.
 */
#include "index/catalog_impl.h"

#include <stdlib.h>
#include <string.h>

#define BATCH	256

struct hit {
	uint32_t no;			/* the catalog's number */
	struct pack_info pack;
	struct frame_info frame;
};

struct hits {
	struct catalog *c;
	struct hit *frames;		/* sorted; owned */
	size_t n, cap;
	const struct damage_ops *ops;
	void *ctx;
};

struct frames {
	uint32_t domain;
	struct hit *v;		/* BATCH, owned */
	size_t n;
	uint32_t last;
};

static bool
frame_row(void *ctx, sqlite3_stmt *st)
{
	struct frames *f = ctx;
	struct hit *k = &f->v[f->n];
	bool bad = false;

	if (f->n == BATCH)
		return (false);
	k->no = (uint32_t)col_u64(st, 0, UINT32_MAX, &bad);
	if (bad || k->no <= f->last ||
	    !pack_columns(&k->pack, st, 1, f->domain) ||
	    !frame_columns(&k->frame, st, 1 + PACK_NCOLUMNS, &k->pack))
		return (false);
	f->last = k->no;
	f->n++;
	return (true);
}

static int
hits_add(struct hits *h, const struct hit *k, struct err *e)
{
	if (h->n == h->cap) {
		size_t cap = h->cap == 0 ? 64 : h->cap * 2;
		struct hit *v = reallocarray(h->frames, cap, sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		h->frames = v;
		h->cap = cap;
	}
	h->frames[h->n++] = *k;
	return (0);
}

static int
by_number(const void *a, const void *b)
{
	uint32_t no = *(const uint32_t *)a;
	const struct hit *h = b;

	return (no < h->no ? -1 : no > h->no);
}

/* *out: what the extent lost, or NULL. */
static int
find_hit(const struct hits *h, const struct extent *x, const struct hit **out,
    struct err *e)
{
	const struct hit *hit = x->hole ? NULL : bsearch(&x->frame, h->frames,
	    h->n, sizeof(*h->frames), by_number);
	int r = 0;

	*out = NULL;
	if (hit != NULL)
		r = h->ops->lost(h->ctx, &hit->pack, &hit->frame, x, e);
	if (r > 0)
		*out = hit;
	return (r < 0 ? -1 : 0);
}

/* Neighbouring extents that one pack lost are told as one. */
static int
look_at(void *ctx, const char *path, size_t len, const struct entry *x,
    struct err *e)
{
	struct hits *h = ctx;
	struct extent v[EXTENTS_SEGMENT];
	const struct hit *now, *was = NULL;
	uint64_t off = 0, from = 0, bytes = 0;
	size_t n;
	int r;

	if (x->kind != ENTRY_FILE || x->size == 0)
		return (0);
	do {
		if (catalog_extents(h->c, x->ino, off, v, EXTENTS_SEGMENT, &n,
		    e) != 0)
			return (err_wrap(e, "%.*s", (int)len, path));
		for (size_t i = 0; i < n; i++) {
			off = v[i].off + v[i].len;
			if (find_hit(h, &v[i], &now, e) < 0)
				return (-1);
			if (was != NULL && (now == NULL ||
			    !id_equal(now->pack.id.b, was->pack.id.b))) {
				r = h->ops->path(h->ctx, path, len, from,
				    bytes, &was->pack.id, e);
				if (r != 0)
					return (r);
				was = NULL;
			}
			if (now == NULL)
				continue;
			if (was == NULL) {
				from = v[i].off;
				bytes = 0;
			}
			bytes += v[i].len;
			was = now;
		}
	} while (n == EXTENTS_SEGMENT);
	return (was == NULL ? 0 :
	    h->ops->path(h->ctx, path, len, from, bytes, &was->pack.id, e));
}

int
catalog_damage(struct catalog *c, const struct damage_ops *ops, void *ctx,
    struct err *e)
{
	struct hits h = { .c = c, .ops = ops, .ctx = ctx };
	struct frames f = { .domain = c->domain };
	int r;

	f.v = calloc(BATCH, sizeof(*f.v));
	if (f.v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	do {
		f.n = 0;
		r = conn_each(c, STMT_FRAMES, f.last, frame_row, &f, e);
		for (size_t i = 0; r == 0 && i < f.n; i++)
			if (ops->hit(ctx, &f.v[i].pack, &f.v[i].frame))
				r = hits_add(&h, &f.v[i], e);
	} while (r == 0 && f.n == BATCH);
	free(f.v);
	if (r == 0 && h.n > 0)
		r = catalog_walk(c, CATALOG_ROOT_INO, look_at, &h, e);
	free(h.frames);
	return (r);
}
