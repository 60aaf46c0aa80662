/*
 * Workers and lanes.  A pipeline whose output must not depend on the timing of
 * threads needs one thing only: that results are taken in the order in which
 * the work was given.  A lane is that order; the workers behind it are
 * anonymous.
 *
 * A lane is one singly linked list through job.next, oldest first:
 *
 *	head -> done, done, running, waiting, waiting <- tail
 *	                             ^ waiting
 *
 *	submit	(coordinator)	a job joins at the tail
 *	start	(worker)	`waiting' steps over it
 *	finish	(worker)	done becomes true
 *	take	(coordinator)	the head leaves, once it is done
 *
 * Invariants, under pool->lock:
 *  1. Jobs start in the order of the list; all before `waiting' have started.
 *  2. `waiting' is NULL just when every job of the lane has started.
 *  3. A worker goes to sleep only when no lane has a waiting job, and is woken
 *     at a submit, at every n-th one of a lane that gathers (whose waiting jobs
 *     the coordinator runs itself), and before the coordinator sleeps.  A lane
 *     with a limit may have more waiting; when one of its jobs ends a sleeper
 *     is woken.
 *  4. The coordinator sleeps only for a head that is waiting or running; by 3
 *     a waiting one has a worker on its way, and no job waits for the
 *     coordinator, so the sleep ends.
 * `count' belongs to the coordinator alone and needs no lock.
 */
#include "engine/base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define POOL_THREADS_MAX	1024

struct lane {
	struct pool *pool;
	struct lane *next;		/* the pool's, by falling priority */
	unsigned priority;
	unsigned capacity;
	unsigned limit;			/* jobs running at once; 0: any */
	unsigned running;
	unsigned count;			/* the coordinator's */
	unsigned gather, gathered;	/* submits a wake-up; since the last */
	struct job *head;
	struct job *tail;
	struct job *waiting;		/* the oldest that has not started */
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;		/* a job waits, or stop */
	pthread_cond_t finished;	/* `awaited' is done */
	struct lane *lanes;
	const struct job *awaited;	/* what the coordinator sleeps for */
	unsigned idle;			/* workers asleep */
	bool stop;
	unsigned nthreads;
	pthread_t *threads;		/* owned */
};

/* Under the lock: the job to start next, stepped over; NULL when none waits. */
static struct job *
start_next(struct pool *pool)
{
	for (struct lane *lane = pool->lanes; lane != NULL; lane = lane->next) {
		struct job *job = lane->waiting;

		if (job != NULL &&
		    (lane->limit == 0 || lane->running < lane->limit)) {
			lane->waiting = job->next;
			lane->running++;
			return (job);
		}
	}
	return (NULL);
}

static void *
worker(void *arg)
{
	struct pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct job *job = start_next(pool);

		if (job == NULL) {
			if (pool->stop)
				break;
			pool->idle++;
			pthread_cond_wait(&pool->work, &pool->lock);
			pool->idle--;
			continue;
		}
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
		job->lane->running--;
		/* What the limit held back may start; we may take another. */
		if (job->lane->limit > 0 && job->lane->waiting != NULL &&
		    pool->idle > 0)
			pthread_cond_signal(&pool->work);
		job->done = true;
		if (pool->awaited == job)
			pthread_cond_signal(&pool->finished);
	}
	pthread_mutex_unlock(&pool->lock);
	return (NULL);
}

static void
stop_workers(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->nthreads; i++)
		pthread_join(pool->threads[i], NULL);
	pool->nthreads = 0;
}

int
pool_new(struct pool **out, unsigned threads, struct err *e)
{
	struct pool *pool;

	if (threads > POOL_THREADS_MAX)
		return (err_set(e, ERR_LIMIT, "%u threads are too many",
		    threads));
	pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		return (err_sys(e, ENOMEM, "pool"));
	if (threads > 0) {
		pool->threads = calloc(threads, sizeof(*pool->threads));
		if (pool->threads == NULL) {
			free(pool);
			return (err_sys(e, ENOMEM, "pool"));
		}
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->finished, NULL);
	for (unsigned i = 0; i < threads; i++) {
		int rc = pthread_create(&pool->threads[i], NULL, worker, pool);

		if (rc != 0) {
			pool_free(pool);
			return (err_sys(e, rc, "start a thread"));
		}
		pool->nthreads = i + 1;
	}
	*out = pool;
	return (0);
}

