#ifndef VITRINE_ENGINE_STORE_HTTP_H
#define VITRINE_ENGINE_STORE_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/log.h"

/*
 * Requests over kept connections: one I/O thread drives all of them with
 * libcurl's multi interface, and each caller blocks on its own.  Thread-safe.
 * The thread starts with the first request, so that a program may still fork
 * after http_new().
 *
 * At most `connections' requests are under way, and fewer for a while after the
 * server has answered 429 or 503; the others wait their turn.  The buffers of
 * all of them together take HTTP_BUFFERS_BYTES, however many there are.
 * Nothing is retried here, and no redirection is followed.
 */
#define HTTP_CONNECTIONS_MAX	64
#define HTTP_BUFFERS_BYTES	((size_t)8 << 20)
#define HTTP_HEAD_MAX		((size_t)32 << 10)	/* of an answer */
#define HTTP_HEADERS_MAX	112			/* of a request */

struct http;

struct http_options {
	unsigned connections;		/* 1 .. HTTP_CONNECTIONS_MAX */
	unsigned connect_ms;
	unsigned stall_s;		/* so long without progress: give up */
	unsigned total_s;		/* for one request */
	uint64_t up_limit;		/* bytes a second in all; 0: none */
	uint64_t down_limit;
	const char *ca_file;		/* copied; NULL: the system's */
	bool no_verify;			/* believe any certificate */
	/* Once it is true, whoever waits is in a hurry: what makes no progress
	 * for HTTP_HURRY_MS fails as ERR_CANCELED, and all that comes after
	 * that at once, but for what takes leave: that has HTTP_PARTING_MS.
	 * Both are thrice the longest that the server was seen to take for
	 * anything, if that is more, but no more than HTTP_HURRY_MAX_MS each.
	 * What goes on is not touched: the end of a job may have something to
	 * store.  Borrowed; NULL: never. */
	const atomic_bool *hurry;
	/* Told by how many requests at one time, when that changes. */
	const struct log *log;		/* borrowed; NULL: nobody */
	const char *peer;		/* who that is, for the log; borrowed */
};
#define HTTP_HURRY_MS	1200
#define HTTP_PARTING_MS	800
#define HTTP_HURRY_MAX_MS	2500

int http_new(struct http **out, const struct http_options *, struct err *);
void http_free(struct http *);		/* nobody uses it; NULL is fine */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_POST, HTTP_DELETE };

/* What is sent: bytes in memory, or of a file from its beginning. */
struct http_body {
	const void *bytes;		/* NULL: from fd */
	int fd;
	uint64_t len;
};

/*
 * One request and its answer.  The caller fills the first part, all borrowed.
 * The body of an answer with status 200 or 206 goes to dst as far as there is
 * room (too_long tells of more), or where dst is NULL to text, as those of all
 * others do; text gets at most text_max bytes, more fails the request.
 */
struct http_request {
	enum http_method method;
	const char *url;
	const char *header[HTTP_HEADERS_MAX];	/* "name: value" */
	size_t headers;
	struct http_body body;			/* PUT and POST */
	bool direct;				/* by no proxy */
	bool parting;				/* it takes leave: see hurry */
	unsigned connect_ms;			/* 0: as in the options */
	unsigned stall_s;			/* likewise */
	unsigned total_s;			/* likewise */
	void *dst;
	size_t cap;
	size_t text_max;

	int status;
	size_t got;			/* bytes in dst */
	bool too_long;			/* the answer went on behind dst */
	bool resent;			/* libcurl sent the body again by
					 * itself: the first may have arrived */
	bool hopeless;			/* when it failed: so will the next */
	bool connected;			/* there was a connection */
	bool untrusted;			/* ... to who has no certificate */
	uint64_t took_ms;		/* without the wait for its turn */
	uint64_t still_ms;		/* at its end: since it made progress */
	struct buf head;		/* the answer's header lines */
	struct buf text;
};

/* head and text are emptied first, their memory is kept for another use. */
int http_perform(struct http *, struct http_request *, struct err *);
void http_fini(struct http_request *);

/* The value of a header of the answer, without spaces around; false when there
 * is none or it is longer than dst. */
bool http_header(const struct http_request *, const char *name, char *dst,
    size_t size);

#endif
