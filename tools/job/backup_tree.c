/*
 * The walk's tree against the parent catalog's: what is the same, changed, new,
 * gone or moved, and what is written of it.
 *
 * A directory that vanished is kept until the end of the run, as it may turn up
 * elsewhere: a new directory whose source inode the parent catalog knows, at a
 * place where the source has it no more, is that one, moved, with all that is
 * known of what it holds.  One that another entry pushes aside waits under a
 * name of our own (`limbo').
 *
 * Invariants:
 * 1. A node of the parent stands for at most one entry of this run: a directory
 *    goes on as itself only where its source inode is found, once (`moved'); a
 *    file that had several names goes on only as the same source inode.
 * 2. A directory is moved only if the walk has not met it yet, or has met its
 *    place and found it empty (it, or one above it, is among the gone): so
 *    nothing that was written is moved away, and no directory comes to lie in
 *    itself.
 */
#include "tools/job/backup_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs/mount.h"

#define GONE_BYTES	(8U << 20)
#define GONE_MAX	(1U << 18)
#define MOVED_MAX	(1U << 18)
#define OLD_PATH_BYTES	4096

static int
no_memory(struct err *e)
{
	return (err_set(e, ERR_NOMEM, "no memory for the comparison"));
}

/* Workers' part. */

/* Is what the parent says still so, as far as stat can tell?  But for
 * ENTRY_RECENT, which makes it one to be looked at again. */
static bool
is_like(const struct meta_stat *st, bool implied, const struct entry *old)
{
	unsigned flags = implied ? ENTRY_IMPLIED : 0;

	return (old->kind == st->kind &&
	    (old->flags & ~(unsigned)(ENTRY_SPARSE | ENTRY_RECENT)) == flags &&
	    old->src_ino == st->ino && old->mode == st->mode &&
	    old->uid == st->uid && old->gid == st->gid &&
	    (st->kind != ENTRY_FILE || old->size == st->size) &&
	    stamp_compare(&old->mtime, &st->mtime) == 0 &&
	    stamp_compare(&old->ctime, &st->ctime) == 0 &&
	    ((st->kind != ENTRY_CHAR && st->kind != ENTRY_BLOCK) ||
	    (old->rdev_major == st->rdev_major &&
	    old->rdev_minor == st->rdev_minor)));
}

struct merge {
	struct walk_batch *batch;
	size_t at;
};

static int
compare_names(const char *a, size_t alen, const char *b, size_t blen)
{
	int c = memcmp(a, b, alen < blen ? alen : blen);

	if (c != 0)
		return (c);
	return (alen < blen ? -1 : alen > blen);
}

static int
merge_one(void *ctx, const char *name, size_t len, const struct entry *old,
    struct err *e)
{
	struct merge *m = ctx;
	struct walk_batch *batch = m->batch;
	int c = -1;

	if (batch->upto != NULL && compare_names(name, len, batch->upto,
	    strlen(batch->upto)) > 0)
		return (CATALOG_STOP);
	for (; m->at < batch->n; m->at++) {
		const struct walk_entry *en = &batch->v[m->at];

		c = compare_names(name, len, en->name, en->len);
		if (c <= 0)
			break;
	}
	if (m->at < batch->n && c == 0 && !batch->v[m->at].left_out) {
		batch->v[m->at].has_old = true;
		batch->v[m->at].old = *old;
		return (0);
	}
	return (walk_gone_add(batch, name, len, old) == 0 ? 0 : no_memory(e));
}

static int
examine(void *ctx, struct walk_batch *batch, struct err *e)
{
	struct backup *b = ctx;
	struct merge m = { .batch = batch };

	if (b->parent == NULL || batch->dir->old == 0)
		return (0);
	if (catalog_readdir(b->parent, batch->dir->old, batch->after,
	    batch->after != NULL ? strlen(batch->after) : 0, merge_one, &m,
	    e) < 0) {
		atomic_store(&b->parent_bad, e->code == ERR_CORRUPT);
		return (err_wrap(e, "the snapshot to compare with"));
	}
	for (size_t i = 0; i < batch->n; i++) {
		struct walk_entry *en = &batch->v[i];

		if (!en->has_old || en->error != 0)
			continue;
		en->like = is_like(&en->st, en->implied, &en->old);
		en->same = en->like && (en->old.flags & ENTRY_RECENT) == 0 &&
		    !b->env->force;
		if (en->same && en->st.kind == ENTRY_FILE && b->build != NULL &&
		    build_is_sound(b->build, en->old.ino, &en->same, e) != 0)
			return (-1);
	}
	return (0);
}

