/* Copies that a reader will come to: they are kept when their frame is decoded,
 * with the right bytes, within the memory, and forgotten behind the reader. */
#include "tests/unit/catalog_fixture.h"

#include "fs/copies.h"

#define DIRS	120
#define FILES	50		/* in each */
#define N	(DIRS * FILES)
#define EVERY	60		/* file is a copy of an earlier one */
#define LEN	1500
#define PLENTY	(16U << 20)

/* The file of which the nth is a copy, or n. */
static unsigned
original(unsigned n)
{
	unsigned of;

	if (n % EVERY != EVERY - 1)
		return (n);
	of = (unsigned)(n * 2654435761U >> 8) % n;
	return (of % EVERY == EVERY - 1 ? of - 1 : of);
}

/* Bytes that don't compress, so that there are several frames. */
static size_t
content(unsigned n, uint8_t dst[LEN])
{
	uint64_t x = (uint64_t)(original(n) + 1) * 0x9e3779b97f4a7c15U;

	for (size_t i = 0; i < LEN; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		dst[i] = (uint8_t)(x >> 24);
	}
	return (LEN - original(n) % 700);
}

struct world {
	struct fixture f;
	struct catalog *c;
	uint64_t ino[N];
};

static void
add_file(struct run *r, uint64_t dir, uint64_t ino, unsigned n)
{
	struct entry x = { .ino = ino, .kind = ENTRY_FILE, .mode = 0644,
	    .src_dev = 7, .src_ino = ino };
	struct err e = ERR_INIT;
	uint8_t bytes[LEN];
	uint32_t len = (uint32_t)content(n, bytes);
	struct place place;
	struct put_hint hint;
	char name[32];

	(void)snprintf(name, sizeof(name), "file-%04u", n);
	OK(build_node(r->build, &x, NULL, 0, &e));
	OK(build_name(r->build, dir, name, strlen(name), ino, &e));
	OK(build_content_begin(r->build, ino, &e));
	OK(put_lookup(r->put, bytes, len, &hint, &e));
	OK(put_chunk(r->put, &hint, bytes, len, &place, &e));
	OK(build_content_chunk(r->build, ino, &hint.id, len, &place, &e));
	OK(build_content_end(r->build, ino, &e));
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e = ERR_INIT;
	struct manifest m;
	uint64_t top, ino;
	struct run r;
	char name[32];

	assert_non_null(w);
	fixture_init(&w->f, false);
	run_begin(&r, &w->f, NULL);
	OK(build_inos(r.build, DIRS, &top, &e));
	for (unsigned d = 0; d < DIRS; d++) {
		struct entry x = { .ino = top + d, .kind = ENTRY_DIR,
		    .mode = 0755, .src_dev = 7, .src_ino = top + d };

		(void)snprintf(name, sizeof(name), "dir-%04u", d);
		OK(build_node(r.build, &x, NULL, 0, &e));
		OK(build_name(r.build, CATALOG_ROOT_INO, name, strlen(name),
		    x.ino, &e));
		OK(build_inos(r.build, FILES, &ino, &e));
		for (unsigned i = 0; i < FILES; i++) {
			w->ino[d * FILES + i] = ino + i;
			add_file(&r, x.ino, ino + i, d * FILES + i);
		}
	}
	run_end(&r, &m);
	fetch_free(w->f.fetch);
	/* Not even two frames, so that hardly any is decoded by chance. */
	OK(fetch_new(&w->f.fetch, w->f.repo, 3U << 20, false, &e));
	OK(catalog_open(&w->c, w->f.fetch, w->f.repo, &m, NULL, &e));
	manifest_fini(&m);
	*state = w;
	return (0);
}

static int
teardown(void **state)
{
	struct world *w = *state;

	catalog_close(w->c);
	fixture_fini(&w->f);
	free(w);
	return (0);
}

/* The files from one on are read in order, each out of its frame unless it was
 * kept; with `newer' one at the end in between again and again, as where files
 * were added later.  How many lay in a frame before the one of their
 * neighbours, and how many of these were kept? */
struct seen {
	unsigned elsewhere, kept;
};

static struct seen
read_from(struct world *w, struct copies *c, uint32_t snapshot, unsigned from,
    bool newer)
{
	struct err e = ERR_INIT;
	struct seen seen = { 0 };
	uint32_t place = 0;
	uint8_t want[LEN];

	for (unsigned n = from; n < N; n++) {
		size_t len = content(n, want), got;
		struct frame_info frame;
		struct pack_info pack;
		struct fetched *ref;
		const uint8_t *data;
		struct extent x;

		if (n % 10 == 0)
			OK(copies_follow(c, w->c, snapshot, w->ino[n] - 1,
			    &e));
		if (newer && n % 10 == 5)
			OK(copies_follow(c, w->c, snapshot, w->ino[N - 1],
			    &e));
		OK(catalog_extents(w->c, w->ino[n], 0, &x, 1, &got, &e));
		assert_int_equal(got, 1);
		assert_int_equal(x.len, len);
		seen.elsewhere += x.frame < place;
		if (x.frame > place)
			place = x.frame;
		data = copies_find(c, w->ino[n]);
		if (data != NULL) {
			assert_memory_equal(data, want, len);
			seen.kept++;
			continue;
		}
		OK(catalog_frame(w->c, x.frame, &pack, &frame, &e));
		OK(fetch_chunk(w->f.fetch, &pack, &frame, x.slot, &x.id,
		    (uint32_t)x.len, &ref, &data, &e));
		assert_memory_equal(data, want, len);
		fetch_put(w->f.fetch, ref);
		copies_keep(c, w->f.fetch, &pack, &frame, x.frame);
	}
	return (seen);
}

