/*
 * Signals: the first that asks us to end sets a flag that jobs look at; the
 * second finds the default action again and ends the program at once.  What is
 * stored then is whole all the same (vitrine-format(5), ORDER OF WRITES).
 */
#include <signal.h>
#include <string.h>

#include "tools/cmd/ui.h"

static atomic_bool cancel;
static const int ending[] = { SIGINT, SIGTERM, SIGHUP };

static void on_signal(int);

/* Of those that are ours: nohup's wish stands. */
static void
defaults(void)
{
	struct sigaction sa;

	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		if (sigaction(ending[i], NULL, &sa) == 0 &&
		    sa.sa_handler == on_signal)
			(void)signal(ending[i], SIG_DFL);
}

static void
on_signal(int sig)
{
	atomic_store(&cancel, true);
	defaults();
}

atomic_bool *
signals_default(void)
{
	defaults();
	return (&cancel);
}

const atomic_bool *
signals_flag(void)
{
	return (&cancel);
}

void
signals_init(void)
{
	struct sigaction sa, old;

	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
		sa.sa_handler = on_signal;
		if (sigaction(ending[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_IGN)
			continue;
		(void)sigaction(ending[i], &sa, NULL);
	}
	/* A pipe that nobody reads is an error of a write, not the end of a
	 * backup; main looks at it when the work is done.  So is a file that
	 * would be larger than ulimit -f allows. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
}
