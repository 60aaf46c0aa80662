/*
 * Restore: a snapshot's subtree written into a directory.
 *
 * Two walks over the catalog, so that memory doesn't grow with the tree:
 *
 *	1  directories are made (0700: nobody looks in yet), files planned and
 *	   written in the order of the store by workers (restore_plan.c), links
 *	   and devices made, the first name of each inode with several noted on
 *	   disk (links.c)
 *	2  the other names are linked to the first; each directory gets its
 *	   metadata when the walk leaves it: nothing below it is touched again
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "tools/job/lookup.h"
#include "tools/job/restore_bucket.h"
#include "tools/job/restore_impl.h"

#define NEAR_RUN_BYTES	((size_t)2 << 20)
#define FAR_RUN_BYTES	((size_t)4 << 20)
#define FAR_THREADS	8
#define FRAME_BYTES	((size_t)2 << 20)	/* a thread's, stored and not */
#define JOBS_MAX	4096
#define CONNECTIONS_MAX	16
#define PLAN_SHARE	6		/* of the memory, of each of two */
#define TICK_MS		100
#define DESCRIPTORS	8192	/* as many as are of use */
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

/* A directory that was made; where the one that it is in hands an ACL down it
 * has none before anything is made in it. */
static void
no_acl(struct restore *rs, const struct meta_at *at, const char *path)
{
	int error = acl_drop(at);

	if (error != 0)
		restore_failed(rs, path, "its directory's ACL stays on it, "
		    "and on what is below it: %s", strerror(error));
}

/* 0; CATALOG_SKIP when something else is in the way. */
static int
make_dir(struct restore *rs, const struct parent *parent, const char *name,
    const char *path, size_t len, const struct entry *en, struct err *e)
{
	enum over how = OVER_MAKE;

	if (mkdirat(parent->fd, name, 0700) < 0) {
		int saved = errno;

		if (errno == ENOSPC || errno == EDQUOT)
			return (err_sys(e, errno, "%s", path));
		if (errno == EEXIST)
			how = over_look(rs, parent->fd, name, en);
		if (how == OVER_KEEP) {
			(void)atomic_fetch_add(&rs->kept, 1);
			return (CATALOG_SKIP);
		}
		if (how == OVER_REFUSE || how == OVER_MAKE) {
			restore_failed(rs, path, "%s; nor what is below it",
			    how == OVER_MAKE ? strerror(saved) :
			    "something of this name is there already");
			return (CATALOG_SKIP);
		}
		if (how != OVER_SAME && over_remove(rs, parent->fd, name, path,
		    how) < 0)
			return (CATALOG_SKIP);
		if (how != OVER_SAME && mkdirat(parent->fd, name, 0700) < 0) {
			restore_failed(rs, path, "%s; nor what is below it",
			    strerror(errno));
			return (CATALOG_SKIP);
		}
	}
	(void)atomic_fetch_add(&rs->dirs, 1);
	if (how != OVER_SAME) {
		if (parent->acl)
			no_acl(rs, &(struct meta_at){ -1, parent->fd, name },
			    path);
		above_made(rs, en, path);
	}
	if (how == OVER_SAME && rs->env->delete_extra)
		return (over_delete(rs, en, path, len, e));
	return (0);
}

/* It is as it should be, or nearly: its metadata. */
static int
adjust(struct restore *rs, const struct parent *parent, const char *name,
    const char *path, const struct entry *en, struct err *e)
{
	struct meta_at at = { -1, parent->fd, name };

	(void)atomic_fetch_add(&rs->kept, 1);
	if (meta_restore(rs, &at, path, en, e) == 0)
		return (0);
	if (e->code != ERR_CORRUPT)
		return (-1);
	restore_failed(rs, path, "%s", err_text(e));
	err_init(e);
	return (0);
}

/* Walk 1, one entry that is no directory, under its own name. */
static int
make_named(struct restore *rs, struct parent *parent, const char *name,
    const char *path, size_t len, const struct entry *en, bool *made,
    struct err *e)
{
	/* Without a wish, what is there is met when it is to be made. */
	enum over how = rs->env->overwrite == OVERWRITE_REFUSE ? OVER_MAKE :
	    over_look(rs, parent->fd, name, en);

	*made = true;
	switch (how) {
	case OVER_KEEP:
		(void)atomic_fetch_add(&rs->kept, 1);
		*made = false;
		return (0);
	case OVER_SAME:
		return (adjust(rs, parent, name, path, en, e));
	case OVER_REPLACE_DIR:
		if (over_remove(rs, parent->fd, name, path, how) < 0) {
			*made = false;
			return (0);
		}
		how = OVER_MAKE;
		break;
	default:
		break;
	}
	if (en->kind == ENTRY_FILE)
		return (plan_file(rs, parent, path, len, en, how, e));
	return (other_restore(rs, parent, name, path, en, how, made, e));
}

static int
make_entry(struct restore *rs, struct parent *parent, const char *name,
    const char *path, size_t len, const struct entry *en, struct err *e)
{
	bool made;
	int r;

	if ((en->flags & ENTRY_UNREAD) != 0) {
		restore_failed(rs, path, "it could not be read when it was "
		    "backed up");
		return (0);
	}
	if (en->nlink > 1) {
		r = links_first(rs->links, en->ino, path, len, e);
		if (r != LINKS_NONE)
			return (r);
	}
	if (make_named(rs, parent, name, path, len, en, &made, e) < 0)
		return (-1);
	if (!made && en->nlink > 1)
		return (links_drop(rs->links, en->ino, e));
	return (0);
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
		*path = (const char *)rs->path.data;
		return (0);
	}
}

