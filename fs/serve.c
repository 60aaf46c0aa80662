/*
 * The life of a mount: build what it needs, mount, serve, take down.
 *
 *	open_fs -> session -> mounted -> serving (start: ready)
 *	    -> unmounted -> closed
 *
 * The starter is a thread that looks at the mountpoint like anybody else:
 * when that is answered, the mount serves, the kernel has set its own
 * read-ahead, which may then be raised, and the parent may be told.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "fs/daemon.h"
#include "fs/ending.h"
#include "fs/fs_int.h"
#include "fs/options.h"
#include "fs/point.h"

#define MEMORY_BYTES	(48U << 20)
#define THREADS		8
#define CATALOGS	4	/* open at once in a mount of the repository */
#define COOKIES		1024
#define READ_AHEAD_KB	4096

struct mount {
	const struct mount_env *env;	/* borrowed */
	struct mount_parent *parent;	/* borrowed, or NULL */
	struct mount_options options;
	char *path;			/* owned: the mountpoint, resolved */
	struct fs fs;
	struct fuse_session *session;
	bool mounted;
	pthread_t starter;
	bool started;
	int start_rc;			/* the starter's, after it is joined */
	struct err start_err;
};

/* libfuse says what went wrong through a function without context. */
static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;
static char said[256];

static void hear(enum fuse_log_level, const char *fmt, va_list)
    __attribute__((format(printf, 2, 0)));

static void
hear(enum fuse_log_level level, const char *fmt, va_list ap)
{
	(void)pthread_mutex_lock(&said_lock);
	(void)vsnprintf(said, sizeof(said), fmt, ap);
	said[strcspn(said, "\n")] = '\0';
	(void)pthread_mutex_unlock(&said_lock);
}

static int
fuse_failed(const char *what, struct err *err)
{
	char text[sizeof(said)];

	(void)pthread_mutex_lock(&said_lock);
	memcpy(text, said, sizeof(text));
	(void)pthread_mutex_unlock(&said_lock);
	/* fusermount3 speaks for itself, on the terminal that there still
	 * is. */
	return (err_set(err, ERR_SYS, "%s: %s", what, *text != '\0' ? text :
	    "could not be mounted"));
}

static unsigned
thread_count(const struct mount_env *env)
{
	return (env->threads > 0 ? env->threads : THREADS);
}

/* A single snapshot: what statfs says, and where the root is. */
static int
open_single(struct fs *fs, const char *subtree, struct err *err)
{
	const char *path = subtree != NULL ? subtree : "";
	struct manifest m = { 0 };
	struct catalog *c = NULL;
	struct entry e;
	int rc;

	rc = repo_manifest(fs->repo, &fs->snapshot, &m, err);
	if (rc > 0)
		return (err_set(err, ERR_ABSENT, "there is no such snapshot"));
	if (rc < 0)
		return (-1);
	fs->sum.bytes = m.bytes;
	fs->sum.entries = m.files + m.dirs + m.others;
	manifest_fini(&m);
	rc = shelf_get(fs->shelf, &fs->snapshot, &c, err);
	if (rc == 0)
		rc = catalog_resolve(c, path, strlen(path), &e, NULL, err);
	shelf_put(fs->shelf, c);
	if (rc > 0)
		return (err_set(err, ERR_ABSENT, "%s is not in the snapshot",
		    path));
	if (rc == 0 && e.kind != ENTRY_DIR)
		return (err_set(err, ERR_USAGE, "%s is no directory", path));
	if (rc == 0)
		fs->layout.root_ino = e.ino;
	return (rc);
}

static int
open_shelf(struct fs *fs, const struct mount_env *env, size_t memory,
    struct err *err)
{
	struct shelf_env se = {
		.repo = fs->repo, .fetch = fs->fetch,
		.open_max = fs->layout.single ? 1 : CATALOGS
	};

