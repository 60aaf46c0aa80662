/*
 * The first name of each inode that has several: a temporary SQLite
 * database, which spills to disk, so that a tree of a million hard links needs
 * no more memory than one of ten.
 */
#include "tools/job/links.h"

#include <sqlite3.h>
#include <stdlib.h>

struct links {
	sqlite3 *db;
	sqlite3_stmt *add, *get, *note, *drop, *tried;
};

static int
failed(const struct links *l, struct err *e)
{
	return (err_set(e, ERR_SYS, "list of hard links: %s",
	    l->db != NULL ? sqlite3_errmsg(l->db) : "out of memory"));
}

void
links_close(struct links *l)
{
	if (l == NULL)
		return;
	(void)sqlite3_finalize(l->add);
	(void)sqlite3_finalize(l->get);
	(void)sqlite3_finalize(l->note);
	(void)sqlite3_finalize(l->drop);
	(void)sqlite3_finalize(l->tried);
	(void)sqlite3_close(l->db);
	free(l);
}

int
links_open(struct links **out, struct err *e)
{
	struct links *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	/* The empty name: a temporary file, deleted when closed. */
	if (sqlite3_open("", &l->db) != SQLITE_OK ||
	    sqlite3_exec(l->db, "PRAGMA journal_mode = OFF;"
	    "PRAGMA cache_size = -4096;"
	    "CREATE TABLE link (ino INTEGER PRIMARY KEY, path BLOB NOT NULL);"
	    "CREATE TABLE tried (ino INTEGER, path BLOB,"
	    " PRIMARY KEY (ino, path)) WITHOUT ROWID;"
	    "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(l->db,
	    "INSERT OR IGNORE INTO link VALUES (?1, ?2)", -1, &l->add,
	    NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(l->db, "SELECT path FROM link WHERE ino = ?1",
	    -1, &l->get, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(l->db, "INSERT OR IGNORE INTO tried "
	    "SELECT ino, path FROM link WHERE ino = ?1", -1, &l->note,
	    NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(l->db, "DELETE FROM link WHERE ino = ?1", -1,
	    &l->drop, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(l->db,
	    "SELECT 1 FROM tried WHERE ino = ?1 AND path = ?2", -1, &l->tried,
	    NULL) != SQLITE_OK) {
		(void)failed(l, e);
		links_close(l);
		return (-1);
	}
	*out = l;
	return (0);
}

int
links_first(struct links *l, uint64_t ino, const char *path, size_t len,
    struct err *e)
{
	int r;

	(void)sqlite3_bind_int64(l->add, 1, (sqlite3_int64)ino);
	(void)sqlite3_bind_blob64(l->add, 2, path, len, SQLITE_STATIC);
	r = sqlite3_step(l->add);
	(void)sqlite3_reset(l->add);
	if (r != SQLITE_DONE)
		return (failed(l, e));
	return (sqlite3_changes(l->db) > 0 ? LINKS_NONE : 0);
}

int
links_get(struct links *l, uint64_t ino, struct buf *first, struct err *e)
{
	int r, got = 0;

	(void)sqlite3_bind_int64(l->get, 1, (sqlite3_int64)ino);
	r = sqlite3_step(l->get);
	if (r == SQLITE_ROW) {
		buf_bytes(first, sqlite3_column_blob(l->get, 0),
		    (size_t)sqlite3_column_bytes(l->get, 0));
		buf_u8(first, '\0');
		got = buf_ok(first, e);
	} else if (r == SQLITE_DONE)
		got = LINKS_NONE;
	else
		got = failed(l, e);
	(void)sqlite3_reset(l->get);
	return (got);
}

/* A statement about an inode that gives no rows. */
static int
run(struct links *l, sqlite3_stmt *st, uint64_t ino, struct err *e)
{
	int r;

	(void)sqlite3_bind_int64(st, 1, (sqlite3_int64)ino);
	r = sqlite3_step(st);
	(void)sqlite3_reset(st);
	return (r == SQLITE_DONE ? 0 : failed(l, e));
}

int
links_drop(struct links *l, uint64_t ino, struct err *e)
{
	return (run(l, l->note, ino, e) < 0 || run(l, l->drop, ino, e) < 0 ?
	    -1 : 0);
}

int
links_tried(struct links *l, uint64_t ino, const char *path, size_t len,
    bool *tried, struct err *e)
{
	int r;

	(void)sqlite3_bind_int64(l->tried, 1, (sqlite3_int64)ino);
	(void)sqlite3_bind_blob64(l->tried, 2, path, len, SQLITE_STATIC);
	r = sqlite3_step(l->tried);
	(void)sqlite3_reset(l->tried);
	*tried = r == SQLITE_ROW;
	return (r == SQLITE_ROW || r == SQLITE_DONE ? 0 : failed(l, e));
}
