/*
 * Catalogs over a store and a cache that lose, tear and turn bytes: what is
 * served is right or an error.  And how catalogs are stored anew.
 */
#include "tests/unit/catalog_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "index/blocks_impl.h"
#include "index/cache.h"
#include "index/catalog_impl.h"

/* A store of which some packs, or all, can't be read for now. */
static char out_of_reach[ID_HEX];	/* an id's digits, or "packs/" */

static void
far_close(struct store *s)
{
	store_close(s->under);
	free(s);
}

static int
far_read(struct store *s, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, struct err *e)
{
	if (out_of_reach[0] != '\0' && strstr(name, out_of_reach) != NULL)
		return (err_set(e, ERR_NET, "out of reach"));
	return (store_read(s->under, name, off, dst, len, got, e));
}

static int
far_stat(struct store *s, const char *name, struct store_stat *st,
    struct err *e)
{
	return (store_stat(s->under, name, st, e));
}

static int
far_put(struct store *s, const char *name, const void *src, size_t len,
    struct err *e)
{
	return (store_put(s->under, name, src, len, e));
}

static int
far_put_begin(struct store *s, struct store_put **out, struct err *e)
{
	return (store_put_begin(s->under, out, e));
}

static int
far_list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	return (store_list(s->under, prefix, fn, ctx, e));
}

static int
far_remove(struct store *s, const char *name, struct err *e)
{
	return (store_remove(s->under, name, e));
}

static const struct store_ops far_ops = {
	.close = far_close,
	.read = far_read,
	.stat = far_stat,
	.put = far_put,
	.put_begin = far_put_begin,
	.list = far_list,
	.remove = far_remove
};

static struct store *
far_away(struct store *under)
{
	struct store *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->ops = &far_ops;
	s->under = under;
	memcpy(s->where, under->where, sizeof(s->where));
	return (s);
}

struct sum {
	struct hash hash;
	struct catalog *c;
	size_t n;
};

static int
add(void *ctx, const char *path, size_t len, const struct entry *x,
    struct err *e)
{
	struct sum *s = ctx;
	struct extent v[100];
	size_t n;

	hash_update(&s->hash, path, len);
	hash_update(&s->hash, &x->ino, sizeof(x->ino));
	hash_update(&s->hash, &x->mtime.s, sizeof(x->mtime.s));
	s->n++;
	if (x->kind != ENTRY_FILE)
		return (0);
	if (catalog_extents(s->c, x->ino, 0, v, 100, &n, e) != 0)
		return (-1);
	for (size_t i = 0; i < n; i++)
		hash_update(&s->hash, v[i].id.b, ID_BYTES);
	return (0);
}

/* A digest of all that a walk gives: 0, or the error's code. */
static int
digest(struct fixture *f, const struct manifest *m, bool use_cache,
    uint8_t out[HASH_BYTES], size_t *n)
{
	struct catalog_env env = { .use_cache = use_cache };
	struct err e = ERR_INIT;
	struct sum s = { .n = 0 };
	int r;

	hash_init(&s.hash);
	if (catalog_open(&s.c, f->fetch, f->repo, m, &env, &e) != 0)
		return (e.code);
	r = catalog_walk(s.c, CATALOG_ROOT_INO, add, &s, &e);
	catalog_close(s.c);
	hash_final(&s.hash, out);
	*n = s.n;
	return (r == 0 ? 0 : (int)e.code);
}

