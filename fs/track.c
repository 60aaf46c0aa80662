/*
 * Who reads what how: the state behind prefetching.
 *
 * The kernel's reads of one file come from several threads and out of order,
 * so "sequential" means: near the furthest byte read yet.  A file is read
 * ahead from the second read in a row on, or at once where the first is a
 * large one; whoever looks at the first bytes of many files (file(1)) costs
 * nothing more.
 *
 * How far ahead?  Of a store far away, latency times bandwidth: what must be
 * under way for the reader never to wait.  Neither is known, but a reader who
 * keeps up with what is fetched waits, and then the distance is too short: it
 * is doubled, and judged again when the reader has come as far as it was
 * increased.  The next files begin with it, or with half of it where that was
 * enough.
 */
#include "fs/track.h"

#include <pthread.h>

#define TRACKS	128
#define BEGIN_BYTES	(128U << 10)	/* a first read that means more */

struct track {
	uint64_t node;		/* 0: free */
	uint64_t size;
	uint64_t next;		/* the furthest byte read */
	uint64_t ahead;		/* fetched ahead up to here */
	uint64_t used;
	uint64_t judge;		/* from here on waiting counts */
	size_t depth;		/* how far ahead */
	bool waited;
	unsigned run;		/* reads in a row */
};

struct tracks {
	pthread_mutex_t lock;	/* of all below */
	uint64_t tick;
	size_t depth;		/* what the next file begins with */
	size_t max;
	struct track v[TRACKS];
};

int
tracks_new(struct tracks **out, size_t far_bytes, struct err *err)
{
	struct tracks *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	(void)pthread_mutex_init(&t->lock, NULL);
	t->depth = TRACK_AHEAD_BYTES;
	t->max = far_bytes > t->depth ? far_bytes : t->depth;
	*out = t;
	return (0);
}

void
tracks_free(struct tracks *t)
{
	if (t == NULL)
		return;
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct track *
find(struct tracks *t, uint64_t node)
{
	for (size_t i = 0; i < TRACKS; i++)
		if (t->v[i].node == node) {
			t->v[i].used = ++t->tick;
			return (&t->v[i]);
		}
	return (NULL);
}

static struct track *
make(struct tracks *t, uint64_t node, uint64_t size)
{
	struct track *k = &t->v[0];

	for (size_t i = 1; i < TRACKS; i++)
		if (t->v[i].used < k->used)
			k = &t->v[i];
	/* Who has read as far as that and never waited needed less. */
	if (k->node != 0 && !k->waited && k->next >= 2 * k->depth &&
	    k->depth == t->depth && t->depth > TRACK_AHEAD_BYTES)
		t->depth /= 2;
	*k = (struct track){ .node = node, .size = size, .used = ++t->tick,
	    .depth = t->depth };
	return (k);
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return (a < b ? a : b);
}

static bool
advance(struct track *k, uint64_t off, uint64_t len, uint64_t *from,
    uint64_t *to)
{
	uint64_t end = off + len;
	bool near = off <= k->next + TRACK_AHEAD_BYTES &&
	    k->next <= end + TRACK_AHEAD_BYTES;
	bool begins;

	k->run = near ? k->run + 1 : 0;
	if (!near || k->next < end)
		k->next = end;
	if (!near || k->ahead < end)
		k->ahead = end;
	begins = off == 0 && len >= BEGIN_BYTES;
	if ((!begins && k->run < 2) || k->next >= k->size)
		return (false);
	/* In strides, so that not every read asks. */
	if (k->ahead > k->next + k->depth / 2)
		return (false);
	*from = k->ahead;
	*to = least(k->size, k->next + k->depth);
	k->ahead = *to;
	return (*from < *to);
}

bool
track_read(struct tracks *t, uint64_t node, uint64_t size, uint64_t off,
    uint64_t len, uint64_t *from, uint64_t *to)
{
	struct track *k;
	bool worth;

	(void)pthread_mutex_lock(&t->lock);
	k = find(t, node);
	if (k == NULL)
		k = make(t, node, size);
	worth = advance(k, off, len, from, to);
	(void)pthread_mutex_unlock(&t->lock);
	return (worth);
}

void
track_waited(struct tracks *t, uint64_t node)
{
	struct track *k;

	(void)pthread_mutex_lock(&t->lock);
	k = find(t, node);
	/* Nothing was fetched ahead of the first reads, so they always wait. */
	if (k != NULL && k->run >= 2 && k->next >= k->judge &&
	    k->depth < t->max) {
		k->waited = true;
		k->depth = 2 * k->depth < t->max ? 2 * k->depth : t->max;
		k->judge = k->next + k->depth;
		if (t->depth < k->depth)
			t->depth = k->depth;
	}
	(void)pthread_mutex_unlock(&t->lock);
}
