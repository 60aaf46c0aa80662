/*
 * Identifiers as text.
 */
#include "engine/base/id.h"

#include <limits.h>

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

/* What each character is worth, plus one; 0 for what is no digit. */
static const uint8_t digit_value[UCHAR_MAX + 1] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
	['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16
};

int
hex_parse(uint8_t *dst, size_t len, const char *src)
{
	unsigned hi, lo;

	for (size_t i = 0; i < len; i++) {
		hi = digit_value[(unsigned char)src[2 * i]];
		/* The next character may be beyond the end. */
		lo = hi == 0 ? 0 : digit_value[(unsigned char)src[2 * i + 1]];
		if (lo == 0)
			return (-1);
		dst[i] = (uint8_t)((hi - 1) << 4 | (lo - 1));
	}
	return (src[2 * len] == '\0' ? 0 : -1);
}