/* The coordinator's part. */

/* A directory that is not at its place any more waits for the end. */
static int
remember_gone(struct backup *b, uint64_t dir, const char *name, uint64_t ino,
    struct err *e)
{
	struct gone_dirs *g = &b->gone;

	if (g->list.len > GONE_BYTES || g->inos.n >= GONE_MAX)
		return (sink_unname(b, dir, name, e));
	buf_u64(&g->list, dir);
	buf_str16(&g->list, name, strlen(name));
	if (buf_ok(&g->list, e) != 0 || !inoset_add(&g->inos, ino))
		return (no_memory(e));
	return (0);
}

int
tree_finish(struct backup *b, struct err *e)
{
	struct rd r;

	rd_init(&r, b->gone.list.data, b->gone.list.len);
	while (rd_left(&r) > 0) {
		char name[CATALOG_NAME_MAX + 1];
		uint64_t dir = rd_u64(&r);
		size_t len = rd_u16(&r);

		BUG_ON(r.bad || len > CATALOG_NAME_MAX);
		rd_bytes(&r, name, len);
		name[len] = '\0';
		if (sink_unname(b, dir, name, e) != 0)
			return (-1);
	}
	return (0);
}

/* What had this name makes room for something else. */
static int
push_aside(struct backup *b, const struct walk_dir *dir,
    const struct walk_entry *en, struct err *e)
{
	char name[64];
	int rc;

	if (!en->has_old || inoset_has(&b->moved, en->old.ino))
		return (0);
	if (en->old.kind != ENTRY_DIR || b->build == NULL)
		return (sink_unname(b, dir->ino, en->name, e));
	(void)snprintf(name, sizeof(name), "\001vitrine limbo %llu",
	    (unsigned long long)b->limbo++);
	rc = sink_move(b, en->old.ino, CATALOG_ROOT_INO, name, e);
	if (rc != 0)
		return (rc < 0 ? -1 : 0);
	return (remember_gone(b, CATALOG_ROOT_INO, name, en->old.ino, e));
}

/* Is the directory, or one above it in the parent catalog, among the gone? */
static int
is_gone(struct backup *b, const struct entry *old, bool *gone, struct err *e)
{
	struct entry en = *old;

	*gone = false;
	for (unsigned depth = 0; depth < 65536; depth++) {
		if (inoset_has(&b->gone.inos, en.ino)) {
			*gone = true;
			return (0);
		}
		if (en.ino == CATALOG_ROOT_INO || en.parent == 0)
			return (0);
		switch (catalog_get(b->parent, en.parent, &en, e)) {
		case 0:
			break;
		case CATALOG_ABSENT:
			return (0);
		default:
			return (-1);
		}
	}
	return (0);
}

/*
 * Is this new directory one that was elsewhere before?  Then it is moved, and
 * its first batch compared with what it held.
 */
static int
find_moved(struct backup *b, struct walk_dir *dir, struct walk_entry *en,
    bool *moved, struct err *e)
{
	char path[OLD_PATH_BYTES];
	struct entry old;
	bool gone = true;
	int rc;

	*moved = false;
	if (b->build == NULL || b->parent == NULL || dir->parent == NULL ||
	    b->moved.n >= MOVED_MAX || !b->source->moves)
		return (0);
	path[0] = '/';
	rc = build_find_dir(b->build, en->st.dev, en->st.ino, &old, path + 1,
	    sizeof(path) - 1, e);
	if (rc != 0)
		return (rc < 0 ? -1 : 0);
	if (old.kind != ENTRY_DIR || old.ino == CATALOG_ROOT_INO ||
	    inoset_has(&b->moved, old.ino) ||
	    !b->source->ops->has_vanished(b->source, path, &en->st))
		return (0);
	for (const struct walk_dir *up = dir->parent; up != NULL;
	    up = up->parent)
		if (up->ino == old.ino)
			return (0);
	if (walk_path(dir, NULL, &b->path, e) != 0)
		return (-1);
	if (path_compare(path, (const char *)b->path.data) < 0 &&
	    is_gone(b, &old, &gone, e) != 0)
		return (-1);
	if (!gone)
		return (0);
	rc = sink_move(b, old.ino, dir->parent->ino, dir->name, e);
	if (rc != 0)
		return (rc < 0 ? -1 : 0);
	if (!inoset_add(&b->moved, old.ino))
		return (no_memory(e));
	/* It was told as removed, but isn't. */
	if (inoset_has(&b->gone.inos, old.ino) && b->res->removed > 0)
		b->res->removed--;
	dir->ino = dir->old = old.ino;
	*moved = true;
	backup_say(b, EVENT_DETAIL, dir, NULL, "moved from %s", path);
	return (0);
}

