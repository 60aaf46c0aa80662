/*
 * Frames and packs of a catalog being built.
 *
 * A frame gets its number here at first sight: when an extent names it, or
 * when the put tells where it lies, whichever comes first.  Its row counts the
 * extents that name it, so that a frame, and then a pack, that nothing needs
 * any more leaves the catalog, and the list of packs that the snapshot needs
 * is exact.
 */
#include "index/build_impl.h"

#include <stdlib.h>
#include <string.h>

static size_t
ref_slot(const struct ref_delta *v, size_t cap, uint32_t frame)
{
	size_t i = (frame * 2654435761U) & (cap - 1);

	while (v[i].frame != 0 && v[i].frame != frame)
		i = (i + 1) & (cap - 1);
	return (i);
}

static int
by_frame(const void *a, const void *b)
{
	const struct ref_delta *x = a, *y = b;

	return (x->frame < y->frame ? -1 : x->frame > y->frame);
}

/* Write the counts of the frames that have a row; keep the rest, *left of them.
 */
static int
refs_flush(struct build *b, size_t *left, struct err *e)
{
	struct ref_delta *v;
	sqlite3_stmt *st;
	size_t n = 0;
	int r = -1;

	*left = 0;
	if (b->nrefs == 0)
		return (0);
	v = malloc(b->nrefs * sizeof(*v));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < b->refs_cap; i++)
		if (b->refs[i].frame != 0)
			v[n++] = b->refs[i];
	qsort(v, n, sizeof(*v), by_frame);
	memset(b->refs, 0, b->refs_cap * sizeof(*b->refs));
	b->nrefs = 0;
	if (build_stmt(b, B_FRAME_REFS, &st, e) != 0)
		goto out;
	for (size_t i = 0; i < n; i++) {
		int changes = 1;

		if (v[i].delta != 0) {
			if (build_begin(b, e) != 0)
				goto out;
			(void)sqlite3_bind_int64(st, 1, v[i].frame);
			(void)sqlite3_bind_int64(st, 2, v[i].delta);
			if (build_run(b, st, e) != 0)
				goto out;
			changes = sqlite3_changes(b->db);
		}
		if (changes == 0) {
			b->refs[ref_slot(b->refs, b->refs_cap, v[i].frame)] =
			    v[i];
			b->nrefs++;
			(*left)++;
		}
	}
	r = 0;
out:
	free(v);
	return (r);
}

static int
refs_grow(struct build *b, struct err *e)
{
	size_t cap = b->refs_cap == 0 ? 1024 : b->refs_cap * 2;
	struct ref_delta *v = calloc(cap, sizeof(*v));

	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < b->refs_cap; i++)
		if (b->refs[i].frame != 0)
			v[ref_slot(v, cap, b->refs[i].frame)] = b->refs[i];
	free(b->refs);
	b->refs = v;
	b->refs_cap = cap;
	return (0);
}

int
build_ref(struct build *b, uint32_t frame, int64_t delta, struct err *e)
{
	size_t i, left;

	if (frame == 0)
		return (catalog_corrupt(e, "a frame that can't be"));
	if (b->refs_cap == 0 && refs_grow(b, e) != 0)
		return (-1);
	i = ref_slot(b->refs, b->refs_cap, frame);
	if (b->refs[i].frame == 0) {
		if (b->nrefs >= b->refs_cap / 2) {
			if (refs_flush(b, &left, e) != 0 ||
			    (left > b->refs_cap / 4 && refs_grow(b, e) != 0))
				return (-1);
			i = ref_slot(b->refs, b->refs_cap, frame);
		}
		if (b->refs[i].frame == 0)
			b->nrefs++;
		b->refs[i].frame = frame;
	}
	b->refs[i].delta += delta;
	return (0);
}

