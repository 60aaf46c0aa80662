/*
 * Catalogs against a model in memory: many generations of random changes, each
 * stored and read back out of the store.
 */
#include "tests/unit/catalog_fixture.h"
#include "tests/unit/prove_fixture.h"

#include "index/catalog_impl.h"
#include "index/codec.h"
#include "index/prove_impl.h"
#include "tools/job/news.h"

#define NODES_MAX	4000
#define NAMES_MAX	6000
#define EXT_MAX		200

struct mnode {
	struct entry e;
	bool alive;
	char target[64];
	struct extent *ext;
	size_t next;
	unsigned xseed;
	unsigned names;
};
struct mname {
	uint64_t dir;			/* index of a node */
	size_t node;
	char name[64];
	bool alive;
};
struct model {
	struct mnode nodes[NODES_MAX];
	size_t n;
	struct mname names[NAMES_MAX];
	size_t nnames;
	uint64_t seed;
};

static uint32_t
rnd(struct model *m, uint32_t below)
{
	m->seed = m->seed * 6364136223846793005U + 1442695040888963407U;
	return ((uint32_t)(m->seed >> 33) % below);
}

static void
make_xattrs(struct run *r, unsigned seed, uint64_t *set)
{
	static uint8_t big[70000];
	char names[8][32];
	struct xattr v[8];
	struct err e = ERR_INIT;
	size_t n = seed % 5;

	memset(big, (int)seed, sizeof(big));
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "user.%u",
		    (unsigned)(n - i));
		v[i] = (struct xattr){ .name = names[i], .value = big,
		    .len = seed % 7 == 0 ? 70000 - i : seed % 50 };
	}
	OK(build_xattrs(r->build, v, n, set, &e));
}

static int
count_xattr(void *ctx, const char *name, const void *value, size_t len,
    struct err *e)
{
	unsigned *seed = ctx;

	assert_memory_equal(name, "user.", 5);
	for (size_t i = 0; i < len; i += 97)
		assert_int_equal(((const uint8_t *)value)[i],
		    (uint8_t)(*seed & 0xffff));
	*seed += 1U << 16;
	return (0);
}

static void
put_bytes(struct run *r, struct model *m, uint64_t ino, struct extent *x,
    uint32_t what)
{
	uint8_t bytes[700];
	struct err e = ERR_INIT;
	struct put_hint hint;
	struct place place;
	size_t len = 1 + what % sizeof(bytes);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)((what * 2654435761U + i * 40503U) >> 7);
	OK(put_lookup(r->put, bytes, len, &hint, &e));
	OK(put_chunk(r->put, &hint, bytes, len, &place, &e));
	OK(build_content_chunk(r->build, ino, &hint.id, (uint32_t)len, &place,
	    &e));
	x->hole = false;
	x->len = len;
	x->id = hint.id;
}

static void
write_content(struct run *r, struct model *m, struct mnode *n)
{
	static const unsigned sizes[] = { 0, 1, 1, 1, 3, 16, 17, 64, 65, 150 };
	struct err e = ERR_INIT;
	unsigned count = sizes[rnd(m, 10)];
	uint64_t off = 0;

	OK(build_content_begin(r->build, n->e.ino, &e));
	n->next = 0;
	n->e.flags &= (uint8_t)~ENTRY_SPARSE;
	for (unsigned i = 0; i < count; i++) {
		struct extent *x = &n->ext[n->next];

		memset(x, 0, sizeof(*x));
		x->off = off;
		if (rnd(m, 8) == 0) {
			uint64_t len = 1 + rnd(m, 1U << 30) * 4096ULL;

			OK(build_content_hole(r->build, n->e.ino, len, &e));
			n->e.flags |= ENTRY_SPARSE;
			off += len;
			if (n->next > 0 && x[-1].hole) {
				x[-1].len += len;
				continue;
			}
			x->hole = true;
			x->len = len;
		} else {
			put_bytes(r, m, n->e.ino, x, rnd(m, 5000));
			off += x->len;
		}
		n->next++;
	}
	OK(build_content_end(r->build, n->e.ino, &e));
	n->e.size = off;
}

