/*
 * A backup from beginning to end: session, parent, catalog, put; the walk; then
 * what makes it a snapshot, in the order that vitrine-format(5) asks for.
 *
 *	session_begin -> parent -> build_open, put_open -> walk, flow
 *	-> put_name -> build_finish -> put_close -> session_commit
 *	-> build_adopt
 *	-> session_end
 *
 * A dry run has neither session nor put nor build: it reads, cuts and looks up.
 */
#include "tools/job/backup.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engine/store/dir.h"
#include "engine/store/s3.h"
#include "tools/job/backup_int.h"
#include "tools/job/descriptors.h"
#include "tools/job/owner.h"
#include "tools/job/pace.h"
#include "tools/job/source_bucket.h"

#define MEMORY_BYTES	(256ULL << 20)
#define THREAD_BYTES	(16ULL << 20)	/* what a worker more costs */
#define NAME_BYTES	255
#define SHOW_MS		100
#define TICKS		16		/* entries between looks at the clock */
#define BUCKET_READERS	16
/* 98 works at most with RUN_DIRS directories each, the walk's, the store's. */
#define DESCRIPTORS	2048

void
backup_say(struct backup *b, enum event_kind kind, const struct walk_dir *dir,
    const char *name, const char *fmt, ...)
{
	struct err e = ERR_INIT;
	char text[512];
	va_list ap;

	if (!events_wants(b->ev, kind))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (walk_path(dir, name, &b->path, &e) != 0)
		return;
	events_item(b->ev, kind, b->path.len == 0 ? "/" :
	    (const char *)b->path.data, "%s", text);
}

void
backup_unread(struct backup *b, const struct walk_dir *dir, const char *name,
    int error)
{
	const char *why = b->source->ops->why(b->source, error);
	char text[128];

	if (why == NULL && (error == ELOOP || error == ESTALE))
		why = "was replaced while it was read";
	else if (why == NULL && error == EMFILE)
		why = "Too many open files (see ulimit -n)";
	else if (why == NULL)
		why = strerror_r(error, text, sizeof(text));
	b->res->unread++;
	backup_say(b, EVENT_UNREAD, dir, name, "%s", why);
}

static void
show(struct backup *b, const struct walk_dir *dir, const char *name)
{
	struct event_progress p = { .files = b->res->files,
	    .bytes = b->res->bytes + b->partial_bytes,
	    .errors = b->res->unread, .bytes_new = b->res->bytes_new };
	struct err e = ERR_INIT;
	struct put_stats st;

	if (b->has_before) {
		p.files_total = b->before.files;
		p.bytes_total = b->before.bytes;
	}
	if (b->put != NULL) {
		put_stats(b->put, &st);
		p.bytes_new = st.bytes_new;
		p.bytes_added = st.bytes_added;
	}
	if (dir != NULL && walk_path(dir, name, &b->path, &e) == 0)
		p.path = b->path.len == 0 ? "/" : (const char *)b->path.data;
	b->ev->progress(b->ev->ctx, &p);
}

int
backup_tick(struct backup *b, const struct walk_dir *dir, const char *name,
    struct err *e)
{
	uint64_t now;

	if (events_canceled(b->ev))
		return (err_set(e, ERR_CANCELED, "the backup was interrupted"));
	if (b->source->ops->check(b->source, e) != 0)
		return (-1);
	if (b->ev == NULL || b->ev->progress == NULL || ++b->ticks % TICKS != 0)
		return (0);
	now = clock_mono_ms();
	if (now - b->shown_ms >= SHOW_MS) {
		b->shown_ms = now;
		show(b, dir, name);
	}
	return (0);
}

