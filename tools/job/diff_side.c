/*
 * The two kinds of trees that are compared: what a directory of theirs holds,
 * and whether content and attributes are the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "tools/job/diff_impl.h"
#include "tools/job/meta.h"

#define EXTENTS		64
#define LIST_BYTES	(256U << 10)

void
diff_unread(struct diff *d, const char *name, int error)
{
	char why[128];

	d->result->unread++;
	events_item(d->ev, EVENT_UNREAD, (const char *)d->path.data, "%s%s%s",
	    name != NULL ? name : "", name != NULL ? ": " : "",
	    strerror_r(error, why, sizeof(why)));
}

int
diff_stat(struct entry *en, int fd, const char *name)
{
	struct meta_stat st;
	int error = meta_stat(&st, fd, name);

	if (error != 0)
		return (error);
	memset(en, 0, sizeof(*en));
	en->kind = st.kind;
	en->mode = st.mode;
	en->uid = st.uid;
	en->gid = st.gid;
	en->nlink = st.nlink;
	en->size = st.kind == ENTRY_FILE ? st.size : 0;
	en->mtime = st.mtime;
	en->ctime = st.ctime;
	if (st.kind == ENTRY_CHAR || st.kind == ENTRY_BLOCK) {
		en->rdev_major = st.rdev_major;
		en->rdev_minor = st.rdev_minor;
	}
	en->src_dev = st.dev;
	en->src_ino = st.ino;
	return (0);
}

/*
 * Rows.
 */
static int
take_row(void *ctx, const char *name, size_t len, const struct entry *en,
    struct err *e)
{
	struct diff_batch *b = ctx;

	if (b->n == DIFF_ROWS) {
		b->last = false;
		return (CATALOG_STOP);
	}
	memcpy(b->v[b->n].name, name, len);
	b->v[b->n].name[len] = '\0';
	memcpy(b->upto, b->v[b->n].name, len + 1);
	b->v[b->n++].entry = *en;
	return (0);
}

/* Is that name of a live directory left out? */
static bool
is_excluded(struct diff *d, const char *name, bool is_dir)
{
	const struct patterns *p = d->env->excludes;
	const char *dir = (const char *)d->path.data;
	char *copy;
	size_t len = d->path.len;
	bool out;

	if (p == NULL || patterns_is_empty(p))
		return (false);
	/* The path is "DIR/LAST NAME": DIR counts. */
	while (len > 0 && dir[len - 1] != '/')
		len--;
	if ((copy = strndup(dir, len > 0 ? len - 1 : 0)) == NULL)
		return (false);
	out = patterns_match(p, copy, name, is_dir);
	free(copy);
	return (out);
}

static void
take_live(struct diff *d, struct diff_dir *dir, const char *name, bool implied)
{
	struct diff_batch *b = dir->batch;
	struct diff_row *row = &b->v[b->n];
	int error;

	(void)snprintf(row->name, sizeof(row->name), "%s", name);
	memcpy(b->upto, row->name, sizeof(b->upto));
	error = diff_stat(&row->entry, dir->fd, name);
	/* Gone since it was listed. */
	if (error == ENOENT)
		return;
	if (error != 0) {
		diff_unread(d, name, error);
		return;
	}
	if (row->entry.kind == 0 ||
	    is_excluded(d, name, row->entry.kind == ENTRY_DIR))
		return;
	/* What stands beside a root was never asked for. */
	if (implied)
		row->entry.flags |= ENTRY_IMPLIED;
	b->n++;
}

void
diff_batch_free(struct diff_batch *b)
{
	if (b != NULL)
		names_fini(&b->names);
	free(b);
}

/* The names after that one, when those at hand are used up; errno. */
static int
list_live(struct diff_dir *dir, bool begun, const char *after)
{
	struct names *ns = &dir->batch->names;

	if (ns->at < ns->n || (begun && ns->n > 0 && !ns->more))
		return (0);
	if (lseek(dir->fd, 0, SEEK_SET) < 0)
		return (errno);
	return (names_list(ns, dir->fd, after, LIST_BYTES));
}

static int
fill_live(struct diff *d, struct diff_dir *dir, bool begun, const char *after,
    bool implied, struct err *e)
{
	struct diff_batch *b = dir->batch;
	struct names *ns = &b->names;
	int error = list_live(dir, begun, after);

	if (error == ENOMEM)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (error != 0)
		diff_unread(d, NULL, error);
	while (ns->at < ns->n && b->n < DIFF_ROWS)
		take_live(d, dir, names_text(ns, ns->at++), implied);
	b->last = ns->at == ns->n && (!ns->more || error != 0);
	return (0);
}

