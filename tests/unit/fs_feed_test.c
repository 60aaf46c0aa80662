/*
 * To whom small files are given before they are asked for, and to whom not:
 * readers of a directory of a real catalog, before a kernel that is an array.
 */
#include "tests/unit/catalog_fixture.h"

#include <errno.h>
#include <pthread.h>

#include "fs/fs_int.h"

#define FILES	1600
#define BYTES	1500		/* of each: they lie in three frames */
#define ALL	FILES		/* of a group: each file is known */

static struct fixture fixture;
static struct manifest manifest;
static struct catalog *catalog;
static struct fs fs = { .layout = { .single = true,
    .root_ino = CATALOG_ROOT_INO } };
static struct fuse_session *session;
static uint64_t first;			/* the files' inode numbers are a row */

/* What the kernel has: pages of the files that it has inodes of. */
static struct {
	bool known[FILES], has[FILES];
	unsigned stored;
} kernel;
static struct feed *feed;

static void
content(char dst[BYTES], size_t i)
{
	memset(dst, 'a' + (int)(i % 26), BYTES);
	(void)snprintf(dst, BYTES, "file %zu", i);
}

int
fuse_lowlevel_notify_store(struct fuse_session *se, fuse_ino_t ino,
    off_t off, struct fuse_bufvec *b, enum fuse_buf_copy_flags flags)
{
	char want[BYTES];
	size_t i = ino - first;

	(void)flags;
	assert_ptr_equal(se, session);
	assert_true(i < FILES);
	assert_int_equal(off, 0);
	content(want, i);
	assert_int_equal(b->buf[0].size, BYTES);
	assert_memory_equal(b->buf[0].mem, want, BYTES);
	if (!kernel.known[i])
		return (-ENOENT);
	assert_false(kernel.has[i]);
	kernel.has[i] = true;
	kernel.stored++;
	return (0);
}

static void
add_file(struct run *r, uint64_t i)
{
	struct entry x = { .kind = ENTRY_FILE, .ino = first + i };
	struct err e = ERR_INIT;
	struct put_hint hint;
	struct place at;
	char bytes[BYTES];

	content(bytes, i);
	OK(build_node(r->build, &x, NULL, 0, &e));
	OK(build_name(r->build, CATALOG_ROOT_INO, bytes, strlen(bytes), x.ino,
	    &e));
	OK(put_lookup(r->put, bytes, BYTES, &hint, &e));
	OK(put_chunk(r->put, &hint, bytes, BYTES, &at, &e));
	OK(build_content_begin(r->build, x.ino, &e));
	OK(build_content_chunk(r->build, x.ino, &hint.id, BYTES, &at, &e));
	OK(build_content_end(r->build, x.ino, &e));
}

/* Bring every frame into the cache, so that nothing waits for a thread. */
static void
warm(void)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < FILES; i++) {
		struct pack_info pack;
		struct frame_info frame;
		struct extent x;
		struct fetched *ref;
		const uint8_t *data;
		size_t n;

		OK(catalog_extents(catalog, first + i, 0, &x, 1, &n, &e));
		assert_int_equal(n, 1);
		OK(catalog_frame(catalog, x.frame, &pack, &frame, &e));
		OK(fetch_chunk(fs.fetch, &pack, &frame, x.slot, &x.id,
		    (uint32_t)x.len, &ref, &data, &e));
		fetch_put(fs.fetch, ref);
	}
}

static int
setup(void **state)
{
	static const struct fuse_lowlevel_ops ops = { 0 };
	const struct catalog_env env = { .cache_bytes = 4U << 20 };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct err e = ERR_INIT;
	struct run r;

	(void)state;
	fixture_init(&fixture, false);
	run_begin(&r, &fixture, NULL);
	OK(build_inos(r.build, FILES, &first, &e));
	for (uint64_t i = 0; i < FILES; i++)
		add_file(&r, i);
	run_end(&r, &manifest);
	fs.fetch = fixture.fetch;
	OK(catalog_open(&catalog, fs.fetch, fixture.repo, &manifest, &env,
	    &e));
	warm();
	assert_int_equal(fuse_opt_add_arg(&args, "test"), 0);
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	fuse_opt_free_args(&args);
	return (session == NULL);
}

static int
teardown(void **state)
{
	(void)state;
	fuse_session_destroy(session);
	catalog_close(catalog);
	manifest_fini(&manifest);
	fixture_fini(&fixture);
	return (0);
}

static void *
come_by(void *ctx)
{
	(void)ctx;
	feed_listed(feed, &fs, catalog, UINT64_MAX);
	return (NULL);
}

/* A mount that so many threads serve; of each `group' files the first `known'
 * have inodes. */
static void
begin(unsigned threads, size_t group, size_t known)
{
	struct err e = ERR_INIT;
	pthread_t t;

	OK(feed_new(&feed, 1U << 20, &e));
	feed_begin(feed, session);
	memset(&kernel, 0, sizeof(kernel));
	for (size_t i = 0; i < FILES; i++)
		kernel.known[i] = i % group < known;
	for (unsigned i = 0; i < threads; i++) {
		assert_int_equal(pthread_create(&t, NULL, come_by, NULL), 0);
		assert_int_equal(pthread_join(t, NULL), 0);
	}
}

/* Somebody reads that file; true: we were asked for it. */
static bool
read_file(size_t i)
{
	const struct node n = { .kind = NODE_ENTRY, .ino = first + i };

	if (kernel.has[i])
		return (false);
	kernel.known[i] = true;
	feed_after(feed, &fs, catalog, &n, first + i);
	kernel.has[i] = true;
	return (true);
}

