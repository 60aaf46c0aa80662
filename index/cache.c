/*
 * The local cache of catalogs: where it lies, and how a build that was
 * committed goes into it.  Writing is not atomic and need not be: a block that
 * doesn't verify is fetched from the store.
 */
#include "index/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "index/build_impl.h"

enum { PLAIN, KEY, L1, NFILES };
static const char *const names[NFILES] = { "plain", "key", "l1" };

char *
cache_path(const struct repo *repo, const struct lineage_id *lineage)
{
	const char *dir = repo_cache_dir(repo);
	char hex[ID_HEX], *path;
	size_t size;

	if (dir == NULL)
		return (NULL);
	size = strlen(dir) + sizeof("/catalog/") + sizeof(hex);
	path = malloc(size);
	if (path != NULL)
		(void)snprintf(path, size, "%s/catalog/%s", dir,
		    hex_emit(hex, lineage->b, ID_BYTES));
	return (path);
}

static int
open_dir(const char *path, struct err *e)
{
	int dir;

	if (io_mkdirs(path, 0700, e) != 0)
		return (-1);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return (dir >= 0 ? dir : err_sys(e, errno, "%s", path));
}

static int
open_file(int dir, const char *path, const char *name, struct err *e)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK, 0600);

	return (fd >= 0 ? fd : err_sys(e, errno, "%s/%s", path, name));
}

/* all: plain is empty.  No descriptor of it: it has them. */
static int
write_blocks(struct build *b, const int fd[NFILES], bool all, struct err *e)
{
	struct pages *pages = overlay_pages(b->overlay);
	uint64_t size = overlay_size(b->overlay);
	uint8_t *block = malloc(CATALOG_BLOCK_BYTES);
	uint64_t off = 0;
	int r = 0;

	if (block == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (uint64_t no = 0; r == 0 && off < size; no++) {
		unsigned depth = no < b->nblocks ? b->depth[no] : 0;
		bool plain = fd[PLAIN] >= 0 && (all || depth != 0);
		bool upper = depth == 1 || depth == 2;
		size_t len = CATALOG_BLOCK_BYTES;

		if (size - off < len)
			len = (size_t)(size - off);
		if (plain || upper)
			r = pages->ops->read(pages, block, len, off, e);
		if (r == 0 && plain)
			r = io_pwrite_all(fd[PLAIN], block, len, off, e);
		if (r == 0 && upper)
			r = io_pwrite_all(fd[depth == 1 ? KEY : L1], block,
			    len, off, e);
		off += len;
	}
	free(block);
	return (r);
}

/* Nobody else writes, or gives such a file its name. */
static int
write_files(struct build *b, int dir, const char *path, struct err *e)
{
	int fd[NFILES] = { -1, -1, -1 };
	struct stat st;
	bool given;
	int r = 0;

	/* A catalog that is all new is given away instead of copied. */
	given = overlay_link(b->overlay, dir, names[PLAIN]);
	for (size_t i = given ? KEY : PLAIN; r == 0 && i < NFILES; i++) {
		fd[i] = open_file(dir, path, names[i], e);
		r = fd[i] >= 0 ? 0 : -1;
	}
	if (r == 0 && given) {
		r = write_blocks(b, fd, false, e);
	} else if (r == 0 && fstat(fd[PLAIN], &st) != 0) {
		r = err_sys(e, errno, "%s/%s", path, names[PLAIN]);
	} else if (r == 0) {
		r = write_blocks(b, fd, st.st_size == 0, e);
		if (r == 0 && ftruncate(fd[PLAIN],
		    (off_t)overlay_size(b->overlay)) != 0)
			r = err_sys(e, errno, "%s/%s", path, names[PLAIN]);
	}
	for (size_t i = 0; i < NFILES; i++)
		if (fd[i] >= 0)
			(void)close(fd[i]);
	return (r);
}

int
build_adopt(struct build *b, const struct snapshot_id *id,
    const struct manifest *m, struct err *e)
{
	char *path = cache_path(b->repo, &m->lineage);
	int dir, lock = -1, r = -1;

	if (path == NULL)
		return (0);
	dir = open_dir(path, e);
	if (dir >= 0)
		lock = open_file(dir, path, "lock", e);
	/* Another run of this lineage writes: its catalog is as good.  The file
	 * that it gave the name to is opened behind it. */
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
		r = write_files(b, dir, path, e);
	else if (lock >= 0)
		r = errno == EWOULDBLOCK ? 0 :
		    err_sys(e, errno, "%s/lock", path);
	if (lock >= 0)
		(void)close(lock);
	if (dir >= 0)
		(void)close(dir);
	free(path);
	return (r == 0 ? 0 : err_wrap(e, "the cache of catalogs"));
}
