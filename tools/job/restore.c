/*
 * Restore: a snapshot's subtree written into a directory.
 *
 * Two walks over the catalog, so that memory doesn't grow with the tree:
 *
 *	1  directories are made, files planned and written in the order of the
 *	   store by workers (restore_plan.c), links and devices made, the first
 *	   name of each inode with several noted on disk (links.c):
 *	   restore_make.c
 *	2  the other names are linked to the first; each directory gets its
 *	   metadata when the walk leaves it: nothing below it is touched again:
 *	   restore_finish.c
 *
 * Invariants:
 *	1. nothing outside the target is made or changed (restore_beneath.c)
 *	2. what was there before is replaced, written to or deleted only as far
 *	   as the user allows (restore_over.c); a directory that was there is
 *	   filled, and gets the snapshot's metadata
 *	3. a regular file stands in the target whole or not at all, unless it
 *	   is written in place
 *	4. what could not be restored was said, and is counted in `failed'
 */
#include "tools/job/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "tools/job/descriptors.h"
#include "tools/job/lookup.h"
#include "tools/job/restore_bucket_int.h"
#include "tools/job/restore_impl.h"

#define NEAR_RUN_BYTES	((size_t)2 << 20)
#define FAR_RUN_BYTES	((size_t)4 << 20)
#define FAR_THREADS	8
#define FRAME_BYTES	((size_t)2 << 20)	/* a thread's, stored and not */
#define JOBS_MAX	4096
#define CONNECTIONS_MAX	16
#define PLAN_BYTES	((size_t)5 << 20)	/* each of two, and more by
					 * a share of the memory */
#define PLAN_SHARE	12
#define CATALOG_BYTES	((size_t)4 << 20)
#define TICK_MS		100
#define PARENTS_MAX	256
#define DESCRIPTORS_SPARE 100	/* the store's, SQLite's, the caller's */

bool
restore_stopped(struct restore *rs)
{
	return (atomic_load_explicit(&rs->stop, memory_order_relaxed) ||
	    events_canceled(rs->events));
}

void
restore_note(struct restore *rs, enum event_kind kind, const char *path,
    const char *text)
{
	(void)pthread_mutex_lock(&rs->lock);
	events_item(rs->events, kind, path, "%s", text);
	(void)pthread_mutex_unlock(&rs->lock);
}

void
restore_failed(struct restore *rs, const char *path, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)atomic_fetch_add(&rs->failed, 1);
	restore_note(rs, EVENT_UNRESTORED, path, text);
}

void
restore_tick(struct restore *rs, const struct parent *dir, const char *name)
{
	struct err ignored = ERR_INIT;
	struct event_progress p;
	uint64_t now;

	if (rs->events == NULL || rs->events->progress == NULL)
		return;
	now = clock_mono_ms();
	(void)pthread_mutex_lock(&rs->lock);
	if (now - rs->ticked_ms >= TICK_MS) {
		rs->ticked_ms = now;
		memset(&p, 0, sizeof(p));
		p.files = atomic_load(&rs->files);
		p.bytes = atomic_load(&rs->bytes);
		p.errors = atomic_load(&rs->failed);
		if (*rs->prefix == '\0') {
			p.files_total = rs->manifest.files;
			p.bytes_total = rs->manifest.bytes;
		}
		buf_reset(&rs->ticked);
		if (dir != NULL && dir->len > 0) {
			buf_bytes(&rs->ticked, dir->path, dir->len);
			buf_u8(&rs->ticked, '/');
		}
		buf_bytes(&rs->ticked, name, strlen(name) + 1);
		if (buf_ok(&rs->ticked, &ignored) == 0)
			p.path = (const char *)rs->ticked.data;
		rs->events->progress(rs->events->ctx, &p);
	}
	(void)pthread_mutex_unlock(&rs->lock);
}

const char *
restore_path(struct restore *rs, const char *bytes, size_t len, struct err *e)
{
	buf_reset(&rs->path);
	buf_bytes(&rs->path, bytes, len);
	buf_u8(&rs->path, '\0');
	return (buf_ok(&rs->path, e) < 0 ? NULL : (char *)rs->path.data);
}

int
restore_wanted(struct restore *rs, const char *bytes, size_t len,
    const struct entry *en, const char **path, struct err *e)
{
	*path = NULL;
	if (restore_stopped(rs))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	if (restore_path(rs, bytes, len, e) == NULL)
		return (-1);
	switch (filter_ask(rs->filter, (const char *)rs->path.data, len,
	    en->kind == ENTRY_DIR)) {
	case WANTED_NOT:
		return (en->kind == ENTRY_DIR ? CATALOG_SKIP : 0);
	case WANTED_BELOW:
		return (0);
	default:
		break;
	}
	if (own_has(rs, (const char *)rs->path.data, len)) {
		restore_failed(rs, (const char *)rs->path.data, OWN_TEXT);
		return (en->kind == ENTRY_DIR ? CATALOG_SKIP : 0);
	}
	*path = (const char *)rs->path.data;
	return (0);
}

