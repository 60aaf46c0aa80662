/*
 * The read path: extents of the catalog -> frames of the fetch -> the reply.
 *
 * A reply is whole or an error: the kernel takes a short one for the end of
 * the file and shrinks it.  So any damage in a request is EIO for all of it
 * (the kernel then asks page by page), and so are extents that don't add up
 * to the file's size.
 *
 * What lies in a few frames is sent from where it was decoded.  What lies in
 * more is gathered first, so that a thread holds one of those at a time: what
 * is held comes on top of the cache's bound.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "fs/fs_int.h"

#define EXTENTS		64	/* looked up at once */
#define AHEAD_EXTENTS	128
#define AHEAD_FRAMES	32
#define WAIT_MS		4	/* longer than it takes to open a frame */
#define FRAMES_NEXT	2	/* behind one that small files are read from */
#define READ_MAX	(16U << 20)	/* the kernel asks for 1 MiB at most */
#define HELD_FRAMES	3	/* 1 MiB lies in two, mostly */
#define TOO_MANY	1

/* A chunk's bytes within a frame, borrowed until it is put. */
struct held {
	struct fetched *ref;
	const uint8_t *data;
};

struct reader {
	struct fs *fs;
	struct catalog *catalog;
	struct node node;
	uint64_t number;	/* of the node */
	uint64_t off, end;	/* what is to be read */
	bool whole;		/* that is all of the file */
	bool alone;		/* and no neighbour is about to be read */
	struct extent x[EXTENTS];	/* from off on */
	size_t n;
	bool located;		/* neighbours mostly lie in one frame */
	uint32_t no;		/* located: the catalog's number of it */
	struct pack_info pack;
	struct frame_info frame;
};

/* Where a frame lies; into r->pack and r->frame. */
static int
locate(struct reader *r, uint32_t no, struct err *err)
{
	int rc;

	if (r->located && r->no == no)
		return (0);
	r->located = false;
	rc = catalog_frame(r->catalog, no, &r->pack, &r->frame, err);
	if (rc != 0)
		return (rc < 0 ? -1 :
		    err_set(err, ERR_CORRUPT, "there is no frame %u", no));
	r->located = true;
	r->no = no;
	return (0);
}

static int
fetch_extent(struct reader *r, const struct extent *x, struct held *h,
    struct err *err)
{
	if (x->len > UINT32_MAX)
		return (err_set(err, ERR_CORRUPT, "a chunk of %llu bytes",
		    (unsigned long long)x->len));
	if (locate(r, x->frame, err) < 0)
		return (-1);
	return ((r->alone ? fetch_alone : fetch_chunk)(r->fs->fetch, &r->pack,
	    &r->frame, x->slot, &x->id, (uint32_t)x->len, &h->ref, &h->data,
	    err));
}

/* Extents are to begin at `off', and to be without gaps. */
static int
check_extents(const struct extent *x, size_t n, uint64_t off, struct err *err)
{
	uint64_t at;

	if (n == 0)
		return (err_set(err, ERR_CORRUPT,
		    "no content from byte %llu on", (unsigned long long)off));
	if (x[0].off > off || x[0].len == 0 || off - x[0].off >= x[0].len)
		return (err_set(err, ERR_CORRUPT,
		    "another content than at byte %llu",
		    (unsigned long long)off));
	at = x[0].off;
	for (size_t i = 0; i < n; i++) {
		if (x[i].off != at || x[i].len == 0 ||
		    x[i].len > UINT64_MAX - at)
			return (err_set(err, ERR_CORRUPT,
			    "extents that don't add up"));
		at += x[i].len;
	}
	return (0);
}

static int
extents_at(struct reader *r, uint64_t off, struct extent *x, size_t max,
    size_t *n, struct err *err)
{
	*n = 0;
	if (catalog_extents(r->catalog, r->node.ino, off, x, max, n, err) < 0)
		return (-1);
	return (check_extents(x, *n, off, err));
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return (a < b ? a : b);
}

/* Copy [r->off, r->end) out, extent by extent. */
static int
gather(struct reader *r, uint8_t *dst, struct err *err)
{
	const struct extent *x = r->x;
	struct held h;
	uint64_t off = r->off, skip, len;

	while (off < r->end) {
		if (off > r->off && extents_at(r, off, r->x, EXTENTS, &r->n,
		    err) < 0)
			return (-1);
		for (size_t i = 0; i < r->n && off < r->end; i++) {
			skip = off - x[i].off;
			len = least(x[i].len - skip, r->end - off);
			if (x[i].hole) {
				memset(dst, 0, len);
			} else {
				if (fetch_extent(r, &x[i], &h, err) != 0)
					return (-1);
				memcpy(dst, h.data + skip, len);
				fetch_put(r->fs->fetch, h.ref);
			}
			dst += len;
			off += len;
		}
	}
	return (0);
}

