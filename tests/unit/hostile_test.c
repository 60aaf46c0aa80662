/*
 * Catalogs that lie: authenticated bytes whose rows can't be.  Each is damage,
 * none is absence, none is believed.  And what sql refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>

#include "tests/unit/memory_pages.h"
#include "tests/unit/prove_fixture.h"

#define OK(call) do { \
	int ok_ = (call); \
	if (ok_ != 0) \
		fail_msg("%s: %d: %s", #call, ok_, err_text(&e)); \
} while (0)

static struct memory_pages memory, good;

static int
count_xattr(void *ctx, const char *name, const void *value, size_t len,
    struct err *e)
{
	(*(unsigned *)ctx)++;
	return (0);
}

static int
look(void *ctx, const char *path, size_t len, const struct entry *x,
    struct err *e)
{
	char target[CATALOG_TARGET_MAX + 1];
	struct extent v[3];
	struct pack_info pack;
	struct frame_info frame;
	struct catalog *c = ctx;
	uint64_t off = 0;
	unsigned xattrs = 0;
	size_t n, tlen;

	if (x->kind == ENTRY_SYMLINK &&
	    catalog_target(c, x->ino, target, &tlen, e) != 0)
		return (-1);
	if (catalog_xattrs(c, x->xattrs, count_xattr, &xattrs, e) != 0) {
		assert_int_equal(xattrs, 0);
		return (-1);
	}
	if (x->kind != ENTRY_FILE)
		return (0);
	do {
		if (catalog_extents(c, x->ino, off, v, 3, &n, e) != 0)
			return (-1);
		for (size_t i = 0; i < n; i++) {
			off = v[i].off + v[i].len;
			if (!v[i].hole && catalog_frame(c, v[i].frame, &pack,
			    &frame, e) != 0)
				return (-1);
		}
	} while (n == 3);
	/* Whoever asks for extents is told, and need not add them up. */
	if (off != x->size)
		return (err_set(e, ERR_USAGE, "short"));
	return (0);
}

static void
quiet(void *ctx, const char *path, const char *text)
{
}

/* By itself, and as what follows one that is right. */
static int
prove(struct catalog *c)
{
	struct err e = ERR_INIT;
	struct catalog *before;
	struct prove *p;
	int alone, after;

	OK(memory_catalog(&good, NULL, &e));
	OK(catalog_over(&before, &good.pages, 0, 1, &e));
	OK(prove_new(&p, 1 << 20, &prove_any_ops, NULL, &e));
	alone = prove_catalog(p, c, NULL, &e);
	OK(prove_catalog(p, before, NULL, &e));
	after = prove_catalog(p, c, before, &e);
	if (alone < 0 || alone != after)
		fail_msg("prove: %d, %d: %s", alone, after, err_text(&e));
	prove_free(p);
	catalog_close(before);
	return (alone);
}

/* Read all: 0, or the error's code; *faults as verify counts them. */
static int
read_all(const char *sql, uint64_t *faults)
{
	struct err e = ERR_INIT;
	struct entry root;
	struct catalog *c;
	int r;

	*faults = 0;
	if (memory_catalog(&memory, sql, &e) != 0)
		fail_msg("%s: %s", sql, err_text(&e));
	if (catalog_over(&c, &memory.pages, 0, 2, &e) != 0)
		return (e.code);
	r = catalog_walk(c, CATALOG_ROOT_INO, look, c, &e);
	if (r != 0)
		r = e.code;
	err_init(&e);
	/* The root is never absent. */
	assert_true(catalog_resolve(c, "", 0, &root, NULL, &e) <= 0);
	err_init(&e);
	if (catalog_verify(c, quiet, NULL, faults, &e) != 0)
		fail_msg("verify: %s", err_text(&e));
	/* What is found by the one is not proven by the other. */
	if ((prove(c) == 0) != (*faults == 0))
		fail_msg("%s: %d faults, %s", sql == NULL ? "good" : sql,
		    (int)*faults, *faults == 0 ? "unproven" : "proven");
	catalog_close(c);
	return (r);
}

/* A tree whose keys are out of order shows an entry to who goes through it, and
 * not to who looks for it. */
