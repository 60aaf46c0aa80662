/* Manifests and the small objects: their bytes are those that
 * tests/fuzz/repo_seeds.py makes from the format page; what is cut, left over
 * or out of bounds is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "engine/repo/records.h"

static struct err e;

static void
ident(uint8_t id[ID_BYTES], int n)
{
	memset(id, n, ID_BYTES);
}

static void
expect(const struct buf *b, const char *digest)
{
	uint8_t d[HASH_BYTES];
	char hex[ID_HEX];

	assert_false(b->failed);
	hash_bytes(d, b->data, b->len);
	assert_string_equal(hex_emit(hex, d, sizeof(d)), digest);
}

static void
record(struct pack_info *p, int n, uint32_t domain, uint8_t kind, bool sealed)
{
	memset(p, 0, sizeof(*p));
	ident(p->id.b, n);
	p->size_bytes = 4096;
	p->domain = domain;
	p->writer = sealed ? 7 : 0;
	p->kind = kind;
	memset(p->run.b, n, RUN_BYTES);
	ident(p->salt, n + 1);
	p->wrap.kind = sealed ? WRAP_SEALED : WRAP_DERIVED;
	if (sealed)
		memset(p->wrap.bytes, n, WRAP_BYTES);
}

static void
add(struct strings *s, const char *text)
{
	assert_int_equal(strings_add(s, text, strlen(text), &e), 0);
}

static void
place(struct mplace *p, uint32_t pack, uint32_t no, uint32_t off,
    uint32_t stored, uint16_t slot)
{
	*p = (struct mplace){ pack, { no, off, stored, 0 }, slot };
}

static void
make(struct manifest *m, uint32_t pages, uint32_t tail)
{
	memset(m, 0, sizeof(*m));
	assert_int_equal(bytes_set(&m->host, "host", 4, &e), 0);
	assert_int_equal(bytes_set(&m->user, "ana", 3, &e), 0);
	assert_int_equal(bytes_set(&m->program, "vitrine 0.1.0", 13, &e), 0);
	m->time = (struct stamp){ 1700000000, 5 };
	m->ended = (struct stamp){ -1, 999999999 };
	ident(m->lineage.b, 1);
	m->sequence = 2;
	ident(m->previous.b, 2);
	ident(m->header_digest, 3);
	m->flags = SNAPSHOT_INCOMPLETE;
	add(&m->roots, "/etc");
	add(&m->roots, "/home/ana");
	assert_int_equal(strings_add(&m->roots, "/home/\xff", 7, &e), 0);
	add(&m->tags, "tag");
	add(&m->excludes, "*.o");
	add(&m->excludes, "");
	m->heads = calloc(2, sizeof(*m->heads));
	m->nheads = 2;
	for (int i = 0; i < 2; i++) {
		ident(m->heads[i].lineage.b, i == 0 ? 4 : 6);
		ident(m->heads[i].id.b, i == 0 ? 5 : 7);
		m->heads[i].sequence = i == 0 ? 9 : 1;
	}
	m->files = 10;
	m->dirs = 20;
	m->others = 30;
	m->bytes = 40;
	m->unread = 50;
	m->bytes_new = 60;
	m->bytes_added = 70;
	m->catalog.size_bytes = 3 * CATALOG_PAGE_BYTES;
	m->catalog.levels = 1;
	ident(m->catalog.map.hash.b, 8);
	place(&m->catalog.map.place[0], 32 * pages, 0, 200, 900, 3);
	place(&m->catalog.map.place[1], 32 * pages + 1, 1, 1100, 800, 0);
	m->catalog.snapshots_since_key = 17;
	m->catalog.pages = calloc(pages + 1, sizeof(*m->catalog.pages));
	m->catalog.npages = pages;
	for (uint32_t i = 0; i < pages; i++) {
		ident(m->catalog.pages[i].hash.b, 9 + (int)i);
		place(&m->catalog.pages[i].place[0], 32 * (i + 1), 0, 200, 300,
		    1);
		m->catalog.pages[i].place[1].pack = MPLACE_NONE;
	}
	m->catalog.tail = calloc(tail + 1, sizeof(*m->catalog.tail));
	m->catalog.ntail = tail;
	for (uint32_t i = 0; i < tail; i++)
		record(&m->catalog.tail[i], 20 + (int)i, 0, OBJECT_PACK_META,
		    false);
}

/* Emit; parse must take it all, and nothing less or more. */
static bool
parses(const struct manifest *m)
{
	struct sealed env = { .head = { .kind = OBJECT_MANIFEST } };
	struct buf b = BUF_INIT;
	struct manifest out;
	bool fine;

	assert_int_equal(manifest_emit(&b, m, &e), 0);
	fine = manifest_parse(&out, &env, b.data, b.len, &e) == 0;
	if (fine)
		manifest_fini(&out);
	else
		assert_int_equal(e.code, ERR_CORRUPT);
	for (size_t i = 0; fine && i < b.len; i++)
		assert_int_equal(manifest_parse(&out, &env, b.data, i, &e),
		    -1);
	buf_u8(&b, 0);
	assert_int_equal(manifest_parse(&out, &env, b.data, b.len, &e), -1);
	buf_fini(&b);
	return (fine);
}