/* The directory gets its inode: its old one, a moved one's, or a new one. */
static int
identify(struct backup *b, struct walk_dir *dir, struct walk_batch *in,
    struct walk_entry *en, struct walk_batch *first, bool *named,
    struct err *e)
{
	uint64_t was = dir->old;

	*named = true;
	if (en == NULL) {
		dir->ino = CATALOG_ROOT_INO;
		return (0);
	}
	if (dir->old != 0 && !inoset_has(&b->moved, dir->old)) {
		dir->ino = dir->old;
		return (0);
	}
	dir->old = 0;
	en->same = en->like = false;
	if (push_aside(b, dir->parent, en, e) != 0 ||
	    find_moved(b, dir, en, named, e) != 0)
		return (-1);
	if (dir->old != was) {
		walk_batch_reset(first);
		if (examine(b, first, e) != 0)
			return (-1);
	}
	return (*named ? 0 : sink_ino(b, in, &dir->ino, e));
}

static int
enter(void *ctx, struct walk_dir *dir, struct walk_batch *in,
    struct walk_entry *en, struct walk_batch *first, struct err *e)
{
	struct backup *b = ctx;
	struct node nd = { .st = &dir->st, .meta = first->meta,
	    .now = b->source->vouches ? NULL :
	    in != NULL ? &in->now : &first->now };
	int error = first->error;
	bool same, named;
	struct entry old;

	if (backup_tick(b, dir->parent, en != NULL ? en->name : NULL, e) != 0)
		return (-1);
	if (identify(b, dir, in, en, first, &named, e) != 0)
		return (-1);
	same = en != NULL && en->same;
	if (en == NULL && b->parent != NULL) {
		if (catalog_get(b->parent, CATALOG_ROOT_INO, &old, e) != 0)
			return (-1);
		nd.like = is_like(&dir->st, dir->implied, &old);
		same = nd.like && (old.flags & ENTRY_RECENT) == 0 &&
		    !b->env->force;
		nd.xattrs = nd.old_xattrs = old.xattrs;
	} else if (en != NULL) {
		nd.like = en->like;
		nd.old_xattrs = en->old.xattrs;
		if (same)
			nd.xattrs = en->old.xattrs;
	}
	dir->xattrs = nd.xattrs;
	filter_tell(b, dir, en != NULL && en->is_root);
	b->res->dirs++;
	if (error == 0 && first->meta != NULL)
		error = first->meta->error;
	if (error != 0) {
		backup_unread(b, dir, NULL, error);
		dir->unread = true;
	}
	if (first->error == 0 && (en != NULL ? en->is_root : !dir->implied))
		b->roots_read++;
	if (same && error == 0)
		return (0);
	nd.ino = dir->ino;
	nd.parent = dir->parent != NULL ? dir->parent->ino : dir->ino;
	nd.flags = (dir->implied ? ENTRY_IMPLIED : 0) |
	    (dir->unread ? ENTRY_UNREAD : 0);
	if (sink_node(b, &nd, e) != 0)
		return (-1);
	dir->xattrs = nd.xattrs;
	return (named ? 0 : sink_name(b, dir->parent->ino, dir->name,
	    dir->ino, e));
}

static int
leave(void *ctx, struct walk_dir *dir, int error, struct err *e)
{
	struct backup *b = ctx;
	struct node nd = { .ino = dir->ino, .st = &dir->st,
	    .flags = ENTRY_UNREAD, .xattrs = dir->xattrs };

	if (error == 0 || dir->unread)
		return (0);
	backup_unread(b, dir, NULL, error);
	nd.parent = dir->parent != NULL ? dir->parent->ino : dir->ino;
	if (dir->implied)
		nd.flags |= ENTRY_IMPLIED;
	return (sink_node(b, &nd, e));
}

static int
batch_begins(void *ctx, struct walk_batch *batch, struct err *e)
{
	struct backup *b = ctx;
	uint64_t fresh = 0;

	for (size_t i = 0; i < batch->n; i++) {
		const struct walk_entry *en = &batch->v[i];

		if (en->left_out)
			backup_say(b, EVENT_SKIPPED, batch->dir, en->name,
			    "it belongs to vitrine itself");
		else if (!en->has_old || en->old.kind != en->st.kind)
			fresh++;
	}
	return (sink_inos(b, batch, fresh, e));
}

