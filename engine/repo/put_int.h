#ifndef VITRINE_ENGINE_REPO_PUT_INT_H
#define VITRINE_ENGINE_REPO_PUT_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/repo/put.h"

/*
 * What the files of the put module share.  Nobody else includes this.
 *
 *	put.c		the contract: dedup, frames being filled, barriers
 *	put_known.c	what the store has already: the map, less what is gone
 *	put_seen.c	what this run has stored since its last table
 *	put_pipe.c	frames in flight: squeeze, choice, seal, append
 *	put_pack.c	packs being written, and their closing
 */

#define FRAMES_IN_FLIGHT_MIN	5	/* three are filled, two on their way */
#define FRAMES_IN_FLIGHT_MAX	32
#define META_FRAME_TARGET	(256U << 10)

/* put_known.c */
struct known;
int known_new(struct known **out, struct session *, struct err *);
void known_free(struct known *);	/* NULL is fine */
/* The rest is thread-safe.  These open the map at need. */
int known_map(struct known *, struct map **, struct err *);
/* 0 and the place; MAP_UNKNOWN. */
int known_find(struct known *, const struct chunk_id *, struct map_hit *,
    struct err *);
/* How many of a run's full tables may pile up: their filters take half of the
 * map's cache, or less. */
unsigned known_tables(const struct known *);
/* < 0 when the map could not be opened. */
int known_check(struct known *, struct err *);

/* put_seen.c: confined to the coordinator. */
struct seen {
	struct map_entry *v;		/* owned; no pack, the run's frame */
	uint32_t n;
	uint32_t cap;			/* a power of two */
	uint32_t *bucket;		/* owned, 2 * cap; 0: empty */
};
void seen_fini(struct seen *);
void seen_reset(struct seen *);		/* empties, keeps the memory */
void seen_index(struct seen *);		/* after v was put in another order */
const struct map_entry *seen_find(const struct seen *, const struct chunk_id *);
/* The id must not be there. */
int seen_add(struct seen *, const struct chunk_id *, uint32_t frame,
    uint32_t slot, struct err *);

enum stream { STREAM_DATA, STREAM_META, STREAM_MIRROR, STREAMS };

static inline enum object_kind
stream_kind(enum stream s)
{
	return (s == STREAM_DATA ? OBJECT_PACK_DATA : OBJECT_PACK_META);
}

/*
 * A frame and its job.  Being filled (coordinator) -> squeezed (worker) ->
 * given a pack and number (coordinator) -> sealed (worker) -> given a place
 * (coordinator) -> appended (worker) -> free again.
 *
 * Metadata that is stored twice is squeezed once: while the frames of both
 * streams hold the same, the mirror's is the other's twin and stays empty, and
 * whoever squeezes the one copies it into the other.
 */
struct item {
	struct job job;			/* first: a job is its item */
	struct item *next;	/* among the free ones, or those appending */
	struct put *put;
	struct frame *frame;		/* owned */
	struct item *twin;		/* until both are squeezed; NULL */
	enum stream stream;
	uint32_t number;		/* the run's */
	struct pack *pack;		/* once chosen */
	uint32_t no;			/* in the pack */
	struct frame_info info;		/* once it has a place */
	int rc;
	struct err err;
};

/* A pack being written. */
struct pack {
	struct job job;			/* first: the closing */
	struct pack *next;		/* among the closed ones */
	struct put *put;
	enum stream stream;
	uint32_t number;		/* the run's */
	struct lane *append;		/* borrowed: where its frames queue */
	struct packer *packer;		/* owned */
	struct store_put *out;		/* owned until the commit */
	uint32_t assigned;		/* frames given to it */
	uint32_t placed;		/* of them, given a place */
	uint32_t appended;		/* of them, appended */
	uint64_t bytes;			/* of the frames given to it */
	uint64_t slots;			/* likewise */
	bool full;			/* gets no more */
	bool named;			/* name_lock */
	bool ended;			/* name_lock: named, or failed to be */
	bool told;			/* the caller knows its name */
	struct frame_info *frames;	/* owned; data only; placed of them */
	uint32_t frames_cap;
	struct pack_info info;		/* once named */
	int rc;
	struct err err;
};

#define DATA_PACKS_OPEN	2
#define PACKS_OPEN	(DATA_PACKS_OPEN + STREAMS - 1)

/* A frame that lies in its pack, not yet told. */
struct told {
	uint32_t frame;
	uint32_t pack;
	struct frame_info info;
};

/* Where a data frame of this epoch lies. */
struct placed {
	uint32_t pack;			/* the run's number */
	uint32_t no;
};

struct squeezers {
	pthread_mutex_t lock;
	struct squeezer **v;		/* lock; owned; the idle ones */
	unsigned n;			/* lock */
	int level;
};

