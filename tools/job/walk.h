#ifndef VITRINE_TOOLS_JOB_WALK_H
#define VITRINE_TOOLS_JOB_WALK_H

#include "engine/base/buf.h"
#include "engine/base/pool.h"
#include "tools/job/ignore.h"
#include "tools/job/meta.h"
#include "tools/job/names.h"
#include "tools/job/roots.h"
#include "tools/job/source.h"

/*
 * A walk over the source: depth first, each directory's names in byte order,
 * from "/" down to the roots and through them.  The file system is gone through
 * by directory descriptors, so paths may be of any length; on deep paths a
 * descriptor is closed early, and opened again when the walk comes back.
 * Directories and batches of entries are read ahead on the pool's workers; what
 * the caller sees comes in order and does not depend on the number of threads.
 * Memory and descriptors are bounded whatever the tree: what lies far up the
 * path or is too large is let go and read again later.
 */
struct walk_dir {			/* counted; the coordinator's */
	struct walk_dir *parent;	/* a reference; NULL for "/" */
	int fd;	/* the file system's; -1: not open (now) */
	uint64_t place;			/* another source's */
	unsigned refs;
	unsigned users;			/* need fd: it isn't closed meanwhile */
	bool left;			/* nobody else does any more */
	size_t root_lo, root_hi;	/* roots in or below this directory */
	size_t plen;			/* of its path, when there are such */
	bool implied;			/* only leads to roots */
	bool listed;			/* false: what it holds is left out */
	/* Set on a worker by `listed', before its entries are looked at. */
	struct ignore *ignore;		/* owned: rules that it holds; NULL */
	const char *marker;		/* all but this is left out; NULL */
	size_t ignore_bytes;		/* of rules, with those above */
	int ignore_error;		/* errno: rules that can't be used */
	bool want_path;			/* rules here or above ask for it */
	struct meta_stat st;
	uint64_t old;			/* its inode in the parent catalog; 0 */
	uint64_t ino, xattrs;		/* the caller's */
	bool unread;			/* the caller's */
	uint16_t len;
	char name[];
};

struct visit;
struct walk_entry {
	const char *name;		/* NUL-terminated */
	uint16_t len;
	bool is_root;
	bool implied;
	bool leads;			/* to a root: never excluded */
	bool left_out;		/* on purpose: as if it were not there */
	bool has_old;		/* set by examine: what the parent has */
	bool same;			/* ... and that nothing changed */
	bool like;	/* ... nothing but how recent it was: look again */
	int error;			/* errno: stat failed, st is a guess */
	struct meta_stat st;
	struct entry old;
	struct meta *meta;	/* owned; neither files nor directories */
	struct visit *ahead;		/* the walk's */
};

struct walk_gone {			/* in the parent, and not any more */
	const char *name;
	uint16_t len;
	struct entry old;
};

struct walk_batch {
	struct walk_dir *dir;		/* borrowed */
	struct walk_entry *v;		/* sorted */
	size_t n;
	const char *after, *upto;	/* names in between; NULL: no bound */
	bool first;			/* of its directory */
	int error;			/* errno: opening or listing failed */
	struct meta *meta;		/* the directory's, when asked for */
	struct walk_gone *gone;	/* set by examine, as walk_gone_add does */
	size_t ngone, gone_cap;
	struct stamp now;	/* before anything of it was looked at */
	uint64_t next_ino, end_ino;	/* the caller's */
	char *text;			/* the walk's, as what follows */
	uint16_t *dirs;			/* which entries are directories */
	size_t ndirs;
};
void walk_batch_reset(struct walk_batch *);
int walk_gone_add(struct walk_batch *, const char *name, size_t len,
    const struct entry *);

struct walk_ops {
	/* On a worker: a directory that is no implied one was opened and its
	 * first names are listed; see walk_dir.  May be NULL. */
	int (*listed)(void *ctx, struct walk_dir *, const struct names *,
	    struct err *);
	/* On a worker: is this entry wanted?  `path' is its absolute path when
	 * want_path (here or in it), else NULL.  May set left_out. */
	bool (*keep)(void *ctx, const struct walk_dir *, const char *path,
	    struct walk_entry *);
	bool want_path;
	/* On a worker: compare with the parent catalog (batch->dir->old).
	 * Starts from has_old = same = false and no gone ones. */
	int (*examine)(void *ctx, struct walk_batch *, struct err *);
	/* The rest on the coordinator, in order. */
	/* A directory of another device than the one that it is in: *list says
	 * whether it is entered. */
	int (*cross)(void *ctx, struct walk_dir *, struct walk_entry *,
	    bool *list, struct err *);
	/* A directory, with its first batch; before that batch's entries.  `in'
	 * and entry are its own in the directory above, NULL for "/".  May
	 * change dir->old, and then calls walk_batch_reset() and examine
	 * itself. */
	int (*enter)(void *ctx, struct walk_dir *, struct walk_batch *in,
	    struct walk_entry *, struct walk_batch *first, struct err *);
	int (*batch)(void *ctx, struct walk_batch *, struct err *);
	/* A name of the parent that is not here (any more); among the entries,
	 * by its name. */
	int (*gone)(void *ctx, struct walk_batch *, struct walk_gone *,
	    struct err *);
	/* What is no directory, or could not be told. */
	int (*entry)(void *ctx, struct walk_batch *, struct walk_entry *,
	    struct err *);
	/* error: errno, when the rest of it could not be read. */
	int (*leave)(void *ctx, struct walk_dir *, int error, struct err *);
};

struct walk_env {
	struct source *source;		/* borrowed; NULL: the file system */
	struct pool *pool;		/* borrowed */
	unsigned priority;		/* of the lane */
	const struct roots *roots;	/* borrowed */
	size_t budget_bytes;
	size_t descriptors;		/* that the process may have */
	const struct walk_ops *ops;	/* borrowed */
	void *ctx;
};
/* From "/" through all; stops at the first failure of a callback. */
int walk_run(const struct walk_env *, struct err *);

/* Of so many descriptors, how many are the walk's, the store's and all others'
 * but those that its caller has open. */
size_t walk_descriptors(size_t descriptors);

/* References for those who come back later to a directory of the walk;
 * coordinator only. */
void walk_dir_hold(struct walk_dir *);
void walk_dir_drop(struct walk_dir *);
/* The absolute path of an entry (or, with NULL, of the directory; "/" is ""),
 * NUL-terminated, replacing what is in the buffer.  Any thread. */
int walk_path(const struct walk_dir *, const char *name, struct buf *,
    struct err *);

#endif
