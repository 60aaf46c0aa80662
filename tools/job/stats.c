/*
 * Counting what snapshots take.  A chunk is told by the first 8 bytes of its
 * id: among 10^9 chunks the chance that two share them is 3 %, and then one
 * chunk is missing in a sum.
 */
#include "tools/job/stats.h"

#include <sqlite3.h>
#include <string.h>

#define CACHE_KIB	"32768"

struct stats {
	sqlite3 *db;
	sqlite3_stmt *chunk, *frame;
	struct stats_sum sum;
	/* While a catalog is added. */
	struct catalog *catalog;
	const struct events *ev;
	uint32_t last_frame;
};

static int
failed(const struct stats *s, struct err *e)
{
	return (err_set(e, ERR_SYS, "temporary database: %s", s->db != NULL ?
	    sqlite3_errmsg(s->db) : "out of memory"));
}

void
stats_free(struct stats *s)
{
	if (s == NULL)
		return;
	(void)sqlite3_finalize(s->chunk);
	(void)sqlite3_finalize(s->frame);
	(void)sqlite3_close(s->db);
	free(s);
}

int
stats_new(struct stats **out, struct err *e)
{
	struct stats *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (sqlite3_open("", &s->db) != SQLITE_OK ||
	    sqlite3_exec(s->db, "PRAGMA journal_mode = OFF;"
	    "PRAGMA cache_size = -" CACHE_KIB ";"
	    "CREATE TABLE chunk (id INTEGER PRIMARY KEY);"
	    "CREATE TABLE frame (pack INTEGER, no INTEGER, "
	    "PRIMARY KEY (pack, no)) WITHOUT ROWID;"
	    "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(s->db, "INSERT OR IGNORE INTO chunk "
	    "VALUES (?1)", -1, &s->chunk, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(s->db, "INSERT OR IGNORE INTO frame "
	    "VALUES (?1, ?2)", -1, &s->frame, NULL) != SQLITE_OK) {
		(void)failed(s, e);
		stats_free(s);
		return (-1);
	}
	*out = s;
	return (0);
}

/* 1 when the row is new, 0 when it was there. */
static int
insert(struct stats *s, sqlite3_stmt *st, struct err *e)
{
	int r = sqlite3_step(st);

	(void)sqlite3_reset(st);
	if (r != SQLITE_DONE)
		return (failed(s, e));
	return (sqlite3_changes(s->db) > 0);
}

static sqlite3_int64
first_bytes(const uint8_t *id)
{
	sqlite3_int64 v;

	memcpy(&v, id, sizeof(v));
	return (v);
}

static int
add_frame(struct stats *s, uint32_t no, struct err *e)
{
	struct pack_info pack;
	struct frame_info frame;
	int r;

	if (catalog_frame(s->catalog, no, &pack, &frame, e) < 0)
		return (-1);
	(void)sqlite3_bind_int64(s->frame, 1, first_bytes(pack.id.b));
	(void)sqlite3_bind_int64(s->frame, 2, frame.no);
	if ((r = insert(s, s->frame, e)) < 0)
		return (-1);
	if (r == 1) {
		s->sum.frames++;
		s->sum.compressed_bytes += frame.stored;
	}
	return (0);
}

/* "id, length, frame" of the view. */
static int
add_chunk(void *ctx, int columns, const char *const *names,
    const char *const *values, const size_t *lens, struct err *e)
{
	struct stats *s = ctx;
	uint8_t id[ID_BYTES];
	uint32_t frame;
	int r;

	if (events_canceled(s->ev))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	if (values[0] == NULL || values[1] == NULL || values[2] == NULL ||
	    hex_parse(id, ID_BYTES, values[0]) < 0)
		return (err_set(e, ERR_CORRUPT, "a chunk without id"));
	(void)sqlite3_bind_int64(s->chunk, 1, first_bytes(id));
	if ((r = insert(s, s->chunk, e)) < 0)
		return (-1);
	if (r == 1) {
		s->sum.chunks++;
		s->sum.unique_bytes += strtoull(values[1], NULL, 10);
	}
	frame = (uint32_t)strtoul(values[2], NULL, 10);
	if (frame == s->last_frame)
		return (0);
	s->last_frame = frame;
	return (add_frame(s, frame, e));
}

int
stats_add(struct stats *s, struct catalog *catalog, const struct events *ev,
    struct err *e)
{
	s->catalog = catalog;
	s->ev = ev;
	s->last_frame = 0;
	return (catalog_sql(catalog, "SELECT id, length, frame FROM chunks "
	    "WHERE id IS NOT NULL", add_chunk, s, e) < 0 ? -1 : 0);
}

void
stats_get(const struct stats *s, struct stats_sum *out)
{
	*out = s->sum;
}

/*
 * The store.
 */
struct listing {
	struct stats_store *out;
	uint64_t *kind;
};

static int
add_object(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct listing *l = ctx;

	*l->kind += st->size_bytes;
	l->out->total += st->size_bytes;
	l->out->objects++;
	return (0);
}

int
stats_of_store(struct store *store, struct stats_store *out, struct err *e)
{
	const struct { const char *prefix; uint64_t *kind; } parts[] = {
		{ "packs", &out->packs }, { "index", &out->tables },
		{ "snapshots", &out->snapshots }, { "keys", &out->others },
		{ "pending", &out->others }, { "leases", &out->others },
		{ "condemned", &out->others }, { "forwards", &out->others },
		{ "forgotten", &out->others }, { "tags", &out->others },
		{ "damaged", &out->others }
	};
	struct listing l = { .out = out };
	struct store_stat st;
	int r;

	memset(out, 0, sizeof(*out));
	if ((r = store_stat(store, "vitrine", &st, e)) < 0)
		return (-1);
	l.kind = &out->others;
	if (r == 0 && add_object(&l, "vitrine", &st, e) < 0)
		return (-1);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		l.kind = parts[i].kind;
		if (store_list(store, parts[i].prefix, add_object, &l, e) < 0)
			return (-1);
	}
	return (0);
}