static void
set_entry(struct model *m, struct entry *x)
{
	x->mode = (uint16_t)rnd(m, 010000);
	x->uid = rnd(m, 5);
	x->gid = UINT32_MAX - rnd(m, 3);
	x->mtime.s = (int64_t)rnd(m, 1U << 30) * 1000 - (1LL << 38);
	x->mtime.ns = rnd(m, 1000000000);
	x->ctime.s = rnd(m, 1U << 30);
	x->ctime.ns = rnd(m, 1000000000);
	x->flags = (uint8_t)((x->flags & ENTRY_SPARSE) |
	    (rnd(m, 20) == 0 ? ENTRY_RECENT : 0));
}

static void
add_name(struct run *r, struct model *m, size_t dir, size_t node)
{
	static const char *const odd[] = { "\xff\xfe", " ", "a\nb", "...",
	    "-rf", "\xc3\xa9" };
	struct mname *name = &m->names[m->nnames++];
	struct err e = ERR_INIT;

	assert_true(m->nnames < NAMES_MAX);
	name->dir = dir;
	name->node = node;
	name->alive = true;
	if (rnd(m, 6) == 0)
		(void)snprintf(name->name, sizeof(name->name), "%s%zu",
		    odd[rnd(m, 6)], m->nnames);
	else
		(void)snprintf(name->name, sizeof(name->name), "n%zu",
		    m->nnames * 7919 % 100000);
	/* No name is given twice. */
	OK((rnd(m, 3) == 0 ? build_name : build_new_name)(r->build,
	    m->nodes[dir].e.ino, name->name, strlen(name->name),
	    m->nodes[node].e.ino, &e));
	m->nodes[node].names++;
	if (m->nodes[node].e.kind == ENTRY_DIR)
		m->nodes[node].e.parent = m->nodes[dir].e.ino;
}

static size_t
some_dir(struct model *m)
{
	for (;;) {
		size_t i = rnd(m, (uint32_t)m->n);

		if (m->nodes[i].alive && m->nodes[i].e.kind == ENTRY_DIR)
			return (i);
	}
}

static void
add_node(struct run *r, struct model *m)
{
	struct mnode *n = &m->nodes[m->n];
	size_t dir = some_dir(m);
	struct err e = ERR_INIT;

	assert_true(m->n < NODES_MAX);
	memset(n, 0, sizeof(*n));
	n->alive = true;
	OK(build_inos(r->build, 1, &n->e.ino, &e));
	n->e.kind = rnd(m, 4) == 0 ? ENTRY_DIR : rnd(m, 3) != 0 ? ENTRY_FILE :
	    (uint8_t)(1 + rnd(m, 7));
	set_entry(m, &n->e);
	n->e.src_dev = UINT64_MAX - rnd(m, 2);
	n->e.src_ino = (1ULL << 63) + m->n;
	if (n->e.kind == ENTRY_SYMLINK)
		(void)snprintf(n->target, sizeof(n->target), "../t%zu", m->n);
	if (n->e.kind == ENTRY_CHAR || n->e.kind == ENTRY_BLOCK)
		n->e.rdev_major = rnd(m, 4096);
	if (rnd(m, 3) == 0) {
		n->xseed = rnd(m, 200);
		make_xattrs(r, n->xseed, &n->e.xattrs);
	}
	OK(build_node(r->build, &n->e, n->target, strlen(n->target), &e));
	m->n++;
	add_name(r, m, dir, m->n - 1);
	if (n->e.kind == ENTRY_FILE) {
		n->ext = calloc(EXT_MAX, sizeof(*n->ext));
		write_content(r, m, n);
	}
}

static void
kill_name(struct model *m, struct mname *name)
{
	struct mnode *n = &m->nodes[name->node];

	name->alive = false;
	if (--n->names > 0)
		return;
	n->alive = false;
	free(n->ext);
	n->ext = NULL;
	if (n->e.kind == ENTRY_DIR)
		for (size_t i = 0; i < m->nnames; i++)
			if (m->names[i].alive &&
			    m->names[i].dir == name->node)
				kill_name(m, &m->names[i]);
}

static bool
is_below(struct model *m, size_t dir, size_t top)
{
	while (dir != top && dir != 0) {
		for (size_t i = 0; i < m->nnames; i++)
			if (m->names[i].alive && m->names[i].node == dir) {
				dir = m->names[i].dir;
				break;
			}
	}
	return (dir == top);
}

