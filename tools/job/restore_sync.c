/*
 * Writing back.  A restore ends with a sync of the target's file system, for
 * which the processors would wait; so it is begun early: a thread syncs each
 * time that some more was made.  The last sync, when all is made, is what
 * counts, and finds little left.
 *
 * A thread in such a sync can't be interrupted, and to a slow device ever more
 * waits to be written each time.  So the first that takes long is the last of
 * the early ones, and the kernel writes as it sees fit.
 *
 * Invariants:
 *  1. A failure to write is seen by the last sync: the kernel tells it once to
 *     each descriptor, and the early ones have their own.
 *  2. Under the lock: `begun' is the step at which the last early sync began.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "tools/job/restore_impl.h"

#ifdef VITRINE_TESTING
#define STEP_BYTES	65536	/* so that small restores come to it */
#else
#define STEP_BYTES	((uint64_t)256 << 20)
#endif
#define FILE_BYTES	16384	/* what making a file is worth in bytes */
#define LONG_MS		1000

struct early {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	atomic_uint_least64_t made;	/* bytes, and files as bytes */
	uint64_t begun;			/* lock: in steps */
	bool ended;			/* lock */
};

/* Wait until there is something to do; false: the restore has ended. */
static bool
next_step(struct early *s)
{
	bool ended;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->ended && atomic_load(&s->made) / STEP_BYTES == s->begun)
		(void)pthread_cond_wait(&s->more, &s->lock);
	s->begun = atomic_load(&s->made) / STEP_BYTES;
	ended = s->ended;
	(void)pthread_mutex_unlock(&s->lock);
	return (!ended);
}

static void *
early_run(void *ctx)
{
	struct early *s = ctx;
	uint64_t began, took = 0;

	while (took < LONG_MS && next_step(s)) {
		began = clock_mono_ms();
		(void)syncfs(s->fd);
		took = clock_mono_ms() - began;
	}
	return (NULL);
}

void
early_made(struct early *s, uint64_t bytes, bool file)
{
	uint64_t n = bytes + (file ? FILE_BYTES : 0), before;

	if (s == NULL)
		return;
	before = atomic_fetch_add(&s->made, n);
	if (before / STEP_BYTES == (before + n) / STEP_BYTES)
		return;
	(void)pthread_mutex_lock(&s->lock);
	(void)pthread_cond_signal(&s->more);
	(void)pthread_mutex_unlock(&s->lock);
}

static void
early_free(struct early *s)
{
	(void)pthread_cond_destroy(&s->more);
	(void)pthread_mutex_destroy(&s->lock);
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s);
}

struct early *
early_new(int target)
{
	struct early *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (NULL);
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->more, NULL);
	/* Not a dup(), which would share what was told. */
	s->fd = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0 || pthread_create(&s->thread, NULL, early_run, s) != 0) {
		early_free(s);
		return (NULL);
	}
	return (s);
}

void
early_end(struct early *s)
{
	if (s == NULL)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->ended = true;
	(void)pthread_cond_signal(&s->more);
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_join(s->thread, NULL);
	early_free(s);
}
