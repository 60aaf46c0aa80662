/*
 * What a file is made of, while a catalog is built: extents into the node's
 * row or into segment rows, and the counts of the frames that they lie in.
 */
#include "index/build_impl.h"

#include <stdlib.h>
#include <string.h>

void
build_contents_free(struct build *b)
{
	struct content *c;

	while ((c = b->contents) != NULL) {
		b->contents = c->next;
		free(c);
	}
	free(b->spare);
	b->spare = NULL;
}

static struct content **
content_find(struct build *b, uint64_t ino)
{
	struct content **p = &b->contents;

	while (*p != NULL && (*p)->ino != ino)
		p = &(*p)->next;
	return (p);
}

static int
release_blob(struct build *b, const void *p, size_t len, uint64_t off,
    struct err *e)
{
	struct extent v[EXTENTS_SEGMENT];
	uint64_t end;
	size_t n = 0;

	if (!extents_parse(v, EXTENTS_SEGMENT, &n, p, len, off, &end))
		return (catalog_corrupt(e, "extents that don't add up"));
	for (size_t i = 0; i < n; i++)
		if (!v[i].hole && build_ref(b, v[i].frame, -1, e) != 0)
			return (-1);
	return (0);
}

/* What the segment rows of a file name is no longer named, and they go. */
static int
release_segments(struct build *b, uint64_t ino, struct err *e)
{
	sqlite3_stmt *st;
	uint64_t off;
	const void *p;
	size_t len, rows = 0;
	bool bad = false;
	int r;

	if (build_stmt(b, B_SEGMENTS, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, (int64_t)ino);
	while ((r = build_step(b, st, e)) == 1) {
		off = col_u64(st, 0, FILE_SIZE_MAX, &bad);
		p = col_blob(st, 1, EXTENTS_SEGMENT * EXTENT_DATA_BYTES, &len,
		    &bad);
		rows++;
		if (bad)
			r = catalog_corrupt(e, "a segment that can't be");
		else
			r = release_blob(b, p, len, off, e);
		if (r != 0)
			break;
	}
	(void)sqlite3_reset(st);
	if (r != 0 || rows == 0)
		return (r);
	if (build_begin(b, e) != 0 ||
	    build_stmt(b, B_SEGMENTS_DELETE, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, (int64_t)ino);
	return (build_run(b, st, e));
}

int
build_release(struct build *b, const struct row *w, struct err *e)
{
	if (w->chunks)
		return (release_blob(b, w->blob, w->len, 0, e));
	return (release_segments(b, w->e.ino, e));
}

int
build_content_begin(struct build *b, uint64_t ino, struct err *e)
{
	struct content **at = content_find(b, ino);
	struct content *c;
	struct row *w;
	int r;

	if (*at != NULL)
		return (err_set(e, ERR_USAGE, "content begun twice"));
	r = build_row(b, ino, &w, e);
	if (r < 0)
		return (-1);
	if (r != 0 || w->e.kind != ENTRY_FILE)
		return (err_set(e, ERR_USAGE, "content of what is no file"));
	if (w->e.size > 0 && build_release(b, w, e) != 0)
		return (-1);
	free(w->blob);
	w->blob = NULL;
	w->len = 0;
	w->chunks = true;
	w->e.size = 0;
	w->dirty = true;
	c = b->spare;
	b->spare = NULL;
	if (c == NULL && (c = malloc(sizeof(*c))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	c->ino = ino;
	c->off = 0;
	c->n = 0;
	c->segmented = c->sparse = false;
	c->next = b->contents;
	b->contents = c;
	return (0);
}

static void
emit_extents(const struct build *b, const struct content *c, struct buf *buf)
{
	for (size_t i = 0; i < c->n; i++)
		extent_emit(buf, &c->v[i], repo_short_ids(b->repo));
}

/* What was gathered becomes a segment row. */
static int
content_spill(struct build *b, struct content *c, struct err *e)
{
	struct buf buf = BUF_INIT;
	sqlite3_stmt *st;
	int r = -1;

	emit_extents(b, c, &buf);
	if (buf_ok(&buf, e) != 0 || build_begin(b, e) != 0 ||
	    build_stmt(b, B_SEGMENT_INSERT, &st, e) != 0)
		goto out;
	(void)sqlite3_bind_int64(st, 1, (int64_t)c->ino);
	(void)sqlite3_bind_int64(st, 2, (int64_t)c->v[0].off);
	(void)sqlite3_bind_blob(st, 3, buf.data, (int)buf.len, SQLITE_STATIC);
	r = build_run(b, st, e);
	c->segmented = true;
	c->n = 0;
out:
	buf_fini(&buf);
	return (r);
}

static int
content_add(struct build *b, uint64_t ino, const struct extent *x,
    struct err *e)
{
	struct content *c = *content_find(b, ino);
	uint64_t end;

	if (c == NULL)
		return (err_set(e, ERR_USAGE, "content that wasn't begun"));
	if (x->len == 0 || __builtin_add_overflow(c->off, x->len, &end) ||
	    end > FILE_SIZE_MAX)
		return (err_set(e, ERR_LIMIT, "a file that is too long"));
	if (x->hole && c->n > 0 && c->v[c->n - 1].hole) {
		c->v[c->n - 1].len += x->len;
		c->off = end;
		return (0);
	}
	if (c->n == EXTENTS_SEGMENT && content_spill(b, c, e) != 0)
		return (-1);
	c->v[c->n] = *x;
	c->v[c->n].off = c->off;
	c->n++;
	c->off = end;
	c->sparse |= x->hole;
	return (x->hole ? 0 : build_ref(b, x->frame, 1, e));
}

int
build_content_chunk(struct build *b, uint64_t ino, const struct chunk_id *id,
    uint32_t len, const struct place *place, struct err *e)
{
	struct extent x = { .len = len, .id = *id, .slot = place->fresh ?
	    place->slot : place->hit.slot };

	if (len > CHUNK_MAX || x.slot >= FRAME_SLOTS_MAX)
		return (err_set(e, ERR_USAGE, "a chunk that can't be"));
	if (build_frame_no(b, place, &x.frame, e) != 0)
		return (-1);
	return (content_add(b, ino, &x, e));
}

int
build_content_hole(struct build *b, uint64_t ino, uint64_t len,
    struct err *e)
{
	struct extent x = { .len = len, .hole = true };

	return (len == 0 ? 0 : content_add(b, ino, &x, e));
}

int
build_content_end(struct build *b, uint64_t ino, struct err *e)
{
	struct content **at = content_find(b, ino), *c = *at;
	struct buf buf = BUF_INIT;
	struct row *w;
	int r;

	if (c == NULL)
		return (err_set(e, ERR_USAGE, "content that wasn't begun"));
	if ((c->segmented || c->n > EXTENTS_INLINE) && c->n > 0 &&
	    content_spill(b, c, e) != 0)
		return (-1);
	r = build_row(b, ino, &w, e);
	if (r != 0)
		return (r < 0 ? -1 : catalog_corrupt(e, "a lost node"));
	emit_extents(b, c, &buf);
	if (buf_ok(&buf, e) != 0) {
		buf_fini(&buf);
		return (-1);
	}
	free(w->blob);
	w->blob = buf.data;
	w->len = buf.len;
	w->chunks = !c->segmented;
	w->e.size = c->off;
	w->e.flags = (uint8_t)((w->e.flags & ~ENTRY_SPARSE) |
	    (c->sparse ? ENTRY_SPARSE : 0));
	w->dirty = true;
	*at = c->next;
	free(b->spare);
	b->spare = c;
	return (0);
}

static int
xset_store(struct build *b, uint64_t no, const uint8_t hash[HASH_BYTES],
    const struct buf *set, struct err *e)
{
	bool split = set->len > XSET_ROW_BYTES;
	sqlite3_stmt *st;

	if (build_begin(b, e) != 0 || build_stmt(b, B_XSET_INSERT, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, (int64_t)no);
	(void)sqlite3_bind_blob(st, 2, hash, HASH_BYTES, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 3, (int64_t)set->len);
	if (split)
		(void)sqlite3_bind_null(st, 4);
	else
		(void)sqlite3_bind_blob(st, 4, set->data, (int)set->len,
		    SQLITE_STATIC);
	if (build_run(b, st, e) != 0)
		return (-1);
	if (!split)
		return (0);
	if (build_stmt(b, B_XPART_INSERT, &st, e) != 0)
		return (-1);
	for (size_t at = 0, part = 0; at < set->len; part++) {
		size_t n = set->len - at;

		if (n > XSET_ROW_BYTES)
			n = XSET_ROW_BYTES;
		(void)sqlite3_bind_int64(st, 1,
		    (int64_t)(no << XPART_SHIFT | part));
		(void)sqlite3_bind_blob(st, 2, set->data + at, (int)n,
		    SQLITE_STATIC);
		if (build_run(b, st, e) != 0)
			return (-1);
		at += n;
	}
	return (0);
}

int
build_xattrs(struct build *b, const struct xattr *v, size_t n, uint64_t *set,
    struct err *e)
{
	struct buf buf = BUF_INIT;
	uint8_t hash[HASH_BYTES];
	sqlite3_stmt *st;
	bool bad = false;
	int r = -1;

	*set = 0;
	if (n == 0)
		return (0);
	if (xset_emit(&buf, v, n, e) != 0)
		goto out;
	hash_bytes(hash, buf.data, buf.len);
	if (build_stmt(b, B_XSET_FIND, &st, e) != 0)
		goto out;
	(void)sqlite3_bind_blob(st, 1, hash, HASH_BYTES, SQLITE_STATIC);
	r = build_step(b, st, e);
	if (r == 1)
		*set = col_u64(st, 0, INT64_MAX >> XPART_SHIFT, &bad);
	(void)sqlite3_reset(st);
	if (bad)
		r = catalog_corrupt(e, "a set of attributes");
	else if (r == 1)
		r = 0;
	else if (r == 0) {
		*set = b->next_xset++;
		r = xset_store(b, *set, hash, &buf, e);
	}
out:
	buf_fini(&buf);
	return (r);
}
