#ifndef VITRINE_ENGINE_REPO_PUT_H
#define VITRINE_ENGINE_REPO_PUT_H

#include "engine/base/pool.h"
#include "engine/map/map.h"
#include "engine/repo/session.h"

/*
 * Storing chunks: dedup, frames, compression, sealing, packs, tables, as a
 * pipeline over a pool (DESIGN section 6, stages b to e).  The coordinator
 * calls put_chunk() in source order, and that order alone decides every byte
 * that is written (but that in a run of many minutes tables come by the wall
 * clock); the heavy stages run on the pool's workers behind it.
 *
 *	put_chunk (ordered, memcpy) -> squeeze (parallel) -> choice of pack and
 *	number (ordered) -> seal (parallel) -> append to the pack (ordered)
 *	-> close: directory, fsync, name (parallel), table
 *
 * Confined to the coordinator but for put_lookup().
 */
struct put;

/* The priority of our lanes in the pool (this and the next); those of the
 * stages before us take a lower one. */
#define PUT_PRIORITY	16

struct put_env {
	struct pool *pool;		/* borrowed; its coordinator is ours */
	size_t budget_bytes;		/* for frames in flight */
	int level;			/* zstd; 0 = the default, 3 */
	bool raw_data;			/* data frames are not compressed */
	bool verify_data;		/* open data frames again (do) */
	/*
	 * Told by the coordinator from within put_ calls, at moments that the
	 * calls alone decide.  A frame (the number put_chunk() or put_meta()
	 * gave): in the order in which frames were filled up, some dozens of
	 * frames later or at put_flush() or put_close().  A pack (this run's,
	 * counted from 0): at put_name(), when it may not be stored yet, else
	 * once it is durable, at put_close() and wherever put_chunk() writes a
	 * table, in the order of the numbers; so after its frames.
	 */
	int (*on_frame)(void *ctx, uint32_t frame, uint32_t pack,
	    const struct frame_info *, struct err *);
	int (*on_pack)(void *ctx, uint32_t pack, const struct pack_info *,
	    struct err *);
	void *ctx;
};
int put_open(struct put **out, struct session *, const struct put_env *,
    struct err *);
/* Frees; what was not finished leaves orphan objects that a collection
 * removes, never a half one.  NULL is fine. */
void put_free(struct put *);

/* From any thread: the id of a chunk, and whether the map knows it.  The answer
 * is a hint for put_chunk, which asks again where a table came in between. */
struct put_hint {
	struct chunk_id id;
	bool known;
	uint32_t epoch;			/* the put's */
	struct map_hit hit;		/* when known */
};
int put_lookup(struct put *, const void *, size_t len, struct put_hint *,
    struct err *);

/* Where a chunk lies or will lie. */
struct place {
	bool fresh;			/* of this run: frame is a run number */
	uint32_t frame;			/* when fresh */
	uint32_t slot;
	struct map_hit hit;		/* when not fresh */
};
/* Ordered: one data chunk.  The bytes are copied. */
int put_chunk(struct put *, const struct put_hint *, const void *, size_t len,
    struct place *, struct err *);
/*
 * Ordered: one metadata chunk, always stored; with `twice' a second time into
 * another pack.  place[1].frame is UINT32_MAX when not twice.
 */
int put_meta(struct put *, const void *, size_t len, bool twice,
    struct chunk_id *id, struct place place[2], struct err *);
/* Flush open frames of that kind, wait until all are placed (on_frame told for
 * whatever was on its way, of either kind). */
int put_flush(struct put *, enum object_kind, struct err *);
/*
 * Begin to close all data packs, and tell of each (on_pack) as soon as it has
 * its name: what names them can be made while they go to the store.  Before
 * anybody else may learn of them a put_close() of any kind is due.
 */
int put_name(struct put *, struct err *);
/* Flush and close all packs of that kind (on_pack told for each), durable when
 * this returns, as is then all that was given to put_name().  The table is
 * written for OBJECT_PACK_DATA and for what put_name() had. */
int put_close(struct put *, enum object_kind, struct err *);
/* SIGTERM: put what is whole into packs and a table, so that the next run finds
 * it; then free.  After a failure the packs that are stored get that table,
 * unless the store can't be reached; the failure is returned all the same. */
int put_salvage(struct put *, struct err *);

struct put_stats {
	uint64_t chunks_new, chunks_known;
	uint64_t bytes_new;		/* raw */
	uint64_t bytes_added;		/* stored: packs and tables */
	uint64_t packs;
};
void put_stats(const struct put *, struct put_stats *);

#endif
