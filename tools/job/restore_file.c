/*
 * Making one entry: a regular file from its chunks, each verified as what the
 * catalog names; or a link, FIFO, socket, device.  Never over something that is
 * there.  A file that can't be written whole is taken away again: what stands
 * in the target is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "tools/job/restore_impl.h"

#define BATCH	64

/* Failures that are this file's; any other stops the restore. */
static bool
is_local(const struct err *e)
{
	switch (e->code) {
	case ERR_SYS:
		return (e->sys != EMFILE && e->sys != ENFILE);
	case ERR_CORRUPT:
	case ERR_AUTH:
	case ERR_VERSION:
	case ERR_NET:
	case ERR_REMOTE:
	case ERR_ABSENT:
		return (true);
	default:
		return (false);
	}
}

static int
write_extent(struct restore *rs, int fd, const struct extent *x,
    struct err *e)
{
	struct pack_info pack;
	struct frame_info frame;
	struct fetched *ref;
	const uint8_t *data;
	int r;

	if (x->len > CHUNK_MAX)
		return (err_set(e, ERR_CORRUPT, "a chunk of %llu bytes",
		    (unsigned long long)x->len));
	if (catalog_frame(rs->catalog, x->frame, &pack, &frame, e) < 0 ||
	    fetch_chunk(rs->fetch, &pack, &frame, x->slot, &x->id,
	    (uint32_t)x->len, &ref, &data, e) < 0)
		return (-1);
	r = io_pwrite_all(fd, data, (size_t)x->len, x->off, e);
	fetch_put(rs->fetch, ref);
	return (r);
}

/* Ask for the frames of a batch before the first is needed. */
static int
ask_ahead(struct restore *rs, const struct extent *x, size_t n, struct err *e)
{
	struct pack_info pack;
	struct frame_info frame;
	uint32_t last = UINT32_MAX, asked = 0;

	for (size_t i = 0; i < n; i++) {
		if (x[i].hole || x[i].frame == last)
			continue;
		last = x[i].frame;
		if (asked++ == 0)
			continue;
		if (catalog_frame(rs->catalog, last, &pack, &frame, e) < 0)
			return (-1);
		fetch_ahead(rs->fetch, &pack, &frame);
	}
	return (0);
}

static int
write_batch(struct restore *rs, int fd, const char *path,
    const struct entry *en, const struct extent *x, size_t n, uint64_t *off,
    struct err *e)
{
	if (ask_ahead(rs, x, n, e) < 0)
		return (-1);
	for (size_t i = 0; i < n; i++) {
		if (x[i].off != *off || x[i].len == 0 ||
		    x[i].len > en->size - *off)
			return (err_set(e, ERR_CORRUPT, "the catalog's list of "
			    "chunks doesn't add up"));
		if (restore_stopped(rs))
			return (err_set(e, ERR_CANCELED, "interrupted"));
		if (!x[i].hole && write_extent(rs, fd, &x[i], e) < 0)
			return (-1);
		*off += x[i].len;
		(void)atomic_fetch_add(&rs->bytes, x[i].len);
		restore_tick(rs, path);
	}
	return (0);
}

static int
write_content(struct restore *rs, int fd, const char *path,
    const struct entry *en, struct err *e)
{
	struct extent x[BATCH];
	bool hole_last = false;
	uint64_t off = 0;
	size_t n;

	while (off < en->size) {
		if (catalog_extents(rs->catalog, en->ino, off, x, BATCH, &n,
		    e) < 0)
			return (-1);
		if (n == 0)
			return (err_set(e, ERR_CORRUPT, "the catalog lacks the "
			    "bytes from %llu on", (unsigned long long)off));
		/* A long hole may begin before the place asked for. */
		if (x[0].off < off && x[0].off + x[0].len > off) {
			x[0].len -= off - x[0].off;
			x[0].off = off;
		}
		if (write_batch(rs, fd, path, en, x, n, &off, e) < 0)
			return (-1);
		hole_last = x[n - 1].hole;
	}
	if (hole_last && ftruncate(fd, (off_t)en->size) < 0)
		return (err_sys(e, errno, "set size"));
	return (0);
}

