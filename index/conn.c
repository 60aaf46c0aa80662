/*
 * The pool of connections.  A connection costs a page cache and a parsed
 * schema, so there are few, whatever the number of threads; each keeps its
 * read transaction open, since the bytes never change.
 */
#include "index/catalog_impl.h"

#include <stdlib.h>
#include <string.h>

#define CONN_CACHE_KIB	512
#define CONNECTIONS	4
#define ROW_MAX		65536	/* SQLite's limit; a page holds less */

static const char *const sql[STMT_COUNT] = {
	[STMT_GET] = "SELECT " NODE_COLUMNS("") " FROM node WHERE ino=?1",
	[STMT_LOOKUP] = "SELECT n.target, " NODE_COLUMNS("n.")
	    " FROM dirent d LEFT JOIN node n ON n.ino=d.ino "
	    "WHERE d.parent=?1 AND d.name=?2",
	[STMT_DIR] = "SELECT d.name, n.target, " NODE_COLUMNS("n.")
	    " FROM dirent d LEFT JOIN node n ON n.ino=d.ino "
	    "WHERE d.parent=?1 ORDER BY d.name LIMIT ?3",
	[STMT_DIR_AFTER] = "SELECT d.name, n.target, " NODE_COLUMNS("n.")
	    " FROM dirent d LEFT JOIN node n ON n.ino=d.ino "
	    "WHERE d.parent=?1 AND d.name>?2 ORDER BY d.name LIMIT ?3",
	[STMT_BLOB] = "SELECT kind, size, target, chunks, flags FROM node "
	    "WHERE ino=?1",
	[STMT_SMALL] = "SELECT ino, kind, size, chunks FROM node "
	    "WHERE ino>?1 ORDER BY ino LIMIT ?2",
	[STMT_SEGMENT] = "SELECT off, chunks FROM segment "
	    "WHERE ino=?1 AND off<=?2 ORDER BY off DESC LIMIT 1",
	[STMT_SEGMENT_AT] = "SELECT off, chunks FROM segment "
	    "WHERE ino=?1 AND off=?2",
	[STMT_FRAME] = "SELECT " PACK_COLUMNS("p.") ", f.no_in_pack, f.off, "
	    "f.stored, f.raw FROM frame f JOIN pack p ON p.no=f.pack "
	    "WHERE f.no=?1",
	[STMT_XSET] = "SELECT size, data FROM xset WHERE no=?1",
	[STMT_XPART] = "SELECT data FROM xpart WHERE no=?1",
	[STMT_OWNER] = "SELECT name FROM owner WHERE is_group=?1 AND id=?2",
	[STMT_PACKS] = "SELECT no, " PACK_COLUMNS("") " FROM pack "
	    "WHERE no>?1 ORDER BY no LIMIT 64",
	[STMT_FRAMES] = "SELECT f.no, " PACK_COLUMNS("p.") ", f.no_in_pack, "
	    "f.off, f.stored, f.raw FROM frame f "
	    "LEFT JOIN pack p ON p.no=f.pack WHERE f.no>?1 "
	    "ORDER BY f.no LIMIT 256",
	[STMT_UP] = "SELECT parent, target FROM node WHERE ino=?1 AND kind=2",
	[STMT_SOURCE] = "SELECT " NODE_COLUMNS("") " FROM node "
	    "WHERE kind=2 AND src_ino=?1 AND src_dev=?2 ORDER BY ino LIMIT 1",
	[STMT_NEXT_INO] = "SELECT value FROM meta WHERE key='next_ino'",
};

int
catalog_corrupt(struct err *e, const char *what)
{
	return (err_set(e, ERR_CORRUPT, "catalog: %s", what));
}

int
catalog_connect(struct catalog *c, sqlite3 **out, struct err *e)
{
	sqlite3 *db;

	if (schema_page(c->pages, e) != 0 || vfs_open(&db, c->pages, e) != 0)
		return (-1);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (schema_guard(db, CONN_CACHE_KIB, e) != 0) {
		(void)sqlite3_close(db);
		return (-1);
	}
	(void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, ROW_MAX);
	if (sql_exec(db, "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY; "
	    "BEGIN", e) != 0 || schema_check(db, e) != 0) {
		(void)sqlite3_close(db);
		return (-1);
	}
	*out = db;
	return (0);
}

void
conn_fini(struct conn *n)
{
	for (size_t i = 0; i < STMT_COUNT; i++)
		(void)sqlite3_finalize(n->st[i]);
	(void)sqlite3_close(n->db);
}

int
conn_get(struct catalog *c, struct conn **out, struct err *e)
{
	struct conn *n;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	while (c->idle == NULL && c->open >= c->max)
		(void)pthread_cond_wait(&c->returned, &c->lock);
	n = c->idle;
	if (n != NULL)
		c->idle = n->next;
	else
		c->open++;
	pthread_mutex_unlock(&c->lock);
	if (n == NULL) {
		n = calloc(1, sizeof(*n));
		if (n == NULL)
			r = err_set(e, ERR_NOMEM, "out of memory");
		else if (catalog_connect(c, &n->db, e) != 0) {
			free(n);
			r = -1;
		}
	}
	if (r != 0) {
		pthread_mutex_lock(&c->lock);
		c->open--;
		(void)pthread_cond_signal(&c->returned);
		pthread_mutex_unlock(&c->lock);
		return (-1);
	}
	*out = n;
	return (0);
}

