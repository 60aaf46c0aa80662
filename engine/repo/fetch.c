/*
 * Chunks out of frames.  A place is tried first; the cache gives the frame, and
 * the slot there must carry the chunk's length and the beginning of its id, or,
 * where hashing is asked for or the writer was put-only, the bytes must hash to
 * the id.  Where a place doesn't hold, for whatever reason but a store that
 * doesn't answer, another is looked for: forwards, then tables.  So a chunk in
 * a damaged frame is still served if it lies elsewhere too.
 */
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/crypto/aead.h"
#include "engine/repo/fetch_int.h"
#include "engine/repo/impl.h"
#include "engine/repo/pack_name.h"

#define AHEAD_THREADS_MAX	4
#define AHEAD_THREADS_FAR	12	/* they mostly wait */
#define HOPS_MAX		8	/* repacks of repacks */
#define PLACES_MAX		64	/* of one chunk, by the tables */
#define SCRATCH_KEPT		4
#define SCRATCH_KEPT_BYTES	(FRAME_TARGET + (128U << 10))
/* A frame's stored bytes: its raw ones, the slot table, and what zstd or the
 * seal add at worst. */
#define FRAME_STORED_MAX	(FRAME_RAW_MAX + (256U << 10))

struct fetch {
	struct repo *repo;		/* borrowed */
	bool rehash;
	struct pack_keys *keys;
	struct frame_cache *cache;
	struct elsewhere *elsewhere;
	struct windows *windows;
	struct ahead *ahead;
	pthread_mutex_t lock;
	unsigned nscratch;		/* lock */
	struct buf scratch[SCRATCH_KEPT];	/* lock: for stored bytes */
};

/* What is asked for; id NULL: the slot's bytes, whatever they are. */
struct wanted {
	const struct chunk_id *id;
	bool alone;		/* no neighbour is wanted */
	bool len_known;
	uint32_t len;
};

static struct buf
scratch_get(struct fetch *f)
{
	struct buf b = BUF_INIT;

	pthread_mutex_lock(&f->lock);
	if (f->nscratch > 0)
		b = f->scratch[--f->nscratch];
	pthread_mutex_unlock(&f->lock);
	buf_reset(&b);
	return (b);
}

static void
scratch_put(struct fetch *f, struct buf *b)
{
	pthread_mutex_lock(&f->lock);
	if (f->nscratch < SCRATCH_KEPT && b->cap <= SCRATCH_KEPT_BYTES) {
		f->scratch[f->nscratch++] = *b;
		*b = (struct buf)BUF_INIT;
	}
	pthread_mutex_unlock(&f->lock);
	buf_fini(b);
}

/* The stored bytes of a frame; the store's own, no cache's, where they are read
 * again.  FETCH_NO_PACK. */
static int
read_frame(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, bool again, struct buf *dst, struct err *e)
{
	struct store *store = repo_store(f->repo);
	char name[PACK_NAME_BYTES];
	uint8_t *p;
	size_t got = 0;
	int rc;

	if (frame->stored > FRAME_STORED_MAX ||
	    frame->stored < FRAME_PREFIX + AEAD_TAG_BYTES)
		return (err_set(e, ERR_CORRUPT, "a place of %u bytes",
		    frame->stored));
	p = buf_grow(dst, frame->stored);
	if (p == NULL)
		return (buf_ok(dst, e));
	(void)pack_name(name, &pack->id);
	if (again)
		rc = store_read(store, name, frame->off, p, frame->stored,
		    &got, e);
	else if (pack->kind == OBJECT_PACK_META)
		return (windows_read(f->windows, pack, frame->off, p,
		    frame->stored, e));
	else
		rc = store_read_near(store, name, frame->off, p,
		    frame->stored, &got, true, e);
	if (rc != 0)
		return (rc == STORE_ABSENT ? FETCH_NO_PACK : rc);
	if (got != frame->stored)
		return (err_set(e, ERR_CORRUPT, "the pack is cut short"));
	return (0);
}

/* What was read didn't open: is it what is stored? */
static void
forget_frame(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame)
{
	char name[PACK_NAME_BYTES];

	if (pack->kind == OBJECT_PACK_META)
		windows_forget(f->windows, pack, frame->off, frame->stored);
	store_forget(repo_store(f->repo), pack_name(name, &pack->id),
	    frame->off, frame->stored);
}

