#ifndef VITRINE_TOOLS_JOB_VERIFIED_H
#define VITRINE_TOOLS_JOB_VERIFIED_H

#include "engine/repo/repo.h"

/*
 * When this user last read a pack and found it whole, in $state_dir/<repository
 * id>.verified: so that a check with little time takes what was not looked at
 * for longest.  A hint: it decides about order only.  A value; the file is one
 * of engine/repo/state_file.h.
 *
 *	bytes 8		"VTRNVRFY"
 *	u32		version, 1
 *	bytes 16	repository id
 *	u32		n, then n times, sorted by prefix, distinct:
 *	  bytes 8	of the pack's id
 *	  u64		seconds since 1970
 *	bytes 32	H(all before)
 */
#define VERIFIED_MAX	(4U << 20)	/* packs; the rest is forgotten */
#define VERIFIED_PREFIX	8

struct verified_pack {
	uint8_t prefix[VERIFIED_PREFIX];
	uint64_t when;
};
struct verified {
	struct verified_pack *v;	/* owned; sorted */
	uint32_t n, cap;
};
void verified_fini(struct verified *);
/* Appends; by rising prefix.  Beyond VERIFIED_MAX, and of two packs with one
 * prefix, nothing is kept. */
int verified_add(struct verified *, const struct pack_id *, uint64_t when,
    struct err *);
/* 0: not known. */
uint64_t verified_when(const struct verified *, const struct pack_id *);
int verified_emit(struct buf *, const struct verified *,
    const struct repo_id *, struct err *);
int verified_parse(struct verified *, const void *, size_t len,
    const struct repo_id *, struct err *);

/* Without a state directory, or with a damaged file (said in the log): an
 * empty one, and nothing is stored. */
int verified_load(struct repo *, struct verified *, struct err *);
int verified_store(struct repo *, const struct verified *, struct err *);

#endif
