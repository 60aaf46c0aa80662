/*
 * A bounded cache of decoded frames.  A frame is the unit of decoding, so it is
 * the unit here: neighbouring chunks are asked for one after another, and the
 * first of them pays for all.
 *
 * Frames lie in shards by their key, each with a lock and a share of the bytes;
 * there are no more shards than leave room for a few frames in each.
 *
 *	(absent) --get: load begins--> LOADING --ok--> READY --evict--> (freed)
 *	                                  \--no--> FAILED --last put--> (freed)
 *	READY --get of what is not decoded--> REPLACED --last put--> (freed)
 *
 * A frame that one chunk is wanted of is decoded up to that chunk; whoever then
 * wants one behind it gets the frame anew and whole, in another entry.
 *
 * Invariants, under the shard's lock:
 *  1. A key has at most one entry in LOADING or READY in its bucket: who comes
 *     second waits for the first (one fetch).
 *  2. A FAILED or REPLACED entry is in no bucket; those who waited for the
 *     former hold references and read its error.
 *  3. The list by age holds just the READY entries without references; only
 *     those are freed for room.
 *  4. `bytes' is the sum of `charged' of all entries; above `limit' the list by
 *     age is empty.  So the cache exceeds its bound by no more than what
 *     callers hold at the time.
 * The frame's bytes are written before READY and never after.
 *
 * Whoever has the cache full and goes on reading drives out a frame for each
 * that comes: the new one takes the old one's memory, so that nothing is
 * allocated or faulted in any more, and the cache takes what its bound says.
 */
#include <stdlib.h>

#include "engine/repo/fetch_int.h"

#define SHARDS_MAX		8
#define SHARD_BYTES_MIN		(16U << 20)
#define FRAME_BYTES_TYPICAL	(64U << 10)	/* sizes the buckets */
#define BUCKETS_MIN		64
#define BUCKETS_MAX		(1U << 16)

struct shard {
	pthread_mutex_t lock;
	pthread_cond_t loaded;		/* some entry left LOADING */
	struct fetched **bucket;	/* owned, nbuckets */
	uint32_t nbuckets;		/* a power of two */
	size_t bytes;
	size_t limit;
	size_t peak;
	struct fetched *newest;
	struct fetched *oldest;
};

struct frame_cache {
	frame_load_fn *load;
	void *ctx;
	bool rehash;
	uint32_t nshards;		/* a power of two */
	struct shard shards[SHARDS_MAX];
};

static uint64_t
key_hash(const struct pack_id *pack, uint32_t no)
{
	uint64_t h;

	memcpy(&h, pack->b, sizeof(h));
	h += no * 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32;
	return (h * 0xd6e8feb86659fd93ULL);
}

static bool
key_is(const struct fetched *x, const struct pack_info *pack, uint32_t no)
{
	return (x->no == no && x->domain == pack->domain &&
	    x->writer == pack->writer && id_equal(x->pack.b, pack->id.b));
}

static struct shard *
shard_of(struct frame_cache *c, uint64_t hash)
{
	return (&c->shards[(hash >> 32) & (c->nshards - 1)]);
}

static struct fetched **
bucket_of(struct shard *s, uint64_t hash)
{
	return (&s->bucket[hash & (s->nbuckets - 1)]);
}

static void
fetched_free(struct fetched *x)
{
	opened_frame_fini(&x->frame);
	free(x->proof);
	free(x);
}

/* Take an entry out of its bucket. */
static void
unchain(struct shard *s, struct fetched *x)
{
	struct fetched **at = bucket_of(s, key_hash(&x->pack, x->no));

	while (*at != x) {
		BUG_ON(*at == NULL);
		at = &(*at)->chain;
	}
	*at = x->chain;
	x->chain = NULL;
}

static void
age_remove(struct shard *s, struct fetched *x)
{
	if (x->newer != NULL)
		x->newer->older = x->older;
	else
		s->newest = x->older;
	if (x->older != NULL)
		x->older->newer = x->newer;
	else
		s->oldest = x->newer;
	x->newer = x->older = NULL;
}

static void
age_add(struct shard *s, struct fetched *x)
{
	x->newer = NULL;
	x->older = s->newest;
	if (s->newest != NULL)
		s->newest->newer = x;
	else
		s->oldest = x;
	s->newest = x;
}

/* Under the lock: take the oldest out until the shard is within its limit;
 * returns them, chained to those gone before, to be freed without the lock. */
static struct fetched *
evict(struct shard *s, struct fetched *gone)
{
	while (s->bytes > s->limit && s->oldest != NULL) {
		struct fetched *x = s->oldest;

		age_remove(s, x);
		unchain(s, x);
		s->bytes -= x->charged;
		x->chain = gone;
		gone = x;
	}
	return (gone);
}

static void
free_chain(struct fetched *x)
{
	while (x != NULL) {
		struct fetched *next = x->chain;

		fetched_free(x);
		x = next;
	}
}

