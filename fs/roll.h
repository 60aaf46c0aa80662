#ifndef VITRINE_FS_ROLL_H
#define VITRINE_FS_ROLL_H

#include "engine/repo/repo.h"

/*
 * The roll of snapshots that a mount shows: names, numbers and positions,
 * which once given stay while the mount lasts, whatever comes and goes.
 * Thread-safe.
 */
struct roll;

#define ROLL_TIME_NAME	48
struct roll_item {
	struct snapshot_id id;
	uint32_t number;		/* from 1 to LAYOUT_SNAPSHOTS_MAX */
	struct stamp time;
	uint64_t bytes, entries;
	bool gone;			/* no longer listed */
	char name[ID_HEX];		/* in by-id */
	char time_name[ROLL_TIME_NAME];	/* in by-time; made by roll_by_time()
					 * and roll_next(), empty before */
};

int roll_new(struct roll **out, struct err *);
void roll_free(struct roll *);		/* NULL is fine */
/* What is there now.  A failure leaves the roll usable, perhaps with some of
 * the new ones. */
int roll_update(struct roll *, const struct snapshots *, struct err *);

/* Copies; false when there is no such item.  A gone one is found by number
 * only. */
bool roll_by_number(struct roll *, uint32_t number, struct roll_item *);
/* By its name in by-id, or by any other unambiguous run of at least four first
 * digits: then out->name is not what was asked. */
bool roll_by_name(struct roll *, const char *name, struct roll_item *);
bool roll_by_time(struct roll *, const char *name, struct roll_item *);
bool roll_latest(struct roll *, struct roll_item *);
/* The first item at or after *pos that is not gone; *pos is then its
 * position. */
bool roll_next(struct roll *, uint64_t *pos, struct roll_item *);

struct roll_sum {
	uint64_t snapshots, bytes, entries;
	struct stamp changed;	/* differs after every change of the list */
};
void roll_sum(struct roll *, struct roll_sum *);

#endif
