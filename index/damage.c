/*
 * From damaged frames to the paths that they hit.
 */
#include "index/catalog_impl.h"

#include <stdlib.h>
#include <string.h>

#define BATCH	256

struct hit {
	uint32_t frame;
	struct pack_id pack;
};

struct hits {
	struct catalog *c;
	struct hit *frames;		/* sorted; owned */
	size_t n, cap;
	catalog_path_fn *fn;
	void *ctx;
};

struct known {
	uint32_t no;
	struct pack_info pack;
	struct frame_info frame;
};

static int
frames_batch(struct catalog *c, struct known *v, size_t *n, uint32_t *after,
    struct err *e)
{
	sqlite3_stmt *st;
	struct conn *conn;
	bool bad = false;
	int r;

	*n = 0;
	if (conn_get(c, &conn, e) != 0)
		return (-1);
	r = conn_stmt(conn, STMT_FRAMES, &st, e);
	if (r == 0) {
		(void)sqlite3_bind_int64(st, 1, *after);
		while ((r = conn_step(conn, st, e)) == 1) {
			struct known *k = &v[*n];

			k->no = (uint32_t)col_u64(st, 0, UINT32_MAX, &bad);
			if (bad || *n == BATCH || k->no <= *after ||
			    !pack_columns(&k->pack, st, 1, c->domain) ||
			    !frame_columns(&k->frame, st, 1 + PACK_NCOLUMNS,
			    &k->pack)) {
				r = catalog_corrupt(e, "a frame that can't be");
				break;
			}
			*after = k->no;
			(*n)++;
		}
		(void)sqlite3_reset(st);
	}
	conn_put(c, conn);
	return (r);
}

static int
hits_add(struct hits *h, const struct known *k, struct err *e)
{
	if (h->n == h->cap) {
		size_t cap = h->cap == 0 ? 64 : h->cap * 2;
		struct hit *v = reallocarray(h->frames, cap, sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		h->frames = v;
		h->cap = cap;
	}
	h->frames[h->n].frame = k->no;
	h->frames[h->n++].pack = k->pack.id;
	return (0);
}

static int
by_number(const void *a, const void *b)
{
	uint32_t no = *(const uint32_t *)a;
	const struct hit *h = b;

	return (no < h->frame ? -1 : no > h->frame);
}

static const struct hit *
find_hit(const struct hits *h, const struct extent *x)
{
	return (x->hole ? NULL : bsearch(&x->frame, h->frames, h->n,
	    sizeof(*h->frames), by_number));
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
			now = find_hit(h, &v[i]);
			if (was != NULL && (now == NULL ||
			    !id_equal(now->pack.b, was->pack.b))) {
				r = h->fn(h->ctx, path, len, from, bytes,
				    &was->pack, e);
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
	    h->fn(h->ctx, path, len, from, bytes, &was->pack, e));
}

int
catalog_damage(struct catalog *c, catalog_hit_fn *hit, void *hit_ctx,
    catalog_path_fn *fn, void *ctx, struct err *e)
{
	struct hits h = { .c = c, .fn = fn, .ctx = ctx };
	struct known *v = calloc(BATCH, sizeof(*v));
	uint32_t after = 0;
	size_t n;
	int r;

	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	do {
		r = frames_batch(c, v, &n, &after, e);
		for (size_t i = 0; r == 0 && i < n; i++)
			if (hit(hit_ctx, &v[i].pack, &v[i].frame))
				r = hits_add(&h, &v[i], e);
	} while (r == 0 && n == BATCH);
	free(v);
	if (r == 0 && h.n > 0)
		r = catalog_walk(c, CATALOG_ROOT_INO, look_at, &h, e);
	free(h.frames);
	return (r);
}
