#ifndef VITRINE_TOOLS_JOB_CHECK_H
#define VITRINE_TOOLS_JOB_CHECK_H

#include "engine/repo/repo.h"
#include "tools/job/event.h"

/*
 * Prove that a repository is whole.  Structure always: history (lying stores),
 * manifest -> catalog -> chunks -> packs, sizes, directories, tables against
 * packs.  With read_data every byte of every pack: its name, each seal, each
 * chunk's id.  Changes nothing.
 */
struct check_env {
	bool read_data;
};
struct check_result {
	uint64_t snapshots, packs, chunks, bytes_read;
	uint64_t damage;		/* findings that are damage: exit 4 */
	uint64_t missing, bad;		/* of them: packs gone, packs damaged */
	uint64_t warnings;		/* orphans and such: no damage */
	uint64_t duration_ms;
};
int check_run(struct repo *, const struct check_env *, const struct events *,
    struct check_result *, struct err *);

#endif