static void
add_files(struct run *r, uint64_t dir, unsigned from, unsigned n,
    unsigned chunks)
{
	struct err e = ERR_INIT;
	uint64_t ino;

	OK(build_inos(r->build, n, &ino, &e));
	for (unsigned i = 0; i < n; i++) {
		struct entry x = { .ino = ino + i, .kind = ENTRY_FILE,
		    .mode = 0644, .mtime = { .s = from * 1000 + i },
		    .src_ino = i };
		char name[32];

		(void)snprintf(name, sizeof(name), "file-%u-%u", from, i);
		OK(build_node(r->build, &x, NULL, 0, &e));
		OK(build_name(r->build, dir, name, strlen(name), x.ino, &e));
		OK(build_content_begin(r->build, x.ino, &e));
		for (unsigned k = 0; k < chunks; k++) {
			uint32_t bytes[50];
			struct put_hint hint;
			struct place place;

			for (unsigned j = 0; j < 50; j++)
				bytes[j] = (from + 1) * 2654435761U *
				    (i * 64 + k + 1) + j;
			OK(put_lookup(r->put, bytes, sizeof(bytes), &hint,
			    &e));
			OK(put_chunk(r->put, &hint, bytes, sizeof(bytes),
			    &place, &e));
			OK(build_content_chunk(r->build, x.ino, &hint.id,
			    sizeof(bytes), &place, &e));
		}
		OK(build_content_end(r->build, x.ino, &e));
	}
}

static uint64_t
add_dir(struct run *r, const char *name)
{
	struct entry x = { .kind = ENTRY_DIR, .mode = 0755 };
	struct err e = ERR_INIT;

	OK(build_inos(r->build, 1, &x.ino, &e));
	OK(build_node(r->build, &x, NULL, 0, &e));
	OK(build_name(r->build, CATALOG_ROOT_INO, name, strlen(name), x.ino,
	    &e));
	return (x.ino);
}

/* Links with long targets: a large catalog of few entries. */
static void
add_links(struct run *r, unsigned n)
{
	char target[CATALOG_TARGET_MAX], name[32];
	struct entry x = { .kind = ENTRY_SYMLINK };
	struct err e = ERR_INIT;
	uint64_t ino;

	memset(target, 'x', sizeof(target));
	OK(build_inos(r->build, n, &ino, &e));
	for (unsigned i = 0; i < n; i++) {
		x.ino = ino + i;
		(void)snprintf(name, sizeof(name), "link-%u", i);
		OK(build_node(r->build, &x, target, sizeof(target), &e));
		OK(build_name(r->build, CATALOG_ROOT_INO, name, strlen(name),
		    x.ino, &e));
	}
}

static void
pack_path(const struct fixture *f, const struct pack_info *p, char *out,
    size_t size)
{
	char hex[ID_HEX];

	(void)hex_emit(hex, p->id.b, ID_BYTES);
	(void)snprintf(out, size, "%s/packs/%.2s/%s", f->repo_dir, hex, hex);
}

static void
reopen(struct fixture *f, bool cache)
{
	fixture_close(f);
	fixture_open(f, cache);
}

/* Each pack in turn is away: of keys there is a second copy. */
static void
test_lost_copies(void **state)
{
	uint8_t want[HASH_BYTES], have[HASH_BYTES];
	struct fixture f;
	struct manifest m;
	struct run r;
	size_t n;

	fixture_init(&f, false);
	run_begin(&r, &f, NULL);
	add_files(&r, add_dir(&r, "a"), 1, 2000, 1);
	run_end(&r, &m);
	assert_int_equal(digest(&f, &m, false, want, &n), 0);
	assert_int_equal(n, 2001);
	assert_true(m.catalog.ntail >= 2);
	for (uint32_t i = 0; i < m.catalog.ntail; i++) {
		char path[256], away[300];

		pack_path(&f, &m.catalog.tail[i], path, sizeof(path));
		(void)snprintf(away, sizeof(away), "%s/away", f.dir);
		assert_int_equal(rename(path, away), 0);
		reopen(&f, false);
		assert_int_equal(digest(&f, &m, false, have, &n), 0);
		assert_memory_equal(have, want, HASH_BYTES);
		assert_int_equal(rename(away, path), 0);
	}
	manifest_fini(&m);
	fixture_fini(&f);
}

