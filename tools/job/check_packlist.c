/*
 * The list of packs: a temporary SQLite database, which spills to disk, so that
 * a repository of millions of packs is checked in the memory of a small one.
 */
#include <sqlite3.h>
#include <string.h>

#include "tools/job/check_impl.h"

#define ROWS	64

struct packlist {
	sqlite3 *db;
	sqlite3_stmt *find, *save, *next, *oldest, *verified;
};

static int
failed(const struct packlist *p, struct err *e)
{
	return (err_set(e, ERR_SYS, "list of packs: %s", p->db != NULL ?
	    sqlite3_errmsg(p->db) : "out of memory"));
}

void
packlist_close(struct packlist *p)
{
	if (p == NULL)
		return;
	(void)sqlite3_finalize(p->find);
	(void)sqlite3_finalize(p->save);
	(void)sqlite3_finalize(p->next);
	(void)sqlite3_finalize(p->oldest);
	(void)sqlite3_finalize(p->verified);
	(void)sqlite3_close(p->db);
	free(p);
}

static int
create(struct packlist *p, struct err *e)
{
	if (sqlite3_open("", &p->db) != SQLITE_OK ||
	    sqlite3_exec(p->db, "PRAGMA journal_mode = OFF;"
	    "PRAGMA cache_size = -8192;"
	    "CREATE TABLE pack (id BLOB PRIMARY KEY, size INTEGER NOT NULL,"
	    " present INTEGER NOT NULL, flags INTEGER NOT NULL,"
	    " kind INTEGER NOT NULL, record BLOB NOT NULL,"
	    " verified INTEGER NOT NULL, entries INTEGER NOT NULL,"
	    " balance INTEGER NOT NULL) WITHOUT ROWID;"
	    "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(p->db,
	    "SELECT * FROM pack WHERE id = ?1", -1, &p->find,
	    NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(p->db, "INSERT OR REPLACE INTO pack VALUES "
	    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", -1, &p->save,
	    NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(p->db, "SELECT * FROM pack WHERE id > ?1 AND "
	    "present ORDER BY id LIMIT ?2", -1, &p->next, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(p->db, "SELECT * FROM pack WHERE present "
	    "ORDER BY verified, size DESC, id", -1, &p->oldest, NULL) !=
	    SQLITE_OK ||
	    sqlite3_prepare_v2(p->db, "UPDATE pack SET verified = ?2 "
	    "WHERE id = ?1", -1, &p->verified, NULL) != SQLITE_OK)
		return (failed(p, e));
	return (0);
}

static void
row_of(sqlite3_stmt *st, struct pack_row *row)
{
	memset(row, 0, sizeof(*row));
	memcpy(row->id.b, sqlite3_column_blob(st, 0), ID_BYTES);
	row->size_bytes = (uint64_t)sqlite3_column_int64(st, 1);
	row->present = sqlite3_column_int(st, 2) != 0;
	row->flags = (unsigned)sqlite3_column_int(st, 3);
	row->kind = (uint8_t)sqlite3_column_int(st, 4);
	memcpy(row->record, sqlite3_column_blob(st, 5), HASH_BYTES);
	row->verified = (uint64_t)sqlite3_column_int64(st, 6);
	row->entries = (uint64_t)sqlite3_column_int64(st, 7);
	row->balance = (uint64_t)sqlite3_column_int64(st, 8);
}

int
packlist_save(struct packlist *p, const struct pack_row *row, struct err *e)
{
	int r;

	(void)sqlite3_bind_blob(p->save, 1, row->id.b, ID_BYTES,
	    SQLITE_STATIC);
	(void)sqlite3_bind_int64(p->save, 2, (sqlite3_int64)row->size_bytes);
	(void)sqlite3_bind_int(p->save, 3, row->present);
	(void)sqlite3_bind_int(p->save, 4, (int)row->flags);
	(void)sqlite3_bind_int(p->save, 5, row->kind);
	(void)sqlite3_bind_blob(p->save, 6, row->record, HASH_BYTES,
	    SQLITE_STATIC);
	(void)sqlite3_bind_int64(p->save, 7, (sqlite3_int64)row->verified);
	(void)sqlite3_bind_int64(p->save, 8, (sqlite3_int64)row->entries);
	(void)sqlite3_bind_int64(p->save, 9, (sqlite3_int64)row->balance);
	r = sqlite3_step(p->save);
	(void)sqlite3_reset(p->save);
	return (r == SQLITE_DONE ? 0 : failed(p, e));
}

int
packlist_find(struct packlist *p, const struct pack_id *id,
    struct pack_row *row, struct err *e)
{
	int r, got = 0;

	(void)sqlite3_bind_blob(p->find, 1, id->b, ID_BYTES, SQLITE_STATIC);
	r = sqlite3_step(p->find);
	if (r == SQLITE_ROW)
		row_of(p->find, row);
	else
		got = r == SQLITE_DONE ? PACKLIST_NONE : failed(p, e);
	(void)sqlite3_reset(p->find);
	return (got);
}

/* Up to ROWS rows of present packs after one (NULL: from the first). */
static int
next_rows(struct packlist *p, const struct pack_id *after,
    struct pack_row rows[ROWS], size_t *n, struct err *e)
{
	int r;

	*n = 0;
	(void)sqlite3_bind_blob(p->next, 1, after != NULL ? after->b :
	    (const uint8_t *)"", after != NULL ? ID_BYTES : 0, SQLITE_STATIC);
	(void)sqlite3_bind_int64(p->next, 2, ROWS);
	while ((r = sqlite3_step(p->next)) == SQLITE_ROW)
		row_of(p->next, &rows[(*n)++]);
	(void)sqlite3_reset(p->next);
	return (r == SQLITE_DONE ? 0 : failed(p, e));
}

int
packlist_each(struct packlist *p, packlist_fn *fn, void *ctx, struct err *e)
{
	struct pack_row rows[ROWS];
	struct pack_id last;
	size_t n = ROWS;
	int r = 0;

	for (bool begun = false; r == 0 && n == ROWS; begun = true) {
		r = next_rows(p, begun ? &last : NULL, rows, &n, e);
		for (size_t i = 0; r == 0 && i < n; i++) {
			last = rows[i].id;
			r = fn(ctx, &rows[i], e);
		}
	}
	return (r);
}

int
packlist_oldest(struct packlist *p, struct err *e)
{
	/* The rows are sorted at the first step, aside: updates don't reach
	 * them. */
	return (sqlite3_reset(p->oldest) == SQLITE_OK ? 0 : failed(p, e));
}

int
packlist_oldest_next(struct packlist *p, struct pack_row *row, struct err *e)
{
	int r = sqlite3_step(p->oldest);

	if (r == SQLITE_ROW) {
		row_of(p->oldest, row);
		return (0);
	}
	(void)sqlite3_reset(p->oldest);
	return (r == SQLITE_DONE ? PACKLIST_NONE : failed(p, e));
}

int
packlist_verified(struct packlist *p, const struct pack_id *id,
    uint64_t when, struct err *e)
{
	int r;

	(void)sqlite3_bind_blob(p->verified, 1, id->b, ID_BYTES,
	    SQLITE_STATIC);
	(void)sqlite3_bind_int64(p->verified, 2, (sqlite3_int64)when);
	r = sqlite3_step(p->verified);
	(void)sqlite3_reset(p->verified);
	return (r == SQLITE_DONE ? 0 : failed(p, e));
}

/* "packs/xx/ID": 0 and the id, or -1. */
static int
parse_name(const char *name, struct pack_id *id)
{
	if (strncmp(name, "packs/", 6) != 0 || strlen(name) != 9 + ID_HEX - 1 ||
	    name[8] != '/' || memcmp(name + 6, name + 9, 2) != 0)
		return (-1);
	return (hex_parse(id->b, ID_BYTES, name + 9));
}

struct listing {
	struct check *c;
	struct packlist *p;
};

static int
add(void *ctx, const char *name, const struct store_stat *st, struct err *e)
{
	struct listing *l = ctx;
	struct pack_row row;

	memset(&row, 0, sizeof(row));
	if (parse_name(name, &row.id) < 0) {
		check_warning(l->c, "%s is no name of a pack", name);
		return (0);
	}
	if (st->odd) {
		check_damage(l->c, NULL, "%s: not a regular file", name);
		return (0);
	}
	row.size_bytes = st->size_bytes;
	row.present = true;
	row.verified = verified_when(&l->c->verified, &row.id);
	l->c->res.packs++;
	l->c->bytes_total += st->size_bytes;
	return (packlist_save(l->p, &row, e));
}

int
packlist_open(struct packlist **out, struct check *c, struct err *e)
{
	struct listing l = { c, calloc(1, sizeof(*l.p)) };

	if (l.p == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (create(l.p, e) < 0 ||
	    store_list(repo_store(c->repo), "packs", add, &l, e) < 0) {
		packlist_close(l.p);
		return (-1);
	}
	*out = l.p;
	return (0);
}

void
record_digest(uint8_t out[HASH_BYTES], const struct pack_info *info)
{
	struct buf b = BUF_INIT;

	pack_info_emit(&b, info);
	if (b.failed)
		memset(out, 0, HASH_BYTES);
	else
		hash_bytes(out, b.data, b.len);
	buf_fini(&b);
}
