/*
 * Snapshots: each catalog is whole in itself, every pack that it names is there
 * with the size and record that it gives, every chunk's place holds that chunk.
 * That is proven page by page, of each snapshot what its predecessor hadn't
 * (index/prove.h).  What can't be proven is gone through row by row, which
 * tells what is wrong and where.
 */
#include <stdlib.h>
#include <string.h>

#include "index/prove.h"
#include "tools/job/check_impl.h"

#define BATCH	128
#define CATALOG_CACHE_MAX	(8U << 20)
#define FAULTS_SAID	100	/* places that don't hold, a snapshot */
#define RECENT		4096	/* packs whose rows need no second look */

struct one {
	struct check *c;
	char id[ID_HEX];
	struct catalog *catalog;
	uint64_t wrong;			/* places */
	uint8_t (*recent)[HASH_BYTES];	/* records of packs; NULL: none */
	struct buf path;		/* of the file, with a NUL */
	bool named;			/* paths were, that can't be read */
	/* The frame that was looked at last. */
	bool have_frame;
	uint32_t frame;
	struct pack_info pack;
	struct frame_info info;
	struct place place;
};

void
check_close(struct check_open *o)
{
	catalog_close(o->catalog);
	manifest_fini(&o->manifest);
	memset(o, 0, sizeof(*o));
}

int
check_open(struct check *c, const struct snapshot *s, struct check_open *o,
    struct err *e)
{
	struct catalog_env env = { .connections = 2, .use_cache = false };
	int r;

	memset(o, 0, sizeof(*o));
	env.cache_bytes = check_share(c, 12, CATALOG_CACHE_MAX);
	r = repo_manifest(c->repo, &s->id, &o->manifest, e);
	if (r > 0)
		return (r);
	if (r < 0)
		return (-1);
	if (catalog_open(&o->catalog, c->fetch, c->repo, &o->manifest, &env,
	    e) < 0) {
		check_close(o);
		return (-1);
	}
	return (0);
}

static void
fault(void *ctx, const char *path, const char *text)
{
	struct one *o = ctx;

	o->named = o->named || *path != '\0';
	check_damage(o->c, *path != '\0' ? path : NULL, "snapshot %s: %s",
	    o->id, text);
}

/* Was this very record the last one met of its place in the table?  Notes it:
 * snapshot after snapshot names the same packs. */
static bool
is_recent(struct one *o, const struct pack_id *id,
    const uint8_t digest[HASH_BYTES])
{
	uint32_t at;

	if (o->recent == NULL)
		return (false);
	memcpy(&at, id->b, sizeof(at));
	at %= RECENT;
	if (memcmp(o->recent[at], digest, HASH_BYTES) == 0)
		return (true);
	memcpy(o->recent[at], digest, HASH_BYTES);
	return (false);
}

static int
pack_needed(void *ctx, const struct pack_info *info, struct err *e)
{
	struct one *o = ctx;
	struct check *c = o->c;
	struct pack_row row;
	uint8_t digest[HASH_BYTES];
	char hex[ID_HEX];
	int r;

	if (check_going(c, e) < 0)
		return (-1);
	record_digest(digest, info);
	if (is_recent(o, &info->id, digest))
		return (0);
	if ((r = packlist_find(c->packs, &info->id, &row, e)) < 0)
		return (-1);
	if (r == PACKLIST_NONE) {
		memset(&row, 0, sizeof(row));
		row.id = info->id;
	}
	(void)check_id(hex, info->id.b);
	/* What a data pack held may have been moved: that shows chunk by
	 * chunk. */
	if (!row.present && info->kind == OBJECT_PACK_META &&
	    (row.flags & PACK_SAID) == 0) {
		check_damage(c, NULL, "pack %s (metadata) is missing; snapshot "
		    "%s needs it", hex, o->id);
		c->res.missing++;
		check_bad(c, &info->id, UINT32_MAX);
		row.flags |= PACK_SAID;
	} else if (row.present && row.size_bytes != info->size_bytes &&
	    (row.flags & PACK_SAID) == 0) {
		check_damage(c, NULL, "pack %s has %llu bytes, not %llu", hex,
		    (unsigned long long)row.size_bytes,
		    (unsigned long long)info->size_bytes);
		check_bad(c, &info->id, UINT32_MAX);
		c->res.bad++;
		row.flags |= PACK_SAID;
	}
	if ((row.flags & PACK_SEEN) != 0 &&
	    memcmp(row.record, digest, HASH_BYTES) != 0)
		check_damage(c, NULL, "snapshot %s: its record of pack %s is "
		    "another than that of an earlier snapshot", o->id, hex);
	row.flags |= PACK_USED | PACK_SEEN;
	if (info->writer != 0)
		row.flags |= PACK_PUT_ONLY;
	row.kind = info->kind;
	memcpy(row.record, digest, HASH_BYTES);
	return (packlist_save(c->packs, &row, e));
}