/* One copy is lost and the other can't be reached: that is no damage. */
static void
test_copy_out_of_reach(void **state)
{
	uint8_t hash[HASH_BYTES];
	struct fixture f;
	struct manifest m;
	struct run r;
	size_t n;

	fixture_init(&f, false);
	run_begin(&r, &f, NULL);
	add_files(&r, add_dir(&r, "a"), 1, 50, 1);
	run_end(&r, &m);
	assert_int_equal(m.catalog.ntail, 2);
	fixture_wrap = far_away;
	for (uint32_t i = 0; i < 2; i++) {
		const struct pack_info *lost = &m.catalog.tail[i];
		char path[256], away[300];

		pack_path(&f, lost, path, sizeof(path));
		(void)snprintf(away, sizeof(away), "%s/away", f.dir);
		assert_int_equal(rename(path, away), 0);
		reopen(&f, false);
		(void)hex_emit(out_of_reach, m.catalog.tail[1 - i].id.b,
		    ID_BYTES);
		assert_int_equal(digest(&f, &m, false, hash, &n), ERR_NET);
		out_of_reach[0] = '\0';
		assert_int_equal(digest(&f, &m, false, hash, &n), 0);
		assert_int_equal(rename(away, path), 0);
	}
	fixture_wrap = NULL;
	manifest_fini(&m);
	fixture_fini(&f);
}

/* The store goes when so many frames of a catalog have been told of; what was
 * read of the parent is forgotten. */
struct leaving {
	struct build *build;
	struct fetch *cold;
	unsigned frames;		/* until then; 0: it has gone */
};

static int
leave(void *ctx, uint32_t frame, uint32_t pack, const struct frame_info *info,
    struct err *e)
{
	struct leaving *l = ctx;

	if (l->frames > 0 && --l->frames == 0) {
		struct blocks_state *s = build_parent(l->build)->blocks->s;

		for (size_t i = 0; i < PAGE_SLOTS; i++)
			s->map[i].level = 0;
		s->fetch = l->cold;
		memcpy(out_of_reach, "packs/", 7);
	}
	return (build_on_frame(l->build, frame, pack, info, e));
}

static int
told_pack(void *ctx, uint32_t pack, const struct pack_info *info,
    struct err *e)
{
	return (build_on_pack(((struct leaving *)ctx)->build, pack, info, e));
}

/* Add a file; the error's code. */
static int
finish_while_leaving(struct fixture *f, const struct manifest *parent,
    struct leaving *l)
{
	struct build_env env = { .repo = f->repo, .fetch = f->fetch,
	    .parent = parent };
	struct put_env penv = { .budget_bytes = 64U << 20, .on_frame = leave,
	    .on_pack = told_pack, .ctx = l };
	struct manifest m = { 0 };
	struct run r = { .f = f };
	struct err e = ERR_INIT;
	int rc;

	OK(fetch_new(&l->cold, f->repo, 1U << 20, false, &e));
	OK(session_begin(&env.session, f->repo, &e));
	OK(pool_new(&penv.pool, 0, &e));
	OK(build_open(&r.build, &env, &e));
	OK(put_open(&r.put, env.session, &penv, &e));
	build_set_put(r.build, r.put);
	l->build = r.build;
	(void)add_dir(&r, "new");
	OK(put_close(r.put, OBJECT_PACK_DATA, &e));
	rc = build_finish(r.build, &m, &e);
	out_of_reach[0] = '\0';
	put_free(r.put);
	build_free(r.build);
	session_end(env.session);
	pool_free(penv.pool);
	fetch_free(l->cold);
	manifest_fini(&m);
	return (rc == 0 ? 0 : (int)e.code);
}

/* A store that goes while a catalog is stored is not a damaged one. */
static void
test_goes_while_storing(void **state)
{
	struct leaving l = { .frames = 0 };
	unsigned failed = 0, goes = 0;
	struct fixture f;
	struct manifest m;
	struct run r;
	int rc;

	fixture_init(&f, false);
	run_begin(&r, &f, NULL);
	add_links(&r, 6000);
	run_end(&r, &m);
	/* A map of three pages; the middle one stays as it is. */
	assert_true(m.catalog.size_bytes > 2 * (uint64_t)MAP_FANOUT *
	    CATALOG_BLOCK_BYTES);
	fixture_wrap = far_away;
	reopen(&f, false);
	do {
		l.frames = ++goes;
		rc = finish_while_leaving(&f, &m, &l);
		assert_true(rc == 0 || rc == ERR_NET);
		failed += rc != 0;
	} while (l.frames == 0);
	/* It was over before it had gone. */
	assert_int_equal(rc, 0);
	assert_true(failed > 0);
	fixture_wrap = NULL;
	manifest_fini(&m);
	fixture_fini(&f);
}

