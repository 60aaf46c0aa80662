/*
 * Writing back.  A restore ends with a sync of the target's file system, for
 * which the processors would wait; so it is begun early: a thread syncs each
 * time that some more was made.  The last sync, when all is made, is what
 * counts, and finds little left.
 *
 * What was restored may lie on several file systems, where some are mounted
 * below the target; the last sync is of each.  The early ones are the target's.
 *
 * A thread in such a sync can't be interrupted, and to a slow device ever more
 * waits to be written each time.  So the first that takes long is the last of
 * the early ones, and the kernel writes as it sees fit.
 *
 * Invariants:
 *  1. A failure to write is seen by the last sync: the kernel tells it once to
 *     each descriptor, and the early ones have their own.
 *  2. Under the lock: `begun' is the step at which the last early sync began.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "tools/job/restore_impl.h"

#ifdef VITRINE_TESTING
#define STEP_BYTES	65536	/* so that small restores come to it */
#else
#define STEP_BYTES	((uint64_t)256 << 20)
#endif
#define FILE_BYTES	16384	/* what making a file is worth in bytes */
#define LONG_MS		1000

struct early {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	atomic_uint_least64_t made;	/* bytes, and files as bytes */
	uint64_t begun;			/* lock: in steps */
	bool ended;			/* lock */
};

/* Wait until there is something to do; false: the restore has ended. */
static bool
next_step(struct early *s)
{
	bool ended;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->ended && atomic_load(&s->made) / STEP_BYTES == s->begun)
		(void)pthread_cond_wait(&s->more, &s->lock);
	s->begun = atomic_load(&s->made) / STEP_BYTES;
	ended = s->ended;
	(void)pthread_mutex_unlock(&s->lock);
	return (!ended);
}

static void *
early_run(void *ctx)
{
	struct early *s = ctx;
	uint64_t began, took = 0;

	while (took < LONG_MS && next_step(s)) {
		began = clock_mono_ms();
		(void)syncfs(s->fd);
		took = clock_mono_ms() - began;
	}
	return (NULL);
}

void
early_made(struct early *s, uint64_t bytes, bool file)
{
	uint64_t n = bytes + (file ? FILE_BYTES : 0), before;

	if (s == NULL)
		return;
	before = atomic_fetch_add(&s->made, n);
	if (before / STEP_BYTES == (before + n) / STEP_BYTES)
		return;
	(void)pthread_mutex_lock(&s->lock);
	(void)pthread_cond_signal(&s->more);
	(void)pthread_mutex_unlock(&s->lock);
}

static void
early_free(struct early *s)
{
	(void)pthread_cond_destroy(&s->more);
	(void)pthread_mutex_destroy(&s->lock);
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s);
}

struct early *
early_new(int target)
{
	struct early *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (NULL);
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->more, NULL);
	/* Not a dup(), which would share what was told. */
	s->fd = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0 || pthread_create(&s->thread, NULL, early_run, s) != 0) {
		early_free(s);
		return (NULL);
	}
	return (s);
}

void
early_end(struct early *s)
{
	if (s == NULL)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->ended = true;
	(void)pthread_cond_signal(&s->more);
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_join(s->thread, NULL);
	early_free(s);
}

struct mounted {
	struct mount_id id;
	int fd;			/* from before anything was written there; -1:
				 * the target's own, which rs->target is for */
	char *path;
};

int
mount_id(struct mount_id *id, int dir, const char *name)
{
	struct statx st;

	*id = (struct mount_id){ 0 };
	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
	    (name[0] == '\0' ? AT_EMPTY_PATH : 0), STATX_MNT_ID, &st) != 0)
		return (errno);
	id->mount = (st.stx_mask & STATX_MNT_ID) != 0 ? st.stx_mnt_id : 0;
	id->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	return (0);
}

/* Subvolumes have devices of their own, and may be many: where the kernel tells
 * mounts from one another these alone count. */
static bool
is_noted(const struct restore *rs, const struct mount_id *id)
{
	for (size_t i = 0; i < rs->nmounted; i++) {
		const struct mount_id *old = &rs->mounted[i].id;

		if (id->mount != 0 ? id->mount == old->mount :
		    id->dev == old->dev)
			return (true);
	}
	return (false);
}

static int
note(struct restore *rs, const struct mount_id *id, int dir, const char *path,
    size_t len, struct err *e)
{
	struct mounted *m;

	m = reallocarray(rs->mounted, rs->nmounted + 1, sizeof(*m));
	if (m == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	rs->mounted = m;
	m += rs->nmounted;
	m->id = *id;
	m->path = strndup(path, len);
	if (m->path == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	m->fd = len > 0 ? fcntl(dir, F_DUPFD_CLOEXEC, 0) : -1;
	if (len > 0 && m->fd < 0) {
		free(m->path);
		return (err_sys(e, errno, "dup"));
	}
	rs->nmounted++;
	return (0);
}

int
mounted_note(struct restore *rs, int dir, const char *path, size_t len,
    struct err *e)
{
	struct mount_id id;
	int r = 0, error;

	if (rs->env->dry_run)
		return (0);
	error = mount_id(&id, dir, "");
	if (error != 0)
		return (err_sys(e, error, "stat"));
	(void)pthread_mutex_lock(&rs->lock);
	if (!is_noted(rs, &id))
		r = note(rs, &id, dir, path, len, e);
	(void)pthread_mutex_unlock(&rs->lock);
	return (r);
}

int
restore_sync(struct restore *rs, struct err *e)
{
	if (syncfs(rs->target) < 0)
		return (err_sys(e, errno, "%s: sync", rs->env->target));
	for (size_t i = 0; i < rs->nmounted; i++) {
		const struct mounted *m = &rs->mounted[i];

		if (m->fd >= 0 && syncfs(m->fd) < 0)
			return (err_sys(e, errno, "%s/%s: sync",
			    rs->env->target, m->path));
	}
	return (0);
}

void
mounted_fini(struct restore *rs)
{
	for (size_t i = 0; i < rs->nmounted; i++) {
		if (rs->mounted[i].fd >= 0)
			(void)close(rs->mounted[i].fd);
		free(rs->mounted[i].path);
	}
	free(rs->mounted);
}
