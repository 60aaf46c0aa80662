/*
 * A catalog for people: names, paths and hexadecimal ids in place of numbers
 * and BLOBs. Paths come from a function that climbs the directories, extents
 * from a virtual table that decodes the BLOBs of one file.
 */
#include "index/views_int.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX	(64 << 20)	/* one value */

#define TYPE(k) \
	"CASE " k " WHEN 1 THEN 'file' WHEN 2 THEN 'directory' " \
	"WHEN 3 THEN 'symlink' WHEN 4 THEN 'fifo' WHEN 5 THEN 'socket' " \
	"WHEN 6 THEN 'char' WHEN 7 THEN 'block' END"

/* The columns behind name and path, of a node n. */
#define FILE_COLUMNS \
	TYPE("n.kind") " AS type, n.mode AS mode, n.uid AS uid, " \
	"n.gid AS gid, " \
	"(SELECT CAST(name AS TEXT) FROM main.owner " \
	"WHERE is_group=0 AND id=n.uid) AS user, " \
	"(SELECT CAST(name AS TEXT) FROM main.owner " \
	"WHERE is_group=1 AND id=n.gid) AS \"group\", " \
	"n.size AS size, n.mtime AS mtime, n.mtime_ns AS mtime_ns, " \
	"n.ctime AS ctime, n.ctime_ns AS ctime_ns, n.nlink AS nlink, " \
	"n.rdev_major AS rdev_major, n.rdev_minor AS rdev_minor, " \
	"CASE n.kind WHEN 3 THEN CAST(n.target AS TEXT) END AS target, " \
	"n.xset AS xattrs, (n.flags & 1) <> 0 AS implied, " \
	"(n.flags & 2) <> 0 AS unread, (n.flags & 4) <> 0 AS changed, " \
	"(n.flags & 16) <> 0 AS sparse"

static const char *const sql[] = {
	"CREATE TEMP VIEW files AS "
	"SELECT n.ino AS ino, d.parent AS parent, "
	"CAST(d.name AS TEXT) AS name, "
	"vitrine_path(d.parent, d.name) AS path, " FILE_COLUMNS
	" FROM main.dirent d JOIN main.node n ON n.ino=d.ino "
	"UNION ALL SELECT n.ino, 0, '', '/', " FILE_COLUMNS
	" FROM main.node n WHERE n.ino=1",
	"CREATE TEMP VIEW chunks AS "
	"SELECT n.ino AS ino, x.offset AS offset, x.length AS length, "
	"x.id AS id, x.frame AS frame, x.slot AS slot, f.pack AS pack "
	"FROM main.node n JOIN vitrine_extents(n.ino) x "
	"LEFT JOIN main.frame f ON f.no=x.frame WHERE n.kind=1",
	"CREATE TEMP VIEW packs AS "
	"SELECT p.no AS no, lower(hex(p.id)) AS id, p.size AS size, "
	"p.domain AS domain, p.writer AS writer, "
	"(SELECT count(*) FROM main.frame f WHERE f.pack=p.no) AS frames, "
	"(SELECT sum(f.stored) FROM main.frame f WHERE f.pack=p.no) "
	"AS stored FROM main.pack p",
};

/* vitrine_path(parent, name): '/' and the path. */
static void
path_function(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	struct views *v = sqlite3_user_data(ctx);
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;
	uint64_t dir = (uint64_t)sqlite3_value_int64(argv[0]);
	const void *name = sqlite3_value_blob(argv[1]);
	int len = sqlite3_value_bytes(argv[1]);

	if (dir != v->memo_dir) {
		buf_reset(&v->memo);
		v->memo_dir = 0;
		if (conn_path(&v->conn, dir, &v->memo, &e) != 0) {
			sqlite3_result_error(ctx, err_text(&e), -1);
			sqlite3_result_error_code(ctx, e.code == ERR_CORRUPT ?
			    SQLITE_CORRUPT : SQLITE_IOERR);
			return;
		}
		v->memo_dir = dir;
	}
	buf_u8(&out, '/');
	buf_bytes(&out, v->memo.data, v->memo.len);
	if (v->memo.len > 0)
		buf_u8(&out, '/');
	if (name != NULL && len > 0)
		buf_bytes(&out, name, (size_t)len);
	if (buf_ok(&out, &e) != 0)
		sqlite3_result_error_nomem(ctx);
	else
		sqlite3_result_text(ctx, (char *)out.data, (int)out.len,
		    SQLITE_TRANSIENT);
	buf_fini(&out);
}

/* vitrine_extents(ino): the extents of a file. */
struct table {
	sqlite3_vtab base;
	struct views *views;
};
struct cursor {
	sqlite3_vtab_cursor base;
	uint64_t ino;
	struct extent v[EXTENTS_SEGMENT];
	size_t n, at;
	sqlite3_int64 row;
};
enum { X_OFFSET, X_LENGTH, X_ID, X_FRAME, X_SLOT, X_INO };

static int
x_connect(sqlite3 *db, void *ctx, int argc, const char *const *argv,
    sqlite3_vtab **out, char **error)
{
	struct table *t;
	int rc;

	rc = sqlite3_declare_vtab(db, "CREATE TABLE x(offset INTEGER, "
	    "length INTEGER, id TEXT, frame INTEGER, slot INTEGER, "
	    "ino INTEGER HIDDEN)");
	if (rc != SQLITE_OK)
		return (rc);
	(void)sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
	t = sqlite3_malloc(sizeof(*t));
	if (t == NULL)
		return (SQLITE_NOMEM);
	memset(t, 0, sizeof(*t));
	t->views = ctx;
	*out = &t->base;
	return (SQLITE_OK);
}

