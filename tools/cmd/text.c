/*
 * Numbers, times and names as text for a person.  Names in a repository are any
 * bytes: nothing of them reaches a terminal that could drive it.
 */
#include "tools/cmd/text.h"

#include <sys/ioctl.h>

#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

char *
text_count(char dst[TEXT_BYTES], uint64_t v)
{
	char raw[24];
	size_t len, out = 0;

	(void)snprintf(raw, sizeof(raw), "%llu", (unsigned long long)v);
	len = strlen(raw);
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			dst[out++] = ',';
		dst[out++] = raw[i];
	}
	dst[out] = '\0';
	return (dst);
}

static bool exact_sizes;

void
text_exact_sizes(void)
{
	exact_sizes = true;
}

char *
text_size(char dst[TEXT_BYTES], uint64_t v)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	size_t u = 0;
	double d = (double)v;

	if (exact_sizes) {
		(void)snprintf(dst, TEXT_BYTES, "%llu", (unsigned long long)v);
		return (dst);
	}
	while (d >= 1023.95 && u < 6) {
		d /= 1024;
		u++;
	}
	if (u == 0 || d >= 9.95)
		(void)snprintf(dst, TEXT_BYTES, "%.0f %s", d, units[u]);
	else
		(void)snprintf(dst, TEXT_BYTES, "%.1f %s", d, units[u]);
	return (dst);
}

char *
text_n(char dst[TEXT_BYTES], uint64_t n, const char *one, const char *many)
{
	char count[TEXT_BYTES];

	(void)snprintf(dst, TEXT_BYTES, "%.26s %.32s", text_count(count, n),
	    n == 1 ? one : many);
	return (dst);
}

char *
text_time(char dst[TEXT_BYTES], const struct stamp *t)
{
	time_t s = (time_t)t->s;
	struct tm tm;

	if (localtime_r(&s, &tm) == NULL ||
	    strftime(dst, TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(dst, TEXT_BYTES, "@%lld", (long long)t->s);
	return (dst);
}

char *
text_interval(char dst[TEXT_BYTES], uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (s < 100)
		(void)snprintf(dst, TEXT_BYTES, "%.1f s", (double)ms / 1000);
	else if (s < 3600)
		(void)snprintf(dst, TEXT_BYTES, "%u:%02u min",
		    (unsigned)(s / 60), (unsigned)(s % 60));
	else
		(void)snprintf(dst, TEXT_BYTES, "%llu:%02u h",
		    (unsigned long long)(s / 3600), (unsigned)(s / 60 % 60));
	return (dst);
}

char *
text_estimate(char dst[TEXT_BYTES], uint64_t ms)
{
	if (ms >= 100000)
		return (text_interval(dst, ms));
	(void)snprintf(dst, TEXT_BYTES, "%u s", (unsigned)(ms / 1000) + 1);
	return (dst);
}

/* The bytes of the printable character at p, or 0. */
static size_t
printable(const char *p, size_t len, int *width)
{
	mbstate_t st;
	wchar_t c;
	size_t n;

	memset(&st, 0, sizeof(st));
	n = mbrtowc(&c, p, len, &st);
	if (n == 0 || n > len || !iswprint((wint_t)c))
		return (0);
	*width = wcwidth(c);
	return (*width < 0 ? 0 : n);
}

static void
escape_byte(struct buf *b, uint8_t c)
{
	char o[5];

	switch (c) {
	case '\n':
		buf_bytes(b, "\\n", 2);
		break;
	case '\t':
		buf_bytes(b, "\\t", 2);
		break;
	case '\r':
		buf_bytes(b, "\\r", 2);
		break;
	default:
		(void)snprintf(o, sizeof(o), "\\%03o", c);
		buf_bytes(b, o, 4);
		break;
	}
}

void
text_escape(struct buf *b, const void *bytes, size_t len)
{
	const char *p = bytes;
	size_t n;
	int width;

	while (len > 0) {
		n = printable(p, len, &width);
		if (n > 0)
			buf_bytes(b, p, n);
		else {
			escape_byte(b, (uint8_t)*p);
			n = 1;
		}
		p += n;
		len -= n;
	}
}

static bool
is_plain(char c)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c & 0x80) != 0 ||
	    (c != '\0' && strchr("-_./+,:@%=^]{}", c) != NULL));
}

void
text_quote(struct buf *b, const void *bytes, size_t len)
{
	const char *p = bytes;
	bool plain = len > 0, clean = true;
	size_t n;
	int width;

	for (size_t i = 0; i < len; i += n) {
		n = printable(p + i, len - i, &width);
		if (n == 0) {
			clean = false;
			break;
		}
		if (!is_plain(p[i]))
			plain = false;
	}
	if (clean && plain) {
		buf_bytes(b, p, len);
		return;
	}
	buf_bytes(b, clean ? "'" : "$'", clean ? 1 : 2);
	for (size_t i = 0; i < len; i += n) {
		n = printable(p + i, len - i, &width);
		if (n == 0) {
			escape_byte(b, (uint8_t)p[i]);
			n = 1;
		} else if (clean && p[i] == '\'')
			buf_bytes(b, "'\\''", 4);
		else if (!clean && (p[i] == '\'' || p[i] == '\\')) {
			buf_u8(b, '\\');
			buf_u8(b, (uint8_t)p[i]);
		} else
			buf_bytes(b, p + i, n);
	}
	buf_u8(b, '\'');
}

/* The bytes of the character at p and its columns; what is no character is one
 * of one column. */
static size_t
character(const char *p, size_t len, int *width)
{
	size_t n = printable(p, len, width);

	if (n == 0)
		*width = 1;
	return (n == 0 ? 1 : n);
}

size_t
text_width(const char *s, size_t len, size_t max, size_t *cut)
{
	size_t at = 0, columns = 0, n;
	int width;

	while (at < len) {
		n = character(s + at, len - at, &width);
		if (columns + (size_t)width > max)
			break;
		columns += (size_t)width;
		at += n;
	}
	if (cut != NULL)
		*cut = at;
	return (columns);
}

size_t
text_tail(const char *s, size_t len, size_t max)
{
	size_t columns = text_width(s, len, SIZE_MAX, NULL), at = 0;
	int width;

	while (columns > max) {
		at += character(s + at, len - at, &width);
		columns -= (size_t)width;
	}
	return (at);
}

size_t
text_columns(int fd)
{
	struct winsize ws;

	if (ioctl(fd, TIOCGWINSZ, &ws) != 0)
		return (0);
	return (ws.ws_col > 0 ? ws.ws_col : 80);
}

const char *
style_begin(enum style s)
{
	switch (s) {
	case STYLE_PLAIN:
		break;
	case STYLE_DIM:
		return ("\033[2m");
	case STYLE_GREEN:
		return ("\033[32m");
	case STYLE_RED:
		return ("\033[31m");
	case STYLE_YELLOW:
		return ("\033[33m");
	}
	return ("");
}
