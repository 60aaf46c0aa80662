/*
 * Does a catalog agree with itself?  SQLite's own check first: where that
 * finds something, nothing else is looked at.  Then every row is looked at
 * three ways: down the tree (so that a finding has a path), along the nodes
 * beside the names (what has no name, or too few), and the small tables.
 */
#include "index/catalog_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verify {
	struct catalog *c;
	catalog_fault_fn *fn;
	void *ctx;
	uint64_t faults;
	uint64_t dirs;			/* met by the walk */
	uint32_t memo_frame;		/* the last one that was right */
	sqlite3 *db;
};

static void
__attribute__((format(printf, 3, 4)))
fault(struct verify *v, const char *path, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	v->faults++;
	v->fn(v->ctx, path, text);
}

/* An error that is the catalog's fault becomes a finding; others are passed on.
 */
static int
found(struct verify *v, const char *path, struct err *e)
{
	if (e->code != ERR_CORRUPT)
		return (-1);
	fault(v, path, "%s", err_text(e));
	err_init(e);
	return (0);
}

/*
 * SQLite looks at every page of every tree before it looks at rows; with a
 * limit of one it ends at the first that is wrong.  That it must: in a tree
 * that leads to one page by many ways there are rows without end.
 */
static int
integrity(struct verify *v, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc;

	rc = sqlite3_prepare_v2(v->db, "PRAGMA integrity_check(1)", -1, &st,
	    NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		const char *text;

		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			break;
		text = (const char *)sqlite3_column_text(st, 0);
		if (text == NULL || strcmp(text, "ok") != 0)
			fault(v, "", "%s", text == NULL ? "" : text);
	}
	(void)sqlite3_finalize(st);
	if (rc == SQLITE_DONE)
		return (0);
	(void)vfs_error(v->db, rc, e, "catalog");
	return (found(v, "", e));
}

static int
frame_is_there(struct verify *v, const struct extent *x, const char *path,
    struct err *e)
{
	struct pack_info pack;
	struct frame_info frame;

	if (x->hole || x->frame == v->memo_frame)
		return (0);
	if (catalog_frame(v->c, x->frame, &pack, &frame, e) != 0)
		return (found(v, path, e));
	v->memo_frame = x->frame;
	return (0);
}

static int
check_file(struct verify *v, const char *path, const struct entry *x,
    struct err *e)
{
	struct extent ext[EXTENTS_SEGMENT];
	uint64_t off = 0;
	size_t n;

	do {
		if (catalog_extents(v->c, x->ino, off, ext, EXTENTS_SEGMENT,
		    &n, e) != 0)
			return (found(v, path, e));
		for (size_t i = 0; i < n; i++) {
			off = ext[i].off + ext[i].len;
			if (frame_is_there(v, &ext[i], path, e) != 0)
				return (-1);
		}
	} while (n == EXTENTS_SEGMENT);
	if (off != x->size)
		fault(v, path, "its extents don't add up to its size");
	return (0);
}

static int
visit(void *ctx, const char *bytes, size_t len, const struct entry *x,
    struct err *e)
{
	char target[CATALOG_TARGET_MAX + 1];
	struct verify *v = ctx;
	char *path = strndup(bytes, len);
	size_t n;
	int r = 0;