static void
charge(struct shard *s, struct fetched *x, size_t bytes)
{
	s->bytes += bytes;
	s->bytes -= x->charged;
	x->charged = bytes;
	if (s->bytes > s->peak)
		s->peak = s->bytes;
}

static struct fetched *
find(struct shard *s, uint64_t hash, const struct pack_info *pack, uint32_t no)
{
	struct fetched *x = *bucket_of(s, hash);

	while (x != NULL && !key_is(x, pack, no))
		x = x->chain;
	return (x);
}

/* Under the lock: one more reference. */
static void
hold(struct shard *s, struct fetched *x)
{
	if (x->refs++ == 0)
		age_remove(s, x);
}

/* Under the lock: one fewer; returns what is to be freed, chained. */
static struct fetched *
release(struct shard *s, struct fetched *x)
{
	BUG_ON(x->refs == 0);
	if (--x->refs > 0)
		return (NULL);
	if (x->state == FETCHED_FAILED || x->state == FETCHED_REPLACED) {
		s->bytes -= x->charged;
		x->chain = NULL;
		return (x);
	}
	age_add(s, x);
	return (evict(s, NULL));
}

/* Load without the lock, then tell those who wait. */
static int
load(struct frame_cache *c, struct shard *s, struct fetched *x,
    const struct pack_info *pack, const struct frame_info *frame)
{
	size_t bytes = sizeof(*x);
	struct fetched *gone;
	int rc;

	rc = c->load(c->ctx, pack, frame, x->slot, &x->frame, &x->err);
	if (rc == 0 && (c->rehash || pack->writer != 0)) {
		x->proof = calloc(x->frame.nslots, sizeof(*x->proof));
		if (x->proof == NULL)
			rc = err_set(&x->err, ERR_NOMEM, "no memory");
	}
	if (rc == 0)
		bytes += opened_frame_bytes(&x->frame) + (x->proof != NULL ?
		    x->frame.nslots * sizeof(*x->proof) : 0);
	pthread_mutex_lock(&s->lock);
	charge(s, x, bytes);
	if (rc == 0) {
		x->state = FETCHED_READY;
	} else {
		x->state = FETCHED_FAILED;
		x->outcome = rc;
		unchain(s, x);
	}
	gone = evict(s, NULL);
	pthread_cond_broadcast(&s->loaded);
	pthread_mutex_unlock(&s->lock);
	free_chain(gone);
	return (rc);
}

/* The memory of one of those that went serves the one that comes. */
static void
inherit(struct fetched *x, size_t room, struct fetched *gone)
{
	while (gone != NULL && gone->frame.raw_cap != room)
		gone = gone->chain;
	if (gone != NULL) {
		x->frame = gone->frame;
		gone->frame = (struct opened_frame){ 0 };
	}
}

/* Under the lock: a LOADING entry for the key, held, in its bucket; room is
 * made for it, and what went for that is to be freed, chained. */
static struct fetched *
begin(struct shard *s, uint64_t hash, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, uint32_t shard,
    struct fetched **gone)
{
	struct fetched *x = calloc(1, sizeof(*x));
	size_t expected = frame->raw;

	if (x == NULL)
		return (NULL);
	if (expected == 0 || expected > FRAME_RAW_MAX || slot != FETCH_WHOLE)
		expected = FRAME_TARGET / 4;
	expected = opened_frame_room(expected);
	err_init(&x->err);
	x->pack = pack->id;
	x->domain = pack->domain;
	x->writer = pack->writer;
	x->no = frame->no;
	x->shard = shard;
	x->slot = slot;
	x->refs = 1;
	x->state = FETCHED_LOADING;
	x->chain = *bucket_of(s, hash);
	*bucket_of(s, hash) = x;
	charge(s, x, sizeof(*x) + expected);
	*gone = evict(s, *gone);
	inherit(x, expected, *gone);
	return (x);
}

/* Under the lock, of a READY one: is it decoded as far as that? */
static bool
suffices(const struct fetched *x, uint32_t slot)
{
	const struct opened_frame *o = &x->frame;

	/* A slot that there isn't won't be there in the whole frame either. */
	return (o->have == o->raw_len || (slot != FETCH_WHOLE &&
	    (slot >= o->nslots || o->off[slot + 1] <= o->have)));
}

/* Under the lock: let go of an entry that was not decoded far enough. */
static void
replace(struct shard *s, struct fetched *x, struct fetched **gone)
{
	if (x->state == FETCHED_READY) {
		unchain(s, x);
		x->state = FETCHED_REPLACED;
	}
	if (release(s, x) != NULL) {
		x->chain = *gone;
		*gone = x;
	}
}

/* Under the lock: the entry of that key, held, once it is loaded; NULL where
 * there is none that will do. */