int
make_parents(struct restore *rs, const char *path, size_t len, struct err *e)
{
	const char *slash = path, *end = path + len, *at = path;
	char name[CATALOG_NAME_MAX + 1];
	int dir, r = 0;

	while (r == 0 && (slash = memchr(at, '/', (size_t)(end - at))) !=
	    NULL) {
		size_t n = (size_t)(slash - at);

		if (!name_is_safe(at, n))
			return (0);
		memcpy(name, at, n);
		name[n] = '\0';
		r = beneath_open(rs->target, path, at == path ? 0 :
		    (size_t)(at - path) - 1, &dir, e);
		if (r == 0) {
			if (mkdirat(dir, name, 0700) == 0) {
				(void)atomic_fetch_add(&rs->dirs, 1);
				if (acl_handed_down(dir))
					no_acl(rs, &(struct meta_at){ -1, dir,
					    name }, path);
				r = above_made_at(rs, path,
				    (size_t)(slash - path), e);
			}
			(void)close(dir);
		}
		at = slash + 1;
	}
	return (r < 0 ? -1 : 0);
}

/* An entry that is wanted. */
static int
make_wanted(struct restore *rs, const char *path, size_t len,
    const struct entry *en, struct err *e)
{
	struct parent *parent;
	const char *name;
	int r;

	r = parent_get(rs, path, len, &parent, &name, e);
	if (r == RESTORE_GONE && !filter_wants_all(rs->filter)) {
		if (make_parents(rs, path, len, e) < 0)
			return (-1);
		r = parent_get(rs, path, len, &parent, &name, e);
	}
	if (r == RESTORE_GONE) {
		restore_failed(rs, path, "its directory can't be opened");
		return (en->kind == ENTRY_DIR ? CATALOG_SKIP : 0);
	}
	if (r < 0)
		return (-1);
	if (!name_is_safe(name, len - (size_t)(name - path))) {
		restore_failed(rs, path, "no name that can be made");
		r = en->kind == ENTRY_DIR ? CATALOG_SKIP : 0;
	} else if (en->kind != ENTRY_DIR)
		r = make_entry(rs, parent, name, path, len, en, e);
	else if ((r = make_dir(rs, parent, name, path, len, en, e)) == 0 &&
	    (en->flags & ENTRY_UNREAD) != 0)
		restore_failed(rs, path, "it could not be read when it was "
		    "backed up: what was in it is missing");
	parent_put(parent);
	return (r);
}

static int
walk_make(void *ctx, const char *bytes, size_t len, const struct entry *en,
    struct err *e)
{
	struct restore *rs = ctx;
	const char *path;
	int r = restore_wanted(rs, bytes, len, en, &path, e);

	if (r != 0 || path == NULL)
		return (r);
	restore_tick(rs, NULL, path);
	if (rs->env->dry_run)
		return (dry_entry(rs, path, len, en, e));
	return (make_wanted(rs, path, len, en, e));
}

/* The whole of a directory. */
static int
restore_tree(struct restore *rs, const struct entry *top, struct err *e)
{
	int r = 0;

	if (filter_new(&rs->filter, rs->env, rs->env->path, e) < 0)
		return (-1);
	if (rs->target_made && rs->target >= 0)
		no_acl(rs, &(struct meta_at){ rs->target, -1, NULL },
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
		r = filter_new(&rs->filter, rs->env, (char *)prefix.data, e);
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
	rs->plan_bytes = env->memory_bytes / PLAN_SHARE;
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
	cat.cache_bytes = env->memory_bytes / 16;
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

/* Files are held open for a plan: as many as this process may.  The soft limit
 * is for programs that use select(). */
static void
raise_limit(struct restore *rs)
{
	struct rlimit lim;
	rlim_t now;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		lim.rlim_cur = lim.rlim_max = 256;
	now = lim.rlim_cur;
	if (lim.rlim_cur < DESCRIPTORS) {
		lim.rlim_cur = lim.rlim_max < DESCRIPTORS ? lim.rlim_max :
		    DESCRIPTORS;
		if (setrlimit(RLIMIT_NOFILE, &lim) == 0)
			now = lim.rlim_cur;
	}
	if (now > DESCRIPTORS)
		now = DESCRIPTORS;
	/* Two plans, and directories. */
	rs->open_max = now > DESCRIPTORS_SPARE + 32 ?
	    (size_t)(now - DESCRIPTORS_SPARE) / 3 : 8;
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
	    rs->env->ngroup_map, e) < 0 || open_source(rs, e) < 0 ||
	    lookup_path(rs->catalog, rs->env->path, &top, e) < 0)
		return (-1);
	rs->prefix = top.ino == CATALOG_ROOT_INO ? "" : rs->env->path;
	if (rs->env->bucket != NULL)
		return (restore_bucket(rs, &top, single_name(rs), e));
	if (open_target(rs, e) < 0)
		return (-1);
	if (!rs->env->dry_run)
		rs->early = early_new(rs->target);
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
	rs.privileged = geteuid() == 0;
	raise_limit(&rs);
	locks_init(&rs);
	r = run(&rs, e);
	parent_done(&rs);
	lane_free(rs.lane);
	pool_free(rs.pool);
	early_end(rs.early);
	mounted_fini(&rs);
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
