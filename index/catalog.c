/*
 * Entries of a catalog: by number, by name, by path; targets and owners.  What
 * a row says is checked here, once, for all readers.
 */
#include "index/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "index/cache.h"
#include "index/catalog_impl.h"
#include "index/values_int.h"

#define CACHE_BYTES_DEFAULT	(8U << 20)

int
catalog_open(struct catalog **out, struct fetch *fetch, struct repo *repo,
    const struct manifest *m, const struct catalog_env *env, struct err *e)
{
	struct blocks *blocks;
	struct catalog *c;
	size_t bytes = CACHE_BYTES_DEFAULT;
	char *cache = NULL;
	int r;

	if (env != NULL && env->cache_bytes != 0)
		bytes = env->cache_bytes;
	if (env != NULL && env->use_cache)
		cache = cache_path(repo, &m->lineage);
	r = blocks_new(&blocks, fetch, repo_keyring(repo), m->domain,
	    &m->catalog, bytes, cache, env == NULL ? NULL : env->images, e);
	free(cache);
	if (r != 0)
		return (err_wrap(e, "opening the catalog"));
	if (catalog_over(&c, &blocks->pages, m->domain,
	    env == NULL ? 0 : env->connections, e) != 0) {
		blocks_free(blocks);
		return (err_wrap(e, "opening the catalog"));
	}
	c->blocks = blocks;
	*out = c;
	return (0);
}

bool
entry_columns(struct entry *x, sqlite3_stmt *st, int c)
{
	struct bval v[NODE_NCOLUMNS];

	col_values(v, NODE_NCOLUMNS, st, c);
	return (entry_values(x, v));
}

