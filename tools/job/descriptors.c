/*
 * The limit of open files is the process's and not a job's: the first that
 * raises it notes what it was, the last puts it back.
 */
#include "tools/job/descriptors.h"

#include <pthread.h>
#include <sys/resource.h>

#include "engine/base/err.h"

#define UNKNOWN		256	/* where the limit can't be told */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;			/* locked */
static rlim_t was;			/* locked */

size_t
descriptors_raise(size_t wanted)
{
	struct rlimit lim;
	rlim_t now;

	(void)pthread_mutex_lock(&lock);
	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		lim.rlim_cur = lim.rlim_max = UNKNOWN;
	now = lim.rlim_cur;
	if (users++ == 0)
		was = now;
	if (now < wanted) {
		lim.rlim_cur = lim.rlim_max < wanted ? lim.rlim_max : wanted;
		if (setrlimit(RLIMIT_NOFILE, &lim) == 0)
			now = lim.rlim_cur;
	}
	(void)pthread_mutex_unlock(&lock);
	return (now < wanted ? (size_t)now : wanted);
}

void
descriptors_put_back(void)
{
	struct rlimit lim;

	(void)pthread_mutex_lock(&lock);
	BUG_ON(users == 0);
	if (--users == 0 && getrlimit(RLIMIT_NOFILE, &lim) == 0 &&
	    lim.rlim_cur != was) {
		lim.rlim_cur = was;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	(void)pthread_mutex_unlock(&lock);
}