static void
test_no_entry(void **state)
{
	char target[CATALOG_TARGET_MAX + 1];
	struct err e = ERR_INIT;
	struct catalog *c;
	size_t len;

	OK(memory_catalog(&memory, NULL, &e));
	OK(catalog_over(&c, &memory.pages, 0, 2, &e));
	assert_int_equal(catalog_target(c, UINT32_MAX, target, &len, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	catalog_close(c);
}

static void
test_good(void **state)
{
	uint64_t faults;

	assert_int_equal(read_all(NULL, &faults), 0);
	assert_int_equal(faults, 0);
}

/* Refused where they are met. */
static void
test_refused(void **state)
{
	static const char *const sqls[] = {
		"UPDATE dirent SET name=x'2e2e' WHERE ino=4",
		"UPDATE dirent SET name=x'2e' WHERE ino=4",
		"UPDATE dirent SET name=x'612f62' WHERE ino=4",
		"UPDATE dirent SET name=x'6100' WHERE ino=4",
		"UPDATE dirent SET name=x'' WHERE ino=4",
		"UPDATE dirent SET name='text' WHERE ino=4",
		"UPDATE dirent SET name=zeroblob(0) WHERE ino=4",
		"UPDATE dirent SET name=randomblob(256) WHERE ino=4",
		"UPDATE dirent SET ino=99 WHERE ino=4",
		"UPDATE dirent SET ino=1 WHERE ino=4",
		"UPDATE dirent SET ino=2 WHERE ino=4",
		"UPDATE dirent SET ino=6 WHERE ino=4",
		"UPDATE node SET kind=0 WHERE ino=4",
		"UPDATE node SET kind=8 WHERE ino=4",
		"UPDATE node SET kind='x' WHERE ino=4",
		"UPDATE node SET mode=4096 WHERE ino=4",
		"UPDATE node SET mode=-1 WHERE ino=4",
		"UPDATE node SET flags=32 WHERE ino=3",
		"UPDATE node SET uid=4294967296 WHERE ino=3",
		"UPDATE node SET size=-1 WHERE ino=3",
		"UPDATE node SET size=31 WHERE ino=3",
		"UPDATE node SET size=29 WHERE ino=3",
		"UPDATE node SET size=4097 WHERE ino=5",
		"UPDATE node SET size=4095 WHERE ino=5",
		"UPDATE node SET size=1 WHERE ino=2",
		"UPDATE node SET mtime_ns=1000000000 WHERE ino=3",
		"UPDATE node SET mtime=1.5 WHERE ino=3",
		"UPDATE node SET nlink=-1 WHERE ino=3",
		"UPDATE node SET parent=3 WHERE ino=3",
		"UPDATE node SET parent=0 WHERE ino=2",
		"UPDATE node SET parent=6 WHERE ino=2",
		"UPDATE node SET target=x'78' WHERE ino=2",
		"UPDATE node SET target=NULL WHERE ino=2",
		"UPDATE node SET target=x'' WHERE ino=4",
		"UPDATE node SET target=x'6100' WHERE ino=4",
		"UPDATE node SET target=zeroblob(4096) WHERE ino=4",
		/* No row is longer than a page, whoever it is read for. */
		"UPDATE node SET target=zeroblob(70000) WHERE ino=3",
		"UPDATE node SET chunks=x'03' WHERE ino=3",
		"UPDATE node SET chunks=x'0200' WHERE ino=3",
		"UPDATE node SET chunks='020a00000000000000' WHERE ino=3",
		"UPDATE node SET chunks=x'02ffffffffffffffff' WHERE ino=3",
		"UPDATE node SET chunks=x'020000000000000000' WHERE ino=3",
		/* There is no frame 0, and none that is 17. */
		("UPDATE node SET chunks=x'0114000000000000000000" ZEROS32
		    "020a00000000000000' WHERE ino=3"),
		("UPDATE node SET chunks=x'0114000000010000000000" ZEROS32
		    "010a000000110000000000" ZEROS32 "' WHERE ino=3"),
		"DELETE FROM node WHERE ino=1",
		"UPDATE node SET kind=3, target=x'78' WHERE ino=1",
		("DELETE FROM node; DELETE FROM dirent; DELETE FROM segment; "
		    "DELETE FROM xset; DELETE FROM frame; DELETE FROM pack"),
		"UPDATE segment SET off=1",
		"UPDATE segment SET chunks=x''",
		"UPDATE segment SET chunks=x'02001000000000000000'",
		"DELETE FROM segment",
		"DELETE FROM frame",
		"DELETE FROM pack",
		"UPDATE frame SET off=199",
		"UPDATE frame SET off=99999",
		"UPDATE frame SET stored=8",
		"UPDATE frame SET no_in_pack=65536",
		"UPDATE pack SET id=zeroblob(31)",
		"UPDATE pack SET domain=1",
		"UPDATE pack SET wrap_kind=2",
		"UPDATE pack SET wrap_kind=3",
		"UPDATE pack SET wrapped=x'00'",
		"UPDATE pack SET size=268435457",
		"DELETE FROM xset",
		"UPDATE xset SET size=14",
		"UPDATE xset SET size=16",
		"UPDATE xset SET size=17000000, data=NULL",
		"UPDATE xset SET data=NULL",
		"UPDATE xset SET data=x'020000000475736572020000006869'",
		/* Sets in parts: longer than told, and in a wrong order. */
		("UPDATE xset SET size=14, data=NULL; INSERT INTO xpart "
		    "VALUES(8192, x'010000000475736572020000006869')"),
		("UPDATE xset SET size=16, data=NULL; INSERT INTO xpart "
		    "VALUES(8192, x'02000000016200000000016100000000')"),
		/* Its hash ends where the page does. */
		"DELETE FROM xset; INSERT INTO xset VALUES(1,x'00',0,NULL)",
		"PRAGMA application_id=1",
		"CREATE TABLE more(a)",
		"CREATE VIEW more AS SELECT 1",
		"CREATE TRIGGER more AFTER INSERT ON node BEGIN SELECT 1; END",
		"DROP INDEX node_orphan",
		("PRAGMA writable_schema=ON; INSERT INTO sqlite_schema "
		    "VALUES('index','node_source','node',12,NULL)"),
		("DROP TABLE xpart; CREATE VIEW xpart AS SELECT 1 AS no, "
		    "x'00' AS data"),
	};

	for (size_t i = 0; i < sizeof(sqls) / sizeof(sqls[0]); i++) {
		uint64_t faults;
		int r = read_all(sqls[i], &faults);

		if (r != ERR_CORRUPT)
			fail_msg("%s: %d, %d faults", sqls[i], r, (int)faults);
	}
}

/* Found by verify only: they harm nobody who reads. */
static void
test_found(void **state)
{
	static const char *const sqls[] = {
		"UPDATE node SET nlink=3 WHERE ino=3",
		"DELETE FROM dirent WHERE ino=4",
		"DELETE FROM dirent WHERE ino=6",
		"INSERT INTO dirent VALUES(4,x'78',3)",
		"INSERT INTO dirent VALUES(77,x'78',3)",
		"INSERT INTO segment VALUES(77,0,x'020010000000000000')",
		"INSERT INTO segment VALUES(3,0,x'020010000000000000')",
		"UPDATE frame SET refs=0",
		/* A ring beside the tree. */
		("UPDATE node SET parent=6, target=x'7a' WHERE ino=2; "
		    "UPDATE dirent SET parent=6, name=x'7a' WHERE ino=2"),
	};

	for (size_t i = 0; i < sizeof(sqls) / sizeof(sqls[0]); i++) {
		uint64_t faults;

		(void)read_all(sqls[i], &faults);
		if (faults == 0)
			fail_msg("%s: not found", sqls[i]);
	}
}

/* Places are right in the pack that the good catalog has. */
static int
old_place(void *ctx, const struct pack_info *p, const struct frame_info *f,
    const struct extent *x, struct err *e)
{
	return (p->id.b[0] == 0 ? 0 : PROVE_UNPROVEN);
}

/*
 * What changes in a catalog stands on pages of its own, and what leans on it on
 * pages that are as they were.
 */
static void
test_leant_on(void **state)
{
	static const char many[] =
	    "INSERT INTO node VALUES(7,2,0,493,0,0,0,0,0,0,0,1,0,0,1,0,0,7,"
	    "x'7a',NULL); INSERT INTO dirent VALUES(1,x'7a',7);"
	    "UPDATE node SET nlink=1002 WHERE ino=3;"
	    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c "
	    "WHERE x<1000) INSERT INTO dirent SELECT 6+x/500, "
	    "CAST(printf('%0200d',x) AS BLOB), 3 FROM c WHERE x<1000;"
	    "INSERT INTO dirent VALUES(7,x'7a7a',3);"
	    "WITH RECURSIVE c(x) AS (SELECT 2 UNION ALL SELECT x+1 FROM c "
	    "WHERE x<600) INSERT INTO pack SELECT x, CAST(zeroblob(28)||"
	    "printf('%04d',x) AS BLOB), 100000, 0, 0, zeroblob(16), "
	    "zeroblob(32), 1, NULL FROM c;"
	    "INSERT INTO frame VALUES(2,600,1,200,100,1000,1);"
	    "UPDATE segment SET chunks=x'0100100000020000000000" ZEROS32 "';";
	static const char *const sqls[] = {
		"DELETE FROM node WHERE ino=7; DELETE FROM dirent WHERE ino=7",
		("UPDATE node SET chunks=x'021e00000000000000' WHERE ino=3;"
		    "UPDATE segment SET chunks=x'0100100000010000000000"
		    ZEROS32 "'; DELETE FROM frame WHERE no=2; UPDATE pack "
		    "SET id=CAST(x'01'||zeroblob(31) AS BLOB) WHERE no=1"),
		("UPDATE pack SET id=CAST(x'01'||zeroblob(31) AS BLOB) "
		    "WHERE no=1"),
		"DELETE FROM pack WHERE no>300",
	};
	static const struct prove_ops ops = { .pack = any_pack,
	    .place = old_place, .going = go_on };
	struct err e = ERR_INIT;
	struct catalog *before, *c;
	struct prove *p;
	char sql[2048];

	OK(prove_new(&p, 1 << 20, &ops, NULL, &e));
	OK(memory_catalog(&good, many, &e));
	OK(catalog_over(&before, &good.pages, 0, 1, &e));
	for (size_t i = 0; i < sizeof(sqls) / sizeof(sqls[0]); i++) {
		(void)snprintf(sql, sizeof(sql), "%s%s", many, sqls[i]);
		OK(memory_catalog(&memory, sql, &e));
		OK(catalog_over(&c, &memory.pages, 0, 1, &e));
		OK(prove_catalog(p, before, NULL, &e));
		if (prove_catalog(p, c, before, &e) != PROVE_UNPROVEN)
			fail_msg("%s: proven", sqls[i]);
		catalog_close(c);
	}
	catalog_close(before);
	prove_free(p);
}

/* A small file's one extent is all that it holds. */
static void
test_small(void **state)
{
#define DATA20	"0114000000010000000000" ZEROS32
	static const struct {
		const char *sql;
		int r;
		size_t n;
	} cases[] = {
		{ NULL, 0, 0 },
		{ "UPDATE node SET size=20, chunks=x'" DATA20 "' WHERE ino=3",
		    0, 1 },
		{ "UPDATE node SET chunks=x'" DATA20 "' WHERE ino=3", -1, 0 },
		{ "UPDATE node SET chunks=x'021e00000000000000' WHERE ino=3",
		    0, 0 },
	};
	struct small_file v[4];
	struct err e = ERR_INIT;
	struct catalog *c;
	uint64_t last;
	size_t n;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OK(memory_catalog(&memory, cases[i].sql, &e));
		OK(catalog_over(&c, &memory.pages, 0, 1, &e));
		assert_int_equal(catalog_small_files(c, 0, 30, v, 4, &n,
		    &last, &e), cases[i].r);
		assert_int_equal(n, cases[i].n);
		catalog_close(c);
	}
}

/* Bytes that SQL doesn't write: two of a page change places, or one is set. */
struct patch {
	uint8_t page;
	uint16_t off, other;		/* other: 0, or what 2 bytes go to */
	uint8_t byte;
};

static void
patch(struct memory_pages *m, const struct patch *x)
{
	uint8_t *at = m->bytes + (x->page - 1) * BTREE_PAGE + x->off, was[2];
	uint8_t *to = m->bytes + (x->page - 1) * BTREE_PAGE + x->other;

	if (x->page == 0)
		return;
	if (x->other == 0) {
		*at = x->byte;
		return;
	}
	memcpy(was, at, 2);
	memcpy(at, to, 2);
	memcpy(to, was, 2);
}

/* Trees out of order, pages of no use or of two. */
static void
test_crooked(void **state)
{
	enum { NODE = 3, SOURCE = 11, FREE = 17 };
	static const struct {
		bool right;
		struct patch v[5];	/* behind one page more, if FREE's */
	} cases[] = {
		{ false, { { NODE, 8, 10, 0 } } },
		{ false, { { SOURCE, 8, 10, 0 } } },
		{ false, { { SOURCE, 7, 0, 1 } } },
		{ false, { { 1, 39, 0, 1 } } },
		{ false, { { 1, 31, 0, FREE } } },
		{ true, { { 1, 31, 0, FREE }, { 1, 35, 0, FREE },
		    { 1, 39, 0, 1 } } },
		{ false, { { 1, 31, 0, FREE }, { 1, 35, 0, FREE },
		    { 1, 39, 0, 2 } } },
		{ false, { { 1, 31, 0, FREE }, { 1, 35, 0, FREE },
		    { 1, 39, 0, 2 }, { FREE, 3, 0, FREE } } },
		{ false, { { 1, 31, 0, FREE }, { 1, 35, 0, FREE },
		    { 1, 39, 0, 2 }, { FREE, 7, 0, 1 },
		    { FREE, 11, 0, SOURCE } } },
		{ false, { { 1, 31, 0, FREE }, { 1, 35, 0, FREE },
		    { 1, 39, 0, 1 }, { FREE, 7, 0, 1 } } },
	};
	struct err e = ERR_INIT;
	struct catalog *c;
	uint64_t faults;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OK(memory_catalog(&memory, NULL, &e));
		assert_int_equal(memory.size, (FREE - 1) * BTREE_PAGE);
		if (cases[i].v[0].byte == FREE)
			memory.size += BTREE_PAGE;
		for (size_t k = 0; k < 5; k++)
			patch(&memory, &cases[i].v[k]);
		OK(catalog_over(&c, &memory.pages, 0, 1, &e));
		OK(catalog_verify(c, quiet, NULL, &faults, &e));
		if ((faults == 0) != cases[i].right ||
		    (prove(c) == 0) != cases[i].right)
			fail_msg("%d: %d faults, %s", (int)i, (int)faults,
			    cases[i].right ? "right" : "crooked");
		catalog_close(c);
	}
}

