/* A manifest's content.  What parses is emitted again to the same bytes. */
#include "engine/repo/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sealed env = { .head = { .kind = OBJECT_MANIFEST } };
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct manifest m, copy;

	if (manifest_parse(&m, &env, data, len, &e) != 0)
		return (0);
	BUG_ON(manifest_emit(&b, &m, &e) != 0);
	BUG_ON(b.len != len || memcmp(b.data, data, len) != 0);
	BUG_ON(manifest_copy(&copy, &m, &e) != 0);
	manifest_fini(&m);
	manifest_fini(&copy);
	buf_fini(&b);
	return (0);
}
