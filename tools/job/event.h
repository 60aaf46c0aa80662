#ifndef VITRINE_TOOLS_JOB_EVENT_H
#define VITRINE_TOOLS_JOB_EVENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/log.h"

/*
 * How a job talks to whoever started it: jobs print nothing.  Functions may be
 * called from any thread, one at a time (the job holds its event lock).  Any
 * may be NULL.
 */
struct event_progress {
	uint64_t files, files_total;	/* total 0: not known yet */
	uint64_t bytes, bytes_total;
	uint64_t bytes_new, bytes_added;
	uint64_t errors;
	bool listing;		/* of a bucket; then all above is 0 */
	uint64_t listed;	/* objects so far */
	const char *path;	/* what is being worked on; may be NULL */
};
enum event_kind {
	EVENT_UNREAD,		/* a source entry could not be read */
	EVENT_CHANGED,		/* a file changed while it was read */
	EVENT_SKIPPED,	/* left out on purpose: own repository, own mount */
	EVENT_UNRESTORED, /* something could not be restored, or not wholly */
	EVENT_DAMAGE,		/* integrity damage found */
	EVENT_WARNING,
	EVENT_DETAIL		/* -v: added, changed, removed, restored … */
};
struct events {
	/* At most some ten times a second. */
	void (*progress)(void *ctx, const struct event_progress *);
	/* path may be NULL; bytes as they are, not for a terminal. */
	void (*item)(void *ctx, enum event_kind, const char *path,
	    const char *text);
	void *ctx;
	bool no_details;		/* EVENT_DETAIL isn't wanted of item */
	/* Set to ask the job to stop; it then ends with ERR_CANCELED, soon. */
	const atomic_bool *cancel;
};

bool events_canceled(const struct events *);
/* Is there any use in making the text of such an item? */
bool events_wants(const struct events *, enum event_kind);
void events_item(const struct events *, enum event_kind, const char *path,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
