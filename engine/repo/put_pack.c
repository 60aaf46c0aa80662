/*
 * Packs being written.  A pack is opened for its first frame, streams to the
 * store as its frames come, and is closed behind its last one: directory, fsync
 * and name, by threads that only wait for the disk and so leave the workers to
 * the frames.
 *
 *	open --full or finish--> filled --last frame appended--> closing
 *	     --named, stored, taken--> closed --told and in the table--> (freed)
 *
 * A pack may be told as soon as it is named: what only wants to name it needn't
 * wait for the store.
 *
 * A data frame goes at random to one of two packs, so that the sizes in one
 * pack tell little of what was neighbouring; but only once there is more than a
 * small run would store, which makes one pack.  Metadata has a pack for the
 * first copies and one for the second, so that no chunk has both in one.
 *
 * Invariants:
 *  1. All here runs on the coordinator in the order of the frames, but for
 *     pack_append(), of which a pack has one at a time, and close_run(), which
 *     has its pack for itself.  So numbers, salts and choices don't depend on
 *     threads.
 *  2. A frame number is given once.  A frame that fails to seal fails the run:
 *     nothing is ever sealed twice under one number.
 *  3. A pack is in one place: open_data/open_meta, filled, the lane, or closed.
 */
#include <stdlib.h>

#include "engine/crypto/rnd.h"
#include "engine/repo/pack_name.h"
#include "engine/repo/put_int.h"

#define CLOSERS		2
/* To a remote store so many packs are on their way at one time; where the store
 * keeps them until then is its business (not in memory). */
#define CLOSERS_REMOTE	16
#define SPREAD_BYTES	(4U << 20)	/* in the first pack, before a second */
/*
 * A pack is closed within these bounds, as soon as little of it would be
 * padding: that goes up by steps of 512 KiB to 1 MiB.
 */
#define PACK_LEAST	(28U << 20)
#define PACK_MOST	(36U << 20)
#define PADDING_SHIFT	8	/* little: 1/256 */
/* A directory has 36 bytes a slot and 11 a frame: 5 MiB at most. */
#define PACK_SLOTS_FULL	(1U << 17)
#define PACK_FRAMES_FULL (1U << 14)

int
packs_open(struct put *p, struct err *e)
{
	unsigned n = CLOSERS, threads;

	if (p->store->parallel > n)
		n = p->store->parallel < CLOSERS_REMOTE ? p->store->parallel :
		    CLOSERS_REMOTE;
	threads = pool_threads(p->env.pool) == 0 ? 0 : n;
	p->closed_tail = &p->closed;
	p->closing_tail = &p->closing_first;
	(void)pthread_mutex_init(&p->name_lock, NULL);
	(void)pthread_cond_init(&p->name_cond, NULL);
	if (pool_new(&p->closers, threads, e) != 0)
		return (-1);
	return (lane_new(&p->closing, p->closers, 0, n, e));
}

void
pack_free(struct pack *pack)
{
	if (pack == NULL)
		return;
	store_put_abort(pack->out);
	packer_free(pack->packer);
	free(pack->frames);
	free(pack);
}

static struct pack **
positions(struct put *p, enum stream s, unsigned *n)
{
	*n = s == STREAM_DATA ? DATA_PACKS_OPEN : 1;
	return (s == STREAM_DATA ? p->open_data : &p->open_meta[s]);
}

static void
free_list(struct pack **list)
{
	while (*list != NULL) {
		struct pack *pack = *list;

		*list = pack->next;
		pack_free(pack);
	}
}

void
packs_close(struct put *p)
{
	struct job *job;

	if (p->closing != NULL)
		while ((job = lane_take(p->closing)) != NULL)
			pack_free((struct pack *)job);
	lane_free(p->closing);
	pool_free(p->closers);
	packs_abandon(p, OBJECT_PACK_DATA);
	packs_abandon(p, OBJECT_PACK_META);
	free_list(&p->filled);
	free_list(&p->closed);
	(void)pthread_cond_destroy(&p->name_cond);
	(void)pthread_mutex_destroy(&p->name_lock);
}

void
packs_abandon(struct put *p, enum object_kind kind)
{
	for (enum stream s = 0; s < STREAMS; s++) {
		unsigned n;
		struct pack **at = positions(p, s, &n);

		for (unsigned i = 0; i < n && stream_kind(s) == kind; i++) {
			pack_free(at[i]);
			at[i] = NULL;
		}
	}
}

