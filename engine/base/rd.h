#ifndef VITRINE_ENGINE_BASE_RD_H
#define VITRINE_ENGINE_BASE_RD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The bounded reader: the only way in which bytes from disk or network become
 * values.  It never reads past the end; the first attempt sets `bad', after
 * which every read gives zeros.  Parse, then check rd_end() (nothing missing,
 * nothing left over), and check rd->bad before a value drives an allocation,
 * a loop, a seek or a recursion.  All integers are little-endian.
 */
struct rd {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

static inline void
rd_init(struct rd *r, const void *bytes, size_t len)
{
	r->p = (const uint8_t *)bytes;
	r->end = r->p + len;
	r->bad = false;
}

static inline size_t
rd_left(const struct rd *r)
{
	return ((size_t)(r->end - r->p));
}

/* A view of the next len bytes, borrowed from the input; NULL if there are
 * fewer. */
static inline const uint8_t *
rd_view(struct rd *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->bad || rd_left(r) < len) {
		r->bad = true;
		return (NULL);
	}
	r->p += len;
	return (p);
}

/* Copy len bytes out; zeros if there are fewer. */
static inline void
rd_bytes(struct rd *r, void *dst, size_t len)
{
	const uint8_t *p = rd_view(r, len);

	if (p != NULL)
		memcpy(dst, p, len);
	else
		memset(dst, 0, len);
}

static inline uint64_t
rd_int(struct rd *r, size_t len)
{
	const uint8_t *p = rd_view(r, len);
	uint64_t v = 0;

	if (p == NULL)
		return (0);
	memcpy(&v, p, len);
	/* Not <endian.h>, which isn't there for a program of plain C17. */
	return (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(v) :
	    v);
}

static inline uint8_t
rd_u8(struct rd *r)
{
	return ((uint8_t)rd_int(r, 1));
}

static inline uint16_t
rd_u16(struct rd *r)
{
	return ((uint16_t)rd_int(r, 2));
}

static inline uint32_t
rd_u32(struct rd *r)
{
	return ((uint32_t)rd_int(r, 4));
}

static inline uint64_t
rd_u64(struct rd *r)
{
	return (rd_int(r, 8));
}

static inline int64_t
rd_i64(struct rd *r)
{
	return ((int64_t)rd_int(r, 8));
}

/* Refuse bytes that are not zero where the format wants zeros. */
static inline void
rd_zeros(struct rd *r, size_t len)
{
	const uint8_t *p = rd_view(r, len);

	if (p == NULL)
		return;
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			r->bad = true;
}

/* Did everything parse, with nothing left over? */
static inline bool
rd_end(const struct rd *r)
{
	return (!r->bad && r->p == r->end);
}

#endif