void
conn_put(struct catalog *c, struct conn *n)
{
	if (n == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	n->next = c->idle;
	c->idle = n;
	(void)pthread_cond_signal(&c->returned);
	pthread_mutex_unlock(&c->lock);
}

int
conn_stmt(struct conn *n, enum stmt which, sqlite3_stmt **out, struct err *e)
{
	int rc;

	if (n->st[which] == NULL) {
		rc = sqlite3_prepare_v3(n->db, sql[which], -1,
		    SQLITE_PREPARE_PERSISTENT, &n->st[which], NULL);
		if (rc != SQLITE_OK)
			return (vfs_error(n->db, rc, e, "catalog"));
	}
	*out = n->st[which];
	return (0);
}

int
conn_step(struct conn *n, sqlite3_stmt *st, struct err *e)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return (1);
	if (rc == SQLITE_DONE)
		return (0);
	(void)vfs_error(n->db, rc, e, "catalog");
	(void)sqlite3_reset(st);
	return (-1);
}

uint64_t
col_u64(sqlite3_stmt *st, int col, uint64_t max, bool *bad)
{
	int64_t v = col_i64(st, col, bad);

	if (v < 0 || (uint64_t)v > max)
		*bad = true;
	return (*bad ? 0 : (uint64_t)v);
}

int64_t
col_i64(sqlite3_stmt *st, int col, bool *bad)
{
	if (sqlite3_column_type(st, col) != SQLITE_INTEGER) {
		*bad = true;
		return (0);
	}
	return (sqlite3_column_int64(st, col));
}

const void *
col_blob(sqlite3_stmt *st, int col, size_t max, size_t *len, bool *bad)
{
	const void *p;

	*len = 0;
	if (sqlite3_column_type(st, col) != SQLITE_BLOB) {
		*bad = true;
		return (NULL);
	}
	p = sqlite3_column_blob(st, col);
	*len = (size_t)sqlite3_column_bytes(st, col);
	if (*len > max || (p == NULL && *len > 0)) {
		*bad = true;
		*len = 0;
	}
	/* An empty blob is NULL in SQLite. */
	return (*len == 0 ? "" : p);
}

int
conn_each(struct catalog *c, enum stmt which, uint64_t after, conn_row_fn *fn,
    void *ctx, struct err *e)
{
	sqlite3_stmt *st;
	struct conn *n;
	int r;

	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = conn_stmt(n, which, &st, e);
	if (r == 0) {
		(void)sqlite3_bind_int64(st, 1, (int64_t)after);
		while ((r = conn_step(n, st, e)) == 1)
			if (!fn(ctx, st)) {
				r = catalog_corrupt(e, "a row that can't be");
				break;
			}
		(void)sqlite3_reset(st);
	}
	conn_put(c, n);
	return (r);
}

static void
col_value(struct bval *v, sqlite3_stmt *st, int col)
{
	memset(v, 0, sizeof(*v));
	switch (sqlite3_column_type(st, col)) {
	case SQLITE_INTEGER:
		v->type = BVAL_INT;
		v->i = sqlite3_column_int64(st, col);
		break;
	case SQLITE_BLOB:
		v->type = BVAL_BLOB;
		v->p = sqlite3_column_blob(st, col);
		v->len = (size_t)sqlite3_column_bytes(st, col);
		/* An empty blob is NULL in SQLite; so is one for which there
		 * was no memory. */
		if (v->p == NULL) {
			v->p = (const uint8_t *)"";
			v->len = 0;
		}
		break;
	case SQLITE_NULL:
		v->type = BVAL_NULL;
		break;
	default:
		v->type = BVAL_OTHER;
		break;
	}
}

void
col_values(struct bval *v, size_t n, sqlite3_stmt *st, int first)
{
	for (size_t i = 0; i < n; i++)
		col_value(&v[i], st, first + (int)i);
}

int
catalog_over(struct catalog **out, struct pages *pages, uint32_t domain,
    unsigned connections, struct err *e)
{
	struct catalog *c = calloc(1, sizeof(*c));
	struct conn *n;

	if (c == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	c->pages = pages;
	c->domain = domain;
	c->max = connections == 0 ? CONNECTIONS : connections;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->returned, NULL);
	/* The first connection shows whether these bytes are a catalog. */
	if (conn_get(c, &n, e) != 0) {
		catalog_close(c);
		return (-1);
	}
	conn_put(c, n);
	*out = c;
	return (0);
}

void
catalog_close(struct catalog *c)
{
	struct conn *n;

	if (c == NULL)
		return;
	while ((n = c->idle) != NULL) {
		c->idle = n->next;
		conn_fini(n);
		free(n);
	}
	(void)pthread_cond_destroy(&c->returned);
	(void)pthread_mutex_destroy(&c->lock);
	blocks_free(c->blocks);
	free(c);
}
