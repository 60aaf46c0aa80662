/*
 * Storing chunks: the decision whether one is new, the frame that it goes into,
 * and the barriers at which packs are whole and a table can name them.
 *
 * A run is a row of epochs.  In one, what was stored is found in `seen'; at its
 * end (TABLE_ENTRIES_PER_RUN chunks, TABLE_AFTER_S, put_close, put_salvage) the
 * data packs are closed, the table is written and added to the map, and `seen'
 * begins empty.
 *
 *	put_chunk* --end_epoch--> put_chunk* ... --put_close--> done
 *
 * put_name() only prepares the end: its packs are told before they are stored,
 * and the table is made, but for its name.  The end comes with the next
 * put_close() of whichever kind; a put_chunk() before it makes that table void.
 *
 * Invariants:
 *  1. A chunk that this run stored is in `seen' or in a table of the map, and
 *     not in both.
 *  2. A table names only packs that are in the store, durably.
 *  3. The epoch grows after the map has the table.  A look-up takes the epoch
 *     before it asks; so "unknown" with the current epoch is final, and with an
 *     older one asked again.  The answer does not depend on when it was asked.
 *  4. After the first failure every call fails with its error, and nothing more
 *     is given to the store, but for the table of a put_salvage().
 */
#include <sodium.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/repo/put_int.h"

/* Whatever ends a run that can't write a table any more, a lost network or
 * power: no more than was found new in so long, or so much, is stored again. */
#define TABLE_AFTER_S		600
#define TABLE_AFTER_BYTES	(64U << 20)

int
put_fail(struct put *p, const struct err *e)
{
	if (!p->failed) {
		p->failed = true;
		p->err = *e;
		atomic_store(&p->cancel, true);
	}
	return (-1);
}

static int
check(struct put *p, struct err *e)
{
	if (p->failed) {
		*e = p->err;
		return (-1);
	}
	return (known_check(p->known, e) != 0 ? put_fail(p, e) : 0);
}

int
put_open(struct put **out, struct session *session, const struct put_env *env,
    struct err *e)
{
	struct repo *repo = session_repo(session);
	struct put *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	p->session = session;
	p->store = repo_store(repo);
	p->keyring = repo_keyring(repo);
	p->naming = repo_pack_naming(repo);
	p->domain = keyring_domain(p->keyring);
	p->env = *env;
	p->epoch_s = clock_wall().s;
	p->id_key = sodium_malloc(KEY_BYTES);
	if (p->id_key == NULL) {
		err_set(e, ERR_NOMEM, "no memory");
		goto fail;
	}
	if (keyring_domain_id_key(p->keyring, p->domain, p->id_key, e) != 0 ||
	    pipe_open(p, e) != 0 || packs_open(p, e) != 0 ||
	    known_new(&p->known, session, e) != 0)
		goto fail;
	*out = p;
	return (0);
fail:
	put_free(p);
	return (-1);
}

void
put_free(struct put *p)
{
	if (p == NULL)
		return;
	atomic_store(&p->cancel, true);
	pipe_close(p);
	packs_close(p);
	table_out_free(p->table);
	known_free(p->known);
	seen_fini(&p->seen);
	sodium_free(p->id_key);
	free(p);
}

int
put_lookup(struct put *p, const void *bytes, size_t len, struct put_hint *hint,
    struct err *e)
{
	int rc;

	hash_keyed(hint->id.b, p->id_key, bytes, len);
	hint->epoch = atomic_load(&p->epoch);
	rc = known_find(p->known, &hint->id, &hint->hit, e);
	hint->known = rc == 0;
	return (rc < 0 ? -1 : 0);
}

/* The new data packs of an epoch, by their numbers in the run. */
static int
by_number(const void *a, const void *b)
{
	const struct pack *const *x = a, *const *y = b;

	return ((*x)->number < (*y)->number ? -1 : (*x)->number > (*y)->number);
}

/* Those of a kind in a list behind the n in v; how many there are then. */
static uint32_t
select_kind(struct pack *pack, enum object_kind kind, struct pack **v,
    uint32_t n)
{
	for (; pack != NULL; pack = pack->next) {
		if (stream_kind(pack->stream) != kind)
			continue;
		if (v != NULL)
			v[n] = pack;
		n++;
	}
	return (n);
}

/* Those of a kind that are closed or closing, sorted; the array is the
 * caller's, the packs are not. */
