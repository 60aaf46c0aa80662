/* Pack trailers: the pack's size, then the trailer.  What is accepted must lie
 * within the pack. */
#include "engine/base/rd.h"
#include "engine/pack/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t size, off, dir;
	struct err e = ERR_INIT;
	uint32_t frames;
	struct rd r;

	if (len < 8 + PACK_TRAILER_BYTES)
		return (0);
	rd_init(&r, data, len);
	size = rd_u64(&r);
	if (pack_trailer_parse(&off, &dir, &frames, data + 8, size, &e) == 0)
		BUG_ON(off > size || dir > size - off || size > PACK_MAX ||
		    frames > PACK_FRAMES_MAX);
	return (0);
}
