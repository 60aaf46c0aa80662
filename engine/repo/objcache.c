/*
 * Small sealed objects, kept locally as they are: $cache_dir/<repository>/
 * <name>/<id>.  The cache is no truth: what comes out of it is verified like
 * what comes out of the store.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/repo/impl.h"

int
objcache_open(const struct repo *repo, const char *name)
{
	struct err ignored = ERR_INIT;
	char *path;
	int fd;

	if (repo->cache_dir == NULL ||
	    asprintf(&path, "%s/%s", repo->cache_dir, name) < 0)
		return (-1);
	fd = -1;
	if (io_mkdirs(path, 0700, &ignored) == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(path);
	return (fd);
}

/* True when the bytes are there and have that name. */
static bool
get(int dir, const uint8_t id[ID_BYTES], struct buf *b)
{
	struct err ignored = ERR_INIT;
	uint8_t digest[HASH_BYTES];
	char hex[ID_HEX];
	int fd, ret;

	buf_reset(b);
	if (dir < 0)
		return (false);
	fd = openat(dir, hex_emit(hex, id, ID_BYTES),
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return (false);
	ret = io_slurp(fd, b, SEALED_MAX, &ignored);
	(void)close(fd);
	if (ret != 0)
		return (false);
	hash_bytes(digest, b->data, b->len);
	return (id_equal(digest, id));
}

int
objcache_load(int dir, struct store *store, const char *prefix,
    const uint8_t id[ID_BYTES], struct buf *b, struct err *e)
{
	char hex[ID_HEX];
	int ret;

	if (get(dir, id, b))
		return (0);
	ret = object_load(store, prefix, id, SEALED_MAX, b, e);
	/* A torn file is noticed by its name. */
	if (ret == 0 && dir >= 0)
		io_keep(dir, hex_emit(hex, id, ID_BYTES), b->data, b->len);
	return (ret);
}

void
objcache_sweep(int dir, const struct ids *present)
{
	uint8_t id[ID_BYTES];
	struct dirent *de;
	DIR *dp;
	int fd;

	if (dir < 0)
		return;
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dp = fd < 0 ? NULL : fdopendir(fd);
	if (dp == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((de = readdir(dp)) != NULL)
		if (hex_parse(id, sizeof(id), de->d_name) == 0 &&
		    !ids_has(present, id))
			(void)unlinkat(dir, de->d_name, 0);
	(void)closedir(dp);
}
