/*
 * The schema of a catalog, in one place for the writer and for the readers.
 */
#include "index/schema.h"

#include <stdio.h>
#include <string.h>

#include "index/btree.h"

#define HEAD_VERSION		60	/* where in the file's header */
#define HEAD_APPLICATION	68

/* In the order of sqlite_schema's rows: tables first, which is the order that
 * VACUUM leaves. */
static const struct object {
	const char *type, *name, *table, *sql;
} objects[] = {
	{ "table", "dirent", "dirent",
	    "CREATE TABLE dirent(parent INTEGER NOT NULL, name BLOB NOT NULL, "
	    "ino INTEGER NOT NULL, PRIMARY KEY(parent, name)) WITHOUT ROWID" },
	{ "table", "node", "node",
	    "CREATE TABLE node(ino INTEGER PRIMARY KEY, "
	    "kind INTEGER NOT NULL, flags INTEGER NOT NULL, "
	    "mode INTEGER NOT NULL, uid INTEGER NOT NULL, "
	    "gid INTEGER NOT NULL, size INTEGER NOT NULL, "
	    "mtime INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, "
	    "ctime INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, "
	    "nlink INTEGER NOT NULL, rdev_major INTEGER NOT NULL, "
	    "rdev_minor INTEGER NOT NULL, parent INTEGER NOT NULL, "
	    "xset INTEGER NOT NULL, src_dev INTEGER NOT NULL, "
	    "src_ino INTEGER NOT NULL, target BLOB, chunks BLOB)" },
	{ "table", "segment", "segment",
	    "CREATE TABLE segment(ino INTEGER NOT NULL, off INTEGER NOT NULL, "
	    "chunks BLOB NOT NULL, PRIMARY KEY(ino, off)) WITHOUT ROWID" },
	{ "table", "xset", "xset",
	    "CREATE TABLE xset(no INTEGER PRIMARY KEY, hash BLOB NOT NULL, "
	    "size INTEGER NOT NULL, data BLOB)" },
	{ "table", "xpart", "xpart",
	    "CREATE TABLE xpart(no INTEGER PRIMARY KEY, "
	    "data BLOB NOT NULL)" },
	{ "table", "owner", "owner",
	    "CREATE TABLE owner(is_group INTEGER NOT NULL, "
	    "id INTEGER NOT NULL, name BLOB NOT NULL, "
	    "PRIMARY KEY(is_group, id)) WITHOUT ROWID" },
	{ "table", "meta", "meta",
	    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) "
	    "WITHOUT ROWID" },
	{ "table", "frame", "frame",
	    "CREATE TABLE frame(no INTEGER PRIMARY KEY, pack INTEGER NOT NULL, "
	    "no_in_pack INTEGER NOT NULL, off INTEGER NOT NULL, "
	    "stored INTEGER NOT NULL, raw INTEGER NOT NULL, "
	    "refs INTEGER NOT NULL)" },
	{ "table", "pack", "pack",
	    "CREATE TABLE pack(no INTEGER PRIMARY KEY, id BLOB NOT NULL, "
	    "size INTEGER NOT NULL, domain INTEGER NOT NULL, "
	    "writer INTEGER NOT NULL, run BLOB NOT NULL, salt BLOB NOT NULL, "
	    "wrap_kind INTEGER NOT NULL, wrapped BLOB)" },
	{ "index", "node_source", "node",
	    "CREATE INDEX node_source ON node(src_ino, src_dev) "
	    "WHERE kind=2" },
	{ "index", "node_orphan", "node",
	    "CREATE INDEX node_orphan ON node(ino) WHERE nlink=0" },
	{ "index", "xset_hash", "xset",
	    "CREATE INDEX xset_hash ON xset(hash)" },
	{ "index", "frame_place", "frame",
	    "CREATE UNIQUE INDEX frame_place ON frame(pack, no_in_pack)" },
	{ "index", "frame_dead", "frame",
	    "CREATE INDEX frame_dead ON frame(no) WHERE refs=0" },
	{ "index", "pack_id", "pack",
	    "CREATE UNIQUE INDEX pack_id ON pack(id)" },
};
#define NOBJECTS	(sizeof(objects) / sizeof(objects[0]))

int
sql_exec(sqlite3 *db, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return (vfs_error(db, rc, e, "catalog"));
	return (0);
}

