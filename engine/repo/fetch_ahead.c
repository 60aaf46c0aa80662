/*
 * Frames brought into the cache before they are asked for.  The threads are our
 * own and are started by the first request: a process that daemonises after it
 * opened the repository has no threads to lose.
 *
 * The queue is bounded and a request that finds it full is dropped: what runs
 * ahead must never make the one who reads wait.  Its errors are dropped too;
 * whoever needs the frame meets them anew.
 */
#include <stdlib.h>

#include "engine/repo/fetch_int.h"

#define AHEAD_QUEUE	32

struct request {
	struct pack_info pack;
	struct frame_info frame;
	uint32_t slot;			/* or FETCH_WHOLE */
};

struct ahead {
	struct frame_cache *cache;	/* borrowed */
	unsigned threads;		/* wanted */
	pthread_mutex_t lock;
	pthread_cond_t work;
	unsigned started;		/* lock */
	bool refused;			/* lock: no thread could be started */
	bool stop;			/* lock */
	unsigned first;			/* lock: ring of n requests */
	unsigned n;
	struct request queue[AHEAD_QUEUE];
	pthread_t *thread;		/* owned */
};

static void *
ahead_run(void *arg)
{
	struct ahead *a = arg;

	pthread_mutex_lock(&a->lock);
	for (;;) {
		struct err e = ERR_INIT;
		struct fetched *x;
		struct request r;

		while (a->n == 0 && !a->stop)
			pthread_cond_wait(&a->work, &a->lock);
		if (a->stop)
			break;
		r = a->queue[a->first];
		a->first = (a->first + 1) % AHEAD_QUEUE;
		a->n--;
		pthread_mutex_unlock(&a->lock);
		if (frame_cache_get(a->cache, &r.pack, &r.frame, r.slot, &x,
		    &e) == 0)
			frame_cache_put(a->cache, x);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return (NULL);
}

/* Under the lock: one more thread while requests wait for one. */
static void
start_thread(struct ahead *a)
{
	if (a->refused || a->started == a->threads)
		return;
	if (pthread_create(&a->thread[a->started], NULL, ahead_run, a) != 0) {
		a->refused = true;
		return;
	}
	a->started++;
}

void
ahead_ask(struct ahead *a, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot)
{
	if (frame_cache_has(a->cache, pack, frame->no, slot))
		return;
	pthread_mutex_lock(&a->lock);
	start_thread(a);
	if (a->n < AHEAD_QUEUE && a->started > 0) {
		struct request *r =
		    &a->queue[(a->first + a->n) % AHEAD_QUEUE];

		r->pack = *pack;
		r->frame = *frame;
		r->slot = slot;
		a->n++;
		pthread_cond_signal(&a->work);
	}
	pthread_mutex_unlock(&a->lock);
}

int
ahead_new(struct ahead **out, struct frame_cache *cache, unsigned threads,
    struct err *e)
{
	struct ahead *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	a->thread = calloc(threads, sizeof(*a->thread));
	if (a->thread == NULL) {
		free(a);
		return (err_set(e, ERR_NOMEM, "no memory"));
	}
	a->cache = cache;
	a->threads = threads;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	*out = a;
	return (0);
}

void
ahead_free(struct ahead *a)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_broadcast(&a->work);
	pthread_mutex_unlock(&a->lock);
	for (unsigned i = 0; i < a->started; i++)
		pthread_join(a->thread[i], NULL);
	pthread_cond_destroy(&a->work);
	pthread_mutex_destroy(&a->lock);
	free(a->thread);
	free(a);
}
