/*
 * Frames in flight.  What is filled in order is squeezed by any worker, gets
 * its pack and number in order, is sealed by any worker, gets its place in
 * order, and is hashed and appended by any worker, one at a time for a pack.
 *
 *	free --room--> filling --send--> squeeze lane --turn--> seal lane
 *	     <--turn-- the pack's append lane <--turn--
 *
 * Invariants, all on the coordinator but for the three jobs:
 *  1. An item is free, being filled, or in one lane.
 *  2. There are at least two items more than streams, so when none is free at
 *     least one is in a lane, and its turn frees it: no deadlock.
 *  3. Frames leave all lanes in the order in which they were sent: `appending'
 *     holds it for those in the append lanes.  The choice of packs and all
 *     random draws happen in that order.
 *  4. The caller is told of a frame just when FRAMES_IN_FLIGHT_MAX more were
 *     sent, or at a flush: a moment that the calls decide, not the threads.
 */
#include <stdlib.h>

#include "engine/crypto/aead.h"
#include "engine/repo/put_int.h"

#define LEVEL_DEFAULT	3

/* A compression state for a worker; at most one a thread is made. */
static int
squeezer_take(struct squeezers *q, struct squeezer **out, struct err *e)
{
	*out = NULL;
	pthread_mutex_lock(&q->lock);
	if (q->n > 0)
		*out = q->v[--q->n];
	pthread_mutex_unlock(&q->lock);
	return (*out != NULL ? 0 : squeezer_new(out, q->level, e));
}

static void
squeezer_give(struct squeezers *q, struct squeezer *s)
{
	pthread_mutex_lock(&q->lock);
	q->v[q->n++] = s;
	pthread_mutex_unlock(&q->lock);
}

static bool
verified(const struct item *it)
{
	return (it->stream != STREAM_DATA || it->put->env.verify_data);
}

static void
squeeze_run(struct job *job)
{
	struct item *it = (struct item *)job;
	struct put *p = it->put;
	struct squeezer *s;

	if (atomic_load(&p->cancel)) {
		it->rc = err_set(&it->err, ERR_CANCELED, "canceled");
		return;
	}
	if (p->env.raw_data && it->stream == STREAM_DATA) {
		it->rc = frame_squeeze(it->frame, NULL, false, &it->err);
		return;
	}
	it->rc = squeezer_take(&p->squeezers, &s, &it->err);
	if (it->rc != 0)
		return;
	it->rc = frame_squeeze(it->frame, s, verified(it), &it->err);
	squeezer_give(&p->squeezers, s);
	if (it->rc == 0 && it->twin != NULL)
		it->rc = frame_copy(it->twin->frame, it->frame, &it->err);
}

static void
seal_run(struct job *job)
{
	struct item *it = (struct item *)job;

	if (atomic_load(&it->put->cancel)) {
		it->rc = err_set(&it->err, ERR_CANCELED, "canceled");
		return;
	}
	it->rc = frame_seal(it->frame, packer_seal(it->pack->packer), it->no,
	    verified(it), &it->err);
}

static void
append_run(struct job *job)
{
	struct item *it = (struct item *)job;

	if (atomic_load(&it->put->cancel)) {
		it->rc = err_set(&it->err, ERR_CANCELED, "canceled");
		return;
	}
	it->rc = pack_append(it->pack, it->frame, &it->err);
}

static void
item_free(struct put *p, struct item *it)
{
	frame_reset(it->frame);
	it->pack = NULL;
	it->twin = NULL;
	it->next = p->free_items;
	p->free_items = it;
}

/* A pack, a number, on to the seal. */
static int
choose(struct put *p, struct item *it, struct err *e)
{
	size_t bytes = FRAME_PREFIX + it->frame->plain.len + AEAD_TAG_BYTES;

	if (packs_choose(p, it->stream, it->frame, bytes, &it->pack, &it->no,
	    e) != 0) {
		item_free(p, it);
		return (-1);
	}
	it->job.run = seal_run;
	lane_submit(p->seal, &it->job);
	return (0);
}

/* The oldest squeezed frame's turn, and its twin's. */
static int
turn_squeezed(struct put *p, struct err *e)
{
	struct item *it = (struct item *)lane_take(p->squeeze);
	struct item *twin = it->twin;
	int rc = it->rc;

	it->twin = NULL;
	if (rc != 0) {
		*e = it->err;
		item_free(p, it);
	} else {
		rc = choose(p, it, e);
	}
	if (twin == NULL)
		return (rc);
	if (rc != 0) {
		item_free(p, twin);
		return (-1);
	}
	return (choose(p, twin, e));
}