/* The catalog's number of a frame of this run. */
static int
fresh_frame(struct build *b, uint32_t run, uint32_t *out, struct err *e)
{
	sqlite3_stmt *st = b->sst[S_RUN_GET];
	int rc;

	if (run == b->memo_run) {
		*out = b->memo_run_no;
		return (0);
	}
	(void)sqlite3_bind_int64(st, 1, run);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = (uint32_t)sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	if (rc == SQLITE_DONE) {
		if (b->next_frame == UINT32_MAX)
			return (err_set(e, ERR_LIMIT, "out of frame numbers"));
		*out = b->next_frame++;
		st = b->sst[S_RUN_PUT];
		(void)sqlite3_bind_int64(st, 1, run);
		(void)sqlite3_bind_int64(st, 2, *out);
		rc = sqlite3_step(st);
		(void)sqlite3_reset(st);
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return (vfs_error(b->scratch, rc, e, "a temporary database"));
	b->memo_run = run;
	b->memo_run_no = *out;
	return (0);
}

static int
pack_insert(struct build *b, uint32_t no, const struct pack_info *p,
    struct err *e)
{
	sqlite3_stmt *st;

	if (build_begin(b, e) != 0 || build_stmt(b, B_PACK_INSERT, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, no);
	(void)sqlite3_bind_blob(st, 2, p->id.b, ID_BYTES, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 3, (int64_t)p->size_bytes);
	(void)sqlite3_bind_int64(st, 4, p->domain);
	(void)sqlite3_bind_int64(st, 5, p->writer);
	(void)sqlite3_bind_blob(st, 6, p->run.b, RUN_BYTES, SQLITE_STATIC);
	(void)sqlite3_bind_blob(st, 7, p->salt, SALT_BYTES, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 8, p->wrap.kind);
	if (p->wrap.kind == WRAP_SEALED)
		(void)sqlite3_bind_blob(st, 9, p->wrap.bytes, WRAP_BYTES,
		    SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(st, 9);
	return (build_run(b, st, e));
}

static int
frame_insert(struct build *b, uint32_t no, uint32_t pack,
    const struct frame_info *f, struct err *e)
{
	sqlite3_stmt *st;

	if (build_begin(b, e) != 0 ||
	    build_stmt(b, B_FRAME_INSERT, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, no);
	(void)sqlite3_bind_int64(st, 2, pack);
	(void)sqlite3_bind_int64(st, 3, f->no);
	(void)sqlite3_bind_int64(st, 4, f->off);
	(void)sqlite3_bind_int64(st, 5, f->stored);
	(void)sqlite3_bind_int64(st, 6, f->raw);
	return (build_run(b, st, e));
}

/* One number of a statement whose parameters are bound: 1, 0 for no row, -1. */
static int
one_number(struct build *b, sqlite3_stmt *st, uint32_t *out, struct err *e)
{
	bool bad = false;
	int r = build_step(b, st, e);

	if (r == 1)
		*out = (uint32_t)col_u64(st, 0, UINT32_MAX, &bad);
	(void)sqlite3_reset(st);
	return (bad ? catalog_corrupt(e, "a number that can't be") : r);
}

static int
known_pack(struct build *b, const struct pack_info *p, uint32_t *out,
    struct err *e)
{
	sqlite3_stmt *st;
	int r;

	if (build_stmt(b, B_PACK_FIND, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_blob(st, 1, p->id.b, ID_BYTES, SQLITE_STATIC);
	r = one_number(b, st, out, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	*out = b->next_pack++;
	return (pack_insert(b, *out, p, e));
}

static int
known_frame(struct build *b, const struct map_hit *hit, uint32_t *out,
    struct err *e)
{
	sqlite3_stmt *st;
	uint32_t pack = 0;
	int r;

	if (b->memo_pack_no != 0 && hit->frame.no == b->memo_pack_frame &&
	    id_equal(hit->pack.id.b, b->memo_pack.b)) {
		*out = b->memo_pack_no;
		return (0);
	}
	if (known_pack(b, &hit->pack, &pack, e) != 0 ||
	    build_stmt(b, B_FRAME_FIND, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, pack);
	(void)sqlite3_bind_int64(st, 2, hit->frame.no);
	r = one_number(b, st, out, e);
	if (r < 0)
		return (-1);
	if (r == 0) {
		if (b->next_frame == UINT32_MAX)
			return (err_set(e, ERR_LIMIT, "out of frame numbers"));
		*out = b->next_frame++;
		if (frame_insert(b, *out, pack, &hit->frame, e) != 0)
			return (-1);
	}
	b->memo_pack = hit->pack.id;
	b->memo_pack_frame = hit->frame.no;
	b->memo_pack_no = *out;
	return (0);
}

int
build_frame_no(struct build *b, const struct place *p, uint32_t *out,
    struct err *e)
{
	if (p->fresh)
		return (fresh_frame(b, p->frame, out, e));
	return (known_frame(b, &p->hit, out, e));
}

/* Our number for a pack of this run. */
static int
run_pack(struct build *b, uint32_t pack, uint32_t *out, struct err *e)
{
	if (pack >= b->nrun_packs) {
		size_t n = ((size_t)pack + 64) * 2;
		uint32_t *v = realloc(b->run_packs, n * sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		memset(v + b->nrun_packs, 0,
		    (n - b->nrun_packs) * sizeof(*v));
		b->run_packs = v;
		b->nrun_packs = n;
	}
	if (b->run_packs[pack] == 0)
		b->run_packs[pack] = b->next_pack++;
	*out = b->run_packs[pack];
	return (0);
}

/* A frame of the catalog itself: kept for its map. */
static int
meta_frame(struct build *b, uint32_t frame, uint32_t pack,
    const struct frame_info *info, struct err *e)
{
	size_t at, m = 0;

	if (frame < b->first_meta)
		return (err_set(e, ERR_USAGE, "frames out of order"));
	at = frame - b->first_meta;
	if (at >= b->nframes) {
		size_t n = (at + 16) * 2;
		struct meta_frame *v = realloc(b->frames, n * sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		memset(v + b->nframes, 0, (n - b->nframes) * sizeof(*v));
		b->frames = v;
		b->nframes = n;
	}
	while (m < b->nmetas && b->metas[m].run_no != pack)
		m++;
	if (m == b->nmetas) {
		struct meta_pack *v = realloc(b->metas,
		    (m + 1) * sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		b->metas = v;
		memset(&v[m], 0, sizeof(*v));
		v[m].run_no = pack;
		b->nmetas++;
	}
	b->frames[at] = (struct meta_frame){ .pack = (uint32_t)m,
	    .info = *info, .told = true };
	return (0);
}

int
build_on_frame(void *ctx, uint32_t frame, uint32_t pack,
    const struct frame_info *info, struct err *e)
{
	struct build *b = ctx;
	uint32_t no, ours;

	if (b->emitting)
		return (meta_frame(b, frame, pack, info, e));
	if (fresh_frame(b, frame, &no, e) != 0 ||
	    run_pack(b, pack, &ours, e) != 0)
		return (-1);
	return (frame_insert(b, no, ours, info, e));
}

int
build_on_pack(void *ctx, uint32_t pack, const struct pack_info *info,
    struct err *e)
{
	struct build *b = ctx;
	uint32_t ours;

	if (info->kind == OBJECT_PACK_META) {
		for (size_t m = 0; m < b->nmetas; m++)
			if (b->metas[m].run_no == pack) {
				b->metas[m].info = *info;
				b->metas[m].told = true;
			}
		return (0);
	}
	if (run_pack(b, pack, &ours, e) != 0)
		return (-1);
	return (pack_insert(b, ours, info, e));
}

static int
delete_row(struct build *b, enum bstmt which, uint32_t no, struct err *e)
{
	sqlite3_stmt *st;

	if (build_begin(b, e) != 0 || build_stmt(b, which, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, no);
	return (build_run(b, st, e));
}

/* A frame that nothing names goes, and its pack when that was the last. */
static int
bury(struct build *b, uint32_t frame, uint32_t pack, struct err *e)
{
	sqlite3_stmt *st;
	uint32_t one;
	int r;

	if (delete_row(b, B_FRAME_DELETE, frame, e) != 0 ||
	    build_stmt(b, B_PACK_USED, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, pack);
	r = one_number(b, st, &one, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	return (delete_row(b, B_PACK_DELETE, pack, e));
}

int
build_finish_frames(struct build *b, struct err *e)
{
	uint32_t dead[256][2];
	sqlite3_stmt *st;
	size_t n, left;
	bool bad = false;
	int r;

	if (refs_flush(b, &left, e) != 0)
		return (-1);
	if (left != 0)
		return (err_set(e, ERR_CORRUPT,
		    "the catalog names a frame that isn't stored"));
	do {
		if (build_stmt(b, B_FRAMES_DEAD, &st, e) != 0)
			return (-1);
		n = 0;
		while ((r = build_step(b, st, e)) == 1 && n < 256) {
			dead[n][0] = (uint32_t)col_u64(st, 0, UINT32_MAX, &bad);
			dead[n][1] = (uint32_t)col_u64(st, 1, UINT32_MAX, &bad);
			n++;
		}
		(void)sqlite3_reset(st);
		if (r < 0 || bad)
			return (bad ? catalog_corrupt(e, "a frame") : -1);
		for (size_t i = 0; i < n; i++)
			if (bury(b, dead[i][0], dead[i][1], e) != 0)
				return (-1);
	} while (n > 0);
	return (0);
}