/* A chunk of a data pack that is not there, and it is nowhere else. */
static int
missing(struct one *o, struct err *e)
{
	struct check *c = o->c;
	struct pack_row row;
	char hex[ID_HEX];
	int r = packlist_find(c->packs, &o->pack.id, &row, e);

	if (r != 0)
		return (r < 0 ? -1 : 0);
	check_bad(c, &o->pack.id, o->info.no);
	if ((row.flags & PACK_SAID) != 0)
		return (0);
	check_damage(c, NULL, "pack %s (data) is missing; snapshot %s needs "
	    "it", check_id(hex, o->pack.id.b), o->id);
	c->res.missing++;
	row.flags |= PACK_SAID;
	return (packlist_save(c->packs, &row, e));
}

/* A chunk that can't be had. */
static void
lost(struct one *o, const char *path, const struct extent *x,
    const struct err *e)
{
	struct check *c = o->c;
	char hex[ID_HEX];

	if (!o->place.unsure) {
		if (o->wrong++ < FAULTS_SAID)
			check_damage(c, path, "snapshot %s: bytes %llu-%llu: "
			    "their chunk is not where the catalog says, nor "
			    "elsewhere", o->id, (unsigned long long)x->off,
			    (unsigned long long)(x->off + x->len - 1));
		return;
	}
	if (bad_hit(c->bad, &o->pack.id, o->info.no))
		return;
	check_damage(c, NULL, "pack %s: frame %u: %s",
	    check_id(hex, o->pack.id.b), o->info.no, check_why(e));
	check_bad(c, &o->pack.id, o->info.no);
}

/*
 * What the catalog has of one file can't be read: the others are looked at all
 * the same.  catalog_verify() has named it, unless SQLite's own check found
 * something.
 */
#define FILE_LEFT	1
static int
unreadable(struct one *o, const char *path, struct err *e)
{
	if (!check_is_damage(e))
		return (-1);
	if (!o->named)
		check_damage(o->c, path, "snapshot %s: %s", o->id,
		    err_text(e));
	o->c->any_unread = true;
	err_init(e);
	return (FILE_LEFT);
}

/* 0, FILE_LEFT, or -1. */
static int
check_extent(struct one *o, const char *path, const struct extent *x,
    struct err *e)
{
	int r;

	if (x->hole)
		return (0);
	if (!o->have_frame || o->frame != x->frame) {
		o->have_frame = false;
		if (catalog_frame(o->catalog, x->frame, &o->pack, &o->info,
		    e) < 0)
			return (unreadable(o, path, e));
		o->have_frame = true;
		o->frame = x->frame;
	}
	r = place_chunk(&o->place, &o->pack, &o->info, x, e);
	if (r <= 0)
		return (r);
	if (o->place.gone) {
		err_init(e);
		return (missing(o, e));
	}
	lost(o, path, x, e);
	err_init(e);
	return (0);
}

static int
check_file(void *ctx, const char *bytes, size_t len, const struct entry *en,
    struct err *e)
{
	struct one *o = ctx;
	struct extent x[BATCH];
	const char *path;
	uint64_t off = 0;
	size_t n = 1;
	int r = 0;

	if (check_going(o->c, e) < 0)
		return (-1);
	buf_reset(&o->path);
	buf_u8(&o->path, '/');
	buf_bytes(&o->path, bytes, len);
	buf_u8(&o->path, '\0');
	if (buf_ok(&o->path, e) < 0)
		return (-1);
	path = (const char *)o->path.data;
	check_tick(o->c, path);
	if (en->kind != ENTRY_FILE || (en->flags & ENTRY_UNREAD) != 0)
		return (0);
	while (r == 0 && off < en->size && n > 0) {
		if (catalog_extents(o->catalog, en->ino, off, x, BATCH, &n,
		    e) < 0)
			r = unreadable(o, path, e);
		for (size_t i = 0; r == 0 && i < n; i++)
			r = check_extent(o, path, &x[i], e);
		if (r == 0 && n > 0)
			off = x[n - 1].off + x[n - 1].len;
	}
	return (r < 0 ? -1 : 0);
}

static int
check_catalog(struct one *o, struct err *e)
{
	uint64_t faults = 0;

	/* The packs first: what is missing is said as such. */
	if (catalog_packs(o->catalog, pack_needed, o, e) < 0 ||
	    catalog_verify(o->catalog, fault, o, &faults, e) < 0 ||
	    catalog_walk(o->catalog, CATALOG_ROOT_INO, check_file, o, e) < 0)
		return (-1);
	if (o->wrong > FAULTS_SAID)
		check_warning(o->c, "snapshot %s: %llu more chunks are not to "
		    "be had", o->id, (unsigned long long)(o->wrong -
		    FAULTS_SAID));
	return (0);
}

/* What the proof of a catalog asks. */
static int
chunk_needed(void *ctx, const struct pack_info *pack,
    const struct frame_info *frame, const struct extent *x, struct err *e)
{
	struct one *o = ctx;
	int r = place_chunk(&o->place, pack, frame, x, e);

	if (r != PLACE_LOST)
		return (r);
	err_init(e);
	return (PROVE_UNPROVEN);
}