	se.each.cache_bytes = memory / 4 / se.open_max;
	se.each.connections = thread_count(env);
	if (!fs->layout.single && se.each.connections > 2)
		se.each.connections = (se.each.connections + 1) / 2;
	se.each.use_cache = true;
	return (shelf_new(&fs->shelf, &se, err));
}

/* What may be fetched ahead from a store far away; it must stay in the cache
 * until it is read. */
static size_t
far_bytes(const struct repo *repo, size_t memory)
{
	return (repo_store(repo)->parallel > 0 ? memory / 3 : 0);
}

static int
open_fs(struct mount *m, struct repo *repo, struct err *err)
{
	const struct mount_env *env = m->env;
	size_t memory = env->memory_bytes > 0 ? env->memory_bytes :
	    MEMORY_BYTES;
	struct fs *fs = &m->fs;
	int rc;

	fs->repo = repo;
	fs->uid = geteuid();
	fs->gid = getegid();
	fs->layout.single = env->snapshot != NULL;
	fs->default_permissions = m->options.default_permissions;
	/* The rest is for SQLite's pages and the replies under way. */
	if (fetch_new(&fs->fetch, repo, memory / 2, false, err) < 0 ||
	    open_shelf(fs, env, memory, err) < 0 ||
	    cookies_new(&fs->cookies, COOKIES, err) < 0 ||
	    tracks_new(&fs->tracks, far_bytes(repo, memory), err) < 0 ||
	    leans_new(&fs->leans, err) < 0 ||
	    feed_new(&fs->feed, memory / 8, err) < 0 ||
	    complaints_new(&fs->complaints, err) < 0)
		return (-1);
	if (env->snapshot != NULL) {
		fs->snapshot = *env->snapshot;
		return (open_single(fs, env->subtree, err));
	}
	if (roll_new(&fs->roll, err) < 0 || refresh_new(&fs->refresh, err) < 0)
		return (-1);
	rc = refresh_first(fs, env->snapshots, err);
	snapshots_fini(env->snapshots);
	return (rc);
}

static void
close_fs(struct fs *fs)
{
	shelf_free(fs->shelf);
	fetch_free(fs->fetch);
	cookies_free(fs->cookies);
	tracks_free(fs->tracks);
	feed_free(fs->feed);
	complaints_free(fs->complaints);
	roll_free(fs->roll);
	refresh_free(fs->refresh);
}

/* "ro,subtype=vitrine,..." for libfuse; returns owned, NULL without memory. */
static char *
session_options(const struct mount *m)
{
	const struct mount_options *o = &m->options;
	char *all = NULL, *name;
	int rc;

	if (asprintf(&name, "fsname=%s", o->fsname != NULL ? o->fsname :
	    repo_store(m->fs.repo)->where) < 0)
		return (NULL);
	rc = fuse_opt_add_opt(&all, "ro,subtype=vitrine");
	if (rc == 0 && o->allow_other)
		rc = fuse_opt_add_opt(&all, "allow_other");
	if (rc == 0 && o->default_permissions)
		rc = fuse_opt_add_opt(&all, "default_permissions");
	if (rc == 0 && *o->flags != '\0')
		rc = fuse_opt_add_opt(&all, o->flags);
	if (rc == 0)
		rc = fuse_opt_add_opt_escaped(&all, name);
	free(name);
	if (rc != 0) {
		free(all);
		return (NULL);
	}
	return (all);
}

static int
open_session(struct mount *m, struct err *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char *options = session_options(m);
	int rc = -1;

	if (options != NULL && fuse_opt_add_arg(&args, "vitrine") == 0 &&
	    fuse_opt_add_arg(&args, "-o") == 0)
		rc = fuse_opt_add_arg(&args, options);
	free(options);
	if (rc < 0) {
		fuse_opt_free_args(&args);
		return (err_set(err, ERR_NOMEM, "no memory"));
	}
	fuse_set_log_func(hear);
	m->session = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), &m->fs);
	fuse_opt_free_args(&args);
	if (m->session == NULL)
		return (fuse_failed("FUSE", err));
	leans_begin(m->fs.leans, m->session);
	feed_begin(m->fs.feed, m->session);
	ending_session(m->session);
	if (fuse_session_mount(m->session, m->path) < 0)
		return (fuse_failed(m->path, err));
	m->mounted = true;
	return (0);
}

