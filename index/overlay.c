/*
 * The copy-on-write file under a catalog that is being built.
 *
 * Invariants:
 *  1. A page whose bit is set is read from the temporary file; one whose bit
 *     isn't set lies in the base below base_size, or reads as zeros.
 *  2. base_size never grows: what was cut off does not come back.
 */
#include "index/overlay.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/repo/manifest.h"

#define PAGE		CATALOG_PAGE_BYTES
#define PER_BLOCK	(CATALOG_BLOCK_BYTES / PAGE)

struct overlay {
	struct pages pages;		/* first member */
	struct pages *base;
	uint64_t base_size, size;
	int fd;
	uint8_t *dirty;			/* a bit a page; owned */
	uint64_t bits;			/* allocated */
	bool written;
};

static bool
is_dirty(const struct overlay *o, uint64_t page)
{
	return (page < o->bits && (o->dirty[page / 8] >> page % 8 & 1) != 0);
}

static int
set_dirty(struct overlay *o, uint64_t page, struct err *e)
{
	if (page >= o->bits) {
		uint64_t bits = o->bits == 0 ? 4096 : o->bits;
		uint8_t *p;

		while (bits <= page)
			bits *= 2;
		p = realloc(o->dirty, bits / 8);
		if (p == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		memset(p + o->bits / 8, 0, (bits - o->bits) / 8);
		o->dirty = p;
		o->bits = bits;
	}
	o->dirty[page / 8] |= (uint8_t)(1U << page % 8);
	o->written = true;
	return (0);
}

/* Bytes within one page. */
static int
read_page(struct overlay *o, uint8_t *dst, size_t len, uint64_t off,
    struct err *e)
{
	size_t have = 0;

	if (is_dirty(o, off / PAGE))
		return (io_pread_all(o->fd, dst, len, off, e));
	if (off < o->base_size) {
		have = len;
		if (o->base_size - off < have)
			have = (size_t)(o->base_size - off);
		if (o->base->ops->read(o->base, dst, have, off, e) != 0)
			return (-1);
	}
	memset(dst + have, 0, len - have);
	return (0);
}

static int
overlay_read(struct pages *p, void *dst, size_t len, uint64_t off,
    struct err *e)
{
	struct overlay *o = (struct overlay *)p;
	uint8_t *to = dst;

	while (len > 0) {
		size_t n = PAGE - off % PAGE;

		if (n > len)
			n = len;
		if (read_page(o, to, n, off, e) != 0)
			return (err_wrap(e, "the catalog being built"));
		to += n;
		off += n;
		len -= n;
	}
	return (0);
}

static int
overlay_write(struct pages *p, const void *src, size_t len, uint64_t off,
    struct err *e)
{
	struct overlay *o = (struct overlay *)p;

	/* SQLite writes whole pages; a part would need the rest from the base.
	 */
	if (off % PAGE != 0 || len % PAGE != 0)
		return (err_set(e, ERR_SYS, "a write of part of a page"));
	if (io_pwrite_all(o->fd, src, len, off, e) != 0)
		return (err_wrap(e, "the catalog being built"));
	for (uint64_t at = off; at < off + len; at += PAGE)
		if (set_dirty(o, at / PAGE, e) != 0)
			return (-1);
	if (off + len > o->size)
		o->size = off + len;
	return (0);
}

static int
overlay_truncate(struct pages *p, uint64_t size, struct err *e)
{
	struct overlay *o = (struct overlay *)p;

	for (uint64_t page = (size + PAGE - 1) / PAGE; page < o->bits; page++)
		o->dirty[page / 8] &= (uint8_t)~(1U << page % 8);
	if (size < o->base_size)
		o->base_size = size;
	if (size != o->size)
		o->written = true;
	o->size = size;
	return (0);
}

static uint64_t
overlay_pages_size(struct pages *p)
{
	return (((struct overlay *)p)->size);
}

static const struct pages_ops overlay_ops = {
	.read = overlay_read,
	.size = overlay_pages_size,
	.write = overlay_write,
	.truncate = overlay_truncate,
};

int
overlay_new(struct overlay **out, struct pages *base, const char *dir,
    struct err *e)
{
	struct overlay *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	o->pages.ops = &overlay_ops;
	o->base = base;
	o->size = o->base_size = base == NULL ? 0 : base->ops->size(base);
	o->fd = io_temp_file(dir != NULL ? dir : io_temp_dir(), e);
	if (o->fd < 0) {
		free(o);
		return (-1);
	}
	*out = o;
	return (0);
}

void
overlay_free(struct overlay *o)
{
	if (o == NULL)
		return;
	(void)close(o->fd);
	free(o->dirty);
	free(o);
}

struct pages *
overlay_pages(struct overlay *o)
{
	return (&o->pages);
}

uint64_t
overlay_size(const struct overlay *o)
{
	return (o->size);
}

bool
overlay_is_dirty(const struct overlay *o, uint64_t block)
{
	for (uint64_t i = 0; i < PER_BLOCK; i++)
		if (is_dirty(o, block * PER_BLOCK + i))
			return (true);
	return (false);
}

bool
overlay_is_clean(const struct overlay *o)
{
	return (!o->written);
}

bool
overlay_link(struct overlay *o, int dirfd, const char *name)
{
	for (uint64_t page = 0; page < o->size / PAGE; page++)
		if (!is_dirty(o, page))
			return (false);
	/* What was cut off may lie behind it. */
	return (ftruncate(o->fd, (off_t)o->size) == 0 &&
	    io_temp_link(o->fd, dirfd, name));
}
