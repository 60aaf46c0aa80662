#ifndef VITRINE_INDEX_CODEC_H
#define VITRINE_INDEX_CODEC_H

#include "engine/base/buf.h"
#include "engine/base/rd.h"
#include "index/build.h"
#include "index/catalog.h"

/*
 * The BLOBs inside rows (vitrine-catalog(5), EXTENTS and XATTR SETS).  Values
 * only, no I/O.
 */
#define EXTENTS_INLINE		16	/* in a node row, at most */
#define EXTENTS_SEGMENT		64	/* in a segment row, at most */
#define EXTENT_DATA_BYTES	43	/* at most; with a short id 31 */
#define EXTENT_HOLE_BYTES	9
#define EXTENT_DATA		1
#define EXTENT_HOLE		2
#define EXTENT_DATA_SHORT	3	/* CHUNK_KEY_BYTES of the chunk's id */
/* A set of more bytes is split over rows numbered (set << XPART_SHIFT) + part.
 */
#define XSET_ROW_BYTES		12288
#define XPART_SHIFT		13
#define FILE_SIZE_MAX		((uint64_t)INT64_MAX)

void extent_emit(struct buf *, const struct extent *, bool short_id);
/* The next extent, beginning at `off'; sets rd->bad for what can't be. */
void extent_parse(struct extent *, struct rd *, uint64_t off);

/* Emit a set, sorted by name; ERR_USAGE for equal or overlong names, ERR_LIMIT
 * above CATALOG_XATTRS_MAX. */
int xset_emit(struct buf *, const struct xattr *, size_t n, struct err *);
/* fn per attribute; ERR_CORRUPT for anything but one canonical encoding. */
int xset_parse(const void *, size_t len, catalog_xattr_fn *, void *ctx,
    struct err *);

/* May this be the name of a directory's entry? */
bool name_is_valid(const char *, size_t len);

#endif
