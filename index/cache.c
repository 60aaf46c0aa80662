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

enum { PLAIN, KEY, L1, LOCK, NFILES };
static const char *const names[NFILES] = { "plain", "key", "l1", "lock" };

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
open_files(const char *path, int *dir, int fd[NFILES], struct err *e)
{
	if (io_mkdirs(path, 0700, e) != 0)
		return (-1);
	*dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*dir < 0)
		return (err_sys(e, errno, "%s", path));
	for (size_t i = 0; i < NFILES; i++) {
		fd[i] = openat(*dir, names[i], O_RDWR | O_CREAT | O_CLOEXEC |
		    O_NOFOLLOW | O_NONBLOCK, 0600);
		if (fd[i] < 0)
			return (err_sys(e, errno, "%s/%s", path, names[i]));
	}
	return (0);
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

/* All that it needs is open, and nobody else writes. */
static int
write_files(struct build *b, int dir, int fd[NFILES], const char *path,
    struct err *e)
{
	struct stat st;

	/* A catalog that is all new is given away instead of copied. */
	if (overlay_link(b->overlay, dir, names[PLAIN])) {
		(void)close(fd[PLAIN]);
		fd[PLAIN] = -1;
		return (write_blocks(b, fd, false, e));
	}
	if (fstat(fd[PLAIN], &st) != 0)
		return (err_sys(e, errno, "%s/%s", path, names[PLAIN]));
	if (write_blocks(b, fd, st.st_size == 0, e) != 0)
		return (-1);
	if (ftruncate(fd[PLAIN], (off_t)overlay_size(b->overlay)) != 0)
		return (err_sys(e, errno, "%s/%s", path, names[PLAIN]));
	return (0);
}

int
build_adopt(struct build *b, const struct snapshot_id *id,
    const struct manifest *m, struct err *e)
{
	char *path = cache_path(b->repo, &m->lineage);
	int dir = -1, fd[NFILES] = { -1, -1, -1, -1 };
	int r = -1;

	if (path == NULL)
		return (0);
	if (open_files(path, &dir, fd, e) != 0)
		goto out;
	/* Another run of this lineage writes: its catalog is as good. */
	if (flock(fd[LOCK], LOCK_EX | LOCK_NB) == 0)
		r = write_files(b, dir, fd, path, e);
	else
		r = errno == EWOULDBLOCK ? 0 :
		    err_sys(e, errno, "%s/%s", path, names[LOCK]);
out:
	for (size_t i = 0; i < NFILES; i++)
		if (fd[i] >= 0)
			(void)close(fd[i]);
	if (dir >= 0)
		(void)close(dir);
	free(path);
	return (r == 0 ? 0 : err_wrap(e, "the cache of catalogs"));
}