int
diff_fill(struct diff *d, struct catalog *catalog, struct diff_dir *dir,
    const char *after, bool implied, struct err *e)
{
	struct diff_batch *b = dir->batch;
	char from[CATALOG_NAME_MAX + 1];
	bool begun = b->begun;

	/* Where the last rows end; else where the merge is. */
	if (begun) {
		memcpy(from, b->upto, sizeof(from));
		after = from;
	}
	b->n = b->at = 0;
	b->last = b->begun = true;
	memcpy(b->upto, after != NULL ? after : "", after != NULL ?
	    strlen(after) + 1 : 1);
	if (catalog == NULL)
		return (fill_live(d, dir, begun, after, implied, e));
	return (catalog_readdir(catalog, dir->ino, after, after != NULL ?
	    strlen(after) : 0, take_row, b, e) < 0 ? -1 : 0);
}

/*
 * Content.
 */
/* As a backup tells that nothing need be read again. */
static bool
is_untouched(const struct entry *old, const struct entry *new)
{
	return (old->src_ino == new->src_ino && ((old->flags | new->flags) &
	    (ENTRY_UNREAD | ENTRY_CHANGED | ENTRY_RECENT)) == 0 &&
	    stamp_compare(&old->mtime, &new->mtime) == 0 &&
	    stamp_compare(&old->ctime, &new->ctime) == 0);
}

static int
same_extents(struct diff *d, const struct entry *old, const struct entry *new,
    struct err *e)
{
	struct extent x[2][EXTENTS];
	uint64_t off = 0;
	size_t n[2];

	for (;;) {
		for (int s = 0; s < 2; s++)
			if (catalog_extents(d->env->side[s].catalog,
			    (s == 0 ? old : new)->ino, off, x[s], EXTENTS,
			    &n[s], e) < 0)
				return (-1);
		if (n[0] != n[1])
			return (0);
		if (n[0] == 0)
			return (1);
		for (size_t i = 0; i < n[0]; i++)
			if (x[0][i].off != x[1][i].off ||
			    x[0][i].len != x[1][i].len ||
			    x[0][i].hole != x[1][i].hole ||
			    (!x[0][i].hole &&
			    !chunk_id_equal(&x[0][i].id, &x[1][i].id)))
				return (0);
		off = x[0][n[0] - 1].off + x[0][n[0] - 1].len;
	}
}

/* Do the live file's bytes have this extent's id, or are they zeros? */
static int
same_piece(struct diff *d, int fd, const struct extent *x,
    const uint8_t key[KEY_BYTES], bool *same)
{
	struct chunk_id id;
	struct err e = ERR_INIT;
	size_t got;
	int r;

	if (x->hole) {
		r = io_is_zeros(fd, x->off, x->len, same, &e);
	} else {
		r = io_pread(fd, d->piece, (size_t)x->len, x->off, &got, &e);
		*same = r == 0 && got == x->len;
		if (*same) {
			hash_keyed(id.b, key, d->piece, got);
			*same = chunk_id_equal(&id, &x->id);
		}
	}
	if (r != 0)
		return (e.sys != 0 ? e.sys : EIO);
	return (0);
}

static int
same_bytes(struct diff *d, const struct entry *old, int fd,
    const uint8_t key[KEY_BYTES], struct err *e)
{
	struct extent x[EXTENTS];
	uint64_t off = 0;
	size_t n;
	bool same = true;
	int error;

	do {
		if (catalog_extents(d->env->side[0].catalog, old->ino, off, x,
		    EXTENTS, &n, e) < 0)
			return (-1);
		for (size_t i = 0; i < n && same; i++) {
			if (events_canceled(d->ev))
				return (err_set(e, ERR_CANCELED,
				    "interrupted"));
			error = same_piece(d, fd, &x[i], key, &same);
			if (error != 0) {
				diff_unread(d, NULL, error);
				return (0);
			}
			off = x[i].off + x[i].len;
		}
	} while (n > 0 && same);
	return (same);
}

static int
same_live(struct diff *d, const struct entry *old, int dir, const char *name,
    struct err *e)
{
	uint8_t key[KEY_BYTES];
	int fd, r;

