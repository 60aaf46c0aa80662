/* Lists of extents: what is accepted is emitted again as the same bytes. */
#include "index/catalog_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct extent v[EXTENTS_SEGMENT];
	struct buf b = BUF_INIT;
	uint64_t end = 0;
	size_t n = 0;

	if (extents_parse(v, EXTENTS_SEGMENT, &n, data, len, 4096, &end)) {
		for (size_t i = 0; i < n; i++)
			extent_emit(&b, &v[i],
			    data[b.len] == EXTENT_DATA_SHORT);
		BUG_ON(b.len != len || end < 4096 ||
		    (len > 0 && memcmp(b.data, data, len) != 0));
	}
	buf_fini(&b);
	return (0);
}