/* Remember where a data frame lies, for the table. */
static int
note_placed(struct put *p, const struct item *it, struct err *e)
{
	uint32_t at = it->number - p->placed_base;

	if (it->stream != STREAM_DATA)
		return (0);
	if (at >= p->placed_cap) {
		uint32_t cap = p->placed_cap == 0 ? 256 : p->placed_cap;
		void *v;

		while (cap <= at)
			cap *= 2;
		v = realloc(p->placed, cap * sizeof(*p->placed));
		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "no memory"));
		p->placed = v;
		p->placed_cap = cap;
	}
	p->placed[at].pack = it->pack->number;
	p->placed[at].no = it->no;
	p->placed_n = at + 1;
	return (0);
}

/* The oldest sealed frame's turn: a place, on to its pack. */
static int
turn_sealed(struct put *p, struct err *e)
{
	struct item *it = (struct item *)lane_take(p->seal);
	int rc = it->rc;

	if (rc != 0)
		*e = it->err;
	if (rc == 0)
		rc = note_placed(p, it, e);
	if (rc == 0)
		rc = packs_place(it->pack, it->frame, &it->info, e);
	if (rc != 0) {
		item_free(p, it);
		return (-1);
	}
	it->next = NULL;
	*p->appending_tail = it;
	p->appending_tail = &it->next;
	it->job.run = append_run;
	lane_submit(it->pack->append, &it->job);
	return (0);
}

/* The oldest frame in the append lanes: to be told. */
static int
turn_appended(struct put *p, struct err *e)
{
	struct item *it = p->appending;
	struct told *t = &p->ring[p->appended % FRAMES_IN_FLIGHT_MAX];
	struct job *job = lane_take(it->pack->append);
	int rc;

	BUG_ON(job != &it->job);
	p->appending = it->next;
	if (p->appending == NULL)
		p->appending_tail = &p->appending;
	rc = it->rc;
	if (rc != 0) {
		*e = it->err;
	} else {
		t->frame = it->number;
		t->pack = it->pack->number;
		t->info = it->info;
		p->appended++;
		rc = packs_appended(p, it->pack, e);
	}
	item_free(p, it);
	return (rc);
}

/* Take every turn that need not be waited for. */
static int
turns_ready(struct put *p, struct err *e)
{
	for (;;) {
		if (p->appending != NULL &&
		    lane_is_ready(p->appending->pack->append)) {
			if (turn_appended(p, e) != 0)
				return (-1);
		} else if (lane_is_ready(p->seal)) {
			if (turn_sealed(p, e) != 0)
				return (-1);
		} else if (lane_is_ready(p->squeeze)) {
			if (turn_squeezed(p, e) != 0)
				return (-1);
		} else {
			return (0);
		}
	}
}

/* Take one turn, waiting for it: the most downstream first. */
static int
turn(struct put *p, struct err *e)
{
	if (p->appending != NULL)
		return (turn_appended(p, e));
	if (!lane_is_empty(p->seal))
		return (turn_sealed(p, e));
	BUG_ON(lane_is_empty(p->squeeze));
	return (turn_squeezed(p, e));
}

/* Tell the caller of the frames up to that count. */
static int
deliver(struct put *p, uint64_t upto, struct err *e)
{
	while (p->delivered < upto) {
		const struct told *t;

		while (p->appended == p->delivered)
			if (turn(p, e) != 0)
				return (-1);
		t = &p->ring[p->delivered % FRAMES_IN_FLIGHT_MAX];
		p->delivered++;
		if (p->env.on_frame != NULL && p->env.on_frame(p->env.ctx,
		    t->frame, t->pack, &t->info, e) != 0)
			return (-1);
	}
	return (0);
}

static int
send(struct put *p, enum stream s, struct err *e)
{
	struct item *it = p->filling[s];

	if (it == NULL)
		return (0);
	p->filling[s] = NULL;
	p->submitted++;
	if (it->twin != NULL) {
		p->filling[it->twin->stream] = NULL;
		p->submitted++;
	}
	it->job.run = squeeze_run;
	lane_submit(p->squeeze, &it->job);
	/* The ring has room for what is in flight only because what was sent
	 * that many frames ago is told first. */
	if (p->submitted > FRAMES_IN_FLIGHT_MAX && deliver(p,
	    p->submitted - FRAMES_IN_FLIGHT_MAX, e) != 0)
		return (-1);
	return (turns_ready(p, e));
}

static int
begin(struct put *p, enum stream s, struct err *e)
{
	struct item *it;

	if (turns_ready(p, e) != 0)
		return (-1);
	while (p->free_items == NULL)
		if (turn(p, e) != 0)
			return (-1);
	it = p->free_items;
	p->free_items = it->next;
	it->stream = s;
	it->number = p->next_frame++;
	it->rc = 0;
	err_init(&it->err);
	p->filling[s] = it;
	return (0);
}

int
pipe_room(struct put *p, enum stream s, size_t len, struct item **out,
    struct err *e)
{
	const struct item *it = p->filling[s];
	bool room = it != NULL && frame_has_room(it->frame, len);