static void
flip(const char *path, uint64_t off)
{
	uint8_t byte;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)off), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)off), 1);
	assert_int_equal(close(fd), 0);
}

/* Bits turn in the packs of a catalog with deltas. */
static void
test_flips(void **state)
{
	uint8_t want[HASH_BYTES], have[HASH_BYTES];
	struct fixture f;
	struct manifest m, next;
	struct run r;
	size_t n, bad = 0;
	uint64_t dir;

	fixture_init(&f, false);
	run_begin(&r, &f, NULL);
	dir = add_dir(&r, "a");
	add_files(&r, dir, 1, 1500, 1);
	run_end(&r, &m);
	for (unsigned g = 2; g < 5; g++) {
		run_begin(&r, &f, &m);
		add_files(&r, dir, g, 3, 20);
		run_end(&r, &next);
		manifest_fini(&m);
		m = next;
	}
	assert_int_equal(digest(&f, &m, false, want, &n), 0);
	assert_int_equal(n, 1510);
	for (unsigned i = 0; i < 60; i++) {
		const struct pack_info *p = &m.catalog.tail[i %
		    m.catalog.ntail];
		uint64_t off = (i * 2654435761ULL) % p->size_bytes;
		char path[256];
		int rc;

		pack_path(&f, p, path, sizeof(path));
		assert_int_equal(chmod(path, 0600), 0);
		flip(path, off);
		reopen(&f, false);
		rc = digest(&f, &m, false, have, &n);
		if (rc == 0)
			assert_memory_equal(have, want, HASH_BYTES);
		else {
			assert_int_equal(rc, ERR_CORRUPT);
			bad++;
		}
		flip(path, off);
	}
	print_message("%zu of 60 flips hit what is stored once\n", bad);
	reopen(&f, false);
	assert_int_equal(digest(&f, &m, false, have, &n), 0);
	assert_memory_equal(have, want, HASH_BYTES);
	manifest_fini(&m);
	fixture_fini(&f);
}

/* The cache is torn, stale, empty, or full of something else. */
static void
test_caches(void **state)
{
	static const char *const names[] = { "plain", "key", "l1" };
	uint8_t want[HASH_BYTES], have[HASH_BYTES], junk[5000];
	struct fixture f;
	struct manifest m, next;
	struct run r;
	uint64_t dir;
	size_t n;

	fixture_init(&f, true);
	run_begin(&r, &f, NULL);
	dir = add_dir(&r, "a");
	add_files(&r, dir, 1, 1500, 1);
	run_end(&r, &m);
	memset(junk, 0x5a, sizeof(junk));
	for (unsigned g = 2; g < 14; g++) {
		char *cache = cache_path(f.repo, &m.lineage);
		char path[512];
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%s", cache,
		    names[g % 3]);
		fd = open(path, O_RDWR);
		assert_true(fd >= 0);
		if (g % 4 == 0)
			assert_int_equal(ftruncate(fd, g * 7000), 0);
		else if (g % 4 == 1)
			assert_int_equal(ftruncate(fd, 0), 0);
		else
			assert_int_equal(pwrite(fd, junk, sizeof(junk),
			    g * 20000), sizeof(junk));
		assert_int_equal(close(fd), 0);
		free(cache);
		run_begin(&r, &f, &m);
		add_files(&r, dir, g, 3, 20);
		run_end(&r, &next);
		manifest_fini(&m);
		m = next;
		assert_int_equal(digest(&f, &m, false, want, &n), 0);
		assert_int_equal(n, 1501 + 3 * (g - 1));
		assert_int_equal(digest(&f, &m, true, have, &n), 0);
		assert_memory_equal(have, want, HASH_BYTES);
	}
	manifest_fini(&m);
	fixture_fini(&f);
}

