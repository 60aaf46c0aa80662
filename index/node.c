/*
 * Nodes of a catalog being built; name.c has their names.
 *
 * Rows pass through a window of slots by inode number; when a slot is wanted
 * by another number, all changed rows are written, in order of their numbers,
 * so that new ones are appended to the table.  A node whose last name went is
 * only marked by its count of 0 (the index node_orphan finds it) and removed
 * at the end, so that a name given later in the same run still finds it.
 */
#include "index/build_impl.h"

#include <stdlib.h>
#include <string.h>

/*
 * New numbers of which it is known whether they have a node: a directory's are
 * given together, and its subdirectories' come before the last of them have
 * theirs, so without this every other file was looked for in vain.
 */
#define MADE_MIN	(UINT64_C(1) << 12)
#define MADE_MAX	(UINT64_C(1) << 23)	/* 1 MiB */

static int
by_ino(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a;
	const struct row *y = *(struct row *const *)b;

	return (x->e.ino < y->e.ino ? -1 : x->e.ino > y->e.ino);
}

static int
row_write(struct build *b, struct row *w, struct err *e)
{
	const struct entry *x = &w->e;
	/* NULL would be NULL, not an empty blob. */
	const void *blob = w->len > 0 ? (const void *)w->blob : "";
	bool file = x->kind == ENTRY_FILE;
	bool target = x->kind == ENTRY_DIR || x->kind == ENTRY_SYMLINK;
	sqlite3_stmt *st;

	if (build_begin(b, e) != 0 || build_stmt(b,
	    w->exists ? B_NODE_UPDATE : B_NODE_INSERT, &st, e) != 0)
		return (-1);
	bind_int(st, 1, x->ino);
	bind_int(st, 2, x->kind);
	bind_int(st, 3, x->flags);
	bind_int(st, 4, x->mode);
	bind_int(st, 5, x->uid);
	bind_int(st, 6, x->gid);
	bind_int(st, 7, x->size);
	(void)sqlite3_bind_int64(st, 8, x->mtime.s);
	bind_int(st, 9, x->mtime.ns);
	(void)sqlite3_bind_int64(st, 10, x->ctime.s);
	bind_int(st, 11, x->ctime.ns);
	bind_int(st, 12, x->nlink);
	bind_int(st, 13, x->rdev_major);
	bind_int(st, 14, x->rdev_minor);
	bind_int(st, 15, x->parent);
	bind_int(st, 16, x->xattrs);
	bind_int(st, 17, x->src_dev);
	bind_int(st, 18, x->src_ino);
	if (target)
		(void)sqlite3_bind_blob(st, 19, blob, (int)w->len,
		    SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(st, 19);
	if (file && w->chunks)
		(void)sqlite3_bind_blob(st, 20, blob, (int)w->len,
		    SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(st, 20);
	if (build_run(b, st, e) != 0)
		return (-1);
	w->exists = true;
	w->dirty = false;
	return (0);
}

int
build_flush_rows(struct build *b, struct err *e)
{
	struct row *v[WINDOW];
	size_t n = 0;

	for (size_t i = 0; i < WINDOW; i++)
		if (b->window[i].used && b->window[i].dirty)
			v[n++] = &b->window[i];
	qsort(v, n, sizeof(*v), by_ino);
	for (size_t i = 0; i < n; i++)
		if (row_write(b, v[i], e) != 0)
			return (-1);
	return (0);
}

int
build_row_blob(struct row *w, const void *p, size_t len, struct err *e)
{
	uint8_t *copy = NULL;

	if (len > 0) {
		copy = malloc(len);
		if (copy == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		memcpy(copy, p, len);
	}
	free(w->blob);
	w->blob = copy;
	w->len = len;
	return (0);
}

/* Fill a slot from the table. */
static int
row_load(struct build *b, struct row *w, uint64_t ino, struct err *e)
{
	sqlite3_stmt *st;
	const void *p;
	size_t len;
	bool bad = false;
	int r;

	if (build_stmt(b, B_NODE_GET, &st, e) != 0)
		return (-1);
	bind_int(st, 1, ino);
	r = build_step(b, st, e);
	if (r == 1) {
		bad = !entry_columns(&w->e, st, 0);
		p = NULL;
		len = 0;
		w->chunks = false;
		if (w->e.kind == ENTRY_DIR || w->e.kind == ENTRY_SYMLINK)
			p = col_blob(st, NODE_NCOLUMNS, CATALOG_TARGET_MAX,
			    &len, &bad);
		else if (w->e.kind == ENTRY_FILE && sqlite3_column_type(st,
		    NODE_NCOLUMNS + 1) != SQLITE_NULL) {
			p = col_blob(st, NODE_NCOLUMNS + 1,
			    EXTENTS_INLINE * EXTENT_DATA_BYTES, &len, &bad);
			w->chunks = true;
		}
		if (bad)
			r = catalog_corrupt(e, "a row that can't be");
		else if (build_row_blob(w, p, len, e) != 0)
			r = -1;
	}
	(void)sqlite3_reset(st);
	if (r == 1) {
		w->used = w->exists = true;
		w->dirty = false;
	}
	return (r == 1 ? 0 : r == 0 ? CATALOG_ABSENT : -1);
}

/* A slot for ino, emptied if it held another. */
static int
row_slot(struct build *b, uint64_t ino, struct row **out, struct err *e)
{
	struct row *w = &b->window[ino % WINDOW];

	if (w->used && w->e.ino != ino) {
		if (w->dirty && build_flush_rows(b, e) != 0)
			return (-1);
		free(w->blob);
		memset(w, 0, sizeof(*w));
	}
	*out = w;
	return (0);
}

/* Note that a number of this run's has a node now. */
static int
note_made(struct build *b, uint64_t ino, struct err *e)
{
	uint64_t at = ino - b->first_new;

	if (ino > b->ino_high)
		b->ino_high = ino;
	if (ino < b->first_new || at >= MADE_MAX)
		return (0);
	if (at >= b->made_cap) {
		uint64_t cap = b->made_cap == 0 ? MADE_MIN : b->made_cap;
		uint64_t *v;

		while (cap <= at)
			cap *= 2;
		v = realloc(b->made, cap / 8);
		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		memset(v + b->made_cap / 64, 0, (cap - b->made_cap) / 8);
		b->made = v;
		b->made_cap = cap;
	}
	b->made[at / 64] |= (uint64_t)1 << at % 64;
	return (0);
}

/* Has a number no node for certain? */
static bool
is_unmade(const struct build *b, uint64_t ino)
{
	uint64_t at = ino - b->first_new;

	if (ino < b->first_new)
		return (false);
	if (ino > b->ino_high)
		return (true);
	return (at < MADE_MAX && (at >= b->made_cap ||
	    (b->made[at / 64] >> at % 64 & 1) == 0));
}

int
build_row(struct build *b, uint64_t ino, struct row **out, struct err *e)
{
	if (ino == 0 || ino > (uint64_t)INT64_MAX)
		return (CATALOG_ABSENT);
	if (row_slot(b, ino, out, e) != 0)
		return (-1);
	if ((*out)->used)
		return (0);
	if (is_unmade(b, ino))
		return (CATALOG_ABSENT);
	return (row_load(b, *out, ino, e));
}

static bool
same_entry(const struct entry *a, const struct entry *b)
{
	return (a->kind == b->kind && a->flags == b->flags &&
	    a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	    a->size == b->size && stamp_compare(&a->mtime, &b->mtime) == 0 &&
	    stamp_compare(&a->ctime, &b->ctime) == 0 &&
	    a->rdev_major == b->rdev_major &&
	    a->rdev_minor == b->rdev_minor && a->xattrs == b->xattrs &&
	    a->src_dev == b->src_dev && a->src_ino == b->src_ino);
}

/* What the caller may say of an entry. */
static int
check_entry(const struct entry *x, size_t target_len, struct err *e)
{
	if (x->ino == 0 || x->ino > (uint64_t)INT64_MAX ||
	    x->kind < ENTRY_FILE || x->kind > ENTRY_BLOCK ||
	    x->mode > 07777 || (x->flags & ~ENTRY_FLAGS) != 0 ||
	    x->mtime.ns > 999999999 || x->ctime.ns > 999999999 ||
	    x->size > FILE_SIZE_MAX)
		return (err_set(e, ERR_USAGE, "an entry that can't be"));
	if ((x->kind == ENTRY_SYMLINK) != (target_len > 0) ||
	    target_len > CATALOG_TARGET_MAX)
		return (err_set(e, ERR_LIMIT, "a link's target of %zu bytes",
		    target_len));
	return (0);
}

int
build_node(struct build *b, const struct entry *x, const char *target,
    size_t target_len, struct err *e)
{
	struct entry now = *x;
	struct row *w;
	int r;

	if (check_entry(x, target_len, e) != 0)
		return (-1);
	r = build_row(b, x->ino, &w, e);
	if (r < 0)
		return (-1);
	if (r == 0 && w->e.kind != x->kind && w->e.kind == ENTRY_FILE) {
		if (build_release(b, w, e) != 0)
			return (-1);
	}
	if (r != 0 || w->e.kind != x->kind) {
		/* The root has no name to count; a directory's comes later. */
		now.nlink = r == 0 ? w->e.nlink : x->ino == CATALOG_ROOT_INO;
		now.parent = r == 0 && x->kind == ENTRY_DIR ? w->e.parent : 0;
		now.flags &= (uint8_t)~ENTRY_SPARSE;
		now.size = 0;
		w->used = w->dirty = true;
		w->chunks = x->kind == ENTRY_FILE;
		w->e = now;
		return (note_made(b, x->ino, e) != 0 ? -1 :
		    build_row_blob(w, target, target_len, e));
	}
	/* Names, extents and what follows from them stay. */
	now.nlink = w->e.nlink;
	now.parent = w->e.parent;
	now.size = w->e.size;
	now.flags = (uint8_t)((x->flags & ~ENTRY_SPARSE) |
	    (w->e.flags & ENTRY_SPARSE));
	if (!same_entry(&w->e, &now)) {
		w->e = now;
		w->dirty = true;
	}
	if (x->kind == ENTRY_SYMLINK && (w->len != target_len ||
	    memcmp(w->blob, target, target_len) != 0)) {
		w->dirty = true;
		return (build_row_blob(w, target, target_len, e));
	}
	return (0);
}

static int
remove_node(struct build *b, uint64_t ino, struct err *e)
{
	sqlite3_stmt *st;
	struct row *w;
	int r;

	r = build_row(b, ino, &w, e);
	if (r != 0)
		return (r < 0 ? -1 : catalog_corrupt(e, "a lost node"));
	if (w->e.kind == ENTRY_FILE && build_release(b, w, e) != 0)
		return (-1);
	if (w->e.kind == ENTRY_DIR && build_drop_children(b, ino, e) != 0)
		return (-1);
	w = &b->window[ino % WINDOW];
	if (w->used && w->e.ino == ino) {
		free(w->blob);
		memset(w, 0, sizeof(*w));
	}
	if (build_begin(b, e) != 0 ||
	    build_stmt(b, B_NODE_DELETE, &st, e) != 0)
		return (-1);
	bind_int(st, 1, ino);
	return (build_run(b, st, e));
}

int
build_remove_orphans(struct build *b, struct err *e)
{
	uint64_t v[256];
	sqlite3_stmt *st;
	size_t n;
	int r;

	do {
		if (build_flush_names(b, e) != 0 ||
		    build_flush_rows(b, e) != 0 ||
		    build_stmt(b, B_ORPHANS, &st, e) != 0)
			return (-1);
		n = 0;
		while ((r = build_step(b, st, e)) == 1 && n < 256)
			v[n++] = (uint64_t)sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
		if (r < 0)
			return (-1);
		for (size_t i = 0; i < n; i++)
			if (remove_node(b, v[i], e) != 0)
				return (-1);
	} while (n > 0);
	return (0);
}