int
sql_int(sqlite3 *db, const char *sql, int64_t *out, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc, r = 0;

	rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	else
		r = vfs_error(db, rc, e, "catalog");
	(void)sqlite3_finalize(st);
	return (r);
}

int
schema_create(sqlite3 *db, struct err *e)
{
	char sql[128];

	(void)snprintf(sql, sizeof(sql),
	    "PRAGMA application_id=%d; PRAGMA user_version=%d",
	    SCHEMA_APPLICATION, SCHEMA_VERSION);
	if (sql_exec(db, sql, e) != 0)
		return (-1);
	for (size_t i = 0; i < NOBJECTS; i++)
		if (sql_exec(db, objects[i].sql, e) != 0)
			return (-1);
	return (0);
}

static bool
column_is(sqlite3_stmt *st, int col, const char *want)
{
	const unsigned char *have = sqlite3_column_text(st, col);

	return (have != NULL && strcmp((const char *)have, want) == 0);
}

int
schema_check(sqlite3 *db, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int64_t app = 0, version = 0, page = 0;
	size_t i = 0;
	int rc, r = -1;

	if (sql_int(db, "PRAGMA application_id", &app, e) != 0 ||
	    sql_int(db, "PRAGMA user_version", &version, e) != 0 ||
	    sql_int(db, "PRAGMA page_size", &page, e) != 0)
		return (-1);
	if (app != SCHEMA_APPLICATION || page != 16384)
		return (err_set(e, ERR_CORRUPT, "not a catalog"));
	if (version != SCHEMA_VERSION)
		return (err_set(e, ERR_VERSION,
		    "a catalog made by a newer vitrine"));
	rc = sqlite3_prepare_v2(db, "SELECT type, name, tbl_name, sql "
	    "FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid", -1, &st,
	    NULL);
	if (rc != SQLITE_OK)
		return (vfs_error(db, rc, e, "catalog"));
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && i < NOBJECTS) {
		if (!column_is(st, 0, objects[i].type) ||
		    !column_is(st, 1, objects[i].name) ||
		    !column_is(st, 2, objects[i].table) ||
		    !column_is(st, 3, objects[i].sql))
			break;
		i++;
	}
	if (rc == SQLITE_DONE && i == NOBJECTS)
		r = 0;
	else if (rc == SQLITE_DONE || rc == SQLITE_ROW)
		(void)err_set(e, ERR_CORRUPT, "a catalog of another schema");
	else
		(void)vfs_error(db, rc, e, "catalog");
	(void)sqlite3_finalize(st);
	return (r);
}

int
schema_page(struct pages *pages, struct err *e)
{
	uint8_t page[BTREE_PAGE];
	struct bpage b;
	struct bcell c;

	if (pages->ops->size(pages) < sizeof(page))
		return (err_set(e, ERR_CORRUPT, "not a catalog"));
	if (pages->ops->read(pages, page, sizeof(page), 0, e) != 0)
		return (-1);
	if (btree_be32(page + HEAD_APPLICATION) != SCHEMA_APPLICATION)
		return (err_set(e, ERR_CORRUPT, "not a catalog"));
	if (btree_be32(page + HEAD_VERSION) != SCHEMA_VERSION)
		return (err_set(e, ERR_VERSION,
		    "a catalog made by a newer vitrine"));
	if (bpage_open(&b, page, true) != 0 || !b.leaf || !b.table ||
	    b.ncells != NOBJECTS)
		return (err_set(e, ERR_CORRUPT, "a catalog of another schema"));
	for (unsigned i = 0; i < b.ncells; i++)
		if (bpage_cell(&b, i, &c) != 0)
			return (err_set(e, ERR_CORRUPT,
			    "a catalog of another schema"));
	return (0);
}

int
schema_guard(sqlite3 *db, unsigned cache_kib, struct err *e)
{
	char sql[160];

	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0,
	    NULL);
	(void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 64 << 20);
	(void)snprintf(sql, sizeof(sql), "PRAGMA cell_size_check=ON; "
	    "PRAGMA cache_size=-%u; PRAGMA mmap_size=0; "
	    "PRAGMA automatic_index=OFF", cache_kib);
	return (sql_exec(db, sql, e));
}
