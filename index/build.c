/*
 * A catalog being built: opening over the parent or over nothing, its
 * connection and statements, and the small tables.
 *
 * Invariants:
 *  1. Nothing writes to the database before build_begin(), and what is as it
 *     was is not written: a snapshot without change dirties no page, and
 *     refers to the parent's map.
 *  2. Numbers (inodes, frames, packs, sets) are given in the order of the
 *     calls.
 */
#include "index/build.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "index/build_impl.h"
#include "index/cache.h"

/* What is written comes in the order of the tables: with four times as much not
 * one page in a hundred is written less often. */
#define BUILD_CACHE_KIB		4096
#define SCRATCH_CACHE_KIB	1024U
#define PARENT_CACHE_BYTES	(4U << 20)

#define NODE_SET \
	"kind=?2, flags=?3, mode=?4, uid=?5, gid=?6, size=?7, mtime=?8, " \
	"mtime_ns=?9, ctime=?10, ctime_ns=?11, nlink=?12, rdev_major=?13, " \
	"rdev_minor=?14, parent=?15, xset=?16, src_dev=?17, src_ino=?18, " \
	"target=?19, chunks=?20"

/* Without a statement for each, and with one look-up for neighbours, an entry
 * of a directory costs half. */
#define FOUR_NAMES	"(?,?,?),(?,?,?),(?,?,?),(?,?,?)"

static const char *const sql[B_COUNT] = {
	[B_NODE_GET] = "SELECT " NODE_COLUMNS("") ", target, chunks "
	    "FROM node WHERE ino=?1",
	[B_NODE_INSERT] = "INSERT INTO node VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,"
	    "?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)",
	[B_NODE_UPDATE] = "UPDATE node SET " NODE_SET " WHERE ino=?1",
	[B_NODE_DELETE] = "DELETE FROM node WHERE ino=?1",
	[B_ORPHANS] = "SELECT ino FROM node INDEXED BY node_orphan "
	    "WHERE nlink=0 ORDER BY ino LIMIT 256",
	[B_NAME_GET] = "SELECT ino FROM dirent WHERE parent=?1 AND name=?2",
	[B_NAME_INSERT] = "INSERT OR IGNORE INTO dirent VALUES(?1,?2,?3)",
	[B_NAMES_INSERT] = "INSERT OR FAIL INTO dirent VALUES" FOUR_NAMES ","
	    FOUR_NAMES "," FOUR_NAMES "," FOUR_NAMES,
	[B_NAME_REPLACE] = "UPDATE dirent SET ino=?3 "
	    "WHERE parent=?1 AND name=?2",
	[B_NAME_DELETE] = "DELETE FROM dirent WHERE parent=?1 AND name=?2",
	[B_CHILDREN] = "SELECT name, ino FROM dirent WHERE parent=?1 "
	    "ORDER BY name LIMIT 1",
	[B_SEGMENT_INSERT] = "INSERT INTO segment VALUES(?1,?2,?3)",
	[B_SEGMENTS] = "SELECT off, chunks FROM segment WHERE ino=?1 "
	    "ORDER BY off",
	[B_SEGMENTS_DELETE] = "DELETE FROM segment WHERE ino=?1",
	[B_XSET_FIND] = "SELECT no FROM xset WHERE hash=?1",
	[B_XSET_INSERT] = "INSERT INTO xset VALUES(?1,?2,?3,?4)",
	[B_XPART_INSERT] = "INSERT INTO xpart VALUES(?1,?2)",
	[B_OWNER_GET] = "SELECT name FROM owner WHERE is_group=?1 AND id=?2",
	[B_OWNER_PUT] = "INSERT OR REPLACE INTO owner VALUES(?1,?2,?3)",
	[B_META_GET] = "SELECT value FROM meta WHERE key=?1",
	[B_META_PUT] = "INSERT OR REPLACE INTO meta VALUES(?1,?2)",
	[B_FRAME_FIND] = "SELECT no FROM frame WHERE pack=?1 AND no_in_pack=?2",
	[B_FRAME_INSERT] = "INSERT INTO frame VALUES(?1,?2,?3,?4,?5,?6,0)",
	[B_FRAME_REFS] = "UPDATE frame SET refs=refs+?2 WHERE no=?1",
	[B_FRAMES_DEAD] = "SELECT no, pack FROM frame INDEXED BY frame_dead "
	    "WHERE refs=0 ORDER BY no LIMIT 256",
	[B_FRAME_DELETE] = "DELETE FROM frame WHERE no=?1",
	[B_PACK_USED] = "SELECT 1 FROM frame WHERE pack=?1 LIMIT 1",
	[B_PACK_FIND] = "SELECT no FROM pack WHERE id=?1",
	[B_PACK_INSERT] = "INSERT INTO pack VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
	[B_PACK_DELETE] = "DELETE FROM pack WHERE no=?1",
	[B_PACKS] = "SELECT id FROM pack ORDER BY no",
};

