/*
 * Packs' headers and directories against what the catalogs say of them, and the
 * tables against the directories.
 *
 * Table entries are sorted by chunk, packs lie anywhere: so as many directories
 * as the budget holds are loaded, all tables are walked over them, and so on,
 * in bounded memory, until every pack had its turn.  The last of them stay, for
 * who reads the data next.
 */
#include <string.h>

#include "engine/map/map.h"
#include "engine/repo/pack_name.h"
#include "tools/job/check_impl.h"

struct round {
	struct check *c;
	struct loader *loader;
	uint32_t *domains;		/* owned: seen so far */
	size_t ndomains;
	bool first;			/* of the rounds */
	uint64_t orphans, orphan_bytes;
	uint64_t wrong;			/* table entries */
};

static int
add_domain(struct round *r, uint32_t domain, struct err *e)
{
	uint32_t *v;

	for (size_t i = 0; i < r->ndomains; i++)
		if (r->domains[i] == domain)
			return (0);
	v = reallocarray(r->domains, r->ndomains + 1, sizeof(*v));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	r->domains = v;
	v[r->ndomains++] = domain;
	return (0);
}

/* A table names a pack that the listing didn't have. */
static int
not_listed(struct round *r, const struct object_id *table,
    const struct pack_id *id, struct err *e)
{
	char name[PACK_NAME_BYTES], a[ID_HEX], b[ID_HEX];
	struct pack_row row;
	struct store_stat st;
	int got;

	got = packlist_find(r->c->packs, id, &row, e);
	if (got < 0 || (got == 0 && (row.present ||
	    (row.flags & PACK_SAID) != 0)))
		return (got < 0 ? -1 : 0);
	if (got == PACKLIST_NONE) {
		memset(&row, 0, sizeof(row));
		row.id = *id;
	}
	/* A backup that runs beside us may have put it since. */
	got = store_stat(repo_store(r->c->repo), pack_name(name, id), &st, e);
	if (got < 0)
		return (-1);
	if (got == STORE_ABSENT)
		check_warning(r->c, "table %s names pack %s, which is not "
		    "there and which no snapshot needs",
		    check_id(a, table->b), check_id(b, id->b));
	row.flags |= PACK_SAID;
	return (packlist_save(r->c->packs, &row, e));
}