	if (path == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (x->kind == ENTRY_DIR)
		v->dirs++;
	else if (x->kind == ENTRY_FILE)
		r = check_file(v, path, x, e);
	else if (x->kind == ENTRY_SYMLINK &&
	    catalog_target(v->c, x->ino, target, &n, e) != 0)
		r = found(v, path, e);
	if (r == 0 && catalog_xattrs(v->c, x->xattrs, NULL, NULL, e) != 0)
		r = found(v, path, e);
	free(path);
	return (r);
}

/* A statement that must give 0; `what' is said with the number otherwise. */
static int
none(struct verify *v, const char *sql, const char *what, struct err *e)
{
	int64_t n = 0;

	if (sql_int(v->db, sql, &n, e) != 0)
		return (found(v, "", e));
	if (n != 0)
		fault(v, "", "%lld %s", (long long)n, what);
	return (0);
}

/* Names by node, and nodes, both in order of the number: merged. */
static int
merge_links(struct verify *v, sqlite3_stmt *names, sqlite3_stmt *nodes,
    uint64_t *dirs)
{
	int have = sqlite3_step(names), rc = SQLITE_DONE;

	while ((rc = sqlite3_step(nodes)) == SQLITE_ROW) {
		struct entry x;
		int64_t count = 0;

		if (!entry_columns(&x, nodes, 0)) {
			fault(v, "", "inode %lld: a row that can't be",
			    (long long)sqlite3_column_int64(nodes, 0));
			continue;
		}
		while (have == SQLITE_ROW &&
		    (uint64_t)sqlite3_column_int64(names, 0) < x.ino) {
			fault(v, "", "inode %lld: a name without its node",
			    (long long)sqlite3_column_int64(names, 0));
			have = sqlite3_step(names);
		}
		if (have == SQLITE_ROW &&
		    (uint64_t)sqlite3_column_int64(names, 0) == x.ino) {
			count = sqlite3_column_int64(names, 1);
			have = sqlite3_step(names);
		}
		*dirs += x.kind == ENTRY_DIR;
		if (x.ino == CATALOG_ROOT_INO)
			count++;
		if (count == 0)
			fault(v, "", "inode %llu: a node without a name",
			    (unsigned long long)x.ino);
		else if (count != (int64_t)x.nlink)
			fault(v, "", "inode %llu: %lld names, but it says %u",
			    (unsigned long long)x.ino, (long long)count,
			    x.nlink);
	}
	for (; have == SQLITE_ROW; have = sqlite3_step(names))
		fault(v, "", "inode %lld: a name without its node",
		    (long long)sqlite3_column_int64(names, 0));
	return (rc != SQLITE_DONE ? rc : have);
}

static int
links(struct verify *v, uint64_t *dirs, struct err *e)
{
	sqlite3_stmt *names = NULL, *nodes = NULL;
	int rc;

	*dirs = 0;
	rc = sqlite3_prepare_v2(v->db, "SELECT ino, count(*) FROM dirent "
	    "GROUP BY ino ORDER BY ino", -1, &names, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(v->db, "SELECT " NODE_COLUMNS("")
		    " FROM node ORDER BY ino", -1, &nodes, NULL);
	if (rc == SQLITE_OK)
		rc = merge_links(v, names, nodes, dirs);
	(void)sqlite3_finalize(names);
	(void)sqlite3_finalize(nodes);
	if (rc == SQLITE_DONE)
		return (0);
	(void)vfs_error(v->db, rc, e, "catalog");
	return (found(v, "", e));
}

static bool
no_hit(void *ctx, const struct pack_info *p, const struct frame_info *f)
{
	return (false);
}

/* Every frame lies in its pack, every pack is one: the reading checks it. */
static int
places(struct verify *v, struct err *e)
{
	static const struct damage_ops none = { no_hit, NULL, NULL,
	    NULL };

	if (catalog_damage(v->c, &none, NULL, e) != 0)
		return (found(v, "", e));
	return (0);
}

static int
tables(struct verify *v, struct err *e)
{
	static const char *const checks[][2] = {
		{ "SELECT count(*) FROM segment s LEFT JOIN node n "
		    "ON n.ino=s.ino WHERE n.ino IS NULL OR n.kind<>1 "
		    "OR n.chunks IS NOT NULL", "segments of no file" },
		{ "SELECT count(*) FROM dirent d LEFT JOIN node n "
		    "ON n.ino=d.parent WHERE n.ino IS NULL OR n.kind<>2",
		    "names in what is no directory" },
		{ "SELECT count(*) FROM node WHERE nlink=0",
		    "nodes that should be gone" },
		{ "SELECT count(*) FROM frame WHERE refs<=0",
		    "frames that nothing names" },
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (none(v, checks[i][0], checks[i][1], e) != 0)
			return (-1);
	return (places(v, e));
}

int
catalog_verify(struct catalog *c, catalog_fault_fn *fn, void *ctx,
    uint64_t *faults, struct err *e)
{
	struct verify v = { .c = c, .fn = fn, .ctx = ctx };
	uint64_t dirs;
	int r = -1;

	if (catalog_connect(c, &v.db, e) != 0)
		return (-1);
	if (sql_exec(v.db, "COMMIT; PRAGMA temp_store=FILE; BEGIN", e) != 0 ||
	    integrity(&v, e) != 0)
		goto out;
	if (v.faults > 0)
		goto done;
	if (links(&v, &dirs, e) != 0 || tables(&v, e) != 0)
		goto out;
	if (catalog_walk(c, CATALOG_ROOT_INO, visit, &v, e) != 0 &&
	    found(&v, "", e) != 0)
		goto out;
	/* The root is no child of anybody. */
	if (v.faults == 0 && v.dirs + 1 != dirs)
		fault(&v, "", "%llu directories that no path leads to",
		    (unsigned long long)(dirs - v.dirs - 1));
done:
	*faults = v.faults;
	r = 0;
out:
	(void)sqlite3_close(v.db);
	return (r);
}
