#ifndef VITRINE_TOOLS_JOB_CHILD_H
#define VITRINE_TOOLS_JOB_CHILD_H

#include <sys/types.h>

#include "tools/job/event.h"

/*
 * A program that is run: with our standard error, the signals that we ignore
 * for ourselves as they are by default, and the environment without
 * VITRINE_PASSWORD.  Borrows all until child_start() returns, but `name' until
 * the end.
 */
struct program {
	const char *const *argv;	/* found through PATH */
	const char *name;		/* for messages; NULL: argv[0] */
	const char *const *environment;	/* NULL: ours */
	bool input;		/* it has our standard input; else none */
	bool output;		/* child->out is what it says; else its standard
				 * output is our standard error */
};
struct child {
	pid_t pid;			/* 0: none */
	bool own_group;			/* of processes */
	int out;			/* its standard output; -1 */
	const char *name;		/* borrowed: for messages */
};

int child_start(struct child *, const struct program *, struct err *);
/* Closes child->out, waits for the end.  0 for status 0; else ERR_ABSENT and
 * how it ended.  When the job is asked to stop (ev may be NULL: never) it is
 * terminated, and waited for: ERR_CANCELED. */
int child_wait(struct child *, const struct events *, struct err *);
/* Terminates and waits; nothing when there is none. */
void child_stop(struct child *);

#endif
