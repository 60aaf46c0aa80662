/*
 * The reader over a catalog with changed bytes (patched.h).  Whatever comes of
 * it, the walk ends and nothing is touched that isn't there.
 */
#include "tests/fuzz/patched.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
look(void *ctx, const char *path, size_t len, const struct entry *x,
    struct err *e)
{
	char target[CATALOG_TARGET_MAX + 1];
	struct catalog *c = ctx;
	struct frame_info frame;
	struct pack_info pack;
	struct extent v[5];
	struct entry again;
	size_t n;

	BUG_ON(len == 0 || memchr(path, '\0', len) != NULL);
	if (catalog_resolve(c, path, len, &again, NULL, e) == 0)
		BUG_ON(again.ino != x->ino);
	(void)catalog_target(c, x->ino, target, &n, e);
	(void)catalog_xattrs(c, x->xattrs, NULL, NULL, e);
	if (catalog_extents(c, x->ino, 0, v, 5, &n, e) == 0)
		for (size_t i = 0; i < n; i++) {
			BUG_ON(v[i].len == 0 || v[i].off + v[i].len > x->size);
			(void)catalog_frame(c, v[i].frame, &pack, &frame, e);
		}
	return (0);
}

static void
quiet(void *ctx, const char *path, const char *text)
{
}

static int
no_row(void *ctx, int columns, const char *const *names,
    const char *const *values, const size_t *lens, struct err *e)
{
	return (0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct memory_pages good;
	struct err e = ERR_INIT;
	struct catalog *c;
	uint64_t faults;

	if (good.bytes == NULL)
		BUG_ON(memory_catalog(&good, NULL, &e) != 0);
	if (patched_catalog(&c, &good, data, len, &e) != 0)
		return (0);
	(void)catalog_walk(c, CATALOG_ROOT_INO, look, c, &e);
	(void)catalog_verify(c, quiet, NULL, &faults, &e);
	(void)catalog_sql(c, "select * from files left join chunks using (ino)",
	    no_row, NULL, NULL, &e);
	catalog_close(c);
	return (0);
}
