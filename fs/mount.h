#ifndef VITRINE_FS_MOUNT_H
#define VITRINE_FS_MOUNT_H

#include <stdatomic.h>

#include "index/catalog.h"

/*
 * A read-only FUSE mount of a repository, a snapshot, or a directory in one.
 *
 *	by-id/ID	every snapshot by its id (first eight digits; any other
 *			unambiguous beginning is a link to that)
 *	by-time/TIME	a link to it by its time, "2026-11-22T17-47-03" in the
 *			mounter's time zone ("-ID" for a second one in that
 *			second)
 *	latest		a link to the newest
 *
 * A directory by-id/ID has its snapshot's time and is anybody's to enter,
 * whatever the "/" was that was backed up: so that listing by-id opens no
 * catalog.  A mount of a single snapshot shows "/" as it was.  What the
 * backup could not read answers EIO.
 *
 * mount_daemonise() comes first, before threads and before the repository is
 * unlocked; mount_serve() runs in what is then the daemon, until the mount is
 * taken away or a signal arrives.
 */
struct mount_env {
	const char *mountpoint;
	const char *options;		/* -o, comma-separated, or NULL */
	bool foreground;
	size_t memory_bytes;		/* for caches; 0 = 48 MiB */
	unsigned threads;		/* FUSE workers; 0 = default */
	/* A single snapshot (latest and all resolved), or NULL for the
	 * repository. */
	const struct snapshot_id *snapshot;
	/* For the repository: its snapshots, just listed.  What they hold is
	 * taken: freed when they are shown. */
	struct snapshots *snapshots;
	const char *subtree;		/* in the snapshot; NULL or "/" = all */
	/* Set when a signal asks the mount to end, for those who wait for a
	 * store (s3_options); borrowed, NULL: nobody is told. */
	atomic_bool *ending;
};

/* Fork to the background; the parent waits until mount_serve() in the child
 * has told that it serves, or has exited, then exits with its status.  Returns
 * in the child.  Not called for a foreground mount. */
struct mount_parent { int fd; };
int mount_daemonise(struct mount_parent *, struct err *);
/* The mountpoint is a directory we may use, empty of a mount of ours, not
 * over or in the repository; options are known.  Before anything else is
 * done. */
int mount_check(const struct mount_env *, struct store *, struct err *);
/* Serves until unmounted.  Tells readiness through `parent' (may be NULL). */
int mount_serve(struct repo *, const struct mount_env *, struct mount_parent *,
    struct err *);
/* vitrine umount: 0; ERR_ABSENT when nothing of ours is mounted there. */
int mount_unmount(const char *mountpoint, struct err *);
/* Is this device a mount of ours? For backup, which leaves those out.  Looks
 * at the file system type "fuse.vitrine" in /proc/self/mountinfo. */
int mount_is_ours(uint64_t dev, bool *ours, struct err *);

#endif