static int
read_and_open(struct fetch *f, const struct pack_info *pack,
    const struct pack_seal *seal, const struct frame_info *frame,
    uint32_t slot, bool again, struct opened_frame *out, struct err *e)
{
	struct buf stored = scratch_get(f);
	int rc;

	rc = read_frame(f, pack, frame, again, &stored, e);
	if (rc == 0)
		rc = frame_reopen_slot(out, seal, frame->no, stored.data,
		    stored.len, slot, e);
	scratch_put(f, &stored);
	return (rc);
}

/* A frame_load_fn. */
static int
load_frame(void *ctx, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, struct opened_frame *out,
    struct err *e)
{
	struct fetch *f = ctx;
	struct pack_seal seal;
	char hex[ID_HEX];
	int rc;

	rc = pack_keys_get(f->keys, pack, &seal, e);
	if (rc == 0) {
		rc = read_and_open(f, pack, &seal, frame, slot, false, out, e);
		if (rc < 0 && e->code == ERR_CORRUPT) {
			err_init(e);
			forget_frame(f, pack, frame);
			rc = read_and_open(f, pack, &seal, frame, slot, true,
			    out, e);
		}
		sodium_memzero(&seal, sizeof(seal));
	}
	if (rc < 0)
		return (err_wrap(e, "pack %s: frame %u",
		    hex_emit(hex, pack->id.b, ID_BYTES), frame->no));
	return (rc);
}

/* What the slot's bytes hash to; hashed once while the frame is cached. */
static int
prove(struct fetch *f, struct fetched *x, uint32_t slot, const uint8_t *data,
    size_t len, struct chunk_id *id, struct err *e)
{
	struct proof *proof = &x->proof[slot];
	uint8_t key[KEY_BYTES];

	if (atomic_load_explicit(&proof->known, memory_order_acquire)) {
		*id = proof->id;
		return (0);
	}
	if (keyring_domain_id_key(repo_keyring(f->repo), x->domain, key,
	    e) != 0)
		return (-1);
	hash_keyed(id->b, key, data, len);
	sodium_memzero(key, sizeof(key));
	pthread_mutex_lock(&f->lock);
	if (!atomic_load_explicit(&proof->known, memory_order_relaxed)) {
		proof->id = *id;
		atomic_store_explicit(&proof->known, true,
		    memory_order_release);
	}
	pthread_mutex_unlock(&f->lock);
	return (0);
}

/* Does the slot hold what is wanted?  0, FETCH_NOT_THERE for another chunk, or
 * an error where a slot lies about its id. */
static int
check_slot(struct fetch *f, struct fetched *x, uint32_t slot,
    const struct wanted *w, const uint8_t **data, size_t *len, struct err *e)
{
	const struct opened_frame *o = &x->frame;
	struct chunk_id found;

	if (slot >= o->nslots)
		return (FETCH_NOT_THERE);
	*data = o->raw + o->off[slot];
	*len = o->off[slot + 1] - o->off[slot];
	if (w->len_known && w->len != *len)
		return (FETCH_NOT_THERE);
	if (w->id == NULL)
		return (0);
	if (memcmp(o->prefix[slot], w->id->b, sizeof(o->prefix[slot])) != 0)
		return (FETCH_NOT_THERE);
	if (x->proof == NULL)
		return (0);
	if (prove(f, x, slot, *data, *len, &found, e) != 0)
		return (-1);
	if (chunk_id_equal(&found, w->id))
		return (0);
	if (memcmp(found.b, w->id->b, sizeof(o->prefix[slot])) == 0)
		return (FETCH_NOT_THERE);
	return (err_set(e, ERR_CORRUPT, "a chunk does not hash to its id"));
}

/* What is wanted, from that place and no other. */
static int
from_place(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, const struct wanted *w,
    struct fetched **ref, const uint8_t **data, size_t *len, struct err *e)
{
	struct fetched *x;
	char hex[ID_HEX];
	int rc;