/* What is never backed up: the repository's directory and the cache. */
static void
find_skipped(struct backup *b)
{
	const char *cache = repo_env(b->repo)->cache_dir;
	struct meta_stat st;
	dev_t dev;
	ino_t ino;

	if (store_dir_identity(repo_store(b->repo), &dev, &ino) == 0) {
		b->skip[b->nskip][0] = dev;
		b->skip[b->nskip++][1] = ino;
	}
	if (cache != NULL && meta_stat(&st, -1, cache) == 0) {
		b->skip[b->nskip][0] = st.dev;
		b->skip[b->nskip++][1] = st.ino;
	}
}

static int
start_pool(struct backup *b, struct err *e)
{
	unsigned threads = repo_env(b->repo)->threads;
	uint64_t most = b->memory_bytes / THREAD_BYTES;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (threads == 0)
		threads = cpus > 0 ? (unsigned)cpus : 1;
	if (threads < b->readers)
		threads = b->readers;
	if (threads > most)
		threads = (unsigned)most;
	/* One thread is the coordinator by itself. */
	return (pool_new(&b->pool, threads <= 1 ? 0 : threads, e));
}

/* The repository may lie in the bucket that is backed up. */
static int
skip_repository(struct backup *b, struct err *e)
{
	const struct s3_url *own = store_s3_url(repo_store(b->repo));
	const struct s3_url *u = s3_url(b->env->bucket);
	struct buf path = BUF_INIT;
	int rc;

	if (own == NULL)
		return (0);
	if (s3_url_within(u, own) != NULL)
		return (err_set(e, ERR_USAGE, "%s/%s lies within the "
		    "repository itself", u->bucket, u->prefix));
	if (s3_url_within(own, u) == NULL)
		return (0);
	rc = bucket_root(&path, own, e);
	if (rc == 0) {
		b->skip[b->nskip][0] = 0;
		b->skip[b->nskip++][1] = bucket_dir_ino((char *)path.data);
	}
	buf_fini(&path);
	return (rc);
}

/* A bucket is listed before anything else is done. */
static int
open_bucket(struct backup *b, struct err *e)
{
	struct bucket_env env = { .s3 = b->env->bucket,
	    .cache_bytes = b->memory_bytes / 16, .events = b->ev };
	struct bucket_counts counts;
	struct buf path = BUF_INIT;
	int rc = bucket_root(&path, s3_url(env.s3), e);

	if (rc == 0)
		rc = roots_stream(&b->roots, (char *)path.data, e);
	buf_fini(&path);
	if (rc != 0 || skip_repository(b, e) != 0 ||
	    source_bucket_new(&b->bucket, &env, &counts, e) != 0)
		return (-1);
	b->res->unread += counts.nowhere;
	b->source = b->bucket;
	return (0);
}

static int
find_roots(struct backup *b, struct err *e)
{
	const struct backup_env *env = b->env;

	if (env->bucket != NULL)
		return (open_bucket(b, e));
	find_skipped(b);
	if (env->stream_name != NULL)
		return (roots_stream(&b->roots, env->stream_name, e));
	if (env->nroots == 0)
		return (err_set(e, ERR_USAGE, "nothing to back up: give "
		    "paths, or where to find them (see vitrine-backup(1))"));
	return (roots_make(&b->roots, env->roots, env->nroots,
	    !env->one_file_system, e));
}

static int
prepare(struct backup *b, struct err *e)
{
	const struct keyring *keys = repo_keyring(b->repo);
	uint32_t domain = keyring_domain(keys);
	uint8_t key[KEY_BYTES];
	int rc;

	b->readers = b->env->read_concurrency;
	if (b->readers == 0 && b->env->bucket != NULL)
		b->readers = BUCKET_READERS;
	b->memory_bytes = repo_env(b->repo)->memory_bytes;
	if (b->memory_bytes == 0)
		b->memory_bytes = MEMORY_BYTES;
	if (filter_init(b, e) != 0 || find_roots(b, e) != 0)
		return (-1);
	if (b->env->rate_bytes > 0 &&
	    pace_new(&b->pace, b->env->rate_bytes, e) != 0)
		return (-1);
	b->dry_ino = 1ULL << 40;
	if (start_pool(b, e) != 0 ||
	    keyring_domain_chunker_key(keys, domain, key, e) != 0)
		return (-1);
	rc = cutter_init(&b->cutter, &repo_header(b->repo)->cutter, key, e);
	sodium_memzero(key, sizeof(key));
	if (rc == 0 && b->env->dry_run)
		rc = keyring_domain_id_key(keys, domain, b->id_key, e);
	return (rc);
}

