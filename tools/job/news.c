/*
 * What snapshots have that the one before hadn't.
 *
 * Both catalogs are proven: every name has its entry, every directory the place
 * that its row says.  An entry is the same in both, at the same path, if its
 * name's row, its own row, its segments, and the rows of the directories above
 * it are the same.  So what may differ is
 *
 *	a name whose row is new;
 *	all names of an entry whose row or segments are new: they are looked up
 *	    among the names that were met (those that are gone stay there, and
 *	    are told by asking the catalog);
 *	all below a directory that is elsewhere now.  Below one that is new all
 *	    names are.
 *
 * Invariant:
 *  1. While `known', the database has every name of the catalog taken in last
 *     that may be wanted.
 */
#include "tools/job/news.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "index/prove.h"

#define CACHE_KIB	"8192"
#define FAILURES	2	/* in a row: then nothing more is tried */
#define BUDGET_SHARES	8	/* one of them for what is new */
#define BUDGET_MAX	((size_t)2 << 30)	/* names by 32-bit offsets */

/* A row that is new.  NAME: of an entry; DIR: its own, with its name; ENTRY: an
 * entry whose names are to be found. */
enum what { NAME, DIR, ENTRY };
struct row {
	uint64_t ino, dir;
	uint32_t name;			/* offset in the texts */
	uint8_t len;
	uint8_t what;
	bool wanted;			/* of a DIR */
};
/* What may differ. */
struct item {
	uint64_t ino;
	size_t path;			/* offset in the paths */
	size_t len;
};

struct news {
	const struct news_ops *ops;
	void *ctx;
	size_t budget;			/* for rows, texts, items, paths */
	struct prove *prove;
	sqlite3 *db;
	sqlite3_stmt *insert, *select;
	bool known;			/* the last one was proven */
	unsigned failures;		/* in a row */

	/* The one at hand. */
	struct catalog *now, *was;
	bool first;			/* only names are gathered */
	bool full;			/* too much is new */
	uint64_t most;
	struct row *rows;		/* owned */
	size_t nrows, row_cap;
	struct buf texts;
	struct item *items;		/* owned */
	size_t nitems, item_cap;
	struct buf paths;
	uint64_t path_dir;		/* whose path is at hand; 0: none */
	struct buf path;
};

static int
failed(const struct news *s, struct err *e)
{
	return (err_set(e, ERR_SYS, "temporary database: %s", s->db != NULL ?
	    sqlite3_errmsg(s->db) : "out of memory"));
}

static bool
is_full(struct news *s)
{
	if (s->nrows * sizeof(*s->rows) + s->texts.len +
	    s->nitems * sizeof(*s->items) + s->paths.len > s->budget)
		s->full = true;
	return (s->full);
}