struct put {
	struct session *session;	/* borrowed, as what follows from it */
	struct store *store;
	const struct keyring *keyring;
	enum hash_kind naming;		/* of packs */
	struct put_env env;
	uint32_t domain;
	uint8_t *id_key;		/* owned, sodium_malloc'ed */
	struct known *known;
	atomic_uint epoch;		/* grows with each table */
	atomic_bool cancel;		/* jobs not begun needn't be run */
	bool failed;
	struct err err;			/* of the first failure */

	struct seen seen;
	struct table_out *table;	/* owned: put_name()'s, not committed */
	struct put_stats stats;
	uint64_t entries;		/* in this run's tables */
	unsigned full;			/* of these, tables of full size */
	unsigned parts;			/* ... that came by time */
	int64_t epoch_s;		/* when it began, by the wall clock */
	uint64_t epoch_bytes;		/* bytes_new then */
	uint64_t merge_entries;	/* what is merged next; 0: as entries */

	/* put_pipe.c */
	struct item *items;		/* owned */
	unsigned nitems;
	struct item *free_items;
	struct item *filling[STREAMS];
	struct lane *squeeze;
	struct lane *seal;
	struct lane *append[PACKS_OPEN];	/* one job of each at a time */
	struct item *appending;		/* in those lanes, by number */
	struct item **appending_tail;
	struct squeezers squeezers;
	uint32_t next_frame;
	uint64_t submitted;		/* frames */
	uint64_t appended;
	uint64_t delivered;		/* told to the caller */
	struct told ring[FRAMES_IN_FLIGHT_MAX];	/* appended, not delivered */
	struct placed *placed;		/* owned; by number - placed_base */
	uint32_t placed_base;
	uint32_t placed_n;		/* the data frames below have one */
	uint32_t placed_cap;

	/* put_pack.c */
	struct pool *closers;		/* owned */
	struct lane *closing;
	struct pack *closing_first;	/* those in the lane, in its order */
	struct pack **closing_tail;
	pthread_mutex_t name_lock;
	pthread_cond_t name_cond;	/* a pack has ended */
	bool named;			/* put_name() of data, not yet in a
					 * table */
	struct pack *open_data[DATA_PACKS_OPEN];
	struct pack *open_meta[STREAMS];	/* by stream, not data */
	bool spread;			/* data goes to two packs */
	uint32_t next_pack;
	struct pack *filled;		/* full, not all appended; owned */
	struct pack *closed;		/* owned; in the order of closing */
	struct pack **closed_tail;
};

/* put.c: note the first failure, cancel what is queued; returns -1. */
int put_fail(struct put *, const struct err *);

/* put_pipe.c */
int pipe_open(struct put *, struct err *);
/* After a failure: wait until nothing is on its way; what was is lost. */
void pipe_stop(struct put *);
void pipe_close(struct put *);
/* The frame being filled for a stream, with room for len bytes more. */
int pipe_room(struct put *, enum stream, size_t len, struct item **out,
    struct err *);
/* For metadata that is stored twice, after the first copy was added: the
 * twin, if there is or can be one; else NULL, and the mirror is filled. */
int pipe_twin(struct put *, struct item **out, struct err *);
/* Before metadata that is stored once. */
int pipe_part(struct put *, struct err *);
/* Send on what is being filled for streams of that kind, and wait until all
 * that was sent is appended and told. */
int pipe_flush(struct put *, enum object_kind, struct err *);

/* put_pack.c */
int packs_open(struct put *, struct err *);
void packs_close(struct put *);		/* aborts what is not closed */
/* The pack for the next frame of a stream, which starts with those slots and
 * will take so many bytes. */
int packs_choose(struct put *, enum stream, const struct frame *,
    size_t bytes, struct pack **out, uint32_t *no, struct err *);
/* A sealed frame's turn: its place in the pack. */
int packs_place(struct pack *, const struct frame *, struct frame_info *,
    struct err *);
/* On a worker, a pack's frames in the order of their places: the bytes. */
int pack_append(struct pack *, const struct frame *, struct err *);
/* A frame was appended: closes the pack behind its last one. */
int packs_appended(struct put *, struct pack *, struct err *);
/* Begin to close all packs of that kind; nothing of it is in flight. */
int packs_begin_close(struct put *, enum object_kind, struct err *);
/* Wait until each closing pack of that kind has its name; false when one won't
 * have one before it is taken: it failed, or no thread runs. */
bool packs_await_names(struct put *, enum object_kind);
/* Wait until what is closing of that kind is stored, and so closed. */
int packs_finish(struct put *, enum object_kind, struct err *);
/* After pipe_stop(): wait until nothing is closing.  What could be stored all
 * the same counts as closed; all else is given up, which makes room. */
void packs_settle(struct put *);
/* Give up all that was not closed of that kind. */
void packs_abandon(struct put *, enum object_kind);
void pack_free(struct pack *);

#endif