/* Which host the snapshot is of: as asked, else the one that a put-only key is
 * bound to, else the bucket's, else this machine. */
static int
choose_host(struct backup *b, char *dst, size_t size, struct err *e)
{
	const char *bound = keyring_host(repo_keyring(b->repo));
	const char *asked = b->env->host;

	if (asked != NULL && bound[0] != '\0' && strcmp(asked, bound) != 0)
		return (err_set(e, ERR_USAGE, "this put-only key is for the "
		    "host \"%s\": as \"%s\" its snapshots would be refused",
		    bound, asked));
	if (asked == NULL && bound[0] != '\0')
		asked = bound;
	if (asked != NULL) {
		if (*asked == '\0' || strlen(asked) >= size)
			return (err_set(e, ERR_USAGE,
			    "a host's name has 1 to %zu bytes", size - 1));
		memcpy(dst, asked, strlen(asked) + 1);
	} else if (b->env->bucket != NULL) {
		bucket_host(dst, s3_url(b->env->bucket));
	} else if (gethostname(dst, size) != 0) {
		dst[0] = '\0';
	}
	dst[size - 1] = '\0';
	return (0);
}

static int
compare_bytes(const void *a, const void *b)
{
	return (strcmp(((const struct bytes *)a)->p,
	    ((const struct bytes *)b)->p));
}

