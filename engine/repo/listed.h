#ifndef VITRINE_ENGINE_REPO_LISTED_H
#define VITRINE_ENGINE_REPO_LISTED_H

#include "engine/repo/impl.h"

/*
 * What a listing needs of many manifests, in one file of the local cache
 * ($cache_dir/<repository>/manifests/listed): so that a repository with
 * thousands of snapshots costs one read, not thousands.  Only manifests that
 * were verified and that full keys wrote (no revocation touches those) get in;
 * the file carries a seal under a key of the repository's, else it is as if it
 * weren't there.  Confined.
 *
 *	bytes[8] "VTRNLIST", u32 version, repository id, bytes[32] salt
 *	u32 how often the file was written
 *	u32 n, n commons: what the snapshots of a lineage have alike
 *	records by rising id: u32 length, id, u32 its common, fields (listed.c)
 *	the tag of a seal over no bytes, with all before it as associated data,
 *	number 0, under a key that is used this once: derived from subkey
 *	"listed" and the salt
 */
#define LISTED_MAX	(64U << 20)

struct listed_common {
	struct lineage_id lineage;
	uint8_t header_digest[HASH_BYTES];
	const struct snapshot_text *text;	/* the list's */
	size_t off, len;		/* its bytes: the file's or added */
	uint32_t next;			/* its number in the next file */
};
struct listed {
	struct snapshots *list;		/* borrowed: owns the texts */
	struct buf file;		/* what was loaded */
	struct rd all, at;		/* its records; those not passed yet */
	struct listed_common *commons;	/* owned: the file's, new ones */
	size_t ncommons, commons_cap, nold;
	struct buf added;		/* the new ones' bytes */
	struct buf fresh;		/* records that were added, likewise */
	uint32_t writes;		/* of the file, until now */
	size_t found, passed, nadded;	/* of the records */
};
/* Loads what `dir' (-1: none) has; nothing there is fine.  The strings of what
 * is found are those of `list', which outlives this. */
void listed_load(struct listed *, struct snapshots *list, const struct repo *,
    int dir);
void listed_fini(struct listed *);

/* What the manifest says of others, and which header it knew; the listed's. */
struct listed_said {
	const uint8_t *header_digest;
	uint32_t nheads;
	struct rd heads;		/* for listed_head, so many times */
};
void listed_head(struct listed_said *, struct head_seen *);
/* Ask in rising order of ids.  0: *s and *said have it all; 1: not there. */
int listed_find(struct listed *, const struct snapshot_id *,
    struct snapshot *s, struct listed_said *said);
/* One that was not there, now loaded and verified; in the same order.  `text'
 * is of the same list. */
void listed_add(struct listed *, const struct snapshot *,
    const struct snapshot_text *text, const struct manifest *);
/* Is it worth storing: did many come or go? */
bool listed_is_stale(const struct listed *);
/* Put in the place of the old file one with what it has of those that are
 * present, and what was added: best effort.  Of those that it had and that
 * have gone, the cached objects go as well. */
void listed_store(struct listed *, const struct repo *, int dir,
    const struct ids *present);

/*
 * For listed_load and fuzzing: the commons, and one record after the other.
 * Both take what bytes there are; false, or ERR_CORRUPT, for what can't be.
 */
int listed_parse(struct listed *, const void *bytes, size_t len, struct err *);
bool listed_record(const struct listed *, const struct rd *record,
    struct snapshot *, struct listed_said *);
/* The next record, if it is whole; the reader stays where it is. */
bool listed_here(const struct rd *at, struct rd *record);

#endif
