/*
 * The growing buffer.  It exists so that emitting an object is a straight list
 * of appends with one check at the end.
 */
#include "engine/base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/err.h"

void
buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void
buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

static bool
ensure(struct buf *b, size_t extra)
{
	size_t want, cap;
	uint8_t *p;

	if (b->failed)
		return (false);
	if (__builtin_add_overflow(b->len, extra, &want))
		goto fail;
	if (want <= b->cap)
		return (true);
	cap = b->cap < 64 ? 64 : b->cap;
	while (cap < want)
		if (__builtin_mul_overflow(cap, (size_t)2, &cap))
			goto fail;
	p = realloc(b->data, cap);
	if (p == NULL)
		goto fail;
	b->data = p;
	b->cap = cap;
	return (true);
fail:
	b->failed = true;
	return (false);
}

int
buf_reserve(struct buf *b, size_t extra, struct err *e)
{
	(void)ensure(b, extra);
	return (buf_ok(b, e));
}

int
buf_ok(const struct buf *b, struct err *e)
{
	if (b->failed)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

uint8_t *
buf_grow(struct buf *b, size_t len)
{
	uint8_t *p;

	if (!ensure(b, len))
		return (NULL);
	p = b->data + b->len;
	b->len += len;
	return (p);
}

void
buf_bytes(struct buf *b, const void *src, size_t len)
{
	uint8_t *p;

	if (len == 0)
		return;
	p = buf_grow(b, len);
	if (p != NULL)
		memcpy(p, src, len);
}

void
buf_zeros(struct buf *b, size_t len)
{
	uint8_t *p;

	if (len == 0)
		return;
	p = buf_grow(b, len);
	if (p != NULL)
		memset(p, 0, len);
}

void
le_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

void
le_put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void
le_put64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void
buf_u8(struct buf *b, uint8_t v)
{
	buf_bytes(b, &v, 1);
}

void
buf_u16(struct buf *b, uint16_t v)
{
	uint8_t p[2];

	le_put16(p, v);
	buf_bytes(b, p, sizeof(p));
}

void
buf_u32(struct buf *b, uint32_t v)
{
	uint8_t p[4];

	le_put32(p, v);
	buf_bytes(b, p, sizeof(p));
}

void
buf_u64(struct buf *b, uint64_t v)
{
	uint8_t p[8];

	le_put64(p, v);
	buf_bytes(b, p, sizeof(p));
}

void
buf_i64(struct buf *b, int64_t v)
{
	buf_u64(b, (uint64_t)v);
}

void
buf_str16(struct buf *b, const void *s, size_t len)
{
	if (len > UINT16_MAX) {
		b->failed = true;
		return;
	}
	buf_u16(b, (uint16_t)len);
	buf_bytes(b, s, len);
}

void
buf_patch_u32(struct buf *b, size_t at, uint32_t v)
{
	if (b->failed)
		return;
	BUG_ON(at > b->len || b->len - at < 4);
	le_put32(b->data + at, v);
}
