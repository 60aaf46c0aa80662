/*
 * What the build of a catalog stands on: the frames that it counts, and the
 * file over the parent's pages.
 */
#include "tests/unit/catalog_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/build_impl.h"

/*
 * Frames that are named before it is known where they lie, more than are
 * counted together; some, and a pack's only one, that nothing names in the end.
 */
static void
test_frames(void **state)
{
	enum { N = 1200, DEAD = 300 };
	struct frame_info info = { .off = 200, .stored = 100, .raw = 1000 };
	struct pack_info pack = { .kind = OBJECT_PACK_DATA,
	    .size_bytes = 100000, .wrap.kind = WRAP_DERIVED };
	struct err e = ERR_INIT;
	int64_t frames, packs;
	struct fixture f;
	struct run r;
	uint32_t no[N], one;

	fixture_init(&f, false);
	run_begin(&r, &f, NULL);
	for (uint32_t i = 0; i < N; i++) {
		struct place p = { .fresh = true, .frame = i };

		OK(build_frame_no(r.build, &p, &no[i], &e));
		OK(build_ref(r.build, no[i], 2, &e));
	}
	for (uint32_t i = 0; i < N; i++) {
		info.no = i;
		OK(build_on_frame(r.build, i, i == 0, &info, &e));
	}
	OK(build_on_pack(r.build, 0, &pack, &e));
	pack.id.b[0] = 1;
	OK(build_on_pack(r.build, 1, &pack, &e));
	for (uint32_t i = 0; i < DEAD; i++)
		OK(build_ref(r.build, no[i], -2, &e));
	OK(build_finish_frames(r.build, &e));
	OK(sql_int(r.build->db, "SELECT count(*) FROM frame WHERE refs=2",
	    &frames, &e));
	assert_int_equal(frames, N - DEAD);
	OK(sql_int(r.build->db, "SELECT count(*) FROM frame", &frames, &e));
	assert_int_equal(frames, N - DEAD);
	OK(sql_int(r.build->db, "SELECT count(*) FROM pack", &packs, &e));
	assert_int_equal(packs, 1);
	/* One that never came. */
	OK(build_frame_no(r.build, &(struct place){ .fresh = true,
	    .frame = N }, &one, &e));
	OK(build_ref(r.build, one, 1, &e));
	assert_int_equal(build_finish_frames(r.build, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	run_fini(&r);
	fixture_fini(&f);
}

/* Pages of a base, of the file over it, and of neither. */
static void
page_is(struct pages *p, uint64_t no, uint8_t byte)
{
	static uint8_t bytes[CATALOG_PAGE_BYTES];
	struct err e = ERR_INIT;

	memset(bytes, 99, sizeof(bytes));
	OK(p->ops->read(p, bytes, sizeof(bytes), no * sizeof(bytes), &e));
	assert_int_equal(bytes[0], byte);
	assert_int_equal(bytes[sizeof(bytes) - 1], byte);
}

static void
test_overlay(void **state)
{
	static uint8_t bytes[4 * CATALOG_PAGE_BYTES];
	const uint64_t page = CATALOG_PAGE_BYTES;
	struct err e = ERR_INIT;
	struct overlay *base, *o;
	struct pages *p, *under;

	OK(overlay_new(&base, NULL, NULL, &e));
	under = overlay_pages(base);
	memset(bytes, 1, sizeof(bytes));
	OK(under->ops->write(under, bytes, sizeof(bytes), 0, &e));
	OK(overlay_new(&o, under, NULL, &e));
	p = overlay_pages(o);
	assert_true(overlay_is_clean(o));
	page_is(p, 3, 1);
	page_is(p, 4, 0);
	memset(bytes, 2, sizeof(bytes));
	OK(p->ops->write(p, bytes, 2 * page, 3 * page, &e));
	assert_false(overlay_is_clean(o));
	page_is(p, 2, 1);
	page_is(p, 3, 2);
	page_is(p, 4, 2);
	/* What was cut off doesn't come back, neither from here nor there. */
	OK(p->ops->truncate(p, 2 * page, &e));
	assert_true(overlay_size(o) == 2 * page);
	OK(p->ops->write(p, bytes, page, 5 * page, &e));
	page_is(p, 1, 1);
	page_is(p, 2, 0);
	page_is(p, 3, 0);
	page_is(p, 4, 0);
	page_is(p, 5, 2);
	overlay_free(o);
	/* Shorter is another, too. */
	OK(overlay_new(&o, under, NULL, &e));
	OK(overlay_pages(o)->ops->truncate(overlay_pages(o), page, &e));
	assert_false(overlay_is_clean(o));
	overlay_free(o);
	overlay_free(base);
}

static size_t
length_of(int dir, const char *name)
{
	struct stat st;

	return (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ?
	    (size_t)st.st_size : SIZE_MAX);
}

/* Given a name: the file itself, where it holds every page; and it alone. */
static void
test_link(void **state)
{
	static uint8_t bytes[3 * CATALOG_PAGE_BYTES];
	const size_t page = CATALOG_PAGE_BYTES;
	char path[] = "/var/tmp/vitrine-test-XXXXXX";
	struct err e = ERR_INIT;
	struct overlay *base, *o;
	struct pages *under, *p;
	int dir, fd;

	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	OK(overlay_new(&base, NULL, path, &e));
	under = overlay_pages(base);
	memset(bytes, 1, sizeof(bytes));
	OK(under->ops->write(under, bytes, 3 * page, 0, &e));
	OK(overlay_new(&o, under, path, &e));
	p = overlay_pages(o);
	OK(p->ops->write(p, bytes, page, 2 * page, &e));
	OK(p->ops->write(p, bytes, page, 0, &e));
	assert_false(overlay_link(o, dir, "a"));
	assert_true(length_of(dir, "a") == SIZE_MAX);
	overlay_free(o);
	/* Shorter than it was, over an older one, with what a dead one left. */
	fd = openat(dir, "a", O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "old", 3), 3);
	assert_int_equal(close(openat(dir, "a.new", O_CREAT | O_RDWR, 0600)),
	    0);
	OK(under->ops->truncate(under, 2 * page, &e));
	assert_true(overlay_link(base, dir, "a"));
	assert_true(length_of(dir, "a") == 2 * page);
	assert_true(length_of(dir, "a.new") == SIZE_MAX);
	page_is(under, 1, 1);
	/* Whoever has the older one open reads on in it. */
	assert_int_equal(pread(fd, bytes, 4, 0), 3);
	assert_int_equal(close(fd), 0);
	overlay_free(base);
	fd = openat(dir, "a", O_RDONLY);
	assert_int_equal(pread(fd, bytes, 2 * page, 0), 2 * page);
	assert_int_equal(bytes[2 * page - 1], 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlinkat(dir, "a", 0), 0);
	assert_int_equal(close(dir), 0);
	assert_int_equal(rmdir(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_link),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
