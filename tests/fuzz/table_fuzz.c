/* Tables: a first byte of 0, the head; else the information, with the number of
 * packs in the first byte and of replaced tables in the second. */
#include "engine/map/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct blob {
	const uint8_t *p;
	size_t len;
};

static int
blob_read(void *ctx, uint64_t off, void *dst, size_t len, size_t *got,
    struct err *e)
{
	const struct blob *b = ctx;

	*got = 0;
	if (off >= b->len)
		return (0);
	*got = b->len - off < len ? b->len - (size_t)off : len;
	memcpy(dst, b->p + off, *got);
	return (0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct object_id ids[256];
	struct table_head h;
	struct err e = ERR_INIT;
	uint64_t index[256];
	struct blob b;

	if (len < 2)
		return (0);
	b.p = data + 2;
	b.len = len - 2;
	if (data[0] == 0) {
		if (table_head_parse(&h, b.p, b.len, NULL, &e) == 0)
			BUG_ON(table_pages(&h) < h.entry_pages ||
			    h.entries > (uint64_t)h.entry_pages *
			    TABLE_PAGE_ENTRIES);
		return (0);
	}
	if (info_scan(blob_read, &b, data[0], index, data[1], ids, &e) == 0)
		for (unsigned i = 0; i < data[0]; i++)
			BUG_ON(index[i] >= b.len);
	return (0);
}
