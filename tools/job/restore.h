#ifndef VITRINE_TOOLS_JOB_RESTORE_H
#define VITRINE_TOOLS_JOB_RESTORE_H

#include "engine/repo/repo.h"
#include "tools/job/event.h"

/*
 * Write a subtree of a snapshot into a directory.  Everything is reached by
 * openat2 with RESOLVE_BENEATH from the target (where the kernel has none: by
 * single components with O_NOFOLLOW), so nothing outside it is written whatever
 * the catalog says. An existing entry other than a directory is never replaced:
 * it is listed as not restored.  As a normal user what can be done is done and
 * the rest is said.
 */
struct restore_env {
	struct snapshot_id snapshot;
	const char *path;		/* in the snapshot; "" or "/" = all */
	const char *target;		/* made if it isn't there */
	unsigned readers;	/* threads that read and write; 0: as many as
				 * the repository's settings say */
};
struct restore_result {
	uint64_t files, dirs, others, bytes;
	uint64_t failed;	/* what was not restored, or not wholly */
	uint64_t duration_ms;
};
/* 0 with result->failed > 0: finished but not all (exit 3). */
int restore_run(struct repo *, const struct restore_env *,
    const struct events *, struct restore_result *, struct err *);

#endif
