/*
 * Listings without the attributes of files.
 *
 * The kernel makes an inode of each entry that comes with attributes.  For
 * find(1) and its like, which only want names, that was more than half of the
 * time; for who looks at each file, a look-up by itself costs ten times as
 * much as the attributes that come along.  So:
 *
 *	LEAN --MISSES files looked up in what was listed so--> FULL
 *	FULL --UNASKED probes that nobody looked up--> LEAN
 *
 * While FULL, one file is left out in each PROBE_EVERY-th directory: where it
 * is looked up, the attributes are wanted.  (Without that, nothing would tell:
 * what the kernel has, it doesn't ask for.)
 *
 * The kernel keeps listings, lean ones too, and answers from them.  When they
 * turn out to be too little, it is told to forget them, by a thread of our own:
 * a request's thread might wait for itself.
 *
 * 1. A directory whose listing may be lean is in `table', or about to be
 *    forgotten; so the table's size bounds how many there are.
 * 2. `forget' is the thread's from its start to its end; `lean' is false
 *    meanwhile.
 */
#include "fs/lean.h"

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TABLE_SLOTS	(1U << 17)	/* a power of two */
#define TABLE_MAX	(TABLE_SLOTS / 4 * 3)
#define MISSES		16
#define MISSES_WITHIN	64		/* listings */
#define PROBE_EVERY	8		/* listings */
#define UNASKED		32

struct leans {
	struct fuse_session *session;	/* borrowed */
	atomic_bool stop;
	pthread_mutex_t lock;		/* of all below */
	bool lean;
	unsigned listed;		/* since a miss or probe was counted */
	unsigned missed;
	unsigned unasked;		/* probes in a row */
	uint64_t *table;		/* owned: node numbers, 0 is free */
	size_t n;			/* in it */
	uint64_t *forget;		/* owned; the thread's, if any */
	bool started;			/* the thread is to be joined */
	bool forgetting;
	pthread_t thread;
};

int
leans_new(struct leans **out, struct err *err)
{
	struct leans *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	(void)pthread_mutex_init(&l->lock, NULL);
	l->lean = true;
	*out = l;
	return (0);
}

void
leans_begin(struct leans *l, struct fuse_session *session)
{
	l->session = session;
}

void
leans_free(struct leans *l)
{
	if (l == NULL)
		return;
	atomic_store(&l->stop, true);
	if (l->started)
		(void)pthread_join(l->thread, NULL);
	(void)pthread_mutex_destroy(&l->lock);
	free(l->forget);
	free(l->table);
	free(l);
}

/* From here to start_forgetting(): under the lock.  The slot that the directory
 * is in, or that is free for it. */
static uint64_t *
find(struct leans *l, uint64_t dir)
{
	size_t at = (size_t)(dir * 0x9e3779b97f4a7c15ULL >> 40);

	for (;; at++) {
		uint64_t *slot = &l->table[at & (TABLE_SLOTS - 1)];

		if (*slot == dir || *slot == 0)
			return (slot);
	}
}

static bool
is_in(struct leans *l, uint64_t dir)
{
	return (l->table != NULL && *find(l, dir) == dir);
}

/* false where there is no room. */
static bool
remember(struct leans *l, uint64_t dir)
{
	uint64_t *slot;

	if (l->table == NULL)
		l->table = calloc(TABLE_SLOTS, sizeof(*l->table));
	if (l->table == NULL)
		return (false);
	slot = find(l, dir);
	if (*slot == dir)
		return (true);
	if (l->n == TABLE_MAX)
		return (false);
	*slot = dir;
	l->n++;
	return (true);
}

static void *
forget_run(void *arg)
{
	struct leans *l = arg;

	/* One that the kernel doesn't know any more is none to forget. */
	for (size_t i = 0; i < TABLE_SLOTS && !atomic_load(&l->stop); i++)
		if (l->forget[i] != 0)
			(void)fuse_lowlevel_notify_inval_inode(l->session,
			    l->forget[i], 0, 0);
	(void)pthread_mutex_lock(&l->lock);
	free(l->forget);
	l->forget = NULL;
	l->forgetting = false;
	(void)pthread_mutex_unlock(&l->lock);
	return (NULL);
}

/* Without a thread nothing is forgotten, and each file there is looked up. */
static void
start_forgetting(struct leans *l)
{
	if (l->started)
		(void)pthread_join(l->thread, NULL);
	l->forget = l->table;
	l->table = NULL;
	l->n = 0;
	l->forgetting = true;
	l->started = pthread_create(&l->thread, NULL, forget_run, l) == 0;
	if (!l->started) {
		free(l->forget);
		l->forget = NULL;
		l->forgetting = false;
	}
}

static enum listing
list_lean(struct leans *l, uint64_t dir)
{
	if (!remember(l, dir))
		return (LISTING_FULL);
	if (++l->listed == MISSES_WITHIN)
		l->listed = l->missed = 0;
	return (LISTING_LEAN);
}

static enum listing
list_full(struct leans *l)
{
	if (++l->listed < PROBE_EVERY)
		return (LISTING_FULL);
	l->listed = 0;
	if (++l->unasked >= UNASKED && !l->forgetting) {
		l->lean = true;
		l->missed = 0;
	}
	return (LISTING_PROBE);
}

enum listing
leans_list(struct leans *l, uint64_t dir, bool from_start)
{
	enum listing how;

	(void)pthread_mutex_lock(&l->lock);
	if (!from_start)
		how = l->lean && is_in(l, dir) ? LISTING_LEAN : LISTING_FULL;
	else
		how = l->lean ? list_lean(l, dir) : list_full(l);
	(void)pthread_mutex_unlock(&l->lock);
	return (how);
}

void
leans_lookup(struct leans *l, uint64_t dir)
{
	(void)pthread_mutex_lock(&l->lock);
	l->unasked = 0;
	if (l->lean && is_in(l, dir) && ++l->missed >= MISSES) {
		l->lean = false;
		l->listed = 0;
		start_forgetting(l);
	}
	(void)pthread_mutex_unlock(&l->lock);
}