static int
going(void *ctx, struct err *e)
{
	struct one *o = ctx;

	check_tick(o->c, NULL);
	return (check_going(o->c, e));
}

/* Snapshots one by one, those of a lineage in their order. */
struct turn {
	struct check *c;
	size_t *order;			/* owned */
	struct prove *prove;
	struct one one;			/* what the proof's calls are given */
	struct check_open before;	/* of this lineage: proven last */
	bool have_before;
	struct lineage_id lineage;
	/* Roots of catalogs that could not be proven and were gone through
	 * row by row. */
	uint8_t (*roots)[ID_BYTES];
	size_t nroots;
};

/* Was a catalog with this root gone through before?  Notes it. */
static int
seen_before(struct turn *t, const struct chunk_id *root, bool *seen,
    struct err *e)
{
	uint8_t (*v)[ID_BYTES];

	*seen = false;
	for (size_t i = t->nroots; i-- > 0;)
		if (id_equal(t->roots[i], root->b)) {
			*seen = true;
			return (0);
		}
	v = reallocarray(t->roots, t->nroots + 1, sizeof(*v));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	t->roots = v;
	memcpy(v[t->nroots++], root->b, ID_BYTES);
	return (0);
}

static void
leave_before(struct turn *t)
{
	if (t->have_before)
		check_close(&t->before);
	t->have_before = false;
}

/* 0: proven, and `open' was taken. */
static int
prove_snapshot(struct turn *t, struct check_open *open, struct err *e)
{
	int r;

	/* Its directory may have been dropped for others. */
	t->one.place.have = false;
	r = prove_catalog(t->prove, open->catalog, t->have_before ?
	    t->before.catalog : NULL, e);
	if (r == 0) {
		leave_before(t);
		t->before = *open;
		t->have_before = true;
	} else if (r < 0 && check_is_damage(e)) {
		/* What it hits is told by going through it. */
		err_init(e);
		r = PROVE_UNPROVEN;
	}
	return (r);
}

static int
check_snapshot(struct turn *t, size_t i, struct err *e)
{
	struct check *c = t->c;
	const struct snapshot *s = &c->snaps.v[i];
	struct check_open open;
	bool seen = false;
	int r;

	if (!id_equal(t->lineage.b, s->lineage.b))
		leave_before(t);
	t->lineage = s->lineage;
	(void)check_id(t->one.id, s->id.b);
	r = check_open(c, s, &open, e);
	if (r > 0)
		/* Another took it away, properly, since it was listed. */
		return (0);
	if (r == 0 && (r = prove_snapshot(t, &open, e)) != 0) {
		struct one o = { .c = c, .catalog = open.catalog };

		memcpy(o.id, t->one.id, sizeof(o.id));
		o.place.c = c;
		if (r > 0)
			r = seen_before(t, &open.manifest.catalog.map.hash,
			    &seen, e);
		if (r == 0 && !seen)
			r = check_catalog(&o, e);
		buf_fini(&o.path);
		check_close(&open);
	}
	if (r >= 0)
		return (0);
	if (!check_is_damage(e))
		return (-1);
	check_damage(c, NULL, "snapshot %s can't be read: %s", t->one.id,
	    err_text(e));
	c->unread[i] = c->any_unread = true;
	err_init(e);
	return (0);
}

static int
by_lineage(const void *a, const void *b, void *ctx)
{
	const struct check *c = ctx;
	const struct snapshot *x = &c->snaps.v[*(const size_t *)a];
	const struct snapshot *y = &c->snaps.v[*(const size_t *)b];
	int r = snapshot_by_lineage(&x, &y);

	return (r != 0 ? r : memcmp(x->id.b, y->id.b, ID_BYTES));
}

int
check_catalogs(struct check *c, struct err *e)
{
	static const struct prove_ops ops = { .pack = pack_needed,
	    .place = chunk_needed, .going = going };
	struct turn t = { .c = c, .one = { .c = c, .place = { .c = c } } };
	size_t n = c->snaps.n;
	int r;

	t.order = calloc(n + 1, sizeof(*t.order));
	t.one.recent = calloc(RECENT, sizeof(*t.one.recent));
	if (t.order == NULL || t.one.recent == NULL) {
		free(t.order);
		free(t.one.recent);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	for (size_t i = 0; i < n; i++)
		t.order[i] = i;
	qsort_r(t.order, n, sizeof(*t.order), by_lineage, c);
	r = prove_new(&t.prove, repo_env(c->repo)->memory_bytes / 4, &ops,
	    &t.one, e);
	for (size_t i = 0; r == 0 && i < n; i++)
		if ((r = check_going(c, e)) == 0)
			r = check_snapshot(&t, t.order[i], e);
	leave_before(&t);
	prove_free(t.prove);
	free(t.roots);
	free(t.order);
	free(t.one.recent);
	return (r);
}
