/* A record of the cached list of manifests. */
#include "engine/repo/listed.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct listed l = { 0 };
	struct snapshot_id id;
	struct err e = ERR_INIT;
	struct manifest m;
	struct rd r;

	rd_init(&r, data, len);
	if (listed_parse(&id, &m, &r, &e) != 0)
		return (0);
	listed_add(&l, &id, &m);
	BUG_ON(l.fresh.failed || l.fresh.len != len + 4 ||
	    memcmp(l.fresh.data + 4, data, len) != 0);
	listed_fini(&l);
	manifest_fini(&m);
	return (0);
}
