/*
 * Directories in order, and trees.  Rows are copied out by batches, so that no
 * connection is held while a callback runs (it may ask the catalog itself, and
 * the pool is bounded).
 *
 * A walk ends whatever the bytes say: names rise strictly within a directory,
 * and a directory's row names the one place where it stands (checked in
 * batch_load), so no directory is met twice.
 */
#include "index/catalog_impl.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_LEVELS	32		/* levels that keep their batch */

int
batch_init(struct batch *b, struct err *e)
{
	memset(b, 0, sizeof(*b));
	b->rows = malloc(BATCH_ROWS * sizeof(*b->rows));
	if (b->rows == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

void
batch_fini(struct batch *b)
{
	free(b->rows);
	buf_fini(&b->names);
}

/* Take the row that st stands on; before is the name before it, or NULL. */
static bool
batch_row(struct batch *b, sqlite3_stmt *st, uint64_t dir,
    const char *before, size_t before_len)
{
	struct batch_row *row = &b->rows[b->n];
	const char *name;
	const void *own;
	size_t len, n;
	bool bad = false;

	name = col_blob(st, 0, CATALOG_NAME_MAX, &len, &bad);
	if (bad || !name_is_valid(name, len) ||
	    !entry_columns(&row->entry, st, 2))
		return (false);
	if (before != NULL) {
		int cmp = memcmp(before, name,
		    before_len < len ? before_len : len);

		if (cmp > 0 || (cmp == 0 && before_len >= len))
			return (false);
	}
	if (row->entry.kind == ENTRY_DIR) {
		own = col_blob(st, 1, CATALOG_NAME_MAX, &n, &bad);
		if (bad || row->entry.parent != dir || n != len ||
		    memcmp(own, name, len) != 0)
			return (false);
	}
	row->name = (uint32_t)b->names.len;
	row->len = (uint8_t)len;
	buf_bytes(&b->names, name, len);
	b->n++;
	return (true);
}

int
batch_load(struct batch *b, struct catalog *c, uint64_t dir,
    const char *after, size_t after_len, struct err *e)
{
	sqlite3_stmt *st;
	struct conn *n;
	int r = -1;

	b->n = 0;
	buf_reset(&b->names);
	if (buf_reserve(&b->names, BATCH_ROWS * 16, e) != 0 ||
	    conn_get(c, &n, e) != 0)
		return (-1);
	if (conn_stmt(n, after == NULL ? STMT_DIR : STMT_DIR_AFTER, &st,
	    e) != 0)
		goto out;
	(void)sqlite3_bind_int64(st, 1, (int64_t)dir);
	if (after != NULL)
		(void)sqlite3_bind_blob(st, 2, after, (int)after_len,
		    SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 3, BATCH_ROWS);
	while ((r = conn_step(n, st, e)) == 1) {
		const char *before = after;
		size_t before_len = after_len;

		if (b->n > 0) {
			const struct batch_row *last = &b->rows[b->n - 1];

			before = (char *)b->names.data + last->name;
			before_len = last->len;
		}
		if (b->n == BATCH_ROWS ||
		    !batch_row(b, st, dir, before, before_len)) {
			r = catalog_corrupt(e, "a directory that can't be");
			break;
		}
	}
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	if (r == 0)
		r = buf_ok(&b->names, e);
out:
	conn_put(c, n);
	return (r);
}

/* 0 when ino is a directory. */
static int
must_be_dir(struct catalog *c, uint64_t ino, struct err *e)
{
	struct entry x;
	int r = catalog_get(c, ino, &x, e);

	if (r == 0 && x.kind != ENTRY_DIR)
		return (err_set(e, ERR_USAGE, "not a directory"));
	return (r);
}

int
catalog_readdir(struct catalog *c, uint64_t dir, const char *after,
    size_t after_len, catalog_dir_fn *fn, void *ctx, struct err *e)
{
	char last[CATALOG_NAME_MAX];
	struct batch b;
	int r;

	r = must_be_dir(c, dir, e);
	if (r != 0)
		return (r);
	if (batch_init(&b, e) != 0)
		return (-1);
	do {
		r = batch_load(&b, c, dir, after, after_len, e);
		for (size_t i = 0; r == 0 && i < b.n; i++)
			r = fn(ctx, (char *)b.names.data + b.rows[i].name,
			    b.rows[i].len, &b.rows[i].entry, e);
		if (r == 0 && b.n > 0) {
			after_len = b.rows[b.n - 1].len;
			memcpy(last, b.names.data + b.rows[b.n - 1].name,
			    after_len);
			after = last;
		}
	} while (r == 0 && b.n == BATCH_ROWS);
	batch_fini(&b);
	return (r);
}

/* A directory on the way down.  Its path is the walk's, up to path_len; the
 * name that was met last stands behind it. */
struct level {
	uint64_t ino;
	size_t path_len;
	size_t next;			/* in the batch */
	bool loaded;			/* the batch is this level's */
	bool started;
};

struct walk {
	struct catalog *c;
	struct buf path;
	struct level *levels;		/* owned */
	size_t depth, cap;
	struct batch batch[KEEP_LEVELS + 1];
	size_t nbatch;			/* initialised ones */
};

static int
walk_push(struct walk *w, uint64_t ino, struct err *e)
{
	struct level *v;
	size_t cap;

	if (w->depth == w->cap) {
		cap = w->cap == 0 ? 64 : w->cap * 2;
		v = realloc(w->levels, cap * sizeof(*v));
		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		w->levels = v;
		w->cap = cap;
	}
	/* Beyond KEEP_LEVELS all share the last batch. */
	if (w->depth > KEEP_LEVELS)
		w->levels[w->depth - 1].loaded = false;
	if (w->depth <= KEEP_LEVELS && w->nbatch <= w->depth) {
		if (batch_init(&w->batch[w->nbatch], e) != 0)
			return (-1);
		w->nbatch++;
	}
	w->levels[w->depth++] = (struct level){
	    .ino = ino, .path_len = w->path.len };
	return (0);
}

static struct batch *
walk_batch(struct walk *w)
{
	size_t d = w->depth - 1;

	return (&w->batch[d < KEEP_LEVELS ? d : KEEP_LEVELS]);
}

/* Make the top level's batch hold its next row: 1; 0 when there is none. */
static int
walk_fill(struct walk *w, struct err *e)
{
	struct level *l = &w->levels[w->depth - 1];
	struct batch *b = walk_batch(w);

	if (l->loaded && l->next < b->n)
		return (1);
	if (l->loaded && b->n < BATCH_ROWS)
		return (0);
	if (batch_load(b, w->c, l->ino, !l->started ? NULL :
	    (char *)w->path.data + l->path_len,
	    l->started ? w->path.len - l->path_len : 0, e) != 0)
		return (-1);
	l->loaded = true;
	l->started = true;
	l->next = 0;
	return (b->n > 0);
}

/* Visit the next row of the top level. */
static int
walk_visit(struct walk *w, catalog_walk_fn *fn, void *ctx, struct err *e)
{
	struct level *l = &w->levels[w->depth - 1];
	struct batch *b = walk_batch(w);
	const struct batch_row *row = &b->rows[l->next++];
	struct entry entry = row->entry;
	int r;

	w->path.len = l->path_len;
	buf_bytes(&w->path, b->names.data + row->name, row->len);
	if (buf_ok(&w->path, e) != 0)
		return (-1);
	if (w->path.len > PATH_BYTES_MAX)
		return (catalog_corrupt(e, "a path that is too long"));
	r = fn(ctx, (char *)w->path.data, w->path.len, &entry, e);
	if (r == CATALOG_SKIP)
		return (0);
	if (r != 0 || entry.kind != ENTRY_DIR)
		return (r);
	buf_u8(&w->path, '/');
	if (buf_ok(&w->path, e) != 0)
		return (-1);
	return (walk_push(w, entry.ino, e));
}

int
catalog_walk(struct catalog *c, uint64_t dir, catalog_walk_fn *fn, void *ctx,
    struct err *e)
{
	struct walk *w = calloc(1, sizeof(*w));
	int r;

	if (w == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	w->c = c;
	r = must_be_dir(c, dir, e);
	/* A path of no bytes has an address, too. */
	if (r == 0)
		r = buf_reserve(&w->path, 4096, e);
	if (r == 0)
		r = walk_push(w, dir, e);
	while (r == 0 && w->depth > 0) {
		r = walk_fill(w, e);
		if (r == 1)
			r = walk_visit(w, fn, ctx, e);
		else if (r == 0) {
			/* Back to the parent's last name: without the '/'. */
			w->path.len = w->levels[--w->depth].path_len;
			if (w->depth > 0)
				w->path.len--;
		}
	}
	for (size_t i = 0; i < w->nbatch; i++)
		batch_fini(&w->batch[i]);
	buf_fini(&w->path);
	free(w->levels);
	free(w);
	return (r);
}
