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
	size_t n, rows;		/* rows: with those that can't be */
	uint64_t last;
	bool odd;		/* there was one that can't be */
};

static bool
frame_row(void *ctx, sqlite3_stmt *st)
{
	struct frames *f = ctx;
	struct hit *k = &f->v[f->n];
	bool bad = false;
	uint64_t no;

	if (f->rows == BATCH)
		return (false);
	no = col_u64(st, 0, INT64_MAX, &bad);
	if (bad || no <= f->last)
		return (false);
	f->last = no;
	f->rows++;
	k->no = (uint32_t)no;
	if (no <= UINT32_MAX && pack_columns(&k->pack, st, 1, f->domain) &&
	    frame_columns(&k->frame, st, 1 + PACK_NCOLUMNS, &k->pack))
		f->n++;
	else
		f->odd = true;
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

/* What can't be read is left out, if the caller has it so. */
static int
left_out(const struct hits *h, struct err *e)
{
	if (h->ops->unread == NULL || !h->ops->unread(h->ctx, e))
		return (-1);
	err_init(e);
	return (0);
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
		    e) != 0) {
			(void)err_wrap(e, "%.*s", (int)len, path);
			if (left_out(h, e) < 0)
				return (-1);
			n = 0;
		}
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
		f.n = f.rows = 0;
		r = conn_each(c, STMT_FRAMES, f.last, frame_row, &f, e);
		if (r != 0) {
			r = left_out(&h, e);
			f.rows = 0;
		}
		for (size_t i = 0; r == 0 && i < f.n; i++)
			if (ops->hit(ctx, &f.v[i].pack, &f.v[i].frame))
				r = hits_add(&h, &f.v[i], e);
	} while (r == 0 && f.rows == BATCH);
	free(f.v);
	if (r == 0 && f.odd) {
		(void)catalog_corrupt(e, "a frame that can't be");
		r = left_out(&h, e);
	}
	if (r == 0 && h.n > 0)
		r = catalog_walk(c, CATALOG_ROOT_INO, look_at, &h, e);
	free(h.frames);
	return (r);
}