	if (room && s != STREAM_DATA && it->frame->raw.len > 0 &&
	    it->frame->raw.len + len > META_FRAME_TARGET)
		room = false;
	if (!room && send(p, s, e) != 0)
		return (-1);
	if (p->filling[s] == NULL && begin(p, s, e) != 0)
		return (-1);
	*out = p->filling[s];
	return (0);
}

int
pipe_twin(struct put *p, struct item **out, struct err *e)
{
	struct item *it = p->filling[STREAM_META];

	if (it->frame->nslots == 1 && p->filling[STREAM_MIRROR] == NULL) {
		if (begin(p, STREAM_MIRROR, e) != 0)
			return (-1);
		it->twin = p->filling[STREAM_MIRROR];
	}
	*out = it->twin;
	return (0);
}

int
pipe_part(struct put *p, struct err *e)
{
	struct item *it = p->filling[STREAM_META], *twin;

	if (it == NULL || it->twin == NULL)
		return (0);
	twin = it->twin;
	it->twin = NULL;
	return (frame_copy(twin->frame, it->frame, e));
}

int
pipe_flush(struct put *p, enum object_kind kind, struct err *e)
{
	for (enum stream s = 0; s < STREAMS; s++)
		if (stream_kind(s) == kind && send(p, s, e) != 0)
			return (-1);
	while (p->appended < p->submitted)
		if (turn(p, e) != 0)
			return (-1);
	return (deliver(p, p->submitted, e));
}

/* How many frames may be in memory: enough to keep the workers busy, and no
 * more than the budget pays for. */
static unsigned
items_wanted(const struct put *p)
{
	uint32_t chunk_max =
	    repo_header(session_repo(p->session))->cutter.max_bytes;
	size_t frame = chunk_max > FRAME_TARGET ? chunk_max : FRAME_TARGET;
	/* Raw, squeezed, sealed, and the slots. */
	size_t cost = 3 * frame + FRAME_SLOTS_MAX * sizeof(struct slot_entry);
	size_t n = p->env.budget_bytes / cost;
	unsigned useful = 2 * pool_threads(p->env.pool) + 4;

	if (n > useful)
		n = useful;
	if (n < FRAMES_IN_FLIGHT_MIN)
		n = FRAMES_IN_FLIGHT_MIN;
	return (n > FRAMES_IN_FLIGHT_MAX ? FRAMES_IN_FLIGHT_MAX : (unsigned)n);
}

int
pipe_open(struct put *p, struct err *e)
{
	unsigned threads = pool_threads(p->env.pool), n = items_wanted(p);

	pthread_mutex_init(&p->squeezers.lock, NULL);
	p->squeezers.level = p->env.level != 0 ? p->env.level : LEVEL_DEFAULT;
	p->appending_tail = &p->appending;
	p->squeezers.v = calloc(threads + 1, sizeof(*p->squeezers.v));
	p->items = calloc(n, sizeof(*p->items));
	if (p->squeezers.v == NULL || p->items == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	for (unsigned i = 0; i < n; i++) {
		struct item *it = &p->items[i];

		if (frame_new(&it->frame, e) != 0)
			return (-1);
		p->nitems = i + 1;
		it->put = p;
		item_free(p, it);
	}
	if (lane_new(&p->squeeze, p->env.pool, PUT_PRIORITY, n, e) != 0 ||
	    lane_new(&p->seal, p->env.pool, PUT_PRIORITY + 1, n, e) != 0)
		return (-1);
	for (unsigned i = 0; i < PACKS_OPEN; i++) {
		if (lane_new(&p->append[i], p->env.pool, PUT_PRIORITY + 2, n,
		    e) != 0)
			return (-1);
		lane_limit(p->append[i], 1);
	}
	return (0);
}

/* Whatever is in it is dropped. */
static void
drain(struct lane *lane)
{
	while (lane != NULL && lane_take(lane) != NULL)
		;
}

void
pipe_stop(struct put *p)
{
	drain(p->squeeze);
	drain(p->seal);
	for (unsigned i = 0; i < PACKS_OPEN; i++)
		drain(p->append[i]);
}

void
pipe_close(struct put *p)
{
	pipe_stop(p);
	lane_free(p->squeeze);
	lane_free(p->seal);
	for (unsigned i = 0; i < PACKS_OPEN; i++)
		lane_free(p->append[i]);
	for (unsigned i = 0; i < p->nitems; i++)
		frame_free(p->items[i].frame);
	free(p->items);
	for (unsigned i = 0; i < p->squeezers.n; i++)
		squeezer_free(p->squeezers.v[i]);
	free(p->squeezers.v);
	pthread_mutex_destroy(&p->squeezers.lock);
	free(p->placed);
}