static void
test_manifest(void **state)
{
	struct buf b = BUF_INIT;
	struct manifest m, copy;

	make(&m, 0, 2);
	assert_int_equal(manifest_emit(&b, &m, &e), 0);
	expect(&b, "26bbdb4d8b850e3c8a9b110108f19b11"
	    "62da80f4fb3cac87d7a938161a3aa09b");
	assert_true(parses(&m));
	assert_int_equal(manifest_copy(&copy, &m, &e), 0);
	buf_reset(&b);
	assert_int_equal(manifest_emit(&b, &copy, &e), 0);
	expect(&b, "26bbdb4d8b850e3c8a9b110108f19b11"
	    "62da80f4fb3cac87d7a938161a3aa09b");
	manifest_fini(&copy);
	manifest_fini(&m);
	make(&m, 3, 5);
	buf_reset(&b);
	assert_int_equal(manifest_emit(&b, &m, &e), 0);
	expect(&b, "07fa84aaf4aaee574637868bb7588729"
	    "5fb68ea26b13bb0931c8c1d786dae01a");
	assert_true(parses(&m));
	manifest_fini(&m);
	make(&m, 1, 2);
	assert_int_equal(bytes_set(&m.name, "db", 2, &e), 0);
	buf_reset(&b);
	assert_int_equal(manifest_emit(&b, &m, &e), 0);
	expect(&b, "4f84f8f8c3e961a3a31e6a7dc6408fae"
	    "2d29cabb8cd7e59cacff340f25af3787");
	assert_true(parses(&m));
	manifest_fini(&m);
	buf_fini(&b);
}

#define REFUSED(change) do { \
	struct manifest m; \
	make(&m, 2, 3); \
	assert_true(parses(&m)); \
	change; \
	assert_false(parses(&m)); \
	manifest_fini(&m); } while (0)

static void
test_manifest_refused(void **state)
{
	REFUSED(m.sequence = 0);
	REFUSED(m.sequence = 1);	/* with a previous one */
	REFUSED(memset(&m.previous, 0, sizeof(m.previous)));
	REFUSED(m.time.ns = 1000000000);
	REFUSED(m.flags = 4);
	REFUSED(m.roots.v[0].p[0] = 'x');
	REFUSED(m.roots.v[0].p[1] = 'z');	/* not sorted */
	REFUSED(m.roots.v[1].p[3] = '\0');
	REFUSED(m.heads[1].sequence = 0);
	REFUSED(m.catalog.size_bytes++);
	REFUSED(m.catalog.size_bytes = 0);
	REFUSED(m.catalog.size_bytes = 129 * CATALOG_BLOCK_BYTES);
	REFUSED(m.catalog.levels = 0);
	REFUSED(m.catalog.levels = 6);
	REFUSED(m.catalog.map.place[0].pack = MPLACE_NONE);
	REFUSED(m.catalog.map.place[1].pack = 64);	/* the same pack */
	REFUSED(m.catalog.map.place[1].pack = 67);
	REFUSED(m.catalog.pages[1].place[0].pack = 63);	/* its own page */
	REFUSED(m.catalog.pages[0].place[0].pack = 31);
	REFUSED(m.catalog.tail[1].kind = OBJECT_PACK_DATA);
	REFUSED(m.catalog.tail[1].domain = 1);
}