static const char *const scratch_sql[S_COUNT] = {
	[S_LINK_GET] = "SELECT our FROM link WHERE dev=?1 AND ino=?2",
	[S_LINK_PUT] = "INSERT OR REPLACE INTO link VALUES(?1,?2,?3)",
	[S_RUN_GET] = "SELECT no FROM run WHERE frame=?1",
	[S_RUN_PUT] = "INSERT INTO run VALUES(?1,?2)",
};

int
build_stmt(struct build *b, enum bstmt which, sqlite3_stmt **out,
    struct err *e)
{
	int rc;

	if (b->st[which] == NULL) {
		rc = sqlite3_prepare_v3(b->db, sql[which], -1,
		    SQLITE_PREPARE_PERSISTENT, &b->st[which], NULL);
		if (rc != SQLITE_OK)
			return (vfs_error(b->db, rc, e, "catalog"));
	}
	*out = b->st[which];
	return (0);
}

int
build_step(struct build *b, sqlite3_stmt *st, struct err *e)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return (1);
	if (rc == SQLITE_DONE)
		return (0);
	(void)vfs_error(b->db, rc, e, "catalog");
	(void)sqlite3_reset(st);
	return (-1);
}

int
build_run(struct build *b, sqlite3_stmt *st, struct err *e)
{
	int r = build_step(b, st, e);

	(void)sqlite3_reset(st);
	return (r < 0 ? -1 : 0);
}

int
build_begin(struct build *b, struct err *e)
{
	if (b->writing)
		return (0);
	if (sql_exec(b->db, "BEGIN IMMEDIATE", e) != 0)
		return (-1);
	b->writing = true;
	return (0);
}

