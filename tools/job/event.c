/*
 * What a job has to say, put into words and handed to whoever started it.
 */
#include "tools/job/event.h"

#include <stdarg.h>

bool
events_canceled(const struct events *ev)
{
	return (ev != NULL && ev->cancel != NULL &&
	    atomic_load_explicit(ev->cancel, memory_order_relaxed));
}

bool
events_wants(const struct events *ev, enum event_kind kind)
{
	return (ev != NULL && ev->item != NULL &&
	    (kind != EVENT_DETAIL || !ev->no_details));
}

void
events_item(const struct events *ev, enum event_kind kind, const char *path,
    const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (!events_wants(ev, kind))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ev->item(ev->ctx, kind, path, text);
}
