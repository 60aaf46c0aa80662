#ifndef VITRINE_ENGINE_REPO_STATE_H
#define VITRINE_ENGINE_REPO_STATE_H

#include "engine/repo/repo.h"

/*
 * What this user remembers of a repository, in $state_dir/<repository id>: the
 * newest header, and the newest snapshot of each lineage.  It is what a store's
 * lies are measured against, and where a put-only writer, who can read no
 * manifest, keeps its place.  A value; the file is one of
 * engine/repo/state_file.h.
 *
 *	bytes 8		"VTRNSTAT"
 *	u32		version, 1
 *	bytes 16	repository id
 *	u32		revision of the header, 0 if none was seen
 *	bytes 32	its digest
 *	u32		n, then n times, sorted by lineage:
 *	  bytes 32	lineage
 *	  u64 bytes 32	sequence and id of its newest snapshot (0, zeros: none)
 *	  u64 bytes 32	the same of one about to be committed (0, zeros: none)
 *	bytes 32	H(all before)
 */
#define STATE_MAX_BYTES	(64U << 20)

struct state_lineage {
	struct lineage_id lineage;
	uint64_t sequence;
	struct snapshot_id id;
	uint64_t try_sequence;
	struct snapshot_id try_id;
};
struct state {
	uint32_t revision;
	uint8_t digest[HASH_BYTES];
	struct state_lineage *v;	/* owned; sorted */
	uint32_t n, cap;
};
void state_fini(struct state *);
int state_emit(struct buf *, const struct state *, const struct repo_id *,
    struct err *);
int state_parse(struct state *, const void *, size_t len,
    const struct repo_id *, struct err *);
/* NULL when it isn't there. */
struct state_lineage *state_find(const struct state *,
    const struct lineage_id *);
/* Finds or makes; valid until the next.  NULL and ERR_NOMEM. */
struct state_lineage *state_entry(struct state *, const struct lineage_id *,
    struct err *);

/* Without a state directory, or with a damaged file (said in the log): an empty
 * one. */
int state_load(struct repo *, struct state *, struct err *);
/* Load, change, store, under a lock that other processes honour.  fn returns
 * < 0 to fail, > 0 if it changed nothing: then nothing is stored.  Without a
 * state directory nothing happens. */
typedef int state_change_fn(void *ctx, struct state *, struct err *);
int state_update(struct repo *, state_change_fn *, void *ctx, struct err *);
/*
 * Another lock, for a commit: so that two runs that end at one time don't take
 * the same number.  A descriptor, to be closed; -1 when there is no state
 * directory, or somebody has held it for long: the commit is as good without.
 */
int state_hold(struct repo *);

#endif