static int
pack_begin(struct put *p, enum stream s, const struct frame *first,
    struct pack **out, struct err *e)
{
	struct pack *pack = calloc(1, sizeof(*pack));
	struct buf header = BUF_INIT;
	int rc;

	if (pack == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	err_init(&pack->err);
	pack->put = p;
	pack->stream = s;
	pack->number = p->next_pack++;
	rc = packer_open(&pack->packer, &header, p->keyring, p->naming,
	    stream_kind(s), session_run(p->session),
	    session_counter(p->session), first->slots,
	    first->nslots * sizeof(*first->slots), e);
	if (rc == 0)
		rc = store_put_begin(p->store, &pack->out, e);
	if (rc == 0 && s == STREAM_DATA)
		store_put_bulk(pack->out);
	if (rc == 0 && p->naming == HASH_SHA256)
		store_put_sha256(pack->out, pack->info.id.b);
	if (rc == 0)
		rc = store_put_append(pack->out, header.data, header.len, e);
	buf_fini(&header);
	if (rc != 0) {
		pack_free(pack);
		return (-1);
	}
	p->stats.packs++;
	*out = pack;
	return (0);
}

/* Should it get no more frames? */
static bool
is_full(const struct pack *pack)
{
	if (pack->slots >= PACK_SLOTS_FULL ||
	    pack->assigned >= PACK_FRAMES_FULL || pack->bytes >= PACK_MOST)
		return (true);
	return (pack->bytes >= PACK_LEAST && pack_padding(pack->bytes,
	    pack->assigned, pack->slots) <= pack->bytes >> PADDING_SHIFT);
}

int
packs_choose(struct put *p, enum stream s, const struct frame *frame,
    size_t bytes, struct pack **out, uint32_t *no, struct err *e)
{
	unsigned n, i = 0;
	struct pack **at = positions(p, s, &n);
	struct pack *pack;

	if (s == STREAM_DATA && p->spread)
		i = rnd_below(DATA_PACKS_OPEN);
	if (at[i] == NULL && pack_begin(p, s, frame, &at[i], e) != 0)
		return (-1);
	pack = at[i];
	/* Whoever takes a pack's position takes its lane. */
	pack->append = p->append[s == STREAM_DATA ? i :
	    DATA_PACKS_OPEN - 1 + (unsigned)s];
	*no = pack->assigned++;
	pack->bytes += bytes;
	pack->slots += frame->nslots;
	if (pack->bytes > SPREAD_BYTES && s == STREAM_DATA)
		p->spread = true;
	if (is_full(pack)) {
		pack->full = true;
		pack->next = p->filled;
		p->filled = pack;
		at[i] = NULL;
	}
	*out = pack;
	return (0);
}

/* What ends the pack, and so its name. */
static int
name_pack(struct pack *pack)
{
	struct put *p = pack->put;
	struct buf end = BUF_INIT;
	int rc;

	if (atomic_load(&p->cancel))
		return (err_set(&pack->err, ERR_CANCELED, "canceled"));
	rc = packer_close(pack->packer, &end, &pack->info, &pack->err);
	if (rc == 0)
		rc = store_put_append(pack->out, end.data, end.len,
		    &pack->err);
	buf_fini(&end);
	/* Not while it waits for the store. */
	packer_free(pack->packer);
	pack->packer = NULL;
	return (rc);
}

/* On a closer. */
static void
close_run(struct job *job)
{
	struct pack *pack = (struct pack *)job;
	struct put *p = pack->put;
	char name[PACK_NAME_BYTES];
	struct store_put *out;
	int rc = name_pack(pack);

	(void)pthread_mutex_lock(&p->name_lock);
	pack->named = rc == 0;
	pack->ended = true;
	(void)pthread_cond_signal(&p->name_cond);
	(void)pthread_mutex_unlock(&p->name_lock);
	if (rc == 0) {
		out = pack->out;
		pack->out = NULL;
		rc = store_put_commit(out, pack_name(name, &pack->info.id),
		    &pack->err);
	}
	/* A pack of that name is a pack of these bytes. */
	if (rc == STORE_EXISTS)
		rc = 0;
	pack->rc = rc;
}

/* The oldest closing, waited for. */
static int
close_take(struct put *p, struct err *e)
{
	struct pack *pack = (struct pack *)lane_take(p->closing);

	BUG_ON(p->closing_first != pack);
	p->closing_first = pack->next;
	if (p->closing_first == NULL)
		p->closing_tail = &p->closing_first;
	if (pack->rc != 0) {
		*e = pack->err;
		pack_free(pack);
		return (err_wrap(e, "store a pack"));
	}
	p->stats.bytes_added += pack->info.size_bytes;
	pack->next = NULL;
	*p->closed_tail = pack;
	p->closed_tail = &pack->next;
	return (0);
}

static int
close_begin(struct put *p, struct pack *pack, struct err *e)
{
	if (lane_is_full(p->closing) && close_take(p, e) != 0) {
		pack_free(pack);
		return (-1);
	}
	pack->job.run = close_run;
	pack->next = NULL;
	*p->closing_tail = pack;
	p->closing_tail = &pack->next;
	lane_submit(p->closing, &pack->job);
	return (0);
}

static int
note_frame(struct pack *pack, const struct frame_info *info, struct err *e)
{
	if (pack->stream != STREAM_DATA)
		return (0);
	if (pack->placed == pack->frames_cap) {
		uint32_t cap = pack->frames_cap == 0 ? 64 :
		    2 * pack->frames_cap;
		void *v = realloc(pack->frames, cap * sizeof(*pack->frames));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "no memory"));
		pack->frames = v;
		pack->frames_cap = cap;
	}
	pack->frames[pack->placed] = *info;
	return (0);
}

