#ifndef VITRINE_TOOLS_JOB_RESTORE_IMPL_H
#define VITRINE_TOOLS_JOB_RESTORE_IMPL_H

#include <pthread.h>
#include <sys/stat.h>

#include "engine/base/pool.h"
#include "index/catalog.h"
#include "tools/job/inoset.h"
#include "tools/job/links.h"
#include "tools/job/restore.h"

#define RESTORE_THREADS_MAX	64
#define FILE_LOCKS		64

/* A directory that entries are made in: shared by the files that wait for their
 * bytes, and open while somebody works in it, or did a moment ago. */
struct parent {
	struct restore *rs;
	atomic_uint refs;
	int fd;				/* -1: shut; stays while it is held */
	unsigned held;			/* the parents' lock; likewise */
	bool acl;			/* acl_handed_down(); immutable */
	struct parent *newer, *older;
	size_t len;
	char path[];			/* below the target, len bytes */
};
/* Those that are open and not held, by age. */
struct parents {
	pthread_mutex_t lock;
	struct parent *newest, *oldest;	/* lock */
	size_t n, max;			/* lock */
};

/* restore_own.c: a directory that is vitrine's own. */
struct own {
	dev_t dev;
	ino_t ino;
	char *path;		/* below the target; NULL: it isn't there */
};

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
	struct own own[2];		/* the repository, the cache */
	unsigned nown;

	pthread_mutex_t lock;		/* events, one at a time */
	uint64_t ticked_ms;		/* locked */
	uint64_t answered_ms;		/* locked; the store, when asked */
	struct err lost;		/* locked; the store, if it has code */
	atomic_uint_least64_t files, dirs, others, bytes, failed;
	atomic_uint_least64_t owners;	/* not set for lack of privilege */
	atomic_uint_least64_t xattrs;	/* the same */
	atomic_bool stop;		/* a worker's failure ends all */

	_Atomic unsigned put_rule;	/* enum put_rule */

	struct filter *filter;		/* the walker's */
	struct owners *users, *groups;	/* NULL: as they are */
	atomic_uint_least64_t kept, deleted, verified, there;
	struct early *early;		/* NULL: only the last sync */
	struct mounted *mounted;	/* locked */
	size_t nmounted;		/* locked */
	struct buf written;		/* locked: a bit an inode */
	unsigned verifying;		/* jobs; the walker's */
	struct buf undone;	/* locked: inodes whose first name failed */
	struct buf scratch[RESTORE_THREADS_MAX];	/* locked */
	unsigned nscratch;		/* locked */
	struct buf ticked;		/* locked: the path that is shown */

	struct parents parents;
	pthread_mutex_t file_lock[FILE_LOCKS];

	struct links *links;		/* the walker's */
	struct inoset above;		/* ... implied directories it made */
	struct buf path;		/* ... the path it is at, with a NUL */
	unsigned threads;		/* immutable, as run_bytes */
	size_t run_bytes;		/* stored bytes that one read brings */
	size_t open_max;		/* files that a plan may hold open */
	size_t plan_bytes;		/* memory of a plan */
	struct pool *pool;
	struct lane *lane;
	struct plan *filling, *working;	/* owned; the walker's */
	const struct parent *planned;	/* of the last file; not followed */
	struct parent *parent;		/* of the last entry; held open */
};

/* restore_above.c: a directory that the walk made, noted if it is implied; the
 * same by its path below the target. */
void above_made(struct restore *, const struct entry *, const char *path);
int above_made_at(struct restore *, const char *path, size_t len,
    struct err *);
/* Is this implied one ours, to get its metadata?  Then *en is what can be
 * had. */
bool above_wants(const struct restore *, struct entry *);

/* What to do about what is there (restore_over.c). */
enum over {
	OVER_MAKE,		/* nothing is there */
	OVER_SAME,		/* it is what it should be, but for metadata */
	OVER_KEEP,		/* it stays */
	OVER_REFUSE,		/* it stays, and that is a failure */
	OVER_REPLACE,
	OVER_REPLACE_DIR,	/* likewise, but a directory is there */
	OVER_UPDATE		/* a file: write in place */
};

/*
 * restore_parent.c.  The directory that holds `path', below the target: the
 * last one again where it is the same.  A reference, and open until the next is
 * asked for; RESTORE_GONE when it can't be opened as a directory without
 * following a link.  The walker's.
 */
#define RESTORE_GONE	1
int parent_get(struct restore *, const char *path, size_t len,
    struct parent **out, const char **name, struct err *);
void parent_put(struct parent *);	/* NULL is fine */
/* Open until it is let go; by any thread.  RESTORE_GONE. */
int parent_hold(struct parent *, int *fd, struct err *);
void parent_let(struct parent *);
/* The walk has ended: nothing is kept open for it. */
void parent_done(struct restore *);
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
/* Progress, at most ten times a second: `name' in the directory, if that is
 * not NULL. */
void restore_tick(struct restore *, const struct parent *, const char *name);
bool restore_stopped(struct restore *);
/* The walk's path, which has no NUL, as a string in rs->path; NULL without
 * memory. */
const char *restore_path(struct restore *, const char *, size_t len,
    struct err *);
/* What a walk does first with an entry: *path is its path if it is wanted, else
 * NULL.  0; CATALOG_SKIP: nor is anything in it. */
