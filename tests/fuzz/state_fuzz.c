/* The state file, behind a good checksum. */
#include <stdlib.h>

#include "engine/repo/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf in = BUF_INIT, out = BUF_INIT;
	uint8_t digest[HASH_BYTES];
	struct err e = ERR_INIT;
	struct repo_id repo;
	struct state s;

	for (unsigned i = 0; i < sizeof(repo.b); i++)
		repo.b[i] = (uint8_t)i;
	if (state_parse(&s, data, len, &repo, &e) == 0)
		state_fini(&s);
	hash_bytes(digest, data, len);
	buf_bytes(&in, data, len);
	buf_bytes(&in, digest, sizeof(digest));
	if (!in.failed && state_parse(&s, in.data, in.len, &repo, &e) == 0) {
		BUG_ON(state_emit(&out, &s, &repo, &e) != 0);
		BUG_ON(out.len != in.len ||
		    memcmp(out.data, in.data, in.len) != 0);
		state_fini(&s);
	}
	buf_fini(&in);
	buf_fini(&out);
	return (0);
}
