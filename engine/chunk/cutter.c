/*
 * The cutter.  A rolling gear hash decides by content where a chunk ends, so
 * that an insertion moves the cuts with the content and only the chunks it
 * touches are new.  Two masks keep sizes near the average (normalised
 * chunking), and the minimum is skipped unread, which is where half of the
 * speed comes from.
 */
#include "engine/chunk/cutter.h"

#include "engine/base/rd.h"

#define MIN_LOWEST	256
#define AVG_LOWEST	(4U << 10)
#define AVG_HIGHEST	(8U << 20)
/*
 * Bits by which the masks differ from the average's.  Few chunks end before the
 * average, most soon after it, and hardly any at the maximum, where a cut
 * doesn't follow the content: after that an edit costs about one chunk.
 */
#define HARDER		1
#define EASIER		4

struct cutter_params
cutter_params_for(uint32_t avg_bytes)
{
	return ((struct cutter_params){ .min_bytes = avg_bytes / 2,
	    .avg_bytes = avg_bytes, .max_bytes = avg_bytes + avg_bytes / 2 });
}

bool
cutter_params_ok(const struct cutter_params *p)
{
	return (p->avg_bytes >= AVG_LOWEST && p->avg_bytes <= AVG_HIGHEST &&
	    (p->avg_bytes & (p->avg_bytes - 1)) == 0 &&
	    p->min_bytes >= MIN_LOWEST && p->min_bytes < p->avg_bytes &&
	    p->max_bytes > p->avg_bytes && p->max_bytes <= CHUNK_MAX);
}

static uint64_t
upper_bits(unsigned n)
{
	return (~0ULL << (64 - n));
}

int
cutter_init(struct cutter *c, const struct cutter_params *p,
    const uint8_t key[KEY_BYTES], struct err *e)
{
	unsigned bits;

	if (!cutter_params_ok(p))
		return (err_set(e, ERR_LIMIT,
		    "chunk sizes %u, %u, %u are not possible", p->min_bytes,
		    p->avg_bytes, p->max_bytes));
	for (unsigned i = 0; i < 256; i++) {
		uint8_t byte = (uint8_t)i, out[HASH_BYTES];
		struct rd r;

		derive(out, key, "gear", &byte, 1);
		rd_init(&r, out, sizeof(out));
		c->gear[i] = rd_u64(&r);
		sodium_memzero(out, sizeof(out));
	}
	bits = 31 - (unsigned)__builtin_clz(p->avg_bytes);
	c->mask_small = upper_bits(bits + HARDER);
	c->mask_large = upper_bits(bits - EASIER);
	c->params = *p;
	return (0);
}

/*
 * Hash bytes [at, end); the offset after the first byte at which the masked
 * hash is 0, or 0 when there's none (a cut is never at 0).  Two bytes at a
 * time: the chain from one hash to the next is then one shift and one addition
 * long.
 */
static size_t
scan(const struct cutter *c, const uint8_t *p, size_t at, size_t end,
    uint64_t mask, uint64_t *hash)
{
	const uint64_t *gear = c->gear;
	uint64_t h = *hash;

	for (; end - at >= 2; at += 2) {
		uint64_t first = gear[p[at]];
		uint64_t both = (first << 1) + gear[p[at + 1]];

		if ((((h << 1) + first) & mask) == 0)
			return (at + 1);
		h = (h << 2) + both;
		if ((h & mask) == 0)
			return (at + 2);
	}
	if (at < end) {
		h = (h << 1) + gear[p[at]];
		if ((h & mask) == 0)
			return (at + 1);
	}
	*hash = h;
	return (0);
}

size_t
cutter_cut(const struct cutter *c, const uint8_t *p, size_t len, bool last)
{
	const struct cutter_params *q = &c->params;
	size_t end = len < q->max_bytes ? len : q->max_bytes;
	size_t middle = end < q->avg_bytes ? end : q->avg_bytes;
	uint64_t hash = 0;
	size_t cut = 0;

	if (q->min_bytes < middle)
		cut = scan(c, p, q->min_bytes, middle, c->mask_small, &hash);
	if (cut == 0 && middle < end)
		cut = scan(c, p, middle, end, c->mask_large, &hash);
	if (cut != 0)
		return (cut);
	return (end == q->max_bytes || last ? end : 0);
}
