/*
 * Names of a catalog being built: which node a directory has under which name,
 * and what follows from that for the nodes.  Those that are said to be new
 * wait, so that many cost one statement.
 */
#include "index/build_impl.h"

#include <string.h>

static int
name_stmt(struct build *b, enum bstmt which, uint64_t dir, const char *name,
    size_t len, sqlite3_stmt **st, struct err *e)
{
	if (build_stmt(b, which, st, e) != 0)
		return (-1);
	bind_int(*st, 1, dir);
	(void)sqlite3_bind_blob(*st, 2, name, (int)len, SQLITE_STATIC);
	return (0);
}

static void
bind_name(sqlite3_stmt *st, int at, const struct new_name *n)
{
	bind_int(st, at, n->dir);
	(void)sqlite3_bind_blob(st, at + 1, n->name, (int)n->len,
	    SQLITE_STATIC);
	bind_int(st, at + 2, n->ino);
}

int
build_flush_names(struct build *b, struct err *e)
{
	sqlite3_stmt *st;
	unsigned n = b->nnames;

	b->nnames = 0;
	if (n == 0)
		return (0);
	if (build_begin(b, e) != 0)
		return (-1);
	if (n == NAMES_AT_ONCE) {
		if (build_stmt(b, B_NAMES_INSERT, &st, e) != 0)
			return (-1);
		for (unsigned i = 0; i < n; i++)
			bind_name(st, 3 * (int)i + 1, &b->names[i]);
		return (build_run(b, st, e));
	}
	for (unsigned i = 0; i < n; i++) {
		if (build_stmt(b, B_NAME_INSERT, &st, e) != 0)
			return (-1);
		bind_name(st, 1, &b->names[i]);
		if (build_run(b, st, e) != 0)
			return (-1);
		if (sqlite3_changes(b->db) == 0)
			return (err_set(e, ERR_USAGE, "a name that was new "
			    "twice"));
	}
	return (0);
}

/* The node behind a name; CATALOG_ABSENT. */
static int
name_get(struct build *b, uint64_t dir, const char *name, size_t len,
    uint64_t *ino, struct err *e)
{
	sqlite3_stmt *st;
	bool bad = false;
	int r;

	if (build_flush_names(b, e) != 0 ||
	    name_stmt(b, B_NAME_GET, dir, name, len, &st, e) != 0)
		return (-1);
	r = build_step(b, st, e);
	if (r == 1)
		*ino = col_u64(st, 0, INT64_MAX, &bad);
	(void)sqlite3_reset(st);
	if (bad)
		return (catalog_corrupt(e, "a name that can't be"));
	return (r == 1 ? 0 : r == 0 ? CATALOG_ABSENT : -1);
}

static int
name_delete(struct build *b, uint64_t dir, const char *name, size_t len,
    struct err *e)
{
	sqlite3_stmt *st;

	if (build_flush_names(b, e) != 0 || build_begin(b, e) != 0 ||
	    name_stmt(b, B_NAME_DELETE, dir, name, len, &st, e) != 0)
		return (-1);
	return (build_run(b, st, e));
}

/* A name of this node went. */
static int
drop_name(struct build *b, uint64_t ino, struct err *e)
{
	struct row *w;
	int r = build_row(b, ino, &w, e);

	if (r < 0)
		return (-1);
	if (r != 0 || w->e.nlink == 0)
		return (catalog_corrupt(e, "a name without its node"));
	w->e.nlink--;
	w->dirty = true;
	return (0);
}

/* The node has a name more. */
static int
count_name(struct build *b, uint64_t dir, const char *name, size_t len,
    uint64_t ino, struct err *e)
{
	struct row *w;
	int r = build_row(b, ino, &w, e);

	if (r != 0)
		return (r < 0 ? -1 : err_set(e, ERR_USAGE,
		    "a name for a node that isn't there"));
	w->dirty = true;
	if (w->e.kind != ENTRY_DIR) {
		w->e.nlink++;
		return (0);
	}
	if (w->e.nlink != 0 || ino == CATALOG_ROOT_INO)
		return (err_set(e, ERR_USAGE,
		    "a second name for a directory"));
	w->e.nlink = 1;
	w->e.parent = dir;
	return (build_row_blob(w, name, len, e));
}