static unsigned
read_row(size_t from, size_t n)
{
	unsigned asked = 0;

	for (size_t i = from; i < from + n; i++)
		asked += read_file(i);
	return (asked);
}

/* All but one request in so many are spared. */
static void
test_row(void **state)
{
	unsigned asked;

	(void)state;
	begin(2, ALL, ALL);
	assert_int_equal(read_row(0, 5), 5);
	assert_int_equal(kernel.stored, 0);
	asked = read_row(5, FILES - 5);
	assert_true(asked < FILES / 20);
	/* What is fed may not be all: nothing would tell when to stop. */
	assert_true(kernel.stored + asked < FILES);
	feed_free(feed);
}

/* Who feeds and is the only one to serve, waits for himself.  (The first test:
 * a thread is counted once in its life.) */
static void
test_one_thread(void **state)
{
	(void)state;
	begin(0, ALL, ALL);
	assert_int_equal(read_row(0, FILES), FILES);
	assert_int_equal(kernel.stored, 0);
	feed_free(feed);
}

static void
test_here_and_there(void **state)
{
	(void)state;
	begin(2, ALL, ALL);
	for (size_t i = 0; i < FILES; i += 100)
		(void)read_file(i);
	for (size_t i = FILES; i-- > 0;)
		if (i % 7 == 3)
			(void)read_file(i);
	assert_int_equal(kernel.stored, 0);
	feed_free(feed);
}

/* Several at a time, each in a row, far from one another. */
static void
test_four(void **state)
{
	unsigned asked = 0;

	(void)state;
	begin(2, ALL, ALL);
	for (size_t i = 0; i < 300; i++)
		for (size_t reader = 0; reader < 4; reader++)
			asked += read_file(reader * 400 + i);
	assert_true(asked < 120);
	feed_free(feed);
}

/* Inodes come with listings: what lies in the next directory isn't known yet,
 * and is fed all the same when its turn comes. */
static void
test_directories(void **state)
{
	unsigned asked = 0;

	(void)state;
	begin(2, ALL, 0);
	for (size_t d = 0; d < FILES; d += 20) {
		for (size_t i = d; i < d + 20; i++)
			kernel.known[i] = true;
		asked += read_row(d, 20);
	}
	assert_true(asked < FILES / 20 * 2);
	feed_free(feed);
}

/* Some that nobody reads lie in between. */
static void
test_gaps(void **state)
{
	unsigned asked = 0;

	(void)state;
	begin(2, 4, 2);
	for (size_t i = 0; i < FILES; i += i % 4 == 0 ? 1 : 3)
		asked += read_file(i);
	assert_true(asked < FILES / 20);
	feed_free(feed);
}

/* Read on, one file a group, and leave what is fed behind it; those left out
 * are read so many groups later, or never (0), or but for each third of them.
 * How often nothing was fed. */
static unsigned
leave(size_t groups, size_t later, bool all)
{
	unsigned hungry = 0, left = 0;

	assert_true(groups * 8 <= FILES);
	for (size_t g = 0; g < groups; g++) {
		unsigned before = kernel.stored;

		assert_true(read_file(8 * g));
		hungry += kernel.stored == before;
		/* Of a group it is the first behind the one that was read. */
		if (later > 0 && g >= later &&
		    !kernel.has[8 * (g - later) + 1] &&
		    (++left % 3 != 0 || all))
			(void)read_file(8 * (g - later) + 1);
	}
	return (hungry);
}

/* Who doesn't read what was left out, doesn't read what was fed.  But he reads
 * in a row, so that it begins again. */
static void
test_unasked(void **state)
{
	unsigned start, hungry;

	(void)state;
	begin(2, 8, 3);
	start = leave(50, 0, true);
	assert_true(start < 10);
	feed_free(feed);
	begin(2, 8, 3);
	hungry = leave(200, 0, true);
	assert_true(hungry > start + 10 && hungry < 50);
	feed_free(feed);
}

/* Those are read, most of them, soon or after the directories that stand before
 * them. */
static void
test_asked(void **state)
{
	static const size_t later[] = { 1, 10, 20 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		begin(2, 8, 3);
		assert_true(leave(200, later[i], true) < 10);
		feed_free(feed);
		begin(2, 8, 3);
		assert_true(leave(200, later[i], false) < 10);
		feed_free(feed);
	}
}

static unsigned
list(uint64_t dir)
{
	unsigned before = kernel.stored;

	feed_listed(feed, &fs, catalog, dir);
	return (kernel.stored - before);
}

/* What was listed is fed to who reads, from its first file on, and once. */
static void
test_listed(void **state)
{
	(void)state;
	begin(2, ALL, ALL);
	feed_listing(feed, 77, first + 400);
	assert_int_equal(list(77), 0);
	(void)read_row(0, 12);
	assert_int_equal(list(78), 0);
	assert_true(list(77) > 20);
	assert_true(kernel.has[400] && !kernel.has[399]);
	assert_int_equal(list(77), 0);
	/* Several listings go on at a time, though not any number. */
	for (uint64_t i = 0; i < 12; i++)
		feed_listing(feed, 100 + i, first + 500 + 90 * i);
	assert_int_equal(list(100), 0);
	for (uint64_t i = 8; i < 12; i++)
		assert_true(list(100 + i) > 20);
	feed_free(feed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thread),
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_here_and_there),
		cmocka_unit_test(test_four),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_listed),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
