#ifndef VITRINE_TOOLS_JOB_BACKUP_FLOW_INT_H
#define VITRINE_TOOLS_JOB_BACKUP_FLOW_INT_H

#include "tools/job/backup_int.h"

/*
 * What backup_flow.c (works, and their way through the lanes) and
 * backup_settle.c (what a work has found is written) share.  The coordinator's
 * but for the works that a worker has in hand.
 */
struct large {
	unsigned refs;			/* its steps', and add_large's */
	struct item it;
	char *name;			/* owned */
	struct meta meta;
	struct source *source;
	struct source_file file;
	bool is_open;
	int stream;			/* no file and no dir: another's; -1 */
	/* At the joint. */
	bool stopped;			/* error or early end: skip the rest */
	int error;
	bool is_short;
	/* Settled. */
	uint64_t bytes;
	struct content content;
};

struct work {
	struct job job;
	struct backup *b;
	uint8_t *buf;			/* owned, cap bytes */
	size_t cap;
	struct cuts cuts;
	bool failed;
	struct err err;
	/* A run. */
	struct run_item *items;	/* owned, RUN_ITEMS; NULL: never a run */
	size_t n;
	size_t bytes;			/* of the buffer that items will fill */
	size_t ndirs;
	struct buf names;
	/* A step of a large file. */
	struct large *file;
	uint64_t off, hole;		/* hole bytes, then len bytes at off */
	size_t len, got;
	int error;
	bool run_end;			/* of the run of data */
	bool last;			/* of the file */
	bool skipped;			/* the file ended before this step */
	struct work *next_free;
};

struct flow {
	struct backup *b;
	struct lane *read, *hash;
	struct work *free;		/* for use again */
	struct work *run;		/* being filled; NULL */
	size_t run_items;		/* files of a run at most */
	size_t run_dirs;		/* and directories that they are in */
	size_t head;			/* room for a chunk's beginning */
	uint8_t *tail;		/* owned: what the last step left over */
	size_t tail_len;
	uint8_t *alone;			/* owned: for read_alone; or NULL */
};

/* backup_settle.c */
/* The node and, where it isn't there yet, the name of a file. */
int settle_file(struct backup *, const struct item *, const struct meta *,
    unsigned flags, struct err *);
/* Read and write one file by itself: it changed under a worker, or is another
 * name of one that vanished. */
int settle_alone(struct flow *, struct item *, struct err *);
int settle_run(struct flow *, struct work *, struct err *);
int settle_step(struct flow *, struct work *, struct err *);

#endif
