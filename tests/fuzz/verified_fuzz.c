/* The memory of checks, behind a good checksum. */
#include <stdlib.h>
#include <string.h>

#include "engine/crypto/hash.h"
#include "tools/job/verified.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf in = BUF_INIT, out = BUF_INIT;
	uint8_t digest[HASH_BYTES];
	struct err e = ERR_INIT;
	struct repo_id repo;
	struct verified k;

	for (unsigned i = 0; i < sizeof(repo.b); i++)
		repo.b[i] = (uint8_t)i;
	if (verified_parse(&k, data, len, &repo, &e) == 0)
		verified_fini(&k);
	hash_bytes(digest, data, len);
	buf_bytes(&in, data, len);
	buf_bytes(&in, digest, sizeof(digest));
	if (!in.failed && verified_parse(&k, in.data, in.len, &repo, &e) == 0) {
		BUG_ON(verified_emit(&out, &k, &repo, &e) != 0);
		BUG_ON(out.len != in.len ||
		    memcmp(out.data, in.data, in.len) != 0);
		verified_fini(&k);
	}
	buf_fini(&in);
	buf_fini(&out);
	return (0);
}
