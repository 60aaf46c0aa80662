/*
 * Is this a place to mount at? Whatever can be known is said before a
 * passphrase is asked for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "engine/store/dir.h"
#include "fs/fs_int.h"
#include "fs/options.h"
#include "fs/point.h"

static int
check_device(struct err *err)
{
	if (access("/dev/fuse", F_OK) == 0)
		return (0);
	return (err_set(err, ERR_ABSENT, "/dev/fuse is missing: this kernel "
	    "has no FUSE (modprobe fuse), or this container was not given "
	    "the device; \"vitrine restore\" works without"));
}

/* Is the directory `path' that of (dev, ino), or does it lie below it? */
static int
is_within(const char *path, dev_t dev, ino_t ino, bool *within, struct err *err)
{
	struct stat st = { 0 }, was;
	int fd, up;

	*within = false;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0) {
		was = st;
		if (fstat(fd, &st) < 0)
			break;
		*within = st.st_dev == dev && st.st_ino == ino;
		if (*within ||
		    (st.st_dev == was.st_dev && st.st_ino == was.st_ino)) {
			(void)close(fd);
			return (0);
		}
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = up;
	}
	(void)err_sys(err, errno, "%s", path);
	if (fd >= 0)
		(void)close(fd);
	return (-1);
}

static int
check_repository(const char *path, const struct stat *point,
    struct store *store, struct err *err)
{
	bool within;
	dev_t dev;
	ino_t ino;

	if (store_dir_identity(store, &dev, &ino) != 0)
		return (0);
	if (is_within(path, dev, ino, &within, err) < 0)
		return (-1);
	if (within)
		return (err_set(err, ERR_EXISTS,
		    "%s is the repository or lies in it", path));
	if (is_within(store->where, point->st_dev, point->st_ino, &within,
	    err) < 0)
		return (-1);
	if (within)
		return (err_set(err, ERR_EXISTS,
		    "%s: a mount there would hide the repository", path));
	return (0);
}

static int
check_empty(const char *path, struct err *err)
{
	struct dirent *d;
	DIR *dir = opendir(path);
	bool empty = true;

	if (dir == NULL)
		return (err_sys(err, errno, "%s", path));
	while (empty && (d = readdir(dir)) != NULL)
		empty = strcmp(d->d_name, ".") == 0 ||
		    strcmp(d->d_name, "..") == 0;
	(void)closedir(dir);
	return (empty ? 0 : err_set(err, ERR_EXISTS,
	    "%s is not empty (-o nonempty mounts over it)", path));
}

static int
check_point(const char *path, bool nonempty, struct store *store,
    struct err *err)
{
	struct stat st;
	bool ours;
	dev_t dev;
	int id;

	if (point_find(path, &ours, &id, &dev, err) < 0)
		return (-1);
	if (ours)
		return (err_set(err, ERR_EXISTS, "%s: there is a mount of "
		    "vitrine's already (vitrine umount takes it away)", path));
	if (stat(path, &st) < 0)
		return (err_sys(err, errno, "%s", path));
	if (!S_ISDIR(st.st_mode))
		return (err_set(err, ERR_EXISTS, "%s is no directory", path));
	if (store != NULL && check_repository(path, &st, store, err) < 0)
		return (-1);
	return (nonempty ? 0 : check_empty(path, err));
}

int
mount_check(const struct mount_env *env, struct store *store, struct err *err)
{
	struct mount_options o;
	char *path;
	int rc;

	if (options_parse(&o, env->options, err) < 0)
		return (-1);
	rc = check_device(err);
	if (rc == 0)
		rc = point_resolve(env->mountpoint, &path, err);
	if (rc == 0) {
		rc = check_point(path, o.nonempty, store, err);
		free(path);
	}
	options_fini(&o);
	return (rc);
}
