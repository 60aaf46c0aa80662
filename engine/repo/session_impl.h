#ifndef VITRINE_ENGINE_REPO_SESSION_IMPL_H
#define VITRINE_ENGINE_REPO_SESSION_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/repo/impl.h"
#include "engine/repo/records.h"
#include "engine/repo/session.h"

/* What session.c, lease.c and commit.c share. */

/* The packs of the store, by the first bytes of their ids; present.c.  What is
 * listed is the thread's until it was joined. */
struct present {
	struct store *store;		/* borrowed */
	uint64_t *v;			/* owned; sorted */
	size_t n, cap;
	int ret;			/* of the listing */
	struct err err;

	pthread_t thread;
	pthread_mutex_t lock;		/* over the joining */
	bool running;			/* lock */
	atomic_bool cancel, listed;
};
/* Begins to list; init comes first, and fini last. */
void present_init(struct present *, struct store *);
void present_begin(struct present *);
int present_wait(struct present *, struct err *);
void present_fini(struct present *);

struct session {
	struct repo *repo;		/* borrowed */
	struct run_id run;
	uint64_t counter;
	struct ids banned;		/* sorted; immutable after begin */
	struct present present;		/* has its own lock */
	struct snapshots snaps;		/* full keys: as of the last refresh */
	bool listed;			/* snaps is filled */
	bool gone_said;			/* fill_sequence() has spoken */

	/* The lease; `lock' guards what follows. */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	uint32_t generation;		/* the newest in the store */
	atomic_bool kept_said;		/* session_kept() has spoken */
	bool lapsed;			/* too long between two renewals */
	int64_t renewed_boot_s, renewed_wall_s;
};

/* An interval; a test build honours the variable. */
int64_t interval_ms(const char *variable, int64_t normal);

int lease_begin(struct session *, struct err *);
/* Stops the thread and removes the lease. */
void lease_end(struct session *);
/* The store let a removal not be: say so once. */
void session_kept(struct session *);
/* Was there, since the beginning, an interval without renewal that a collector
 * may have taken for our death? */
bool lease_has_lapsed(struct session *);

/*
 * turn.c: whose turn it is to take the next number of a lineage.  Full keys
 * only.  One commit's, over all its tries.
 */
struct heard;
struct turn {
	unsigned tries;			/* that were in vain */
	uint64_t begun_ms;
	struct registry writers;
	struct heard *heard;		/* owned; pending objects, read */
	size_t nheard, cap;
};
#define TURN_TAKEN	1	/* another has the number: begin again */
void turn_init(struct turn *);
void turn_fini(struct turn *);
/* Before pending/ID is put: is somebody there?  0, TURN_TAKEN. */
int turn_ask(struct turn *, struct session *, const struct manifest *,
    struct err *);
/* With the manifest in pending/ID: waits until the number is ours (0) or
 * another's (TURN_TAKEN: take pending/ID back); the session's list is that of
 * now. */
int turn_stand(struct turn *, struct session *, const struct manifest *,
    const uint8_t own[ID_BYTES], struct err *);
/* A random time, longer each time, before the next try. */
void turn_wait(struct turn *);

/* Every condemned object whose state is at least `state': its packs, added.  A
 * collector's object that can't be read is an error: what it names is being
 * deleted. */
int condemned_load(struct repo *, uint8_t state, struct ids *, struct err *);
int damaged_load(struct repo *, struct ids *, struct err *);

#endif
