#ifndef VITRINE_ENGINE_REPO_FETCH_INT_H
#define VITRINE_ENGINE_REPO_FETCH_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/map/map.h"
#include "engine/repo/fetch.h"

/*
 * What the files of the fetch module share.  Nobody else includes this.
 *
 *	fetch.c			the contract: a chunk at a place, verified
 *	fetch_cache.c		decoded frames, bounded, each fetched once
 *	fetch_window.c		fewer and larger reads of metadata packs
 *	fetch_pack.c		keys, headers and directories of packs
 *	fetch_elsewhere.c	forwards and tables, where a place does not hold
 *	fetch_forward.c		which forwards speak of a pack, and what
 *	fetch_ahead.c		frames brought in by threads of our own
 *	fetch_run.c		frames in the order of the store
 */

#define FETCH_NOT_THERE	1	/* the place is another chunk's, or unknown */
#define FETCH_NO_PACK	2	/* the pack is not in the store */

enum fetched_state {
	FETCHED_LOADING, FETCHED_READY, FETCHED_FAILED, FETCHED_REPLACED
};

/* What a slot's bytes were found to hash to. */
struct proof {
	atomic_bool known;		/* id is written before, never after */
	struct chunk_id id;
};

/* A decoded frame in the cache.  `lock' is its shard's. */
struct fetched {
	struct fetched *chain;		/* same bucket; lock */
	struct fetched *newer;		/* unreferenced ones by age; lock */
	struct fetched *older;
	struct pack_id pack;		/* the key; immutable */
	uint32_t domain;
	uint32_t writer;
	uint32_t no;
	uint32_t shard;
	uint32_t slot;			/* loaded for it, or FETCH_WHOLE */
	uint32_t refs;			/* lock */
	enum fetched_state state;	/* lock */
	size_t charged;			/* bytes counted in the shard; lock */
	struct opened_frame frame;	/* immutable once READY */
	struct proof *proof;		/* one a slot; NULL: the seal will do */
	int outcome;			/* when FAILED: FETCH_NO_PACK or -1 */
	struct err err;
};

/* fetch_cache.c */
struct frame_cache;
/* Fills the frame up to that slot (FETCH_WHOLE: all of it), which may bring
 * memory of another (frame_reopen()); runs without a lock. */
typedef int frame_load_fn(void *ctx, const struct pack_info *,
    const struct frame_info *, uint32_t slot, struct opened_frame *,
    struct err *);
int frame_cache_new(struct frame_cache **out, size_t bytes, bool rehash,
    frame_load_fn *, void *ctx, struct err *);
void frame_cache_free(struct frame_cache *);
/* A reference to the frame, decoded up to that slot at least, or FETCH_WHOLE;
 * loaded when it wasn't there.  FETCH_NO_PACK. */
int frame_cache_get(struct frame_cache *, const struct pack_info *,
    const struct frame_info *, uint32_t slot, struct fetched **, struct err *);
void frame_cache_put(struct frame_cache *, struct fetched *);
/* Loaded up to that slot, or being loaded; and loaded. */
bool frame_cache_has(struct frame_cache *, const struct pack_info *,
    uint32_t no, uint32_t slot);
bool frame_cache_is_ready(struct frame_cache *, const struct pack_info *,
    uint32_t no, uint32_t slot);
/* Bytes held now, and the most that ever were. */
void frame_cache_usage(struct frame_cache *, size_t *now, size_t *peak);

/* fetch_window.c */
struct windows;
int windows_new(struct windows **out, struct repo *, struct err *);
void windows_free(struct windows *);
/* Exactly len stored bytes of a metadata pack; neighbours may come along, for
 * those who ask next.  Thread-safe.  FETCH_NO_PACK. */
int windows_read(struct windows *, const struct pack_info *, uint64_t off,
    void *dst, size_t len, struct err *);
/* Bytes that windows_read gave are not what was stored: no window has them any
 * more, nor a cache what those windows were read for. */
void windows_forget(struct windows *, const struct pack_info *, uint64_t off,
    size_t len);

/* fetch_pack.c */
struct pack_keys;
int pack_keys_new(struct pack_keys **out, struct repo *, struct err *);
void pack_keys_free(struct pack_keys *);
/* The keys of a pack, after its record was found worth trusting.  The caller
 * wipes *seal.  FETCH_NO_PACK when the pack had to be looked at and is not in
 * the store. */
int pack_keys_get(struct pack_keys *, const struct pack_info *,
    struct pack_seal *, struct err *);

/* fetch_elsewhere.c */
struct elsewhere;
int elsewhere_new(struct elsewhere **out, struct repo *, struct err *);
void elsewhere_free(struct elsewhere *);
/* Where a repack moved that slot: 0 and the new place; FETCH_NOT_THERE. */
int elsewhere_forward(struct elsewhere *, const struct pack_id *,
    uint32_t frame, uint32_t slot, struct map_hit *, struct err *);
/* The nth place, from 0, where the tables of the domain say that a chunk lies;
 * FETCH_NOT_THERE. */
int elsewhere_table(struct elsewhere *, uint32_t domain,
    const struct chunk_id *, unsigned nth, struct map_hit *, struct err *);

/* fetch_forward.c */
struct forward_index;
/* Damaged ones are said in the log and left out. */
int forward_index_load(struct forward_index **out, struct repo *, struct err *);
void forward_index_free(struct forward_index *);
/* Thread-safe.  0 and the new place; FETCH_NOT_THERE. */
int forward_index_find(struct forward_index *, const struct pack_id *,
    uint32_t frame, uint32_t slot, struct map_hit *, struct err *);

/* fetch_ahead.c */
struct ahead;
int ahead_new(struct ahead **out, struct frame_cache *, unsigned threads,
    struct err *);
void ahead_free(struct ahead *);
void ahead_ask(struct ahead *, const struct pack_info *,
    const struct frame_info *, uint32_t slot);

/* fetch.c */
struct repo *fetch_repo(struct fetch *);
struct pack_keys *fetch_keys(struct fetch *);
/* For tests: the most bytes that the cache ever held. */
size_t fetch_peak_bytes(struct fetch *);

#endif
