/* Pack headers, as they come and with the MAC made good for whatever writer
 * they name; then their keys. */
#include "engine/pack/pack.h"
#include "tests/unit/crypt_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct keyring *ring;
	uint8_t copy[PACK_HEADER_BYTES], key[KEY_BYTES];
	struct pack_info info;
	struct pack_seal seal;
	struct err e = ERR_INIT;
	struct rd r;

	if (ring == NULL)
		ring = fix_full();
	BUG_ON(ring == NULL);
	if (len < PACK_HEADER_BYTES)
		return (0);
	(void)pack_header_parse(&info, ring, data, &e);
	memcpy(copy, data, sizeof(copy));
	fix_repo((struct repo_id *)(void *)(copy + 8));
	rd_init(&r, copy + 28, 4);
	BUG_ON(keyring_writer_key(ring, rd_u32(&r), key, &e) != 0);
	derive(copy + 168, key, "pack", copy, 168);
	if (pack_header_parse(&info, ring, copy, &e) == 0)
		(void)pack_seal_open(&seal, ring, &info, &e);
	return (0);
}