static void
change(struct run *r, struct model *m)
{
	struct mname *name = &m->names[rnd(m, (uint32_t)m->nnames)];
	struct mnode *n = &m->nodes[name->node];
	struct err e = ERR_INIT;
	struct entry moved;
	char path[4096];
	size_t dir;

	if (!name->alive)
		return;
	switch (rnd(m, 6)) {
	case 0:
		if (n->e.kind == ENTRY_DIR && rnd(m, 5) != 0)
			break;
		OK(build_unname(r->build, m->nodes[name->dir].e.ino,
		    name->name, strlen(name->name), &e));
		assert_int_equal(build_unname(r->build,
		    m->nodes[name->dir].e.ino, name->name, strlen(name->name),
		    &e), CATALOG_ABSENT);
		kill_name(m, name);
		break;
	case 1:
		if (n->e.kind == ENTRY_FILE)
			write_content(r, m, n);
		break;
	case 2:
		set_entry(m, &n->e);
		OK(build_node(r->build, &n->e, n->target, strlen(n->target),
		    &e));
		break;
	case 3:
		if (n->e.kind != ENTRY_DIR)
			add_name(r, m, some_dir(m), name->node);
		break;
	case 4:
		dir = some_dir(m);
		if (n->e.kind != ENTRY_DIR || is_below(m, dir, name->node))
			break;
		if (build_find_dir(r->build, n->e.src_dev, n->e.src_ino,
		    &moved, path, sizeof(path), &e) == 0)
			assert_int_equal(moved.ino, n->e.ino);
		name->dir = dir;
		(void)snprintf(name->name, sizeof(name->name), "moved%zu",
		    (size_t)rnd(m, 1U << 30));
		OK(build_move_dir(r->build, n->e.ino, m->nodes[dir].e.ino,
		    name->name, strlen(name->name), &e));
		n->e.parent = m->nodes[dir].e.ino;
		break;
	default:
		/* Written as it is: nothing changes. */
		OK(build_node(r->build, &n->e, n->target, strlen(n->target),
		    &e));
		OK(build_name(r->build, m->nodes[name->dir].e.ino, name->name,
		    strlen(name->name), n->e.ino, &e));
		break;
	}
}

struct expect {
	struct model *m;
	struct catalog *c;
	struct fixture *f;
	const struct mname **v;
	size_t n, at;
};

static int
by_name(const void *a, const void *b)
{
	const struct mname *x = *(const struct mname *const *)a;
	const struct mname *y = *(const struct mname *const *)b;

	return (strcmp(x->name, y->name));
}

static void
check_content(struct expect *x, const struct mnode *n)
{
	struct extent v[7];
	struct err e = ERR_INIT;
	uint64_t off = 0;
	size_t got, at = 0;

	do {
		OK(catalog_extents(x->c, n->e.ino, off, v, 7, &got, &e));
		for (size_t i = 0; i < got; i++, at++) {
			assert_true(at < n->next);
			assert_int_equal(v[i].off, n->ext[at].off);
			assert_int_equal(v[i].len, n->ext[at].len);
			assert_int_equal(v[i].hole, n->ext[at].hole);
			if (!v[i].hole)
				assert_true(chunk_id_equal(&v[i].id,
				    &n->ext[at].id));
			off = v[i].off + v[i].len;
		}
	} while (got == 7);
	assert_int_equal(at, n->next);
	/* One chunk out of the store, by its place. */
	for (size_t i = 0; i < n->next && i < 1; i++) {
		struct pack_info pack;
		struct frame_info frame;
		struct fetched *ref;
		const uint8_t *data;

		if (n->ext[i].hole)
			continue;
		OK(catalog_extents(x->c, n->e.ino, n->ext[i].off, v, 1, &got,
		    &e));
		OK(catalog_frame(x->c, v[0].frame, &pack, &frame, &e));
		OK(fetch_chunk(x->f->fetch, &pack, &frame, v[0].slot,
		    &v[0].id, (uint32_t)v[0].len, &ref, &data, &e));
		fetch_put(x->f->fetch, ref);
	}
}

static int
check_entry(void *ctx, const char *name, size_t len, const struct entry *have,
    struct err *err)
{
	struct expect *x = ctx;
	const struct mname *want = x->v[x->at++];
	const struct mnode *n = &x->m->nodes[want->node];
	char target[CATALOG_TARGET_MAX + 1];
	struct err e = ERR_INIT;
	struct entry again;
	unsigned seed;
	size_t tlen;

