/*
 * Objects for programs: JSON, one object a line (vitrine-json(5)).
 */
#include "tools/cmd/json.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

static void
put(struct json *j, const char *s)
{
	buf_bytes(&j->b, s, strlen(s));
}

/* A comma, unless something has just been opened. */
static void
comma(struct json *j)
{
	uint8_t last = j->b.len > 0 ? j->b.data[j->b.len - 1] : '{';

	if (last != '{' && last != '[')
		buf_u8(&j->b, ',');
}

static void
put_key(struct json *j, const char *key, const char *suffix)
{
	comma(j);
	buf_u8(&j->b, '"');
	put(j, key);
	put(j, suffix);
	put(j, "\":");
}

void
json_fini(struct json *j)
{
	buf_fini(&j->b);
}

void
json_begin(struct json *j, const char *type)
{
	buf_reset(&j->b);
	if (type == NULL)
		return;
	buf_u8(&j->b, '{');
	json_text(j, "type", type);
}

void
json_join(struct json *j, const struct json *other)
{
	if (other->b.failed)
		j->b.failed = true;
	if (other->b.len == 0)
		return;
	comma(j);
	buf_bytes(&j->b, other->b.data, other->b.len);
}

void
json_end(struct json *j)
{
	put(j, "}\n");
}

/* The length of the UTF-8 character at p, or 0: neither overlong forms nor
 * surrogates nor what lies beyond U+10FFFF are characters. */
static size_t
utf8_char(const uint8_t *p, size_t len)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return (1);
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return (0);
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (len < n || p[1] < lo || p[1] > hi)
		return (0);
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return (0);
	return (n);
}

/* A quoted string; false when it was not all UTF-8. */
static bool
put_string(struct json *j, const uint8_t *p, size_t len)
{
	bool whole = true;
	char u[8];
	size_t n;

	buf_u8(&j->b, '"');
	for (size_t i = 0; i < len; i += n) {
		n = utf8_char(p + i, len - i);
		if (n == 0) {
			put(j, "\\ufffd");
			whole = false;
			n = 1;
		} else if (p[i] == '"' || p[i] == '\\') {
			buf_u8(&j->b, '\\');
			buf_u8(&j->b, p[i]);
		} else if (p[i] < 0x20 || p[i] == 0x7f ||
		    (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0)) {
			/* Nothing of a name drives a terminal. */
			(void)snprintf(u, sizeof(u), "\\u%04x",
			    n == 2 ? p[i + 1] : p[i]);
			put(j, u);
		} else
			buf_bytes(&j->b, p + i, n);
	}
	buf_u8(&j->b, '"');
	return (whole);
}

static void
put_base64(struct json *j, const void *p, size_t len)
{
	size_t size = sodium_base64_encoded_len(len,
	    sodium_base64_VARIANT_ORIGINAL);
	uint8_t *dst;

	buf_u8(&j->b, '"');
	/* Its final NUL is overwritten by the quote. */
	if ((dst = buf_grow(&j->b, size)) != NULL) {
		(void)sodium_bin2base64((char *)dst, size, p, len,
		    sodium_base64_VARIANT_ORIGINAL);
		j->b.len--;
	}
	buf_u8(&j->b, '"');
}

void
json_bytes(struct json *j, const char *key, const void *p, size_t len)
{
	put_key(j, key, "");
	if (put_string(j, p, len))
		return;
	put_key(j, key, "_base64");
	put_base64(j, p, len);
}

void
json_text(struct json *j, const char *key, const char *s)
{
	json_bytes(j, key, s, strlen(s));
}

void
json_u64(struct json *j, const char *key, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	put_key(j, key, "");
	put(j, text);
}

void
json_i64(struct json *j, const char *key, int64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)v);
	put_key(j, key, "");
	put(j, text);
}

void
json_bool(struct json *j, const char *key, bool v)
{
	put_key(j, key, "");
	put(j, v ? "true" : "false");
}

void
json_null(struct json *j, const char *key)
{
	put_key(j, key, "");
	put(j, "null");
}

void
json_time(struct json *j, const char *key, const struct stamp *t)
{
	time_t s = (time_t)t->s;
	char text[80];
	struct tm tm;
	long off;

	if (localtime_r(&s, &tm) == NULL || tm.tm_year < -1900 ||
	    tm.tm_year > 9999 - 1900) {
		(void)snprintf(text, sizeof(text), "@%lld", (long long)t->s);
		json_text(j, key, text);
		return;
	}
	/* Local times of long ago have offsets with seconds. */
	off = tm.tm_gmtoff;
	if (off % 60 != 0 && gmtime_r(&s, &tm) != NULL)
		off = 0;
	(void)snprintf(text, sizeof(text),
	    "%04d-%02d-%02dT%02d:%02d:%02d.%09u%c%02ld:%02ld",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec, t->ns, off < 0 ? '-' : '+',
	    labs(off) / 3600, labs(off) / 60 % 60);
	json_text(j, key, text);
}

void
json_id(struct json *j, const char *key, const uint8_t id[ID_BYTES])
{
	char hex[ID_HEX];

	json_text(j, key, hex_emit(hex, id, ID_BYTES));
}

void
json_list(struct json *j, const char *key, const char *const *v,
    const size_t *lens, size_t n)
{
	bool whole = true;

	for (int pass = 0; pass < 2; pass++) {
		if (pass == 1 && whole)
			break;
		put_key(j, key, pass == 0 ? "" : "_base64");
		buf_u8(&j->b, '[');
		for (size_t i = 0; i < n; i++) {
			comma(j);
			if (v[i] == NULL)
				put(j, "null");
			else if (pass == 1)
				put_base64(j, v[i], lens[i]);
			else if (!put_string(j, (const uint8_t *)v[i],
			    lens[i]))
				whole = false;
		}
		buf_u8(&j->b, ']');
	}
}

void
json_strings(struct json *j, const char *key, const struct strings *s)
{
	const char **v = calloc((size_t)s->n + 1, sizeof(*v));
	size_t *lens = calloc((size_t)s->n + 1, sizeof(*lens));

	if (v == NULL || lens == NULL)
		j->b.failed = true;
	for (uint32_t i = 0; v != NULL && lens != NULL && i < s->n; i++) {
		v[i] = s->v[i].p;
		lens[i] = s->v[i].len;
	}
	if (!j->b.failed)
		json_list(j, key, v, lens, s->n);
	free(v);
	free(lens);
}
