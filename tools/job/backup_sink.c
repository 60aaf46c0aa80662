/*
 * Where a backup's findings go: the catalog being built and the put; or, in a
 * dry run, nowhere but into the counts.
 */
#include "tools/job/backup_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/job/owner.h"

#define OWNERS_MAX	65536	/* told once; beyond that perhaps again */

int
sink_inos(struct backup *b, struct walk_batch *batch, uint64_t n,
    struct err *e)
{
	if (n == 0)
		return (0);
	if (b->build != NULL) {
		if (build_inos(b->build, n, &batch->next_ino, e) != 0)
			return (-1);
	} else {
		batch->next_ino = b->dry_ino;
		b->dry_ino += n;
	}
	batch->end_ino = batch->next_ino + n;
	return (0);
}

int
sink_ino(struct backup *b, struct walk_batch *batch, uint64_t *ino,
    struct err *e)
{
	if (batch->next_ino == batch->end_ino &&
	    sink_inos(b, batch, 1, e) != 0)
		return (-1);
	*ino = batch->next_ino++;
	return (0);
}

/* The name of an owner, the first time that it is met. */
static int
tell_owner(struct backup *b, bool group, uint32_t id, struct err *e)
{
	struct inoset *seen = group ? &b->gids : &b->uids;
	char *name = NULL;
	int rc = 0;

	if (inoset_has(seen, (uint64_t)id + 1))
		return (0);
	seen->max = OWNERS_MAX;
	(void)inoset_add(seen, (uint64_t)id + 1);
	if (owner_to_name(group, id, &name) == ENOMEM)
		return (err_set(e, ERR_NOMEM, "no memory for owners"));
	if (name != NULL && name[0] != '\0' && strlen(name) <= 255)
		rc = build_owner(b->build, group, id, name, e);
	free(name);
	return (rc);
}

int
sink_node(struct backup *b, struct node *nd, struct err *e)
{
	const struct meta_stat *st = nd->st;
	struct entry en = { .ino = nd->ino, .parent = nd->parent,
	    .kind = st->kind, .flags = nd->flags, .mode = st->mode,
	    .uid = st->uid, .gid = st->gid, .mtime = st->mtime,
	    .ctime = st->ctime, .src_dev = st->dev, .src_ino = st->ino };
	const char *target = NULL;
	size_t target_len = 0;

	if (b->build == NULL)
		return (0);
	if (nd->now != NULL && meta_is_recent(st, nd->now))
		en.flags |= ENTRY_RECENT;
	if (st->kind == ENTRY_CHAR || st->kind == ENTRY_BLOCK) {
		en.rdev_major = st->rdev_major;
		en.rdev_minor = st->rdev_minor;
	}
	if (tell_owner(b, false, st->uid, e) != 0 ||
	    tell_owner(b, true, st->gid, e) != 0)
		return (-1);
	if (nd->meta != NULL)
		nd->xattrs = 0;
	if (nd->meta != NULL && nd->meta->nxattrs > 0 &&
	    build_xattrs(b->build, nd->meta->xattrs, nd->meta->nxattrs,
	    &nd->xattrs, e) != 0)
		return (-1);
	en.xattrs = nd->xattrs;
	/* What only leads to the roots is not what was asked for. */
	if ((!nd->like || nd->xattrs != nd->old_xattrs) &&
	    (nd->flags & ENTRY_IMPLIED) == 0)
		b->altered = true;
	if (st->kind == ENTRY_SYMLINK) {
		target = nd->meta != NULL ? nd->meta->target : "";
		target_len = nd->meta != NULL ? nd->meta->target_len : 0;
	}
	return (build_node(b->build, &en, target, target_len, e));
}

int
sink_name(struct backup *b, uint64_t dir, const char *name, uint64_t ino,
    struct err *e)
{
	b->altered = true;
	if (b->build == NULL)
		return (0);
	/* The walk tells each name of a directory once; without a parent
	 * nothing else gives names. */
	if (b->parent == NULL && b->bucket == NULL)
		return (build_new_name(b->build, dir, name, strlen(name), ino,
		    e));
	return (build_name(b->build, dir, name, strlen(name), ino, e));
}

int
sink_unname(struct backup *b, uint64_t dir, const char *name, struct err *e)
{
	int rc;

	b->altered = true;
	if (b->build == NULL)
		return (0);
	rc = build_unname(b->build, dir, name, strlen(name), e);
	return (rc < 0 ? -1 : 0);
}

int
sink_move(struct backup *b, uint64_t ino, uint64_t dir, const char *name,
    struct err *e)
{
	b->altered = true;
	if (b->build == NULL)
		return (0);
	return (build_move_dir(b->build, ino, dir, name, strlen(name), e));
}

int
sink_linked(struct backup *b, const struct meta_stat *st, uint64_t *ino,
    struct err *e)
{
	if (b->build == NULL)
		return (CATALOG_ABSENT);
	return (build_linked(b->build, st->dev, st->ino, ino, e));
}

int
sink_link(struct backup *b, const struct meta_stat *st, uint64_t ino,
    struct err *e)
{
	if (b->build == NULL)
		return (0);
	return (build_link(b->build, st->dev, st->ino, ino, e));
}

int
sink_begin(struct backup *b, uint64_t ino, struct err *e)
{
	if (b->build == NULL)
		return (0);
	return (build_content_begin(b->build, ino, e));
}

/* What a dry run would store: not in the repository, and not counted before. */
static void
count_dry(struct backup *b, const struct put_hint *hint, size_t len)
{
	uint64_t key;

	memcpy(&key, hint->id.b, sizeof(key));
	if (hint->known || inoset_has(&b->dry_seen, key | 1))
		return;
	b->dry_seen.max = b->memory_bytes / 64;
	(void)inoset_add(&b->dry_seen, key | 1);
	b->res->bytes_new += len;
}

int
sink_chunk(struct backup *b, uint64_t ino, const struct put_hint *hint,
    const void *data, size_t len, struct err *e)
{
	struct place place;

	if (b->put == NULL) {
		count_dry(b, hint, len);
		return (0);
	}
	if (put_chunk(b->put, hint, data, len, &place, e) != 0)
		return (-1);
	return (build_content_chunk(b->build, ino, &hint->id, (uint32_t)len,
	    &place, e));
}

int
sink_hole(struct backup *b, uint64_t ino, uint64_t len, struct err *e)
{
	if (b->build == NULL)
		return (0);
	return (build_content_hole(b->build, ino, len, e));
}

int
sink_end(struct backup *b, uint64_t ino, struct err *e)
{
	if (b->build == NULL)
		return (0);
	return (build_content_end(b->build, ino, e));
}

int
sink_lookup(struct backup *b, const void *data, size_t len,
    struct put_hint *hint, struct err *e)
{
	int rc;

	if (b->put != NULL)
		return (put_lookup(b->put, data, len, hint, e));
	hash_keyed(hint->id.b, b->id_key, data, len);
	rc = map_find(b->map, &hint->id, &hint->hit, e);
	hint->known = rc == 0;
	return (rc < 0 ? -1 : 0);
}
