#ifndef VITRINE_TOOLS_JOB_DIFF_H
#define VITRINE_TOOLS_JOB_DIFF_H

#include "index/catalog.h"
#include "tools/job/event.h"
#include "tools/job/pattern.h"

/*
 * What differs between two trees: two snapshots', or a snapshot's and the live
 * one.  A merge of sorted directories, in memory that does not depend on their
 * size.
 *
 * Content is told by the chunks' ids, of a live file by reading it; a file that
 * has the same size, times and inode number at the source is taken as the same.
 * Between snapshots whose ids can't be compared (a put-only client's and
 * another's) size and mtime must do.  A directory's mtime is no difference.
 */
enum diff_kind {
	DIFF_ADDED, DIFF_REMOVED, DIFF_TYPE, DIFF_CONTENT, DIFF_METADATA
};
#define DIFF_MODE	1
#define DIFF_OWNER	2
#define DIFF_MTIME	4
#define DIFF_XATTRS	8
struct diff_item {
	enum diff_kind kind;
	const char *path;		/* absolute, NUL-terminated */
	const struct entry *old, *new;	/* NULL: not there */
	unsigned metadata;		/* DIFF_x; besides content, too */
};
typedef int diff_fn(void *ctx, const struct diff_item *, struct err *);

struct diff_side {
	struct catalog *catalog;	/* NULL: the live tree */
	uint32_t domain;		/* whose ids its chunks have */
};
struct diff_env {
	struct diff_side side[2];	/* old, new; only new may be live */
	const char *path;		/* where to begin; "" is the root */
	const struct patterns *excludes; /* of a live tree; may be NULL */
	const struct keyring *ring;	/* for a live tree */
	diff_fn *fn;			/* 0 to go on; < 0 */
	void *ctx;
};
struct diff_result {
	uint64_t entries;		/* compared */
	uint64_t unread;		/* of a live tree: each was said */
};
/*
 * What of one entry of two snapshots (neither side is live) differs: DIFF_x of
 * its metadata in *metadata, in *kind the weightiest, and 1; 0: nothing.
 */
int diff_entry(const struct diff_side side[2], const struct entry *old,
    const struct entry *new, enum diff_kind *kind, unsigned *metadata,
    struct err *);
/* The path must be there on one side at least. */
int diff_run(const struct diff_env *, const struct events *,
    struct diff_result *, struct err *);

#endif
