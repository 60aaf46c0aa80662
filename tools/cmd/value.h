#ifndef VITRINE_TOOLS_CMD_VALUE_H
#define VITRINE_TOOLS_CMD_VALUE_H

#include "engine/base/clock.h"
#include "engine/base/err.h"

/*
 * Typed values as a person writes them.  Each returns 0, or -1 with ERR_USAGE
 * and a text that shows what was written and what would have been right; the
 * caller puts the option's name in front.
 */

/* "4096", "256M", "1.5G", "64KiB": K, M, G, T, P and KiB .. are powers of 1024,
 * kB, MB .. powers of 1000; at most 2^62. */
int value_size(uint64_t *out, const char *text, struct err *);
/* Decimal digits, min .. max. */
int value_count(uint64_t *out, const char *text, uint64_t min, uint64_t max,
    struct err *);
/*
 * RFC 3339 ("2026-11-22T17:47:03Z", "...+01:00", with or without a fraction),
 * "2026-11-22 17:47[:03]" in local time, "2026-11-22", when that day began
 * there, or "@1795369623[.5]" seconds since 1970.
 */
int value_time(struct stamp *out, const char *text, struct err *);

/* "90s", "20m", "1h30m", "2d", in milliseconds; at least a second, at most a
 * thousand days. */
int value_interval(uint64_t *ms, const char *text, struct err *);

#endif
