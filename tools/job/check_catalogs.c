/*
 * Snapshots: each catalog is whole in itself, every pack that it names is there
 * with the size and record that it gives, every chunk's place holds that chunk.
 * A catalog that was verified for another snapshot (nothing had changed) is not
 * read again.
 */
#include <string.h>

#include "tools/job/check_impl.h"

#define BATCH	128
#define FAULTS_SAID	100	/* places that don't hold, a snapshot */

struct one {
	struct check *c;
	char id[ID_HEX];
	struct catalog *catalog;
	uint64_t wrong;			/* places */
	struct buf path;		/* of the file, with a NUL */
	/* The frame that was looked at last. */
	bool have_frame;
	uint32_t frame;
	struct pack_info pack;
	struct frame_info info;
	const struct pack_directory *dir;	/* borrowed; NULL: none */
	bool unsure;			/* the directory doesn't open */
	bool gone;			/* the pack is not there */
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
	env.cache_bytes = repo_env(c->repo)->memory_bytes / 6;
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

	check_damage(o->c, path, "snapshot %s: %s", o->id, text);
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
	if ((r = packlist_find(c->packs, &info->id, &row, e)) < 0)
		return (-1);
	if (r == PACKLIST_NONE) {
		memset(&row, 0, sizeof(row));
		row.id = info->id;
	}
	(void)check_id(hex, info->id.b);
	record_digest(digest, info);
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

/* Make a frame of the catalog the current one. */
static int
turn_to(struct one *o, uint32_t frame, struct err *e)
{
	struct pack_row row;
	int r;

	if (o->have_frame && o->frame == frame)
		return (0);
	o->have_frame = false;
	if (catalog_frame(o->catalog, frame, &o->pack, &o->info, e) < 0)
		return (-1);
	o->dir = NULL;
	o->unsure = false;
	r = packlist_find(o->c->packs, &o->pack.id, &row, e);
	if (r < 0)
		return (-1);
	o->gone = r == PACKLIST_NONE || !row.present;
	/* A directory that doesn't open is said elsewhere, once. */
	if (r == 0 && row.present && (row.flags & PACK_SAID) == 0 &&
	    dirs_load(o->c->dirs, o->c->repo, &o->pack, &o->dir, e) < 0) {
		if (!check_is_damage(e))
			return (-1);
		o->dir = NULL;
		o->unsure = true;
		err_init(e);
	}
	o->have_frame = true;
	o->frame = frame;
	return (0);
}

/* Does the place hold that chunk, by the pack's own directory? */
static bool
holds(const struct one *o, const struct extent *x)
{
	const struct pack_directory *d = o->dir;
	const struct frame_info *f;
	uint32_t first, n;

	if (o->info.no >= d->nframes)
		return (false);
	f = &d->frames[o->info.no];
	if (f->off != o->info.off || f->stored != o->info.stored ||
	    f->raw != o->info.raw)
		return (false);
	first = d->first_slot[o->info.no];
	n = d->first_slot[o->info.no + 1] - first;
	return (x->slot < n && d->slots[first + x->slot].len == x->len &&
	    id_equal(d->slots[first + x->slot].id.b, x->id.b));
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

	if (!o->unsure) {
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

static int
check_extent(struct one *o, const char *path, const struct extent *x,
    struct err *e)
{
	struct fetched *ref;
	const uint8_t *data;

	if (x->hole)
		return (0);
	if (turn_to(o, x->frame, e) < 0)
		return (-1);
	o->c->res.chunks++;
	if (!o->gone && (o->dir != NULL ? holds(o, x) :
	    !o->unsure || !o->c->env->read_data))
		return (0);
	/* The place is a hint: is the chunk to be had elsewhere?  And where no
	 * directory tells what should be there, the chunk itself does. */
	if (x->len <= CHUNK_MAX && fetch_chunk(o->c->fetch, &o->pack, &o->info,
	    x->slot, &x->id, (uint32_t)x->len, &ref, &data, e) == 0) {
		fetch_put(o->c->fetch, ref);
		return (0);
	}
	if (!check_is_damage(e))
		return (-1);
	if (o->gone) {
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
	while (off < en->size && n > 0) {
		if (catalog_extents(o->catalog, en->ino, off, x, BATCH, &n,
		    e) < 0)
			return (-1);
		for (size_t i = 0; i < n; i++)
			if (check_extent(o, path, &x[i], e) < 0)
				return (-1);
		if (n > 0)
			off = x[n - 1].off + x[n - 1].len;
	}
	return (0);
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

/* Was a catalog with this root verified before?  Notes it. */
static int
seen_before(uint8_t (**roots)[ID_BYTES], size_t *n,
    const struct chunk_id *root, bool *seen, struct err *e)
{
	uint8_t (*v)[ID_BYTES];

	*seen = false;
	for (size_t i = *n; i-- > 0;)
		if (id_equal((*roots)[i], root->b)) {
			*seen = true;
			return (0);
		}
	v = reallocarray(*roots, *n + 1, sizeof(**roots));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	*roots = v;
	memcpy((*roots)[(*n)++], root->b, ID_BYTES);
	return (0);
}

static int
check_snapshot(struct check *c, size_t i, uint8_t (**roots)[ID_BYTES],
    size_t *nroots, struct err *e)
{
	const struct snapshot *s = &c->snaps.v[i];
	struct one o = { .c = c };
	struct check_open open;
	bool seen = false;
	int r;

	(void)check_id(o.id, s->id.b);
	r = check_open(c, s, &open, e);
	if (r > 0)
		/* Another took it away, properly, since it was listed. */
		return (0);
	if (r == 0) {
		o.catalog = open.catalog;
		r = seen_before(roots, nroots, &open.manifest.catalog.map.hash,
		    &seen, e);
		if (r == 0 && !seen)
			r = check_catalog(&o, e);
		check_close(&open);
	}
	buf_fini(&o.path);
	if (r >= 0)
		return (0);
	if (!check_is_damage(e))
		return (-1);
	check_damage(c, NULL, "snapshot %s can't be read: %s", o.id,
	    err_text(e));
	c->unread[i] = c->any_unread = true;
	err_init(e);
	return (0);
}

int
check_catalogs(struct check *c, struct err *e)
{
	uint8_t (*roots)[ID_BYTES] = NULL;
	size_t nroots = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->snaps.n; i++)
		if ((r = check_going(c, e)) == 0)
			r = check_snapshot(c, i, &roots, &nroots, e);
	free(roots);
	return (r);
}
