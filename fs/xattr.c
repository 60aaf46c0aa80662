/*
 * Extended attributes, ACLs and capabilities among them.  One that is missing
 * is ENODATA: an ENOSYS would switch them off for the whole mount.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs_int.h"

struct hunt {
	const char *name;	/* NULL: list the names */
	bool all;		/* trusted ones as well */
	bool found;
	struct buf bytes;
};

/* A catalog_xattr_fn. */
static int
hunt_one(void *ctx, const char *name, const void *value, size_t len,
    struct err *err)
{
	struct hunt *h = ctx;

	if (h->name == NULL) {
		if (h->all || strncmp(name, "trusted.", 8) != 0)
			buf_bytes(&h->bytes, name, strlen(name) + 1);
		return (0);
	}
	if (strcmp(name, h->name) != 0)
		return (0);
	h->found = true;
	buf_bytes(&h->bytes, value, len);
	return (CATALOG_STOP);
}

static int
hunt(struct fs *fs, const struct node *n, struct hunt *h, struct err *err)
{
	struct catalog *c = NULL;
	struct entry e;
	int rc;

	if (n->kind == NODE_NONE)
		return (FS_STALE);
	if (n->kind != NODE_ENTRY)
		return (0);
	rc = fs_catalog(fs, n, &c, err);
	if (rc == 0)
		rc = fs_entry(c, n, &e, err);
	if (rc == 0 && e.xattrs != 0)
		rc = catalog_xattrs(c, e.xattrs, hunt_one, h, err);
	shelf_put(fs->shelf, c);
	if (rc == CATALOG_STOP && h->found)
		rc = 0;
	return (rc == 0 ? buf_ok(&h->bytes, err) : rc);
}

static void
reply_xattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct fs *fs = fuse_req_userdata(req);
	struct hunt h = { .name = name, .all = fuse_req_ctx(req)->uid == 0 };
	struct err err = ERR_INIT;
	struct node n;
	int rc;

	layout_node(&fs->layout, ino, &n);
	rc = hunt(fs, &n, &h, &err);
	if (rc < 0)
		(void)fuse_reply_err(req,
		    fs_fail(fs, &err, "reading attributes", ino));
	else if (rc > 0)
		(void)fuse_reply_err(req, ESTALE);
	else if (name != NULL && !h.found)
		(void)fuse_reply_err(req, ENODATA);
	else if (size == 0)
		(void)fuse_reply_xattr(req, h.bytes.len);
	else if (h.bytes.len > size)
		(void)fuse_reply_err(req, ERANGE);
	else
		(void)fuse_reply_buf(req, (const char *)h.bytes.data,
		    h.bytes.len);
	buf_fini(&h.bytes);
}

void
op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	reply_xattr(req, ino, name, size);
}

void
op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	reply_xattr(req, ino, NULL, size);
}