static struct fetched *
await(struct shard *s, uint64_t hash, const struct pack_info *pack,
    uint32_t no, uint32_t *slot, struct fetched **gone)
{
	struct fetched *x;

	while ((x = find(s, hash, pack, no)) != NULL) {
		hold(s, x);
		while (x->state == FETCHED_LOADING)
			pthread_cond_wait(&s->loaded, &s->lock);
		if (x->state == FETCHED_FAILED || suffices(x, *slot))
			break;
		replace(s, x, gone);
		*slot = FETCH_WHOLE;
	}
	return (x);
}

int
frame_cache_get(struct frame_cache *c, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, struct fetched **out,
    struct err *e)
{
	uint64_t hash = key_hash(&pack->id, frame->no);
	struct shard *s = shard_of(c, hash);
	struct fetched *x, *gone = NULL;
	bool ours = false, failed = false;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	x = await(s, hash, pack, frame->no, &slot, &gone);
	if (x == NULL) {
		x = begin(s, hash, pack, frame, slot,
		    (uint32_t)(s - c->shards), &gone);
		ours = x != NULL;
	} else {
		failed = x->state == FETCHED_FAILED;
	}
	pthread_mutex_unlock(&s->lock);
	free_chain(gone);
	if (x == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	if (ours)
		rc = load(c, s, x, pack, frame);
	else if (failed)
		rc = x->outcome;
	if (rc == 0) {
		*out = x;
		return (0);
	}
	if (rc < 0)
		*e = x->err;
	frame_cache_put(c, x);
	return (rc);
}

void
frame_cache_put(struct frame_cache *c, struct fetched *x)
{
	struct shard *s = &c->shards[x->shard];
	struct fetched *gone;

	pthread_mutex_lock(&s->lock);
	gone = release(s, x);
	pthread_mutex_unlock(&s->lock);
	free_chain(gone);
}

bool
frame_cache_has(struct frame_cache *c, const struct pack_info *pack,
    uint32_t no, uint32_t slot)
{
	uint64_t hash = key_hash(&pack->id, no);
	struct shard *s = shard_of(c, hash);
	const struct fetched *x;
	bool has;

	pthread_mutex_lock(&s->lock);
	x = find(s, hash, pack, no);
	has = x != NULL && (x->state == FETCHED_READY ? suffices(x, slot) :
	    x->slot == FETCH_WHOLE || x->slot == slot);
	pthread_mutex_unlock(&s->lock);
	return (has);
}

bool
frame_cache_is_ready(struct frame_cache *c, const struct pack_info *pack,
    uint32_t no, uint32_t slot)
{
	uint64_t hash = key_hash(&pack->id, no);
	struct shard *s = shard_of(c, hash);
	const struct fetched *x;
	bool ready;

	pthread_mutex_lock(&s->lock);
	x = find(s, hash, pack, no);
	ready = x != NULL && x->state == FETCHED_READY && suffices(x, slot);
	pthread_mutex_unlock(&s->lock);
	return (ready);
}

void
frame_cache_usage(struct frame_cache *c, size_t *now, size_t *peak)
{
	*now = *peak = 0;
	for (uint32_t i = 0; i < c->nshards; i++) {
		struct shard *s = &c->shards[i];

		pthread_mutex_lock(&s->lock);
		*now += s->bytes;
		*peak += s->peak;
		pthread_mutex_unlock(&s->lock);
	}
}

int
frame_cache_new(struct frame_cache **out, size_t bytes, bool rehash,
    frame_load_fn *load_fn, void *ctx, struct err *e)
{
	struct frame_cache *c = calloc(1, sizeof(*c));
	uint32_t nshards = 1, nbuckets = BUCKETS_MIN;

	if (c == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	while (nshards < SHARDS_MAX &&
	    bytes / (2 * nshards) >= SHARD_BYTES_MIN)
		nshards *= 2;
	while (nbuckets < BUCKETS_MAX &&
	    nbuckets < bytes / nshards / FRAME_BYTES_TYPICAL)
		nbuckets *= 2;
	c->load = load_fn;
	c->ctx = ctx;
	c->rehash = rehash;
	for (uint32_t i = 0; i < nshards; i++) {
		struct shard *s = &c->shards[i];

		s->bucket = calloc(nbuckets, sizeof(*s->bucket));
		if (s->bucket == NULL) {
			frame_cache_free(c);
			return (err_set(e, ERR_NOMEM, "no memory"));
		}
		s->nbuckets = nbuckets;
		s->limit = bytes / nshards;
		pthread_mutex_init(&s->lock, NULL);
		pthread_cond_init(&s->loaded, NULL);
		c->nshards = i + 1;
	}
	*out = c;
	return (0);
}

void
frame_cache_free(struct frame_cache *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->nshards; i++) {
		struct shard *s = &c->shards[i];

		for (uint32_t k = 0; s->bucket != NULL && k < s->nbuckets; k++)
			free_chain(s->bucket[k]);
		pthread_cond_destroy(&s->loaded);
		pthread_mutex_destroy(&s->lock);
		free(s->bucket);
	}
	free(c);
}