/* What is told of damage. */
struct told {
	unsigned packs, frames, paths;
	uint64_t from, bytes;		/* of the last path */
};

static int
told_pack(void *ctx, const struct pack_info *p, struct err *e)
{
	((struct told *)ctx)->packs++;
	return (0);
}

static bool
told_frame(void *ctx, const struct pack_info *p, const struct frame_info *f)
{
	((struct told *)ctx)->frames++;
	return (true);
}

static int
told_lost(void *ctx, const struct pack_info *p, const struct frame_info *f,
    const struct extent *x, struct err *e)
{
	return (1);
}

static int
told_path(void *ctx, const char *path, size_t len, uint64_t from,
    uint64_t bytes, const struct pack_id *pack, struct err *e)
{
	struct told *t = ctx;

	t->paths++;
	t->from = from;
	t->bytes = bytes;
	return (0);
}

static struct told
all_told(const char *sql)
{
	static const struct damage_ops ops = { told_frame, told_lost,
	    told_path, NULL };
	struct told t = { 0 };
	struct err e = ERR_INIT;
	struct catalog *c;

	OK(memory_catalog(&memory, sql, &e));
	OK(catalog_over(&c, &memory.pages, 0, 2, &e));
	OK(catalog_packs(c, told_pack, &t, &e));
	OK(catalog_damage(c, &ops, &t, &e));
	catalog_close(c);
	return (t);
}

