/*
 * The rows of a catalog that is being proven: what one row can break by itself
 * is looked at; what it asks of other rows goes into the balance, where that
 * can be counted, and is looked up where not.
 *
 *	asks (+)				offers (-)
 *	NAME	a name its entry		an entry, nlink times
 *	DIR	a directory's name its place	the directory's row
 *	PART	a segment: end less beginning	a file: size less 0
 *	FRAME	an extent its frame's row	the frame, refs times
 *	KEY	a row its keys in the indexes	the index
 *
 * Since segments have distinct beginnings and ends behind them, the sum of PART
 * is zero only if one row follows the other from 0 to the size.
 */
#include <sodium.h>
#include <string.h>

#include "engine/base/wide.h"
#include "index/prove_impl.h"
#include "index/values_int.h"

#define STEPS_BASE	(1U << 20)	/* up from directories, a catalog */
#define STEPS_A_PAGE	4096

enum tag { TAG_NAME = 1, TAG_DIR, TAG_PART, TAG_FRAME, TAG_KEY };

void
sum_add(struct sum *s, const struct sum *h, int64_t times)
{
	uint64_t n = (uint64_t)times, lo = h->lo * n;
	uint64_t hi = h->hi * n + mul_high(h->lo, n);

	/* Below zero n is 2^64 too much. */
	if (times < 0)
		hi -= h->lo;
	s->lo += lo;
	s->hi += hi + (s->lo < lo ? 1 : 0);
}

/* A keyed hash of a tag, some numbers and some bytes. */
static struct sum
hash_of(const struct prove *p, enum tag tag, const uint64_t v[4],
    const void *bytes, size_t len)
{
	uint8_t in[8 + 32 + CATALOG_NAME_MAX];
	uint64_t word = tag;
	struct sum out;

	BUG_ON(len > CATALOG_NAME_MAX);
	memcpy(in, &word, 8);
	memcpy(in + 8, v, 32);
	if (len > 0)
		memcpy(in + 40, bytes, len);
	(void)crypto_shorthash_siphashx24((uint8_t *)&out, in, 40 + len,
	    p->key);
	return (out);
}

static void
add(struct prove *p, struct sum *s, int64_t times, enum tag tag, uint64_t a,
    uint64_t b, uint64_t c, uint64_t d)
{
	const uint64_t v[4] = { a, b, c, d };
	struct sum h = hash_of(p, tag, v, NULL, 0);

	sum_add(s, &h, times);
}

static void
add_bytes(struct prove *p, struct sum *s, int64_t times, enum tag tag,
    uint64_t a, uint64_t b, const void *bytes, size_t len)
{
	const uint64_t v[4] = { a, b };
	struct sum h = hash_of(p, tag, v, bytes, len);

	sum_add(s, &h, times);
}

/* A directory's row, or FIND_NONE. */
static int
find_dir(struct prove *p, uint64_t ino, uint64_t *parent, char *name,
    size_t *len, struct err *e)
{
	struct bval v[BTREE_COLUMNS];
	const void *own;
	bool bad = false;
	int r = prove_find(p, TREE_NODE, (int64_t)ino, v, e);

	if (r != 0)
		return (r);
	if (v[1].i != ENTRY_DIR)
		return (FIND_NONE);
	own = val_blob(&v[18], CATALOG_NAME_MAX, len, &bad);
	*parent = val_u64(&v[14], INT64_MAX, &bad);
	if (bad)
		return (prove_odd());
	if (*len > 0)
		memcpy(name, own, *len);
	return (0);
}

static int
dirent_row(struct prove *p, const struct bval *v, struct sum *s,
    struct err *e)
{
	char own[CATALOG_NAME_MAX];
	const char *name;
	uint64_t parent, ino, up;
	bool bad = false;
	size_t len, n;
	int r;

	parent = val_u64(&v[0], INT64_MAX, &bad);
	name = val_blob(&v[1], CATALOG_NAME_MAX, &len, &bad);
	ino = val_u64(&v[2], INT64_MAX, &bad);
	if (bad || ino == 0 || !name_is_valid(name, len))
		return (prove_odd());
	if (parent != p->parent_ino) {
		r = find_dir(p, parent, &up, own, &n, e);
		if (r != 0)
			return (r < 0 ? -1 : prove_odd());
		p->parent_ino = parent;
	}
	add(p, s, 1, TAG_NAME, ino, 0, 0, 0);
	r = find_dir(p, ino, &up, own, &n, e);
	if (r == FIND_NONE)
		return (0);
	if (r == 0 && (up != parent || n != len || memcmp(own, name, n) != 0))
		return (prove_odd());
	if (r == 0)
		add_bytes(p, s, 1, TAG_DIR, ino, parent, name, len);
	return (r);
}

