/*
 * Counting what snapshots take: each distinct page of their catalogs once, by
 * way of the proof that a check makes (index/prove.h); a catalog that can't be
 * proven is read row by row.  What is met again counts once, so it doesn't
 * matter how often that is.  A chunk is told by the first 8 bytes of its
 * id: among 10^9 chunks the chance that two share them is 3 %, and then one
 * chunk is missing in a sum.
 */
#include "tools/job/stats.h"

#include <sqlite3.h>
#include <string.h>

#include "index/prove.h"

#define CACHE_KIB	"32768"

struct stats {
	sqlite3 *db;
	sqlite3_stmt *chunk, *frame;
	struct stats_sum sum;
	struct prove *prove;
	/* While a catalog is added. */
	struct catalog *catalog;
	const struct events *ev;
	struct pack_id last_pack;
	uint32_t last_frame, last_number;
};

static int add_place(void *, const struct pack_info *,
    const struct frame_info *, const struct extent *, struct err *);
static int no_pack(void *, const struct pack_info *, struct err *);
static int going(void *, struct err *);

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
	prove_free(s->prove);
	(void)sqlite3_finalize(s->chunk);
	(void)sqlite3_finalize(s->frame);
	(void)sqlite3_close(s->db);
	free(s);
}

int
stats_new(struct stats **out, size_t budget_bytes, struct err *e)
{
	static const struct prove_ops ops = { .pack = no_pack,
	    .place = add_place, .going = going };
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
	if (prove_new(&s->prove, budget_bytes, &ops, s, e) < 0) {
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
add_chunk(struct stats *s, const struct chunk_id *id, uint64_t len,
    struct err *e)
{
	int r;

	(void)sqlite3_bind_int64(s->chunk, 1, first_bytes(id->b));
	if ((r = insert(s, s->chunk, e)) < 0)
		return (-1);
	if (r == 1) {
		s->sum.chunks++;
		s->sum.unique_bytes += len;
	}
	return (0);
}

static int
add_frame(struct stats *s, const struct pack_info *pack,
    const struct frame_info *frame, struct err *e)
{
	int r;

	if (frame->no == s->last_frame &&
	    id_equal(pack->id.b, s->last_pack.b))
		return (0);
	s->last_pack = pack->id;
	s->last_frame = frame->no;
	(void)sqlite3_bind_int64(s->frame, 1, first_bytes(pack->id.b));
	(void)sqlite3_bind_int64(s->frame, 2, frame->no);
	if ((r = insert(s, s->frame, e)) < 0)
		return (-1);
	if (r == 1) {
		s->sum.frames++;
		s->sum.compressed_bytes += frame->stored;
	}
	return (0);
}

/*
 * By pages.
 */
static int
going(void *ctx, struct err *e)
{
	struct stats *s = ctx;

	if (events_canceled(s->ev))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	return (0);
}

static int
no_pack(void *ctx, const struct pack_info *pack, struct err *e)
{
	return (0);
}

static int
add_place(void *ctx, const struct pack_info *pack,
    const struct frame_info *frame, const struct extent *x, struct err *e)
{
	struct stats *s = ctx;

	if (add_chunk(s, &x->id, x->len, e) < 0)
		return (-1);
	return (add_frame(s, pack, frame, e));
}

/*
 * By rows: "id, length, frame" of the view.
 */
static int
add_row(void *ctx, int columns, const char *const *names,
    const char *const *values, const size_t *lens, struct err *e)
{
	struct stats *s = ctx;
	struct frame_info frame;
	struct pack_info pack;
	struct chunk_id id = { { 0 } };
	uint32_t no;

	if (going(s, e) < 0)
		return (-1);
	if (values[0] == NULL || values[1] == NULL || values[2] == NULL ||
	    hex_parse(id.b, CHUNK_KEY_BYTES, values[0]) < 0)
		return (err_set(e, ERR_CORRUPT, "a chunk without id"));
	if (add_chunk(s, &id, strtoull(values[1], NULL, 10), e) < 0)
		return (-1);
	no = (uint32_t)strtoul(values[2], NULL, 10);
	if (no == s->last_number)
		return (0);
	s->last_number = no;
	if (catalog_frame(s->catalog, no, &pack, &frame, e) < 0)
		return (-1);
	return (add_frame(s, &pack, &frame, e));
}

/* Rows without a chunk, of which there may be many, aren't told. */
static bool
stop(void *ctx)
{
	const struct stats *s = ctx;

	return (events_canceled(s->ev));
}

int
stats_add(struct stats *s, struct catalog *catalog, struct catalog *before,
    const struct events *ev, struct err *e)
{
	int r;

	s->catalog = catalog;
	s->ev = ev;
	s->last_number = 0;
	r = prove_catalog(s->prove, catalog, before, e);
	if (r != PROVE_UNPROVEN)
		return (r);
	return (catalog_sql(catalog, "SELECT id, length, frame FROM chunks "
	    "WHERE id IS NOT NULL", add_row, stop, s, e) < 0 ? -1 :
	    STATS_ALONE);
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
	const struct events *ev;
};

static int
add_object(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct listing *l = ctx;

	if (events_canceled(l->ev))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	*l->kind += st->size_bytes;
	l->out->total += st->size_bytes;
	l->out->objects++;
	return (0);
}

int
stats_of_store(struct store *store, struct stats_store *out,
    const struct events *ev, struct err *e)
{
	const struct { const char *prefix; uint64_t *kind; } parts[] = {
		{ "packs", &out->packs }, { "index", &out->tables },
		{ "snapshots", &out->snapshots }, { "keys", &out->others },
		{ "pending", &out->others }, { "leases", &out->others },
		{ "condemned", &out->others }, { "forwards", &out->others },
		{ "forgotten", &out->others }, { "tags", &out->others },
		{ "damaged", &out->others }
	};
	struct listing l = { .out = out, .ev = ev };
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
