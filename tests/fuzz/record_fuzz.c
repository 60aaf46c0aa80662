/* Pack records: what is accepted is emitted again as the same bytes. */
#include "engine/pack/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf b = BUF_INIT;
	struct pack_info info;
	struct rd r;

	rd_init(&r, data, len);
	pack_info_parse(&info, &r);
	if (!r.bad) {
		pack_info_emit(&b, &info);
		BUG_ON(b.len != (size_t)(r.p - data) ||
		    memcmp(b.data, data, b.len) != 0);
	}
	buf_fini(&b);
	return (0);
}