static int
grow(void **v, size_t n, size_t *cap, size_t each, struct err *e)
{
	size_t more = *cap == 0 ? 256 : *cap * 2;
	void *p;

	if (n < *cap)
		return (0);
	if ((p = reallocarray(*v, more, each)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	*v = p;
	*cap = more;
	return (0);
}

/*
 * While a catalog is proven.
 */
static int
add_row(struct news *s, const struct row *row, const char *name, size_t len,
    struct err *e)
{
	void *v = s->rows;

	if (s->first || is_full(s))
		return (0);
	if (grow(&v, s->nrows, &s->row_cap, sizeof(*s->rows), e) < 0)
		return (-1);
	s->rows = v;
	s->rows[s->nrows] = *row;
	s->rows[s->nrows].name = (uint32_t)s->texts.len;
	s->rows[s->nrows++].len = (uint8_t)len;
	buf_bytes(&s->texts, name, len);
	return (buf_ok(&s->texts, e));
}

static bool
wants_name(const struct news *s, const char *name, size_t len)
{
	char text[CATALOG_NAME_MAX + 1];

	memcpy(text, name, len);
	text[len] = '\0';
	return (s->ops->name(s->ctx, text));
}

static int
new_name(void *ctx, uint64_t dir, const char *name, size_t len, uint64_t ino,
    struct err *e)
{
	const struct row row = { .ino = ino, .dir = dir, .what = NAME };
	struct news *s = ctx;
	int r;

	if (!wants_name(s, name, len))
		return (0);
	(void)sqlite3_bind_int64(s->insert, 1, (sqlite3_int64)ino);
	(void)sqlite3_bind_int64(s->insert, 2, (sqlite3_int64)dir);
	(void)sqlite3_bind_blob(s->insert, 3, name, (int)len, SQLITE_STATIC);
	r = sqlite3_step(s->insert);
	(void)sqlite3_reset(s->insert);
	(void)sqlite3_clear_bindings(s->insert);
	if (r != SQLITE_DONE)
		return (failed(s, e));
	return (add_row(s, &row, name, len, e));
}

static int
new_node(void *ctx, const struct entry *en, const char *name, size_t len,
    struct err *e)
{
	struct row row = { .ino = en->ino, .dir = en->parent, .what = ENTRY };
	struct news *s = ctx;
	bool wanted = (en->flags & ENTRY_IMPLIED) == 0 &&
	    s->ops->entry(s->ctx, en);

	/* Nothing is above the root, and it has no name. */
	if (en->ino == CATALOG_ROOT_INO)
		return (0);
	if (en->kind != ENTRY_DIR)
		return (wanted ? add_row(s, &row, NULL, 0, e) : 0);
	row.what = DIR;
	row.wanted = wanted && wants_name(s, name, len);
	return (add_row(s, &row, name, len, e));
}

static int
new_content(void *ctx, uint64_t ino, struct err *e)
{
	const struct row row = { .ino = ino, .what = ENTRY };
	struct news *s = ctx;

	/* Segment after segment of one file. */
	if (s->nrows > 0 && s->rows[s->nrows - 1].what == ENTRY &&
	    s->rows[s->nrows - 1].ino == ino)
		return (0);
	return (add_row(s, &row, NULL, 0, e));
}

static int
any_pack(void *ctx, const struct pack_info *pack, struct err *e)
{
	return (0);
}

static int
any_place(void *ctx, const struct pack_info *pack,
    const struct frame_info *frame, const struct extent *x, struct err *e)
{
	return (0);
}

static int
going(void *ctx, struct err *e)
{
	struct news *s = ctx;

	return (s->ops->going(s->ctx, e));
}

/*
 * From rows to paths.
 */
static int
add_item(struct news *s, uint64_t ino, const char *name, size_t len,
    struct err *e)
{
	void *v = s->items;

	if (s->nitems >= s->most || is_full(s)) {
		s->full = true;
		return (0);
	}
	if (grow(&v, s->nitems, &s->item_cap, sizeof(*s->items), e) < 0)
		return (-1);
	s->items = v;
	s->items[s->nitems].ino = ino;
	s->items[s->nitems].path = s->paths.len;
	buf_bytes(&s->paths, s->path.data, s->path.len);
	if (s->path.len > 0)
		buf_u8(&s->paths, '/');
	buf_bytes(&s->paths, name, len);
	s->items[s->nitems].len = s->paths.len - s->items[s->nitems].path;
	s->nitems++;
	return (buf_ok(&s->paths, e));
}

static int
turn_to_dir(struct news *s, uint64_t dir, struct err *e)
{
	if (s->path_dir == dir)
		return (0);
	s->path_dir = 0;
	buf_reset(&s->path);
	if (catalog_dir_path(s->now, dir, &s->path, e) < 0)
		return (-1);
	s->path_dir = dir;
	return (0);
}

static int
add_name(struct news *s, const struct row *row, struct err *e)
{
	if (turn_to_dir(s, row->dir, e) < 0)
		return (-1);
	return (add_item(s, row->ino, (const char *)s->texts.data + row->name,
	    row->len, e));
}

/* One of what lies below a directory that is elsewhere. */
static int
below(void *ctx, const char *path, size_t len, const struct entry *en,
    struct err *e)
{
	struct news *s = ctx;
	const char *slash = memrchr(path, '/', len);
	const char *name = slash != NULL ? slash + 1 : path;

	if (going(s, e) < 0)
		return (-1);
	if ((en->flags & ENTRY_IMPLIED) != 0 || !s->ops->entry(s->ctx, en) ||
	    !wants_name(s, name, len - (size_t)(name - path)))
		return (0);
	if (add_item(s, en->ino, path, len, e) < 0)
		return (-1);
	return (s->full ? CATALOG_STOP : 0);
}

static int
add_dir(struct news *s, const struct row *row, struct err *e)
{
	const char *name = (const char *)s->texts.data + row->name;
	struct entry was;
	int r;

	if (row->wanted && add_name(s, row, e) < 0)
		return (-1);
	r = catalog_lookup(s->was, row->dir, name, row->len, &was, e);
	if (r == 0 && was.ino == row->ino && was.kind == ENTRY_DIR)
		return (0);
	if (r >= 0)
		r = catalog_get(s->was, row->ino, &was, e);
	if (r != 0 || was.kind != ENTRY_DIR)
		return (r < 0 ? -1 : 0);
	if (turn_to_dir(s, row->ino, e) < 0)
		return (-1);
	return (catalog_walk(s->now, row->ino, below, s, e) < 0 ? -1 : 0);
}

/* The names of an entry, of those that were met at any time. */
static int
add_names(struct news *s, uint64_t ino, struct err *e)
{
	struct entry en;
	const char *name;
	uint64_t dir;
	size_t len;
	int rc, r = 0;

	(void)sqlite3_bind_int64(s->select, 1, (sqlite3_int64)ino);
	while (r >= 0 && (rc = sqlite3_step(s->select)) == SQLITE_ROW) {
		dir = (uint64_t)sqlite3_column_int64(s->select, 0);
		name = sqlite3_column_blob(s->select, 1);
		len = (size_t)sqlite3_column_bytes(s->select, 1);
		r = name == NULL ? failed(s, e) :
		    catalog_lookup(s->now, dir, name, len, &en, e);
		if (r == 0 && en.ino == ino &&
		    (r = turn_to_dir(s, dir, e)) == 0)
			r = add_item(s, ino, name, len, e);
	}
	if (r >= 0 && rc != SQLITE_DONE)
		r = failed(s, e);
	(void)sqlite3_reset(s->select);
	return (r < 0 ? -1 : 0);
}

/* As a walk goes: names by their bytes, a directory before what is in it; so
 * the '/' counts as less than any byte of a name. */
static int
by_path(const void *va, const void *vb, void *ctx)
{
	const struct item *a = va, *b = vb;
	const struct news *s = ctx;
	const uint8_t *x = s->paths.data + a->path;
	const uint8_t *y = s->paths.data + b->path;
	size_t len = a->len < b->len ? a->len : b->len, i = 0;

	while (i < len && x[i] == y[i])
		i++;
	if (i == len)
		return (a->len < b->len ? -1 : a->len > b->len);
	if (x[i] == '/' || y[i] == '/')
		return (x[i] == '/' ? -1 : 1);
	return (x[i] < y[i] ? -1 : 1);
}

static int
find_items(struct news *s, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < s->nrows && r == 0 && !s->full; i++) {
		const struct row *row = &s->rows[i];

		if ((r = going(s, e)) < 0)
			break;
		if (row->what == NAME)
			r = add_name(s, row, e);
		else if (row->what == DIR)
			r = add_dir(s, row, e);
		else
			r = add_names(s, row->ino, e);
	}
	if (r == 0 && s->nitems > 1)
		qsort_r(s->items, s->nitems, sizeof(*s->items), by_path, s);
	return (r);
}

/*
 * The life of it.
 */
void
news_free(struct news *s)
{
	if (s == NULL)
		return;
	prove_free(s->prove);
	(void)sqlite3_finalize(s->insert);
	(void)sqlite3_finalize(s->select);
	(void)sqlite3_close(s->db);
	free(s->rows);
	free(s->items);
	buf_fini(&s->texts);
	buf_fini(&s->paths);
	buf_fini(&s->path);
	free(s);
}

int
news_new(struct news **out, size_t budget_bytes, const struct news_ops *ops,
    void *ctx, struct err *e)
{
	static const struct prove_news news = { new_name, new_node,
	    new_content };
	static const struct prove_ops prove = { .pack = any_pack,
	    .place = any_place, .going = going, .news = &news };
	struct news *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	s->ops = ops;
	s->ctx = ctx;
	s->budget = budget_bytes / BUDGET_SHARES;
	if (s->budget > BUDGET_MAX)
		s->budget = BUDGET_MAX;
	if (sqlite3_open("", &s->db) != SQLITE_OK ||
	    sqlite3_exec(s->db, "PRAGMA journal_mode = OFF;"
	    "PRAGMA cache_size = -" CACHE_KIB ";"
	    "CREATE TABLE name (ino INTEGER, dir INTEGER, name BLOB, "
	    "PRIMARY KEY (ino, dir, name)) WITHOUT ROWID;"
	    "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(s->db, "INSERT OR IGNORE INTO name "
	    "VALUES (?1, ?2, ?3)", -1, &s->insert, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(s->db, "SELECT dir, name FROM name "
	    "WHERE ino = ?1", -1, &s->select, NULL) != SQLITE_OK) {
		(void)failed(s, e);
		news_free(s);
		return (-1);
	}
	if (prove_new(&s->prove, budget_bytes - s->budget, &prove, s, e) < 0) {
		news_free(s);
		return (-1);
	}
	*out = s;
	return (0);
}

static int
begin(struct news *s, struct catalog *now, struct catalog *was, uint64_t most,
    struct err *e)
{
	if (was == NULL)
		s->failures = 0;
	s->known = s->known && was != NULL;
	s->now = now;
	s->was = was;
	s->first = !s->known;
	s->full = false;
	s->most = most;
	s->nrows = s->nitems = 0;
	s->path_dir = 0;
	buf_reset(&s->texts);
	buf_reset(&s->paths);
	if (s->known)
		return (0);
	/* Of another lineage, or of nobody knows what. */
	if (sqlite3_exec(s->db, "DELETE FROM name", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return (failed(s, e));
	return (0);
}

int
news_next(struct news *s, struct catalog *now, struct catalog *before,
    uint64_t most, struct err *e)
{
	int r;

	if ((r = begin(s, now, before, most, e)) == 0) {
		if (s->failures >= FAILURES)
			return (NEWS_WALK);
		r = prove_catalog(s->prove, now, s->known ? before : NULL, e);
	}
	s->known = r == 0;
	s->failures = r == 0 ? 0 : s->failures + 1;
	if (r == 0 && !s->first)
		r = find_items(s, e);
	if (r < 0 && e->code == ERR_CANCELED)
		return (-1);
	if (r < 0)
		err_init(e);
	return (r != 0 || s->first || s->full ? NEWS_WALK : 0);
}

int
news_each(struct news *s, struct catalog *now, catalog_walk_fn *fn, void *ctx,
    struct err *e)
{
	const char *last = NULL, *path;
	size_t last_len = 0;
	struct entry en;
	int r = 0;

	for (size_t i = 0; i < s->nitems && r == 0; i++) {
		path = (const char *)s->paths.data + s->items[i].path;
		if (last != NULL && last_len == s->items[i].len &&
		    memcmp(last, path, last_len) == 0)
			continue;
		last = path;
		last_len = s->items[i].len;
		r = catalog_get(now, s->items[i].ino, &en, e);
		if (r == CATALOG_ABSENT)
			return (err_set(e, ERR_CORRUPT,
			    "a name without an entry"));
		if (r == 0)
			r = fn(ctx, path, last_len, &en, e);
	}
	return (r);
}