static int
get_on(struct conn *n, uint64_t ino, struct entry *x, struct err *e)
{
	sqlite3_stmt *st;
	int r;

	if (conn_stmt(n, STMT_GET, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, (int64_t)ino);
	r = conn_step(n, st, e);
	if (r == 1 && !entry_columns(x, st, 0))
		r = catalog_corrupt(e, "a row that can't be");
	(void)sqlite3_reset(st);
	/* A catalog without a root is damaged; "absent" answers no question. */
	if (ino == CATALOG_ROOT_INO && (r == 0 ||
	    (r == 1 && x->kind != ENTRY_DIR))) {
		(void)catalog_corrupt(e, "no root");
		r = -1;
	}
	return (r == 1 ? 0 : r == 0 ? CATALOG_ABSENT : -1);
}

int
catalog_get(struct catalog *c, uint64_t ino, struct entry *x, struct err *e)
{
	struct conn *n;
	int r;

	if (ino == 0 || ino > INT64_MAX)
		return (CATALOG_ABSENT);
	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = get_on(n, ino, x, e);
	conn_put(c, n);
	return (r);
}

/* A directory's row says its own place: parent and name.  So it has one only.
 */
static bool
is_there(const struct entry *x, uint64_t dir, const char *name, size_t len,
    sqlite3_stmt *st, int target)
{
	const void *own;
	bool bad = false;
	size_t n;

	if (x->kind != ENTRY_DIR)
		return (true);
	own = col_blob(st, target, CATALOG_NAME_MAX, &n, &bad);
	return (!bad && x->parent == dir && n == len &&
	    memcmp(own, name, len) == 0);
}

static int
lookup_on(struct conn *n, uint64_t dir, const char *name, size_t len,
    struct entry *x, struct err *e)
{
	sqlite3_stmt *st;
	int r;

	if (!name_is_valid(name, len))
		return (CATALOG_ABSENT);
	if (conn_stmt(n, STMT_LOOKUP, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, (int64_t)dir);
	(void)sqlite3_bind_blob(st, 2, name, (int)len, SQLITE_STATIC);
	r = conn_step(n, st, e);
	if (r == 1 && (!entry_columns(x, st, 1) ||
	    !is_there(x, dir, name, len, st, 0)))
		r = catalog_corrupt(e, "a name that can't be");
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	return (r == 1 ? 0 : r == 0 ? CATALOG_ABSENT : -1);
}

int
catalog_lookup(struct catalog *c, uint64_t dir, const char *name, size_t len,
    struct entry *x, struct err *e)
{
	struct conn *n;
	int r;

	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = lookup_on(n, dir, name, len, x, e);
	conn_put(c, n);
	return (r);
}

static int
resolve_on(struct conn *n, const char *path, size_t len, struct entry *x,
    size_t *known, struct err *e)
{
	size_t at = 0;
	int r;

	*known = 0;
	r = get_on(n, CATALOG_ROOT_INO, x, e);
	while (r == 0) {
		size_t from, to;

		while (at < len && path[at] == '/')
			at++;
		if (at == len)
			break;
		from = at;
		while (at < len && path[at] != '/')
			at++;
		to = at;
		if (to - from == 1 && path[from] == '.')
			continue;
		if (to - from == 2 && memcmp(path + from, "..", 2) == 0)
			return (err_set(e, ERR_USAGE,
			    "\"..\" in a path of a snapshot"));
		if (x->kind != ENTRY_DIR)
			return (CATALOG_ABSENT);
		r = lookup_on(n, x->ino, path + from, to - from, x, e);
		if (r == 0)
			*known = to;
	}
	return (r);
}

int
catalog_resolve(struct catalog *c, const char *path, size_t len,
    struct entry *x, size_t *known, struct err *e)
{
	struct entry found;
	struct conn *n;
	size_t have;
	int r;

	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = resolve_on(n, path, len, &found, &have, e);
	conn_put(c, n);
	if (r == 0)
		*x = found;
	if (known != NULL)
		*known = have;
	return (r);
}

int
catalog_target(struct catalog *c, uint64_t ino,
    char dst[CATALOG_TARGET_MAX + 1], size_t *len, struct err *e)
{
	sqlite3_stmt *st;
	struct conn *n;
	const void *p;
	bool bad = false;
	int r;

	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = conn_stmt(n, STMT_BLOB, &st, e);
	if (r == 0) {
		(void)sqlite3_bind_int64(st, 1, (int64_t)ino);
		r = conn_step(n, st, e);
		if (r == 0)
			r = catalog_corrupt(e, "a link without its entry");
		else if (r == 1) {
			r = 0;
			if (col_u64(st, 0, ENTRY_BLOCK, &bad) != ENTRY_SYMLINK)
				r = err_set(e, ERR_USAGE, "not a link");
			p = col_blob(st, 2, CATALOG_TARGET_MAX, len, &bad);
			if (r == 0 && (bad || *len == 0 ||
			    memchr(p, '\0', *len) != NULL))
				r = catalog_corrupt(e,
				    "a link's target that can't be");
			if (r == 0) {
				memcpy(dst, p, *len);
				dst[*len] = '\0';
			}
		}
		(void)sqlite3_reset(st);
	}
	conn_put(c, n);
	return (r);
}

int
catalog_owner(struct catalog *c, bool group, uint32_t id, char *dst,
    size_t size, struct err *e)
{
	sqlite3_stmt *st;
	struct conn *n;
	const void *p;
	size_t len;
	bool bad = false;
	int r;

	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = conn_stmt(n, STMT_OWNER, &st, e);
	if (r == 0) {
		(void)sqlite3_bind_int64(st, 1, group);
		(void)sqlite3_bind_int64(st, 2, id);
		r = conn_step(n, st, e);
		if (r == 0)
			r = CATALOG_ABSENT;
		else if (r == 1) {
			r = 0;
			p = col_blob(st, 0, CATALOG_NAME_MAX, &len, &bad);
			if (bad || len == 0 || memchr(p, '\0', len) != NULL)
				r = catalog_corrupt(e, "an owner's name");
			else if (len >= size)
				r = err_set(e, ERR_LIMIT,
				    "an owner's name is too long");
			else {
				memcpy(dst, p, len);
				dst[len] = '\0';
			}
		}
		(void)sqlite3_reset(st);
	}
	conn_put(c, n);
	return (r);
}

/* A name, its last byte first: a path is found from its end. */
static void
append_turned(struct buf *b, size_t from, const char *name, size_t len)
{
	uint8_t *p;

	if (b->len > from)
		buf_u8(b, '/');
	p = buf_grow(b, len);
	for (size_t i = 0; p != NULL && i < len; i++)
		p[i] = (uint8_t)name[len - 1 - i];
}

static void
turn_around(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len / 2; i++) {
		uint8_t was = p[i];

		p[i] = p[len - 1 - i];
		p[len - 1 - i] = was;
	}
}

int
conn_path(struct conn *n, uint64_t dir, struct buf *b, struct err *e)
{
	uint64_t met = 0, steps = 0, next = 1;
	size_t from = b->len;
	sqlite3_stmt *st;
	const char *name;
	size_t len;
	bool bad = false;
	int r;

	if (conn_stmt(n, STMT_UP, &st, e) != 0)
		return (-1);
	while (dir != CATALOG_ROOT_INO) {
		/* Who goes in a ring meets the one of step 1, 2, 4, 8 ... */
		bad = dir == met;
		if (++steps == next) {
			met = dir;
			next *= 2;
		}
		(void)sqlite3_bind_int64(st, 1, (int64_t)dir);
		r = conn_step(n, st, e);
		if (r < 0)
			return (-1);
		if (r == 1) {
			dir = col_u64(st, 0, INT64_MAX, &bad);
			name = col_blob(st, 1, CATALOG_NAME_MAX, &len, &bad);
			if (!bad && name_is_valid(name, len))
				append_turned(b, from, name, len);
			else
				bad = true;
		}
		(void)sqlite3_reset(st);
		if (r == 0 || bad || b->len - from > PATH_BYTES_MAX)
			return (catalog_corrupt(e, "a directory without path"));
		if (buf_ok(b, e) != 0)
			return (-1);
	}
	if (b->len > from)
		turn_around(b->data + from, b->len - from);
	return (0);
}

int
catalog_dir_path(struct catalog *c, uint64_t dir, struct buf *b, struct err *e)
{
	struct conn *n;
	int r;

	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = conn_path(n, dir, b, e);
	conn_put(c, n);
	return (r);
}

int
catalog_source(struct catalog *c, uint64_t src_dev, uint64_t src_ino,
    struct entry *x, struct buf *path, struct err *e)
{
	struct entry found;
	sqlite3_stmt *st;
	struct conn *n;
	int r;

	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = conn_stmt(n, STMT_SOURCE, &st, e);
	if (r == 0) {
		(void)sqlite3_bind_int64(st, 1, (int64_t)src_ino);
		(void)sqlite3_bind_int64(st, 2, (int64_t)src_dev);
		r = conn_step(n, st, e);
		if (r == 1 && !entry_columns(&found, st, 0))
			r = catalog_corrupt(e, "a row that can't be");
		(void)sqlite3_reset(st);
		if (r == 0)
			r = CATALOG_ABSENT;
		else if (r == 1)
			r = conn_path(n, found.ino, path, e);
	}
	conn_put(c, n);
	if (r == 0)
		*x = found;
	return (r);
}

int
catalog_next_ino(struct catalog *c, uint64_t *out, struct err *e)
{
	bool bad = false;
	sqlite3_stmt *st;
	struct conn *n;
	int r;

	if (conn_get(c, &n, e) != 0)
		return (-1);
	r = conn_stmt(n, STMT_NEXT_INO, &st, e);
	if (r == 0) {
		r = conn_step(n, st, e);
		if (r == 1)
			*out = col_u64(st, 0, INT64_MAX, &bad);
		if (r == 0 || bad)
			r = catalog_corrupt(e, "without a next number");
		(void)sqlite3_reset(st);
	}
	conn_put(c, n);
	return (r < 0 ? -1 : 0);
}
