/*
 * From a node number to the catalog that it lies in, and what every entry of a
 * catalog must fulfil before the kernel hears of it: the bytes are hostile.
 */
#include <string.h>

#include "fs/fs_int.h"

int
fs_catalog(struct fs *fs, const struct node *n, struct catalog **out,
    struct err *err)
{
	struct snapshot_id id = fs->snapshot;
	struct roll_item it;
	int rc;

	if (!fs->layout.single) {
		if (!roll_by_number(fs->roll, n->snapshot, &it))
			return (FS_STALE);
		id = it.id;
	}
	rc = shelf_get(fs->shelf, &id, out, err);
	return (rc == SHELF_ABSENT ? FS_STALE : rc);
}

int
fs_entry(struct catalog *c, const struct node *n, struct entry *e,
    struct err *err)
{
	int rc = catalog_get(c, n->ino, e, err);

	return (rc > 0 ? FS_STALE : rc);
}

int
fs_number(struct fs *fs, const struct node *in, uint64_t ino,
    uint64_t *number, struct err *err)
{
	struct node n = {
		.kind = !fs->layout.single && ino == CATALOG_ROOT_INO ?
		    NODE_TOP : NODE_ENTRY,
		.snapshot = in->snapshot, .ino = ino
	};

	*number = layout_number(&fs->layout, &n);
	if (*number == 0)
		return (err_set(err, ERR_CORRUPT,
		    "inode number %llu can't be served",
		    (unsigned long long)ino));
	return (0);
}

int
fs_check_child(const struct entry *child, uint64_t dir, const char *name,
    size_t len, struct err *err)
{
	if (len == 0 || len > CATALOG_NAME_MAX ||
	    memchr(name, '/', len) != NULL || memchr(name, '\0', len) != NULL ||
	    (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))))
		return (err_set(err, ERR_CORRUPT,
		    "directory %llu: a name that can't be",
		    (unsigned long long)dir));
	/* A directory in two places, or in itself, would be a loop. */
	if (child->ino == dir ||
	    (child->kind == ENTRY_DIR && child->parent != dir))
		return (err_set(err, ERR_CORRUPT,
		    "directory %llu: an entry that belongs elsewhere",
		    (unsigned long long)dir));
	return (0);
}
