/*
 * One reading statement of a person's against the views.  An authorizer refuses
 * whatever is more than reading, at preparation.
 */
#include "index/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "index/views_int.h"

/* Between two questions whether to go on: a millisecond or so. */
#define STEPS	20000

struct asked {
	catalog_stop_fn *stop;
	void *ctx;
};

static int
progress(void *ctx)
{
	const struct asked *a = ctx;

	return (a->stop(a->ctx));
}

static int
authorize(void *ctx, int action, const char *a, const char *b, const char *c,
    const char *d)
{
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return (SQLITE_OK);
	case SQLITE_FUNCTION:
		return (b != NULL && strcmp(b, "load_extension") == 0 ?
		    SQLITE_DENY : SQLITE_OK);
	default:
		return (SQLITE_DENY);
	}
}

/* What the person wrote is wrong, or the catalog is. */
static int
statement_error(sqlite3 *db, int rc, struct err *e)
{
	switch (rc & 0xff) {
	case SQLITE_IOERR:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_NOMEM:
	case SQLITE_FULL:
	case SQLITE_INTERRUPT:
		return (vfs_error(db, rc, e, "catalog"));
	default:
		return (err_set(e, ERR_USAGE, "%s", sqlite3_errmsg(db)));
	}
}

static int
prepare(sqlite3 *db, const char *text, sqlite3_stmt **out, struct err *e)
{
	sqlite3_stmt *more = NULL;
	const char *tail;
	int rc;

	rc = sqlite3_prepare_v2(db, text, -1, out, &tail);
	if (rc != SQLITE_OK)
		return (statement_error(db, rc, e));
	if (*out == NULL)
		return (err_set(e, ERR_USAGE, "no statement"));
	/* Blanks and comments may follow. */
	while (*tail != '\0') {
		rc = sqlite3_prepare_v2(db, tail, -1, &more, &tail);
		if (rc != SQLITE_OK || more != NULL) {
			(void)sqlite3_finalize(more);
			return (err_set(e, ERR_USAGE,
			    "more than one statement"));
		}
	}
	if (!sqlite3_stmt_readonly(*out) || sqlite3_column_count(*out) == 0)
		return (err_set(e, ERR_USAGE, "not a reading statement"));
	return (0);
}

static int
rows(sqlite3 *db, sqlite3_stmt *st, catalog_sql_fn *fn, void *ctx,
    struct err *e)
{
	int n = sqlite3_column_count(st), rc, r = 0;
	const char **names, **values;
	size_t *lens;

	names = calloc((size_t)n, sizeof(*names));
	values = calloc((size_t)n, sizeof(*values));
	lens = calloc((size_t)n, sizeof(*lens));
	if (names == NULL || values == NULL || lens == NULL) {
		r = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	for (int i = 0; i < n; i++)
		names[i] = sqlite3_column_name(st, i);
	while (r == 0 && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		if (rc != SQLITE_ROW) {
			r = statement_error(db, rc, e);
			break;
		}
		for (int i = 0; i < n; i++) {
			values[i] = (const char *)sqlite3_column_text(st, i);
			lens[i] = (size_t)sqlite3_column_bytes(st, i);
		}
		r = fn(ctx, n, names, values, lens, e);
	}
out:
	free(names);
	free(values);
	free(lens);
	return (r);
}

int
catalog_sql(struct catalog *c, const char *text, catalog_sql_fn *fn,
    catalog_stop_fn *stop, void *ctx, struct err *e)
{
	struct views *v = calloc(1, sizeof(*v));
	struct asked asked = { stop, ctx };
	sqlite3_stmt *st = NULL;
	int r = -1;

	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (catalog_connect(c, &v->conn.db, e) != 0 || views_create(v, e) != 0)
		goto out;
	(void)sqlite3_set_authorizer(v->conn.db, authorize, NULL);
	if (stop != NULL)
		sqlite3_progress_handler(v->conn.db, STEPS, progress, &asked);
	if (prepare(v->conn.db, text, &st, e) == 0)
		r = rows(v->conn.db, st, fn, ctx, e);
	(void)sqlite3_finalize(st);
out:
	conn_fini(&v->conn);
	buf_fini(&v->memo);
	free(v);
	return (r);
}