static int
reply_gathered(fuse_req_t req, struct reader *r, struct err *err)
{
	size_t len = (size_t)(r->end - r->off);
	uint8_t *bytes = malloc(len);
	int rc;

	if (bytes == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	rc = gather(r, bytes, err);
	if (rc == 0)
		(void)fuse_reply_buf(req, (const char *)bytes, len);
	free(bytes);
	return (rc);
}

/* How many extents reach up to r->end, where no hole is in between; else 0. */
static size_t
without_holes(const struct reader *r)
{
	for (size_t i = 0; i < r->n && !r->x[i].hole; i++)
		if (r->x[i].off + r->x[i].len >= r->end)
			return (i + 1);
	return (0);
}

/*
 * Reply with the first n extents from the frames themselves; TOO_MANY where
 * those are more than HELD_FRAMES.
 */
static int
reply_held(fuse_req_t req, struct reader *r, size_t n, struct err *err)
{
	struct iovec iov[EXTENTS] = { 0 };
	struct held h[EXTENTS];
	size_t held = 0, frames = 0;
	int rc = 0;

	while (held < n) {
		const struct extent *x = &r->x[held];
		uint64_t from = x->off < r->off ? r->off - x->off : 0;
		uint64_t to = least(x->len, r->end - x->off);

		rc = fetch_extent(r, x, &h[held], err);
		if (rc != 0)
			break;
		iov[held].iov_base = (void *)(uintptr_t)(h[held].data + from);
		iov[held].iov_len = (size_t)(to - from);
		frames += held == 0 || h[held].ref != h[held - 1].ref;
		held++;
		if (frames > HELD_FRAMES) {
			rc = TOO_MANY;
			break;
		}
	}
	if (rc == 0 && r->whole && n == 1)
		feed_after(r->fs->feed, r->fs, r->catalog, &r->node,
		    r->number);
	if (rc == 0)
		(void)fuse_reply_iov(req, iov, (int)n);
	while (held > 0)
		fetch_put(r->fs->fetch, h[--held].ref);
	return (rc);
}

/* Reply, or fail without having replied. */
static int
reply_range(fuse_req_t req, struct reader *r, struct err *err)
{
	size_t n = without_holes(r);
	int rc = n > 0 ? reply_held(req, r, n, err) : TOO_MANY;

	return (rc == TOO_MANY ? reply_gathered(req, r, err) : rc);
}

/* Ask for the frames of [from, to), each once; failures are the reader's to
 * meet. */
static void
prefetch(struct reader *r, uint64_t from, uint64_t to)
{
	struct extent x[AHEAD_EXTENTS];
	struct err ignored = ERR_INIT;
	uint32_t last = 0;
	size_t n, asked = 0;

	while (from < to && asked < AHEAD_FRAMES) {
		if (extents_at(r, from, x, AHEAD_EXTENTS, &n, &ignored) < 0)
			return;
		for (size_t i = 0; i < n && x[i].off < to &&
		    asked < AHEAD_FRAMES; i++) {
			if (x[i].hole || (asked > 0 && x[i].frame == last))
				continue;
			last = x[i].frame;
			if (locate(r, last, &ignored) < 0)
				return;
			fetch_ahead(r->fs->fetch, &r->pack, &r->frame);
			asked++;
		}
		from = x[n - 1].off + x[n - 1].len;
	}
}

/* Of a small file: does it lie where no other was read just now? */
static bool
lies_alone(const struct reader *r)
{
	uint32_t last = atomic_load(&r->fs->last_frame), no = r->x[0].frame;

	return (r->n == 1 && !r->x[0].hole &&
	    (no < last || no - last > FRAMES_NEXT));
}

/*
 * A small file was read whole.  Whoever reads many of them, reads them in the
 * order in which they were backed up, and that is how their frames are
 * numbered: at the second in a row the next ones are asked for.
 */
static void
next_frames(struct reader *r)
{
	struct err ignored = ERR_INIT;
	uint32_t last, no = r->no;

	if (!r->located)
		return;
	last = atomic_exchange(&r->fs->last_frame, no);
	if (no <= last || no - last > FRAMES_NEXT)
		return;
	for (uint32_t k = 1; k <= FRAMES_NEXT && no < UINT32_MAX - k; k++)
		if (locate(r, no + k, &ignored) == 0)
			fetch_ahead(r->fs->fetch, &r->pack, &r->frame);
}

/* What the file holds from r->off on; r->end is brought within it. */
static int
open_content(struct reader *r, uint64_t *size, struct err *err)
{
	uint8_t flags = 0;
	int rc;

	rc = catalog_content(r->catalog, r->node.ino, r->off, r->x, EXTENTS,
	    &r->n, size, &flags, err);
	if (rc != 0)
		return (rc < 0 ? -1 : FS_STALE);
	if (*size == 0 && (flags & ENTRY_UNREAD) != 0)
		return (err_set(err, ERR_CORRUPT,
		    "the backup could not read this file"));
	r->end = least(r->end, *size);
	return (r->off >= r->end ? 0 :
	    check_extents(r->x, r->n, r->off, err));
}

static int
read_node(fuse_req_t req, struct reader *r, struct err *err)
{
	uint64_t size = 0, from, to, began;
	int rc;

	rc = open_content(r, &size, err);
	if (rc != 0)
		return (rc);
	if (r->off >= r->end) {
		(void)fuse_reply_buf(req, NULL, 0);
		return (0);
	}
	r->whole = r->off == 0 && r->end == size;
	if (r->whole) {
		r->alone = lies_alone(r);
		rc = reply_range(req, r, err);
		if (rc == 0)
			next_frames(r);
		return (rc);
	}
	if (track_read(r->fs->tracks, r->number, size, r->off, r->end - r->off,
	    &from, &to))
		prefetch(r, from, to);
	began = clock_mono_ms();
	rc = reply_range(req, r, err);
	if (rc == 0 && clock_mono_ms() - began >= WAIT_MS)
		track_waited(r->fs->tracks, r->number);
	return (rc);
}

void
op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct reader r = { .fs = fs, .number = ino };
	struct err err = ERR_INIT;
	int rc;

	layout_node(&fs->layout, ino, &r.node);
	if (r.node.kind != NODE_ENTRY || off < 0) {
		(void)fuse_reply_err(req, r.node.kind == NODE_ENTRY ? EINVAL :
		    EISDIR);
		return;
	}
	rc = fs_catalog(fs, &r.node, &r.catalog, &err);
	if (rc == 0) {
		r.off = (uint64_t)off;
		r.end = r.off + (size > READ_MAX ? READ_MAX : size);
		rc = read_node(req, &r, &err);
	}
	if (rc < 0)
		(void)fuse_reply_err(req, fs_fail(fs, &err, "reading", ino));
	else if (rc > 0)
		(void)fuse_reply_err(req, ESTALE);
	shelf_put(fs->shelf, r.catalog);
}