void
pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	BUG_ON(pool->lanes != NULL);
	stop_workers(pool);
	pthread_cond_destroy(&pool->finished);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool->threads);
	free(pool);
}

unsigned
pool_threads(const struct pool *pool)
{
	return (pool->nthreads);
}

int
lane_new(struct lane **out, struct pool *pool, unsigned priority,
    unsigned capacity, struct err *e)
{
	struct lane *lane = calloc(1, sizeof(*lane));
	struct lane **at;

	if (lane == NULL)
		return (err_sys(e, ENOMEM, "lane"));
	BUG_ON(capacity == 0);
	lane->pool = pool;
	lane->priority = priority;
	lane->capacity = capacity;
	lane->gather = 1;
	pthread_mutex_lock(&pool->lock);
	for (at = &pool->lanes; *at != NULL; at = &(*at)->next)
		if ((*at)->priority < priority)
			break;
	lane->next = *at;
	*at = lane;
	pthread_mutex_unlock(&pool->lock);
	*out = lane;
	return (0);
}

void
lane_gather(struct lane *lane, unsigned n)
{
	BUG_ON(n == 0 || lane->count != 0);
	lane->gather = n;
}

void
lane_limit(struct lane *lane, unsigned n)
{
	BUG_ON(lane->count != 0);
	lane->limit = n;
}

void
lane_free(struct lane *lane)
{
	struct pool *pool;
	struct lane **at;

	if (lane == NULL)
		return;
	BUG_ON(lane->count != 0);
	pool = lane->pool;
	pthread_mutex_lock(&pool->lock);
	for (at = &pool->lanes; *at != lane; at = &(*at)->next)
		BUG_ON(*at == NULL);
	*at = lane->next;
	pthread_mutex_unlock(&pool->lock);
	free(lane);
}

bool
lane_is_full(const struct lane *lane)
{
	return (lane->count == lane->capacity);
}

bool
lane_is_empty(const struct lane *lane)
{
	return (lane->count == 0);
}

bool
lane_is_ready(struct lane *lane)
{
	bool ready;

	if (lane->count == 0)
		return (false);
	pthread_mutex_lock(&lane->pool->lock);
	ready = lane->head->done;
	pthread_mutex_unlock(&lane->pool->lock);
	return (ready);
}

void
lane_submit(struct lane *lane, struct job *job)
{
	struct pool *pool = lane->pool;

	BUG_ON(lane_is_full(lane));
	job->next = NULL;
	job->lane = lane;
	job->done = false;
	pthread_mutex_lock(&pool->lock);
	if (lane->count == 0)
		lane->head = job;
	else
		lane->tail->next = job;
	lane->tail = job;
	lane->count++;
	if (lane->waiting == NULL)
		lane->waiting = job;
	if (++lane->gathered >= lane->gather) {
		lane->gathered = 0;
		if (pool->idle > 0)
			pthread_cond_signal(&pool->work);
	}
	pthread_mutex_unlock(&pool->lock);
}

struct job *
lane_take(struct lane *lane)
{
	struct pool *pool = lane->pool;
	struct job *job;

	if (lane->count == 0)
		return (NULL);
	pthread_mutex_lock(&pool->lock);
	job = lane->head;
	if (pool->nthreads == 0 ||
	    (lane->gather > 1 && lane->waiting == job)) {
		lane->waiting = job->next;
		pthread_mutex_unlock(&pool->lock);
		job->run(job);
		pthread_mutex_lock(&pool->lock);
		job->done = true;
	}
	pool->awaited = job;
	if (!job->done && pool->idle > 0 && lane->waiting != NULL)
		pthread_cond_signal(&pool->work);
	while (!job->done)
		pthread_cond_wait(&pool->finished, &pool->lock);
	pool->awaited = NULL;
	lane->head = job->next;
	job->next = NULL;
	pthread_mutex_unlock(&pool->lock);
	lane->count--;
	return (job);
}
