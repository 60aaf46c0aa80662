#ifndef VITRINE_TOOLS_JOB_DUMP_H
#define VITRINE_TOOLS_JOB_DUMP_H

#include "index/catalog.h"
#include "tools/job/event.h"

/*
 * A subtree of a snapshot as an archive, written through a function in one
 * pass.  Of a directory its contents get names relative to it, and "." is
 * itself; anything else is called by its own name.
 */
enum dump_format { DUMP_TAR, DUMP_ZIP };
struct dump_env {
	struct catalog *catalog;	/* borrowed, as all here */
	struct fetch *fetch;
	enum dump_format format;
	const char *path;		/* in the snapshot */
	/* All of the bytes; < 0 with errno ends the job. */
	int (*write)(void *ctx, const void *, size_t len);
	void *ctx;
};
struct dump_result {
	uint64_t files, dirs, others, bytes;
	uint64_t failed;	/* what is not in the archive, or not wholly */
	uint64_t left_out;	/* attributes that the format can't hold */
};
/* 0 with result->failed > 0: a whole archive, but not all is in it. */
int dump_run(const struct dump_env *, const struct events *,
    struct dump_result *, struct err *);

#endif