static int
find_packs(const struct put *p, enum object_kind kind, struct pack ***out,
    uint32_t *n, struct err *e)
{
	*n = select_kind(p->closing_first, kind, NULL,
	    select_kind(p->closed, kind, NULL, 0));
	*out = calloc((size_t)*n + 1, sizeof(**out));
	if (*out == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	(void)select_kind(p->closing_first, kind, *out,
	    select_kind(p->closed, kind, *out, 0));
	qsort(*out, *n, sizeof(**out), by_number);
	return (0);
}

/* Tell of packs that have names. */
static int
tell(struct put *p, struct pack *const *packs, uint32_t n, struct err *e)
{
	for (uint32_t i = 0; i < n; i++) {
		if (packs[i]->told)
			continue;
		packs[i]->told = true;
		if (p->env.on_pack != NULL && p->env.on_pack(p->env.ctx,
		    packs[i]->number, &packs[i]->info, e) != 0)
			return (-1);
	}
	return (0);
}

/* The closed packs of a kind are the caller's now. */
static void
take_closed(struct put *p, enum object_kind kind)
{
	struct pack **at, *pack;

	for (at = &p->closed; (pack = *at) != NULL;) {
		if (stream_kind(pack->stream) == kind)
			*at = pack->next;
		else
			at = &pack->next;
	}
	p->closed_tail = at;
}

/* In a table, an entry has its pack's index and the frame's number there. */
struct resolve {
	const struct put *put;
	struct pack *const *packs;	/* sorted */
	uint32_t n;
};

static void
resolve(void *ctx, struct map_entry *m)
{
	const struct resolve *r = ctx;
	const struct put *p = r->put;
	const struct placed *at = &p->placed[m->frame - p->placed_base];
	uint32_t lo = 0, hi = r->n;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (r->packs[mid]->number <= at->pack)
			lo = mid;
		else
			hi = mid;
	}
	BUG_ON(r->n == 0 || r->packs[lo]->number != at->pack);
	m->pack = lo;
	m->frame = at->no;
}

/* The table of what was seen, which lies in these packs, but for its name.
 * Sorts what was seen, which can't be found then before seen_index(). */
static int
make_table(struct put *p, struct pack *const *packs, uint32_t n, struct err *e)
{
	struct map_pack *v = calloc((size_t)n + 1, sizeof(*v));
	struct resolve r = { p, packs, n };
	int rc;

	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	for (uint32_t i = 0; i < n; i++) {
		v[i].info = packs[i]->info;
		v[i].frames = packs[i]->frames;
		v[i].nframes = packs[i]->appended;
	}
	rc = table_write(&p->table, p->store, p->keyring,
	    session_run(p->session), session_counter(p->session), p->seen.v,
	    p->seen.n, resolve, &r, v, n, NULL, 0, e);
	free(v);
	return (rc);
}

/* There is more to be in it. */
static void
drop_table(struct put *p)
{
	table_out_free(p->table);
	p->table = NULL;
	seen_index(&p->seen);
}

/* Its packs are stored. */
static int
commit_table(struct put *p, struct err *e)
{
	struct object_id id;
	struct map *map;
	uint64_t size;
	int rc = table_out_commit(p->table, &id, &size, e);

	table_out_free(p->table);
	p->table = NULL;
	if (rc == 0)
		rc = known_map(p->known, &map, e);
	if (rc == 0)
		rc = map_add(map, &id, size, e);
	if (rc != 0)
		return (err_wrap(e, "store a table"));
	p->stats.bytes_added += size;
	p->entries += p->seen.n;
	return (0);
}

/* Fewer tables to look into; not needed for what was stored. */
static void
merge(struct put *p)
{
	uint64_t entries = p->merge_entries > 0 ? p->merge_entries :
	    p->entries;
	struct err e = ERR_INIT;
	struct map *map;

	if (entries == 0)
		return;
	if (known_map(p->known, &map, &e) != 0 ||
	    map_merge(map, session_run(p->session),
	    session_counter(p->session), entries, NULL, &e) != 0)
		log_say(repo_log(session_repo(p->session)), LOG_WARNING,
		    "tables were not merged: %s", err_text(&e));
}

/*
 * A large run's tables are merged before there are too many, since a look-up
 * asks each: `many' full ones into one, `many' of those into one, and so on.
 * Then what is merged at the end is only what is left over.
 */
static void
merge_full(struct put *p)
{
	unsigned many = known_tables(p->known), n;

	if (p->seen.n < TABLE_ENTRIES_PER_RUN || ++p->full % many != 0)
		return;
	p->merge_entries = TABLE_ENTRIES_PER_RUN / MAP_MERGE_RATIO;
	for (n = p->full / many; n % many == 0; n /= many)
		p->merge_entries *= many;
	merge(p);
	p->merge_entries = TABLE_ENTRIES_PER_RUN / MAP_MERGE_RATIO;
}

/* As many tables that came by time are merged likewise, into what is full or
 * will be merged again. */
static void
merge_parts(struct put *p)
{
	uint64_t entries = p->merge_entries;

	if (++p->parts % known_tables(p->known) != 0)
		return;
	p->merge_entries = TABLE_ENTRIES_PER_RUN / MAP_MERGE_RATIO;
	merge(p);
	p->merge_entries = entries;
}

