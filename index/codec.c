/*
 * Extent lists and xattr sets as bytes.  They stand in BLOBs and not in rows
 * of their own because a row costs more than what it would hold.
 */
#include "index/codec.h"

#include <stdlib.h>
#include <string.h>

void
extent_emit(struct buf *b, const struct extent *x, bool short_id)
{
	if (x->hole) {
		buf_u8(b, EXTENT_HOLE);
		buf_u64(b, x->len);
		return;
	}
	buf_u8(b, short_id ? EXTENT_DATA_SHORT : EXTENT_DATA);
	buf_u32(b, (uint32_t)x->len);
	buf_u32(b, x->frame);
	buf_u16(b, (uint16_t)x->slot);
	buf_bytes(b, x->id.b, short_id ? CHUNK_KEY_BYTES : ID_BYTES);
}

void
extent_parse(struct extent *x, struct rd *r, uint64_t off)
{
	uint64_t end;
	uint8_t kind = rd_u8(r);

	memset(x, 0, sizeof(*x));
	x->off = off;
	switch (kind) {
	case EXTENT_DATA:
	case EXTENT_DATA_SHORT:
		x->len = rd_u32(r);
		x->frame = rd_u32(r);
		x->slot = rd_u16(r);
		rd_bytes(r, x->id.b, kind == EXTENT_DATA ? ID_BYTES :
		    CHUNK_KEY_BYTES);
		/* Who looks frames up takes 0 for none. */
		if (x->len > CHUNK_MAX || x->frame == 0 ||
		    x->slot >= FRAME_SLOTS_MAX)
			r->bad = true;
		break;
	case EXTENT_HOLE:
		x->hole = true;
		x->len = rd_u64(r);
		break;
	default:
		r->bad = true;
		break;
	}
	if (x->len == 0 || __builtin_add_overflow(off, x->len, &end) ||
	    end > FILE_SIZE_MAX)
		r->bad = true;
}

static int
by_name(const void *a, const void *b)
{
	const struct xattr *x = a, *y = b;

	return (strcmp(x->name, y->name));
}

int
xset_emit(struct buf *b, const struct xattr *xattrs, size_t n, struct err *e)
{
	struct xattr *v;
	size_t total = 4;
	int r = -1;

	if (n > UINT16_MAX)
		return (err_set(e, ERR_LIMIT, "too many extended attributes"));
	v = malloc(n * sizeof(*v) + 1);
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (n > 0)
		memcpy(v, xattrs, n * sizeof(*v));
	qsort(v, n, sizeof(*v), by_name);
	buf_u32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(v[i].name);

		if (len == 0 || len > CATALOG_XATTR_NAME_MAX ||
		    (i > 0 && by_name(&v[i - 1], &v[i]) == 0)) {
			(void)err_set(e, ERR_USAGE,
			    "a bad name of an extended attribute");
			goto out;
		}
		if (v[i].len > CATALOG_XATTRS_MAX ||
		    (total += 5 + len + v[i].len) > CATALOG_XATTRS_MAX) {
			(void)err_set(e, ERR_LIMIT,
			    "extended attributes of more than 16 MiB");
			goto out;
		}
		buf_u8(b, (uint8_t)len);
		buf_bytes(b, v[i].name, len);
		buf_u32(b, (uint32_t)v[i].len);
		buf_bytes(b, v[i].value, v[i].len);
	}
	r = buf_ok(b, e);
out:
	free(v);
	return (r);
}

int
xset_parse(const void *bytes, size_t len, catalog_xattr_fn *fn, void *ctx,
    struct err *e)
{
	char name[2][CATALOG_XATTR_NAME_MAX + 1];
	struct rd r;
	uint32_t n;

	memset(name, 0, sizeof(name));
	rd_init(&r, bytes, len);
	n = rd_u32(&r);
	if (n > UINT16_MAX)
		goto bad;
	for (uint32_t i = 0; i < n && !r.bad; i++) {
		char *now = name[i & 1], *before = name[(i & 1) ^ 1];
		const uint8_t *value;
		size_t nlen, vlen;
		int rc;

		nlen = rd_u8(&r);
		rd_bytes(&r, now, nlen);
		now[nlen] = '\0';
		vlen = rd_u32(&r);
		value = rd_view(&r, vlen);
		if (r.bad || nlen == 0 || memchr(now, '\0', nlen) != NULL ||
		    (i > 0 && strcmp(before, now) >= 0))
			goto bad;
		rc = fn == NULL ? 0 : fn(ctx, now, value, vlen, e);
		if (rc != 0)
			return (rc);
	}
	if (rd_end(&r))
		return (0);
bad:
	return (err_set(e, ERR_CORRUPT, "a malformed set of attributes"));
}

bool
name_is_valid(const char *name, size_t len)
{
	if (len == 0 || len > CATALOG_NAME_MAX)
		return (false);
	if (memchr(name, '/', len) != NULL || memchr(name, '\0', len) != NULL)
		return (false);
	return (!(name[0] == '.' &&
	    (len == 1 || (len == 2 && name[1] == '.'))));
}