static int
count_pack(void *ctx, const struct pack_id *id, struct err *e)
{
	(*(size_t *)ctx)++;
	return (0);
}

/* Much goes: everything is stored anew, and the packs that held it are let go.
 */
static void
test_anew(void **state)
{
	struct fixture f;
	struct manifest m, next;
	uint8_t hash[HASH_BYTES];
	struct err e = ERR_INIT;
	struct run r;
	size_t n, packs = 0;
	uint64_t dir;

	fixture_init(&f, true);
	run_begin(&r, &f, NULL);
	dir = add_dir(&r, "keep");
	add_files(&r, dir, 1, 300, 1);
	run_end(&r, &m);
	run_begin(&r, &f, &m);
	add_files(&r, add_dir(&r, "gone"), 2, 20000, 1);
	run_end(&r, &next);
	manifest_fini(&m);
	m = next;
	memset(&next, 0, sizeof(next));
	assert_true(m.catalog.size_bytes > 2000000);
	run_begin(&r, &f, &m);
	OK(build_unname(r.build, CATALOG_ROOT_INO, "gone", 4, &e));
	OK(put_close(r.put, OBJECT_PACK_DATA, &e));
	OK(build_finish(r.build, &next, &e));
	OK(build_packs(r.build, count_pack, &packs, &e));
	run_fini(&r);
	assert_true(next.catalog.size_bytes < m.catalog.size_bytes / 4);
	assert_int_equal(next.catalog.snapshots_since_key, 0);
	/* The data packs of the first run, and the catalog's own new ones. */
	assert_int_equal(packs, next.catalog.ntail + 1);
	assert_int_equal(digest(&f, &next, false, hash, &n), 0);
	assert_int_equal(n, 301);
	manifest_fini(&m);
	manifest_fini(&next);
	fixture_fini(&f);
}

/* The same calls make the same database.  Without chunks: a second run would
 * find those of the first, and say other places. */
static void
test_same_bytes(void **state)
{
	uint8_t page[2][CATALOG_PAGE_BYTES];
	struct fixture f;
	struct manifest m[2];
	struct catalog *c[2];
	struct err e = ERR_INIT;
	struct run r;

	fixture_init(&f, false);
	for (unsigned i = 0; i < 2; i++) {
		run_begin(&r, &f, NULL);
		add_files(&r, add_dir(&r, "a"), 1, 3000, 0);
		add_files(&r, add_dir(&r, "b"), 2, 50, 0);
		OK(build_unname(r.build, CATALOG_ROOT_INO, "b", 1, &e));
		run_end(&r, &m[i]);
		OK(catalog_open(&c[i], f.fetch, f.repo, &m[i], NULL, &e));
	}
	assert_int_equal(m[0].catalog.size_bytes, m[1].catalog.size_bytes);
	for (uint64_t at = 0; at < m[0].catalog.size_bytes;
	    at += CATALOG_PAGE_BYTES) {
		for (unsigned i = 0; i < 2; i++)
			OK(c[i]->pages->ops->read(c[i]->pages, page[i],
			    CATALOG_PAGE_BYTES, at, &e));
		assert_memory_equal(page[0], page[1], CATALOG_PAGE_BYTES);
	}
	for (unsigned i = 0; i < 2; i++) {
		catalog_close(c[i]);
		manifest_fini(&m[i]);
	}
	fixture_fini(&f);
}

