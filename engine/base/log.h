#ifndef VITRINE_ENGINE_BASE_LOG_H
#define VITRINE_ENGINE_BASE_LOG_H

/*
 * What a library has to say that is no error: where a person should look.
 * Libraries print nothing; whoever opens a repository gives a sink.  A sink may
 * be called from any thread and must not call back into the caller.
 */
enum log_level {
	LOG_WARNING,	/* something is not as it should be; the work goes on */
	LOG_NOTICE,	/* worth a line: a parent not found, a pack skipped */
	LOG_DETAIL	/* with -v */
};

struct log {
	void (*say)(void *ctx, enum log_level, const char *text);
	void *ctx;
};

/* Formats and hands over; a NULL log or say drops it. */
void log_say(const struct log *, enum log_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
