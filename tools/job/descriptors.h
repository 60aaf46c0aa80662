#ifndef VITRINE_TOOLS_JOB_DESCRIPTORS_H
#define VITRINE_TOOLS_JOB_DESCRIPTORS_H

#include <stddef.h>

/*
 * How many files this process may have open.  The soft limit is for programs
 * that use select(); a job that needs more raises it, as far as the hard one
 * allows, and puts it back at its end, since programs that are started inherit
 * it.  Any thread; it is put back when the last that raised it does so.
 */
/* How many there may be now: `wanted' at most.  To be followed by a call of
 * descriptors_put_back(), whatever it returned. */
size_t descriptors_raise(size_t wanted);
void descriptors_put_back(void);

#endif
