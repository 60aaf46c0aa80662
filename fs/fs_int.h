#ifndef VITRINE_FS_FS_INT_H
#define VITRINE_FS_FS_INT_H

#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "fs/cookie.h"
#include "fs/feed.h"
#include "fs/layout.h"
#include "fs/lean.h"
#include "fs/mount.h"
#include "fs/roll.h"
#include "fs/shelf.h"
#include "fs/track.h"

/*
 * What the parts of the file system share: one struct fs a mount, immutable
 * once it serves but for the members that lock themselves.
 */
#define FS_FOR_EVER	1e9	/* seconds: a timeout that never ends */
#define FS_A_MOMENT	1.0	/* for what may change */

struct fs {
	struct layout layout;
	struct repo *repo;		/* borrowed */
	struct fetch *fetch;
	struct shelf *shelf;
	struct cookies *cookies;
	struct tracks *tracks;
	struct leans *leans;
	struct feed *feed;
	_Atomic uint32_t last_frame;	/* that a small file was read from */
	struct roll *roll;		/* NULL for a single snapshot */
	struct snapshot_id snapshot;	/* single */
	struct roll_sum sum;		/* single: for statfs */
	uid_t uid;			/* the mounter: owns what is virtual */
	gid_t gid;
	bool default_permissions;
	atomic_bool background;		/* stderr is gone */
	struct complaints *complaints;
	struct refresh *refresh;	/* NULL for a single snapshot */
};

/* errno.c: one function maps errors to errno; the error is said once, here. */
int complaints_new(struct complaints **out, struct err *);
void complaints_free(struct complaints *);
/* Log the error (to syslog in the background), at most so many a minute;
 * returns the errno to reply with. */
int fs_fail(struct fs *, const struct err *, const char *what, uint64_t node);

/* node.c: from node numbers to catalogs. */
#define FS_ABSENT	1		/* proven absent: ENOENT */
#define FS_STALE	2		/* its snapshot is gone: ESTALE */
/* The catalog in which a NODE_TOP or NODE_ENTRY lies; shelf_put() it. */
int fs_catalog(struct fs *, const struct node *, struct catalog **,
    struct err *);
/* The entry of a NODE_TOP or NODE_ENTRY in its catalog; FS_STALE. */
int fs_entry(struct catalog *, const struct node *, struct entry *,
    struct err *);
/* The number of the node that the entry of the same snapshot has; ERR_CORRUPT
 * for one without. */
int fs_number(struct fs *, const struct node *in, uint64_t ino,
    uint64_t *number, struct err *);
/* A child found in directory `dir' under that name can be what it says it
 * is. */
int fs_check_child(const struct entry *child, uint64_t dir, const char *name,
    size_t len, struct err *);

/* attr.c */
/* The type bits of a mode; 0 for no kind that there is. */
mode_t fs_type(uint8_t kind);
int fs_attr(struct catalog *, uint64_t number, const struct entry *,
    struct stat *, struct err *);
void fs_attr_virtual(struct fs *, const struct node *, uint64_t number,
    const struct roll_item *, struct stat *);
/* The size that is served: at least a byte for what could not be read, so that
 * reading it fails rather than gives nothing. */
uint64_t fs_size(const struct entry *);

/* virtual.c: the root, by-id, by-time and the links. */
/* See whether there are new snapshots, at most once a second. */
void fs_refresh(struct fs *);
int refresh_new(struct refresh **out, struct err *);
/* What is shown first: snapshots just listed. */
int refresh_first(struct fs *, const struct snapshots *, struct err *);
void refresh_free(struct refresh *);
/* 0 and the child; FS_ABSENT. */
int virtual_lookup(struct fs *, const struct node *dir, const char *name,
    struct node *child, struct roll_item *);
/* A link's target; FS_STALE. */
int virtual_target(struct fs *, const struct node *, char dst[ID_HEX + 16]);
/* The child at or after position *pos of a virtual directory; *pos becomes the
 * next one's.  false at the end. */
bool virtual_next(struct fs *, const struct node *dir, uint64_t *pos,
    char name[ID_HEX], struct node *child, struct roll_item *);

/* The operations, by the file they are in. */
void op_readdir(fuse_req_t, fuse_ino_t, size_t, off_t,
    struct fuse_file_info *);			/* dir.c */
void op_readdirplus(fuse_req_t, fuse_ino_t, size_t, off_t,
    struct fuse_file_info *);
void op_read(fuse_req_t, fuse_ino_t, size_t, off_t,
    struct fuse_file_info *);			/* read.c */
void op_lseek(fuse_req_t, fuse_ino_t, off_t, int, struct fuse_file_info *);
void op_getxattr(fuse_req_t, fuse_ino_t, const char *, size_t); /* xattr.c */
void op_listxattr(fuse_req_t, fuse_ino_t, size_t);
extern const struct fuse_lowlevel_ops fs_ops;	/* ops.c */

#endif
