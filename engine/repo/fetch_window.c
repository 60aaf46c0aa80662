/*
 * Reads of metadata packs, fewer and larger.  A catalog lies in them in order,
 * its map and the blocks that hold the inside of its B-trees last (index/
 * emit.c), in frames of some dozens of KiB: over a store that takes 30 ms to
 * answer, each by itself costs more than it carries.
 *
 * The first read in a pack takes what lies before the frame as well: that is
 * mostly the root of a map, and what hangs on it comes along.  A read soon
 * after the end of another takes what lies between, and twice as much as that
 * one did.  Any other takes the frame alone.
 *
 *	FREE --miss--> LOADING --ok--> FULL --all was taken--> EMPTY
 *	                    \--no--> EMPTY
 *
 * 1. Only a FULL window has bytes to give; they don't change while refs > 0.
 * 2. An EMPTY one only remembers where it ended, which the next may follow.
 * 3. A window that fails to load is no error: those who wanted something of it
 *    read just that, and meet what there is to meet.
 */
#include <stdlib.h>

#include "engine/repo/fetch_int.h"
#include "engine/repo/pack_name.h"

#define WINDOWS		6
#define BEFORE_BYTES	(512U << 10)
#define WINDOW_MAX	(1U << 20)
#define GAP_BYTES	(256U << 10)	/* read too, for one read less */

enum window_state { WINDOW_FREE, WINDOW_LOADING, WINDOW_FULL, WINDOW_EMPTY };

struct window {
	enum window_state state;
	struct pack_id pack;
	uint64_t off;
	size_t len;
	uint8_t *bytes;			/* owned; FULL */
	size_t taken;			/* of its bytes */
	unsigned refs;			/* LOADING, or being copied from */
	uint64_t used;
};

struct windows {
	struct repo *repo;		/* borrowed */
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t loaded;
	uint64_t tick;
	struct window v[WINDOWS];
};

int
windows_new(struct windows **out, struct repo *repo, struct err *e)
{
	struct windows *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	w->repo = repo;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->loaded, NULL);
	*out = w;
	return (0);
}

void
windows_free(struct windows *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < WINDOWS; i++)
		free(w->v[i].bytes);
	pthread_cond_destroy(&w->loaded);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* Exactly these bytes, by a read of the store.  FETCH_NO_PACK. */
static int
read_exactly(struct windows *w, const struct pack_info *pack, uint64_t off,
    void *dst, size_t len, struct err *e)
{
	char name[PACK_NAME_BYTES];
	size_t got = 0;
	int rc;

	rc = store_read_near(repo_store(w->repo), pack_name(name, &pack->id),
	    off, dst, len, &got, false, e);
	if (rc != 0)
		return (rc == STORE_ABSENT ? FETCH_NO_PACK : rc);
	if (got != len)
		return (err_set(e, ERR_CORRUPT, "the pack is cut short"));
	return (0);
}

/* Under the lock: the window with the byte at off. */
static struct window *
find(struct windows *w, const struct pack_id *pack, uint64_t off)
{
	for (size_t i = 0; i < WINDOWS; i++) {
		struct window *v = &w->v[i];

		if ((v->state == WINDOW_LOADING || v->state == WINDOW_FULL) &&
		    id_equal(v->pack.b, pack->b) && off >= v->off &&
		    off - v->off < v->len)
			return (v);
	}
	return (NULL);
}

/* Does a read from there go on where the window ends, or soon after? */
static bool
follows(const struct window *v, uint64_t off)
{
	uint64_t at = v->off + v->len;

	return (off >= at && off - at <= GAP_BYTES);
}

/* Under the lock: where the next window with bytes begins, at most `to'. */
static uint64_t
next_bytes(const struct windows *w, const struct pack_id *pack, uint64_t off,
    uint64_t to)
{
	for (size_t i = 0; i < WINDOWS; i++) {
		const struct window *v = &w->v[i];

		if ((v->state == WINDOW_LOADING || v->state == WINDOW_FULL) &&
		    id_equal(v->pack.b, pack->b) && v->off > off &&
		    v->off < to)
			to = v->off;
	}
	return (to);
}

/* Under the lock: what a miss is to read. */
static void
choose(const struct windows *w, const struct pack_info *pack, uint64_t *off,
    size_t *len)
{
	uint64_t end = *off + *len, at = 0, to;
	size_t ahead = 0;
	bool met = false;

	for (size_t i = 0; i < WINDOWS; i++) {
		const struct window *v = &w->v[i];

		if (v->state == WINDOW_FREE ||
		    !id_equal(v->pack.b, pack->id.b))
			continue;
		met = true;
		if (follows(v, *off) && v->off + v->len > at) {
			at = v->off + v->len;
			ahead = v->len > WINDOW_MAX / 2 ? WINDOW_MAX :
			    2 * v->len;
		}
	}
	if (!met) {
		*off = end > BEFORE_BYTES ? end - BEFORE_BYTES : 0;
	} else if (ahead > 0) {
		*off = at;
		to = at + ahead;
		if (to > pack->size_bytes)
			to = pack->size_bytes;
		to = next_bytes(w, &pack->id, *off, to);
		if (to > end)
			end = to;
	}
	*len = (size_t)(end - *off);
}