/* Root may; other users go on with the kernel's 128 KiB, and with what
 * track.c has fetched ahead. */
static void
raise_read_ahead(dev_t dev)
{
	char path[64], kb[16];
	struct err ignored = ERR_INIT;
	int fd, n;

	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb",
	    major(dev), minor(dev));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = snprintf(kb, sizeof(kb), "%d\n", READ_AHEAD_KB);
	(void)io_write_all(fd, kb, (size_t)n, &ignored);
	(void)close(fd);
}

static void *
start(void *arg)
{
	struct mount *m = arg;
	bool detach = m->parent != NULL && m->parent->fd >= 0;
	struct stat st;

	if (stat(m->path, &st) < 0) {
		m->start_rc = err_sys(&m->start_err, errno, "%s", m->path);
	} else {
		raise_read_ahead(st.st_dev);
		m->start_rc = daemon_ready(m->parent, &m->start_err);
		if (m->start_rc == 0 && detach)
			atomic_store(&m->fs.background, true);
	}
	if (m->start_rc < 0)
		(void)kill(getpid(), SIGTERM);
	return (NULL);
}

static int
loop(struct mount *m, struct err *err)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int rc;

	if (config == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	fuse_loop_cfg_set_clone_fd(config, 0);
	fuse_loop_cfg_set_max_threads(config, thread_count(m->env));
	fuse_loop_cfg_set_idle_threads(config, thread_count(m->env));
	rc = fuse_session_loop_mt(m->session, config);
	fuse_loop_cfg_destroy(config);
	/* Above 0 it is the signal that ended it, as it should. */
	return (rc < 0 ? err_sys(err, -rc, "serving %s", m->path) : 0);
}

static int
serve(struct mount *m, struct repo *repo, struct err *err)
{
	int rc;

	if (options_parse(&m->options, m->env->options, err) < 0 ||
	    point_resolve(m->env->mountpoint, &m->path, err) < 0 ||
	    open_fs(m, repo, err) < 0 || open_session(m, err) < 0)
		return (-1);
	rc = pthread_create(&m->starter, NULL, start, m);
	if (rc != 0)
		return (err_sys(err, rc, "thread"));
	m->started = true;
	return (loop(m, err));
}

static void
take_down(struct mount *m)
{
	/* It may be telling the kernel, through what unmounting closes.  It
	 * can't wait for a request there: those are pages of listings. */
	leans_free(m->fs.leans);
	if (m->mounted)
		fuse_session_unmount(m->session);
	if (m->started)
		(void)pthread_join(m->starter, NULL);
	if (m->session != NULL) {
		ending_session(NULL);
		fuse_session_destroy(m->session);
	}
	close_fs(&m->fs);
	options_fini(&m->options);
	free(m->path);
}

int
mount_serve(struct repo *repo, const struct mount_env *env,
    struct mount_parent *parent, struct err *err)
{
	struct mount m = {
		.env = env, .parent = parent, .start_err = ERR_INIT
	};
	int rc;

	/* Frames are a MiB: without this each of many threads keeps a heap of
	 * its own of them. */
	(void)mallopt(M_ARENA_MAX, 2);
	ending_begin(env->ending);
	rc = serve(&m, repo, err);
	take_down(&m);
	ending_end();
	/* Before it served that was no end but an interruption. */
	if (rc < 0 && ending_is_asked())
		return (err_set(err, ERR_CANCELED, "interrupted"));
	if (rc == 0 && m.start_rc < 0) {
		*err = m.start_err;
		rc = -1;
	}
	return (rc);
}
