/*
 * Each caller takes the next stretch of time, as long as its bytes are due to
 * last, and sleeps until that begins.
 */
#include "tools/job/pace.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/clock.h"

#define NAP_MS		100	/* between looks at the cancel flag */

struct pace {
	pthread_mutex_t lock;
	uint64_t rate;			/* bytes a second */
	double due_ms;			/* locked: when the next may begin */
};

int
pace_new(struct pace **out, uint64_t rate, struct err *e)
{
	struct pace *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	BUG_ON(rate == 0);
	(void)pthread_mutex_init(&p->lock, NULL);
	p->rate = rate;
	*out = p;
	return (0);
}

void
pace_free(struct pace *p)
{
	if (p == NULL)
		return;
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

void
pace_wait(struct pace *p, size_t bytes, const struct events *ev)
{
	double now = (double)clock_mono_ms(), begin;

	(void)pthread_mutex_lock(&p->lock);
	begin = p->due_ms > now ? p->due_ms : now;
	p->due_ms = begin + (double)bytes * 1000 / (double)p->rate;
	(void)pthread_mutex_unlock(&p->lock);
	while (!events_canceled(ev)) {
		double left = begin - (double)clock_mono_ms();
		struct timespec nap = { 0, 0 };

		if (left <= 0)
			return;
		nap.tv_nsec = (long)((left < NAP_MS ? left : NAP_MS) * 1e6);
		(void)nanosleep(&nap, NULL);
	}
}
