/*
 * What all objects share: the head that they begin with, and the padding that
 * keeps their sizes from telling more than they must.
 */
#include "engine/pack/object.h"

#define MAGIC		"VTRN"
#define GENERATION	1

void
head_emit(struct buf *b, const struct head *h)
{
	buf_bytes(b, MAGIC, 4);
	buf_u8(b, h->kind);
	buf_u8(b, FORMAT_VERSION);
	buf_u16(b, GENERATION);
	buf_bytes(b, h->repo.b, sizeof(h->repo.b));
	buf_u32(b, h->domain);
	buf_u32(b, h->writer);
}

int
head_parse(struct head *out, struct rd *r, const enum object_kind *kind,
    const struct repo_id *repo, struct err *e)
{
	uint8_t magic[4];
	struct head h;
	uint8_t version;
	uint16_t generation;

	rd_bytes(r, magic, sizeof(magic));
	h.kind = rd_u8(r);
	version = rd_u8(r);
	generation = rd_u16(r);
	rd_bytes(r, h.repo.b, sizeof(h.repo.b));
	h.domain = rd_u32(r);
	h.writer = rd_u32(r);
	if (r->bad)
		return (err_set(e, ERR_CORRUPT, "it ends within its head"));
	if (memcmp(magic, MAGIC, sizeof(magic)) != 0)
		return (err_set(e, ERR_CORRUPT, "it is no vitrine object"));
	if (version != FORMAT_VERSION || generation != GENERATION)
		return (err_set(e, ERR_VERSION, "it was made by a newer "
		    "vitrine (version %u, key generation %u)", version,
		    generation));
	if (kind != NULL && h.kind != (uint8_t)*kind)
		return (err_set(e, ERR_CORRUPT,
		    "it is an object of kind %u instead of %u", h.kind,
		    (unsigned)*kind));
	if (repo != NULL && memcmp(h.repo.b, repo->b, sizeof(repo->b)) != 0)
		return (err_set(e, ERR_CORRUPT,
		    "it belongs to another repository"));
	*out = h;
	return (0);
}

uint64_t
padme(uint64_t size)
{
	unsigned e, s;
	uint64_t step;

	if (size < 2)
		return (size);
	e = 63 - (unsigned)__builtin_clzll(size);
	if (e == 0)
		return (size);
	s = 32 - (unsigned)__builtin_clz(e);
	step = 1ULL << (e - s);
	return ((size + step - 1) & ~(step - 1));
}
