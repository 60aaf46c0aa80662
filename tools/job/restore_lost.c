/*
 * Is a failure one entry's, or is the store lost?  A server, a network or a
 * disk that has gone away fails for each entry alike: told one by one, after a
 * wait in vain for each, that would be a list of all there is.  So after a
 * failure that may be such a one it is asked for the object that is always
 * there.
 */
#include "tools/job/restore_plan_int.h"

#include <errno.h>

#include "engine/base/clock.h"

#define TRUSTED_MS	60000	/* a far store that answered isn't asked again:
				 * the answer has made it wait in full for what
				 * fails next */

static int
ask(struct store *store, struct err *why)
{
	struct store_stat st;
	int r = store_stat(store, "vitrine", &st, why);

	if (r > 0)
		return (err_set(why, ERR_ABSENT, "%s: the repository is there "
		    "no more", store->where));
	if (r < 0 && why->code != ERR_CANCELED)
		return (err_wrap(why, "the store can't be reached any more"));
	return (r);
}

static bool
is_lost(struct restore *rs, struct err *e)
{
	struct store *store = repo_store(rs->repo);
	struct err why;
	bool trusted;
	int r;

	(void)pthread_mutex_lock(&rs->lock);
	why = rs->lost;
	trusted = store->parallel > 0 && rs->answered_ms != 0 &&
	    clock_mono_ms() - rs->answered_ms < TRUSTED_MS;
	(void)pthread_mutex_unlock(&rs->lock);
	if (why.code == ERR_NONE) {
		if (trusted)
			return (false);
		r = ask(store, &why);
		(void)pthread_mutex_lock(&rs->lock);
		if (r == 0)
			rs->answered_ms = clock_mono_ms();
		else
			rs->lost = why;
		(void)pthread_mutex_unlock(&rs->lock);
		if (r == 0)
			return (false);
	}
	*e = why;
	return (true);
}

bool
failure_is_local(struct restore *rs, struct err *e)
{
	switch (e->code) {
	case ERR_SYS:
		if (e->sys == EMFILE || e->sys == ENFILE)
			return (false);
		/* Where the store is far this is the target's. */
		return (repo_store(rs->repo)->parallel > 0 || !is_lost(rs, e));
	case ERR_NET:
	case ERR_REMOTE:
	case ERR_ABSENT:
		return (!is_lost(rs, e));
	case ERR_CORRUPT:
	case ERR_AUTH:
	case ERR_VERSION:
		return (true);
	default:
		return (false);
	}
}
