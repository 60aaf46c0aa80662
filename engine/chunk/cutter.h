#ifndef VITRINE_ENGINE_CHUNK_CUTTER_H
#define VITRINE_ENGINE_CHUNK_CUTTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/crypto/hash.h"

/*
 * Content-defined cutting with a keyed gear table (FastCDC: Xia et al., USENIX
 * ATC 2016, with normalised chunking).  Where cuts fall depends on the domain's
 * chunker key, so that chunk sizes tell an observer nothing about content
 * without it.  The table and masks are part of the format (vitrine-format(5),
 * CUTTING) in so far as writers that share them dedup against each other; a
 * reader needs none.
 *
 * A cutter is immutable after cutter_init and may be shared by threads.
 */
struct cutter_params {
	uint32_t min_bytes;	/* >= 256, < avg */
	uint32_t avg_bytes;	/* a power of two, 4 KiB .. 8 MiB */
	uint32_t max_bytes;	/* > avg, <= CHUNK_MAX */
};
#define CHUNK_MAX	(16U << 20)
#define SEGMENT_BYTES	(64ULL << 20)	/* a cut is forced at its multiples */

struct cutter {
	uint64_t gear[256];
	uint64_t mask_small;	/* before avg: harder */
	uint64_t mask_large;	/* after avg: easier */
	struct cutter_params params;
};

/* avg 64 KiB -> 32, 64, 96 KiB: half of, and one and a half times, the
 * average. */
struct cutter_params cutter_params_for(uint32_t avg_bytes);
/* Are they within these bounds? */
bool cutter_params_ok(const struct cutter_params *);
/* ERR_LIMIT where they are not. */
int cutter_init(struct cutter *, const struct cutter_params *,
    const uint8_t key[KEY_BYTES], struct err *);

/*
 * The length of the first chunk in len bytes (len > 0).  `last' says that no
 * byte follows these.  Returns 0 when more bytes are needed to decide (len <
 * max and not last), else 1 .. max.
 */
size_t cutter_cut(const struct cutter *, const uint8_t *, size_t len,
    bool last);

#endif
