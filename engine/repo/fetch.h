#ifndef VITRINE_ENGINE_REPO_FETCH_H
#define VITRINE_ENGINE_REPO_FETCH_H

#include "engine/pack/pack.h"
#include "engine/repo/repo.h"

/*
 * Reading chunks: a bounded cache of decoded frames over the store, shared by
 * threads (two that want one frame fetch it once).  No byte leaves here that
 * was not authenticated as that chunk: the frame's seal always; the chunk's id
 * as well (rehash) when asked or when the pack's writer is put-only.
 */
struct fetch;
struct fetched;				/* a referenced decoded frame */

/* cache_bytes bounds the decoded frames, bookkeeping counted; what callers hold
 * references to at the time may come on top.  The repository is borrowed. */
int fetch_new(struct fetch **out, struct repo *, size_t cache_bytes,
    bool rehash, struct err *);
void fetch_free(struct fetch *);

/*
 * The bytes of chunk `id' of len bytes at that place.  *data is borrowed from
 * *ref until fetch_put().  Where the place does not hold (no such pack, other
 * id) the forwards and then the tables are asked (vitrine-format(5), PLACES).
 * ERR_CORRUPT for damage, ERR_SYS/NET for a store that doesn't answer.
 */
int fetch_chunk(struct fetch *, const struct pack_info *,
    const struct frame_info *, uint32_t slot, const struct chunk_id *,
    uint32_t len, struct fetched **ref, const uint8_t **data, struct err *);
/* The same for one who wants none of its neighbours: the frame, unless it
 * is there, is decoded no further than it must. */
int fetch_alone(struct fetch *, const struct pack_info *,
    const struct frame_info *, uint32_t slot, const struct chunk_id *,
    uint32_t len, struct fetched **ref, const uint8_t **data, struct err *);
/* A metadata chunk: *len is set.  A NULL id (a delta) leaves it to the caller
 * to verify what the bytes decode to. */
int fetch_meta(struct fetch *, const struct pack_info *,
    const struct frame_info *, uint32_t slot, const struct chunk_id *,
    struct fetched **ref, const uint8_t **data, size_t *len, struct err *);
/* Were the bytes that came with this reference hashed, and the id compared that
 * was asked for?  (Else the seal spoke for them.) */
bool fetch_was_hashed(const struct fetched *);
void fetch_put(struct fetch *, struct fetched *);	/* NULL is fine */
/* Bring a frame into the cache, without waiting for room; errors are left for
 * the one who asks for it. */
void fetch_ahead(struct fetch *, const struct pack_info *,
    const struct frame_info *);
/* The same for one slot alone, or FETCH_WHOLE. */
#define FETCH_WHOLE	UINT32_MAX
void fetch_ahead_slot(struct fetch *, const struct pack_info *,
    const struct frame_info *, uint32_t slot);
/* Is that slot of a frame in the cache, so that it is had without waiting? */
bool fetch_is_ready(struct fetch *, const struct pack_info *,
    const struct frame_info *, uint32_t slot);

/*
 * Reading in the order of the store: a run is n > 0 frames of one pack, by
 * rising offset, that one access to the store reads.  fetch_run_len() tells how
 * many of the first of v make one: gaps of at most FETCH_GAP_MAX, max_bytes in
 * all (a frame that is longer is a run by itself).
 *
 * fetch_run() decodes one frame after another and calls fn with each, on the
 * calling thread; x is the callee's until it returns.  It is NULL where the
 * frame can't be had, for whatever reason: fetch_chunk() then tells why, or
 * finds the chunk elsewhere.  fn: 0 to go on; anything else ends the run and is
 * returned.  The frames are not cached; memory is the run's stored bytes, in
 * scratch (the caller's, kept for the next run), and one frame.
 */
#define FETCH_GAP_MAX	(1U << 20)
typedef int fetch_run_fn(void *ctx, size_t i, struct fetched *x, struct err *);
size_t fetch_run_len(const struct frame_info *v, size_t n, size_t max_bytes);
int fetch_run(struct fetch *, const struct pack_info *,
    const struct frame_info *v, size_t n, struct buf *scratch, fetch_run_fn *,
    void *ctx, struct err *);
/* A chunk in that frame, hashed always; false: it isn't there. */
bool fetch_run_chunk(struct fetch *, struct fetched *, uint32_t slot,
    const struct chunk_id *, uint32_t len, const uint8_t **data);
/* Are these bytes that chunk of the domain? */
bool fetch_is_chunk(struct fetch *, uint32_t domain, const struct chunk_id *,
    const void *, size_t len);

/* A pack's directory, read and verified; for check, forwards and repair.
 * STORE_ABSENT where there is no such pack, here and below. */
int fetch_directory(struct repo *, const struct pack_info *,
    struct pack_directory *, struct err *);
/* A pack's header as stored, its MAC verified. */
int fetch_pack_info(struct repo *, const struct pack_id *, enum object_kind,
    struct pack_info *, struct err *);
/* Both at once, of a pack of that size (as listed), in fewer reads.  kind 0:
 * either.  Where the header was good but not the directory, info is set all the
 * same; else its kind is 0. */
int fetch_pack(struct repo *, const struct pack_id *, uint64_t size_bytes,
    enum object_kind kind, struct pack_info *, struct pack_directory *,
    struct err *);
/* The same of a pack whose bytes are these. */
int fetch_pack_parse(struct repo *, const struct pack_id *,
    enum object_kind kind, const void *bytes, size_t len, struct pack_info *,
    struct pack_directory *, struct err *);

#endif