static void
test_kept(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct copies *c;
	struct seen seen;

	OK(copies_new(&c, PLENTY, &e));
	/* Twice: what is behind a reader is found again. */
	for (unsigned i = 0; i < 2; i++) {
		seen = read_from(w, c, 3, 0, i == 0);
		assert_true(seen.elsewhere > N / EVERY / 2);
		assert_true(seen.kept > seen.elsewhere / 2);
		assert_true(seen.kept <= seen.elsewhere);
	}
	/* From the middle on, of another snapshot. */
	seen = read_from(w, c, 4, N / 2, false);
	assert_true(seen.kept > 0 && seen.kept <= seen.elsewhere);
	assert_null(copies_find(c, w->ino[original(EVERY - 1)]));
	copies_free(c);
}

/* Of two in turns it is the first that is followed; the other is in a snapshot
 * of its own, and never given what is kept for that one. */
static void
test_two_readers(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct copies *c;
	struct frame_info frame;
	struct pack_info pack;
	struct extent x;
	const uint8_t *data;
	uint8_t want[LEN];
	unsigned kept = 0;
	size_t got, len;

	OK(copies_new(&c, PLENTY, &e));
	for (unsigned n = 0; n < N; n++) {
		OK(copies_follow(c, w->c, 1 + n % 2, w->ino[n] - 1, &e));
		OK(catalog_extents(w->c, w->ino[n], 0, &x, 1, &got, &e));
		OK(catalog_frame(w->c, x.frame, &pack, &frame, &e));
		copies_keep(c, w->f.fetch, &pack, &frame, x.frame);
		for (unsigned k = n; k < n + 5 && k < N; k++) {
			data = copies_find(c, w->ino[k]);
			assert_true(data == NULL || n % 2 == 0);
			len = content(k, want);
			if (data != NULL)
				assert_memory_equal(data, want, len);
			kept += data != NULL;
		}
	}
	assert_true(kept > 0);
	copies_free(c);
}

/* No more is kept than there is memory for, and there is again when some was
 * passed. */
static void
test_memory(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct copies *c;
	struct seen all, some, none;

	OK(copies_new(&c, PLENTY, &e));
	all = read_from(w, c, 1, 0, false);
	copies_free(c);
	OK(copies_new(&c, 8 * LEN, &e));
	some = read_from(w, c, 1, 0, false);
	copies_free(c);
	OK(copies_new(&c, 0, &e));
	none = read_from(w, c, 1, 0, false);
	copies_free(c);
	assert_true(some.kept > 8 && some.kept < all.kept);
	assert_int_equal(none.kept, 0);
}

/* The last slot of a frame that is wanted, until that is kept or passed. */
static void
test_last_slot(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct frame_info frame;
	struct pack_info pack;
	struct fetched *ref;
	const uint8_t *data;
	struct copies *c;
	struct extent x, first = { 0 };
	uint32_t last = 0, place = 0;
	size_t got;

	OK(copies_new(&c, PLENTY, &e));
	for (unsigned i = 0; i < 2 * N / 192; i++)
		OK(copies_follow(c, w->c, 1, w->ino[0] - 1, &e));
	for (unsigned n = 0; n < N; n++) {
		OK(catalog_extents(w->c, w->ino[n], 0, &x, 1, &got, &e));
		if (x.frame > place)
			place = x.frame;
		else if (x.frame < place && first.frame == 0)
			first = x;
		if (x.frame < place && x.frame == first.frame &&
		    x.slot > last)
			last = x.slot;
	}
	assert_true(first.frame != 0 && last > first.slot);
	/* Hardly one is taken for a neighbour of others. */
	assert_in_range(copies_last_slot(c, first.frame, first.slot),
	    first.slot + 1, last);
	assert_int_equal(copies_last_slot(c, first.frame, last + 1), last + 1);
	assert_int_equal(copies_last_slot(c, place + 1, 5), 5);
	OK(catalog_frame(w->c, first.frame, &pack, &frame, &e));
	OK(fetch_chunk(w->f.fetch, &pack, &frame, first.slot, &first.id,
	    (uint32_t)first.len, &ref, &data, &e));
	copies_keep(c, w->f.fetch, &pack, &frame, first.frame);
	fetch_put(w->f.fetch, ref);
	assert_int_equal(copies_last_slot(c, first.frame, 0), 0);
	for (unsigned i = 0; i < 8; i++)
		OK(copies_follow(c, w->c, 1, w->ino[N - 1], &e));
	assert_null(copies_find(c, w->ino[N - 1]));
	copies_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_two_readers),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_last_slot),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
