#ifndef VITRINE_TOOLS_JOB_RESTORE_H
#define VITRINE_TOOLS_JOB_RESTORE_H

#include "engine/repo/repo.h"
#include "engine/store/s3_client.h"
#include "tools/job/event.h"

/* As many as are of use, where the hard limit allows it. */
#define RESTORE_DESCRIPTORS	8192

/*
 * Write a subtree of a snapshot into a directory, or into a bucket.
 *
 * In a directory everything is reached by openat2 with RESOLVE_BENEATH from the
 * target (where the kernel has none: by single components with O_NOFOLLOW), so
 * nothing outside it is written whatever the catalog says.  As a normal user
 * what can be done is done and the rest is said.
 *
 * What is done with an entry that is there already; a directory is filled
 * always.  A file is written beside it and renamed over it, so it is whole, old
 * or new, at any moment; not so with in_place.
 */
enum overwrite {
	OVERWRITE_REFUSE,	/* left, and listed as not restored */
	OVERWRITE_NEVER,	/* left: that was the wish */
	OVERWRITE_NEWER,	/* replaced where the snapshot's is newer */
	OVERWRITE_CHANGED,	/* ... of another type, size, time or target;
				 * the rest gets its metadata */
	OVERWRITE_ALWAYS
};
struct restore_env {
	struct snapshot_id snapshot;
	const char *path;		/* in the snapshot; "" or "/" = all */
	const char *target;		/* made if it isn't there */
	/* Instead of the target, which is then a name for messages; neither
	 * delete_extra, in_place, verify nor owners go with it. */
	struct s3 *bucket;
	unsigned readers;	/* threads that read and write; 0: as many as
				 * the repository's settings say */
	enum overwrite overwrite;
	bool delete_extra;	/* what the snapshot doesn't have goes away */
	bool in_place;		/* chunks that differ are written, no others */
	bool verify;		/* read back what was written */
	bool dry_run;		/* only call `would' */
	const char *const *include, *const *exclude;	/* pattern.h */
	size_t ninclude, nexclude;
	/* "FROM:TO": names or numbers, FROM of the source or "*". */
	const char *const *owner_map, *const *group_map;
	size_t nowner_map, ngroup_map;
	/* create, replace, update, metadata, keep, delete; in the target. */
	void (*would)(void *ctx, const char *what, const char *path);
	void *would_ctx;
};
struct restore_result {
	uint64_t files, dirs, others, bytes;
	uint64_t failed;	/* what was not restored, or not wholly */
	uint64_t kept;		/* were there, and stayed as they are */
	uint64_t deleted;
	uint64_t verified;	/* files */
	uint64_t bytes_there;	/* in place: need not be written */
	uint64_t duration_ms;
};
/* 0 with result->failed > 0: finished but not all (exit 3). */
int restore_run(struct repo *, const struct restore_env *,
    const struct events *, struct restore_result *, struct err *);

#endif
