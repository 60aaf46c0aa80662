#ifndef VITRINE_TOOLS_JOB_DIFF_IMPL_H
#define VITRINE_TOOLS_JOB_DIFF_IMPL_H

#include "engine/base/buf.h"
#include "engine/crypto/hash.h"
#include "engine/crypto/keys.h"
#include "tools/job/diff.h"
#include "tools/job/names.h"

/* What the files of the comparison share. */

#define DIFF_ROWS	64
#define DIFF_LIVE_DEPTH	512	/* directories open at one time */

struct diff_row {
	struct entry entry;
	char name[CATALOG_NAME_MAX + 1];
};
/* Some of a directory's rows, in order. */
struct diff_batch {
	struct diff_row v[DIFF_ROWS];
	size_t n, at;
	bool last;			/* no more behind these */
	bool begun;
	char upto[CATALOG_NAME_MAX + 1]; /* the last name, wanted or not */
	struct names names;		/* live: those still to come, too */
};
void diff_batch_free(struct diff_batch *);	/* NULL is fine */
/* A directory of one side. */
struct diff_dir {
	bool there;
	uint64_t ino;			/* in the catalog */
	int fd;				/* live; -1 */
	struct diff_batch *batch;	/* owned; NULL: to be read again */
};

struct diff {
	const struct diff_env *env;
	const struct events *ev;
	struct diff_result *result;
	struct buf path;		/* of what is looked at */
	uint8_t *piece;			/* of a live file; owned */
	struct { uint64_t a, b; bool same, known; } xsets[256];
};

/* Has the same content?  For files, links and devices of the same kind; `fd' is
 * the new side's directory, when that is live.  0 or 1, or < 0. */
int diff_same_content(struct diff *, const struct entry *old,
    const struct entry *new, int fd, const char *name, struct err *);
int diff_same_xattrs(struct diff *, const struct entry *old,
    const struct entry *new, int fd, const char *name, struct err *);

/* The next rows of a directory, after that name (NULL: from the first on). */
int diff_fill(struct diff *, struct catalog *, struct diff_dir *,
    const char *after, bool implied, struct err *);
/* Something of the live tree can't be read: said and counted. */
void diff_unread(struct diff *, const char *name, int error);
/* A live entry by name.  0 or errno. */
int diff_stat(struct entry *, int fd, const char *name);

#endif
