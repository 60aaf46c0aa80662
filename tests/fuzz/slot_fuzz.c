/* Key slots as a hostile store would give them.  Slots of a passphrase are
 * parsed but not tried: Argon2id would be all that runs. */
#include "engine/crypto/slot.h"
#include "tests/unit/crypt_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct keyring *ring;
	static struct secret secret;
	struct slot_params params;
	struct slot_record rec;
	struct err e = ERR_INIT;
	struct keyring *got;
	struct repo_id repo;
	enum slot_kind kind;
	uint8_t file[40];

	if (ring == NULL) {
		for (int i = 0; i < 40; i++)
			file[i] = (uint8_t)(i + 1);
		ring = fix_full();
		BUG_ON(ring == NULL ||
		    secret_copy(&secret, file, sizeof(file), &e) != 0);
	}
	fix_repo(&repo);
	(void)slot_kind_of(data, len, &repo, &kind, &params, &e);
	(void)slot_record_open(&rec, data, len, ring, &e);
	if (slot_unlock(&got, data, len, &repo, SLOT_KEY_FILE, &secret,
	    &e) == 0)
		keyring_free(got);
	return (0);
}
