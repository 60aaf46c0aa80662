/*
 * The operations of libfuse's low level: names, attributes, links, figures,
 * and the refusal of whatever would write.
 *
 * open, opendir and flush are answered ENOSYS: the kernel then does without
 * them, and keeps what it has cached of files and directories.
 */
#include <errno.h>
#include <string.h>

#include "fs/fs_int.h"

#define STATFS_BLOCK	4096

static void
init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	/* Splicing costs more than it saves here. */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
	    FUSE_CAP_SPLICE_MOVE);
	/* Whoever lists a directory mostly wants its entries' attributes, which
	 * lie beside the names. */
	conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
	conn->want |= conn->capable & (FUSE_CAP_ASYNC_READ |
	    FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_CACHE_SYMLINKS |
	    FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS |
	    FUSE_CAP_ASYNC_DIO | FUSE_CAP_AUTO_INVAL_DATA);
	if (fs->default_permissions)
		conn->want |= conn->capable & FUSE_CAP_POSIX_ACL;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
}

static int
node_attr(struct fs *fs, const struct node *n, uint64_t number,
    struct stat *st, struct err *err)
{
	struct roll_item it;
	struct catalog *c = NULL;
	struct entry e;
	int rc;

	if (n->kind == NODE_NONE)
		return (FS_STALE);
	if (n->kind == NODE_ENTRY) {
		rc = fs_catalog(fs, n, &c, err);
		if (rc == 0)
			rc = fs_entry(c, n, &e, err);
		if (rc == 0)
			rc = fs_attr(c, number, &e, st, err);
		shelf_put(fs->shelf, c);
		return (rc);
	}
	if (n->snapshot == 0) {
		fs_refresh(fs);
		fs_attr_virtual(fs, n, number, NULL, st);
		return (0);
	}
	if (!roll_by_number(fs->roll, n->snapshot, &it))
		return (FS_STALE);
	fs_attr_virtual(fs, n, number, &it, st);
	return (0);
}

/* Does what is said of this node itself stay true? */
static double
attr_timeout(const struct node *n)
{
	return (n->kind == NODE_ROOT || n->kind == NODE_BY_ID ||
	    n->kind == NODE_BY_TIME ? FS_A_MOMENT : FS_FOR_EVER);
}

static int
lookup_name(struct fs *fs, const struct node *dir, struct catalog *c,
    const char *name, struct fuse_entry_param *out, struct err *err)
{
	size_t len = strlen(name);
	struct entry e;
	int rc;

	out->attr_timeout = out->entry_timeout = FS_FOR_EVER;
	if (len > CATALOG_NAME_MAX)
		return (FS_ABSENT);
	rc = catalog_lookup(c, dir->ino, name, len, &e, err);
	if (rc == CATALOG_ABSENT) {
		rc = catalog_get(c, dir->ino, &e, err);
		if (rc < 0 || (rc == 0 && (e.flags & ENTRY_UNREAD) == 0))
			return (rc < 0 ? -1 : FS_ABSENT);
		return (err_set(err, ERR_CORRUPT,
		    "the backup could not read this directory"));
	}
	if (rc < 0 || fs_check_child(&e, dir->ino, name, len, err) < 0 ||
	    fs_number(fs, dir, e.ino, &out->ino, err) < 0)
		return (-1);
	return (fs_attr(c, out->ino, &e, &out->attr, err));
}

static int
lookup_entry(struct fs *fs, const struct node *dir, const char *name,
    struct fuse_entry_param *out, struct err *err)
{
	struct catalog *c = NULL;
	int rc;

	rc = fs_catalog(fs, dir, &c, err);
	if (rc == 0)
		rc = lookup_name(fs, dir, c, name, out, err);
	shelf_put(fs->shelf, c);
	return (rc);
}

/* "." and "..", which only NFS asks for: a node that was forgotten is found
 * again. */
static int
lookup_dots(struct fs *fs, struct node *n, uint64_t number, bool up,
    struct fuse_entry_param *out, struct err *err)
{
	struct catalog *c = NULL;
	struct entry e;
	int rc;

	out->ino = number;
	if (up && n->kind == NODE_TOP) {
		*n = (struct node){ .kind = NODE_BY_ID };
		out->ino = layout_number(&fs->layout, n);
	} else if (up && n->kind == NODE_ENTRY && number != 1) {
		rc = fs_catalog(fs, n, &c, err);
		if (rc == 0)
			rc = fs_entry(c, n, &e, err);
		shelf_put(fs->shelf, c);
		if (rc != 0)
			return (rc);
		if (fs_number(fs, n, e.parent, &out->ino, err) < 0)
			return (-1);
		layout_node(&fs->layout, out->ino, n);
	} else if (up) {
		*n = (struct node){ .kind = NODE_ROOT };
		if (fs->layout.single)
			layout_node(&fs->layout, 1, n);
		out->ino = 1;
	}
	out->attr_timeout = out->entry_timeout = attr_timeout(n);
	return (node_attr(fs, n, out->ino, &out->attr, err));
}

static int
lookup_virtual(struct fs *fs, const struct node *dir, const char *name,
    struct fuse_entry_param *out, struct err *err)
{
	struct roll_item it;
	struct node child;
	int rc;

	out->entry_timeout = FS_A_MOMENT;
	rc = virtual_lookup(fs, dir, name, &child, &it);
	if (rc != 0)
		return (rc);
	out->ino = layout_number(&fs->layout, &child);
	out->attr_timeout = attr_timeout(&child);
	return (node_attr(fs, &child, out->ino, &out->attr, err));
}

