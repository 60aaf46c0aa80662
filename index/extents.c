/*
 * What files are made of: extents, frames, packs, xattr sets.  A list that
 * doesn't add up to the file's size is damage: a short answer would truncate
 * somebody's file.
 */
#include "index/catalog_impl.h"

#include <stdlib.h>
#include <string.h>

#include "index/values_int.h"

bool
extents_parse(struct extent *v, size_t max, size_t *n, const void *bytes,
    size_t len, uint64_t off, uint64_t *end)
{
	struct rd r;

	rd_init(&r, bytes, len);
	while (rd_left(&r) > 0) {
		if (*n == max)
			return (false);
		extent_parse(&v[*n], &r, off);
		if (r.bad)
			return (false);
		off += v[*n].len;
		(*n)++;
	}
	*end = off;
	return (true);
}

/* What is collected: the extents that end behind `from', and what the row says
 * of the whole. */
struct want {
	uint64_t from;
	uint64_t size;
	uint8_t flags;
	struct extent *v;
	size_t max, n;
};

static void
want_take(struct want *w, const struct extent *v, size_t n)
{
	for (size_t i = 0; i < n && w->n < w->max; i++)
		if (v[i].off + v[i].len > w->from)
			w->v[w->n++] = v[i];
}

/* One segment row; st stands on it.  *end: where it ends. */
static bool
segment_row(sqlite3_stmt *st, uint64_t size, struct want *w, uint64_t *end)
{
	struct extent v[EXTENTS_SEGMENT];
	const void *p;
	size_t len, n = 0;
	uint64_t off;
	bool bad = false;

	off = col_u64(st, 0, FILE_SIZE_MAX, &bad);
	p = col_blob(st, 1, EXTENTS_SEGMENT * EXTENT_DATA_BYTES, &len, &bad);
	if (bad || len == 0 || !extents_parse(v, EXTENTS_SEGMENT, &n, p, len,
	    off, end) || *end > size)
		return (false);
	want_take(w, v, n);
	return (true);
}

static int
segments(struct conn *c, uint64_t ino, uint64_t size, struct want *w,
    struct err *e)
{
	enum stmt which = STMT_SEGMENT;
	uint64_t at = w->from, end = 0;
	sqlite3_stmt *st;
	int r;

	while (at < size && w->n < w->max) {
		if (conn_stmt(c, which, &st, e) != 0)
			return (-1);
		(void)sqlite3_bind_int64(st, 1, (int64_t)ino);
		(void)sqlite3_bind_int64(st, 2, (int64_t)at);
		r = conn_step(c, st, e);
		if (r >= 0 && (r == 0 || !segment_row(st, size, w, &end) ||
		    end <= at))
			r = catalog_corrupt(e, "extents that don't add up");
		(void)sqlite3_reset(st);
		if (r < 0)
			return (-1);
		at = end;
		which = STMT_SEGMENT_AT;
	}
	return (0);
}

