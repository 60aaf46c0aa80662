#ifndef VITRINE_TOOLS_JOB_WALK_INT_H
#define VITRINE_TOOLS_JOB_WALK_INT_H

#include "tools/job/walk.h"

/* Inside the walk: directories, and visits (the work of a worker). */
#define WALK_BATCH	512	/* entries at a time */

struct walk_dir *walk_dir_new(struct walk_dir *parent, const char *name,
    size_t len);
void walk_dir_unref(struct walk_dir *);		/* NULL is fine */
/* The walk's reference goes, and won't come back: from then on those who hold
 * the directory alone need its descriptor, not those who hold one in it. */
void walk_dir_leave(struct walk_dir *);

/*
 * One piece of work: open a directory, list it, or take the next names of its
 * list; then stat and compare a batch.
 */
struct visit {
	struct job job;
	const struct walk_env *env;
	struct walk_dir *dir;		/* a reference */
	struct names names;		/* the directory's list */
	char *after;		/* owned: names after this one; NULL: all */
	bool first;			/* open the directory */
	bool list;			/* names are to be listed */
	bool want_meta;			/* of the directory, with first */
	size_t names_max;
	bool submitted, done;
	bool ahead;			/* counted as such, with its bytes */
	size_t bytes;			/* of the batch, once done */
	struct walk_batch *batch;	/* owned: the result */
	bool failed;			/* of a callback */
	struct err err;
};
struct visit *visit_new(const struct walk_env *, struct walk_dir *);
void visit_free(struct visit *);
void visit_run(struct job *);
void walk_batch_free(struct walk_batch *);
size_t walk_batch_bytes(const struct walk_batch *);
/* The first visit of a directory that is an entry; NULL: no memory. */
struct visit *walk_visit_entry(const struct walk_env *, struct walk_dir *,
    const struct walk_entry *);

#endif
