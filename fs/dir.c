/*
 * Reading directories, with attributes (readdirplus) or without.
 *
 * There is no opendir: the kernel caches what it has read, and a position is
 * a count: 1 after ".", 2 after "..", 2 + k after the k-th entry.  In a
 * snapshot the order is that of the names; in a virtual directory it is that
 * of the roll, whose positions outlive additions and removals.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs_int.h"

#define DOTS	2

struct reading {
	struct fs *fs;
	fuse_req_t req;
	struct node dir;
	uint64_t number;	/* of the directory */
	uint64_t parent;	/* of a NODE_ENTRY, in its snapshot */
	struct catalog *catalog;
	bool plus;
	enum listing how;	/* plus: attributes of which entries */
	char *buf;		/* owned */
	size_t size, used;
	uint64_t pos;		/* of the last entry in buf or skipped */
	uint64_t skip;		/* entries yet to be passed over */
	bool full;
	bool end;		/* nothing follows */
	uint64_t first;		/* file with attributes, or 0 */
	char last[CATALOG_NAME_MAX + 1];	/* its name */
	size_t last_len;
};

/* false when it doesn't fit any more. */
static bool
emit(struct reading *r, const char *name, const struct stat *st,
    uint64_t number, double timeout)
{
	struct fuse_entry_param e = { 0 };
	size_t room = r->size - r->used, need;
	off_t next = (off_t)(r->pos + 1);

	if (r->plus) {
		/* A number of 0 says: no attributes here, and no look-up is
		 * meant. */
		e.ino = number;
		e.attr = *st;
		e.attr_timeout = timeout;
		e.entry_timeout = timeout;
		need = fuse_add_direntry_plus(r->req, r->buf + r->used, room,
		    name, &e, next);
	} else {
		need = fuse_add_direntry(r->req, r->buf + r->used, room, name,
		    st, next);
	}
	if (need > room) {
		r->full = true;
		return (false);
	}
	r->used += need;
	r->pos++;
	return (true);
}

/* The number of the directory above; for "..". */
static int
parent_number(struct reading *r, uint64_t *out, struct err *err)
{
	*out = 1;
	if (r->dir.kind == NODE_TOP) {
		*out = layout_number(&r->fs->layout,
		    &(struct node){ .kind = NODE_BY_ID });
		return (0);
	}
	if (r->dir.kind != NODE_ENTRY || r->number == 1)
		return (0);
	return (fs_number(r->fs, &r->dir, r->parent, out, err));
}

static int
emit_dots(struct reading *r, struct err *err)
{
	static const char *const dots[DOTS] = { ".", ".." };
	struct stat st = { .st_mode = S_IFDIR };
	uint64_t above;

	if (r->pos >= DOTS)
		return (0);
	if (parent_number(r, &above, err) < 0)
		return (-1);
	while (r->pos < DOTS && !r->full) {
		st.st_ino = r->pos == 0 ? r->number : above;
		(void)emit(r, dots[r->pos], &st, 0, 0);
	}
	return (0);
}

/* Does this entry go without attributes? */
static bool
goes_lean(struct reading *r, const struct entry *e)
{
	return (r->plus && e->kind != ENTRY_DIR && r->how != LISTING_FULL &&
	    r->pos < DOTS + LEAN_ENTRIES);
}

static int
emit_lean(struct reading *r, const char *name, const struct entry *e,
    uint64_t number, struct err *err)
{
	struct stat st = { .st_ino = number, .st_mode = fs_type(e->kind) };

	if (st.st_mode == 0)
		return (err_set(err, ERR_CORRUPT, "an entry of kind %u",
		    e->kind));
	return (emit(r, name, &st, 0, 0) ? 0 : CATALOG_STOP);
}

static int
emit_full(struct reading *r, const char *name, const struct entry *e,
    uint64_t number, struct err *err)
{
	struct stat st;

	if (fs_attr(r->catalog, number, e, &st, err) < 0)
		return (-1);
	if (!emit(r, name, &st, number, FS_FOR_EVER))
		return (CATALOG_STOP);
	if (e->kind == ENTRY_FILE && (r->first == 0 || number < r->first))
		r->first = number;
	return (0);
}

/* A catalog_dir_fn. */
static int
emit_entry(void *ctx, const char *name, size_t len, const struct entry *e,
    struct err *err)
{
	struct reading *r = ctx;
	char text[CATALOG_NAME_MAX + 1];
	uint64_t number;
	int rc;

	if (r->skip > 0) {
		r->skip--;
		r->pos++;
		return (0);
	}
	if (fs_check_child(e, r->dir.ino, name, len, err) < 0 ||
	    fs_number(r->fs, &r->dir, e->ino, &number, err) < 0)
		return (-1);
	memcpy(text, name, len);
	text[len] = '\0';
	if (goes_lean(r, e)) {
		rc = emit_lean(r, text, e, number, err);
		if (r->how == LISTING_PROBE)
			r->how = LISTING_FULL;
	} else {
		rc = emit_full(r, text, e, number, err);
	}
	if (rc != 0)
		return (rc);
	memcpy(r->last, name, len);
	r->last_len = len;
	return (0);
}