/* An epoch's end. */
static int
end_epoch(struct put *p, struct pack *const *packs, uint32_t n, struct err *e)
{
	if (p->seen.n > 0 && ((p->table == NULL &&
	    make_table(p, packs, n, e) != 0) || commit_table(p, e) != 0))
		return (-1);
	merge_full(p);
	seen_reset(&p->seen);
	p->placed_base = p->next_frame;
	p->placed_n = 0;
	p->named = false;
	p->epoch_s = clock_wall().s;
	p->epoch_bytes = p->stats.bytes_new;
	atomic_fetch_add(&p->epoch, 1);
	return (0);
}

/* What is closing of a kind is stored, told, and in a table. */
static int
finish_kind(struct put *p, enum object_kind kind, struct err *e)
{
	struct pack **packs;
	uint32_t n;
	int rc;

	if (packs_finish(p, kind, e) != 0 ||
	    find_packs(p, kind, &packs, &n, e) != 0)
		return (-1);
	rc = tell(p, packs, n, e);
	if (rc != 0) {
		free(packs);
		return (-1);
	}
	if (kind == OBJECT_PACK_DATA)
		rc = end_epoch(p, packs, n, e);
	take_closed(p, kind);
	for (uint32_t i = 0; i < n; i++)
		pack_free(packs[i]);
	free(packs);
	return (rc);
}

static int
close_kind(struct put *p, enum object_kind kind, struct err *e)
{
	if (pipe_flush(p, kind, e) != 0 || packs_begin_close(p, kind, e) != 0)
		return (-1);
	/* While the metadata is on its way. */
	if (kind == OBJECT_PACK_META && p->named &&
	    close_kind(p, OBJECT_PACK_DATA, e) != 0)
		return (-1);
	return (finish_kind(p, kind, e));
}

/* 0 and the place when the chunk is stored already; MAP_UNKNOWN. */
static int
find_place(struct put *p, const struct put_hint *hint, struct place *place,
    struct err *e)
{
	const struct map_entry *m;
	int rc = MAP_UNKNOWN;

	memset(place, 0, sizeof(*place));
	if (hint->known) {
		place->hit = hint->hit;
		return (0);
	}
	m = seen_find(&p->seen, &hint->id);
	if (m != NULL) {
		place->fresh = true;
		place->frame = m->frame;
		place->slot = m->slot;
		return (0);
	}
	if (hint->epoch != atomic_load(&p->epoch))
		rc = known_find(p->known, &hint->id, &place->hit, e);
	return (rc);
}

/* Append a chunk to the frame being filled. */
static int
add(struct put *p, enum stream s, const struct chunk_id *id, const void *bytes,
    size_t len, struct place *place, struct err *e)
{
	struct item *it;

	if (pipe_room(p, s, len, &it, e) != 0)
		return (-1);
	memset(place, 0, sizeof(*place));
	place->fresh = true;
	place->frame = it->number;
	return (frame_add(it->frame, id, bytes, len, &place->slot, e));
}

/* The second copy of what place[0] tells of. */
static int
add_again(struct put *p, const struct chunk_id *id, const void *bytes,
    size_t len, struct place place[2], struct err *e)
{
	struct item *twin;

	if (pipe_twin(p, &twin, e) != 0)
		return (-1);
	if (twin == NULL)
		return (add(p, STREAM_MIRROR, id, bytes, len, &place[1], e));
	place[1] = place[0];
	place[1].frame = twin->number;
	return (0);
}

/* A table before the next chunk, if it is time for one. */
static int
make_room(struct put *p, struct err *e)
{
	bool full = p->seen.n == TABLE_ENTRIES_PER_RUN;
	int64_t s;

	if (!full) {
		if (p->stats.bytes_new - p->epoch_bytes < TABLE_AFTER_BYTES)
			return (0);
		/* < 0: the clock was set. */
		s = clock_wall().s - p->epoch_s;
		if (s >= 0 && s < TABLE_AFTER_S)
			return (0);
	}
	if (close_kind(p, OBJECT_PACK_DATA, e) != 0)
		return (-1);
	if (!full)
		merge_parts(p);
	return (0);
}

static int
check_len(size_t len, struct err *e)
{
	if (len == 0 || len > CHUNK_MAX)
		return (err_set(e, ERR_LIMIT, "a chunk of %zu bytes", len));
	return (0);
}