static int
each_entry(void *ctx, const struct object_id *table,
    const uint8_t key[CHUNK_KEY_BYTES], const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, struct err *e)
{
	struct round *r = ctx;
	const struct pack_directory *d;
	char a[ID_HEX], b[ID_HEX];
	uint32_t first;

	if (check_going(r->c, e) < 0)
		return (-1);
	if ((d = dirs_find(r->c->dirs, &pack->id)) == NULL)
		return (r->first ? not_listed(r, table, &pack->id, e) : 0);
	if (frame->no < d->nframes &&
	    d->frames[frame->no].off == frame->off &&
	    d->frames[frame->no].stored == frame->stored) {
		first = d->first_slot[frame->no];
		if (slot < d->first_slot[frame->no + 1] - first &&
		    memcmp(d->slots[first + slot].id.b, key,
		    CHUNK_KEY_BYTES) == 0)
			return (0);
	}
	if (r->wrong++ == 0)
		check_damage(r->c, NULL, "table %s says of pack %s what its "
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

static int
walk_tables(struct round *r, struct err *e)
{
	struct check *c = r->c;
	struct log log = { table_said, c };
	struct map *map;
	int got;

	for (size_t i = 0; i < r->ndomains; i++) {
		/* What is said of a table is said once. */
		if (map_open(&map, repo_store(c->repo), repo_keyring(c->repo),
		    r->domains[i], repo_env(c->repo)->memory_bytes / 16, NULL,
		    r->first ? &log : NULL, e) < 0)
			return (-1);
		got = map_walk(map, each_entry, r, e);
		map_close(map);
		if (got >= 0)
			continue;
		if (!check_is_damage(e))
			return (-1);
		if (r->first)
			check_damage(c, NULL, "tables: %s", err_text(e));
		err_init(e);
	}
	r->first = false;
	return (0);
}

/* What is wrong with a pack is one finding, whatever follows from it. */
static int
said(struct check *c, const struct pack_row *row, struct err *e)
{
	struct pack_row now = *row;

	c->res.bad++;
	now.flags |= PACK_SAID;
	return (packlist_save(c->packs, &now, e));
}

static int
check_info(struct round *r, const struct pack_row *row,
    const struct pack_info *info, struct err *e)
{
	uint8_t digest[HASH_BYTES];
	char hex[ID_HEX];

	record_digest(digest, info);
	if ((row->flags & PACK_SEEN) != 0 &&
	    memcmp(digest, row->record, HASH_BYTES) != 0) {
		check_damage(r->c, NULL, "pack %s: its header is not what the "
		    "snapshots say of it", check_id(hex, row->id.b));
		check_bad(r->c, &row->id, UINT32_MAX);
		if (said(r->c, row, e) < 0)
			return (-1);
	}
	return (add_domain(r, info->domain, e));
}

/* What was read of a pack, and is taken. */
static int
check_loaded(struct round *r, struct loaded *l, struct err *e)
{
	const struct pack_row *row = &l->row;
	bool damage = l->result < 0 && check_is_damage(&l->err);
	bool header = l->result == 0 || l->info.kind != 0;
	char hex[ID_HEX];

	if (l->result < 0 && !damage) {
		*e = l->err;
		return (-1);
	}
	if (l->result == STORE_ABSENT)
		return (0);
	if ((row->flags & PACK_SAID) != 0) {
		pack_directory_fini(&l->dir);
		return (header ? add_domain(r, l->info.domain, e) : 0);
	}
	if (header && check_info(r, row, &l->info, e) < 0) {
		pack_directory_fini(&l->dir);
		return (-1);
	}
	if (!damage)
		return (dirs_add(r->c->dirs, &l->info, &l->dir, e));
	/* A full-key writer's frames are read without header and directory. */
	check_damage(r->c, NULL, "pack %s: its %s: %s%s",
	    check_id(hex, row->id.b), header ? "directory" : "header",
	    check_why(&l->err),
	    (row->flags & (PACK_USED | PACK_PUT_ONLY)) == PACK_USED ?
	    " (what is in it can be read without)" : "");
	if ((row->flags & PACK_PUT_ONLY) != 0)
		check_bad(r->c, &row->id, UINT32_MAX);
	return (said(r->c, row, e));
}

static int
next_round(struct round *r, struct err *e)
{
	int got = walk_tables(r, e);

	dirs_clear(r->c->dirs);
	return (got);
}

/* Room for one more first: all tables are walked over what is there. */
static int
take(struct round *r, struct err *e)
{
	struct loaded l;

	check_tick(r->c, NULL);
	if (check_going(r->c, e) < 0 ||
	    (dirs_full(r->c->dirs) && next_round(r, e) < 0))
		return (-1);
	return (loader_take(r->loader, &l) ? check_loaded(r, &l, e) : 0);
}

static int
check_pack(void *ctx, const struct pack_row *row, struct err *e)
{
	struct round *r = ctx;
	const struct pack_info *have;

	if ((row->flags & PACK_USED) == 0) {
		r->orphans++;
		r->orphan_bytes += row->size_bytes;
	}
	/* Read already, in this run and from the store. */
	have = dirs_info(r->c->dirs, &row->id);
	if (have != NULL && (row->flags & PACK_SAID) == 0)
		return (check_info(r, row, have, e));
	if (loader_is_full(r->loader) && take(r, e) < 0)
		return (-1);
	return (loader_ask(r->loader, row, e));
}

int
check_packs(struct check *c, struct err *e)
{
	struct round r = { .c = c, .first = true };
	int got;

	got = loader_new(&r.loader, c, e);
	if (got == 0)
		got = packlist_each(c->packs, check_pack, &r, e);
	while (got == 0 && !loader_is_empty(r.loader))
		got = take(&r, e);
	loader_free(r.loader);
	if (got == 0)
		got = add_domain(&r, 0, e);
	if (got == 0)
		got = walk_tables(&r, e);
	free(r.domains);
	if (got < 0)
		return (-1);
	if (r.wrong > 1)
		check_warning(c, "%llu more entries of tables are wrong",
		    (unsigned long long)(r.wrong - 1));
	/* Not so if they are those of a snapshot that can't be read. */
	if (r.orphans > 0 && !c->any_unread && c->snaps.refused == 0)
		log_say(repo_log(c->repo), LOG_NOTICE, "packs of no snapshot: "
		    "%llu, %llu bytes; left by an interrupted backup, from "
		    "which the next one goes on, or made by a repack",
		    (unsigned long long)r.orphans,
		    (unsigned long long)r.orphan_bytes);
	return (0);
}