int restore_wanted(struct restore *, const char *bytes, size_t len,
    const struct entry *, const char **path, struct err *);
/* restore_make.c: the first walk's; ctx is the restore. */
int walk_make(void *ctx, const char *bytes, size_t len, const struct entry *,
    struct err *);
/* The second walk. */
int restore_finish(struct restore *, const struct entry *top, struct err *);

/*
 * A regular file, to be made with its content and metadata: gathered in a plan
 * (restore_plan_int.h).  What fails of it is said; < 0: all must stop.
 */
int plan_file(struct restore *, struct parent *, const char *path, size_t len,
    const struct entry *, enum over, struct err *);
/* Wait until all that was planned is done. */
int plan_drain(struct restore *, struct err *);
/* A symlink, FIFO, socket or device.  0, also when it failed and that was said
 * (*made is then false and nothing of it is left); < 0: all must stop. */
int other_restore(struct restore *, const struct parent *, const char *name,
    const char *path, const struct entry *, enum over, bool *made,
    struct err *);
/* A name for what is to be renamed over another, made of a number that nobody
 * else has. */
#define TEMP_NAME_BYTES	48
uint32_t temp_number(void);
void temp_name(char dst[TEMP_NAME_BYTES], uint32_t number);

/* Metadata of what we made: by descriptor (fd >= 0), or by name in a directory.
 * What can't be set is said and counted; < 0: all must stop. */
struct meta_at {
	int fd;				/* the object itself, or -1 */
	int dir;			/* where it lies */
	const char *name;
};
int meta_restore(struct restore *, const struct meta_at *, const char *path,
    const struct entry *, struct err *);

/*
 * restore_meta.c.  Does a directory that was there hand an ACL down to what is
 * made in it?  The snapshot knows nothing of that, so it is taken away again
 * before anything else is done: 0, or errno.
 */
bool acl_handed_down(int dir);
int acl_drop(const struct meta_at *);
/* The same of a directory that was made, before anything is made in it; what
 * fails is said. */
void acl_none(struct restore *, const struct meta_at *, const char *path);

enum over over_look(struct restore *, int dir, const char *name,
    const struct entry *);
#define OVER_FULL_TEXT	"a directory that isn't empty is there"
/* Take away what is there, for another type; a failure is said. */
int over_remove(struct restore *, int dir, const char *name, const char *path,
    enum over how);
/* Take away what is in a directory of the target and not in the snapshot's. */
int over_delete(struct restore *, const struct entry *dir, const char *path,
    size_t len, struct err *);
/*
 * restore_own.c.  The repository and the cache: found before anything is made,
 * for a target in the repository is an error.
 */
#define OWN_TEXT	"it belongs to vitrine itself"
int own_find(struct restore *, struct err *);
void own_fini(struct restore *);
/* Does the path, below the target, lead into one of them? */
bool own_has(const struct restore *, const char *path, size_t len);
bool own_is(const struct restore *, const struct stat *);
/* restore_dry.c: say what would be done; CATALOG_SKIP. */
int dry_entry(struct restore *, const char *path, size_t len,
    const struct entry *, struct err *);
void restore_would(struct restore *, const char *what, const char *path);

/* restore_filter.c; the walker's.  The path is below the restored one. */
struct filter;
enum wanted { WANTED, WANTED_NOT, WANTED_BELOW };
int filter_new(struct filter **out, const struct restore_env *,
    const struct manifest *, const char *prefix, struct err *);
void filter_free(struct filter *);
enum wanted filter_ask(struct filter *, const char *path, size_t len,
    bool is_dir);
bool filter_wants_all(const struct filter *);
/* Excluded, here or by the backup: so not to be deleted either. */
bool filter_spares(struct filter *, const char *dir, size_t len,
    const char *name);

/* restore_owner.c; thread-safe.  No rules: NULL. */
struct owners;
int owners_new(struct owners **out, bool group, const char *const *, size_t n,
    struct err *);
void owners_free(struct owners *);
int owners_map(struct owners *, struct catalog *, uint32_t *id, struct err *);

/*
 * restore_sync.c: writing back while the restore goes on; NULL if that can't be
 * had, which is fine everywhere.  Ended before the sync that counts.
 */
struct early;
struct early *early_new(int target);
/* So much was written, by any thread; a file was made. */
void early_made(struct early *, uint64_t bytes, bool file);
void early_end(struct early *);
/* The same: to be told of each directory that something is to be done in, by
 * any thread, before it is: another file system may be mounted there. */
int mounted_note(struct restore *, int dir, const char *path, size_t len,
    struct err *);
/* The sync that counts, of the target and of what is mounted below it. */
int restore_sync(struct restore *, struct err *);
void mounted_fini(struct restore *);
/* Which mount a name in the directory is of, or itself (""): bind mounts are
 * told from one another.  0, or errno. */
struct mount_id {
	uint64_t mount;			/* 0: the kernel can't tell */
	uint64_t dev;
};
int mount_id(struct mount_id *, int dir, const char *name);

/* restore_verify.c */
#define WRITTEN_BYTES_MAX	(64U << 20)
int written_note(struct restore *, uint64_t ino, struct err *);
/* `name' is what a top that is no directory is called in the target. */
int restore_verify(struct restore *, const struct entry *top,
    const char *name, struct err *);

#endif
