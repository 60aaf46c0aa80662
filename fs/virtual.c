/*
 * The virtual part of the tree: the root, by-id, by-time, and the links to
 * snapshots; and how it learns of new snapshots.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs_int.h"

#define REFRESH_MS	1000
#define RETRY_MS	60000	/* list again what was refused before */

static const char *const root_names[] = { "by-id", "by-time", "latest" };

struct refresh {
	pthread_mutex_t lock;	/* of all below */
	bool running;
	bool listed;
	uint64_t next_ms;	/* of clock_mono_ms(): not before */
	uint64_t full_ms;	/* when all were read */
	size_t refused;
	uint64_t count;		/* of the names that were listed */
	uint8_t sum[ID_BYTES];	/* their exclusive or */
};

struct census {
	uint64_t count;
	uint8_t sum[ID_BYTES];
};

int
refresh_new(struct refresh **out, struct err *err)
{
	struct refresh *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	(void)pthread_mutex_init(&r->lock, NULL);
	*out = r;
	return (0);
}

void
refresh_free(struct refresh *r)
{
	if (r == NULL)
		return;
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

static void
count_id(struct census *c, const struct snapshot_id *id)
{
	c->count++;
	for (size_t i = 0; i < ID_BYTES; i++)
		c->sum[i] ^= id->b[i];
}

static int
count_name(void *ctx, const char *name, const struct store_stat *st,
    struct err *err)
{
	const char *base = strrchr(name, '/');
	struct snapshot_id id;

	if (hex_parse(id.b, ID_BYTES, base != NULL ? base + 1 : name) == 0)
		count_id(ctx, &id);
	return (0);
}

/* Show what was listed, and remember its census. */
static int
take(struct fs *fs, struct refresh *r, const struct snapshots *snaps,
    const struct census *c, struct err *err)
{
	if (roll_update(fs->roll, snaps, err) != 0)
		return (-1);
	r->listed = true;
	r->count = c->count;
	memcpy(r->sum, c->sum, ID_BYTES);
	r->refused = snaps->refused;
	r->full_ms = clock_mono_ms();
	return (0);
}

/*
 * List the names, which is cheap, and read the manifests only when the names
 * are others than before.  Only one thread is here at a time.
 */
static int
look(struct fs *fs, struct refresh *r, struct err *err)
{
	struct snapshots snaps = { 0 };
	struct census c = { 0 };
	int rc;

	if (store_list_names(repo_store(fs->repo), "snapshots", count_name, &c,
	    err) < 0)
		return (-1);
	if (r->listed && c.count == r->count &&
	    memcmp(c.sum, r->sum, ID_BYTES) == 0 &&
	    (r->refused == 0 || clock_mono_ms() - r->full_ms < RETRY_MS))
		return (0);
	rc = repo_snapshots(fs->repo, &snaps, err);
	if (rc == 0)
		rc = take(fs, r, &snaps, &c, err);
	snapshots_fini(&snaps);
	return (rc);
}

int
refresh_first(struct fs *fs, const struct snapshots *snaps, struct err *err)
{
	struct refresh *r = fs->refresh;
	struct census c = { 0 };

	/* What vanished while it was listed is not in it: then the next look
	 * finds other names, and lists again. */
	for (size_t i = 0; i < snaps->n; i++)
		count_id(&c, &snaps->v[i].id);
	for (size_t i = 0; i < snaps->refused; i++)
		count_id(&c, &snaps->refused_ids[i]);
	r->next_ms = clock_mono_ms() + REFRESH_MS;
	return (take(fs, r, snaps, &c, err));
}

void
fs_refresh(struct fs *fs)
{
	struct refresh *r = fs->refresh;
	struct err err = ERR_INIT;
	bool mine;

	if (r == NULL)
		return;
	(void)pthread_mutex_lock(&r->lock);
	/* Who comes while another looks goes on with what is known. */
	mine = !r->running && (!r->listed || clock_mono_ms() >= r->next_ms);
	if (mine)
		r->running = true;
	(void)pthread_mutex_unlock(&r->lock);
	if (!mine)
		return;
	if (look(fs, r, &err) < 0)
		(void)fs_fail(fs, &err, "listing the snapshots", 1);
	(void)pthread_mutex_lock(&r->lock);
	r->running = false;
	r->next_ms = clock_mono_ms() + REFRESH_MS;
	(void)pthread_mutex_unlock(&r->lock);
}

static int
root_lookup(struct fs *fs, const char *name, struct node *child,
    struct roll_item *it)
{
	*child = (struct node){ .kind = NODE_NONE };
	if (strcmp(name, root_names[0]) == 0)
		child->kind = NODE_BY_ID;
	else if (strcmp(name, root_names[1]) == 0)
		child->kind = NODE_BY_TIME;
	else if (strcmp(name, root_names[2]) == 0 &&
	    roll_latest(fs->roll, it)) {
		child->kind = NODE_LATEST;
		child->snapshot = it->number;
	}
	return (child->kind == NODE_NONE ? FS_ABSENT : 0);
}

int
virtual_lookup(struct fs *fs, const struct node *dir, const char *name,
    struct node *child, struct roll_item *it)
{
	fs_refresh(fs);
	if (dir->kind == NODE_ROOT)
		return (root_lookup(fs, name, child, it));
	*child = (struct node){ .kind = NODE_NONE };
	if (dir->kind == NODE_BY_ID && roll_by_name(fs->roll, name, it)) {
		child->kind = strcmp(name, it->name) == 0 ?
		    NODE_TOP : NODE_ALIAS;
		child->ino = child->kind == NODE_TOP ? CATALOG_ROOT_INO : 0;
	} else if (dir->kind == NODE_BY_TIME &&
	    roll_by_time(fs->roll, name, it)) {
		child->kind = NODE_TIME;
	}
	if (child->kind == NODE_NONE)
		return (FS_ABSENT);
	child->snapshot = it->number;
	return (0);
}

int
virtual_target(struct fs *fs, const struct node *n, char dst[ID_HEX + 16])
{
	struct roll_item it;

	if (!roll_by_number(fs->roll, n->snapshot, &it))
		return (FS_STALE);
	(void)snprintf(dst, ID_HEX + 16, "%s%s",
	    n->kind == NODE_LATEST ? "by-id/" :
	    n->kind == NODE_TIME ? "../by-id/" : "", it.name);
	return (0);
}

bool
virtual_next(struct fs *fs, const struct node *dir, uint64_t *pos,
    char name[ID_HEX], struct node *child, struct roll_item *it)
{
	if (dir->kind == NODE_ROOT) {
		for (; *pos < sizeof(root_names) / sizeof(root_names[0]);
		    (*pos)++) {
			if (root_lookup(fs, root_names[*pos], child, it) != 0)
				continue;
			(void)snprintf(name, ID_HEX, "%s", root_names[*pos]);
			(*pos)++;
			return (true);
		}
		return (false);
	}
	if (!roll_next(fs->roll, pos, it))
		return (false);
	(*pos)++;
	*child = (struct node){ .snapshot = it->number };
	if (dir->kind == NODE_BY_ID) {
		child->kind = NODE_TOP;
		child->ino = CATALOG_ROOT_INO;
		(void)snprintf(name, ID_HEX, "%s", it->name);
	} else {
		child->kind = NODE_TIME;
		(void)snprintf(name, ID_HEX, "%s", it->time_name);
	}
	return (true);
}