int
prove_root(struct prove *p, struct err *e)
{
	char name[CATALOG_NAME_MAX];
	uint64_t parent;
	size_t len;
	int r = find_dir(p, CATALOG_ROOT_INO, &parent, name, &len, e);

	return (r == FIND_NONE ? prove_odd() : r);
}

/* A directory leads up to the root; what was found so is remembered. */
static int
reaches_root(struct prove *p, uint64_t ino, struct err *e)
{
	uint64_t at = ino, path = 0, parent = 0;
	char name[CATALOG_NAME_MAX];
	struct good_dir *good = &p->good[ino % GOOD_DIRS];
	size_t len;
	int r;

	while (at != CATALOG_ROOT_INO) {
		const struct good_dir *known = &p->good[at % GOOD_DIRS];

		if (known->ino == at) {
			path += known->path_bytes;
			break;
		}
		r = find_dir(p, at, &parent, name, &len, e);
		if (r != 0)
			return (r < 0 ? -1 : prove_odd());
		/* Every step is a byte at least: so a ring ends.  And a
		 * hostile tree costs no more than its size. */
		path += len + 1;
		if (path > PATH_BYTES_MAX || p->steps++ >
		    STEPS_BASE + STEPS_A_PAGE * p->now.npages)
			return (prove_odd());
		at = parent;
	}
	if (path > PATH_BYTES_MAX)
		return (prove_odd());
	good->ino = ino;
	good->path_bytes = path;
	return (0);
}

/* The frame with a catalog's number, and what a row that names it asks. */
static int
turn_to_frame(struct prove *p, uint32_t no, struct err *e)
{
	struct bval v[BTREE_COLUMNS], pack[BTREE_COLUMNS];
	uint64_t place[4];
	int r;

	if (p->frame_no == no)
		return (0);
	p->frame_no = 0;
	if ((r = prove_find(p, TREE_FRAME, no, v, e)) != 0)
		return (r < 0 ? -1 : prove_odd());
	place[0] = no;
	place[1] = (uint64_t)v[1].i;
	place[2] = (uint64_t)v[2].i << 32 ^ (uint64_t)v[3].i;
	place[3] = (uint64_t)v[4].i << 32 ^ (uint64_t)v[5].i;
	p->frame_hash = hash_of(p, TAG_FRAME, place, NULL, 0);
	/* The numbers are copies, but blobs of a pack's row are not: last. */
	if ((r = prove_find(p, TREE_PACK, v[1].i, pack, e)) != 0)
		return (r < 0 ? -1 : prove_odd());
	if (!pack_values(&p->frame_pack, &pack[1], p->c->domain) ||
	    !frame_values(&p->frame, &v[2], &p->frame_pack))
		return (prove_odd());
	p->frame_no = no;
	return (0);
}

/* The extents of a BLOB, from off on; *end. */
static int
extents(struct prove *p, const void *bytes, size_t len, size_t max,
    uint64_t off, uint64_t *end, bool places, struct sum *s, struct err *e)
{
	struct extent x;
	struct rd r;
	int got;

	*end = off;
	rd_init(&r, bytes, len);
	for (size_t i = 0; rd_left(&r) > 0; i++) {
		extent_parse(&x, &r, *end);
		if (r.bad || i == max)
			return (prove_odd());
		*end += x.len;
		if (x.hole)
			continue;
		if ((got = turn_to_frame(p, x.frame, e)) != 0)
			return (got);
		sum_add(s, &p->frame_hash, 1);
		if (places && (got = p->ops->place(p->ctx, &p->frame_pack,
		    &p->frame, &x, e)) != 0)
			return (got);
	}
	return (0);
}

static int
file_row(struct prove *p, const struct entry *x, const struct bval *v,
    struct sum *s, struct err *e)
{
	const void *bytes;
	uint64_t end;
	bool bad = false;
	size_t len;
	int r;

	if (v[18].type != BVAL_NULL)
		return (prove_odd());
	if (v[19].type == BVAL_NULL) {
		if (x->size > 0) {
			add(p, s, -1, TAG_PART, x->ino, x->size, 0, 0);
			add(p, s, 1, TAG_PART, x->ino, 0, 0, 0);
		}
		return (0);
	}
	bytes = val_blob(&v[19], EXTENTS_INLINE * EXTENT_DATA_BYTES, &len,
	    &bad);
	if (bad)
		return (prove_odd());
	/* Of what could not be read nothing is promised. */
	r = extents(p, bytes, len, EXTENTS_INLINE, 0, &end,
	    (x->flags & ENTRY_UNREAD) == 0, s, e);
	return (r == 0 && end != x->size ? prove_odd() : r);
}

