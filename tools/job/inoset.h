#ifndef VITRINE_TOOLS_JOB_INOSET_H
#define VITRINE_TOOLS_JOB_INOSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of numbers above 0, with a limit.  Confined. */
struct inoset {
	uint64_t *v;		/* owned; open addressing, 0 = free */
	size_t n, cap;
	size_t max;		/* refuses to grow beyond; 0: no limit */
};
void inoset_fini(struct inoset *);
bool inoset_has(const struct inoset *, uint64_t);
/* false: full, or no memory. */
bool inoset_add(struct inoset *, uint64_t);

#endif
