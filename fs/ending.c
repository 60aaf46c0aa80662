/*
 * libfuse's own handlers come with the session and tell nobody else: a mount
 * that waits for a server, before it serves or while it does, would go on until
 * the server's time is up.  The loop sleeps in the thread that began, so a
 * signal that another thread got is passed on to that one.
 */
#include "fs/ending.h"

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
#define SIGNALS	(sizeof(signals) / sizeof(signals[0]))

/* Set before the handlers are; the session under way is atomic. */
static pthread_t server;
static atomic_bool *told;
static atomic_bool asked;
static _Atomic(struct fuse_session *) ends;
static struct sigaction before[SIGNALS];

static void
on_signal(int sig)
{
	struct fuse_session *session = atomic_load(&ends);

	atomic_store(&asked, true);
	if (told != NULL)
		atomic_store(told, true);
	if (session != NULL)
		fuse_session_exit(session);
	if (!pthread_equal(pthread_self(), server))
		(void)pthread_kill(server, sig);
}

void
ending_begin(atomic_bool *flag)
{
	struct sigaction sa;

	server = pthread_self();
	told = flag;
	atomic_store(&asked, false);
	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_signal;	/* no SA_RESTART: the loop must wake */
	for (size_t i = 0; i < SIGNALS; i++)
		if (sigaction(signals[i], NULL, &before[i]) == 0 &&
		    before[i].sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &sa, NULL);
}

void
ending_session(struct fuse_session *session)
{
	atomic_store(&ends, session);
	/* It came just before. */
	if (session != NULL && atomic_load(&asked))
		fuse_session_exit(session);
}

bool
ending_is_asked(void)
{
	return (atomic_load(&asked));
}

void
ending_end(void)
{
	for (size_t i = 0; i < SIGNALS; i++)
		(void)sigaction(signals[i], &before[i], NULL);
}