static int
dir_row(struct prove *p, const struct entry *x, const struct bval *v,
    struct sum *s, struct err *e)
{
	const char *name;
	bool bad = false;
	size_t len;

	name = val_blob(&v[18], CATALOG_NAME_MAX, &len, &bad);
	if (bad || x->nlink != 1)
		return (prove_odd());
	add(p, s, 1, TAG_KEY, TREE_NODE_SOURCE, x->src_ino, x->src_dev,
	    x->ino);
	if (x->ino == CATALOG_ROOT_INO) {
		/* It has no name, and its row says one. */
		add(p, s, 1, TAG_NAME, x->ino, 0, 0, 0);
		return (len != 0 ? prove_odd() : 0);
	}
	if (!name_is_valid(name, len))
		return (prove_odd());
	add_bytes(p, s, -1, TAG_DIR, x->ino, x->parent, name, len);
	return (reaches_root(p, x->ino, e));
}

static int
node_row(struct prove *p, const struct bval *v, struct sum *s, struct err *e)
{
	struct bval xset[BTREE_COLUMNS];
	const void *target;
	struct entry x;
	bool bad = false;
	size_t len;
	int r = 0;

	if (!entry_values(&x, v) || x.nlink == 0 ||
	    (x.ino == CATALOG_ROOT_INO) != (x.kind == ENTRY_DIR &&
	    x.parent == 0))
		return (prove_odd());
	add(p, s, -(int64_t)x.nlink, TAG_NAME, x.ino, 0, 0, 0);
	if (x.kind == ENTRY_FILE)
		r = file_row(p, &x, v, s, e);
	else if (v[19].type != BVAL_NULL)
		return (prove_odd());
	else if (x.kind == ENTRY_DIR)
		r = dir_row(p, &x, v, s, e);
	else if (x.kind == ENTRY_SYMLINK) {
		target = val_blob(&v[18], CATALOG_TARGET_MAX, &len, &bad);
		if (bad || len == 0 || memchr(target, '\0', len) != NULL)
			return (prove_odd());
	} else if (v[18].type != BVAL_NULL)
		return (prove_odd());
	if (r == 0 && x.xattrs != 0 && (r = prove_find(p, TREE_XSET,
	    (int64_t)x.xattrs, xset, e)) == FIND_NONE)
		return (prove_odd());
	return (r);
}

static int
segment_row(struct prove *p, const struct bval *v, struct sum *s,
    struct err *e)
{
	uint64_t ino, off, end;
	const void *bytes;
	bool bad = false;
	size_t len;
	int r;

	ino = val_u64(&v[0], INT64_MAX, &bad);
	off = val_u64(&v[1], FILE_SIZE_MAX, &bad);
	bytes = val_blob(&v[2], EXTENTS_SEGMENT * EXTENT_DATA_BYTES, &len,
	    &bad);
	if (bad || len == 0)
		return (prove_odd());
	add(p, s, -1, TAG_PART, ino, off, 0, 0);
	r = extents(p, bytes, len, EXTENTS_SEGMENT, off, &end, true, s, e);
	if (r != 0)
		return (r);
	add(p, s, 1, TAG_PART, ino, end, 0, 0);
	return (0);
}

/* A set that is split over rows. */
static int
split_set(struct prove *p, uint64_t no, size_t size, struct err *e)
{
	struct bval v[BTREE_COLUMNS];
	struct buf b = BUF_INIT;
	uint64_t row = no << XPART_SHIFT;
	int r = 0;

	if (no > (uint64_t)INT64_MAX >> XPART_SHIFT)
		return (prove_odd());
	while (r == 0 && b.len < size) {
		if (row >> XPART_SHIFT != no)
			r = prove_odd();
		else
			r = prove_find(p, TREE_XPART, (int64_t)row++, v, e);
		if (r == 0 && (v[1].len == 0 || v[1].len > size - b.len))
			r = prove_odd();
		if (r == 0)
			buf_bytes(&b, v[1].p, v[1].len);
	}
	if (r == 0)
		r = buf_ok(&b, e);
	if (r == 0 && xset_parse(b.data, b.len, NULL, NULL, e) != 0) {
		err_init(e);
		r = prove_odd();
	}
	buf_fini(&b);
	return (r == FIND_NONE ? prove_odd() : r);
}

static int
xset_row(struct prove *p, const struct bval *v, struct sum *s, struct err *e)
{
	uint64_t no, size;
	bool bad = false;

	no = val_u64(&v[0], INT64_MAX, &bad);
	size = val_u64(&v[2], CATALOG_XATTRS_MAX, &bad);
	if (bad || v[1].len != HASH_BYTES)
		return (prove_odd());
	add_bytes(p, s, 1, TAG_KEY, TREE_XSET_HASH, no, v[1].p, HASH_BYTES);
	if (v[3].type == BVAL_NULL)
		return (split_set(p, no, (size_t)size, e));
	if (v[3].len != size ||
	    xset_parse(v[3].p, v[3].len, NULL, NULL, e) != 0) {
		err_init(e);
		return (prove_odd());
	}
	return (0);
}