static int
gone(void *ctx, struct walk_batch *batch, struct walk_gone *g, struct err *e)
{
	struct backup *b = ctx;

	if (g->old.kind == ENTRY_DIR && inoset_has(&b->moved, g->old.ino))
		return (0);
	b->res->removed++;
	backup_say(b, EVENT_DETAIL, batch->dir, g->name, "removed");
	if (g->old.kind == ENTRY_DIR)
		return (remember_gone(b, batch->dir->ino, g->name, g->old.ino,
		    e));
	return (sink_unname(b, batch->dir->ino, g->name, e));
}

/* stat failed, or there was no link any more when its target was asked for: all
 * that is known is that there is, or was, something of this name. */
static int
unknown(struct backup *b, struct walk_batch *batch, struct walk_entry *en,
    struct err *e)
{
	struct node nd = { .st = &en->st, .flags = ENTRY_UNREAD };

	backup_unread(b, batch->dir, en->name, en->error);
	if (push_aside(b, batch->dir, en, e) != 0)
		return (-1);
	if (en->error == ENOENT)
		return (0);
	if (en->st.kind == ENTRY_DIR) {
		b->res->dirs++;
		nd.parent = batch->dir->ino;
	} else {
		/* A link without a target or a device without a number would be
		 * a lie. */
		en->st.kind = ENTRY_FILE;
		b->res->files++;
	}
	if (sink_ino(b, batch, &nd.ino, e) != 0 || sink_node(b, &nd, e) != 0)
		return (-1);
	return (sink_name(b, batch->dir->ino, en->name, nd.ino, e));
}

static int
queue(struct backup *b, struct walk_batch *batch, const struct walk_entry *en,
    uint64_t ino, bool named, bool link, struct err *e)
{
	struct item it = { .dir = batch->dir, .name = en->name, .st = en->st,
	    .now = batch->now, .ino = ino, .named = named, .link = link,
	    .is_root = en->is_root, .is_new = !en->has_old,
	    .like = en->like && named, .old_xattrs = en->old.xattrs };

	return (flow_file(b->flow, &it, e));
}

/* Another name of a node that this run has written, or will have when the flow
 * comes to it. */
static int
another_name(struct backup *b, struct walk_batch *batch,
    const struct walk_entry *en, bool keep_name, uint64_t ino, struct err *e)
{
	bool named = keep_name && en->old.ino == ino;

	if (keep_name && !named &&
	    sink_unname(b, batch->dir->ino, en->name, e) != 0)
		return (-1);
	if (en->st.kind == ENTRY_FILE)
		return (queue(b, batch, en, ino, named, true, e));
	b->res->others++;
	return (named ? 0 :
	    sink_name(b, batch->dir->ino, en->name, ino, e));
}

static int
unchanged(struct backup *b, struct walk_batch *batch,
    const struct walk_entry *en, struct err *e)
{
	uint64_t ino = 0;
	int rc = CATALOG_ABSENT;

	if (en->st.nlink > 1) {
		rc = sink_linked(b, &en->st, &ino, e);
		if (rc < 0)
			return (-1);
		if (rc == 0 && ino != en->old.ino)
			return (another_name(b, batch, en, true, ino, e));
		if (rc != 0 && sink_link(b, &en->st, en->old.ino, e) != 0)
			return (-1);
	}
	if (en->is_root)
		b->roots_read++;
	if (en->st.kind != ENTRY_FILE) {
		b->res->others++;
		return (0);
	}
	b->res->files++;
	b->res->files_unchanged++;
	if (rc != 0)
		b->res->bytes += en->st.size;
	return (0);
}

/* A link, device, FIFO or socket that is new or changed. */
static int
put_other(struct backup *b, struct walk_batch *batch,
    const struct walk_entry *en, uint64_t ino, bool named, struct err *e)
{
	struct node nd = { .ino = ino, .st = &en->st, .meta = en->meta,
	    .now = &batch->now, .like = en->like && named,
	    .old_xattrs = en->old.xattrs };

	b->res->others++;
	if (en->meta != NULL && en->meta->error != 0) {
		backup_unread(b, batch->dir, en->name, en->meta->error);
		nd.flags |= ENTRY_UNREAD;
	}
	if (en->is_root)
		b->roots_read++;
	backup_say(b, EVENT_DETAIL, batch->dir, en->name, "%s",
	    en->has_old ? "changed" : "added");
	if (sink_node(b, &nd, e) != 0)
		return (-1);
	return (named ? 0 :
	    sink_name(b, batch->dir->ino, en->name, ino, e));
}