/* More packs and frames than are looked at together; and of a file what one
 * pack lost as one, of another pack by itself. */
static void
test_told(void **state)
{
	static const char extents[] =
	    "UPDATE node SET size=30, chunks=x'0114000000010000000000" ZEROS32
	    "010a000000%02u0000000000" ZEROS32 "' WHERE ino=3;"
	    "DELETE FROM dirent WHERE name=x'62';"
	    "WITH RECURSIVE c(x) AS (SELECT 2 UNION ALL SELECT x+1 FROM c "
	    "WHERE x<200) INSERT INTO pack SELECT x, CAST(zeroblob(28)||"
	    "printf('%%04d',x) AS BLOB), 100000, 0, 0, zeroblob(16), "
	    "zeroblob(32), 1, NULL FROM c;"
	    "WITH RECURSIVE c(x) AS (SELECT 2 UNION ALL SELECT x+1 FROM c "
	    "WHERE x<600) INSERT INTO frame SELECT x, 1+(x=2), x, 200, 100, "
	    "1000, 1 FROM c";
	char sql[2048];
	struct told t;

	(void)snprintf(sql, sizeof(sql), extents, 2U);
	t = all_told(sql);
	assert_int_equal(t.packs, 200);
	assert_int_equal(t.frames, 600);
	assert_int_equal(t.paths, 2);
	assert_int_equal(t.from, 20);
	assert_int_equal(t.bytes, 10);
	(void)snprintf(sql, sizeof(sql), extents, 3U);
	t = all_told(sql);
	assert_int_equal(t.paths, 1);
	assert_int_equal(t.from, 0);
	assert_int_equal(t.bytes, 30);
}

