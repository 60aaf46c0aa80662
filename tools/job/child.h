#ifndef VITRINE_TOOLS_JOB_CHILD_H
#define VITRINE_TOOLS_JOB_CHILD_H

#include <sys/types.h>

#include "tools/job/event.h"

/*
 * A program that is run: found through PATH, with our environment (or another)
 * but for VITRINE_PASSWORD, the default signals, no standard input, and our
 * standard error.
 */
struct child {
	pid_t pid;			/* 0: none */
	int out;			/* its standard output; -1 */
	const char *name;		/* borrowed: for messages */
};

/* With `output' its standard output is child->out to read, else it goes to our
 * standard error.  `environment' NULL: ours.  `name' NULL: argv[0]. */
int child_start(struct child *, const char *const *argv, const char *name,
    const char *const *environment, bool output, struct err *);
/* Closes child->out, waits for the end.  0 for status 0; else ERR_ABSENT and
 * how it ended.  When the job is asked to stop (ev may be NULL: never) it is
 * terminated, and waited for: ERR_CANCELED. */
int child_wait(struct child *, const struct events *, struct err *);
/* Terminates and waits; nothing when there is none. */
void child_stop(struct child *);

#endif