int
packs_place(struct pack *pack, const struct frame *frame,
    struct frame_info *info, struct err *e)
{
	if (packer_add(pack->packer, frame, info, e) != 0 ||
	    note_frame(pack, info, e) != 0)
		return (err_wrap(e, "write a pack"));
	BUG_ON(info->no != pack->placed);
	pack->placed++;
	return (0);
}

int
pack_append(struct pack *pack, const struct frame *frame, struct err *e)
{
	packer_hash(pack->packer, frame);
	if (store_put_append(pack->out, frame->stored.data, frame->stored.len,
	    e) != 0)
		return (err_wrap(e, "write a pack"));
	return (0);
}

int
packs_appended(struct put *p, struct pack *pack, struct err *e)
{
	struct pack **at;

	pack->appended++;
	if (!pack->full || pack->appended < pack->assigned)
		return (0);
	for (at = &p->filled; *at != pack; at = &(*at)->next)
		BUG_ON(*at == NULL);
	*at = pack->next;
	return (close_begin(p, pack, e));
}

int
packs_begin_close(struct put *p, enum object_kind kind, struct err *e)
{
	for (enum stream s = 0; s < STREAMS; s++) {
		unsigned n;
		struct pack **at = positions(p, s, &n);

		for (unsigned i = 0; i < n && stream_kind(s) == kind; i++) {
			struct pack *pack = at[i];

			at[i] = NULL;
			if (pack == NULL)
				continue;
			BUG_ON(pack->appended != pack->assigned);
			if (close_begin(p, pack, e) != 0)
				return (-1);
		}
	}
	if (kind == OBJECT_PACK_DATA)
		p->spread = false;
	return (0);
}

static struct pack *
closing_of(const struct put *p, enum object_kind kind)
{
	struct pack *pack = p->closing_first;

	while (pack != NULL && stream_kind(pack->stream) != kind)
		pack = pack->next;
	return (pack);
}

bool
packs_await_names(struct put *p, enum object_kind kind)
{
	bool all = true;

	if (pool_threads(p->closers) == 0)
		return (closing_of(p, kind) == NULL);
	(void)pthread_mutex_lock(&p->name_lock);
	for (struct pack *pack = p->closing_first; pack != NULL;
	    pack = pack->next) {
		if (stream_kind(pack->stream) != kind)
			continue;
		while (!pack->ended)
			(void)pthread_cond_wait(&p->name_cond, &p->name_lock);
		all = all && pack->named;
	}
	(void)pthread_mutex_unlock(&p->name_lock);
	return (all);
}

void
packs_settle(struct put *p)
{
	struct err ignored = ERR_INIT;

	while (p->closing_first != NULL)
		(void)close_take(p, &ignored);
	packs_abandon(p, OBJECT_PACK_DATA);
	packs_abandon(p, OBJECT_PACK_META);
	free_list(&p->filled);
}

int
packs_finish(struct put *p, enum object_kind kind, struct err *e)
{
	while (closing_of(p, kind) != NULL)
		if (close_take(p, e) != 0)
			return (-1);
	return (0);
}
