/*
 * Sizes, counts and times from the command line.  A value that is not wholly
 * understood is refused: "--memory 1,5G" must not become one byte.
 */
#include "tools/cmd/value.h"

#include <string.h>
#include <time.h>

#define SIZE_VALUE_MAX	(1ULL << 62)

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

/* The factor that a size's suffix stands for; 0 when it is none. */
static uint64_t
unit_of(const char *s)
{
	static const char letters[] = "KMGTP";
	const char *at;
	uint64_t f = 1;
	char c;

	if (*s == '\0' || (s[0] == 'B' && s[1] == '\0'))
		return (1);
	c = s[0] == 'k' ? 'K' : s[0];
	if ((at = strchr(letters, c)) == NULL)
		return (0);
	s++;
	if (*s == '\0' || strcmp(s, "iB") == 0 || strcmp(s, "i") == 0) {
		for (int i = 0; i <= (int)(at - letters); i++)
			f *= 1024;
		return (f);
	}
	if (strcmp(s, "B") == 0) {
		for (int i = 0; i <= (int)(at - letters); i++)
			f *= 1000;
		return (f);
	}
	return (0);
}

int
value_size(uint64_t *out, const char *text, struct err *e)
{
	const char *p = text;
	uint64_t whole = 0, part = 0, scale = 1, unit, add;

	if (!is_digit(*p))
		goto bad;
	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			goto large;
	if (*p == '.') {
		p++;
		if (!is_digit(*p))
			goto bad;
		/* Three decimals are kept; the rest is below notice. */
		for (; is_digit(*p); p++)
			if (scale < 1000) {
				part = part * 10 + (uint64_t)(*p - '0');
				scale *= 10;
			}
	}
	if ((unit = unit_of(p)) == 0)
		goto bad;
	add = unit / scale * part + unit % scale * part / scale;
	if (__builtin_mul_overflow(whole, unit, &whole) ||
	    __builtin_add_overflow(whole, add, &whole) ||
	    whole > SIZE_VALUE_MAX)
		goto large;
	*out = whole;
	return (0);
bad:
	return (err_set(e, ERR_USAGE,
	    "\"%s\" is no size (such as 4096, 256M, 1.5G)", text));
large:
	return (err_set(e, ERR_USAGE, "\"%s\" is too large", text));
}

int
value_count(uint64_t *out, const char *text, uint64_t min, uint64_t max,
    struct err *e)
{
	uint64_t v = 0;
	const char *p = text;

	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return (err_set(e, ERR_USAGE, "\"%s\" is too large",
			    text));
	if (p == text || *p != '\0')
		return (err_set(e, ERR_USAGE, "\"%s\" is no number", text));
	if (v < min || v > max)
		return (err_set(e, ERR_USAGE,
		    "%s is outside %llu to %llu", text,
		    (unsigned long long)min, (unsigned long long)max));
	*out = v;
	return (0);
}

/* n digits at *p as a number; false when there are fewer. */
static bool
digits(const char **p, int n, int *out)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*p)++) {
		if (!is_digit(**p))
			return (false);
		v = v * 10 + (**p - '0');
	}
	*out = v;
	return (true);
}

static bool
literal(const char **p, char c)
{
	if (**p != c)
		return (false);
	(*p)++;
	return (true);
}

/* ".123" to nanoseconds; nothing is zero; more than nine digits are refused. */
static bool
fraction(const char **p, uint32_t *ns)
{
	uint32_t v = 0;
	int n = 0;

	*ns = 0;
	if (**p != '.')
		return (true);
	for ((*p)++; is_digit(**p); (*p)++, n++)
		if (n < 9)
			v = v * 10 + (uint32_t)(**p - '0');
	if (n == 0 || n > 9)
		return (false);
	for (; n < 9; n++)
		v *= 10;
	*ns = v;
	return (true);
}

static int
month_days(int year, int month)
{
	static const int days[] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return (29);
	return (days[month - 1]);
}

static bool
date(const char **p, struct tm *tm)
{
	int y, m, d;

	if (!digits(p, 4, &y) || !literal(p, '-') || !digits(p, 2, &m) ||
	    !literal(p, '-') || !digits(p, 2, &d))
		return (false);
	if (m < 1 || m > 12 || d < 1 || d > month_days(y, m))
		return (false);
	tm->tm_year = y - 1900;
	tm->tm_mon = m - 1;
	tm->tm_mday = d;
	return (true);
}

