/*
 * Keys of a bucket as paths.
 */
#include "tools/job/bucket_place.h"

#include <string.h>

#include "index/catalog.h"

#define ESCAPE		'%'
#define PIECE_BYTES	(CATALOG_NAME_MAX - 2)	/* behind "%+" */

static bool
is(const char *p, size_t len, const char *word)
{
	return (len == strlen(word) && memcmp(p, word, len) == 0);
}

/* The name, or names, of what stands between two slashes of a key. */
static void
put_part(struct buf *out, const char *p, size_t len)
{
	bool escaped = len == 0 || *p == ESCAPE || is(p, len, ".") ||
	    is(p, len, "..");

	while (len + escaped > CATALOG_NAME_MAX) {
		buf_bytes(out, "%+", 2);
		buf_bytes(out, p, PIECE_BYTES);
		buf_u8(out, '/');
		p += PIECE_BYTES;
		len -= PIECE_BYTES;
		escaped = *p == ESCAPE || is(p, len, ".") || is(p, len, "..");
	}
	if (escaped)
		buf_u8(out, ESCAPE);
	if (len == 0)
		buf_u8(out, '0');
	else
		buf_bytes(out, p, len);
}

int
place_of_key(struct buf *out, const char *key, size_t len, bool marker,
    struct err *e)
{
	const char *p = key, *end = key + len, *slash;

	if (len == 0 || memchr(key, '\0', len) != NULL)
		return (PLACE_NONE);
	if (marker) {
		BUG_ON(end[-1] != '/');
		end--;
	}
	for (;; p = slash + 1) {
		slash = memchr(p, '/', (size_t)(end - p));
		put_part(out, p, (size_t)((slash != NULL ? slash : end) - p));
		if (slash == NULL)
			break;
		buf_u8(out, '/');
	}
	return (buf_ok(out, e));
}

/* Append what a name stands for; *more: the next one goes on with it.  false:
 * it is none of place_of_key(). */
static bool
take_name(struct buf *out, const char *p, size_t len, bool *more)
{
	*more = false;
	if (len == 0)
		return (false);
	if (*p != ESCAPE) {
		buf_bytes(out, p, len);
		return (true);
	}
	p++;
	len--;
	if (is(p, len, "0"))
		return (true);
	if (is(p, len, ".") || is(p, len, "..") ||
	    (len > 0 && *p == ESCAPE)) {
		buf_bytes(out, p, len);
		return (true);
	}
	*more = len > 0 && *p == '+';
	if (*more)
		buf_bytes(out, p + 1, len - 1);
	return (*more);
}

static bool
take_names(struct buf *out, const char *p, size_t len)
{
	const char *end = p + len, *slash;
	bool more = false;

	for (;; p = slash + 1) {
		slash = memchr(p, '/', (size_t)(end - p));
		if (!take_name(out, p, (size_t)((slash != NULL ? slash : end) -
		    p), &more))
			return (false);
		if (slash == NULL)
			return (!more);
		if (!more)
			buf_u8(out, '/');
	}
}

/* What is decoded has to encode to what it was decoded from: there are many
 * ways to write a place, and one of them is the key's. */
static int
is_place_of(const char *key, size_t key_len, const char *place, size_t len,
    bool marker, struct err *e)
{
	struct buf again = BUF_INIT;
	int rc = place_of_key(&again, key, key_len, marker, e);

	if (rc == 0 && (again.len != len ||
	    memcmp(again.data, place, len) != 0))
		rc = PLACE_NONE;
	buf_fini(&again);
	return (rc);
}

int
key_of_place(struct buf *out, const char *place, size_t len, bool marker,
    struct err *e)
{
	static const char self[] = "/" PLACE_SELF;
	size_t start = out->len, n = sizeof(self) - 1;
	int rc = PLACE_NONE;

	if (marker && len == 0)
		return (0);
	if (!marker && len > n && memcmp(place + len - n, self, n) == 0)
		len -= n;
	if (take_names(out, place, len)) {
		if (marker)
			buf_u8(out, '/');
		rc = buf_ok(out, e);
		if (rc == 0)
			rc = out->len == start ? PLACE_NONE : is_place_of(
			    (const char *)out->data + start, out->len - start,
			    place, len, marker, e);
	}
	if (rc != 0 && !out->failed)
		out->len = start;
	return (rc);
}
