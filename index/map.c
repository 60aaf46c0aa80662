/*
 * The block map's pages as bytes, and its arithmetic (vitrine-format(5),
 * CATALOG BLOCKS).  No I/O.
 */
#include "index/blocks.h"

static bool
mref_is_valid(const struct mref *m)
{
	return (m->place[0].pack != MPLACE_NONE);
}

int
map_parse_leaf(struct chain *v, size_t n, const void *bytes, size_t len)
{
	struct rd r;

	rd_init(&r, bytes, len);
	for (size_t i = 0; i < n; i++) {
		v[i].depth = rd_u8(&r);
		if (v[i].depth < 1 || v[i].depth > CHAIN_MAX)
			return (-1);
		for (unsigned d = 0; d < v[i].depth; d++) {
			mref_parse(&v[i].ref[d], &r);
			if (!mref_is_valid(&v[i].ref[d]))
				return (-1);
		}
	}
	return (rd_end(&r) ? 0 : -1);
}

int
map_parse_inner(struct mref *v, size_t n, const void *bytes, size_t len)
{
	struct rd r;

	rd_init(&r, bytes, len);
	for (size_t i = 0; i < n; i++) {
		mref_parse(&v[i], &r);
		if (!mref_is_valid(&v[i]))
			return (-1);
	}
	return (rd_end(&r) ? 0 : -1);
}

void
map_emit_chain(struct buf *b, const struct chain *c)
{
	buf_u8(b, c->depth);
	for (unsigned d = 0; d < c->depth; d++)
		mref_emit(b, &c->ref[d]);
}

uint64_t
map_pages(uint64_t nblocks, unsigned level)
{
	uint64_t n = nblocks;

	for (unsigned l = 0; l < level; l++)
		n = n / MAP_FANOUT + (n % MAP_FANOUT != 0);
	return (n);
}

unsigned
map_levels(uint64_t nblocks)
{
	unsigned level = 1;

	while (map_pages(nblocks, level) > 1)
		level++;
	return (level);
}

size_t
map_entries(uint64_t nblocks, unsigned level, uint64_t no)
{
	uint64_t below = map_pages(nblocks, level - 1);
	uint64_t first = no * MAP_FANOUT;

	if (first >= below)
		return (0);
	return (below - first < MAP_FANOUT ? (size_t)(below - first) :
	    MAP_FANOUT);
}
