/*
 * SQLite's pages, read without SQLite: what goes over the catalogs of many
 * snapshots takes each page once, which a connection a snapshot can't.
 * Everything is checked against the page's end; what isn't as the file format
 * says is refused, and what a catalog never has (overflow, reals, other page
 * sizes) as well.
 */
#include "index/btree.h"

#include <string.h>

#include "engine/base/rd.h"

#define KIND_INDEX	2	/* inside; with LEAF: a leaf */
#define KIND_TABLE	5
#define KIND_LEAF	8
#define TABLE_LOCAL	(BTREE_PAGE - 35)
#define INDEX_LOCAL	((BTREE_PAGE - 12) * 64 / 255 - 23)
#define CELL_MIN	4
#define FREE_MIN	4

static uint64_t
be(struct rd *r, size_t n)
{
	const uint8_t *p = rd_view(r, n);
	uint64_t v = 0;

	for (size_t i = 0; p != NULL && i < n; i++)
		v = v << 8 | p[i];
	return (v);
}

uint32_t
btree_be32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3]);
}

static unsigned
be16(const uint8_t *p)
{
	return ((unsigned)p[0] << 8 | p[1]);
}

static uint64_t
varint(struct rd *r)
{
	uint64_t v = 0;
	uint8_t b;

	for (unsigned i = 0; i < 8; i++) {
		b = rd_u8(r);
		v = v << 7 | (b & 0x7f);
		if ((b & 0x80) == 0)
			return (v);
	}
	return (v << 8 | rd_u8(r));
}

static unsigned
header_bytes(const struct bpage *p)
{
	return (p->leaf ? 8 : 12);
}

int
bpage_open(struct bpage *p, const uint8_t bytes[BTREE_PAGE], bool first)
{
	const uint8_t *h;

	p->bytes = bytes;
	p->base = first ? BTREE_HEADER : 0;
	h = bytes + p->base;
	p->leaf = (h[0] & KIND_LEAF) != 0;
	p->table = (h[0] & ~KIND_LEAF) == KIND_TABLE;
	if (!p->table && (h[0] & ~KIND_LEAF) != KIND_INDEX)
		return (-1);
	p->ncells = (uint16_t)be16(h + 3);
	p->right = p->leaf ? 0 : btree_be32(h + 8);
	if (p->base + header_bytes(p) + 2U * p->ncells > BTREE_PAGE)
		return (-1);
	return (0);
}

/* A cell, and where it lies; *size as the page's writer counts it. */
static int
cell_at(const struct bpage *p, unsigned i, struct bcell *c, unsigned *off,
    unsigned *size)
{
	unsigned pointers = p->base + header_bytes(p);
	uint64_t len = 0;
	struct rd r;

	memset(c, 0, sizeof(*c));
	if (i >= p->ncells)
		return (-1);
	*off = be16(p->bytes + pointers + 2 * i);
	if (*off < pointers + 2U * p->ncells || *off >= BTREE_PAGE)
		return (-1);
	rd_init(&r, p->bytes + *off, BTREE_PAGE - *off);
	if (!p->leaf)
		c->child = (uint32_t)be(&r, 4);
	if (p->leaf || !p->table)
		len = varint(&r);
	if (p->table)
		c->rowid = (int64_t)varint(&r);
	if (p->leaf || !p->table) {
		if (len == 0 || len > (p->table ? TABLE_LOCAL : INDEX_LOCAL))
			return (-1);
		c->len = (size_t)len;
		c->row = rd_view(&r, c->len);
	}
	*size = (unsigned)(r.p - p->bytes) - *off;
	if (*size < CELL_MIN)
		*size = CELL_MIN;
	return (r.bad || *size > BTREE_PAGE - *off ? -1 : 0);
}

int
bpage_cell(const struct bpage *p, unsigned i, struct bcell *c)
{
	unsigned off, size;

	return (cell_at(p, i, c, &off, &size));
}

/* Bytes [off, off + len) are taken; -1 if some were. */
static int
take(uint64_t map[BTREE_PAGE / 64], unsigned off, unsigned len)
{
	while (len > 0) {
		unsigned bit = off % 64, n = 64 - bit;
		uint64_t mask;

		if (n > len)
			n = len;
		mask = (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1) << bit;
		if ((map[off / 64] & mask) != 0)
			return (-1);
		map[off / 64] |= mask;
		off += n;
		len -= n;
	}
	return (0);
}

int
bpage_fill(const struct bpage *p)
{
	const uint8_t *h = p->bytes + p->base;
	unsigned pointers = p->base + header_bytes(p) + 2U * p->ncells;
	unsigned content = be16(h + 5), at, off, size, sum = 0, last = 0;
	uint64_t map[BTREE_PAGE / 64] = { 0 };
	struct bcell c;

	if (content < pointers || content > BTREE_PAGE)
		return (-1);
	for (unsigned i = 0; i < p->ncells; i++) {
		if (cell_at(p, i, &c, &off, &size) < 0 || off < content ||
		    take(map, off, size) < 0)
			return (-1);
		sum += size;
	}
	for (at = be16(h + 1); at != 0; at = be16(p->bytes + at)) {
		if (at < content || at <= last || at > BTREE_PAGE - FREE_MIN)
			return (-1);
		size = be16(p->bytes + at + 2);
		if (size < FREE_MIN || size > BTREE_PAGE - at ||
		    take(map, at, size) < 0)
			return (-1);
		sum += size;
		last = at;
	}
	return (BTREE_PAGE - content - sum == h[7] ? 0 : -1);
}

/* A value by its serial type. */
static void
value(struct bval *v, uint64_t serial, struct rd *r)
{
	static const uint8_t bytes[] = { 0, 1, 2, 3, 4, 6, 8 };
	uint64_t raw;
	unsigned n;

	memset(v, 0, sizeof(*v));
	if (serial >= 12) {
		v->type = serial % 2 == 0 ? BVAL_BLOB : BVAL_TEXT;
		v->len = serial / 2 - 6 > BTREE_PAGE ? BTREE_PAGE + 1 :
		    (size_t)(serial / 2 - 6);
		v->p = rd_view(r, v->len);
		return;
	}
	v->type = serial == 0 ? BVAL_NULL : BVAL_INT;
	if (serial == 8 || serial == 9) {
		v->i = serial == 9;
		return;
	}
	if (serial >= sizeof(bytes)) {
		r->bad = true;
		return;
	}
	n = bytes[serial];
	raw = be(r, n);
	if (n > 0 && n < 8 && (raw >> (8 * n - 1)) != 0)
		raw |= UINT64_MAX << (8 * n);
	v->i = (int64_t)raw;
}

int
brow_parse(struct bval *v, size_t n, const uint8_t *row, size_t len)
{
	struct rd head, body;
	uint64_t hlen;

	rd_init(&head, row, len);
	hlen = varint(&head);
	if (head.bad || hlen > len || hlen < (uint64_t)(head.p - row))
		return (-1);
	head.end = row + hlen;
	rd_init(&body, row + hlen, len - (size_t)hlen);
	for (size_t i = 0; i < n; i++) {
		value(&v[i], varint(&head), &body);
		if (head.bad || body.bad)
			return (-1);
	}
	return (rd_end(&head) && rd_end(&body) ? 0 : -1);
}
