/*
 * The tree of a bucket's listing, in a temporary SQLite database.
 *
 * Listings come mostly sorted, so the directories that led to the last object
 * are kept (`last', `step'), and for the next only those are looked up that it
 * does not share.
 */
#include "tools/job/bucket_table.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/buf.h"
#include "tools/job/bucket_place.h"

struct step {
	size_t end;			/* of its name, in the path */
	uint64_t dir;
};

struct bucket_table {
	pthread_mutex_t lock;		/* of all below */
	sqlite3 *db;
	sqlite3_stmt *add, *replace, *get, *names;
	uint64_t next_dir;
	struct buf last;		/* the path of the last object */
	struct step *step;		/* owned: its directories */
	size_t steps, cap;
};

#define COLUMNS	"child, object, size, mtime, ns, etag, class"

static const struct {
	const char *sql;
	size_t off;
} statements[] = {
	{ "INSERT OR IGNORE INTO entry VALUES "
	    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	    offsetof(struct bucket_table, add) },
	{ "INSERT OR REPLACE INTO entry VALUES "
	    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	    offsetof(struct bucket_table, replace) },
	{ "SELECT " COLUMNS " FROM entry WHERE dir = ?1 AND name = ?2",
	    offsetof(struct bucket_table, get) },
	{ "SELECT name, child FROM entry WHERE dir = ?1 AND name > ?2 "
	    "ORDER BY name", offsetof(struct bucket_table, names) }
};

static sqlite3_stmt **
slot(struct bucket_table *t, size_t i)
{
	return ((sqlite3_stmt **)(void *)((char *)t + statements[i].off));
}

static int
failed(const struct bucket_table *t, struct err *e)
{
	return (err_set(e, ERR_SYS, "the table of the listing: %s",
	    t->db != NULL ? sqlite3_errmsg(t->db) : "out of memory"));
}

