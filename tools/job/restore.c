/*
 * Restore: a snapshot's subtree written into a directory.
 *
 * Two walks over the catalog, so that memory doesn't grow with the tree:
 *
 *	1  directories are made (0700: nobody looks in yet), files
 *	   are handed to workers, links and devices made, the first name of each
 *	   inode with several noted on disk (restore_links.c)
 *	2  the other names are linked to the first; each directory gets its
 *	   metadata when the walk leaves it: nothing below it is touched again
 *
 * Invariants:
 *	1. nothing outside the target is made or changed (restore_beneath.c)
 *	2. nothing that was there before is replaced or written to; a directory
 *	   that was there is filled, and gets the snapshot's metadata
 *	3. a regular file stands in the target whole or not at all
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
#include "tools/job/lookup.h"
#include "tools/job/restore_impl.h"

#define THREADS_MAX	16
#define JOBS_A_THREAD	4
#define JOB_FILES	32
#define JOB_PARENTS	8		/* each is a descriptor */
#define JOB_BYTES	(1U << 20)
#define TICK_MS		100

/*
 * Neighbouring files, which one worker makes one after another: handing over a
 * single small one costs more than making it, and names made in one directory
 * by two at once wait for each other.
 */
struct file_item {
	struct parent *parent;	/* a reference */
	size_t path;		/* its place in paths, which has a NUL */
	size_t name;		/* the last component's */
	struct entry entry;
	bool made;
};

struct file_job {
	struct job job;
	struct restore *rs;
	struct buf paths;
	uint64_t bytes;
	int result;
	struct err err;
	size_t n, parents;
	struct file_item items[JOB_FILES];
};

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
restore_tick(struct restore *rs, const char *path)
{
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
		p.path = path;
		rs->events->progress(rs->events->ctx, &p);
	}
	(void)pthread_mutex_unlock(&rs->lock);
}

static void
run_job(struct job *job)
{
	struct file_job *j = (struct file_job *)job;
	const char *paths = (const char *)j->paths.data;

	for (size_t i = 0; i < j->n && j->result >= 0; i++) {
		struct file_item *it = &j->items[i];

		if (restore_stopped(j->rs))
			j->result = err_set(&j->err, ERR_CANCELED,
			    "interrupted");
		else
			j->result = file_restore(j->rs, it->parent,
			    paths + it->name, paths + it->path, &it->entry,
			    &it->made, &j->err);
	}
	if (j->result < 0)
		atomic_store(&j->rs->stop, true);
}

static void
free_job(struct file_job *j)
{
	if (j == NULL)
		return;
	for (size_t i = 0; i < j->n; i++)
		parent_put(j->items[i].parent);
	buf_fini(&j->paths);
	free(j);
}

/* Take the oldest job back.  Its failure is kept unless an earlier one is. */
static int
take_job(struct restore *rs, struct err *e)
{
	struct file_job *j = (struct file_job *)lane_take(rs->lane);
	struct err ours = ERR_INIT;
	int r = j->result;

	if (r < 0)
		ours = j->err;
	for (size_t i = 0; i < j->n && r == 0; i++)
		if (!j->items[i].made && j->items[i].entry.nlink > 1)
			r = links_drop(rs->links, j->items[i].entry.ino,
			    &ours);
	if (r < 0 && (e->code == ERR_NONE || e->code == ERR_CANCELED))
		*e = ours;
	free_job(j);
	return (r);
}

/* Give the job that is being filled to the workers. */
static int
flush_job(struct restore *rs, struct err *e)
{
	struct file_job *j = rs->filling;

	if (j == NULL)
		return (0);
	if (lane_is_full(rs->lane) && take_job(rs, e) < 0)
		return (-1);
	rs->filling = NULL;
	lane_submit(rs->lane, &j->job);
	return (0);
}

/* Wait for all jobs; the first failure. */
static int
drain(struct restore *rs, struct err *e)
{
	int r = flush_job(rs, e);

	while (!lane_is_empty(rs->lane))
		if (take_job(rs, e) < 0)
			r = -1;
	free_job(rs->filling);
	rs->filling = NULL;
	return (r);
}

