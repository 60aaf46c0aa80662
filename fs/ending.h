#ifndef VITRINE_FS_ENDING_H
#define VITRINE_FS_ENDING_H

#include <stdatomic.h>
#include <stdbool.h>

struct fuse_session;

/*
 * The signals that end a mount (INT, TERM, HUP; what is ignored stays so), from
 * before anything waits for a store until the end.  One mount a process.
 *
 * A signal sets *flag (borrowed; NULL: none), by which whoever waits for a
 * server is told to hurry, and ends the session's loop, whichever thread gets
 * it.
 */
void ending_begin(atomic_bool *flag);	/* by the thread that will serve */
void ending_session(struct fuse_session *);	/* NULL: there is none now */
bool ending_is_asked(void);
void ending_end(void);			/* the handlers from before */

#endif
