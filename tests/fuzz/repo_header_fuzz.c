/* The repository's header object. */
#include "engine/repo/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT;
	struct repo_header h;

	if (header_parse(&h, data, len, &e) == 0) {
		BUG_ON(len != HEADER_BYTES);
		BUG_ON(h.cutter.min_bytes >= h.cutter.avg_bytes);
		BUG_ON(h.cutter.max_bytes <= h.cutter.avg_bytes);
		(void)header_features(h.need_read, "read", &e);
	}
	return (0);
}
