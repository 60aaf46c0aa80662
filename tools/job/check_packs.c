/*
 * Packs' headers and directories, read once: against what the catalogs say of
 * them, and counted for the tables.  As many directories as the budget holds
 * stay, for who reads the data next.
 */
#include <string.h>

#include "tools/job/check_impl.h"

struct packs {
	struct check *c;
	struct loader *loader;
	struct tables *tables;
	uint64_t orphans, orphan_bytes;
};

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
check_info(struct packs *p, const struct pack_row *row,
    const struct pack_info *info, struct err *e)
{
	uint8_t digest[HASH_BYTES];
	char hex[ID_HEX];

	record_digest(digest, info);
	if ((row->flags & PACK_SEEN) != 0 &&
	    memcmp(digest, row->record, HASH_BYTES) != 0) {
		check_damage(p->c, NULL, "pack %s: its header is not what the "
		    "snapshots say of it", check_id(hex, row->id.b));
		check_bad(p->c, &row->id, UINT32_MAX);
		if (said(p->c, row, e) < 0)
			return (-1);
	}
	return (tables_domain(p->tables, info->domain, e));
}

/* Counted for the tables, and kept if there is room; taken in any case. */
static int
keep(struct packs *p, struct loaded *l, struct err *e)
{
	int r = tables_directory(p->tables, &l->row.id, &l->dir, e);

	if (r == 0 && !dirs_full(p->c->dirs))
		return (dirs_add(p->c->dirs, &l->info, &l->dir, e));
	pack_directory_fini(&l->dir);
	return (r);
}

/* What was read of a pack, and is taken. */
static int
check_loaded(struct packs *p, struct loaded *l, struct err *e)
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
		return (header ? tables_domain(p->tables, l->info.domain, e) :
		    0);
	}
	if (header && check_info(p, row, &l->info, e) < 0) {
		pack_directory_fini(&l->dir);
		return (-1);
	}
	if (!damage)
		return (keep(p, l, e));
	/* A full-key writer's frames are read without header and directory. */
	check_damage(p->c, NULL, "pack %s: its %s: %s%s",
	    check_id(hex, row->id.b), header ? "directory" : "header",
	    check_why(&l->err),
	    (row->flags & (PACK_USED | PACK_PUT_ONLY)) == PACK_USED ?
	    " (what is in it can be read without)" : "");
	if ((row->flags & PACK_PUT_ONLY) != 0)
		check_bad(p->c, &row->id, UINT32_MAX);
	return (said(p->c, row, e));
}

static int
take(struct packs *p, struct err *e)
{
	struct loaded l;

	check_tick(p->c, NULL);
	if (check_going(p->c, e) < 0)
		return (-1);
	return (loader_take(p->loader, &l) ? check_loaded(p, &l, e) : 0);
}

static int
check_pack(void *ctx, const struct pack_row *row, struct err *e)
{
	struct packs *p = ctx;
	const struct pack_info *have;

	if ((row->flags & PACK_USED) == 0) {
		p->orphans++;
		p->orphan_bytes += row->size_bytes;
	}
	/* Read already, in this run and from the store. */
	have = dirs_info(p->c->dirs, &row->id);
	if (have != NULL && (row->flags & PACK_SAID) == 0) {
		if (check_info(p, row, have, e) < 0)
			return (-1);
		return (tables_directory(p->tables, &row->id,
		    dirs_find(p->c->dirs, &row->id), e));
	}
	if (loader_is_full(p->loader) && take(p, e) < 0)
		return (-1);
	return (loader_ask(p->loader, row, e));
}

int
check_packs(struct check *c, struct err *e)
{
	struct packs p = { .c = c };
	int got;

	got = tables_new(&p.tables, c, e);
	if (got == 0)
		got = loader_new(&p.loader, c, e);
	if (got == 0)
		got = packlist_each(c->packs, check_pack, &p, e);
	while (got == 0 && !loader_is_empty(p.loader))
		got = take(&p, e);
	loader_free(p.loader);
	if (got == 0)
		got = tables_compare(p.tables, e);
	tables_free(p.tables);
	if (got < 0)
		return (-1);
	/* Not so if they are those of a snapshot that can't be read. */
	if (p.orphans > 0 && !c->any_unread && c->snaps.refused == 0)
		log_say(repo_log(c->repo), LOG_NOTICE, "packs of no snapshot: "
		    "%llu, %llu bytes; left by an interrupted backup, from "
		    "which the next one goes on, or made by a repack",
		    (unsigned long long)p.orphans,
		    (unsigned long long)p.orphan_bytes);
	return (0);
}
