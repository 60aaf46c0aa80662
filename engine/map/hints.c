/*
 * Which tables were live when a map was opened last.  Until a collection comes,
 * index/ keeps every table that ever was merged into others: where a listing
 * doesn't bring sizes, each would have to be looked at to find the few that
 * count.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/map/map_impl.h"

void
hints_load(const char *path, struct object_id **v, size_t *n)
{
	struct err ignored = ERR_INIT;
	struct buf b = BUF_INIT;
	int fd, ret;

	*v = NULL;
	*n = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	ret = io_slurp(fd, &b, HINTS_MAX * ID_BYTES, &ignored);
	(void)close(fd);
	if (ret == 0 && b.len >= ID_BYTES)
		*v = calloc(b.len / ID_BYTES, sizeof(**v));
	if (*v != NULL)
		*n = b.len / ID_BYTES;
	for (size_t i = 0; i < *n; i++)
		memcpy((*v)[i].b, b.data + i * ID_BYTES, ID_BYTES);
	buf_fini(&b);
}

/* A torn file says less, and nothing wrong. */
void
hints_store(const char *path, const struct object_id *v, size_t n)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < n && i < HINTS_MAX; i++)
		buf_bytes(&b, v[i].b, ID_BYTES);
	if (!b.failed)
		io_keep(AT_FDCWD, path, b.data, b.len);
	buf_fini(&b);
}