static int
entry(void *ctx, struct walk_batch *batch, struct walk_entry *en,
    struct err *e)
{
	struct backup *b = ctx;
	bool goes_on;
	uint64_t ino;
	int rc;

	if (backup_tick(b, batch->dir, en->name, e) != 0)
		return (-1);
	if (en->error != 0)
		return (unknown(b, batch, en, e));
	if (en->same)
		return (unchanged(b, batch, en, e));
	if (en->st.kind == ENTRY_SYMLINK && en->meta != NULL &&
	    en->meta->target_len == 0) {
		en->error = en->meta->error;
		return (unknown(b, batch, en, e));
	}
	/* Invariant 1. */
	goes_on = en->has_old && en->old.kind == en->st.kind &&
	    (en->old.src_ino == en->st.ino || en->old.nlink <= 1);
	if (!goes_on && push_aside(b, batch->dir, en, e) != 0)
		return (-1);
	if (en->st.nlink > 1) {
		rc = sink_linked(b, &en->st, &ino, e);
		if (rc < 0)
			return (-1);
		if (rc == 0)
			return (another_name(b, batch, en, goes_on, ino, e));
	}
	if (goes_on)
		ino = en->old.ino;
	else if (sink_ino(b, batch, &ino, e) != 0)
		return (-1);
	if (en->st.nlink > 1 && sink_link(b, &en->st, ino, e) != 0)
		return (-1);
	if (en->st.kind == ENTRY_FILE)
		return (queue(b, batch, en, ino, goes_on, false, e));
	return (put_other(b, batch, en, ino, goes_on, e));
}

/* File systems that hold no data of anybody's. */
static const char *
pseudo_name(unsigned long type)
{
	static const struct {
		unsigned long type;
		const char *name;
	} pseudo[] = {
		{ PROC_SUPER_MAGIC, "proc" }, { SYSFS_MAGIC, "sysfs" },
		{ CGROUP_SUPER_MAGIC, "cgroup" },
		{ CGROUP2_SUPER_MAGIC, "cgroup2" },
		{ DEBUGFS_MAGIC, "debugfs" }, { TRACEFS_MAGIC, "tracefs" },
		{ SECURITYFS_MAGIC, "securityfs" },
		{ DEVPTS_SUPER_MAGIC, "devpts" }, { BPF_FS_MAGIC, "bpf" },
		{ PSTOREFS_MAGIC, "pstore" }, { SELINUX_MAGIC, "selinuxfs" },
		{ EFIVARFS_MAGIC, "efivarfs" },
		{ AUTOFS_SUPER_MAGIC, "autofs" },
		{ BINFMTFS_MAGIC, "binfmt_misc" }, { NSFS_MAGIC, "nsfs" },
		{ 0x62656570, "configfs" }, { 0x19800202, "mqueue" },
		{ 0x65735543, "fusectl" }, { HUGETLBFS_MAGIC, "hugetlbfs" },
		{ 0x67596969, "rpc_pipefs" }
	};

	for (size_t i = 0; i < sizeof(pseudo) / sizeof(pseudo[0]); i++)
		if (pseudo[i].type == type)
			return (pseudo[i].name);
	return (NULL);
}

static int
cross(void *ctx, struct walk_dir *dir, struct walk_entry *en, bool *list,
    struct err *e)
{
	struct backup *b = ctx;
	const char *why = NULL;
	struct statfs sf;
	bool ours;
	int fd;

	if (mount_is_ours(en->st.dev, &ours, e) != 0)
		return (-1);
	if (ours) {
		why = "a mount of vitrine";
	} else if (en->is_root || en->leads) {
		return (0);
	} else if (b->env->one_file_system) {
		*list = false;
		return (0);
	}
	fd = ours ? -1 : openat(dir->fd, en->name,
	    O_PATH | O_NOFOLLOW | O_CLOEXEC | O_DIRECTORY);
	if (fd >= 0) {
		if (fstatfs(fd, &sf) == 0 &&
		    pseudo_name((unsigned long)sf.f_type) != NULL)
			why = pseudo_name((unsigned long)sf.f_type);
		(void)close(fd);
	}
	if (why != NULL) {
		*list = false;
		backup_say(b, EVENT_SKIPPED, dir, en->name, ours ? "%s" :
		    "a file system of the kernel's (%s)", why);
	}
	return (0);
}

const struct walk_ops backup_walk_ops = {
	.listed = filter_listed, .keep = filter_keep, .want_path = false,
	.examine = examine, .cross = cross, .enter = enter,
	.batch = batch_begins, .gone = gone, .entry = entry, .leave = leave
};