	assert_true(x->at <= x->n);
	assert_int_equal(len, strlen(want->name));
	assert_memory_equal(name, want->name, len);
	assert_int_equal(have->ino, n->e.ino);
	assert_int_equal(have->kind, n->e.kind);
	assert_int_equal(have->flags, n->e.flags);
	assert_int_equal(have->mode, n->e.mode);
	assert_int_equal(have->uid, n->e.uid);
	assert_int_equal(have->gid, n->e.gid);
	assert_int_equal(have->size, n->e.size);
	assert_true(have->mtime.s == n->e.mtime.s);
	assert_int_equal(have->mtime.ns, n->e.mtime.ns);
	assert_int_equal(have->nlink, n->names);
	assert_int_equal(have->parent, n->e.parent);
	assert_true(have->src_ino == n->e.src_ino);
	assert_true(have->src_dev == n->e.src_dev);
	OK(catalog_lookup(x->c, x->m->nodes[want->dir].e.ino, name, len,
	    &again, &e));
	assert_int_equal(again.ino, have->ino);
	if (have->kind == ENTRY_SYMLINK) {
		OK(catalog_target(x->c, have->ino, target, &tlen, &e));
		assert_string_equal(target, n->target);
	}
	if (have->kind == ENTRY_FILE)
		check_content(x, n);
	seed = n->xseed;
	OK(catalog_xattrs(x->c, have->xattrs, count_xattr, &seed, &e));
	assert_int_equal(seed >> 16, n->e.xattrs == 0 ? 0 : n->xseed % 5);
	return (0);
}

static int
count_entry(void *ctx, const char *path, size_t len, const struct entry *x,
    struct err *e)
{
	(*(size_t *)ctx)++;
	return (0);
}

static void
say_fault(void *ctx, const char *path, const char *text)
{
	print_message("fault: %s: %s\n", path, text);
}

static bool
is_small(const struct mnode *n, uint64_t max_bytes)
{
	return (n->alive && n->e.kind == ENTRY_FILE && n->next == 1 &&
	    !n->ext[0].hole && n->ext[0].len <= max_bytes);
}

/* Files of one chunk, a few rows at a time: all, once, and by their numbers. */
static void
compare_small(struct catalog *c, const struct model *m, uint64_t max_bytes,
    size_t rows)
{
	struct small_file v[64];
	struct err e = ERR_INIT;
	uint64_t after = 0, last;
	size_t n, k, left = 0;

	for (size_t i = 0; i < m->n; i++)
		left += is_small(&m->nodes[i], max_bytes);
	for (;; after = last) {
		OK(catalog_small_files(c, after, max_bytes, v, rows, &n, &last,
		    &e));
		assert_true(n <= rows && last >= after);
		if (last == after)
			break;
		for (size_t i = 0; i < n; i++, left--) {
			assert_true(v[i].ino > (i > 0 ? v[i - 1].ino : after));
			assert_true(v[i].ino <= last);
			for (k = 0; k < m->n; k++)
				if (m->nodes[k].alive &&
				    m->nodes[k].e.ino == v[i].ino)
					break;
			assert_true(k < m->n);
			assert_true(is_small(&m->nodes[k], max_bytes));
			assert_int_equal(v[i].x.off, 0);
			assert_int_equal(v[i].x.len, m->nodes[k].ext[0].len);
			assert_true(chunk_id_equal(&v[i].x.id,
			    &m->nodes[k].ext[0].id));
		}
	}
	assert_int_equal(n, 0);
	assert_int_equal(left, 0);
	OK(catalog_small_files(c, UINT64_MAX, max_bytes, v, rows, &n, &last,
	    &e));
	assert_int_equal(n, 0);
	assert_true(last == UINT64_MAX);
}

