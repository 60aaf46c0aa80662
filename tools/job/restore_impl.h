#ifndef VITRINE_TOOLS_JOB_RESTORE_IMPL_H
#define VITRINE_TOOLS_JOB_RESTORE_IMPL_H

#include <pthread.h>

#include "engine/base/pool.h"
#include "index/catalog.h"
#include "tools/job/restore.h"

#define RESTORE_THREADS_MAX	64

/*
 * What the parts of a restore share.  Counters are atomic; the rest is set
 * before the workers start, or is the walker's.
 */
struct restore {
	struct repo *repo;
	const struct restore_env *env;
	const struct events *events;
	struct manifest manifest;
	struct fetch *fetch;
	struct catalog *catalog;
	int target;			/* directory descriptor */
	bool target_made;
	bool privileged;		/* effective user 0 */
	const char *prefix;		/* of paths in messages */

	pthread_mutex_t lock;		/* events, one at a time */
	uint64_t ticked_ms;		/* locked */
	atomic_uint_least64_t files, dirs, others, bytes, failed;
	atomic_uint_least64_t owners;	/* not set for lack of privilege */
	atomic_uint_least64_t xattrs;	/* the same */
	atomic_bool stop;		/* a worker's failure ends all */

	struct buf undone;	/* locked: inodes whose first name failed */
	struct buf scratch[RESTORE_THREADS_MAX];	/* locked */
	unsigned nscratch;		/* locked */

	struct links *links;		/* the walker's */
	struct buf path;		/* ... the path it is at, with a NUL */
	unsigned threads;		/* immutable */
	size_t open_max;		/* descriptors for a part of a plan */
	struct pool *pool;
	struct lane *lane;
	struct plan *filling, *working;	/* owned; the walker's */
	const struct parent *planned;	/* of the last file; not followed */
	struct parent *parent;		/* of the last entry */
};

/* A directory that entries are made in: shared by the jobs that need it. */
struct parent {
	int fd;
	atomic_uint refs;
	size_t len;
	char path[];			/* below the target, len bytes */
};
/* The directory that holds `path', below the target: the last one again
 * where it is the same.  A reference; RESTORE_GONE when it can't be opened
 * as a directory without following a link. */
#define RESTORE_GONE	1
int parent_get(struct restore *, const char *path, size_t len,
    struct parent **out, const char **name, struct err *);
void parent_put(struct parent *);	/* NULL is fine */
/* Open a directory below the target.  RESTORE_GONE. */
int beneath_open(int target, const char *path, size_t len, int *fd,
    struct err *);
/* A name that can be made: not "", ".", "..", without '/'. */
bool name_is_safe(const char *, size_t len);

/* Not restored, or not wholly: said and counted. */
void restore_failed(struct restore *, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void restore_note(struct restore *, enum event_kind, const char *path,
    const char *text);
/* Progress, at most ten times a second. */
void restore_tick(struct restore *, const char *path);
bool restore_stopped(struct restore *);
/* The walk's path, which has no NUL, as a string in rs->path; NULL without
 * memory. */
const char *restore_path(struct restore *, const char *, size_t len,
    struct err *);
/* The second walk. */
int restore_finish(struct restore *, const struct entry *top, struct err *);

/*
 * A regular file, to be made with its content and metadata: gathered in a plan
 * (restore_plan.h).  What fails of it is said; < 0: all must stop.
 */
int plan_file(struct restore *, struct parent *, const char *path, size_t len,
    const struct entry *, struct err *);
/* Wait until all that was planned is done. */
int plan_drain(struct restore *, struct err *);
/* A symlink, FIFO, socket or device.  0, also when it failed and that was said
 * (*made is then false and nothing of it is left); < 0: all must stop. */
int other_restore(struct restore *, const struct parent *, const char *name,
    const char *path, const struct entry *, bool *made, struct err *);

/* Metadata of what we made: by descriptor (fd >= 0), or by name in a directory.
 * What can't be set is said and counted; < 0: all must stop. */
struct meta_at {
	int fd;				/* the object itself, or -1 */
	int dir;			/* where it lies */
	const char *name;
};
int meta_restore(struct restore *, const struct meta_at *, const char *path,
    const struct entry *, struct err *);

/* Hard links: which name of an inode was restored first.  On disk. */
struct links;
#define LINKS_NONE	1
int links_open(struct links **out, struct err *);
void links_close(struct links *);	/* NULL is fine */
/* The first path of ino: LINKS_NONE, and it is noted as the first. */
int links_first(struct links *, uint64_t ino, const char *path, size_t len,
    struct err *);
/* The first path, appended to `first' with a NUL; LINKS_NONE when it was not
 * made. */
int links_get(struct links *, uint64_t ino, struct buf *first, struct err *);
/* The first could not be made: the next name is to be the first. */
int links_drop(struct links *, uint64_t ino, struct err *);

#endif