void
bucket_table_free(struct bucket_table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
		(void)sqlite3_finalize(*slot(t, i));
	(void)sqlite3_close(t->db);
	buf_fini(&t->last);
	free(t->step);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

int
bucket_table_new(struct bucket_table **out, size_t cache_bytes, struct err *e)
{
	struct bucket_table *t = calloc(1, sizeof(*t));
	char sql[512];
	int rc;

	if (t == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	(void)pthread_mutex_init(&t->lock, NULL);
	t->next_dir = TABLE_ROOT + 1;
	(void)snprintf(sql, sizeof(sql), "PRAGMA journal_mode = OFF;"
	    "PRAGMA cache_size = -%zu;"
	    "CREATE TABLE entry (dir INTEGER NOT NULL, name BLOB NOT NULL, "
	    "child INTEGER NOT NULL, object INTEGER NOT NULL, "
	    "size INTEGER, mtime INTEGER, ns INTEGER, etag TEXT, class TEXT, "
	    "PRIMARY KEY (dir, name)) WITHOUT ROWID; BEGIN",
	    cache_bytes >> 10);
	/* The empty name: a temporary file, deleted when closed. */
	rc = sqlite3_open("", &t->db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(t->db, sql, NULL, NULL, NULL);
	for (size_t i = 0; rc == SQLITE_OK &&
	    i < sizeof(statements) / sizeof(statements[0]); i++)
		rc = sqlite3_prepare_v2(t->db, statements[i].sql, -1,
		    slot(t, i), NULL);
	if (rc != SQLITE_OK) {
		(void)failed(t, e);
		bucket_table_free(t);
		return (-1);
	}
	*out = t;
	return (0);
}

/* Run `st' (add or replace) with this row. */
static int
put_row(struct bucket_table *t, sqlite3_stmt *st, uint64_t dir,
    const char *name, size_t len, const struct listed *l, struct err *e)
{
	int rc;

	(void)sqlite3_bind_int64(st, 1, (sqlite3_int64)dir);
	(void)sqlite3_bind_blob64(st, 2, name, len, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 3, (sqlite3_int64)l->dir);
	(void)sqlite3_bind_int(st, 4, l->has_object);
	(void)sqlite3_bind_int64(st, 5, (sqlite3_int64)l->size);
	(void)sqlite3_bind_int64(st, 6, l->mtime.s);
	(void)sqlite3_bind_int64(st, 7, l->mtime.ns);
	(void)sqlite3_bind_text(st, 8, l->etag, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 9, l->class, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	(void)sqlite3_reset(st);
	return (rc == SQLITE_DONE ? 0 : failed(t, e));
}

static void
copy_text(char *dst, size_t size, sqlite3_stmt *st, int column)
{
	const unsigned char *text = sqlite3_column_text(st, column);

	(void)snprintf(dst, size, "%s", text != NULL ? (const char *)text : "");
}

static int
get_row(struct bucket_table *t, uint64_t dir, const char *name, size_t len,
    struct listed *l, struct err *e)
{
	sqlite3_stmt *st = t->get;
	int rc;

	(void)sqlite3_bind_int64(st, 1, (sqlite3_int64)dir);
	(void)sqlite3_bind_blob64(st, 2, name, len, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		l->dir = (uint64_t)sqlite3_column_int64(st, 0);
		l->has_object = sqlite3_column_int(st, 1) != 0;
		l->size = (uint64_t)sqlite3_column_int64(st, 2);
		l->mtime.s = sqlite3_column_int64(st, 3);
		l->mtime.ns = (uint32_t)sqlite3_column_int64(st, 4);
		copy_text(l->etag, sizeof(l->etag), st, 5);
		copy_text(l->class, sizeof(l->class), st, 6);
	}
	(void)sqlite3_reset(st);
	if (rc == SQLITE_ROW)
		return (0);
	return (rc == SQLITE_DONE ? TABLE_ABSENT : failed(t, e));
}

/* The directory of that name, made if it isn't there. */
static int
make_dir(struct bucket_table *t, uint64_t dir, const char *name, size_t len,
    uint64_t *out, struct err *e)
{
	static const struct listed none;
	struct listed l = none, object;
	int rc = get_row(t, dir, name, len, &l, e);

	if (rc < 0)
		return (-1);
	if (rc == 0 && l.dir > 0) {
		*out = l.dir;
		return (0);
	}
	object = l;
	l = none;
	l.dir = t->next_dir++;
	if (put_row(t, t->replace, dir, name, len, &l, e) != 0)
		return (-1);
	*out = l.dir;
	if (rc == TABLE_ABSENT)
		return (0);
	/* An object had this name. */
	return (put_row(t, t->replace, l.dir, PLACE_SELF, strlen(PLACE_SELF),
	    &object, e));
}

static int
push(struct bucket_table *t, size_t end, uint64_t dir, struct err *e)
{
	if (t->steps == t->cap) {
		size_t cap = t->cap == 0 ? 16 : t->cap * 2;
		struct step *v = reallocarray(t->step, cap, sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		t->step = v;
		t->cap = cap;
	}
	t->step[t->steps].end = end;
	t->step[t->steps++].dir = dir;
	return (0);
}

/* The directory of the first len bytes of a path that has `whole'; 0 of them:
 * the root. */
static int
make_dirs(struct bucket_table *t, const char *path, size_t len, uint64_t *dir,
    struct err *e)
{
	size_t at = 0, same = 0;
	const char *slash;

	while (same < len && same < t->last.len &&
	    path[same] == (char)t->last.data[same])
		same++;
	/* Those that end where the paths are still the same. */
	while (t->steps > 0 && (t->step[t->steps - 1].end > same ||
	    (t->step[t->steps - 1].end < len &&
	    path[t->step[t->steps - 1].end] != '/')))
		t->steps--;
	*dir = TABLE_ROOT;
	if (t->steps > 0) {
		*dir = t->step[t->steps - 1].dir;
		at = t->step[t->steps - 1].end + 1;
	}
	while (at < len) {
		slash = memchr(path + at, '/', len - at);
		same = slash != NULL ? (size_t)(slash - path) : len;
		if (make_dir(t, *dir, path + at, same - at, dir, e) != 0 ||
		    push(t, same, *dir, e) != 0)
			return (-1);
		at = same + 1;
	}
	buf_reset(&t->last);
	buf_bytes(&t->last, path, len);
	return (buf_ok(&t->last, e));
}

static int
add(struct bucket_table *t, const char *path, size_t len, bool marker,
    const struct listed *object, struct err *e)
{
	const char *slash = memrchr(path, '/', len);
	size_t dir_len = slash != NULL ? (size_t)(slash - path) : 0;
	const char *name = slash != NULL ? slash + 1 : path;
	size_t n = len - (size_t)(name - path);
	struct listed l, old;
	uint64_t dir, own;
	int rc;

	if (make_dirs(t, path, dir_len, &dir, e) != 0)
		return (-1);
	l = *object;
	l.has_object = true;
	l.dir = 0;
	if (marker) {
		if (make_dir(t, dir, name, n, &own, e) != 0)
			return (-1);
		l.dir = own;
		return (put_row(t, t->replace, dir, name, n, &l, e));
	}
	if (put_row(t, t->add, dir, name, n, &l, e) != 0)
		return (-1);
	if (sqlite3_changes(t->db) > 0)
		return (0);
	rc = get_row(t, dir, name, n, &old, e);
	if (rc != 0)
		return (rc < 0 ? -1 : failed(t, e));
	/* A directory has this name, or it was listed twice. */
	if (old.dir > 0)
		return (put_row(t, t->replace, old.dir, PLACE_SELF,
		    strlen(PLACE_SELF), &l, e));
	return (put_row(t, t->replace, dir, name, n, &l, e));
}

int
bucket_table_add(struct bucket_table *t, const char *path, size_t len,
    bool marker, const struct listed *object, struct err *e)
{
	int rc;

	(void)pthread_mutex_lock(&t->lock);
	rc = add(t, path, len, marker, object, e);
	(void)pthread_mutex_unlock(&t->lock);
	return (rc);
}

int
bucket_table_dir(struct bucket_table *t, const char *path, size_t len,
    struct err *e)
{
	uint64_t dir;
	int rc;

	(void)pthread_mutex_lock(&t->lock);
	rc = make_dirs(t, path, len, &dir, e);
	(void)pthread_mutex_unlock(&t->lock);
	return (rc);
}

int
bucket_table_get(struct bucket_table *t, uint64_t dir, const char *name,
    size_t len, struct listed *l, struct err *e)
{
	int rc;

	(void)pthread_mutex_lock(&t->lock);
	rc = get_row(t, dir, name, len, l, e);
	(void)pthread_mutex_unlock(&t->lock);
	return (rc);
}

int
bucket_table_names(struct bucket_table *t, uint64_t dir, const char *after,
    bucket_table_fn *fn, void *ctx, struct err *e)
{
	sqlite3_stmt *st = t->names;
	int rc, stop = 0;

	if (after == NULL)
		after = "";
	(void)pthread_mutex_lock(&t->lock);
	(void)sqlite3_bind_int64(st, 1, (sqlite3_int64)dir);
	(void)sqlite3_bind_blob64(st, 2, after, strlen(after), SQLITE_STATIC);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && stop == 0)
		stop = fn(ctx, sqlite3_column_blob(st, 0),
		    (size_t)sqlite3_column_bytes(st, 0),
		    sqlite3_column_int64(st, 1) > 0);
	(void)sqlite3_reset(st);
	rc = stop > 0 || rc == SQLITE_DONE ? 0 : failed(t, e);
	(void)pthread_mutex_unlock(&t->lock);
	return (rc);
}
