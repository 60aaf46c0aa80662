/*
 * Identifiers as text.
 */
#include "engine/base/id.h"

char *
hex_emit(char *dst, const uint8_t *src, size_t len)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		dst[2 * i] = digit[src[i] >> 4];
		dst[2 * i + 1] = digit[src[i] & 15];
	}
	dst[2 * len] = '\0';
	return (dst);
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	return (-1);
}

int
hex_parse(uint8_t *dst, size_t len, const char *src)
{
	int hi, lo;

	for (size_t i = 0; i < len; i++) {
		hi = digit_value(src[2 * i]);
		lo = hi < 0 ? -1 : digit_value(src[2 * i + 1]);
		if (lo < 0)
			return (-1);
		dst[i] = (uint8_t)(hi << 4 | lo);
	}
	return (src[2 * len] == '\0' ? 0 : -1);
}
