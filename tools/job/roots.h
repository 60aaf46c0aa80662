#ifndef VITRINE_TOOLS_JOB_ROOTS_H
#define VITRINE_TOOLS_JOB_ROOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

/*
 * What is to be backed up, as absolute paths without ".", "..", double or final
 * slashes, sorted by components, distinct.  Symbolic links in what leads to a
 * root are resolved; the root itself is not, unless its name ends in '/', "."
 * or "..".  The directory "/" is the empty string.
 */
struct roots {
	char **v;		/* owned */
	size_t n;
};
/* With `fold', what lies in another root is left out.  A root that does not
 * exist stays, by its name. */
int path_compare(const char *, const char *);	/* by components */
int roots_make(struct roots *, const char *const *given, size_t n, bool fold,
    struct err *);
/* One path for what isn't there: as it stands, from "/" on. */
int roots_stream(struct roots *, const char *name, struct err *);
void roots_fini(struct roots *);

/*
 * The roots of the range [lo, hi) that are or lie in the entry `name' of the
 * directory whose path is the first plen bytes of each of them; empty when
 * *out_lo == *out_hi.  *is_root: the first of them is that entry.
 */
void roots_within(const struct roots *, size_t lo, size_t hi, size_t plen,
    const char *name, size_t *out_lo, size_t *out_hi, bool *is_root);
/* The component after plen of a root: its length (the text is v[i] + plen +
 * 1). */
size_t roots_component(const struct roots *, size_t i, size_t plen);

#endif
