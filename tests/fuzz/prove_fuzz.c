/*
 * Proofs of catalogs with changed bytes.  The input is a row of patches over a
 * small database that is right: u24 offset, u8 n (at most 64), n bytes.  What
 * is proven, by itself or as what follows the right one, has no fault that
 * reading it row by row would find.
 */
#include <sodium.h>

#include "tests/unit/memory_pages.h"
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
	static struct memory_pages good, memory;
	static struct catalog *before;
	struct err e = ERR_INIT;
	struct catalog *c;
	struct rd r;

	if (before == NULL) {
		BUG_ON(sodium_init() < 0);
		BUG_ON(memory_catalog(&good, NULL, &e) != 0);
		BUG_ON(catalog_over(&before, &good.pages, 0, 1, &e) != 0);
		memory.bytes = malloc(MEMORY_MAX);
		BUG_ON(memory.bytes == NULL);
		memory.pages.ops = &memory_ro;
	}
	memory.size = good.size;
	memcpy(memory.bytes, good.bytes, good.size);
	rd_init(&r, data, len);
	while (rd_left(&r) > 4) {
		uint64_t off = rd_int(&r, 3) % good.size;
		size_t n = rd_u8(&r) % 65;

		if (n > rd_left(&r))
			n = rd_left(&r);
		if (n > good.size - off)
			n = good.size - off;
		rd_bytes(&r, memory.bytes + off, n);
	}
	if (catalog_over(&c, &memory.pages, 0, 1, &e) != 0)
		return (0);
	compare(c, before, &e);
	catalog_close(c);
	return (0);
}
