#ifndef VITRINE_ENGINE_BASE_POOL_H
#define VITRINE_ENGINE_BASE_POOL_H

#include <stdbool.h>

#include "engine/base/err.h"

/*
 * Symmetric worker threads, and lanes over them: a lane is a bounded queue
 * whose jobs are run by any worker in any order and are taken back in the order
 * in which they were submitted.  The order of the takes, not the timing of
 * the threads, decides what is written: so one thread and many write the same
 * bytes (DESIGN section 10, 4).
 *
 * One thread, the coordinator, submits and takes; a lane is confined to it.
 * Workers never wait for the coordinator: a job runs to its end, and may not
 * submit or take.  Hence no deadlock: the coordinator waits only for jobs that
 * are running or can run.
 *
 * Among waiting jobs workers prefer the lane of the highest priority (the most
 * downstream), so that memory drains.
 *
 * The serial twin: a pool of 0 threads has no workers; lane_take() runs the
 * oldest job itself.
 */
struct pool;
struct lane;

struct job {
	void (*run)(struct job *);	/* on a worker; errors go in here */
	struct job *next;		/* the pool's */
	struct lane *lane;		/* the pool's */
	bool done;			/* the pool's */
};

int pool_new(struct pool **out, unsigned threads, struct err *);
void pool_free(struct pool *);		/* lanes must be gone; NULL is fine */
unsigned pool_threads(const struct pool *);	/* 0 for the serial twin */

/* capacity: how many jobs may be in the lane (submitted, not yet taken). */
int lane_new(struct lane **out, struct pool *, unsigned priority,
    unsigned capacity, struct err *);
/* Short jobs: a sleeping worker is woken only for every n-th of them, and one
 * that has not been started when it is to be taken is run by the coordinator
 * itself, for which sleeping would cost more.  Before the first submit. */
void lane_gather(struct lane *, unsigned n);
/* Run at most n of its jobs at once; 0: as many as there are threads.  Before
 * the first job. */
void lane_limit(struct lane *, unsigned n);
/* Waits for what runs; jobs not yet taken are the caller's to free first
 * (drain with lane_take).  NULL is fine. */
void lane_free(struct lane *);
bool lane_is_full(const struct lane *);
bool lane_is_empty(const struct lane *);
/* Has the oldest job been run (so that lane_take won't wait)? */
bool lane_is_ready(struct lane *);
/* The lane must not be full.  Borrows the job until it is taken. */
void lane_submit(struct lane *, struct job *);
/* The oldest job, waited for; NULL when the lane is empty. */
struct job *lane_take(struct lane *);

#endif
