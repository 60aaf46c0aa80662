/*
 * The tables against the packs' directories.
 *
 * Table entries are sorted by chunk, packs lie anywhere, and there is memory
 * for few of either.  So each entry is hashed, under a key of this run, and
 * the hashes are added up by the pack that it names; the same is done for each
 * directory.  Where both sums of a pack are the same, so are the entries, but
 * for a chance of 2^-64, and all tables were gone over once.
 *
 * They differ where an entry is wrong, and where tables have a part of a pack
 * or twice the same.  These packs' directories are loaded, as many as the
 * budget holds, and all tables are gone over again to look at each entry, and
 * so on until every such pack had its turn.
 */
#include <sodium.h>
#include <string.h>

#include "engine/map/map.h"
#include "engine/repo/pack_name.h"
#include "tools/job/check_impl.h"

#define TALLY_FIRST	1024	/* packs, a power of 2 */

/* What a table has of a pack. */
struct tally {
	struct pack_id id;
	uint64_t entries;		/* 0: none is here */
	uint64_t sum;
};

struct tables {
	struct check *c;
	uint8_t key[crypto_shorthash_KEYBYTES];
	uint32_t *domains;		/* owned: seen so far */
	size_t ndomains;
	struct object_id table;		/* whose tallies they are */
	struct tally *tallies;		/* owned; by id, open addressing */
	size_t cap, n, max;
	bool unsure;			/* some packs' sums differ */
	uint64_t wrong;			/* entries */
};

int
tables_new(struct tables **out, struct check *c, struct err *e)
{
	struct tables *t = calloc(1, sizeof(*t));

	if (t == NULL ||
	    (t->tallies = calloc(TALLY_FIRST, sizeof(*t->tallies))) == NULL) {
		free(t);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	t->c = c;
	t->cap = TALLY_FIRST;
	t->max = check_share(c, 16, SIZE_MAX) / sizeof(*t->tallies);
	crypto_shorthash_keygen(t->key);
	*out = t;
	return (tables_domain(t, 0, e));
}

void
tables_free(struct tables *t)
{
	if (t == NULL)
		return;
	free(t->domains);
	free(t->tallies);
	free(t);
}

int
tables_domain(struct tables *t, uint32_t domain, struct err *e)
{
	uint32_t *v;

	for (size_t i = 0; i < t->ndomains; i++)
		if (t->domains[i] == domain)
			return (0);
	v = reallocarray(t->domains, t->ndomains + 1, sizeof(*v));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	t->domains = v;
	v[t->ndomains++] = domain;
	return (0);
}

static uint64_t
entry_hash(const struct tables *t, const struct frame_info *frame,
    uint32_t slot, const uint8_t key[CHUNK_KEY_BYTES])
{
	const uint32_t v[4] = { frame->no, frame->off, frame->stored, slot };
	uint8_t in[sizeof(v) + CHUNK_KEY_BYTES], out[crypto_shorthash_BYTES];
	uint64_t h;

	memcpy(in, v, sizeof(v));
	memcpy(in + sizeof(v), key, CHUNK_KEY_BYTES);
	(void)crypto_shorthash(out, in, sizeof(in), t->key);
	memcpy(&h, out, sizeof(h));
	return (h);
}

int
tables_directory(struct tables *t, const struct pack_id *id,
    const struct pack_directory *d, struct err *e)
{
	struct pack_row row;
	uint64_t sum = 0;
	uint32_t first;
	int got;

	for (uint32_t f = 0; f < d->nframes; f++) {
		first = d->first_slot[f];
		for (uint32_t i = first; i < d->first_slot[f + 1]; i++)
			sum += entry_hash(t, &d->frames[f], i - first,
			    d->slots[i].id.b);
	}
	got = packlist_find(t->c->packs, id, &row, e);
	if (got != 0)
		return (got < 0 ? -1 : 0);
	row.balance += sum;
	return (packlist_save(t->c->packs, &row, e));
}

/* A table names a pack that the listing didn't have. */
static int
not_listed(struct tables *t, const struct pack_id *id, struct pack_row *row,
    struct err *e)
{
	char name[PACK_NAME_BYTES], a[ID_HEX], b[ID_HEX];
	struct store_stat st;
	int got;

	/* A backup that runs beside us may have put it since. */
	got = store_stat(repo_store(t->c->repo), pack_name(name, id), &st, e);
	if (got < 0)
		return (-1);
	if (got == STORE_ABSENT)
		check_warning(t->c, "table %s names pack %s, which is not "
		    "there and which no snapshot needs",
		    check_id(a, t->table.b), check_id(b, id->b));
	row->flags |= PACK_SAID;
	return (packlist_save(t->c->packs, row, e));
}

/* A tally goes to the pack's row. */
static int
settle(struct tables *t, const struct tally *x, struct err *e)
{
	struct pack_row row;
	int got = packlist_find(t->c->packs, &x->id, &row, e);

	if (got < 0)
		return (-1);
	if (got == PACKLIST_NONE) {
		memset(&row, 0, sizeof(row));
		row.id = x->id;
	}
	if (!row.present)
		return ((row.flags & PACK_SAID) != 0 ? 0 :
		    not_listed(t, &x->id, &row, e));
	row.entries += x->entries;
	row.balance -= x->sum;
	return (packlist_save(t->c->packs, &row, e));
}

static int
settle_all(struct tables *t, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < t->cap && t->n > 0 && r == 0; i++)
		if (t->tallies[i].entries > 0) {
			r = settle(t, &t->tallies[i], e);
			t->tallies[i].entries = 0;
			t->n--;
		}
	return (r);
}