	rc = frame_cache_get(f->cache, pack, frame, w->alone ? slot :
	    FETCH_WHOLE, &x, e);
	if (rc != 0)
		return (rc);
	rc = check_slot(f, x, slot, w, data, len, e);
	if (rc == 0) {
		*ref = x;
		return (0);
	}
	frame_cache_put(f->cache, x);
	if (rc < 0)
		return (err_wrap(e, "pack %s: frame %u: slot %u",
		    hex_emit(hex, pack->id.b, ID_BYTES), frame->no, slot));
	return (rc);
}

/* Is this a result after which another place is worth a try? */
static bool
may_lie_elsewhere(int rc, const struct err *e)
{
	return (rc > 0 || (rc < 0 && is_object_bad(e)));
}

/* Follow forwards from a place until one holds. */
static int
from_forwards(struct fetch *f, const struct pack_info *pack, uint32_t frame,
    uint32_t slot, const struct wanted *w, struct fetched **ref,
    const uint8_t **data, size_t *len, struct err *e)
{
	struct pack_id id = pack->id;
	struct map_hit hit;

	for (unsigned hop = 0; hop < HOPS_MAX; hop++) {
		int rc;

		rc = elsewhere_forward(f->elsewhere, &id, frame, slot, &hit, e);
		if (rc != 0)
			return (rc);
		if (hit.pack.domain != pack->domain ||
		    hit.pack.kind != pack->kind)
			return (FETCH_NOT_THERE);
		rc = from_place(f, &hit.pack, &hit.frame, hit.slot, w, ref,
		    data, len, e);
		if (rc == 0 || !may_lie_elsewhere(rc, e))
			return (rc);
		id = hit.pack.id;
		frame = hit.frame.no;
		slot = hit.slot;
	}
	return (FETCH_NOT_THERE);
}

static bool
is_same_place(const struct map_hit *hit, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot)
{
	return (id_equal(hit->pack.id.b, pack->id.b) &&
	    hit->frame.no == frame->no && hit->frame.off == frame->off &&
	    hit->frame.stored == frame->stored && hit->slot == slot);
}

/* One place after another that tables name, until one holds. */
static int
from_tables(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, const struct wanted *w,
    struct fetched **ref, const uint8_t **data, size_t *len, struct err *e)
{
	struct map_hit hit;
	int rc;

	if (w->id == NULL || pack->kind != OBJECT_PACK_DATA)
		return (FETCH_NOT_THERE);
	for (unsigned nth = 0; nth < PLACES_MAX; nth++) {
		rc = elsewhere_table(f->elsewhere, pack->domain, w->id, nth,
		    &hit, e);
		if (rc != 0)
			return (rc);
		if (is_same_place(&hit, pack, frame, slot))
			continue;
		rc = from_place(f, &hit.pack, &hit.frame, hit.slot, w, ref,
		    data, len, e);
		if (rc == 0 || !may_lie_elsewhere(rc, e))
			return (rc);
		err_init(e);
	}
	return (FETCH_NOT_THERE);
}

static int
fetch_slot(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, const struct wanted *w,
    struct fetched **ref, const uint8_t **data, size_t *len, struct err *e)
{
	struct err first = ERR_INIT, other = ERR_INIT;
	char hex[ID_HEX];
	int rc, again;

	rc = from_place(f, pack, frame, slot, w, ref, data, len, &first);
	if (rc == 0)
		return (0);
	if (!may_lie_elsewhere(rc, &first)) {
		*e = first;
		return (-1);
	}
	again = from_forwards(f, pack, frame->no, slot, w, ref, data, len,
	    &other);
	if (may_lie_elsewhere(again, &other))
		again = from_tables(f, pack, frame, slot, w, ref, data, len,
		    &other);
	if (again == 0)
		return (0);
	if (again < 0 && !may_lie_elsewhere(again, &other)) {
		/* Not proven lost: the store didn't answer. */
		*e = other;
		return (-1);
	}
	if (rc < 0) {
		*e = first;
		return (-1);
	}
	hex_emit(hex, pack->id.b, ID_BYTES);
	if (rc == FETCH_NO_PACK)
		return (err_set(e, ERR_CORRUPT, "pack %s is missing", hex));
	return (err_set(e, ERR_CORRUPT,
	    "pack %s: frame %u: slot %u holds another chunk", hex, frame->no,
	    slot));
}

