/*
 * Taking a mount away: by the system call where we may, else by fusermount3,
 * which is setuid and lets a user unmount what is his.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "fs/mount.h"
#include "fs/point.h"

#define WAIT_MS		10000
#define SAID_MAX	4096

extern char **environ;

struct gone {
	int id;
	bool there;
};

static int
match_id(void *ctx, const struct point *p, struct err *err)
{
	struct gone *g = ctx;

	g->there = g->there || p->id == g->id;
	return (0);
}

static int
wait_gone(const char *path, int id, struct err *err)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;
	struct gone g;

	for (;;) {
		g = (struct gone){ .id = id };
		if (point_scan(match_id, &g, err) < 0)
			return (-1);
		if (!g.there)
			return (0);
		if (clock_mono_ms() > until)
			return (err_set(err, ERR_SYS,
			    "%s: still mounted after %d seconds", path,
			    WAIT_MS / 1000));
		(void)poll(NULL, 0, 20);
	}
}

static int
run_helper(const char *path, struct buf *said, int *status, struct err *err)
{
	char a0[] = "fusermount3", a1[] = "-u", a2[] = "--";
	char *target = strdup(path);
	char *argv[] = { a0, a1, a2, target, NULL };
	posix_spawn_file_actions_t fa;
	int p[2], rc;
	pid_t pid;

	if (target == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	if (pipe2(p, O_CLOEXEC) < 0) {
		free(target);
		return (err_sys(err, errno, "pipe"));
	}
	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawn_file_actions_adddup2(&fa, p[1], STDERR_FILENO);
	rc = posix_spawnp(&pid, a0, &fa, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&fa);
	free(target);
	(void)close(p[1]);
	if (rc != 0) {
		(void)close(p[0]);
		return (err_sys(err, rc, "fusermount3"));
	}
	rc = io_slurp(p[0], said, SAID_MAX, err);
	(void)close(p[0]);
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return (err_sys(err, errno, "fusermount3"));
	return (rc);
}

static int
unmount_user(const char *path, struct err *err)
{
	struct buf said = BUF_INIT;
	int rc, status = 0;

	rc = run_helper(path, &said, &status, err);
	buf_u8(&said, '\0');
	if (rc == 0)
		rc = buf_ok(&said, err);
	if (rc == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
		said.data[strcspn((char *)said.data, "\n")] = '\0';
		rc = err_set(err, ERR_SYS, "%s", said.data[0] != '\0' ?
		    (char *)said.data : "fusermount3 failed");
	}
	buf_fini(&said);
	return (rc);
}

static int
unmount(const char *path, struct err *err)
{
	if (umount2(path, UMOUNT_NOFOLLOW) == 0)
		return (0);
	if (errno == EBUSY)
		return (err_sys(err, EBUSY, "unmount %s", path));
	if (errno == EPERM)
		return (unmount_user(path, err));
	return (err_sys(err, errno, "unmount %s", path));
}

int
mount_unmount(const char *mountpoint, struct err *err)
{
	char *path;
	bool ours;
	dev_t dev;
	int id, rc;

	if (point_resolve(mountpoint, &path, err) < 0)
		return (-1);
	rc = point_find(path, &ours, &id, &dev, err);
	if (rc == 0 && !ours)
		rc = err_set(err, ERR_ABSENT,
		    "%s: there is no mount of vitrine's", path);
	if (rc == 0)
		rc = unmount(path, err);
	if (rc == 0)
		rc = wait_gone(path, id, err);
	free(path);
	return (rc);
}
