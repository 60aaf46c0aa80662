#ifndef VITRINE_ENGINE_BASE_ERR_H
#define VITRINE_ENGINE_BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * An error: what kind, which errno, and a text for a person.  The caller owns
 * the storage; nothing here allocates, so an error survives the lack of memory
 * and may be copied by value from thread to thread.
 *
 * The convention of every function that takes a struct err *:
 *	0	success; the error is untouched
 *	> 0	a named expected outcome (STORE_ABSENT ...); the error untouched
 *	< 0	failure; the error is filled, and the outputs are untouched
 *		unless the function says otherwise
 *
 * The text grows to the left: err_set() writes the cause, err_wrap() puts what
 * the caller was doing in front of it, so that the finished text reads from the
 * outside in: "snapshot 3f2a: pack 77c0: read: Input/output error".
 */
enum err_code {
	ERR_NONE = 0,
	ERR_SYS,	/* a system call failed; sys holds errno */
	ERR_NOMEM,	/* no memory */
	ERR_CORRUPT,	/* bytes that can't be what they claim to be */
	ERR_AUTH,	/* wrong passphrase or key */
	ERR_VERSION,	/* a version or required feature we don't know */
	ERR_NET,	/* the network or the server didn't answer */
	ERR_REMOTE,	/* the server answered with an error */
	ERR_BUSY,	/* somebody else has it */
	ERR_FULL,	/* no space left */
	ERR_LIMIT,	/* a limit of the format or of this machine */
	ERR_CANCELED,	/* asked to stop */
	ERR_ABSENT,	/* what was named does not exist */
	ERR_EXISTS,	/* what was to be made is there already */
	ERR_NOREPO,	/* there is no repository at that place */
	ERR_USAGE	/* the caller asked for something that makes no sense */
};

#define ERR_TEXT_BYTES	496

struct err {
	enum err_code code;
	int sys;			/* errno, or 0 */
	uint16_t off;			/* where in text the message begins */
	char text[ERR_TEXT_BYTES];
};

/* An error object without an error. */
#define ERR_INIT	{ .code = ERR_NONE, .off = ERR_TEXT_BYTES - 1 }

void err_init(struct err *);

/*
 * Set the cause; both return -1, so that "return err_set(...)" reads well.
 * err_sys() appends ": " and the text of errno, and picks ERR_FULL for ENOSPC
 * and EDQUOT, ERR_NOMEM for ENOMEM, otherwise ERR_SYS.  A text that doesn't
 * fit is cut at its end.
 */
int err_set(struct err *, enum err_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int err_sys(struct err *, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "context: " in front of the text; returns -1.  Cuts the context when
 * there is no room. */
int err_wrap(struct err *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__
/* It can't see into another file, and would follow paths on which these return
 * 0 after having failed. */
#define err_set(e, ...)		((void)(err_set)((e), __VA_ARGS__), -1)
#define err_sys(e, ...)		((void)(err_sys)((e), __VA_ARGS__), -1)
#define err_wrap(e, ...)	((void)(err_wrap)((e), __VA_ARGS__), -1)
#endif

/* The text, "" when there is none.  Borrowed from the error. */
const char *err_text(const struct err *);

/* The command's exit status for an error (vitrine(1), EXIT STATUS). */
int err_exit_status(const struct err *);
enum {
	EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PARTIAL = 3,
	EXIT_DAMAGE = 4, EXIT_NOREPO = 10, EXIT_BUSY = 11, EXIT_AUTH = 12,
	EXIT_INTERRUPTED = 130
};

/* A state that can't be reached unless this program is wrong.  Never for bad
 * input. */
void bug_at(const char *file, int line, const char *what)
    __attribute__((noreturn));
#define BUG(what)		bug_at(__FILE__, __LINE__, (what))
#define BUG_ON(cond)		do { if (cond) BUG(#cond); } while (0)

#endif