static int
one_row(void *ctx, int columns, const char *const *names,
    const char *const *values, const size_t *lens, struct err *e)
{
	char *out = ctx;
	size_t n = strlen(out);

	for (int i = 0; i < columns; i++)
		n += (size_t)snprintf(out + n, 512 - n, "%s%s",
		    values[i] == NULL ? "-" : values[i],
		    i + 1 < columns ? "|" : ";");
	return (0);
}

static void
test_sql(void **state)
{
	static const char *const refused[] = {
		"", "-- nothing", "select 1; select 2", "delete from node",
		"update node set size=1", "create table t(a)",
		"create temp table t(a)", "attach '/tmp/x' as y",
		"pragma journal_mode", "pragma query_only=0", "begin",
		"select load_extension('x')", "vacuum into '/tmp/x'",
		"select * from nothing", "selec", "drop view files",
		"insert into main.meta values('x',1)",
		"select writefile('/tmp/x', 'y')", "reindex", "analyze",
	};
	static const char *const asked[][2] = {
		{ "select path from files order by path",
		    "/;/dir;/dir/a;/dir/b;/dir/sub;/dir/sub/\xff;/l;" },
		{ "select path, type, target from files where ino=4;",
		    "/l|symlink|../x;" },
		{ "select offset, length, id is null, pack from chunks "
		    "where ino=3 -- twice\n", "0|20|0|1;20|10|1|-;" },
		{ "select no, size, frames from packs", "1|100000|1;" },
		{ "select user, \"group\" from files where ino=3 limit 1",
		    "root|-;" },
		{ "with recursive c(x) as (select 1 union all select x+1 "
		    "from c where x<3) select sum(x) from c", "6;" },
		{ "select count(*) from files join chunks using (ino)", "5;" },
		{ "select path from files f join chunks c using (ino) "
		    "where c.pack=1 order by 1", "/dir/a;/dir/b;" },
	};
	struct err e = ERR_INIT;
	struct catalog *c;
	char out[512];

	assert_int_equal(memory_catalog(&memory, NULL, &e), 0);
	assert_int_equal(catalog_over(&c, &memory.pages, 0, 1, &e), 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		out[0] = '\0';
		if (catalog_sql(c, refused[i], one_row, NULL, out, &e) != -1 ||
		    e.code != ERR_USAGE)
			fail_msg("%s: %s %s", refused[i], out, err_text(&e));
	}
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		out[0] = '\0';
		if (catalog_sql(c, asked[i][0], one_row, NULL, out, &e) != 0)
			fail_msg("%s: %s", asked[i][0], err_text(&e));
		assert_string_equal(out, asked[i][1]);
	}
	catalog_close(c);
}

/* A ring beside the tree has no paths: that is damage, and found at once. */
static void
test_ring(void **state)
{
	static const char *const rings[] = {
		("UPDATE node SET parent=6, target=x'7a' WHERE ino=2; "
		    "UPDATE dirent SET parent=6, name=x'7a' WHERE ino=2"),
		("UPDATE node SET parent=2, target=x'7a' WHERE ino=2; "
		    "UPDATE dirent SET parent=2, name=x'7a' WHERE ino=2"),
	};
	struct err e = ERR_INIT;
	struct catalog *c;
	char out[512];

	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		assert_int_equal(memory_catalog(&memory, rings[i], &e), 0);
		assert_int_equal(catalog_over(&c, &memory.pages, 0, 1, &e), 0);
		out[0] = '\0';
		assert_int_equal(catalog_sql(c, "select path from files",
		    one_row, NULL, out, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
		catalog_close(c);
		err_init(&e);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_no_entry),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_leant_on),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_crooked),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_sql),
		cmocka_unit_test(test_ring),
	};
	int r;

	if (sodium_init() < 0)
		return (1);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	free(memory.bytes);
	free(good.bytes);
	return (r);
}
