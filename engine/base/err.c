/*
 * The error object.  A message is kept at the right end of a fixed buffer, so
 * that context can be put in front of it without moving or allocating.
 */
#include "engine/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define END	(ERR_TEXT_BYTES - 1)

void
err_init(struct err *e)
{
	e->code = ERR_NONE;
	e->sys = 0;
	e->off = END;
	e->text[END] = '\0';
}

/* Put bytes at the right end; what doesn't fit is cut at its end. */
static void
place_right(struct err *e, const char *s, size_t len)
{
	if (len > END)
		len = END;
	e->off = (uint16_t)(END - len);
	memcpy(e->text + e->off, s, len);
	e->text[END] = '\0';
}

int
(err_set)(struct err *e, enum err_code code, const char *fmt, ...)
{
	char line[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	e->code = code;
	e->sys = 0;
	place_right(e, line, strlen(line));
	return (-1);
}

int
(err_sys)(struct err *e, int errnum, const char *fmt, ...)
{
	char line[ERR_TEXT_BYTES];
	char why[128];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n = strlen(line);
	(void)snprintf(line + n, sizeof(line) - n, ": %s",
	    strerror_r(errnum, why, sizeof(why)));
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		e->code = ERR_FULL;
		break;
	case ENOMEM:
		e->code = ERR_NOMEM;
		break;
	default:
		e->code = ERR_SYS;
		break;
	}
	e->sys = errnum;
	place_right(e, line, strlen(line));
	return (-1);
}

int
(err_wrap)(struct err *e, const char *fmt, ...)
{
	char line[ERR_TEXT_BYTES];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	len = strlen(line);
	if (e->off < 3)
		return (-1);
	if (len > (size_t)e->off - 2)
		len = (size_t)e->off - 2;
	e->off = (uint16_t)(e->off - (len + 2));
	memcpy(e->text + e->off, line, len);
	memcpy(e->text + e->off + len, ": ", 2);
	return (-1);
}

const char *
err_text(const struct err *e)
{
	return (e->code == ERR_NONE ? "" : e->text + e->off);
}

int
err_exit_status(const struct err *e)
{
	switch (e->code) {
	case ERR_NONE:
		return (EXIT_DONE);
	case ERR_USAGE:
		return (EXIT_USAGE);
	case ERR_CORRUPT:
		return (EXIT_DAMAGE);
	case ERR_NOREPO:
		return (EXIT_NOREPO);
	case ERR_BUSY:
		return (EXIT_BUSY);
	case ERR_AUTH:
		return (EXIT_AUTH);
	case ERR_CANCELED:
		return (EXIT_INTERRUPTED);
	default:
		return (EXIT_FAILED);
	}
}

_Noreturn void
bug_at(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "vitrine: %s:%d: this can't happen: %s\n",
	    file, line, what);
	abort();
}
