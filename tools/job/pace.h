#ifndef VITRINE_TOOLS_JOB_PACE_H
#define VITRINE_TOOLS_JOB_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "tools/job/event.h"

/*
 * So many bytes a second and not more, for all threads together.  What was not
 * used of a past second is not caught up with.
 */
struct pace;

int pace_new(struct pace **out, uint64_t bytes_a_second, struct err *);
void pace_free(struct pace *);		/* NULL is fine */
/* Returns when it is the turn of the next `bytes'; at once when the job is
 * asked to stop.  Any thread. */
void pace_wait(struct pace *, size_t bytes, const struct events *);

#endif