	if (d->piece == NULL && (d->piece = malloc(CHUNK_MAX)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		diff_unread(d, NULL, errno);
		return (0);
	}
	r = keyring_domain_id_key(d->env->ring, d->env->side[0].domain, key,
	    e);
	if (r == 0)
		r = same_bytes(d, old, fd, key, e);
	sodium_memzero(key, sizeof(key));
	(void)close(fd);
	return (r);
}

static int
same_target(struct diff *d, const struct entry *old, const struct entry *new,
    int fd, const char *name, struct err *e)
{
	char t[2][CATALOG_TARGET_MAX + 1];
	size_t len[2];
	struct meta m = { 0 };
	int same;

	if (catalog_target(d->env->side[0].catalog, old->ino, t[0], &len[0],
	    e) < 0)
		return (-1);
	if (d->env->side[1].catalog != NULL) {
		if (catalog_target(d->env->side[1].catalog, new->ino, t[1],
		    &len[1], e) < 0)
			return (-1);
		return (len[0] == len[1] && memcmp(t[0], t[1], len[0]) == 0);
	}
	meta_read_at(&m, fd, name, ENTRY_SYMLINK);
	same = m.target != NULL && m.target_len == len[0] &&
	    memcmp(m.target, t[0], len[0]) == 0;
	meta_fini(&m);
	return (same);
}

int
diff_same_content(struct diff *d, const struct entry *old,
    const struct entry *new, int fd, const char *name, struct err *e)
{
	const struct diff_side *side = d->env->side;

	if (old->size == new->size && is_untouched(old, new))
		return (1);
	switch (old->kind) {
	case ENTRY_SYMLINK:
		return (same_target(d, old, new, fd, name, e));
	case ENTRY_CHAR:
	case ENTRY_BLOCK:
		return (old->rdev_major == new->rdev_major &&
		    old->rdev_minor == new->rdev_minor);
	case ENTRY_FILE:
		break;
	default:
		return (1);
	}
	if (old->size != new->size)
		return (0);
	if (side[1].catalog == NULL)
		return (same_live(d, old, fd, name, e));
	if (side[0].domain != side[1].domain)
		return (stamp_compare(&old->mtime, &new->mtime) == 0);
	return (same_extents(d, old, new, e));
}

/*
 * Extended attributes.
 */
static int
add_xattr(void *ctx, const char *name, const void *value, size_t len,
    struct err *e)
{
	struct buf *b = ctx;

	buf_bytes(b, name, strlen(name) + 1);
	buf_u64(b, len);
	buf_bytes(b, value, len);
	return (buf_ok(b, e));
}

static int
same_sets(struct diff *d, uint64_t old, uint64_t new, struct err *e)
{
	struct buf b[2] = { BUF_INIT, BUF_INIT };
	size_t slot = (size_t)((old * 31 + new) %
	    (sizeof(d->xsets) / sizeof(d->xsets[0])));
	int r = 0;

	if (d->xsets[slot].known && d->xsets[slot].a == old &&
	    d->xsets[slot].b == new)
		return (d->xsets[slot].same);
	for (int s = 0; s < 2 && r == 0; s++)
		if ((s == 0 ? old : new) != 0)
			r = catalog_xattrs(d->env->side[s].catalog,
			    s == 0 ? old : new, add_xattr, &b[s], e);
	if (r == 0) {
		r = b[0].len == b[1].len && (b[0].len == 0 ||
		    memcmp(b[0].data, b[1].data, b[0].len) == 0);
		d->xsets[slot].a = old;
		d->xsets[slot].b = new;
		d->xsets[slot].same = r == 1;
		d->xsets[slot].known = true;
	}
	buf_fini(&b[0]);
	buf_fini(&b[1]);
	return (r);
}

static int
xattr_compare(const void *va, const void *vb)
{
	const struct xattr *a = va, *b = vb;

	return (strcmp(a->name, b->name));
}

int
diff_same_xattrs(struct diff *d, const struct entry *old,
    const struct entry *new, int fd, const char *name, struct err *e)
{
	struct buf b[2] = { BUF_INIT, BUF_INIT };
	struct meta m = { 0 };
	int r = 0;

	if (is_untouched(old, new))
		return (1);
	if (d->env->side[1].catalog != NULL)
		return (old->xattrs == 0 && new->xattrs == 0 ? 1 :
		    same_sets(d, old->xattrs, new->xattrs, e));
	meta_read_at(&m, fd, name, new->kind);
	if (m.error != 0)
		diff_unread(d, NULL, m.error);
	if (m.nxattrs > 1)
		qsort(m.xattrs, m.nxattrs, sizeof(*m.xattrs), xattr_compare);
	for (size_t i = 0; i < m.nxattrs && r == 0; i++)
		r = add_xattr(&b[1], m.xattrs[i].name, m.xattrs[i].value,
		    m.xattrs[i].len, e);
	if (r == 0 && old->xattrs != 0)
		r = catalog_xattrs(d->env->side[0].catalog, old->xattrs,
		    add_xattr, &b[0], e);
	if (r == 0)
		r = b[0].len == b[1].len && (b[0].len == 0 ||
		    memcmp(b[0].data, b[1].data, b[0].len) == 0);
	meta_fini(&m);
	buf_fini(&b[0]);
	buf_fini(&b[1]);
	return (r);
}