/* One integer of a query without parameters; `none' for no row or NULL. */
static int
query_int(struct build *b, const char *text, uint64_t max, uint64_t none,
    uint64_t *out, struct err *e)
{
	sqlite3_stmt *st = NULL;
	bool bad = false;
	int rc, r = 0;

	rc = sqlite3_prepare_v2(b->db, text, -1, &st, NULL);
	if (rc != SQLITE_OK)
		return (vfs_error(b->db, rc, e, "catalog"));
	rc = sqlite3_step(st);
	*out = none;
	if (rc == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		*out = col_u64(st, 0, max, &bad);
	else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		r = vfs_error(b->db, rc, e, "catalog");
	if (bad)
		r = catalog_corrupt(e, "a number that can't be");
	(void)sqlite3_finalize(st);
	return (r);
}

static int
open_scratch(struct build *b, struct err *e)
{
	char text[96];
	int rc;

	/* A name of no bytes: a private file that SQLite deletes. */
	rc = sqlite3_open_v2("", &b->scratch, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return (err_set(e, rc == SQLITE_NOMEM ? ERR_NOMEM : ERR_SYS,
		    "a temporary database: %s", sqlite3_errstr(rc)));
	(void)snprintf(text, sizeof(text), "PRAGMA cache_size=-%u; "
	    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF",
	    SCRATCH_CACHE_KIB);
	if (sql_exec(b->scratch, text, e) != 0 || sql_exec(b->scratch,
	    "BEGIN; CREATE TABLE link(dev INTEGER, ino INTEGER, our INTEGER, "
	    "PRIMARY KEY(dev, ino)) WITHOUT ROWID; "
	    "CREATE TABLE run(frame INTEGER PRIMARY KEY, no INTEGER)", e) != 0)
		return (-1);
	for (size_t i = 0; i < S_COUNT; i++)
		if (sqlite3_prepare_v3(b->scratch, scratch_sql[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &b->sst[i], NULL) != SQLITE_OK)
			return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

static int
open_database(struct build *b, uint64_t first_ino, struct err *e)
{
	struct pages *base = b->parent_catalog == NULL ? NULL :
	    b->parent_catalog->pages;
	uint64_t v;

	if (overlay_new(&b->overlay, base, repo_cache_dir(b->repo), e) != 0 ||
	    vfs_open(&b->db, overlay_pages(b->overlay), e) != 0 ||
	    sql_exec(b->db, "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; "
	    "PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; "
	    "PRAGMA secure_delete=FAST; PRAGMA foreign_keys=OFF", e) != 0 ||
	    schema_guard(b->db, BUILD_CACHE_KIB, e) != 0)
		return (-1);
	if (base == NULL) {
		if (build_begin(b, e) != 0 || schema_create(b->db, e) != 0)
			return (-1);
	} else if (schema_check(b->db, e) != 0)
		return (-1);
	if (query_int(b, "SELECT value FROM meta WHERE key='next_ino'",
	    INT64_MAX, CATALOG_ROOT_INO + 1, &b->next_ino, e) != 0)
		return (-1);
	b->first_new = b->next_ino;
	if (first_ino > b->next_ino)
		b->next_ino = first_ino;
	if (query_int(b, "SELECT max(no) FROM xset", INT64_MAX, 0, &v, e) != 0)
		return (-1);
	b->next_xset = v + 1;
	if (query_int(b, "SELECT max(no) FROM frame", UINT32_MAX, 0, &v,
	    e) != 0)
		return (-1);
	b->next_frame = (uint32_t)(v + 1);
	if (query_int(b, "SELECT max(no) FROM pack", UINT32_MAX, 0, &v,
	    e) != 0)
		return (-1);
	b->next_pack = (uint32_t)(v + 1);
	return (0);
}

/* A tree has a root, also when nobody names it. */
static int
make_root(struct build *b, struct err *e)
{
	struct entry root = { .ino = CATALOG_ROOT_INO, .kind = ENTRY_DIR,
	    .flags = ENTRY_IMPLIED, .mode = 0755 };

	return (build_node(b, &root, NULL, 0, e));
}

struct ban {
	struct build *b;
	size_t cap;
	bool meta;			/* a metadata pack is among them */
};

static int
ban_pack(void *ctx, const struct pack_info *p, struct err *e)
{
	struct ban *ban = ctx;
	struct build *b = ban->b;
	struct pack_id *v;

	if (!session_is_banned(b->session, &p->id) &&
	    session_has_pack(b->session, &p->id))
		return (0);
	if (p->kind == OBJECT_PACK_META) {
		ban->meta = true;
		return (0);
	}
	if (b->nbanned == ban->cap) {
		ban->cap = ban->cap == 0 ? 64 : ban->cap * 2;
		v = realloc(b->banned, ban->cap * sizeof(*v));
		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		b->banned = v;
	}
	b->banned[b->nbanned++] = p->id;
	return (0);
}

/* The parent's packs that don't count, or aren't there; the catalog's own among
 * them: no parent. */
static int
find_banned(struct build *b, struct err *e)
{
	struct ban ban = { .b = b };

	if (session_packs(b->session, e) != 0 ||
	    catalog_packs(b->parent_catalog, ban_pack, &ban, e) != 0)
		return (-1);
	return (ban.meta ? BUILD_NO_PARENT : 0);
}

static int
open_parent(struct build *b, const struct manifest *parent, struct err *e)
{
	struct catalog_env env = { .cache_bytes = PARENT_CACHE_BYTES,
	    .connections = 4, .use_cache = true };
	const struct pack_info *packs;
	struct err why = ERR_INIT;
	size_t n;
	int r;

	if (keyring_role(repo_keyring(b->repo)) != ROLE_FULL ||
	    parent->domain != b->domain)
		return (BUILD_NO_PARENT);
	if (root_copy(&b->parent, &parent->catalog, e) != 0)
		return (-1);
	r = catalog_open(&b->parent_catalog, b->fetch, b->repo, parent, &env,
	    &why);
	if (r == 0)
		r = blocks_packs(b->parent_catalog->blocks, &packs, &n, &why);
	if (r != 0 && why.code == ERR_CORRUPT) {
		log_say(repo_log(b->repo), LOG_WARNING, "the parent's catalog "
		    "is damaged, everything is read again: %s",
		    err_text(&why));
		return (BUILD_NO_PARENT);
	}
	if (r != 0) {
		*e = why;
		return (-1);
	}
	return (find_banned(b, e));
}

int
build_open(struct build **out, const struct build_env *env, struct err *e)
{
	struct build *b = calloc(1, sizeof(*b));
	int r;

	if (b == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	b->repo = env->repo;
	b->session = env->session;
	b->put = env->put;
	b->fetch = env->fetch;
	b->domain = keyring_domain(repo_keyring(env->repo));
	b->memo_run = UINT32_MAX;
	r = env->parent == NULL ? 0 : open_parent(b, env->parent, e);
	if (r == 0)
		r = open_scratch(b, e);
	if (r == 0)
		r = open_database(b, env->first_ino, e);
	if (r == 0 && env->parent == NULL)
		r = make_root(b, e);
	if (r != 0) {
		build_free(b);
		return (r);
	}
	*out = b;
	return (0);
}

void
build_free(struct build *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < B_COUNT; i++)
		(void)sqlite3_finalize(b->st[i]);
	for (size_t i = 0; i < S_COUNT; i++)
		(void)sqlite3_finalize(b->sst[i]);
	(void)sqlite3_close(b->db);
	(void)sqlite3_close(b->scratch);
	overlay_free(b->overlay);
	catalog_close(b->parent_catalog);
	for (size_t i = 0; i < WINDOW; i++)
		free(b->window[i].blob);
	build_contents_free(b);
	free(b->made);
	free(b->banned);
	free(b->refs);
	free(b->run_packs);
	free(b->frames);
	free(b->metas);
	free(b->depth);
	root_fini(&b->parent);
	root_fini(&b->result);
	free(b);
}

void
build_set_put(struct build *b, struct put *put)
{
	b->put = put;
}

struct catalog *
build_parent(struct build *b)
{
	return (b->parent_catalog);
}

int
build_inos(struct build *b, uint64_t n, uint64_t *first, struct err *e)
{
	uint64_t next;

	if (__builtin_add_overflow(b->next_ino, n, &next) ||
	    next > (uint64_t)INT64_MAX)
		return (err_set(e, ERR_LIMIT, "out of inode numbers"));
	*first = b->next_ino;
	b->next_ino = next;
	return (0);
}

int
build_linked(struct build *b, uint64_t src_dev, uint64_t src_ino,
    uint64_t *ino, struct err *e)
{
	sqlite3_stmt *st = b->sst[S_LINK_GET];
	int rc, r;

	(void)sqlite3_bind_int64(st, 1, (int64_t)src_dev);
	(void)sqlite3_bind_int64(st, 2, (int64_t)src_ino);
	rc = sqlite3_step(st);
	r = CATALOG_ABSENT;
	if (rc == SQLITE_ROW) {
		*ino = (uint64_t)sqlite3_column_int64(st, 0);
		r = 0;
	} else if (rc != SQLITE_DONE)
		r = vfs_error(b->scratch, rc, e, "a temporary database");
	(void)sqlite3_reset(st);
	return (r);
}

int
build_link(struct build *b, uint64_t src_dev, uint64_t src_ino,
    uint64_t ino, struct err *e)
{
	sqlite3_stmt *st = b->sst[S_LINK_PUT];
	int rc;

	(void)sqlite3_bind_int64(st, 1, (int64_t)src_dev);
	(void)sqlite3_bind_int64(st, 2, (int64_t)src_ino);
	(void)sqlite3_bind_int64(st, 3, (int64_t)ino);
	rc = sqlite3_step(st);
	(void)sqlite3_reset(st);
	return (rc == SQLITE_DONE ? 0 :
	    vfs_error(b->scratch, rc, e, "a temporary database"));
}

int
build_owner(struct build *b, bool group, uint32_t id, const char *name,
    struct err *e)
{
	size_t len = strlen(name), have;
	sqlite3_stmt *st;
	const void *p;
	bool bad = false, same = false;
	int r;

	if (len == 0 || len > CATALOG_NAME_MAX)
		return (0);
	if (build_stmt(b, B_OWNER_GET, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, group);
	(void)sqlite3_bind_int64(st, 2, id);
	r = build_step(b, st, e);
	if (r == 1) {
		p = col_blob(st, 0, CATALOG_NAME_MAX, &have, &bad);
		same = !bad && have == len && memcmp(p, name, len) == 0;
	}
	(void)sqlite3_reset(st);
	if (r < 0 || same)
		return (r < 0 ? -1 : 0);
	if (build_begin(b, e) != 0 || build_stmt(b, B_OWNER_PUT, &st, e) != 0)
		return (-1);
	(void)sqlite3_bind_int64(st, 1, group);
	(void)sqlite3_bind_int64(st, 2, id);
	(void)sqlite3_bind_blob(st, 3, name, (int)len, SQLITE_STATIC);
	return (build_run(b, st, e));
}