int
fetch_chunk(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, const struct chunk_id *id,
    uint32_t len, struct fetched **ref, const uint8_t **data, struct err *e)
{
	const struct wanted w = { .id = id, .len_known = true, .len = len };
	size_t found;

	return (fetch_slot(f, pack, frame, slot, &w, ref, data, &found, e));
}

int
fetch_alone(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, const struct chunk_id *id,
    uint32_t len, struct fetched **ref, const uint8_t **data, struct err *e)
{
	const struct wanted w = {
		.id = id, .alone = true, .len_known = true, .len = len
	};
	size_t found;

	return (fetch_slot(f, pack, frame, slot, &w, ref, data, &found, e));
}

int
fetch_meta(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot, const struct chunk_id *id,
    struct fetched **ref, const uint8_t **data, size_t *len, struct err *e)
{
	const struct wanted w = { .id = id };

	return (fetch_slot(f, pack, frame, slot, &w, ref, data, len, e));
}

bool
fetch_was_hashed(const struct fetched *x)
{
	return (x->proof != NULL);
}

void
fetch_put(struct fetch *f, struct fetched *x)
{
	if (x != NULL)
		frame_cache_put(f->cache, x);
}

void
fetch_ahead(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame)
{
	ahead_ask(f->ahead, pack, frame, FETCH_WHOLE);
}

void
fetch_ahead_slot(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot)
{
	ahead_ask(f->ahead, pack, frame, slot);
}

bool
fetch_is_ready(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t slot)
{
	return (frame_cache_is_ready(f->cache, pack, frame->no, slot));
}

struct repo *
fetch_repo(struct fetch *f)
{
	return (f->repo);
}

struct pack_keys *
fetch_keys(struct fetch *f)
{
	return (f->keys);
}

bool
fetch_is_chunk(struct fetch *f, uint32_t domain, const struct chunk_id *id,
    const void *data, size_t len)
{
	struct err e = ERR_INIT;
	uint8_t key[KEY_BYTES];
	struct chunk_id found;

	if (keyring_domain_id_key(repo_keyring(f->repo), domain, key, &e) != 0)
		return (false);
	hash_keyed(found.b, key, data, len);
	sodium_memzero(key, sizeof(key));
	return (chunk_id_equal(&found, id));
}

size_t
fetch_peak_bytes(struct fetch *f)
{
	size_t now, peak;

	frame_cache_usage(f->cache, &now, &peak);
	return (peak);
}

static unsigned
ahead_threads(const struct repo *repo)
{
	long n = (long)repo_env(repo)->threads;
	unsigned far = repo_store(repo)->parallel;

	if (far > 0)
		return (far < AHEAD_THREADS_FAR ? far : AHEAD_THREADS_FAR);
	if (n <= 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	if (n < 1)
		n = 1;
	return (n < AHEAD_THREADS_MAX ? (unsigned)n : AHEAD_THREADS_MAX);
}

int
fetch_new(struct fetch **out, struct repo *repo, size_t cache_bytes,
    bool rehash, struct err *e)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	f->repo = repo;
	f->rehash = rehash;
	pthread_mutex_init(&f->lock, NULL);
	if (pack_keys_new(&f->keys, repo, e) != 0 ||
	    elsewhere_new(&f->elsewhere, repo, e) != 0 ||
	    windows_new(&f->windows, repo, e) != 0 ||
	    frame_cache_new(&f->cache, cache_bytes, rehash, load_frame, f,
	    e) != 0 ||
	    ahead_new(&f->ahead, f->cache, ahead_threads(repo), e) != 0) {
		fetch_free(f);
		return (-1);
	}
	*out = f;
	return (0);
}

void
fetch_free(struct fetch *f)
{
	if (f == NULL)
		return;
	ahead_free(f->ahead);
	frame_cache_free(f->cache);
	elsewhere_free(f->elsewhere);
	windows_free(f->windows);
	pack_keys_free(f->keys);
	for (unsigned i = 0; i < f->nscratch; i++)
		buf_fini(&f->scratch[i]);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
