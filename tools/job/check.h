#ifndef VITRINE_TOOLS_JOB_CHECK_H
#define VITRINE_TOOLS_JOB_CHECK_H

#include "engine/repo/repo.h"
#include "tools/job/event.h"

/*
 * Which packs are read.  Those that this user has not read for longest come
 * first (verified.h), but for a part, which is always the same packs.
 */
enum check_subset { CHECK_ALL, CHECK_BYTES, CHECK_SHARE, CHECK_PART };

/*
 * Prove that a repository is whole.  Structure always: history (lying stores),
 * manifest -> catalog -> chunks -> packs, sizes, directories, tables against
 * packs.  With read_data every byte of every pack (or of the subset, or of as
 * many as the time is enough for, one at least): its name, each seal, each
 * chunk's id.  Changes nothing in the repository, but for the note that `mark'
 * asks for.
 */
struct check_env {
	bool read_data;
	enum check_subset subset;
	uint64_t bytes;			/* BYTES: read at least */
	uint32_t share;			/* SHARE: of the bytes, in 1/10^6 */
	uint32_t part, parts;		/* PART: 1 <= part <= parts */
	bool mark;	/* note damaged packs for the next backup */
	uint64_t max_ms;	/* no pack is begun later; 0: no limit */
};
struct check_result {
	uint64_t snapshots, packs, chunks, bytes_read;
	uint64_t packs_read;		/* to their end, whole or not */
	/* Packs that this user never found whole; when the longest unread of
	 * the others was (seconds; 0: there is none). */
	uint64_t packs_unverified, oldest;
	uint64_t damage;		/* findings that are damage: exit 4 */
	uint64_t missing, bad;		/* of them: packs gone, packs damaged */
	uint64_t lost;			/* places in files of snapshots */
	bool traced;			/* and so that is all of them */
	uint64_t marked;		/* packs */
	uint64_t warnings;		/* orphans and such: no damage */
	uint64_t duration_ms;
};
int check_run(struct repo *, const struct check_env *, const struct events *,
    struct check_result *, struct err *);

#endif