static void
op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fuse_req_userdata(req);
	struct fuse_entry_param out = { 0 };
	struct err err = ERR_INIT;
	struct node dir;
	int rc;

	layout_node(&fs->layout, parent, &dir);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		rc = lookup_dots(fs, &dir, parent, name[1] == '.', &out, &err);
	else if (dir.kind == NODE_TOP || dir.kind == NODE_ENTRY)
		rc = lookup_entry(fs, &dir, name, &out, &err);
	else if (dir.kind == NODE_NONE)
		rc = FS_STALE;
	else
		rc = lookup_virtual(fs, &dir, name, &out, &err);
	if (rc == FS_ABSENT) {
		/* Absence is kept as well. */
		out.ino = 0;
		rc = 0;
	} else if (rc == 0 && !S_ISDIR(out.attr.st_mode)) {
		leans_lookup(fs->leans, parent);
	}
	if (rc == 0)
		(void)fuse_reply_entry(req, &out);
	else
		(void)fuse_reply_err(req, rc > 0 ? ESTALE :
		    fs_fail(fs, &err, "looking up a name in the directory",
		    parent));
}

static void
op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct err err = ERR_INIT;
	struct stat st;
	struct node n;
	int rc;

	layout_node(&fs->layout, ino, &n);
	rc = node_attr(fs, &n, ino, &st, &err);
	if (rc == 0)
		(void)fuse_reply_attr(req, &st, attr_timeout(&n));
	else
		(void)fuse_reply_err(req, rc > 0 ? ESTALE :
		    fs_fail(fs, &err, "reading attributes", ino));
}

static int
entry_target(struct fs *fs, const struct node *n,
    char dst[CATALOG_TARGET_MAX + 1], struct err *err)
{
	struct catalog *c = NULL;
	struct entry e;
	size_t len = 0;
	int rc;

	rc = fs_catalog(fs, n, &c, err);
	if (rc == 0)
		rc = fs_entry(c, n, &e, err);
	if (rc == 0)
		rc = catalog_target(c, n->ino, dst, &len, err);
	shelf_put(fs->shelf, c);
	if (rc == 0 && (len == 0 || len > CATALOG_TARGET_MAX ||
	    strnlen(dst, len) != len))
		rc = err_set(err, ERR_CORRUPT, "a link's target that can't be");
	return (rc);
}

static void
op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fuse_req_userdata(req);
	char target[CATALOG_TARGET_MAX + 1];
	struct err err = ERR_INIT;
	struct node n;
	int rc;

	layout_node(&fs->layout, ino, &n);
	if (node_is_link(&n))
		rc = virtual_target(fs, &n, target);
	else if (n.kind == NODE_ENTRY)
		rc = entry_target(fs, &n, target, &err);
	else
		rc = FS_STALE;
	if (rc == 0)
		(void)fuse_reply_readlink(req, target);
	else
		(void)fuse_reply_err(req, rc > 0 ? ESTALE :
		    fs_fail(fs, &err, "reading the link", ino));
}

static void
op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fuse_req_userdata(req);
	struct roll_sum sum = fs->sum;
	struct statvfs st = {
		.f_bsize = STATFS_BLOCK, .f_frsize = STATFS_BLOCK,
		.f_namemax = CATALOG_NAME_MAX
	};

	if (!fs->layout.single) {
		fs_refresh(fs);
		roll_sum(fs->roll, &sum);
	}
	st.f_blocks = sum.bytes / STATFS_BLOCK +
	    (sum.bytes % STATFS_BLOCK != 0);
	st.f_files = sum.entries;
	(void)fuse_reply_statfs(req, &st);
}

/* Nothing is kept for a node. */
static void
op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	fuse_reply_none(req);
}

static void
op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	fuse_reply_none(req);
}

static void
op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fuse_reply_err(req, ENOSYS);
}

static void
refuse(fuse_req_t req)
{
	(void)fuse_reply_err(req, EROFS);
}

static void
no_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set,
    struct fuse_file_info *fi)
{
	refuse(req);
}

static void
no_mknod(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode,
    dev_t rdev)
{
	refuse(req);
}

static void
no_mkdir(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode)
{
	refuse(req);
}

static void
no_unlink(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	refuse(req);
}

static void
no_symlink(fuse_req_t req, const char *target, fuse_ino_t ino,
    const char *name)
{
	refuse(req);
}

static void
no_rename(fuse_req_t req, fuse_ino_t ino, const char *name, fuse_ino_t to,
    const char *new_name, unsigned flags)
{
	refuse(req);
}

static void
no_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t to, const char *name)
{
	refuse(req);
}

static void
no_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
    off_t off, struct fuse_file_info *fi)
{
	refuse(req);
}

static void
no_create(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode,
    struct fuse_file_info *fi)
{
	refuse(req);
}

static void
no_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
    const char *value, size_t size, int flags)
{
	refuse(req);
}

static void
no_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
    struct fuse_file_info *fi)
{
	refuse(req);
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.open = op_open,
	.opendir = op_open,
	.read = op_read,
	.lseek = op_lseek,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setattr = no_setattr,
	.mknod = no_mknod,
	.mkdir = no_mkdir,
	.unlink = no_unlink,
	.rmdir = no_unlink,
	.symlink = no_symlink,
	.rename = no_rename,
	.link = no_link,
	.write = no_write,
	.create = no_create,
	.setxattr = no_setxattr,
	.removexattr = no_unlink,
	.fallocate = no_fallocate,
};
