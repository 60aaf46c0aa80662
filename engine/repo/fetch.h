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
/* A metadata chunk: *len is set.  A NULL id (a delta) leaves it to the caller
 * to verify what the bytes decode to. */
int fetch_meta(struct fetch *, const struct pack_info *,
    const struct frame_info *, uint32_t slot, const struct chunk_id *,
    struct fetched **ref, const uint8_t **data, size_t *len, struct err *);
void fetch_put(struct fetch *, struct fetched *);	/* NULL is fine */
/* Bring a frame into the cache, without waiting for room; errors are left for
 * the one who asks for it. */
void fetch_ahead(struct fetch *, const struct pack_info *,
    const struct frame_info *);

/* A pack's directory, read and verified; for check, forwards and repair.
 * STORE_ABSENT where there is no such pack, here and below. */
int fetch_directory(struct repo *, const struct pack_info *,
    struct pack_directory *, struct err *);
/* A pack's header as stored, its MAC verified. */
int fetch_pack_info(struct repo *, const struct pack_id *, enum object_kind,
    struct pack_info *, struct err *);

#endif