static int
frame_row(struct prove *p, const struct bval *v, struct sum *s,
    struct err *e)
{
	bool bad = false;
	uint64_t no, refs;
	int r;

	no = val_u64(&v[0], UINT32_MAX, &bad);
	refs = val_u64(&v[6], (uint64_t)1 << 40, &bad);
	if (bad || no == 0 || refs == 0)
		return (prove_odd());
	if ((r = turn_to_frame(p, (uint32_t)no, e)) != 0)
		return (r);
	sum_add(s, &p->frame_hash, -(int64_t)refs);
	add(p, s, 1, TAG_KEY, TREE_FRAME_PLACE, (uint64_t)v[1].i,
	    (uint64_t)v[2].i, no);
	return (0);
}

static int
pack_row(struct prove *p, const struct bval *v, struct sum *s, struct err *e)
{
	struct pack_info info;
	bool bad = false;
	uint64_t no = val_u64(&v[0], UINT32_MAX, &bad);

	if (bad || no == 0 || !pack_values(&info, &v[1], p->c->domain))
		return (prove_odd());
	add_bytes(p, s, 1, TAG_KEY, TREE_PACK_ID, no, info.id.b, ID_BYTES);
	return (p->ops->pack(p->ctx, &info, e));
}

int
prove_row(struct prove *p, enum tree tree, const struct bval *v,
    struct sum *s, struct err *e)
{
	switch (tree) {
	case TREE_DIRENT:
		return (dirent_row(p, v, s, e));
	case TREE_NODE:
		return (node_row(p, v, s, e));
	case TREE_SEGMENT:
		return (segment_row(p, v, s, e));
	case TREE_XSET:
		return (xset_row(p, v, s, e));
	case TREE_FRAME:
		return (frame_row(p, v, s, e));
	case TREE_PACK:
		return (pack_row(p, v, s, e));
	case TREE_NODE_SOURCE:
	case TREE_FRAME_PLACE:
		add(p, s, -1, TAG_KEY, tree, (uint64_t)v[0].i,
		    (uint64_t)v[1].i, (uint64_t)v[2].i);
		return (0);
	case TREE_XSET_HASH:
	case TREE_PACK_ID:
		if (v[0].len > CATALOG_NAME_MAX)
			return (prove_odd());
		add_bytes(p, s, -1, TAG_KEY, tree, (uint64_t)v[1].i, v[0].p,
		    v[0].len);
		return (0);
	case TREE_XPART:
	case TREE_OWNER:
	case TREE_META:
		return (0);
	default:
		/* Indexes of what there must be none of. */
		return (prove_odd());
	}
}

/* Is the row of a table as it was? */
static int
still(struct prove *p, enum tree tree, int64_t rowid, const struct bval *was,
    struct err *e)
{
	struct bval v[BTREE_COLUMNS];
	int r = prove_find(p, tree, rowid, v, e);

	if (r != 0)
		return (r);
	for (size_t i = 1; i < strlen(tree_forms[tree].columns); i++)
		if (v[i].type != was[i].type || v[i].i != was[i].i ||
		    v[i].len != was[i].len || (v[i].len > 0 &&
		    memcmp(v[i].p, was[i].p, v[i].len) != 0))
			return (PROVE_AGAIN);
	return (0);
}

/* Nothing names what is gone. */
static int
unnamed(struct prove *p, enum tree tree, int64_t first, struct err *e)
{
	int r = prove_any(p, tree, first, e);

	return (r == FIND_NONE ? 0 : r == 0 ? prove_odd() : r);
}

int
prove_gone(struct prove *p, enum tree tree, int64_t rowid,
    const struct bval *v, struct err *e)
{
	char name[CATALOG_NAME_MAX];
	uint64_t parent;
	size_t len;
	int r = 0;

	if (tree == TREE_NODE && v[1].i == ENTRY_DIR) {
		r = find_dir(p, (uint64_t)rowid, &parent, name, &len, e);
		if (r == FIND_NONE)
			r = unnamed(p, TREE_DIRENT, rowid, e);
	} else if (tree == TREE_PACK) {
		r = still(p, tree, rowid, v, e);
		if (r == FIND_NONE)
			r = unnamed(p, TREE_FRAME_PLACE, rowid, e);
	} else if (tree == TREE_XSET || tree == TREE_XPART) {
		r = still(p, tree, rowid, v, e);
		if (r == FIND_NONE)
			r = PROVE_AGAIN;
	}
	return (r);
}