/* Seconds may be left out where `short_form' allows it. */
static bool
clock_time(const char **p, struct tm *tm, bool short_form)
{
	if (!digits(p, 2, &tm->tm_hour) || !literal(p, ':') ||
	    !digits(p, 2, &tm->tm_min) || tm->tm_hour > 23 || tm->tm_min > 59)
		return (false);
	tm->tm_sec = 0;
	if (short_form && **p != ':')
		return (true);
	return (literal(p, ':') && digits(p, 2, &tm->tm_sec) &&
	    tm->tm_sec <= 59);
}

/* "Z" or "+01:00", as seconds east. */
static bool
zone(const char **p, int *east)
{
	int sign, h, m;

	if (literal(p, 'Z') || literal(p, 'z')) {
		*east = 0;
		return (true);
	}
	if (**p != '+' && **p != '-')
		return (false);
	sign = **p == '-' ? -1 : 1;
	(*p)++;
	if (!digits(p, 2, &h) || !literal(p, ':') || !digits(p, 2, &m) ||
	    h > 23 || m > 59)
		return (false);
	*east = sign * (h * 3600 + m * 60);
	return (true);
}

static bool
epoch(const char *p, struct stamp *out)
{
	bool negative = *p == '-';
	int64_t s = 0;
	uint32_t ns;

	if (negative)
		p++;
	if (!is_digit(*p))
		return (false);
	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(s, 10, &s) ||
		    __builtin_add_overflow(s, *p - '0', &s))
			return (false);
	if (!fraction(&p, &ns) || *p != '\0')
		return (false);
	if (negative) {
		s = -s;
		if (ns > 0) {
			s--;
			ns = 1000000000U - ns;
		}
	}
	out->s = s;
	out->ns = ns;
	return (true);
}

/* When a day begins in local time: where the clock skipped midnight, then. */
static int64_t
day_begin(const struct tm *date)
{
	struct tm t = *date;

	t.tm_isdst = -1;
	return (mktime(&t));
}

/* Local time; one that the clock skipped does not exist. */
static bool
local_time(const struct tm *tm, int64_t *s)
{
	struct tm t = *tm;
	time_t v;

	t.tm_isdst = -1;
	v = mktime(&t);
	if (t.tm_hour != tm->tm_hour || t.tm_min != tm->tm_min ||
	    t.tm_mday != tm->tm_mday)
		return (false);
	*s = v;
	return (true);
}

int
value_time(struct stamp *out, const char *text, struct err *e)
{
	struct tm tm = { 0 };
	struct stamp st = { 0 };
	const char *p = text;
	int east;

	if (*p == '@') {
		if (!epoch(p + 1, &st))
			goto bad;
		*out = st;
		return (0);
	}
	if (!date(&p, &tm))
		goto bad;
	if (*p == '\0') {
		st.s = day_begin(&tm);
	} else if (*p == ' ') {
		p++;
		if (!clock_time(&p, &tm, true) || *p != '\0' ||
		    !local_time(&tm, &st.s))
			goto bad;
	} else if (*p == 'T' || *p == 't') {
		p++;
		if (!clock_time(&p, &tm, false) || !fraction(&p, &st.ns) ||
		    !zone(&p, &east) || *p != '\0')
			goto bad;
		st.s = (int64_t)timegm(&tm) - east;
	} else
		goto bad;
	*out = st;
	return (0);
bad:
	return (err_set(e, ERR_USAGE, "\"%s\" is no time (such as "
	    "2026-11-22, \"2026-11-22 17:47\", 2026-11-22T17:47:03Z, "
	    "@1795369623)", text));
}

int
value_interval(uint64_t *ms, const char *text, struct err *e)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	const uint64_t most = 1000 * units[0].seconds;
	const char *p = text;
	uint64_t sum = 0;

	/* Each unit once, the large ones first. */
	for (size_t i = 0; *p != '\0' && i < sizeof(units) / sizeof(units[0]);
	    i++) {
		const char *at = p;
		uint64_t n = 0;

		for (; is_digit(*at) && n <= most; at++)
			n = n * 10 + (uint64_t)(*at - '0');
		if (at == p || *at != units[i].letter)
			continue;
		sum += n > most ? most + 1 : n * units[i].seconds;
		p = at + 1;
	}
	if (*p != '\0' || sum == 0 || sum > most)
		return (err_set(e, ERR_USAGE, "\"%s\" is no length of time "
		    "(such as 90s, 20m, 1h30m, 2d)", text));
	*ms = sum * 1000;
	return (0);
}