int
file_restore(struct restore *rs, const struct parent *dir, const char *name,
    const char *path, const struct entry *en, bool *made, struct err *e)
{
	struct meta_at at = { -1, dir->fd, name };
	uint64_t before;
	int fd;

	*made = false;
	if (en->size > INT64_MAX) {
		restore_failed(rs, path, "its size is impossible");
		return (0);
	}
	fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOSPC ||
	    errno == EDQUOT))
		return (err_sys(e, errno, "%s", path));
	if (fd < 0) {
		restore_failed(rs, path, "%s", errno == EEXIST ?
		    "something of this name is there already" :
		    strerror(errno));
		return (0);
	}
	before = atomic_load(&rs->failed);
	if (write_content(rs, fd, path, en, e) < 0)
		goto fail;
	at.fd = fd;
	if (meta_restore(rs, &at, path, en, e) < 0)
		goto fail;
	if (close(fd) < 0) {
		fd = -1;
		(void)err_sys(e, errno, "close");
		goto fail;
	}
	*made = true;
	(void)atomic_fetch_add(&rs->files, 1);
	if (before == atomic_load(&rs->failed))
		restore_note(rs, EVENT_DETAIL, path, "restored");
	return (0);
fail:
	if (fd >= 0)
		(void)close(fd);
	if (unlinkat(dir->fd, name, 0) < 0)
		restore_failed(rs, path, "a part of it was written and can't "
		    "be taken away: %s", strerror(errno));
	if (!is_local(e))
		return (err_wrap(e, "%s", path));
	restore_failed(rs, path, "%s", err_text(e));
	err_init(e);
	return (0);
}

static int
make_other(struct restore *rs, int dir, const char *name,
    const struct entry *en, struct err *e)
{
	char target[CATALOG_TARGET_MAX + 1];
	size_t len;
	mode_t type;
	dev_t dev = 0;

	switch (en->kind) {
	case ENTRY_SYMLINK:
		if (catalog_target(rs->catalog, en->ino, target, &len, e) < 0)
			return (-1);
		if (symlinkat(target, dir, name) < 0)
			return (err_sys(e, errno, "symlink"));
		return (0);
	case ENTRY_FIFO:
		type = S_IFIFO;
		break;
	case ENTRY_SOCKET:
		type = S_IFSOCK;
		break;
	case ENTRY_CHAR:
	case ENTRY_BLOCK:
		type = en->kind == ENTRY_CHAR ? S_IFCHR : S_IFBLK;
		dev = makedev(en->rdev_major, en->rdev_minor);
		break;
	default:
		return (err_set(e, ERR_CORRUPT, "an entry of unknown kind %u",
		    en->kind));
	}
	if (mknodat(dir, name, type | 0600, dev) < 0)
		return (err_sys(e, errno, "make"));
	return (0);
}

int
other_restore(struct restore *rs, const struct parent *dir, const char *name,
    const char *path, const struct entry *en, bool *made, struct err *e)
{
	struct meta_at at = { -1, dir->fd, name };

	*made = false;
	if (make_other(rs, dir->fd, name, en, e) < 0) {
		if (!is_local(e))
			return (err_wrap(e, "%s", path));
		restore_failed(rs, path, "%s", e->sys == EEXIST ?
		    "something of this name is there already" : err_text(e));
		err_init(e);
		return (0);
	}
	*made = true;
	(void)atomic_fetch_add(&rs->others, 1);
	if (meta_restore(rs, &at, path, en, e) < 0) {
		if (!is_local(e))
			return (err_wrap(e, "%s", path));
		restore_failed(rs, path, "%s", err_text(e));
		err_init(e);
	}
	return (0);
}
