#ifndef VITRINE_ENGINE_REPO_RECORDS_H
#define VITRINE_ENGINE_REPO_RECORDS_H

#include "engine/repo/manifest.h"

/*
 * The contents of the small objects: leases, condemned, damaged (plain
 * objects), forwards, forgotten, tags (sealed).  vitrine-format(5), LEASES,
 * FORWARDS, TAGS.  Values; parse and emit do no I/O.  A parser takes the whole
 * content; ERR_CORRUPT for what is off, and then nothing is left to free.
 */

enum lease_role { LEASE_WRITER = 1, LEASE_COLLECTOR = 2 };
struct lease {
	uint8_t role;			/* enum lease_role */
	uint32_t generation;
	struct bytes host;		/* owned */
	struct stamp time;		/* for people */
};
void lease_fini(struct lease *);
int lease_emit(struct buf *, const struct lease *, struct err *);
int lease_parse(struct lease *, const void *, size_t len, struct err *);

enum condemned_state { CONDEMNED = 1, CONDEMNED_DELETING = 2 };
struct condemned {
	uint8_t state;			/* enum condemned_state */
	struct strings leases;	/* "RUN-GEN", as seen by the collector */
	struct pack_id *packs;		/* owned */
	uint32_t npacks;
};
void condemned_fini(struct condemned *);
int condemned_emit(struct buf *, const struct condemned *, struct err *);
int condemned_parse(struct condemned *, const void *, size_t len, struct err *);

struct damaged_pack {
	struct pack_id id;
	bool whole;
	uint32_t *frames;		/* owned; none when whole */
	uint32_t nframes;
};
struct damaged {
	struct damaged_pack *v;		/* owned */
	uint32_t n;
};
void damaged_fini(struct damaged *);
int damaged_emit(struct buf *, const struct damaged *, struct err *);
int damaged_parse(struct damaged *, const void *, size_t len, struct err *);

/* One chunk's move. */
struct forward_move {
	uint32_t frame, slot;		/* in the old pack */
	struct frame_info to;		/* in the new one */
	uint32_t to_slot;
};
/* What moved from one pack into one other. */
struct forward {
	struct pack_id old;
	struct pack_info pack;		/* the new one */
	struct forward_move *moves;	/* owned; sorted by frame, slot */
	uint32_t nmoves;
};
struct forwards {
	struct forward *v;		/* owned; sorted by old */
	uint32_t n;
};
void forwards_fini(struct forwards *);
int forwards_emit(struct buf *, const struct forwards *, struct err *);
/* Sorts what it has read: forwards_find() may follow. */
int forwards_parse(struct forwards *, const void *, size_t len, struct err *);
/* For those who make one by hand: sort it as parsing does. */
void forwards_sort(struct forwards *);
/* Where did the chunk in that slot go?  false: nowhere that we know.  *pack is
 * borrowed. */
bool forwards_find(const struct forwards *, const struct pack_id *old,
    uint32_t frame, uint32_t slot, const struct pack_info **pack,
    struct frame_info *, uint32_t *to_slot);

struct tombstone {
	struct snapshot_id id;
	struct lineage_id lineage;
	uint64_t sequence;
	struct snapshot_id previous;
	struct stamp time;		/* the snapshot's */
};
struct forgotten {
	struct tombstone *v;		/* owned */
	uint32_t n;
};
void forgotten_fini(struct forgotten *);
int forgotten_emit(struct buf *, const struct forgotten *, struct err *);
int forgotten_parse(struct forgotten *, const void *, size_t len, struct err *);

/* The tags that a snapshot has from now on. */
struct tag_set {
	struct snapshot_id snapshot;
	uint64_t serial;		/* from 1; the highest counts */
	struct strings tags;		/* owned; sorted by bytes, distinct */
};
void tag_set_fini(struct tag_set *);
int tag_set_emit(struct buf *, const struct tag_set *, struct err *);
int tag_set_parse(struct tag_set *, const void *, size_t len, struct err *);

#endif
