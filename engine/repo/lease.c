/*
 * A session's lease: a new object at each renewal, so that a store without the
 * right to overwrite will do.  A thread of ours renews it; it uses no random
 * bytes, so that what a run writes doesn't depend on time.
 *
 * A lease that could not be renewed in time is noticed here, on the clock that
 * also counts while a machine sleeps and on the wall clock (a suspended virtual
 * machine has only that): the commit then looks at each pack.
 */
#include "engine/repo/session_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/crypto/rnd.h"

#define RENEW_MS	(10 * 60 * 1000)
#define LAPSE_MS	(45 * 60 * 1000)	/* a collector waits an hour */
#define LEASE_NAME_MAX	(8 + RUN_HEX + 10)
#define HOST_MAX	256

int64_t
interval_ms(const char *variable, int64_t normal)
{
#ifdef VITRINE_TESTING
	const char *text = getenv(variable);

	if (text != NULL && *text != '\0')
		return (strtoll(text, NULL, 10));
#endif
	return (normal);
}

static char *
lease_name(char name[LEASE_NAME_MAX], const struct run_id *run,
    uint32_t generation)
{
	char hex[RUN_HEX];

	(void)snprintf(name, LEASE_NAME_MAX, "leases/%s-%08u",
	    hex_emit(hex, run->b, sizeof(run->b)), generation);
	return (name);
}

static int
put_lease(struct session *s, uint32_t generation, struct err *e)
{
	char name[LEASE_NAME_MAX], host[HOST_MAX] = "";
	struct lease l = { .role = LEASE_WRITER, .generation = generation };
	struct buf content = BUF_INIT, object = BUF_INIT;
	int ret;

	(void)gethostname(host, sizeof(host) - 1);
	l.host.p = host;
	l.host.len = strlen(host);
	l.time = clock_wall();
	ret = lease_emit(&content, &l, e);
	if (ret == 0)
		ret = plain_emit(&object, s->repo->ring, OBJECT_LEASE, &s->run,
		    &content, e);
	if (ret == 0)
		ret = store_put(s->repo->store, lease_name(name, &s->run,
		    generation), object.data, object.len, e);
	buf_fini(&content);
	buf_fini(&object);
	return (ret);
}

static int64_t
boot_s(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_BOOTTIME, &t) != 0)
		BUG("no boot clock");
	return (t.tv_sec);
}

/* Under the lock: has it been too long?  Then begin to count anew. */
static void
note_time(struct session *s, bool renewed)
{
	int64_t limit = interval_ms("VITRINE_TEST_LAPSE_MS", LAPSE_MS) / 1000;
	int64_t boot = boot_s(), wall = clock_wall().s;

	if (boot - s->renewed_boot_s > limit ||
	    wall - s->renewed_wall_s > limit)
		s->lapsed = true;
	if (renewed) {
		s->renewed_boot_s = boot;
		s->renewed_wall_s = wall;
	}
}

void
session_kept(struct session *s)
{
	if (atomic_exchange(&s->kept_said, true))
		return;
	log_say(s->repo->env.log, LOG_NOTICE, "the store does not allow "
	    "anything to be removed: leases and pending manifests stay until "
	    "somebody who may removes them");
}

static void
renew(struct session *s)
{
	char name[LEASE_NAME_MAX];
	struct err e = ERR_INIT;
	uint32_t next = s->generation + 1;
	int ret;

	ret = put_lease(s, next, &e);
	/* Ours alone has that name: an answer got lost. */
	if (ret < 0) {
		log_say(s->repo->env.log, LOG_WARNING, "the lease could not be "
		    "renewed (tried again in a while): %s", err_text(&e));
		return;
	}
	(void)pthread_mutex_lock(&s->lock);
	note_time(s, true);
	s->generation = next;
	(void)pthread_mutex_unlock(&s->lock);
	ret = store_remove(s->repo->store, lease_name(name, &s->run, next - 1),
	    &e);
	if (ret == STORE_KEPT)
		session_kept(s);
	else if (ret < 0)
		log_say(s->repo->env.log, LOG_DETAIL, "an old lease stays: %s",
		    err_text(&e));
}

static void *
renewer(void *arg)
{
	struct session *s = arg;
	int64_t ms = interval_ms("VITRINE_TEST_LEASE_MS", RENEW_MS);
	struct timespec until;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		int ret = 0;

		if (clock_gettime(CLOCK_MONOTONIC, &until) != 0)
			BUG("no monotonic clock");
		until.tv_sec += ms / 1000;
		until.tv_nsec += ms % 1000 * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		while (!s->stop && ret == 0)
			ret = pthread_cond_timedwait(&s->wake, &s->lock,
			    &until);
		if (s->stop)
			break;
		/* The generation is written by this thread only. */
		(void)pthread_mutex_unlock(&s->lock);
		renew(s);
		(void)pthread_mutex_lock(&s->lock);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return (NULL);
}

int
lease_begin(struct session *s, struct err *e)
{
	pthread_condattr_t attr;
	int ret;

	/* A repeated random state must not lead to a run of somebody else. */
	for (int i = 0; i < 8; i++) {
		rnd_bytes(s->run.b, sizeof(s->run.b));
		ret = put_lease(s, 0, e);
		if (ret != STORE_EXISTS)
			break;
	}
	if (ret == STORE_EXISTS)
		ret = err_set(e, ERR_BUSY, "every run id is taken: is the "
		    "random source stuck?");
	if (ret != 0)
		return (err_wrap(e, "putting a lease"));
	s->generation = 0;
	s->renewed_boot_s = boot_s();
	s->renewed_wall_s = clock_wall().s;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	ret = pthread_create(&s->thread, NULL, renewer, s);
	s->has_thread = ret == 0;
	if (ret != 0) {
		lease_end(s);
		return (err_sys(e, ret, "starting the lease's thread"));
	}
	return (0);
}

void
lease_end(struct session *s)
{
	char name[LEASE_NAME_MAX];
	struct err e = ERR_INIT;
	int ret;

	(void)pthread_mutex_lock(&s->lock);
	s->stop = true;
	(void)pthread_cond_signal(&s->wake);
	(void)pthread_mutex_unlock(&s->lock);
	if (s->has_thread)
		(void)pthread_join(s->thread, NULL);
	ret = store_remove(s->repo->store, lease_name(name, &s->run,
	    s->generation), &e);
	if (ret == STORE_KEPT)
		session_kept(s);
	else if (ret < 0)
		log_say(s->repo->env.log, LOG_DETAIL, "the lease stays until "
		    "it expires: %s", err_text(&e));
	(void)pthread_cond_destroy(&s->wake);
	(void)pthread_mutex_destroy(&s->lock);
}

bool
lease_has_lapsed(struct session *s)
{
	bool lapsed;

	(void)pthread_mutex_lock(&s->lock);
	note_time(s, false);
	lapsed = s->lapsed;
	(void)pthread_mutex_unlock(&s->lock);
	return (lapsed);
}
