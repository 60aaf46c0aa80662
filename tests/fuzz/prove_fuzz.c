/*
 * Proofs of catalogs with changed bytes (patched.h).  What is proven, by itself
 * or as what follows the right one, has no fault that reading it row by row
 * would find.
 */
#include <sodium.h>

#include "tests/fuzz/patched.h"
#include "tests/unit/prove_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
quiet(void *ctx, const char *path, const char *text)
{
}

static void
compare(struct catalog *c, struct catalog *before, struct err *e)
{
	static struct prove *p;
	uint64_t faults = 0;
	int alone, after, r;

	if (p == NULL)
		BUG_ON(prove_new(&p, 1 << 20, &prove_any_ops, NULL, e) != 0);
	alone = prove_catalog(p, c, NULL, e);
	BUG_ON(prove_catalog(p, before, NULL, e) != 0);
	after = prove_catalog(p, c, before, e);
	if (alone != 0 && after != 0)
		return;
	r = catalog_verify(c, quiet, NULL, &faults, e);
	BUG_ON(alone != 0 || after != 0 || r != 0 || faults != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct memory_pages good;
	static struct catalog *before;
	struct err e = ERR_INIT;
	struct catalog *c;

	if (before == NULL) {
		BUG_ON(sodium_init() < 0);
		BUG_ON(memory_catalog(&good, NULL, &e) != 0);
		BUG_ON(catalog_over(&before, &good.pages, 0, 1, &e) != 0);
	}
	if (patched_catalog(&c, &good, data, len, &e) != 0)
		return (0);
	compare(c, before, &e);
	catalog_close(c);
	return (0);
}