static int
x_disconnect(sqlite3_vtab *t)
{
	sqlite3_free(t);
	return (SQLITE_OK);
}

static int
x_best(sqlite3_vtab *t, sqlite3_index_info *info)
{
	for (int i = 0; i < info->nConstraint; i++)
		if (info->aConstraint[i].iColumn == X_INO &&
		    info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ &&
		    info->aConstraint[i].usable) {
			info->aConstraintUsage[i].argvIndex = 1;
			info->aConstraintUsage[i].omit = 1;
			info->estimatedCost = 4;
			info->estimatedRows = 2;
			return (SQLITE_OK);
		}
	return (SQLITE_CONSTRAINT);
}

static int
x_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out)
{
	struct cursor *c = sqlite3_malloc(sizeof(*c));

	if (c == NULL)
		return (SQLITE_NOMEM);
	memset(c, 0, sizeof(*c));
	*out = &c->base;
	return (SQLITE_OK);
}

static int
x_close(sqlite3_vtab_cursor *c)
{
	sqlite3_free(c);
	return (SQLITE_OK);
}

static int
x_fill(struct cursor *c, uint64_t off)
{
	struct table *t = (struct table *)c->base.pVtab;
	struct err e = ERR_INIT;
	int r;

	c->n = c->at = 0;
	r = conn_extents(&t->views->conn, c->ino, off, c->v, EXTENTS_SEGMENT,
	    &c->n, &e);
	/* What is no file has none. */
	if (r >= 0 || e.code == ERR_USAGE)
		return (SQLITE_OK);
	sqlite3_free(t->base.zErrMsg);
	t->base.zErrMsg = sqlite3_mprintf("%s", err_text(&e));
	return (SQLITE_CORRUPT_VTAB);
}

static int
x_filter(sqlite3_vtab_cursor *cur, int idx, const char *str, int argc,
    sqlite3_value **argv)
{
	struct cursor *c = (struct cursor *)cur;

	c->ino = (uint64_t)sqlite3_value_int64(argv[0]);
	c->row = 0;
	return (x_fill(c, 0));
}

static int
x_next(sqlite3_vtab_cursor *cur)
{
	struct cursor *c = (struct cursor *)cur;
	const struct extent *last = &c->v[c->n - 1];

	c->row++;
	if (++c->at < c->n || c->n < EXTENTS_SEGMENT)
		return (SQLITE_OK);
	return (x_fill(c, last->off + last->len));
}

static int
x_eof(sqlite3_vtab_cursor *cur)
{
	struct cursor *c = (struct cursor *)cur;

	return (c->at >= c->n);
}

static int
x_column(sqlite3_vtab_cursor *cur, sqlite3_context *ctx, int column)
{
	struct cursor *c = (struct cursor *)cur;
	const struct extent *x = &c->v[c->at];
	char hex[ID_HEX];

	if (column == X_OFFSET)
		sqlite3_result_int64(ctx, (sqlite3_int64)x->off);
	else if (column == X_LENGTH)
		sqlite3_result_int64(ctx, (sqlite3_int64)x->len);
	else if (column == X_INO)
		sqlite3_result_int64(ctx, (sqlite3_int64)c->ino);
	else if (x->hole)
		sqlite3_result_null(ctx);
	else if (column == X_ID)
		sqlite3_result_text(ctx, hex_emit(hex, x->id.b,
		    CHUNK_KEY_BYTES), -1, SQLITE_TRANSIENT);
	else
		sqlite3_result_int64(ctx,
		    column == X_FRAME ? x->frame : x->slot);
	return (SQLITE_OK);
}

static int
x_rowid(sqlite3_vtab_cursor *cur, sqlite3_int64 *out)
{
	*out = ((struct cursor *)cur)->row;
	return (SQLITE_OK);
}

/* No xCreate: the table is there by itself, and only so. */
static const sqlite3_module extents_module = {
	.xConnect = x_connect,
	.xBestIndex = x_best,
	.xDisconnect = x_disconnect,
	.xOpen = x_open,
	.xClose = x_close,
	.xFilter = x_filter,
	.xNext = x_next,
	.xEof = x_eof,
	.xColumn = x_column,
	.xRowid = x_rowid,
};

int
views_create(struct views *v, struct err *e)
{
	sqlite3 *db = v->conn.db;
	int rc;

	rc = sqlite3_create_function(db, "vitrine_path", 2, SQLITE_UTF8 |
	    SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, v, path_function, NULL,
	    NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_create_module(db, "vitrine_extents",
		    &extents_module, v);
	if (rc != SQLITE_OK)
		return (vfs_error(db, rc, e, "catalog"));
	/* A path may be long, and what a person makes of many. */
	(void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, ANSWER_MAX);
	if (sql_exec(db, "COMMIT; PRAGMA query_only=OFF; "
	    "PRAGMA temp_store=FILE", e) != 0)
		return (-1);
	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
		if (sql_exec(db, sql[i], e) != 0)
			return (-1);
	return (sql_exec(db, "PRAGMA query_only=ON; BEGIN", e));
}