/* What no database can be is refused before memory is asked for it. */
static void
test_too_large(void **state)
{
	struct fixture f;
	struct manifest m;
	struct catalog *c;
	struct err e = ERR_INIT;
	struct run r;

	fixture_init(&f, false);
	run_begin(&r, &f, NULL);
	(void)add_dir(&r, "a");
	run_end(&r, &m);
	m.catalog.size_bytes = (uint64_t)CATALOG_PAGE_BYTES << 32;
	m.catalog.levels = 5;
	assert_int_equal(catalog_open(&c, f.fetch, f.repo, &m, NULL, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_non_null(strstr(err_text(&e), "an impossible size"));
	manifest_fini(&m);
	fixture_fini(&f);
}

/* Names that are said to be new are there, whoever asks next and however many
 * they are; to say so of one that was given before fails, at the latest when
 * the names are asked for. */
static void
test_new_names(void **state)
{
	struct fixture f;
	struct manifest m;
	struct catalog *c;
	struct err e = ERR_INIT;
	struct entry x;
	struct run r;
	uint64_t dir;

	fixture_init(&f, false);
	for (unsigned n = 1; n < 40; n += 6) {
		char name[32];

		run_begin(&r, &f, NULL);
		dir = add_dir(&r, "a");
		for (unsigned i = 0; i < n; i++) {
			struct entry file = { .kind = ENTRY_FILE };

			(void)snprintf(name, sizeof(name), "n%u", i);
			OK(build_inos(r.build, 1, &file.ino, &e));
			OK(build_node(r.build, &file, NULL, 0, &e));
			OK(build_new_name(r.build, dir, name, strlen(name),
			    file.ino, &e));
		}
		OK(build_unname(r.build, dir, "n0", 2, &e));
		run_end(&r, &m);
		OK(catalog_open(&c, f.fetch, f.repo, &m, NULL, &e));
		assert_int_equal(catalog_lookup(c, dir, "n0", 2, &x, &e),
		    CATALOG_ABSENT);
		for (unsigned i = 1; i < n; i++) {
			(void)snprintf(name, sizeof(name), "n%u", i);
			OK(catalog_lookup(c, dir, name, strlen(name), &x,
			    &e));
		}
		catalog_close(c);
		manifest_fini(&m);
	}
	run_begin(&r, &f, NULL);
	dir = add_dir(&r, "a");
	add_files(&r, dir, 1, 1, 0);
	x.ino = dir + 1;
	OK(build_new_name(r.build, dir, "file-1-0", 8, x.ino, &e));
	assert_int_equal(build_unname(r.build, dir, "other", 5, &e), -1);
	build_free(r.build);
	put_free(r.put);
	session_end(r.session);
	pool_free(r.pool);
	fixture_fini(&f);
}

/* Lists of packs that can't be: refused before the store is asked. */
static void
test_pack_lists(void **state)
{
	struct pack_info tail = { .kind = OBJECT_PACK_META, .domain = 1 };
	struct mref page = { .place[0].pack = PACK_PAGE_RECORDS,
	    .place[1].pack = MPLACE_NONE };
	struct catalog_root root = { .npages = 1, .pages = &page,
	    .tail = &tail, .ntail = 1 };
	const struct pack_info *pack;
	struct blocks_state s;
	struct err e = ERR_INIT;

	for (int i = 0; i < 4; i++) {
		memset(&s, 0, sizeof(s));
		err_init(&e);
		tail.kind = i == 0 ? OBJECT_PACK_DATA : OBJECT_PACK_META;
		tail.domain = i == 1 ? 2 : 1;
		page.place[0].pack = i == 2 ? 0 : PACK_PAGE_RECORDS;
		page.place[1].pack = i == 3 ? 0 : MPLACE_NONE;
		(void)pthread_mutex_init(&s.lock, NULL);
		if (i < 2) {
			assert_int_equal(packs_init(&s, &root, 1, &e), -1);
		} else {
			OK(packs_init(&s, &root, 1, &e));
			OK(blocks_pack(&s, PACK_PAGE_RECORDS, &pack, &e));
			assert_int_equal(blocks_pack(&s, PACK_PAGE_RECORDS + 1,
			    &pack, &e), -1);
			assert_int_equal(e.code, ERR_CORRUPT);
			err_init(&e);
			/* A page whose places lie in the page itself. */
			assert_int_equal(blocks_pack(&s, 0, &pack, &e), -1);
		}
		assert_int_equal(e.code, ERR_CORRUPT);
		packs_fini(&s);
		(void)pthread_mutex_destroy(&s.lock);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_copies),
		cmocka_unit_test(test_copy_out_of_reach),
		cmocka_unit_test(test_goes_while_storing),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_caches),
		cmocka_unit_test(test_anew),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_new_names),
		cmocka_unit_test(test_pack_lists),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