/* Where it is, or would be. */
static struct tally *
find_tally(const struct tables *t, const struct pack_id *id)
{
	uint64_t at;

	memcpy(&at, id->b, sizeof(at));
	for (at &= t->cap - 1; t->tallies[at].entries > 0 &&
	    !id_equal(t->tallies[at].id.b, id->b); at = (at + 1) &
	    (t->cap - 1))
		;
	return (&t->tallies[at]);
}

/* Room for one more: twice as much, or if that is too much, none is kept. */
static int
make_room(struct tables *t, struct err *e)
{
	struct tally *old = t->tallies, *v;
	size_t cap = t->cap;

	if (2 * cap > t->max)
		return (settle_all(t, e));
	if ((v = calloc(2 * cap, sizeof(*v))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	t->tallies = v;
	t->cap = 2 * cap;
	for (size_t i = 0; i < cap; i++)
		if (old[i].entries > 0)
			*find_tally(t, &old[i].id) = old[i];
	free(old);
	return (0);
}

static int
count_entry(void *ctx, const struct object_id *table,
    const uint8_t key[CHUNK_KEY_BYTES], const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, struct err *e)
{
	struct tables *t = ctx;
	struct tally *x;

	if (check_going(t->c, e) < 0)
		return (-1);
	if (!id_equal(table->b, t->table.b)) {
		if (settle_all(t, e) < 0)
			return (-1);
		t->table = *table;
	}
	x = find_tally(t, &pack->id);
	if (x->entries == 0) {
		if (2 * t->n >= t->cap) {
			if (make_room(t, e) < 0)
				return (-1);
			x = find_tally(t, &pack->id);
		}
		t->n++;
		*x = (struct tally){ .id = pack->id };
	}
	x->entries++;
	x->sum += entry_hash(t, frame, slot, key);
	return (0);
}

/* Of packs whose directories are there: is it in that? */
static int
look_at_entry(void *ctx, const struct object_id *table,
    const uint8_t key[CHUNK_KEY_BYTES], const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, struct err *e)
{
	struct tables *t = ctx;
	const struct pack_directory *d;
	char a[ID_HEX], b[ID_HEX];
	uint32_t first;

	if (check_going(t->c, e) < 0)
		return (-1);
	if ((d = dirs_find(t->c->dirs, &pack->id)) == NULL)
		return (0);
	if (frame->no < d->nframes &&
	    d->frames[frame->no].off == frame->off &&
	    d->frames[frame->no].stored == frame->stored) {
		first = d->first_slot[frame->no];
		if (slot < d->first_slot[frame->no + 1] - first &&
		    memcmp(d->slots[first + slot].id.b, key,
		    CHUNK_KEY_BYTES) == 0)
			return (0);
	}
	if (t->wrong++ == 0)
		check_damage(t->c, NULL, "table %s says of pack %s what its "
		    "directory doesn't", check_id(a, table->b),
		    check_id(b, pack->id.b));
	return (0);
}

static void
table_said(void *ctx, enum log_level level, const char *text)
{
	struct check *c = ctx;

	if (level == LOG_WARNING)
		check_damage(c, NULL, "%s", text);
}

/* What is said of a table is said the first time. */
static int
walk(struct tables *t, map_walk_fn *fn, bool first, struct err *e)
{
	struct check *c = t->c;
	struct log log = { table_said, c };
	struct map *map;
	int got;

	for (size_t i = 0; i < t->ndomains; i++) {
		if (map_open(&map, repo_store(c->repo), repo_keyring(c->repo),
		    t->domains[i], check_share(c, 16, SIZE_MAX), NULL,
		    first ? &log : NULL, e) < 0)
			return (-1);
		got = map_walk(map, fn, t, e);
		map_close(map);
		if (got >= 0)
			continue;
		if (!check_is_damage(e))
			return (-1);
		if (first)
			check_damage(c, NULL, "tables: %s", err_text(e));
		err_init(e);
	}
	return (0);
}

static int
look_at_all(struct tables *t, struct err *e)
{
	int r = walk(t, look_at_entry, false, e);

	dirs_clear(t->c->dirs);
	return (r);
}

/* A pack whose sums differ is loaded. */
static int
load_unsure(void *ctx, const struct pack_row *row, struct err *e)
{
	struct tables *t = ctx;
	struct pack_directory dir = { 0 };
	struct pack_info info;
	char hex[ID_HEX];
	int r;

	if (row->entries == 0 || row->balance == 0 ||
	    (row->flags & PACK_SAID) != 0)
		return (0);
	if (!t->unsure)
		dirs_clear(t->c->dirs);
	t->unsure = true;
	if (check_going(t->c, e) < 0 ||
	    (dirs_full(t->c->dirs) && look_at_all(t, e) < 0))
		return (-1);
	r = fetch_pack(t->c->repo, &row->id, row->size_bytes, row->kind, &info,
	    &dir, e);
	if (r == 0)
		return (dirs_add(t->c->dirs, &info, &dir, e));
	if (r < 0 && !check_is_damage(e))
		return (-1);
	/* It could be read a moment ago. */
	if (r < 0)
		check_damage(t->c, NULL, "pack %s: its directory: %s",
		    check_id(hex, row->id.b), check_why(e));
	err_init(e);
	return (0);
}

int
tables_compare(struct tables *t, struct err *e)
{
	if (walk(t, count_entry, true, e) < 0 || settle_all(t, e) < 0 ||
	    packlist_each(t->c->packs, load_unsure, t, e) < 0 ||
	    (t->unsure && look_at_all(t, e) < 0))
		return (-1);
	if (t->wrong > 1)
		check_warning(t->c, "%llu more entries of tables are wrong",
		    (unsigned long long)(t->wrong - 1));
	return (0);
}