/* What the manifest won't take is said before the work. */
static int
check_counts(const struct backup *b, struct err *e)
{
	const struct {
		size_t n;
		const char *what;
	} v[] = {
		{ b->roots.n, "paths" }, { b->env->ntags, "tags" },
		{ b->env->nexcludes, "exclude patterns" }
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		if (v[i].n > MANIFEST_STRINGS_MAX)
			return (err_set(e, ERR_USAGE, "%zu %s; a snapshot "
			    "takes at most %d", v[i].n, v[i].what,
			    MANIFEST_STRINGS_MAX));
	return (0);
}

/* The manifest as far as it is known before the work. */
static int
describe(struct backup *b, struct manifest *m, struct err *e)
{
	const struct backup_env *env = b->env;
	char host[256], user[256] = "", *name = NULL;
	struct strings *roots = &m->roots;

	if (check_counts(b, e) != 0 ||
	    choose_host(b, host, sizeof(host), e) != 0)
		return (-1);
	if (owner_to_name(false, geteuid(), &name) == 0)
		(void)snprintf(user, sizeof(user), "%s", name);
	free(name);
	if (bytes_set(&m->host, host, strlen(host), e) != 0 ||
	    bytes_set(&m->user, user, strlen(user), e) != 0 ||
	    bytes_set(&m->program, "vitrine " VITRINE_VERSION,
	    strlen("vitrine " VITRINE_VERSION), e) != 0)
		return (-1);
	m->time = env->time != NULL ? *env->time : clock_wall();
	for (size_t i = 0; i < b->roots.n; i++) {
		const char *r = b->roots.v[i][0] == '\0' ? "/" : b->roots.v[i];

		if (strings_add(roots, r, strlen(r), e) != 0)
			return (-1);
	}
	/* By bytes; the walk has them by components. */
	if (roots->n > 1)
		qsort(roots->v, roots->n, sizeof(*roots->v), compare_bytes);
	for (size_t i = 0; i < env->ntags; i++) {
		if (env->tags[i][0] == '\0' ||
		    strlen(env->tags[i]) > TAG_BYTES_MAX)
			return (err_set(e, ERR_USAGE, "a tag has 1 to %d bytes",
			    TAG_BYTES_MAX));
		if (strings_add(&m->tags, env->tags[i], strlen(env->tags[i]),
		    e) != 0)
			return (-1);
	}
	for (size_t i = 0; i < env->nexcludes; i++)
		if (strings_add(&m->excludes, env->excludes[i],
		    strlen(env->excludes[i]), e) != 0)
			return (-1);
	if (env->name != NULL && (strlen(env->name) > NAME_BYTES ||
	    env->name[0] == '\0'))
		return (err_set(e, ERR_USAGE, "a name has 1 to %d bytes",
		    NAME_BYTES));
	if (env->name != NULL &&
	    bytes_set(&m->name, env->name, strlen(env->name), e) != 0)
		return (-1);
	m->domain = keyring_domain(repo_keyring(b->repo));
	m->writer = keyring_writer(repo_keyring(b->repo));
	lineage_of(&m->lineage, m->writer, &m->host, roots, &m->name);
	return (0);
}

static int
open_dry(struct backup *b, const struct manifest *m, bool use_parent,
    struct err *e)
{
	struct catalog_env env = { .cache_bytes = b->memory_bytes / 16,
	    .use_cache = true };
	const struct keyring *keys = repo_keyring(b->repo);

	if (map_open(&b->map, repo_store(b->repo), keys, keyring_domain(keys),
	    b->memory_bytes / 8, NULL, repo_log(b->repo), e) != 0)
		return (-1);
	if (!use_parent || keyring_role(keys) == ROLE_PUT_ONLY)
		return (0);
	if (backup_find_parent(b, m, e) != 0)
		return (-1);
	if (!b->has_before)
		return (0);
	if (catalog_open(&b->own_parent, b->fetch, b->repo, &b->before, &env,
	    e) != 0)
		return (-1);
	b->parent = b->own_parent;
	return (0);
}

static int
open_build(struct backup *b, const struct manifest *m, bool newest,
    struct err *e)
{
	struct build_env env = { .repo = b->repo, .session = b->session,
	    .fetch = b->fetch, .parent = b->has_before ? &b->before : NULL };
	struct put_env put = { .pool = b->pool,
	    .budget_bytes = b->memory_bytes / 4, .level = b->env->level,
	    .raw_data = b->env->no_compression,
	    .verify_data = true, .on_frame = build_on_frame,
	    .on_pack = build_on_pack };
	int rc;

	if (!newest && backup_first_ino(b, m, &env.first_ino, e) != 0)
		return (-1);
	rc = build_open(&b->build, &env, e);
	if (rc == BUILD_NO_PARENT) {
		/* Its figures still tell what to expect. */
		env.parent = NULL;
		if (newest && backup_first_ino(b, m, &env.first_ino, e) != 0)
			return (-1);
		rc = build_open(&b->build, &env, e);
	}
	if (rc != 0)
		return (-1);
	b->parent = build_parent(b->build);
	put.ctx = b->build;
	if (put_open(&b->put, b->session, &put, e) != 0)
		return (-1);
	build_set_put(b->build, b->put);
	return (0);
}

static int
open_all(struct backup *b, const struct manifest *m, bool use_parent,
    struct err *e)
{
	int rc;

	if (fetch_new(&b->fetch, b->repo, b->memory_bytes / 32, false, e) != 0)
		return (-1);
	if (b->env->parent != NULL &&
	    keyring_role(repo_keyring(b->repo)) == ROLE_PUT_ONLY)
		return (err_set(e, ERR_USAGE, "--parent: a put-only key can't "
		    "read snapshots; it builds on its own newest"));
	if (b->env->dry_run)
		return (open_dry(b, m, use_parent, e));
	if (session_begin(&b->session, b->repo, e) != 0)
		return (-1);
	if (use_parent && b->env->parent != NULL) {
		if (backup_find_parent(b, m, e) != 0)
			return (-1);
	} else if (use_parent) {
		rc = session_parent(b->session, &m->lineage, &b->res->parent,
		    &b->before, e);
		if (rc < 0)
			return (-1);
		b->has_before = rc == 0;
	}
	return (open_build(b, m, use_parent && b->env->parent == NULL, e));
}

/* Most often something was not mounted, or more was left out than was meant. */
static int
is_empty(const struct backup *b, struct err *e)
{
	const char *one = b->roots.n == 1 ? b->roots.v[0] : NULL;
	const char *why = "";

	if (b->env->nexcludes > 0 && b->env->exclude_larger != NULL)
		why = ", after the excludes and --exclude-larger-than";
	else if (b->env->nexcludes > 0)
		why = ", after the excludes";
	else if (b->env->exclude_larger != NULL)
		why = ", after --exclude-larger-than";
	else if (b->bucket == NULL)
		why = ": is a file system not mounted?";
	if (b->bucket != NULL)
		return (err_set(e, ERR_ABSENT, "nothing to back up: no object "
		    "below %s%s (--allow-empty if that is right)",
		    b->roots.v[0], why));
	return (err_set(e, ERR_ABSENT, "nothing to back up: only empty "
	    "directories%s%s%s (--allow-empty if that is right)",
	    one != NULL ? " in " : "", one != NULL ? one : "", why));
}

static int
work(struct backup *b, struct err *e)
{
	struct walk_ops ops = backup_walk_ops;
	struct walk_env env = { .source = b->source, .pool = b->pool,
	    .priority = 0, .roots = &b->roots,
	    .budget_bytes = b->memory_bytes / 8,
	    .descriptors = b->descriptors, .ops = &ops, .ctx = b };
	bool empty;

	ops.want_path = patterns_want_path(b->patterns);
	if (flow_new(&b->flow, b, e) != 0)
		return (-1);
	if (b->env->stream_name != NULL)
		return (stream_run(b, e));
	if (walk_run(&env, e) != 0 || flow_drain(b->flow, e) != 0)
		return (-1);
	empty = b->res->files + b->res->others == 0 && !b->env->allow_empty;
	if (b->roots_read == 0 || (empty && b->res->unread > 0))
		return (err_set(e, ERR_ABSENT,
		    "nothing of what was to be backed up could be read"));
	if (empty)
		return (is_empty(b, e));
	return (tree_finish(b, e));
}

/* What makes it a snapshot. */
static int
commit(struct backup *b, struct manifest *m, struct err *e)
{
	struct backup_result *r = b->res;
	struct err ignored = ERR_INIT;
	struct put_stats st;

	/* The catalog is made and stored while the data is on its way. */
	if (put_name(b->put, e) != 0 || build_finish(b->build, m, e) != 0 ||
	    put_close(b->put, OBJECT_PACK_DATA, e) != 0)
		return (-1);
	put_stats(b->put, &st);
	r->bytes_new = st.bytes_new;
	r->bytes_added = st.bytes_added;
	m->files = r->files;
	m->dirs = r->dirs;
	m->others = r->others;
	m->bytes = r->bytes;
	m->unread = r->unread;
	m->bytes_new = r->bytes_new;
	m->bytes_added = r->bytes_added;
	m->flags = r->unread > 0 ? SNAPSHOT_INCOMPLETE : 0;
	m->ended = clock_wall();
	if (events_canceled(b->ev))
		return (err_set(e, ERR_CANCELED, "the backup was interrupted"));
	if (session_commit(b->session, m, build_packs, b->build, &r->id, e) !=
	    0)
		return (-1);
	if (build_adopt(b->build, &r->id, m, &ignored) != 0)
		events_item(b->ev, EVENT_WARNING, NULL,
		    "the next backup will take longer: %s",
		    err_text(&ignored));
	return (0);
}

/* Would the snapshot be what the parent is? */
static bool
is_unchanged(const struct backup *b)
{
	return (b->has_before && b->parent != NULL && !b->altered &&
	    b->res->unread == 0 && b->before.unread == 0);
}

static void
close_all(struct backup *b)
{
	flow_free(b->flow);
	build_free(b->build);
	put_free(b->put);
	session_end(b->session);
	catalog_close(b->own_parent);
	map_close(b->map);
	fetch_free(b->fetch);
	pool_free(b->pool);
	source_bucket_free(b->bucket);
	manifest_fini(&b->before);
	filter_fini(b);
	pace_free(b->pace);
	roots_fini(&b->roots);
	buf_fini(&b->gone.list);
	buf_fini(&b->path);
	inoset_fini(&b->gone.inos);
	inoset_fini(&b->dry_seen);
	inoset_fini(&b->moved);
	inoset_fini(&b->lost);
	inoset_fini(&b->uids);
	inoset_fini(&b->gids);
	sodium_memzero(b->id_key, sizeof(b->id_key));
}

/* What was stored stays, for the next run to find. */
static void
salvage(struct backup *b)
{
	struct err ignored = ERR_INIT;

	if (b->put == NULL)
		return;
	flow_free(b->flow);
	b->flow = NULL;
	(void)put_salvage(b->put, &ignored);
	b->put = NULL;
}

/* *again: the parent's catalog is damaged; the same without it may do. */
static int
attempt(struct repo *repo, const struct backup_env *env,
    const struct events *ev, struct backup_result *res, bool use_parent,
    bool *again, struct err *e)
{
	struct backup b = { .repo = repo, .env = env, .ev = ev, .res = res,
	    .source = source_fs() };
	struct manifest m = { 0 };
	uint64_t start = clock_mono_ms();
	/* A stream's command would inherit the limit. */
	bool many = env->stream_name == NULL;
	int rc = -1;

	memset(res, 0, sizeof(*res));
	if (many)
		b.descriptors = descriptors_raise(DESCRIPTORS);
	if (prepare(&b, e) == 0 && describe(&b, &m, e) == 0 &&
	    open_all(&b, &m, use_parent, e) == 0)
		rc = work(&b, e);
	res->has_parent = b.has_before;
	res->skipped = rc == 0 && env->skip_unchanged && is_unchanged(&b);
	if (rc == 0 && !env->dry_run && !res->skipped)
		rc = commit(&b, &m, e);
	if (rc != 0)
		salvage(&b);
	*again = rc != 0 && use_parent && atomic_load(&b.parent_bad);
	res->duration_ms = clock_mono_ms() - start;
	close_all(&b);
	manifest_fini(&m);
	if (many)
		descriptors_put_back();
	return (rc);
}

static void
say_lie(void *ctx, bool lie, const char *text)
{
	const struct events **ev = ctx;

	events_item(*ev, EVENT_WARNING, NULL, "%s", text);
}

/* Who has a put-only key can't verify the header, which says how files are cut
 * and what packs are named by: it is the one of before at least, or he is told.
 * All others verify it. */
static int
check_header(struct repo *repo, const struct events *ev, struct err *e)
{
	size_t findings;

	if (keyring_role(repo_keyring(repo)) != ROLE_PUT_ONLY)
		return (0);
	return (repo_check_history(repo, NULL, say_lie, &ev, &findings, e));
}

int
backup_run(struct repo *repo, const struct backup_env *env,
    const struct events *ev, struct backup_result *res, struct err *e)
{
	bool again;
	/* A stream is read in any case: the parent only saves its node. */
	bool use_parent = env->stream_name == NULL || !env->force;
	int rc;

	if (check_header(repo, ev, e) != 0)
		return (-1);
	rc = attempt(repo, env, ev, res, use_parent, &again, e);
	if (rc == 0 || !again)
		return (rc);
	if (env->stream_name != NULL && env->command == NULL)
		return (err_wrap(e, "the stream can't be read twice: give it "
		    "again with --force"));
	events_item(ev, EVENT_WARNING, NULL, "%s; reading everything again",
	    err_text(e));
	err_init(e);
	return (attempt(repo, env, ev, res, false, &again, e));
}