static int
submit_file(struct restore *rs, struct parent *parent, const char *path,
    size_t len, const struct entry *en, struct err *e)
{
	struct file_job *j = rs->filling;
	struct file_item *it;
	const char *slash = memrchr(path, '/', len);

	if (j == NULL) {
		if ((j = calloc(1, sizeof(*j))) == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		j->job.run = run_job;
		j->rs = rs;
		err_init(&j->err);
		rs->filling = j;
	}
	it = &j->items[j->n];
	it->path = j->paths.len;
	it->name = it->path + (slash != NULL ? (size_t)(slash - path) + 1 : 0);
	buf_bytes(&j->paths, path, len);
	buf_u8(&j->paths, '\0');
	if (buf_ok(&j->paths, e) < 0)
		return (-1);
	if (j->n == 0 || it[-1].parent != parent)
		j->parents++;
	it->parent = parent;
	(void)atomic_fetch_add(&parent->refs, 1);
	it->entry = *en;
	j->n++;
	j->bytes += en->size < JOB_BYTES ? en->size : JOB_BYTES;
	if (j->n == JOB_FILES || j->parents == JOB_PARENTS ||
	    j->bytes >= JOB_BYTES)
		return (flush_job(rs, e));
	return (0);
}

/* 0; CATALOG_SKIP when something else is in the way. */
static int
make_dir(struct restore *rs, const struct parent *parent, const char *name,
    const char *path, const struct entry *en, struct err *e)
{
	struct stat st;
	mode_t mode = (en->flags & ENTRY_IMPLIED) != 0 ? 0777 : 0700;

	if (mkdirat(parent->fd, name, mode) == 0) {
		(void)atomic_fetch_add(&rs->dirs, 1);
		return (0);
	}
	if (errno == ENOSPC || errno == EDQUOT)
		return (err_sys(e, errno, "%s", path));
	if (errno != EEXIST) {
		restore_failed(rs, path, "%s; nor what is below it",
		    strerror(errno));
		return (CATALOG_SKIP);
	}
	if (fstatat(parent->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode)) {
		(void)atomic_fetch_add(&rs->dirs, 1);
		return (0);
	}
	restore_failed(rs, path, "something of this name is there already; nor "
	    "what is below it");
	return (CATALOG_SKIP);
}

/* Walk 1, one entry that is no directory. */
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
	if (en->kind == ENTRY_FILE)
		return (submit_file(rs, parent, path, len, en, e));
	if (other_restore(rs, parent, name, path, en, &made, e) < 0)
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

static int
walk_make(void *ctx, const char *bytes, size_t len, const struct entry *en,
    struct err *e)
{
	struct restore *rs = ctx;
	struct parent *parent;
	const char *name, *path;
	int r;

	if (restore_stopped(rs))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	if ((path = restore_path(rs, bytes, len, e)) == NULL)
		return (-1);
	r = parent_get(rs, path, len, &parent, &name, e);
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
	else if ((r = make_dir(rs, parent, name, path, en, e)) == 0 &&
	    (en->flags & ENTRY_UNREAD) != 0)
		restore_failed(rs, path, "it could not be read when it was "
		    "backed up: what was in it is missing");
	parent_put(parent);
	restore_tick(rs, path);
	return (r);
}

/* The whole of a directory. */
static int
restore_tree(struct restore *rs, const struct entry *top, struct err *e)
{
	int r;

	r = catalog_walk(rs->catalog, top->ino, walk_make, rs, e);
	if (drain(rs, e) < 0)
		r = -1;
	parent_put(rs->parent);
	rs->parent = NULL;
	if (r < 0)
		return (-1);
	return (restore_finish(rs, top, e));
}

/* One entry that is no directory: it lands in the target under its name. */
static int
restore_single(struct restore *rs, const struct entry *en, struct err *e)
{
	const char *slash = strrchr(rs->env->path, '/');
	const char *name = slash != NULL ? slash + 1 : rs->env->path;
	struct entry one = *en;
	int r;

	one.nlink = 1;
	r = walk_make(rs, name, strlen(name), &one, e);
	if (drain(rs, e) < 0)
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
		if (io_mkdirs(path, 0777, e) < 0)
			return (-1);
		rs->target_made = true;
	}
	/* The user's own word for where to: links in it are followed. */
	rs->target = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rs->target < 0)
		return (err_sys(e, errno, "%s", path));
	return (0);
}

static int
open_source(struct restore *rs, struct err *e)
{
	const struct repo_env *env = repo_env(rs->repo);
	struct catalog_env cat = { .use_cache = true };
	unsigned threads = env->threads;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	if (threads == 0)
		threads = cpus > 0 ? (unsigned)cpus : 1;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	r = repo_manifest(rs->repo, &rs->env->snapshot, &rs->manifest, e);
	if (r > 0)
		return (err_set(e, ERR_ABSENT, "the snapshot is gone"));
	/* Chunks are hashed again: what is restored is what was backed up. */
	if (r < 0 || fetch_new(&rs->fetch, rs->repo, env->memory_bytes / 8,
	    true, e) < 0)
		return (-1);
	cat.cache_bytes = env->memory_bytes / 16;
	cat.connections = threads + 2;
	if (catalog_open(&rs->catalog, rs->fetch, rs->repo, &rs->manifest,
	    &cat, e) < 0)
		return (-1);
	if (links_open(&rs->links, e) < 0)
		return (-1);
	if (pool_new(&rs->pool, threads > 1 ? threads : 0, e) < 0 ||
	    lane_new(&rs->lane, rs->pool, 0, threads * JOBS_A_THREAD, e) < 0)
		return (-1);
	return (0);
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

	if (open_source(rs, e) < 0 ||
	    lookup_path(rs->catalog, rs->env->path, &top, e) < 0 ||
	    open_target(rs, e) < 0)
		return (-1);
	rs->prefix = top.ino == CATALOG_ROOT_INO ? "" : rs->env->path;
	if (top.kind == ENTRY_DIR)
		r = restore_tree(rs, &top, e);
	else
		r = restore_single(rs, &top, e);
	if (r < 0)
		return (-1);
	say_limits(rs);
	if (syncfs(rs->target) < 0)
		return (err_sys(e, errno, "%s: sync", rs->env->target));
	return (0);
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
	(void)pthread_mutex_init(&rs.lock, NULL);
	r = run(&rs, e);
	parent_put(rs.parent);
	lane_free(rs.lane);
	pool_free(rs.pool);
	links_close(rs.links);
	buf_fini(&rs.path);
	catalog_close(rs.catalog);
	fetch_free(rs.fetch);
	manifest_fini(&rs.manifest);
	if (rs.target >= 0)
		(void)close(rs.target);
	(void)pthread_mutex_destroy(&rs.lock);
	if (r < 0)
		return (-1);
	res->files = atomic_load(&rs.files);
	res->dirs = atomic_load(&rs.dirs);
	res->others = atomic_load(&rs.others);
	res->bytes = atomic_load(&rs.bytes);
	res->failed = atomic_load(&rs.failed);
	res->duration_ms = clock_mono_ms() - began;
	return (0);
}
