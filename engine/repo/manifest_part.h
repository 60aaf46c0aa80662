#ifndef VITRINE_ENGINE_REPO_MANIFEST_PART_H
#define VITRINE_ENGINE_REPO_MANIFEST_PART_H

#include "engine/repo/manifest.h"

/*
 * Parts of a manifest's bytes (vitrine-format(5), MANIFEST) that others have as
 * well: tag sets, the cached list.  The parsers return 0, or -1 for the lack of
 * memory only; whatever is wrong with the bytes sets the reader's `bad', as rd
 * does, and what was parsed until then is the caller's to free.
 */
void strings_emit(struct buf *, const struct strings *);
int bytes_parse(struct bytes *, struct rd *, struct err *);
int strings_parse(struct strings *, struct rd *, struct err *);

/* Entries and bytes, "files" to "bytes added". */
void counts_emit(struct buf *, const struct manifest *);
void counts_parse(struct manifest *, struct rd *);

void heads_emit(struct buf *, const struct manifest *);
int heads_parse(struct manifest *, struct rd *, struct err *);

#endif
