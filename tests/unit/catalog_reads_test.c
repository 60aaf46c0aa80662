/*
 * How often the store is asked for a catalog that nothing is cached of: what a
 * store that takes 30 ms to answer makes of a mount depends on that number and
 * on nothing else.
 */
#include "tests/unit/catalog_fixture.h"

#include <stdatomic.h>

#include "index/catalog_impl.h"

#define DIRS	600
#define FILES	250		/* in each */

/* A store that counts the reads of packs. */
struct counter {
	struct store base;
};
static atomic_uint reads;
static atomic_ullong read_bytes;

static void
counter_close(struct store *s)
{
	store_close(s->under);
	free(s);
}

static int
counter_read(struct store *s, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, struct err *e)
{
	if (strncmp(name, "packs/", 6) == 0) {
		atomic_fetch_add(&reads, 1);
		atomic_fetch_add(&read_bytes, len);
	}
	return (store_read(s->under, name, off, dst, len, got, e));
}

static int
counter_stat(struct store *s, const char *name, struct store_stat *st,
    struct err *e)
{
	return (store_stat(s->under, name, st, e));
}

static int
counter_list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	return (store_list(s->under, prefix, fn, ctx, e));
}

static const struct store_ops counter_ops = {
	.close = counter_close,
	.read = counter_read,
	.stat = counter_stat,
	.list = counter_list,
};

static struct store *
count_reads(struct store *under)
{
	struct counter *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->base.ops = &counter_ops;
	c->base.under = under;
	memcpy(c->base.where, under->where, sizeof(c->base.where));
	return (&c->base);
}

static uint64_t
add_node(struct run *r, uint64_t dir, const char *name, uint64_t ino,
    uint8_t kind)
{
	struct entry x = { .ino = ino, .kind = kind, .mode = 0755,
	    .mtime = { .s = (int64_t)(ino * 2654435761U), .ns = 5 },
	    .src_dev = 7, .src_ino = ino * 40503 };
	struct err e = ERR_INIT;

	OK(build_node(r->build, &x, NULL, 0, &e));
	OK(build_name(r->build, dir, name, strlen(name), ino, &e));
	return (ino);
}

/* As a backup makes it: directories in order, an inode run for each. */
static void
make_big(struct run *r)
{
	struct err e = ERR_INIT;
	uint64_t top, ino, dir;
	char name[64];

	OK(build_inos(r->build, DIRS, &top, &e));
	for (unsigned d = 0; d < DIRS; d++) {
		(void)snprintf(name, sizeof(name), "directory-%04u", d);
		dir = add_node(r, CATALOG_ROOT_INO, name, top + d, ENTRY_DIR);
		OK(build_inos(r->build, FILES, &ino, &e));
		for (unsigned i = 0; i < FILES; i++) {
			(void)snprintf(name, sizeof(name),
			    "a file %04u of %08x", i,
			    (unsigned)(ino * 2654435761U));
			(void)add_node(r, dir, name, ino + i, ENTRY_FILE);
		}
	}
}

static int
count_entry(void *ctx, const char *name, size_t len, const struct entry *x,
    struct err *e)
{
	(*(unsigned *)ctx)++;
	return (0);
}

/* A cold process opens the catalog, and lists the top. */
static struct catalog *
open_cold(struct fixture *f, const struct manifest *m)
{
	struct err e = ERR_INIT;
	struct catalog *c;
	unsigned n = 0;

	fixture_wrap = count_reads;
	fixture_open(f, false);
	fixture_wrap = NULL;
	atomic_store(&reads, 0);
	atomic_store(&read_bytes, 0);
	OK(catalog_open(&c, f->fetch, f->repo, m, NULL, &e));
	OK(catalog_readdir(c, CATALOG_ROOT_INO, NULL, 0, count_entry, &n, &e));
	assert_int_equal(n, DIRS);
	return (c);
}

static void
test_reads(void **state)
{
	struct err e = ERR_INIT;
	struct manifest m;
	struct fixture f;
	struct catalog *c;
	struct entry x;
	struct run r;
	unsigned n = 0, frames;
	uint64_t blocks;

	fixture_init(&f, false);
	run_begin(&r, &f, NULL);
	make_big(&r);
	run_end(&r, &m);
	fixture_close(&f);

	c = open_cold(&f, &m);
	blocks = blocks_count(c->blocks);
	frames = (unsigned)(blocks / 4);
	print_message("%llu blocks; first ls: %u reads, %llu bytes\n",
	    (unsigned long long)blocks, atomic_load(&reads),
	    (unsigned long long)atomic_load(&read_bytes));
	assert_true(frames > 20);
	/* What lies with the map, then leaves of the names and the nodes. */
	assert_in_range(atomic_load(&reads), 1, 5);

	/* A name somewhere: a leaf of the names, one of the nodes. */
	atomic_store(&reads, 0);
	OK(catalog_resolve(c, "directory-0200", 14, &x, NULL, &e));
	n = 0;
	OK(catalog_readdir(c, x.ino, NULL, 0, count_entry, &n, &e));
	assert_int_equal(n, FILES);
	assert_in_range(atomic_load(&reads), 1, 4);
	catalog_close(c);
	fixture_close(&f);

	/* All of it: nothing twice, and many frames at a time. */
	c = open_cold(&f, &m);
	n = 0;
	OK(catalog_walk(c, CATALOG_ROOT_INO, count_entry, &n, &e));
	assert_int_equal(n, DIRS * (FILES + 1));
	print_message("%u frames; a walk: %u reads, %llu bytes of %llu\n",
	    frames, atomic_load(&reads),
	    (unsigned long long)atomic_load(&read_bytes),
	    (unsigned long long)m.catalog.tail[0].size_bytes);
	assert_in_range(atomic_load(&reads), 1, frames / 2);
	assert_true(atomic_load(&read_bytes) < m.catalog.tail[0].size_bytes *
	    3 / 2 + (1U << 20));
	catalog_close(c);
	manifest_fini(&m);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
