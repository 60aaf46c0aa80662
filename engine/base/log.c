/*
 * Formats a message for the sink that the opener gave.
 */
#include "engine/base/log.h"

#include <stdarg.h>
#include <stdio.h>

void
log_say(const struct log *log, enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (log == NULL || log->say == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log->say(log->ctx, level, line);
}