/* The whole of a directory. */
static int
restore_tree(struct restore *rs, const struct entry *top, struct err *e)
{
	int r = 0;

	if (filter_new(&rs->filter, rs->env, &rs->manifest, rs->env->path,
	    e) < 0)
		return (-1);
	if (rs->target_made && rs->target >= 0)
		acl_none(rs, &(struct meta_at){ rs->target, -1, NULL },
		    rs->env->target);
	if (rs->env->delete_extra && !rs->target_made &&
	    filter_wants_all(rs->filter))
		r = over_delete(rs, top, "", 0, e);
	if (r == 0)
		r = catalog_walk(rs->catalog, top->ino, walk_make, rs, e);
	if (plan_drain(rs, e) < 0)
		r = -1;
	parent_done(rs);
	if (r < 0)
		return (-1);
	if (rs->env->dry_run)
		return (0);
	return (restore_finish(rs, top, e));
}

static const char *
single_name(const struct restore *rs)
{
	const char *slash = strrchr(rs->env->path, '/');

	return (slash != NULL ? slash + 1 : rs->env->path);
}

/* One entry that is no directory: it lands in the target under its name. */
static int
restore_single(struct restore *rs, const struct entry *en, struct err *e)
{
	const char *name = single_name(rs);
	struct buf prefix = BUF_INIT;
	struct entry one = *en;
	int r;

	one.nlink = 1;
	buf_bytes(&prefix, rs->env->path, (size_t)(name - rs->env->path));
	buf_u8(&prefix, '\0');
	r = buf_ok(&prefix, e);
	if (r == 0)
		r = filter_new(&rs->filter, rs->env, &rs->manifest,
		    (char *)prefix.data, e);
	buf_fini(&prefix);
	if (r < 0)
		return (-1);
	r = walk_make(rs, name, strlen(name), &one, e);
	if (plan_drain(rs, e) < 0)
		r = -1;
	return (r < 0 ? -1 : 0);
}

static int
open_target(struct restore *rs, struct err *e)
{
	const char *path = rs->env->target;
	struct stat st;

	rs->target = -1;
	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			return (err_sys(e, errno, "%s", path));
		rs->target_made = true;
		if (rs->env->dry_run)
			return (0);
		if (io_mkdirs(path, 0777, e) < 0)
			return (-1);
	}
	/* The user's own word for where to: links in it are followed. */
	rs->target = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rs->target < 0)
		return (err_sys(e, errno, "%s", path));
	return (0);
}

/*
 * How many threads read and write, and how much at a time.  Far away a read is
 * mostly waiting, and costs something by itself: so more are under way than
 * there are processors, and each brings more, within a third of the memory.
 */
static void
choose_threads(struct restore *rs)
{
	const struct repo_env *env = repo_env(rs->repo);
	bool far = repo_store(rs->repo)->parallel > 0;
	size_t fit = env->memory_bytes / 3 / (FAR_RUN_BYTES + FRAME_BYTES);
	unsigned threads = rs->env->readers > 0 ? rs->env->readers :
	    env->threads;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (rs->env->bucket != NULL && rs->env->readers == 0)
		threads = S3_CONNECTIONS;
	if (threads == 0)
		threads = cpus > 0 ? (unsigned)cpus : 1;
	if (far && rs->env->readers == 0 && threads < FAR_THREADS)
		threads = fit < FAR_THREADS ? (unsigned)fit : FAR_THREADS;
	if (threads > RESTORE_THREADS_MAX)
		threads = RESTORE_THREADS_MAX;
	rs->threads = threads > 0 ? threads : 1;
	rs->plan_bytes = PLAN_BYTES + env->memory_bytes / PLAN_SHARE;
	rs->run_bytes = far ? FAR_RUN_BYTES : NEAR_RUN_BYTES;
}

static int
open_source(struct restore *rs, struct err *e)
{
	const struct repo_env *env = repo_env(rs->repo);
	struct catalog_env cat = { .use_cache = true };
	unsigned threads;
	int r;

	choose_threads(rs);
	threads = rs->threads;
	r = repo_manifest(rs->repo, &rs->env->snapshot, &rs->manifest, e);
	if (r > 0)
		return (err_set(e, ERR_ABSENT, "the snapshot is gone"));
	/* Chunks are hashed again: what is restored is what was backed up. */
	if (r < 0 || fetch_new(&rs->fetch, rs->repo, env->memory_bytes / 8,
	    true, e) < 0)
		return (-1);
	cat.cache_bytes = CATALOG_BYTES;
	cat.connections = (threads < CONNECTIONS_MAX ? threads :
	    CONNECTIONS_MAX) + 2;
	if (catalog_open(&rs->catalog, rs->fetch, rs->repo, &rs->manifest,
	    &cat, e) < 0)
		return (-1);
	if (links_open(&rs->links, e) < 0)
		return (-1);
	if (pool_new(&rs->pool, threads > 1 ? threads : 0, e) < 0 ||
	    lane_new(&rs->lane, rs->pool, 0, JOBS_MAX, e) < 0)
		return (-1);
	return (0);
}

