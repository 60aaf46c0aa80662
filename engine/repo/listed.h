#ifndef VITRINE_ENGINE_REPO_LISTED_H
#define VITRINE_ENGINE_REPO_LISTED_H

#include "engine/repo/impl.h"

/*
 * What a listing needs of many manifests, in one file of the local cache
 * ($cache_dir/<repository>/manifests/listed): so that a repository with
 * thousands of snapshots costs one read, not thousands.  Only manifests that
 * were verified and that full keys wrote (no revocation touches those) get in;
 * the file carries a MAC under a key of the repository's, else it is as if it
 * weren't there.  Confined.
 *
 *	bytes[8] "VTRNLIST", u32 version, repository id
 *	records by rising id: u32 length, then id and fields (listed.c)
 *	MAC of all before it: BLAKE2b-256 keyed with subkey "listed"
 */
#define LISTED_MAX	(64U << 20)

struct listed {
	struct buf file;		/* what was loaded */
	struct rd all, at;		/* its records; those not passed yet */
	struct buf fresh;		/* records that were added, likewise */
	size_t found, passed, added;	/* of the records */
};
/* Loads what `dir' (-1: none) has; nothing there is fine. */
void listed_load(struct listed *, const struct repo *, int dir);
void listed_fini(struct listed *);
/*
 * Ask in rising order of ids.  0: *m has what listings need (and header_digest,
 * heads); 1: not there.
 */
int listed_find(struct listed *, const struct snapshot_id *, struct manifest *m,
    struct err *);
/* One that was not there, now loaded and verified; in the same order. */
void listed_add(struct listed *, const struct snapshot_id *,
    const struct manifest *);
/* Is it worth storing: did many come or go? */
bool listed_is_stale(const struct listed *);
/* Put in the place of the old file one with what it has of those that are
 * present, and what was added: best effort. */
void listed_store(struct listed *, const struct repo *, int dir,
    const struct ids *present);

/* Parses one record; for listed_find and fuzzing.  0, or ERR_CORRUPT with *m
 * empty. */
int listed_parse(struct snapshot_id *, struct manifest *m, struct rd *,
    struct err *);

#endif