static void
compare(struct fixture *f, struct model *m, const struct manifest *mf,
    bool use_cache)
{
	struct catalog_env env = { .cache_bytes = 1U << 20,
	    .connections = 2, .use_cache = use_cache };
	struct expect x = { .m = m, .f = f };
	struct err e = ERR_INIT;
	size_t seen = 0, names = 0;
	uint64_t faults;

	OK(catalog_open(&x.c, f->fetch, f->repo, mf, &env, &e));
	x.v = calloc(m->nnames, sizeof(*x.v));
	for (size_t d = 0; d < m->n; d++) {
		if (!m->nodes[d].alive || m->nodes[d].e.kind != ENTRY_DIR)
			continue;
		x.n = x.at = 0;
		for (size_t i = 0; i < m->nnames; i++)
			if (m->names[i].alive && m->names[i].dir == d)
				x.v[x.n++] = &m->names[i];
		qsort(x.v, x.n, sizeof(*x.v), by_name);
		OK(catalog_readdir(x.c, m->nodes[d].e.ino, NULL, 0,
		    check_entry, &x, &e));
		assert_int_equal(x.at, x.n);
		names += x.n;
	}
	OK(catalog_walk(x.c, CATALOG_ROOT_INO, count_entry, &seen, &e));
	assert_int_equal(seen, names);
	compare_small(x.c, m, 700, 64);
	compare_small(x.c, m, 300, 7);
	OK(catalog_verify(x.c, say_fault, NULL, &faults, &e));
	assert_int_equal(faults, 0);
	catalog_close(x.c);
	free(x.v);
}

/* Each generation is proven, by the one before and by itself alike, and what it
 * is said to have that the one before hadn't is held against a walk. */
struct chain_of {
	struct prove *prove;
	struct news *news;
	struct catalog *before, *now;
	struct buf told;		/* paths, each with a NUL */
	size_t at;			/* in told */
	uint64_t ntold, nwalked;
	unsigned ways[2];		/* by news, by a walk */
};

static bool
any_name(void *ctx, const char *name)
{
	return (true);
}

static bool
any_entry(void *ctx, const struct entry *en)
{
	return (true);
}

static int
tell(void *ctx, const char *path, size_t len, const struct entry *en,
    struct err *e)
{
	struct chain_of *p = ctx;
	struct entry x;

	assert_int_equal(catalog_resolve(p->now, path, len, &x, NULL, e), 0);
	assert_int_equal(x.ino, en->ino);
	buf_bytes(&p->told, path, len);
	buf_u8(&p->told, '\0');
	p->ntold++;
	return (0);
}

static bool
same_extents(struct chain_of *p, uint64_t old, uint64_t new, struct err *e)
{
	struct extent x[2][8];
	uint64_t off = 0;
	size_t n[2];

	do {
		assert_true(catalog_extents(p->before, old, off, x[0], 8,
		    &n[0], e) >= 0);
		assert_true(catalog_extents(p->now, new, off, x[1], 8,
		    &n[1], e) >= 0);
		if (n[0] != n[1])
			return (false);
		for (size_t i = 0; i < n[0]; i++)
			if (x[0][i].off != x[1][i].off ||
			    x[0][i].len != x[1][i].len ||
			    x[0][i].hole != x[1][i].hole || (!x[0][i].hole &&
			    !id_equal(x[0][i].id.b, x[1][i].id.b)))
				return (false);
		if (n[0] > 0)
			off = x[0][n[0] - 1].off + x[0][n[0] - 1].len;
	} while (n[0] > 0);
	return (true);
}

static bool
same_entry(struct chain_of *p, const struct entry *a, const struct entry *b,
    struct err *e)
{
	return (a->kind == b->kind && a->flags == b->flags &&
	    a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	    a->size == b->size && a->mtime.s == b->mtime.s &&
	    a->mtime.ns == b->mtime.ns && a->ctime.s == b->ctime.s &&
	    a->ctime.ns == b->ctime.ns && a->xattrs == b->xattrs &&
	    a->rdev_major == b->rdev_major && a->rdev_minor == b->rdev_minor &&
	    (a->kind != ENTRY_FILE || same_extents(p, a->ino, b->ino, e)));
}

/* What was told comes in the order of the walk; what wasn't is as it was. */
static int
hold(void *ctx, const char *path, size_t len, const struct entry *en,
    struct err *e)
{
	struct chain_of *p = ctx;
	struct entry old;

	p->nwalked++;
	if (p->at < p->told.len && strlen((char *)p->told.data + p->at) ==
	    len && memcmp(p->told.data + p->at, path, len) == 0) {
		p->at += len + 1;
		return (0);
	}
	assert_int_equal(catalog_resolve(p->before, path, len, &old, NULL,
	    e), 0);
	assert_true(same_entry(p, &old, en, e));
	return (0);
}