/* Files are held open for a plan: as many as this process may. */
static void
share_descriptors(struct restore *rs)
{
	size_t n = descriptors_raise(RESTORE_DESCRIPTORS);

	/* Two plans, and directories. */
	rs->open_max = n > DESCRIPTORS_SPARE + 32 ?
	    (n - DESCRIPTORS_SPARE) / 3 : 8;
	rs->parents.max = rs->open_max < PARENTS_MAX ? rs->open_max :
	    PARENTS_MAX;
}

/* What only root can do, said once. */
static void
say_limits(struct restore *rs)
{
	uint64_t owners = atomic_load(&rs->owners);
	uint64_t xattrs = atomic_load(&rs->xattrs);
	char text[128];

	if (owners > 0) {
		(void)snprintf(text, sizeof(text), "%llu entries belong to you "
		    "now: only root can set other owners",
		    (unsigned long long)owners);
		restore_note(rs, EVENT_WARNING, NULL, text);
	}
	if (xattrs > 0) {
		(void)snprintf(text, sizeof(text), "%llu attributes were not "
		    "set: only root can set those of the system",
		    (unsigned long long)xattrs);
		restore_note(rs, EVENT_WARNING, NULL, text);
	}
}

static int
run(struct restore *rs, struct err *e)
{
	struct entry top;
	int r;

	if (owners_new(&rs->users, false, rs->env->owner_map,
	    rs->env->nowner_map, e) < 0 ||
	    owners_new(&rs->groups, true, rs->env->group_map,
	    rs->env->ngroup_map, e) < 0 || own_find(rs, e) < 0 ||
	    open_source(rs, e) < 0 ||
	    lookup_path(rs->catalog, rs->env->path, &top, e) < 0)
		return (-1);
	rs->prefix = top.ino == CATALOG_ROOT_INO ? "" : rs->env->path;
	if (rs->env->bucket != NULL)
		return (restore_bucket(rs, &top, single_name(rs), e));
	if (open_target(rs, e) < 0)
		return (-1);
	if (!rs->env->dry_run) {
		if (mounted_note(rs, rs->target, "", 0, e) < 0)
			return (-1);
		rs->early = early_new(rs->target);
	}
	if (top.kind == ENTRY_DIR)
		r = restore_tree(rs, &top, e);
	else
		r = restore_single(rs, &top, e);
	if (r < 0)
		return (-1);
	early_end(rs->early);
	rs->early = NULL;
	say_limits(rs);
	if (rs->env->dry_run)
		return (0);
	if (restore_sync(rs, e) < 0)
		return (-1);
	if (rs->env->verify)
		return (restore_verify(rs, &top, single_name(rs), e));
	return (0);
}

static void
locks_init(struct restore *rs)
{
	(void)pthread_mutex_init(&rs->lock, NULL);
	(void)pthread_mutex_init(&rs->parents.lock, NULL);
	for (size_t i = 0; i < FILE_LOCKS; i++)
		(void)pthread_mutex_init(&rs->file_lock[i], NULL);
}

static void
locks_fini(struct restore *rs)
{
	for (size_t i = 0; i < FILE_LOCKS; i++)
		(void)pthread_mutex_destroy(&rs->file_lock[i]);
	(void)pthread_mutex_destroy(&rs->parents.lock);
	(void)pthread_mutex_destroy(&rs->lock);
}

int
restore_run(struct repo *repo, const struct restore_env *env,
    const struct events *events, struct restore_result *res, struct err *e)
{
	struct restore rs;
	uint64_t began = clock_mono_ms();
	int r;

	memset(&rs, 0, sizeof(rs));
	rs.repo = repo;
	rs.env = env;
	rs.events = events;
	rs.target = -1;
	rs.prefix = "";
	err_init(&rs.lost);
	rs.privileged = geteuid() == 0;
	share_descriptors(&rs);
	locks_init(&rs);
	r = run(&rs, e);
	parent_done(&rs);
	lane_free(rs.lane);
	pool_free(rs.pool);
	early_end(rs.early);
	mounted_fini(&rs);
	own_fini(&rs);
	links_close(rs.links);
	inoset_fini(&rs.above);
	buf_fini(&rs.path);
	buf_fini(&rs.ticked);
	buf_fini(&rs.undone);
	buf_fini(&rs.written);
	filter_free(rs.filter);
	owners_free(rs.users);
	owners_free(rs.groups);
	while (rs.nscratch > 0)
		buf_fini(&rs.scratch[--rs.nscratch]);
	catalog_close(rs.catalog);
	fetch_free(rs.fetch);
	manifest_fini(&rs.manifest);
	if (rs.target >= 0)
		(void)close(rs.target);
	locks_fini(&rs);
	descriptors_put_back();
	if (r < 0)
		return (-1);
	res->files = atomic_load(&rs.files);
	res->dirs = atomic_load(&rs.dirs);
	res->others = atomic_load(&rs.others);
	res->bytes = atomic_load(&rs.bytes);
	res->failed = atomic_load(&rs.failed);
	res->kept = atomic_load(&rs.kept);
	res->deleted = atomic_load(&rs.deleted);
	res->verified = atomic_load(&rs.verified);
	res->bytes_there = atomic_load(&rs.there);
	res->duration_ms = clock_mono_ms() - began;
	return (0);
}