static int
read_entries(struct reading *r, struct err *err)
{
	char after[CATALOG_NAME_MAX + 1];
	struct entry e;
	uint64_t off = r->pos, found;
	size_t len;
	bool unread, end;
	int rc;

	end = cookies_find(r->fs->cookies, r->number, off, &found, after, &len);
	if (end && off >= DOTS) {
		r->end = true;
		return (0);
	}
	rc = catalog_get(r->catalog, r->dir.ino, &e, err);
	if (rc < 0)
		return (-1);
	if (rc > 0 || e.kind != ENTRY_DIR)
		return (err_set(err, ERR_CORRUPT, "no directory"));
	unread = (e.flags & ENTRY_UNREAD) != 0;
	r->parent = e.parent;
	if (off < DOTS && emit_dots(r, err) < 0)
		return (-1);
	off = r->pos;
	if (r->full)
		return (0);
	if (found < DOTS)
		found = DOTS;
	r->skip = off - found;
	r->pos = found;
	rc = catalog_readdir(r->catalog, r->dir.ino, len > 0 ? after : NULL,
	    len, emit_entry, r, err);
	end = rc == 0 && !unread;
	if (rc == CATALOG_STOP)
		rc = 0;
	if (r->last_len > 0)
		cookies_note(r->fs->cookies, r->number, r->pos, r->last,
		    r->last_len, end);
	/* What else was in it was not seen: that is no proof of absence. */
	if (rc == 0 && !r->full && r->used == 0 && unread)
		rc = err_set(err, ERR_CORRUPT,
		    "the backup could not read this directory");
	return (rc);
}

static int
read_virtual(struct reading *r, struct err *err)
{
	struct roll_item it;
	struct node child;
	struct stat st;
	char name[ID_HEX];
	uint64_t number, next;

	if (r->pos == 0)
		fs_refresh(r->fs);
	if (emit_dots(r, err) < 0)
		return (-1);
	while (!r->full) {
		next = r->pos - DOTS;
		if (!virtual_next(r->fs, &r->dir, &next, name, &child, &it))
			break;
		number = layout_number(&r->fs->layout, &child);
		fs_attr_virtual(r->fs, &child, number,
		    child.snapshot > 0 ? &it : NULL, &st);
		/* emit() counts one on: to just after this child. */
		r->pos = next + DOTS - 1;
		if (!emit(r, name, &st, number, FS_A_MOMENT))
			break;
	}
	return (0);
}

/* Whoever reads files, may find those of this directory fed. */
static void
feed(struct reading *r, bool from_start)
{
	if (!r->plus || r->how == LISTING_LEAN)
		return;
	if (from_start && r->first != 0)
		feed_listing(r->fs->feed, r->number, r->first);
	else if (r->end)
		feed_listed(r->fs->feed, r->fs, r->catalog, r->number);
}

static int
read_directory(struct reading *r, struct err *err)
{
	bool from_start = r->pos == 0;
	int rc;

	switch (r->dir.kind) {
	case NODE_ROOT:
	case NODE_BY_ID:
	case NODE_BY_TIME:
		return (read_virtual(r, err));
	case NODE_TOP:
	case NODE_ENTRY:
		rc = fs_catalog(r->fs, &r->dir, &r->catalog, err);
		if (r->plus)
			r->how = leans_list(r->fs->leans, r->number,
			    from_start);
		if (rc == 0)
			rc = read_entries(r, err);
		if (rc == 0)
			feed(r, from_start);
		shelf_put(r->fs->shelf, r->catalog);
		return (rc);
	default:
		return (FS_STALE);
	}
}

static void
reply_directory(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    bool plus)
{
	struct fs *fs = fuse_req_userdata(req);
	struct err err = ERR_INIT;
	struct reading r = {
		.fs = fs, .req = req, .number = ino, .plus = plus,
		.size = size, .pos = (uint64_t)off
	};
	int rc;

	if (off < 0) {
		(void)fuse_reply_err(req, EINVAL);
		return;
	}
	r.buf = malloc(size);
	if (r.buf == NULL) {
		(void)fuse_reply_err(req, ENOMEM);
		return;
	}
	layout_node(&fs->layout, ino, &r.dir);
	rc = read_directory(&r, &err);
	/* What was read before the damage is given; the next call meets it. */
	if (rc < 0 && r.used > 0)
		rc = 0;
	if (rc < 0)
		(void)fuse_reply_err(req,
		    fs_fail(fs, &err, "reading the directory", ino));
	else if (rc > 0)
		(void)fuse_reply_err(req, ESTALE);
	else
		(void)fuse_reply_buf(req, r.buf, r.used);
	free(r.buf);
}

void
op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	reply_directory(req, ino, size, off, false);
}

void
op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	reply_directory(req, ino, size, off, true);
}
