#ifndef VITRINE_ENGINE_PACK_FRAME_H
#define VITRINE_ENGINE_PACK_FRAME_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/id.h"
#include "engine/chunk/cutter.h"
#include "engine/crypto/keys.h"

/*
 * Frames: neighbouring chunks, compressed and sealed as one (vitrine-format(5),
 * FRAMES).  The life of one: frame_add() in order; frame_squeeze() anywhere
 * (compresses, decompresses again and compares); frame_seal() once its pack and
 * number are chosen (seals, opens again and compares).
 */
#define FRAME_TARGET	(1U << 20)	/* raw bytes at which a frame is full */
#define FRAME_SLOTS_MAX	8192
#define FRAME_RAW_MAX	(FRAME_TARGET + CHUNK_MAX)
#define FRAME_PREFIX	8		/* bytes in front of the sealed ones */

enum codec { CODEC_RAW = 0, CODEC_ZSTD = 1 };

struct slot_entry {
	struct chunk_id id;
	uint32_t len;
};

struct frame {
	struct buf raw;			/* the chunks, end to end; after
					 * frame_seal no longer */
	struct slot_entry *slots;	/* FRAME_SLOTS_MAX of them, owned */
	uint32_t nslots;
	uint8_t codec;			/* set by frame_squeeze */
	struct buf plain;		/* what will be sealed */
	struct buf stored;	/* prefix and sealed bytes, by frame_seal */
};

int frame_new(struct frame **out, struct err *);
void frame_free(struct frame *);
void frame_reset(struct frame *);	/* empties, keeps the memory */
/* Room for a chunk of len more bytes?  An empty frame takes any chunk, others
 * up to FRAME_TARGET. */
bool frame_has_room(const struct frame *, size_t len);
/* The slot that the chunk got. */
int frame_add(struct frame *, const struct chunk_id *, const void *, size_t len,
    uint32_t *slot, struct err *);
/* An empty frame gets what is in another, as it was added or, if that was
 * squeezed, as it was squeezed; then they are compared (ERR_CORRUPT). */
int frame_copy(struct frame *, const struct frame *src, struct err *);

/* A thread's compression state (contexts are costly to make); confined. */
struct squeezer;
int squeezer_new(struct squeezer **out, int level, struct err *);
void squeezer_free(struct squeezer *);
/* zstd at the squeezer's level, or raw where a cheap probe (or the result) says
 * that it gains nothing, or there is no squeezer (NULL).  With verify it is
 * decompressed again and compared; a round trip that differs is ERR_CORRUPT
 * ("this machine's memory or ..."). */
int frame_squeeze(struct frame *, struct squeezer *, bool verify, struct err *);

/* The secrets and names under which a pack's frames and directory are
 * sealed. */
struct pack_seal {			/* the holder wipes it after use */
	struct repo_id repo;
	uint32_t domain;
	uint8_t kind;			/* OBJECT_PACK_DATA or _META */
	uint8_t salt[SALT_BYTES];
	uint8_t frame_key[KEY_BYTES];
	uint8_t dir_key[KEY_BYTES];
};
void pack_seal_init(struct pack_seal *, const struct repo_id *,
    uint32_t domain, uint8_t kind, const uint8_t salt[SALT_BYTES],
    const uint8_t session_key[KEY_BYTES]);

/* Seal the squeezed frame as number `no' of that pack into `stored'; with
 * verify, open again and compare. */
int frame_seal(struct frame *, const struct pack_seal *, uint32_t no,
    bool verify, struct err *);

/* A decoded frame; all of its memory is owned. */
struct opened_frame {
	uint8_t *raw;			/* raw_cap bytes */
	size_t raw_len, raw_cap;
	size_t have;			/* of raw_len: how far it is decoded */
	uint32_t nslots, slots_cap;
	uint32_t *off;			/* nslots + 1 offsets into raw */
	uint8_t (*prefix)[8];		/* nslots id prefixes */
};
void opened_frame_fini(struct opened_frame *);
/* The memory that a frame of so many raw bytes gets: in few sizes, so that one
 * frame's serves another. */
size_t opened_frame_room(size_t raw_len);
/* Bytes of memory that it has. */
size_t opened_frame_bytes(const struct opened_frame *);
/* Open stored bytes (with their prefix) as frame `no' of that pack.
 * ERR_CORRUPT for whatever is off.  Thread-safe. */
int frame_open(struct opened_frame *out, const struct pack_seal *, uint32_t no,
    const void *stored, size_t len, struct err *);
/* The same into one that is zeroed or was opened before, whose memory serves
 * again where it is large enough.  After a failure it has no slots. */
int frame_reopen(struct opened_frame *, const struct pack_seal *, uint32_t no,
    const void *stored, size_t len, struct err *);
/* The same, but decoded no further than it takes to have that slot (`have'),
 * where that saves something.  Seal and slot table are verified as always; what
 * is behind is not looked at.  A slot that there isn't: as frame_reopen(). */
int frame_reopen_slot(struct opened_frame *, const struct pack_seal *,
    uint32_t no, const void *stored, size_t len, uint32_t slot, struct err *);

#endif