static void
test_lineage(void **state)
{
	struct lineage_id a, b;
	struct manifest m;
	char hex[ID_HEX];

	make(&m, 0, 1);
	lineage_of(&a, 7, &m.host, &m.roots, NULL);
	assert_string_equal(hex_emit(hex, a.b, ID_BYTES),
	    "031e6218fd80d3d838ab35200a5b8995"
	    "7cdfac3a76879de21561bf5e9c5a1f42");
	lineage_of(&b, 8, &m.host, &m.roots, &m.name);
	assert_memory_not_equal(a.b, b.b, ID_BYTES);
	assert_int_equal(bytes_set(&m.name, "db", 2, &e), 0);
	lineage_of(&b, 7, &m.host, &m.roots, &m.name);
	assert_string_equal(hex_emit(hex, b.b, ID_BYTES),
	    "f416bc22749c29733beb2d5af2d01677"
	    "b18e51917c6058cc6cc2dfa27536206e");
	manifest_fini(&m);
}

static void
test_lease(void **state)
{
	struct lease l = { LEASE_WRITER, 3, { NULL, 0 }, { 1700000000, 7 } }, m;
	struct buf b = BUF_INIT;

	assert_int_equal(bytes_set(&l.host, "host", 4, &e), 0);
	assert_int_equal(lease_emit(&b, &l, &e), 0);
	expect(&b, "2c0cfb75877dd42b8fb43f8ccf575d31"
	    "70ff15a73b416864ba3f65e601b01cc7");
	assert_int_equal(lease_parse(&m, b.data, b.len, &e), 0);
	assert_int_equal(m.generation, 3);
	lease_fini(&m);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(lease_parse(&m, b.data, i, &e), -1);
	b.data[0] = 3;
	assert_int_equal(lease_parse(&m, b.data, b.len, &e), -1);
	lease_fini(&l);
	buf_fini(&b);
}

static void
test_condemned(void **state)
{
	struct condemned c = { .state = CONDEMNED_DELETING }, d;
	struct buf b = BUF_INIT;

	add(&c.leases, "0123-00000001");
	add(&c.leases, "4567-00000002");
	c.packs = calloc(2, sizeof(*c.packs));
	c.npacks = 2;
	ident(c.packs[0].b, 1);
	ident(c.packs[1].b, 2);
	assert_int_equal(condemned_emit(&b, &c, &e), 0);
	expect(&b, "c82734f68e7dd24ca596d3befdfa3289"
	    "c9f2114786f4fca21f95fe901f34826b");
	assert_int_equal(condemned_parse(&d, b.data, b.len, &e), 0);
	assert_int_equal(d.npacks, 2);
	assert_int_equal(d.leases.n, 2);
	condemned_fini(&d);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(condemned_parse(&d, b.data, i, &e), -1);
	condemned_fini(&c);
	buf_fini(&b);
}

static void
test_damaged(void **state)
{
	uint32_t frames[] = { 5, 8 };
	struct damaged_pack v[2] = { { .whole = true },
	    { .frames = frames, .nframes = 2 } };
	struct damaged d = { v, 2 }, x;
	struct buf b = BUF_INIT;

	ident(v[0].id.b, 1);
	ident(v[1].id.b, 2);
	assert_int_equal(damaged_emit(&b, &d, &e), 0);
	expect(&b, "1a15d1ad041707c85ad70eefe546c957"
	    "c5e2988bdd81d72b995b4e92b26e23e2");
	assert_int_equal(damaged_parse(&x, b.data, b.len, &e), 0);
	assert_true(x.v[0].whole);
	assert_int_equal(x.v[1].frames[1], 8);
	damaged_fini(&x);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(damaged_parse(&x, b.data, i, &e), -1);
	/* A whole pack with frames; a part without. */
	b.data[4 + 32] = 0;
	assert_int_equal(damaged_parse(&x, b.data, b.len, &e), -1);
	buf_fini(&b);
}

