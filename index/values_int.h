#ifndef VITRINE_INDEX_VALUES_INT_H
#define VITRINE_INDEX_VALUES_INT_H

#include "index/btree.h"
#include "index/catalog.h"

/*
 * What the rows of a catalog say (vitrine-catalog(5)), out of their values,
 * wherever these come from.  What can't be sets *bad, or is false.
 */
uint64_t val_u64(const struct bval *, uint64_t max, bool *bad);
int64_t val_i64(const struct bval *, bool *bad);
const void *val_blob(const struct bval *, size_t max, size_t *len, bool *bad);

/* The columns of NODE_COLUMNS, PACK_COLUMNS, and "no_in_pack, off, stored,
 * raw" (catalog_impl.h). */
bool entry_values(struct entry *, const struct bval *);
bool pack_values(struct pack_info *, const struct bval *, uint32_t domain);
bool frame_values(struct frame_info *, const struct bval *,
    const struct pack_info *);

#endif
