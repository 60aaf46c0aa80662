/*
 * Attributes as the kernel wants them.
 */
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/fs_int.h"

#define DIR_BYTES	4096	/* as on most disks */
#define BLOCK_BYTES	4096
#define IO_BYTES	65536	/* what programs should read at once */
#define EXTENTS		128

mode_t
fs_type(uint8_t kind)
{
	switch (kind) {
	case ENTRY_FILE:
		return (S_IFREG);
	case ENTRY_DIR:
		return (S_IFDIR);
	case ENTRY_SYMLINK:
		return (S_IFLNK);
	case ENTRY_FIFO:
		return (S_IFIFO);
	case ENTRY_SOCKET:
		return (S_IFSOCK);
	case ENTRY_CHAR:
		return (S_IFCHR);
	case ENTRY_BLOCK:
		return (S_IFBLK);
	default:
		return (0);
	}
}

uint64_t
fs_size(const struct entry *e)
{
	return (e->size == 0 && (e->flags & ENTRY_UNREAD) != 0 ? 1 : e->size);
}

/* Bytes of a sparse file that are not holes. */
static int
data_bytes(struct catalog *c, const struct entry *e, uint64_t *out,
    struct err *err)
{
	struct extent x[EXTENTS];
	uint64_t off = 0, sum = 0;
	size_t n;

	for (;;) {
		if (catalog_extents(c, e->ino, off, x, EXTENTS, &n, err) < 0)
			return (-1);
		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++)
			if (!x[i].hole)
				sum += x[i].len;
		if (x[n - 1].off + x[n - 1].len <= off)
			return (err_set(err, ERR_CORRUPT,
			    "extents that don't go on"));
		off = x[n - 1].off + x[n - 1].len;
	}
	*out = sum;
	return (0);
}

static int
fill_size(struct catalog *c, const struct entry *e, struct stat *st,
    struct err *err)
{
	char target[CATALOG_TARGET_MAX + 1];
	uint64_t bytes = e->size;
	size_t len;

	switch (e->kind) {
	case ENTRY_DIR:
		st->st_size = DIR_BYTES;
		st->st_blocks = DIR_BYTES / 512;
		return (0);
	case ENTRY_SYMLINK:
		if (catalog_target(c, e->ino, target, &len, err) < 0)
			return (-1);
		st->st_size = (off_t)len;
		return (0);
	case ENTRY_FILE:
		if (e->size > INT64_MAX)
			return (err_set(err, ERR_CORRUPT, "a size of %llu",
			    (unsigned long long)e->size));
		if ((e->flags & ENTRY_SPARSE) != 0 &&
		    data_bytes(c, e, &bytes, err) < 0)
			return (-1);
		st->st_size = (off_t)fs_size(e);
		st->st_blocks = (blkcnt_t)((bytes + BLOCK_BYTES - 1) /
		    BLOCK_BYTES * (BLOCK_BYTES / 512));
		return (0);
	default:
		return (0);
	}
}

static struct timespec
when(const struct stamp *t)
{
	return ((struct timespec){ .tv_sec = clock_nearest(t->s),
	    .tv_nsec = t->ns < 1000000000 ? (long)t->ns : 0 });
}

int
fs_attr(struct catalog *c, uint64_t number, const struct entry *e,
    struct stat *st, struct err *err)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = number;
	st->st_mode = fs_type(e->kind);
	if (st->st_mode == 0)
		return (err_set(err, ERR_CORRUPT, "an entry of kind %u",
		    e->kind));
	st->st_mode |= e->mode & 07777;
	/* A directory's 1 says "not counted", as btrfs does: find(1) and fts
	 * then don't guess from it how many subdirectories there are. */
	st->st_nlink = e->kind == ENTRY_DIR || e->nlink == 0 ? 1 : e->nlink;
	st->st_uid = e->uid;
	st->st_gid = e->gid;
	if (e->kind == ENTRY_CHAR || e->kind == ENTRY_BLOCK)
		st->st_rdev = makedev(e->rdev_major, e->rdev_minor);
	st->st_blksize = IO_BYTES;
	st->st_atim = st->st_mtim = when(&e->mtime);
	st->st_ctim = when(&e->ctime);
	return (fill_size(c, e, st, err));
}

void
fs_attr_virtual(struct fs *fs, const struct node *n, uint64_t number,
    const struct roll_item *it, struct stat *st)
{
	char target[ID_HEX + 16];
	struct roll_sum sum;

	memset(st, 0, sizeof(*st));
	st->st_ino = number;
	st->st_nlink = 1;
	st->st_uid = fs->uid;
	st->st_gid = fs->gid;
	st->st_blksize = IO_BYTES;
	if (node_is_link(n)) {
		st->st_mode = S_IFLNK | 0777;
		if (virtual_target(fs, n, target) == 0)
			st->st_size = (off_t)strlen(target);
	} else {
		st->st_mode = S_IFDIR | 0555;
		st->st_size = DIR_BYTES;
	}
	if (it != NULL) {
		st->st_mtim = when(&it->time);
	} else {
		roll_sum(fs->roll, &sum);
		st->st_mtim = when(&sum.changed);
	}
	st->st_atim = st->st_ctim = st->st_mtim;
}