static void
test_forwards(void **state)
{
	struct forward_move one[] = { { 0, 1, { 5, 200, 900, 4000 }, 2 },
	    { 2, 0, { 5, 200, 900, 4000 }, 3 } };
	struct forward_move two[] = { { 9, 8, { 7, 1100, 500, 600 }, 1 } };
	struct forward v[2] = { { .moves = one, .nmoves = 2 },
	    { .moves = two, .nmoves = 1 } };
	struct forwards f = { v, 2 }, x;
	const struct pack_info *pack;
	struct buf b = BUF_INIT;
	struct frame_info to;
	uint32_t slot;

	ident(v[0].old.b, 1);
	ident(v[1].old.b, 2);
	record(&v[0].pack, 3, 0, OBJECT_PACK_DATA, false);
	record(&v[1].pack, 4, 7, OBJECT_PACK_DATA, true);
	assert_int_equal(forwards_emit(&b, &f, &e), 0);
	expect(&b, "5160a47ceba162011ba126f8bcdf42da"
	    "19a7939f2ad24bebf1c7c5a147619e79");
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(forwards_parse(&x, b.data, i, &e), -1);
	assert_int_equal(forwards_parse(&x, b.data, b.len, &e), 0);
	assert_true(forwards_find(&x, &v[0].old, 2, 0, &pack, &to, &slot));
	assert_int_equal(slot, 3);
	assert_int_equal(pack->id.b[0], 3);
	assert_true(forwards_find(&x, &v[1].old, 9, 8, &pack, &to, &slot));
	assert_int_equal(to.off, 1100);
	assert_false(forwards_find(&x, &v[1].old, 9, 9, &pack, &to, &slot));
	assert_false(forwards_find(&x, &v[0].pack.id, 0, 1, &pack, &to,
	    &slot));
	forwards_fini(&x);
	/* One pack into two, and out of order. */
	ident(v[1].old.b, 1);
	one[0].frame = 3;
	buf_reset(&b);
	assert_int_equal(forwards_emit(&b, &f, &e), 0);
	assert_int_equal(forwards_parse(&x, b.data, b.len, &e), 0);
	assert_true(forwards_find(&x, &v[0].old, 3, 1, &pack, &to, &slot));
	assert_true(forwards_find(&x, &v[0].old, 2, 0, &pack, &to, &slot));
	assert_true(forwards_find(&x, &v[0].old, 9, 8, &pack, &to, &slot));
	assert_int_equal(pack->id.b[0], 4);
	forwards_fini(&x);
	buf_fini(&b);
}

static void
test_forgotten(void **state)
{
	struct tombstone v[2] = { { .sequence = 3, .time = { 5, 6 } },
	    { .sequence = 9, .time = { -5, 0 } } };
	struct forgotten f = { v, 2 }, x;
	struct buf b = BUF_INIT;

	ident(v[0].id.b, 1);
	ident(v[0].lineage.b, 2);
	ident(v[0].previous.b, 4);
	ident(v[1].id.b, 7);
	ident(v[1].lineage.b, 8);
	assert_int_equal(forgotten_emit(&b, &f, &e), 0);
	expect(&b, "d83e5f0caf208593d39effec2c673f20"
	    "c714ec88aa92bbe9924bb3391f675f8f");
	assert_int_equal(forgotten_parse(&x, b.data, b.len, &e), 0);
	assert_int_equal(x.v[1].time.s, -5);
	forgotten_fini(&x);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(forgotten_parse(&x, b.data, i, &e), -1);
	buf_fini(&b);
}

static void
test_tags(void **state)
{
	struct tag_set t = { .serial = 3 }, x;
	struct buf b = BUF_INIT;

	ident(t.snapshot.b, 1);
	add(&t.tags, "");
	add(&t.tags, "keep");
	add(&t.tags, "keep 1");
	add(&t.tags, "\377");
	assert_int_equal(tag_set_emit(&b, &t, &e), 0);
	expect(&b, "72eff7ab26aaef513d2a4fbf01c97a99"
	    "98bdc59e04a943e748355b031199a26b");
	assert_int_equal(tag_set_parse(&x, b.data, b.len, &e), 0);
	assert_int_equal(x.serial, 3);
	assert_int_equal(x.tags.n, 4);
	assert_string_equal(x.tags.v[2].p, "keep 1");
	tag_set_fini(&x);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(tag_set_parse(&x, b.data, i, &e), -1);
	/* One twice, out of order, serial 0, more than there are. */
	b.data[ID_BYTES + 8] = 5;
	assert_int_equal(tag_set_parse(&x, b.data, b.len, &e), -1);
	b.data[ID_BYTES + 8] = 4;
	b.data[b.len - 1] = 'a';
	assert_int_equal(tag_set_parse(&x, b.data, b.len, &e), -1);
	b.data[b.len - 1] = 0xff;
	b.data[ID_BYTES] = 0;
	assert_int_equal(tag_set_parse(&x, b.data, b.len, &e), -1);
	b.data[ID_BYTES] = 1;
	assert_int_equal(tag_set_parse(&x, b.data, b.len, &e), 0);
	tag_set_fini(&x);
	tag_set_fini(&t);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test(f)
		T(test_manifest), T(test_manifest_refused), T(test_lineage),
		T(test_lease), T(test_condemned), T(test_damaged),
		T(test_forwards), T(test_forgotten), T(test_tags)
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
