#ifndef VITRINE_INDEX_OVERLAY_H
#define VITRINE_INDEX_OVERLAY_H

#include <stdbool.h>

#include "index/pages.h"

/*
 * A writable file over a read-only one: written pages lie in a temporary
 * sparse file (0600, without a name), the others are read from the base.  It
 * knows what was written, so nothing is copied or compared to find it.
 * Confined to one thread.
 */
struct overlay;

/* base: borrowed; NULL for an empty file.  dir: where the temporary file goes;
 * NULL: io_temp_dir(). */
int overlay_new(struct overlay **out, struct pages *base, const char *dir,
    struct err *);
void overlay_free(struct overlay *);
struct pages *overlay_pages(struct overlay *);
uint64_t overlay_size(const struct overlay *);
/* Was anything written in block i (CATALOG_BLOCK_BYTES)? */
bool overlay_is_dirty(const struct overlay *, uint64_t block);
bool overlay_is_clean(const struct overlay *);
/*
 * Give the temporary file a name, replacing what has it; nothing may be written
 * afterwards.  False, and the name is what it was: there are pages of the base
 * in it, or the file systems do not allow it.
 */
bool overlay_link(struct overlay *, int dirfd, const char *name);

#endif
