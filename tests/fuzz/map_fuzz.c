/*
 * Pages of a catalog's map: the first byte chooses the kind and how many
 * entries there should be; what is accepted is emitted again as the same
 * bytes.
 */
#include "index/blocks.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct chain leaf[MAP_FANOUT];
	static struct mref inner[MAP_FANOUT];
	struct buf b = BUF_INIT;
	size_t n;
	int r;

	if (len == 0)
		return (0);
	n = 1 + data[0] / 2;
	if (data[0] % 2 == 0) {
		r = map_parse_leaf(leaf, n, data + 1, len - 1);
		for (size_t i = 0; r == 0 && i < n; i++)
			map_emit_chain(&b, &leaf[i]);
	} else {
		r = map_parse_inner(inner, n, data + 1, len - 1);
		for (size_t i = 0; r == 0 && i < n; i++)
			mref_emit(&b, &inner[i]);
	}
	if (r == 0)
		BUG_ON(b.len != len - 1 ||
		    memcmp(b.data, data + 1, b.len) != 0);
	buf_fini(&b);
	return (0);
}