int
build_name(struct build *b, uint64_t dir, const char *name, size_t len,
    uint64_t ino, struct err *e)
{
	sqlite3_stmt *st;
	uint64_t old = 0;
	int r;

	if (!name_is_valid(name, len))
		return (err_set(e, ERR_USAGE, "a name that can't be"));
	/* An unchanged name of the parent writes nothing. */
	if (dir < b->first_new) {
		r = name_get(b, dir, name, len, &old, e);
		if (r < 0 || (r == 0 && old == ino))
			return (r);
	}
	if (build_flush_names(b, e) != 0 || build_begin(b, e) != 0 ||
	    name_stmt(b, B_NAME_INSERT, dir, name, len, &st, e) != 0)
		return (-1);
	bind_int(st, 3, ino);
	if (build_run(b, st, e) != 0)
		return (-1);
	if (sqlite3_changes(b->db) == 0) {
		r = name_get(b, dir, name, len, &old, e);
		if (r < 0 || (r == 0 && old == ino))
			return (r);
		if (drop_name(b, old, e) != 0 ||
		    name_stmt(b, B_NAME_REPLACE, dir, name, len, &st, e) != 0)
			return (-1);
		bind_int(st, 3, ino);
		if (build_run(b, st, e) != 0)
			return (-1);
	}
	return (count_name(b, dir, name, len, ino, e));
}

int
build_new_name(struct build *b, uint64_t dir, const char *name, size_t len,
    uint64_t ino, struct err *e)
{
	struct new_name *n = &b->names[b->nnames];

	if (dir < b->first_new || !name_is_valid(name, len))
		return (build_name(b, dir, name, len, ino, e));
	if (count_name(b, dir, name, len, ino, e) != 0)
		return (-1);
	n->dir = dir;
	n->ino = ino;
	n->len = len;
	memcpy(n->name, name, len);
	return (++b->nnames == NAMES_AT_ONCE ? build_flush_names(b, e) : 0);
}

int
build_unname(struct build *b, uint64_t dir, const char *name, size_t len,
    struct err *e)
{
	uint64_t ino;
	int r;

	if (!name_is_valid(name, len))
		return (CATALOG_ABSENT);
	r = name_get(b, dir, name, len, &ino, e);
	if (r != 0)
		return (r);
	if (name_delete(b, dir, name, len, e) != 0)
		return (-1);
	return (drop_name(b, ino, e));
}

int
build_move_dir(struct build *b, uint64_t ino, uint64_t dir,
    const char *name, size_t len, struct err *e)
{
	struct row *w;
	char old[CATALOG_NAME_MAX];
	size_t old_len;
	int r;

	r = build_row(b, ino, &w, e);
	if (r != 0 || w->e.kind != ENTRY_DIR || w->len > sizeof(old) ||
	    ino == CATALOG_ROOT_INO)
		return (r < 0 ? -1 : err_set(e, ERR_USAGE,
		    "a directory that can't be moved"));
	if (w->e.nlink > 0) {
		old_len = w->len;
		memcpy(old, w->blob, old_len);
		if (w->e.parent == dir && old_len == len &&
		    memcmp(old, name, len) == 0)
			return (0);
		if (name_delete(b, w->e.parent, old, old_len, e) != 0 ||
		    drop_name(b, ino, e) != 0)
			return (-1);
	}
	return (build_name(b, dir, name, len, ino, e));
}

int
build_find_dir(struct build *b, uint64_t src_dev, uint64_t src_ino,
    struct entry *x, char *path, size_t size, struct err *e)
{
	struct buf p = BUF_INIT;
	struct entry found;
	int r;

	if (b->parent_catalog == NULL)
		return (CATALOG_ABSENT);
	r = catalog_source(b->parent_catalog, src_dev, src_ino, &found, &p, e);
	if (r == 0 && p.len >= size)
		r = CATALOG_ABSENT;
	if (r == 0) {
		*x = found;
		if (p.len > 0)
			memcpy(path, p.data, p.len);
		path[p.len] = '\0';
	}
	buf_fini(&p);
	return (r);
}

int
build_drop_children(struct build *b, uint64_t dir, struct err *e)
{
	char name[CATALOG_NAME_MAX];
	sqlite3_stmt *st;
	const void *p;
	size_t len;
	uint64_t ino;
	bool bad = false;
	int r;

	if (build_flush_names(b, e) != 0)
		return (-1);
	for (;;) {
		if (build_stmt(b, B_CHILDREN, &st, e) != 0)
			return (-1);
		bind_int(st, 1, dir);
		r = build_step(b, st, e);
		if (r <= 0) {
			(void)sqlite3_reset(st);
			return (r);
		}
		p = col_blob(st, 0, CATALOG_NAME_MAX, &len, &bad);
		ino = col_u64(st, 1, INT64_MAX, &bad);
		if (!bad)
			memcpy(name, p, len);
		(void)sqlite3_reset(st);
		if (bad)
			return (catalog_corrupt(e, "a name that can't be"));
		if (name_delete(b, dir, name, len, e) != 0 ||
		    drop_name(b, ino, e) != 0)
			return (-1);
	}
}