static int
extents_on(struct conn *c, uint64_t ino, struct want *w, struct err *e)
{
	struct extent v[EXTENTS_INLINE];
	sqlite3_stmt *st;
	const void *p;
	size_t len, n = 0;
	uint64_t size, end = 0;
	bool bad = false;
	int r;

	if (conn_stmt(c, STMT_BLOB, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, (int64_t)ino);
	r = conn_step(c, st, e);
	if (r == 0)
		r = CATALOG_ABSENT;
	if (r != 1 || sqlite3_column_int64(st, 0) != ENTRY_FILE) {
		(void)sqlite3_reset(st);
		return (r != 1 ? r : err_set(e, ERR_USAGE, "not a file"));
	}
	w->size = size = col_u64(st, 1, FILE_SIZE_MAX, &bad);
	w->flags = (uint8_t)col_u64(st, 4, ENTRY_FLAGS, &bad);
	if (sqlite3_column_type(st, 3) == SQLITE_NULL) {
		(void)sqlite3_reset(st);
		if (bad)
			return (catalog_corrupt(e, "a row that can't be"));
		return (segments(c, ino, size, w, e));
	}
	p = col_blob(st, 3, EXTENTS_INLINE * EXTENT_DATA_BYTES, &len, &bad);
	if (bad || !extents_parse(v, EXTENTS_INLINE, &n, p, len, 0, &end) ||
	    end != size)
		r = catalog_corrupt(e, "extents that don't add up");
	else {
		want_take(w, v, n);
		r = 0;
	}
	(void)sqlite3_reset(st);
	return (r);
}

int
conn_extents(struct conn *conn, uint64_t ino, uint64_t off, struct extent *v,
    size_t max, size_t *n, struct err *e)
{
	struct want w = { .from = off, .v = v, .max = max };
	int r = extents_on(conn, ino, &w, e);

	if (r == 0)
		*n = w.n;
	return (r);
}

int
catalog_content(struct catalog *c, uint64_t ino, uint64_t off,
    struct extent *v, size_t max, size_t *n, uint64_t *size, uint8_t *flags,
    struct err *e)
{
	struct want w = { .from = off, .v = v, .max = max };
	struct conn *conn;
	int r;

	if (conn_get(c, &conn, e) != 0)
		return (-1);
	r = extents_on(conn, ino, &w, e);
	conn_put(c, conn);
	if (r != 0)
		return (r);
	*n = w.n;
	*size = w.size;
	*flags = w.flags;
	return (0);
}

int
catalog_extents(struct catalog *c, uint64_t ino, uint64_t off,
    struct extent *v, size_t max, size_t *n, struct err *e)
{
	struct conn *conn;
	int r;

	if (conn_get(c, &conn, e) != 0)
		return (-1);
	r = conn_extents(conn, ino, off, v, max, n, e);
	conn_put(c, conn);
	return (r);
}

/* The row that st stands on: 1 when it is a small file, 0 when not, -1 for one
 * that can't be. */
static int
small_row(sqlite3_stmt *st, uint64_t max_bytes, uint64_t *ino,
    struct extent *x)
{
	struct extent v[EXTENTS_INLINE];
	const void *p;
	size_t len, n = 0;
	uint64_t size, end = 0;
	bool bad = false;

	*ino = col_u64(st, 0, INT64_MAX, &bad);
	size = col_u64(st, 2, FILE_SIZE_MAX, &bad);
	if (bad)
		return (-1);
	if (sqlite3_column_int64(st, 1) != ENTRY_FILE || size == 0 ||
	    size > max_bytes || sqlite3_column_type(st, 3) == SQLITE_NULL)
		return (0);
	p = col_blob(st, 3, EXTENTS_INLINE * EXTENT_DATA_BYTES, &len, &bad);
	if (bad || !extents_parse(v, EXTENTS_INLINE, &n, p, len, 0, &end) ||
	    end != size)
		return (-1);
	*x = v[0];
	return (n == 1 && !v[0].hole);
}

int
catalog_small_files(struct catalog *c, uint64_t after, uint64_t max_bytes,
    struct small_file *v, size_t max, size_t *n, uint64_t *last,
    struct err *e)
{
	sqlite3_stmt *st;
	struct conn *conn;
	int r, small;

	*n = 0;
	*last = after;
	if (after > INT64_MAX)
		return (0);
	if (conn_get(c, &conn, e) != 0)
		return (-1);
	r = conn_stmt(conn, STMT_SMALL, &st, e);
	if (r == 0) {
		(void)sqlite3_bind_int64(st, 1, (int64_t)after);
		(void)sqlite3_bind_int64(st, 2, (int64_t)max);
		while ((r = conn_step(conn, st, e)) == 1) {
			struct small_file *f = &v[*n];

			small = small_row(st, max_bytes, &f->ino, &f->x);
			if (small < 0 || f->ino <= *last || *n == max) {
				r = catalog_corrupt(e, "a row that can't be");
				break;
			}
			*last = f->ino;
			*n += small > 0;
		}
		(void)sqlite3_reset(st);
	}
	conn_put(c, conn);
	return (r);
}

bool
pack_columns(struct pack_info *p, sqlite3_stmt *st, int c, uint32_t domain)
{
	struct bval v[PACK_NCOLUMNS];

	col_values(v, PACK_NCOLUMNS, st, c);
	return (pack_values(p, v, domain));
}

bool
frame_columns(struct frame_info *f, sqlite3_stmt *st, int c,
    const struct pack_info *p)
{
	struct bval v[FRAME_NCOLUMNS];

	col_values(v, FRAME_NCOLUMNS, st, c);
	return (frame_values(f, v, p));
}

/* Give, or take, what was looked up of a frame. */
static bool
memo_get(struct catalog *c, uint32_t frame, struct pack_info *pack,
    struct frame_info *info)
{
	const struct frame_memo *m = &c->memo[frame % FRAME_MEMOS];
	bool has;

	(void)pthread_mutex_lock(&c->lock);
	has = m->no == frame && frame != 0;
	if (has) {
		*pack = m->pack;
		*info = m->frame;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return (has);
}

static void
memo_put(struct catalog *c, uint32_t frame, const struct pack_info *pack,
    const struct frame_info *info)
{
	(void)pthread_mutex_lock(&c->lock);
	c->memo[frame % FRAME_MEMOS] = (struct frame_memo){ .no = frame,
	    .pack = *pack, .frame = *info };
	(void)pthread_mutex_unlock(&c->lock);
}

int
catalog_frame(struct catalog *c, uint32_t frame, struct pack_info *pack,
    struct frame_info *info, struct err *e)
{
	sqlite3_stmt *st;
	struct conn *n;
	int r;

	if (memo_get(c, frame, pack, info))
		return (0);
	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = conn_stmt(n, STMT_FRAME, &st, e);
	if (r == 0) {
		(void)sqlite3_bind_int64(st, 1, frame);
		r = conn_step(n, st, e);
		if (r == 0 || (r == 1 && (!pack_columns(pack, st, 0,
		    c->domain) || !frame_columns(info, st, PACK_NCOLUMNS,
		    pack))))
			r = catalog_corrupt(e, "a frame that can't be");
		(void)sqlite3_reset(st);
	}
	conn_put(c, n);
	if (r >= 0)
		memo_put(c, frame, pack, info);
	return (r < 0 ? -1 : 0);
}

/* Append the parts of a split set. */
static int
xparts(struct conn *n, uint64_t set, size_t size, struct buf *b, struct err *e)
{
	sqlite3_stmt *st;
	const void *p;
	size_t len;
	bool bad = false;
	int r = 0;

	if (conn_stmt(n, STMT_XPART, &st, e) != 0)
		return (-1);
	for (uint64_t part = 0; r >= 0 && b->len < size; part++) {
		(void)sqlite3_bind_int64(st, 1,
		    (int64_t)(set << XPART_SHIFT | part));
		r = conn_step(n, st, e);
		if (r < 0)
			break;
		len = 0;
		if (r == 1) {
			p = col_blob(st, 0, size - b->len, &len, &bad);
			buf_bytes(b, p, len);
		}
		if (r == 0 || bad || len == 0 || part >> XPART_SHIFT != 0)
			r = catalog_corrupt(e, "a set of attributes");
		(void)sqlite3_reset(st);
	}
	return (r < 0 ? -1 : 0);
}

static int
xset_load(struct conn *n, uint64_t set, struct buf *b, struct err *e)
{
	sqlite3_stmt *st;
	const void *p;
	size_t size = 0, len;
	bool bad = false, split = false;
	int r;

	if (conn_stmt(n, STMT_XSET, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, (int64_t)set);
	r = conn_step(n, st, e);
	if (r == 1) {
		size = (size_t)col_u64(st, 0, CATALOG_XATTRS_MAX, &bad);
		split = sqlite3_column_type(st, 1) == SQLITE_NULL;
		if (!split) {
			p = col_blob(st, 1, size, &len, &bad);
			buf_bytes(b, p, len);
		}
	}
	if (r == 0 || bad)
		r = catalog_corrupt(e, "a set of attributes");
	(void)sqlite3_reset(st);
	if (r < 0)
		return (-1);
	if (split && xparts(n, set, size, b, e) != 0)
		return (-1);
	if (buf_ok(b, e) != 0)
		return (-1);
	return (b->len == size ? 0 :
	    catalog_corrupt(e, "a set of attributes"));
}

int
catalog_xattrs(struct catalog *c, uint64_t set, catalog_xattr_fn *fn,
    void *ctx, struct err *e)
{
	struct buf b = BUF_INIT;
	struct conn *n;
	int r;

	if (set == 0)
		return (0);
	if (set > (uint64_t)INT64_MAX >> XPART_SHIFT)
		return (catalog_corrupt(e, "a set of attributes"));
	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = xset_load(n, set, &b, e);
	conn_put(c, n);
	/* Nothing is handed out before the whole set was found right. */
	if (r == 0)
		r = xset_parse(b.data, b.len, NULL, NULL, e);
	if (r == 0)
		r = xset_parse(b.data, b.len, fn, ctx, e);
	buf_fini(&b);
	return (r);
}

#define PACKS_BATCH	64

struct packs {
	uint32_t domain;
	struct pack_info *v;		/* PACKS_BATCH, owned */
	size_t n;
	uint64_t last;
};

static bool
pack_row(void *ctx, sqlite3_stmt *st)
{
	struct packs *p = ctx;
	bool bad = false;
	uint64_t no = col_u64(st, 0, UINT32_MAX, &bad);

	if (bad || p->n == PACKS_BATCH || no <= p->last ||
	    !pack_columns(&p->v[p->n], st, 1, p->domain))
		return (false);
	p->last = no;
	p->n++;
	return (true);
}

int
catalog_packs(struct catalog *c, catalog_pack_fn *fn, void *ctx, struct err *e)
{
	const struct pack_info *meta = NULL;
	struct packs p = { .domain = c->domain };
	size_t nmeta = 0;
	int r;

	p.v = calloc(PACKS_BATCH, sizeof(*p.v));
	if (p.v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	do {
		p.n = 0;
		r = conn_each(c, STMT_PACKS, p.last, pack_row, &p, e);
		for (size_t i = 0; r == 0 && i < p.n; i++)
			r = fn(ctx, &p.v[i], e);
	} while (r == 0 && p.n == PACKS_BATCH);
	free(p.v);
	if (r == 0 && c->blocks != NULL)
		r = blocks_packs(c->blocks, &meta, &nmeta, e);
	for (size_t i = 0; r == 0 && i < nmeta; i++)
		r = fn(ctx, &meta[i], e);
	return (r);
}
