/*
 * A file from its first byte to its last, for who writes it to a stream: the
 * frames of a batch of extents are asked for before the first is needed.
 */
#include "tools/job/content.h"

#define BATCH	64

static int
ask_ahead(struct catalog *c, struct fetch *f, const struct extent *x, size_t n,
    struct err *e)
{
	struct pack_info pack;
	struct frame_info frame;
	uint32_t last = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		if (x[i].hole || x[i].frame == last)
			continue;
		last = x[i].frame;
		if (catalog_frame(c, last, &pack, &frame, e) < 0)
			return (-1);
		fetch_ahead(f, &pack, &frame);
	}
	return (0);
}

/* What of the extent lies behind `off'. */
static int
read_extent(struct catalog *c, struct fetch *f, const struct extent *x,
    uint64_t off, content_fn *fn, void *ctx, struct err *e)
{
	uint64_t skip = off - x->off, left = x->len - skip;
	struct pack_info pack;
	struct frame_info frame;
	struct fetched *ref;
	const uint8_t *data;
	int r;

	if (x->hole)
		return (fn(ctx, off, NULL, left, e));
	if (x->len > CHUNK_MAX)
		return (err_set(e, ERR_CORRUPT, "a chunk of %llu bytes",
		    (unsigned long long)x->len));
	if (catalog_frame(c, x->frame, &pack, &frame, e) < 0 ||
	    fetch_chunk(f, &pack, &frame, x->slot, &x->id, (uint32_t)x->len,
	    &ref, &data, e) < 0)
		return (-1);
	r = fn(ctx, off, data + skip, left, e);
	fetch_put(f, ref);
	return (r);
}

int
content_read(struct catalog *c, struct fetch *f, const struct entry *en,
    uint64_t off, content_fn *fn, void *ctx, struct err *e)
{
	struct extent x[BATCH];
	size_t n;
	int r;

	while (off < en->size) {
		if (catalog_extents(c, en->ino, off, x, BATCH, &n, e) < 0)
			return (-1);
		if (n == 0)
			return (err_set(e, ERR_CORRUPT,
			    "the catalog lacks the bytes from %llu on",
			    (unsigned long long)off));
		if (ask_ahead(c, f, x, n, e) < 0)
			return (-1);
		for (size_t i = 0; i < n; i++) {
			if (x[i].off > off || x[i].len == 0 ||
			    x[i].len > en->size - x[i].off ||
			    x[i].off + x[i].len <= off)
				return (err_set(e, ERR_CORRUPT, "the catalog's "
				    "list of chunks doesn't add up"));
			r = read_extent(c, f, &x[i], off, fn, ctx, e);
			if (r != 0)
				return (r);
			off = x[i].off + x[i].len;
		}
	}
	return (0);
}
