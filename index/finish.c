/*
 * The end of a build: what is still on its way goes into the tables, the
 * transaction ends, and what changed is stored.
 */
#include "index/build_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "index/cache.h"

#define SNAPSHOTS_PER_KEY	256
#define FREE_PERCENT		35	/* of the pages; above that, VACUUM */

/* Numbers that a later run must not give again. */
static int
store_numbers(struct build *b, struct err *e)
{
	sqlite3_stmt *st;

	if (b->next_ino == b->first_new && b->parent_catalog != NULL)
		return (0);
	if (build_begin(b, e) != 0 || build_stmt(b, B_META_PUT, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_text(st, 1, "next_ino", -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 2, (int64_t)b->next_ino);
	return (build_run(b, st, e));
}

/* End the transaction; *anew tells that all is to be stored anew. */
static int
settle(struct build *b, bool *anew, struct err *e)
{
	int64_t pages = 0, unused = 0;

	*anew = b->parent_catalog == NULL;
	if (b->contents != NULL)
		return (err_set(e, ERR_USAGE, "a content that wasn't ended"));
	if (build_remove_orphans(b, e) != 0 || build_finish_frames(b, e) != 0 ||
	    store_numbers(b, e) != 0)
		return (-1);
	if (!b->writing)
		return (0);
	if (sql_exec(b->db, "COMMIT", e) != 0)
		return (-1);
	b->writing = false;
	if (sql_int(b->db, "PRAGMA page_count", &pages, e) != 0 ||
	    sql_int(b->db, "PRAGMA freelist_count", &unused, e) != 0)
		return (-1);
	if (b->parent.snapshots_since_key + 1 >= SNAPSHOTS_PER_KEY)
		*anew = true;
	if (unused * 100 > pages * FREE_PERCENT && pages > 64)
		*anew = true;
	/* Where all is stored anew, it is stored without holes. */
	if (*anew && b->parent_catalog != NULL) {
		for (size_t i = 0; i < B_COUNT; i++) {
			(void)sqlite3_finalize(b->st[i]);
			b->st[i] = NULL;
		}
		return (sql_exec(b->db, "VACUUM", e));
	}
	return (0);
}

int
root_copy(struct catalog_root *dst, const struct catalog_root *src,
    struct err *e)
{
	struct mref *pages = calloc(src->npages + 1U, sizeof(*pages));
	struct pack_info *tail = calloc(src->ntail + 1U, sizeof(*tail));

	if (pages == NULL || tail == NULL) {
		free(pages);
		free(tail);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	if (src->npages > 0)
		memcpy(pages, src->pages, src->npages * sizeof(*pages));
	if (src->ntail > 0)
		memcpy(tail, src->tail, src->ntail * sizeof(*tail));
	*dst = *src;
	dst->pages = pages;
	dst->tail = tail;
	return (0);
}

void
root_fini(struct catalog_root *root)
{
	free(root->pages);
	free(root->tail);
	memset(root, 0, sizeof(*root));
}

int
build_finish(struct build *b, struct manifest *m, struct err *e)
{
	struct catalog_root root;
	bool anew;

	if (settle(b, &anew, e) != 0)
		return (err_wrap(e, "the catalog"));
	if (b->parent_catalog != NULL && overlay_is_clean(b->overlay)) {
		if (root_copy(&root, &b->parent, e) != 0)
			return (-1);
	} else if (build_emit(b, anew, &root, e) != 0)
		return (-1);
	root_fini(&m->catalog);
	m->catalog = root;
	return (root_copy(&b->result, &root, e));
}

static int
metadata_packs(struct build *b, session_pack_fn *fn, void *ctx, struct err *e)
{
	const struct catalog_root *root = &b->result;
	const struct pack_info *old = NULL;
	uint32_t paged = root->npages * PACK_PAGE_RECORDS;
	size_t n = 0;

	/* Records in pages were the parent's, and have its numbers. */
	if (paged > 0 && b->parent_catalog != NULL &&
	    blocks_packs(b->parent_catalog->blocks, &old, &n, e) != 0)
		return (-1);
	if (n < paged)
		BUG("pages of a pack list that nobody had");
	for (uint32_t i = 0; i < paged; i++)
		if (fn(ctx, &old[i].id, e) != 0)
			return (-1);
	for (uint32_t i = 0; i < root->ntail; i++)
		if (fn(ctx, &root->tail[i].id, e) != 0)
			return (-1);
	return (0);
}

int
build_packs(void *ctx, session_pack_fn *fn, void *fn_ctx, struct err *e)
{
	struct build *b = ctx;
	struct pack_id id;
	sqlite3_stmt *st;
	const void *p;
	size_t len;
	bool bad = false;
	int r;

	if (build_stmt(b, B_PACKS, &st, e) != 0)
		return (-1);
	while ((r = build_step(b, st, e)) == 1) {
		p = col_blob(st, 0, ID_BYTES, &len, &bad);
		if (bad || len != ID_BYTES) {
			r = catalog_corrupt(e, "a pack that can't be");
			break;
		}
		memcpy(id.b, p, ID_BYTES);
		if (fn(fn_ctx, &id, e) != 0) {
			r = -1;
			break;
		}
	}
	(void)sqlite3_reset(st);
	return (r < 0 ? -1 : metadata_packs(b, fn, fn_ctx, e));
}

static int
is_banned(const struct build *b, const struct pack_id *id)
{
	for (size_t i = 0; i < b->nbanned; i++)
		if (id_equal(b->banned[i].b, id->b))
			return (1);
	return (0);
}

int
build_is_sound(struct build *b, uint64_t ino, bool *sound, struct err *e)
{
	struct extent v[EXTENTS_SEGMENT];
	struct pack_info pack;
	struct frame_info frame;
	uint64_t off = 0;
	uint32_t last = 0;
	size_t n;

	*sound = true;
	if (b->nbanned == 0)
		return (0);
	do {
		if (catalog_extents(b->parent_catalog, ino, off, v,
		    EXTENTS_SEGMENT, &n, e) != 0)
			return (-1);
		for (size_t i = 0; i < n; i++) {
			off = v[i].off + v[i].len;
			if (v[i].hole || v[i].frame == last)
				continue;
			last = v[i].frame;
			if (catalog_frame(b->parent_catalog, last, &pack,
			    &frame, e) != 0)
				return (-1);
			if (is_banned(b, &pack.id)) {
				*sound = false;
				return (0);
			}
		}
	} while (n == EXTENTS_SEGMENT);
	return (0);
}