/* The first byte at or after `off' that is (or isn't) in a hole; the end of the
 * file counts as one. */
static int
seek(struct reader *r, uint64_t size, bool hole, uint64_t *off,
    struct err *err)
{
	struct extent x[EXTENTS];
	uint64_t at = *off;
	size_t n;

	while (at < size) {
		if (extents_at(r, at, x, EXTENTS, &n, err) < 0)
			return (-1);
		for (size_t i = 0; i < n; i++) {
			if (x[i].hole == hole) {
				*off = at > x[i].off ? at : x[i].off;
				return (0);
			}
		}
		at = x[n - 1].off + x[n - 1].len;
	}
	*off = size;
	return (0);
}

static int
seek_node(struct reader *r, uint64_t off, int whence, uint64_t *out,
    struct err *err)
{
	struct entry e;
	uint64_t size;
	int rc;

	rc = fs_entry(r->catalog, &r->node, &e, err);
	if (rc != 0)
		return (rc);
	size = fs_size(&e);
	*out = off;
	if (off >= size)
		*out = size;
	else if (e.kind == ENTRY_FILE && (e.flags & ENTRY_SPARSE) != 0)
		rc = seek(r, size, whence == SEEK_HOLE, out, err);
	else if (whence == SEEK_HOLE)
		*out = size;
	/* No data is left, or nothing at all. */
	if (rc == 0 && (off >= size || (*out == size && whence == SEEK_DATA)))
		rc = FS_ABSENT;
	return (rc);
}

void
op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
    struct fuse_file_info *fi)
{
	struct fs *fs = fuse_req_userdata(req);
	struct reader r = { .fs = fs, .number = ino };
	struct err err = ERR_INIT;
	uint64_t out = 0;
	int rc;

	layout_node(&fs->layout, ino, &r.node);
	if (r.node.kind != NODE_ENTRY || off < 0 ||
	    (whence != SEEK_HOLE && whence != SEEK_DATA)) {
		(void)fuse_reply_err(req, off < 0 ? ENXIO : EINVAL);
		return;
	}
	rc = fs_catalog(fs, &r.node, &r.catalog, &err);
	if (rc == 0) {
		rc = seek_node(&r, (uint64_t)off, whence, &out, &err);
	}
	if (rc < 0)
		(void)fuse_reply_err(req, fs_fail(fs, &err, "seeking", ino));
	else if (rc > 0)
		(void)fuse_reply_err(req, rc == FS_ABSENT ? ENXIO : ESTALE);
	else
		(void)fuse_reply_lseek(req, (off_t)out);
	shelf_put(fs->shelf, r.catalog);
}
