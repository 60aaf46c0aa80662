#ifndef VITRINE_TOOLS_JOB_LOOKUP_H
#define VITRINE_TOOLS_JOB_LOOKUP_H

#include "index/catalog.h"

/* The entry at a path that a person gave.  What isn't there is ERR_ABSENT
 * with a text that says how far the path exists and what is there. */
int lookup_path(struct catalog *, const char *path, struct entry *,
    struct err *);
/* The path in its one absolute form, without a final '/' and a NUL: "" for the
 * root. */
void lookup_clean(struct buf *, const char *path, size_t len);

#endif
