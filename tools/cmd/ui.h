#ifndef VITRINE_TOOLS_CMD_UI_H
#define VITRINE_TOOLS_CMD_UI_H

#include <pthread.h>

#include "engine/base/log.h"
#include "tools/cmd/json.h"
#include "tools/job/event.h"

/*
 * What a command shows: messages on stderr, a progress line where stderr is a
 * terminal, the last sentence on stdout.  With --json all of it is objects
 * (vitrine-json(5)).  Locked: any thread may speak.
 */
struct ui {
	pthread_mutex_t lock;
	FILE *json;			/* where objects go; NULL: no --json */
	struct json result;		/* members of the summary to come */
	char *sentence;			/* ... and its text; owned */
	uint64_t progress_ms;		/* when the last one was said */
	bool quiet;			/* warnings and errors only */
	unsigned verbose;
	bool terminal;			/* stderr is one: draw progress */
	bool color;			/* stdout shows colours */
	bool drawn;			/* the line is on the screen */
	uint64_t began_ms;
	struct log log;			/* a sink that speaks through us */
	struct events events;		/* for a job */
};
void ui_init(struct ui *);
void ui_fini(struct ui *);
void ui_set(struct ui *, bool quiet, unsigned verbose);
void ui_clear(struct ui *);		/* take the progress line away */
/* "vitrine: ..." on stderr; control characters are escaped. */
void ui_warn(struct ui *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same unless -q. */
void ui_note(struct ui *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A sentence on stdout, unless -q. */
void ui_say(struct ui *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* With --json: end an object and write it. */
void ui_object(struct ui *, struct json *);
/* The last object of all: the summary, with what was put into result, or the
 * error with what to do about it (may be NULL). */
void ui_summary(struct ui *, const char *command, int status);
void ui_error(struct ui *, const char *command, const struct err *,
    const char *advice, int status);

/* SIGINT, SIGTERM and SIGHUP set a flag; the second one ends the program. */
void signals_init(void);
const atomic_bool *signals_flag(void);
/* The defaults again, for code that has handlers of its own; these set the
 * flag, which is what this returns. */
atomic_bool *signals_default(void);

#endif