int
put_chunk(struct put *p, const struct put_hint *hint, const void *bytes,
    size_t len, struct place *place, struct err *e)
{
	int rc;

	if (check(p, e) != 0)
		return (-1);
	if (check_len(len, e) != 0)
		return (put_fail(p, e));
	if (p->table != NULL)
		drop_table(p);
	rc = find_place(p, hint, place, e);
	if (rc == 0) {
		p->stats.chunks_known++;
		return (0);
	}
	if (rc < 0)
		return (put_fail(p, e));
	if (make_room(p, e) != 0 ||
	    add(p, STREAM_DATA, &hint->id, bytes, len, place, e) != 0 ||
	    seen_add(&p->seen, &hint->id, place->frame, place->slot, e) != 0)
		return (put_fail(p, e));
	p->stats.chunks_new++;
	p->stats.bytes_new += len;
	return (0);
}

int
put_meta(struct put *p, const void *bytes, size_t len, bool twice,
    struct chunk_id *id, struct place place[2], struct err *e)
{
	if (check(p, e) != 0)
		return (-1);
	if (check_len(len, e) != 0)
		return (put_fail(p, e));
	hash_keyed(id->b, p->id_key, bytes, len);
	if ((!twice && pipe_part(p, e) != 0) ||
	    add(p, STREAM_META, id, bytes, len, &place[0], e) != 0)
		return (put_fail(p, e));
	memset(&place[1], 0, sizeof(place[1]));
	place[1].frame = UINT32_MAX;
	if (twice && add_again(p, id, bytes, len, place, e) != 0)
		return (put_fail(p, e));
	return (0);
}

int
put_flush(struct put *p, enum object_kind kind, struct err *e)
{
	if (check(p, e) != 0)
		return (-1);
	return (pipe_flush(p, kind, e) != 0 ? put_fail(p, e) : 0);
}

static int
name_data(struct put *p, struct err *e)
{
	struct pack **packs;
	uint32_t n;
	int rc;

	if (pipe_flush(p, OBJECT_PACK_DATA, e) != 0 ||
	    packs_begin_close(p, OBJECT_PACK_DATA, e) != 0)
		return (-1);
	if (!packs_await_names(p, OBJECT_PACK_DATA) &&
	    packs_finish(p, OBJECT_PACK_DATA, e) != 0)
		return (-1);
	if (find_packs(p, OBJECT_PACK_DATA, &packs, &n, e) != 0)
		return (-1);
	rc = tell(p, packs, n, e);
	/* While they are on their way. */
	if (rc == 0 && p->seen.n > 0 && p->table == NULL)
		rc = make_table(p, packs, n, e);
	free(packs);
	return (rc);
}

int
put_name(struct put *p, struct err *e)
{
	if (check(p, e) != 0)
		return (-1);
	if (name_data(p, e) != 0)
		return (put_fail(p, e));
	p->named = true;
	return (0);
}

int
put_close(struct put *p, enum object_kind kind, struct err *e)
{
	if (check(p, e) != 0)
		return (-1);
	if (close_kind(p, kind, e) != 0)
		return (put_fail(p, e));
	if (kind == OBJECT_PACK_DATA)
		merge(p);
	return (0);
}

/* Of what was seen only that counts which lies in these packs. */
static void
keep_seen(struct put *p, struct pack *const *packs, uint32_t npacks)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->seen.n; i++) {
		uint32_t at = p->seen.v[i].frame - p->placed_base;

		for (uint32_t k = 0; at < p->placed_n && k < npacks; k++)
			if (packs[k]->number == p->placed[at].pack) {
				p->seen.v[kept++] = p->seen.v[i];
				break;
			}
	}
	p->seen.n = kept;
}

/*
 * After a failure: the packs that are whole get a table all the same, or the
 * next run would store all of it again, onto a disk that is full maybe.  Not
 * where the store can't be reached, and so much was waited for that already.
 */
static void
salvage_stored(struct put *p)
{
	struct err ignored = ERR_INIT;
	struct pack **packs;
	struct object_id id;
	uint64_t size;
	uint32_t n;

	pipe_stop(p);
	packs_settle(p);
	table_out_free(p->table);
	p->table = NULL;
	if (p->err.code == ERR_NET ||
	    find_packs(p, OBJECT_PACK_DATA, &packs, &n, &ignored) != 0)
		return;
	keep_seen(p, packs, n);
	if (p->seen.n > 0 && make_table(p, packs, n, &ignored) == 0)
		(void)table_out_commit(p->table, &id, &size, &ignored);
	free(packs);
}

int
put_salvage(struct put *p, struct err *e)
{
	int rc = check(p, e);

	/* Whoever was told of places is past caring. */
	p->env.on_frame = NULL;
	p->env.on_pack = NULL;
	if (rc == 0 && close_kind(p, OBJECT_PACK_DATA, e) != 0)
		rc = put_fail(p, e);
	if (rc != 0)
		salvage_stored(p);
	put_free(p);
	return (rc);
}

void
put_stats(const struct put *p, struct put_stats *out)
{
	*out = p->stats;
}