static void
news_of(struct chain_of *p, struct catalog *c)
{
	struct err e = ERR_INIT;
	int r = news_next(p->news, c, p->before, 2000, &e);

	assert_true(r == 0 || r == NEWS_WALK);
	p->ways[r == NEWS_WALK]++;
	if (r == NEWS_WALK)
		return;
	buf_reset(&p->told);
	p->at = 0;
	p->now = c;
	OK(news_each(p->news, c, tell, p, &e));
	OK(catalog_walk(c, CATALOG_ROOT_INO, hold, p, &e));
	assert_int_equal(p->at, p->told.len);
}

static void
prove_next(struct chain_of *p, struct fixture *f, const struct manifest *mf)
{
	struct catalog_env env = { .cache_bytes = 1U << 20,
	    .connections = 1 };
	struct err e = ERR_INIT;
	struct catalog *c;
	struct prove *alone;

	OK(catalog_open(&c, f->fetch, f->repo, mf, &env, &e));
	OK(prove_catalog(p->prove, c, p->before, &e));
	OK(prove_new(&alone, 1 << 20, &prove_any_ops, NULL, &e));
	OK(prove_catalog(alone, c, NULL, &e));
	prove_free(alone);
	news_of(p, c);
	catalog_close(p->before);
	p->before = c;
}

static struct model *
model_new(uint64_t seed)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->seed = seed;
	m->n = 1;
	m->nodes[0].alive = true;
	m->nodes[0].e.ino = CATALOG_ROOT_INO;
	m->nodes[0].e.kind = ENTRY_DIR;
	m->nodes[0].names = 1;
	return (m);
}

static void
model_free(struct model *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->nodes[i].ext);
	free(m);
}

static void
test_generations(void **state)
{
	struct fixture f;
	struct manifest now = { 0 }, next;
	struct model *m = model_new(11);
	static const struct news_ops ops = { any_name, any_entry, go_on };
	struct chain_of chain = { .prove = NULL };
	struct err e = ERR_INIT;
	struct run r;

	fixture_init(&f, true);
	OK(prove_new(&chain.prove, 1 << 20, &prove_any_ops, NULL, &e));
	OK(news_new(&chain.news, 4 << 20, &ops, NULL, &e));
	for (unsigned g = 0; g < 14; g++) {
		run_begin(&r, &f, g == 0 ? NULL : &now);
		for (unsigned i = 0; i < (g == 0 ? 600U : 40U); i++)
			add_node(&r, m);
		for (unsigned i = 0; i < 60; i++)
			change(&r, m);
		run_end(&r, &next);
		manifest_fini(&now);
		now = next;
		compare(&f, m, &now, g % 2 == 1);
		prove_next(&chain, &f, &now);
	}
	/* Not for nothing. */
	assert_int_equal(chain.ways[0], 13);
	assert_true(chain.ntold < chain.nwalked / 3);
	print_message("%llu of %llu entries told\n",
	    (unsigned long long)chain.ntold,
	    (unsigned long long)chain.nwalked);
	prove_free(chain.prove);
	news_free(chain.news);
	buf_fini(&chain.told);
	catalog_close(chain.before);
	manifest_fini(&now);
	model_free(m);
	fixture_fini(&f);
}

/* A balance is a number modulo 2^128: what is taken away leaves nothing. */
static void
test_balance(void **state)
{
	const struct sum h = { .lo = UINT64_MAX, .hi = 5 }, one = { .lo = 1 };
	struct sum s = { 0 };

	sum_add(&s, &h, 3);
	assert_int_equal(s.lo, UINT64_MAX - 2);
	assert_int_equal(s.hi, 17);
	sum_add(&s, &h, -4);
	assert_int_equal(s.lo, 1);
	assert_int_equal(s.hi, UINT64_MAX - 5);
	sum_add(&s, &h, 1);
	assert_int_equal(s.lo, 0);
	assert_int_equal(s.hi, 0);
	sum_add(&s, &one, INT64_MIN);
	assert_int_equal(s.lo, 1ULL << 63);
	assert_int_equal(s.hi, UINT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_balance),
		cmocka_unit_test(test_generations),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