/* Under the lock: the window that went unused the longest, emptied; NULL where
 * all are busy. */
static struct window *
begin(struct windows *w, const struct pack_info *pack, uint64_t off,
    size_t len)
{
	struct window *old = NULL;

	for (size_t i = 0; i < WINDOWS; i++)
		if (w->v[i].refs == 0 && (old == NULL ||
		    w->v[i].used < old->used))
			old = &w->v[i];
	if (old == NULL)
		return (NULL);
	free(old->bytes);
	*old = (struct window){ .state = WINDOW_LOADING, .pack = pack->id,
	    .off = off, .len = len, .refs = 1, .used = ++w->tick };
	return (old);
}

/* Without the lock; the window is ours until it is settled. */
static void
load(struct windows *w, struct window *v, const struct pack_info *pack)
{
	struct err ignored = ERR_INIT;
	uint8_t *bytes = malloc(v->len);
	bool ok = bytes != NULL && read_exactly(w, pack, v->off, bytes,
	    v->len, &ignored) == 0;

	if (!ok) {
		free(bytes);
		bytes = NULL;
	}
	pthread_mutex_lock(&w->lock);
	v->bytes = bytes;
	v->state = ok ? WINDOW_FULL : WINDOW_EMPTY;
	pthread_cond_broadcast(&w->loaded);
	pthread_mutex_unlock(&w->lock);
}

/* Copy out of a window that we hold, and let go of it: did it have it? */
static bool
take(struct windows *w, struct window *v, uint64_t off, void *dst, size_t len)
{
	uint8_t *gone = NULL;
	bool full;

	pthread_mutex_lock(&w->lock);
	while (v->state == WINDOW_LOADING)
		pthread_cond_wait(&w->loaded, &w->lock);
	full = v->state == WINDOW_FULL;
	pthread_mutex_unlock(&w->lock);
	if (full)
		memcpy(dst, v->bytes + (off - v->off), len);
	pthread_mutex_lock(&w->lock);
	v->taken += len;
	if (--v->refs == 0 && full && v->taken >= v->len) {
		gone = v->bytes;
		v->bytes = NULL;
		v->state = WINDOW_EMPTY;
	}
	pthread_mutex_unlock(&w->lock);
	free(gone);
	return (full);
}

/* A window with the byte at off, held; it is to be loaded when *ours.  NULL:
 * what is wanted is to be read by itself. */
static struct window *
hold(struct windows *w, const struct pack_info *pack, uint64_t off, size_t len,
    bool *ours)
{
	struct window *v;
	uint64_t from = off;
	size_t all = len;

	*ours = false;
	pthread_mutex_lock(&w->lock);
	v = find(w, &pack->id, off);
	if (v != NULL) {
		v->refs++;
		v->used = ++w->tick;
	} else {
		choose(w, pack, &from, &all);
		v = begin(w, pack, from, all);
		*ours = v != NULL && all > len;
		if (v != NULL && !*ours) {
			/* Nothing more than that: straight to the asker. */
			v->state = WINDOW_EMPTY;
			v->refs = 0;
			v = NULL;
		}
	}
	pthread_mutex_unlock(&w->lock);
	return (v);
}

/* Does what the window was read for have a byte of these? */
static bool
overlaps(const struct window *v, const struct pack_id *pack, uint64_t off,
    size_t len)
{
	return ((v->state == WINDOW_FULL || v->state == WINDOW_EMPTY) &&
	    id_equal(v->pack.b, pack->b) && v->off < off + len &&
	    off < v->off + v->len);
}

void
windows_forget(struct windows *w, const struct pack_info *pack, uint64_t off,
    size_t len)
{
	struct { uint64_t off; size_t len; } range[WINDOWS];
	char name[PACK_NAME_BYTES];
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < WINDOWS; i++) {
		struct window *v = &w->v[i];

		if (!overlaps(v, &pack->id, off, len))
			continue;
		range[n].off = v->off;
		range[n++].len = v->len;
		/* Whoever copies from it still lets go of it. */
		v->taken = v->len;
		if (v->refs > 0 || v->state == WINDOW_EMPTY)
			continue;
		free(v->bytes);
		v->bytes = NULL;
		v->state = WINDOW_EMPTY;
	}
	pthread_mutex_unlock(&w->lock);
	(void)pack_name(name, &pack->id);
	while (n-- > 0)
		store_forget(repo_store(w->repo), name, range[n].off,
		    range[n].len);
}

int
windows_read(struct windows *w, const struct pack_info *pack, uint64_t off,
    void *dst, size_t len, struct err *e)
{
	uint8_t *to = dst;

	while (len > 0) {
		bool ours;
		struct window *v = hold(w, pack, off, len, &ours);
		size_t n = len;

		if (ours)
			load(w, v, pack);
		if (v != NULL && v->off + v->len - off < n)
			n = (size_t)(v->off + v->len - off);
		if (v == NULL || !take(w, v, off, to, n))
			return (read_exactly(w, pack, off, to, len, e));
		off += n;
		to += n;
		len -= n;
	}
	return (0);
}
