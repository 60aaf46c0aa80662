/*
 * When a call is asked again, how soon, and when no more.  No server: s3_send()
 * is ours, and time goes by in a count alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <time.h>

#include "engine/store/s3_int.h"

#define ATTEMPTS	64
#define WAIT_MS		200		/* the shortest pause at its longest */

/* What an attempt comes to; the last one of a list is each that follows. */
struct attempt {
	int rc;				/* 0: an answer */
	int status;
	const char *code, *message;	/* NULL: none */
	const char *retry_after;
	unsigned took_ms, still_ms;
	bool hopeless, untrusted, resent;
};

static const struct attempt *script;
static size_t scripted;
static unsigned sent;
static uint64_t slept_ms[ATTEMPTS];	/* [n]: after so many attempts */
static unsigned stall_s[ATTEMPTS], connect_ms[ATTEMPTS], total_s[ATTEMPTS];
static atomic_bool hurried;
static uint64_t hurry_at_ms;		/* of sleep; 0: never */
static const char *access_key;
static int renewal;			/* what comes of it */
static unsigned renewed;
static bool sensible_at_all;

static uint64_t
slept(void)
{
	uint64_t ms = 0;

	for (unsigned i = 0; i <= sent; i++)
		ms += slept_ms[i];
	return (ms);
}

int
nanosleep(const struct timespec *t, struct timespec *left)
{
	slept_ms[sent] += (uint64_t)t->tv_sec * 1000 +
	    (uint64_t)t->tv_nsec / 1000000;
	if (hurry_at_ms != 0 && slept() >= hurry_at_ms)
		atomic_store(&hurried, true);
	return (0);
}

int
s3_creds_renew(struct s3_creds *c, const char *access, struct err *e)
{
	assert_string_equal(access, access_key);
	renewed++;
	if (renewal < 0)
		return (err_set(e, ERR_NET, "no role"));
	return (renewal);
}

int
s3_send(struct s3 *s, struct s3_call *c, char access[S3_ACCESS_MAX],
    struct err *e)
{
	const struct attempt *a = &script[sent < scripted ? sent :
	    scripted - 1];
	char text[512];

	assert_true(sent < ATTEMPTS - 1);
	stall_s[sent] = c->rq.stall_s;
	connect_ms[sent] = c->rq.connect_ms;
	total_s[sent] = c->rq.total_s;
	sent++;
	memcpy(access, access_key, strlen(access_key) + 1);
	buf_reset(&c->rq.head);
	buf_reset(&c->rq.text);
	if (a->retry_after != NULL) {
		(void)snprintf(text, sizeof(text), "Retry-After: %s\r\n",
		    a->retry_after);
		buf_bytes(&c->rq.head, text, strlen(text));
	}
	if (a->code != NULL) {
		(void)snprintf(text, sizeof(text), "<Error><Code>%s</Code>"
		    "<Message>%s</Message></Error>", a->code,
		    a->message != NULL ? a->message : "");
		buf_bytes(&c->rq.text, text, strlen(text));
	}
	c->rq.status = a->status;
	c->rq.took_ms = a->took_ms;
	c->rq.still_ms = a->still_ms;
	c->rq.hopeless = a->hopeless;
	c->rq.untrusted = a->untrusted;
	c->rq.resent = a->resent;
	return (a->rc == 0 ? 0 : err_set(e, ERR_NET, "no answer"));
}

static struct s3 server;
static struct s3_call request;
static struct err error;

/* It has answered before, and is well. */
static int
begin(void **state)
{
	memset(&server, 0, sizeof(server));
	(void)snprintf(server.url.host, sizeof(server.url.host), "somewhere");
	server.o.connect_s = S3_CONNECT_S;
	server.o.stall_s = S3_STALL_S;
	server.o.hurry = &hurried;
	atomic_store(&server.answered, true);
	atomic_store(&hurried, false);
	hurry_at_ms = 0;
	access_key = "key";
	renewal = 0;
	return (0);
}

static int
call_n(enum http_method method, const struct attempt *a, size_t n)
{
	int rc;

	script = a;
	scripted = n;
	sent = renewed = 0;
	memset(slept_ms, 0, sizeof(slept_ms));
	memset(&request, 0, sizeof(request));
	request.method = method;
	request.again = true;
	request.rq.text_max = S3_TEXT_MIN;
	err_init(&error);
	rc = s3_call(&server, &request, &error);
	http_fini(&request.rq);
	return (rc);
}
#define CALL(method, ...)						\
	call_n((method), (const struct attempt[]){ __VA_ARGS__ },	\
	    sizeof((const struct attempt[]){ __VA_ARGS__ }) /		\
	    sizeof(struct attempt))

#define NONE	{ .rc = -1 }
#define GOOD	{ .status = 200 }
#define BUSY	{ .status = 503, .code = "SlowDown" }

static void
given_up(uint64_t after_ms)
{
	assert_int_equal(error.code, ERR_NET);
	assert_non_null(strstr(err_text(&error), "somewhere: given up after"));
	assert_true(atomic_load(&server.lost));
	/* The last begins when it is over. */
	assert_in_range(slept(), after_ms, after_ms + WAIT_MS);
}

static void
test_pauses(void **state)
{
	unsigned full = 0;

	assert_int_equal(CALL(HTTP_GET, NONE), -1);
	given_up(60000);
	assert_true(request.again);
	for (unsigned n = 1; n <= 7; n++)
		assert_in_range(slept_ms[n], 100 << (n - 1), 200 << (n - 1));
	assert_in_range(slept_ms[8], 7500, 15000);
	/* Part of each is random. */
	for (unsigned n = 1; n <= 7; n++)
		full += slept_ms[n] == 200U << (n - 1);
	assert_in_range(full, 0, 6);
	/* What comes back in time is no failure. */
	atomic_store(&server.lost, false);
	assert_int_equal(CALL(HTTP_GET, NONE, BUSY, NONE, GOOD), 0);
	assert_int_equal(sent, 4);
	assert_true(request.again);
	assert_int_equal(CALL(HTTP_GET, GOOD), 0);
	assert_false(request.again);
	assert_int_equal(slept(), 0);
	assert_int_equal(CALL(HTTP_PUT, { .status = 200, .resent = true }), 0);
	assert_true(request.again);
}

static void
test_limits(void **state)
{
	/* One object alone: that is known to who reads. */
	assert_int_equal(CALL(HTTP_GET, { .status = 500 }), -1);
	assert_in_range(slept(), 20000, 20000 + WAIT_MS);
	atomic_store(&server.lost, false);
	assert_int_equal(CALL(HTTP_HEAD, { .status = 500 }), -1);
	assert_in_range(slept(), 20000, 20000 + WAIT_MS);
	atomic_store(&server.lost, false);
	assert_int_equal(CALL(HTTP_PUT, { .status = 500 }), -1);
	assert_in_range(slept(), 60000, 60000 + WAIT_MS);
	/* Who was given up is not waited for by each that follows, */
	assert_int_equal(CALL(HTTP_GET, NONE), -1);
	given_up(2000);
	/* until there is an answer, whichever. */
	assert_int_equal(CALL(HTTP_GET, { .status = 403 }), S3_REFUSED);
	assert_int_equal(CALL(HTTP_GET, NONE), -1);
	given_up(60000);
	assert_int_equal(CALL(HTTP_GET, NONE, GOOD), 0);
	assert_int_equal(CALL(HTTP_GET, NONE), -1);
	given_up(60000);
	/* Nobody has ever answered. */
	atomic_store(&server.lost, false);
	atomic_store(&server.answered, false);
	assert_int_equal(CALL(HTTP_GET, NONE), -1);
	given_up(5000);
	/* A refusal is an answer. */
	atomic_store(&server.lost, false);
	assert_int_equal(CALL(HTTP_GET, BUSY), -1);
	assert_in_range(slept(), 60000, 60000 + WAIT_MS);
}

/* Of the first attempt counts how long it stood still, of the others all. */
static void
test_out(void **state)
{
	assert_int_equal(CALL(HTTP_GET, { .rc = -1, .took_ms = 100000,
	    .still_ms = 20000 }, { .rc = -1, .took_ms = 30000 }), -1);
	/* 20 s, 50, 80: one more than those that began in that minute. */
	assert_int_equal(sent, 4);
	assert_in_range(slept(), 300, 1000);
	assert_int_equal(slept_ms[3], 200);
	assert_int_equal(stall_s[0], 60);
	assert_int_equal(connect_ms[0], 15000);
	assert_int_equal(stall_s[1], 39);
	assert_int_equal(connect_ms[1], 15000);
	assert_int_equal(stall_s[2], 15);
	assert_int_equal(stall_s[3], 15);
	/* The first may take what it was given. */
	atomic_store(&server.lost, false);
	server.o.stall_s = 300;
	assert_int_equal(CALL(HTTP_GET, NONE, GOOD), 0);
	assert_int_equal(stall_s[0], 300);
	assert_in_range(stall_s[1], 58, 60);
	atomic_store(&server.lost, true);
	/* Less for one that is lost. */
	assert_int_equal(CALL(HTTP_GET, NONE), -1);
	for (unsigned i = 0; i < sent; i++) {
		assert_int_equal(stall_s[i], 5);
		assert_int_equal(connect_ms[i], 5000);
	}
}

/* All together have one limit. */
static void
test_total(void **state)
{
	server.o.total_s = 10;
	assert_int_equal(CALL(HTTP_GET, { .rc = -1, .took_ms = 4000 }), -1);
	assert_int_equal(sent, 3);
	assert_int_equal(total_s[0], 10);
	assert_int_equal(total_s[1], 6);
	assert_in_range(total_s[2], 1, 2);
	atomic_store(&server.lost, false);
	assert_int_equal(CALL(HTTP_GET, BUSY), -1);
	/* A pause that would go beyond is not made. */
	assert_in_range(slept(), 2000, 9999);
	atomic_store(&server.lost, false);
	assert_int_equal(CALL(HTTP_GET, { .status = 503,
	    .retry_after = "20" }), -1);
	assert_int_equal(sent, 1);
	assert_int_equal(slept(), 0);
}

static void
test_retry_after(void **state)
{
	char date[64];
	time_t at = time(NULL) + 30;
	struct tm tm;

	assert_int_equal(CALL(HTTP_GET, { .status = 503, .retry_after = "7" },
	    GOOD), 0);
	assert_in_range(slept(), 7000, 7000 + WAIT_MS);
	/* Less than would be waited anyway is no reason to wait less, */
	assert_int_equal(CALL(HTTP_GET, { .status = 503, .retry_after = "0" },
	    GOOD), 0);
	assert_in_range(slept(), 100, 200);
	assert_int_equal(CALL(HTTP_GET, { .status = 503,
	    .retry_after = "soon" }, GOOD), 0);
	assert_in_range(slept(), 100, 200);
	/* and there is an end to how long is. */
	assert_int_equal(CALL(HTTP_GET, { .status = 429,
	    .retry_after = "99999999999999999999" }, GOOD), 0);
	assert_in_range(slept(), 60000, 60000 + WAIT_MS);
	assert_int_equal(CALL(HTTP_GET, { .status = 503,
	    .retry_after = "60" }), -1);
	assert_int_equal(sent, 2);
	atomic_store(&server.lost, false);
	assert_true(strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT",
	    gmtime_r(&at, &tm)) > 0);
	assert_int_equal(CALL(HTTP_GET, { .status = 503,
	    .retry_after = date }, GOOD), 0);
	assert_in_range(slept(), 10000, 30000 + WAIT_MS);
	assert_int_equal(CALL(HTTP_GET, { .status = 503,
	    .retry_after = "Sun, 06 Nov 1994 08:49:37 GMT" }, GOOD), 0);
	assert_in_range(slept(), 100, 200);
	/* Nobody said that. */
	assert_int_equal(CALL(HTTP_GET, { .rc = -1, .retry_after = "7" },
	    GOOD), 0);
	assert_in_range(slept(), 100, 200);
}

static void
test_hurry(void **state)
{
	hurry_at_ms = 1000;
	assert_int_equal(CALL(HTTP_GET, { .status = 503, .code = "SlowDown",
	    .retry_after = "50" }), -1);
	assert_int_equal(sent, 1);
	assert_int_equal(error.code, ERR_CANCELED);
	assert_non_null(strstr(err_text(&error), "SlowDown"));
	assert_in_range(slept(), 1000, 1100);
	assert_false(atomic_load(&server.lost));
}

static bool
is_sensible(struct s3_call *c, struct err *e)
{
	if (sensible_at_all)
		return (true);
	(void)err_set(e, ERR_REMOTE, "makes no sense");
	return (false);
}

static void
test_refusals(void **state)
{
	static const struct attempt no = { .status = 403,
	    .code = "AccessDenied" };

	assert_int_equal(call_n(HTTP_GET, &no, 1), S3_REFUSED);
	assert_int_equal(sent, 1);
	assert_false(request.again);
	/* A promise of success that was broken is none. */
	assert_int_equal(CALL(HTTP_PUT, { .status = 200,
	    .code = "InternalError" }, GOOD), 0);
	assert_int_equal(sent, 2);
	/* No hope. */
	assert_int_equal(CALL(HTTP_GET, { .rc = -1, .hopeless = true }), -1);
	assert_int_equal(sent, 1);
	assert_string_equal(err_text(&error), "somewhere: no answer");
	assert_false(atomic_load(&server.lost));
	for (int beside = 0; beside < 2; beside++) {
		server.o.beside = beside == 1;
		assert_int_equal(CALL(HTTP_GET, { .rc = -1, .hopeless = true,
		    .untrusted = true }), -1);
		assert_int_equal(error.code, ERR_REMOTE);
		assert_non_null(strstr(err_text(&error), beside ?
		    "--bucket-ca-file" : "--s3-ca-file"));
	}
}

static void
test_sensible(void **state)
{
	static const struct attempt fine = GOOD;

	script = &fine;
	scripted = 1;
	for (int good = 0; good < 2; good++) {
		sensible_at_all = good == 1;
		sent = 0;
		memset(slept_ms, 0, sizeof(slept_ms));
		memset(&request, 0, sizeof(request));
		request.rq.text_max = S3_TEXT_MIN;
		request.sensible = is_sensible;
		err_init(&error);
		assert_int_equal(s3_call(&server, &request, &error), good - 1);
		if (!good)
			assert_non_null(strstr(err_text(&error),
			    "makes no sense"));
		assert_true(good ? sent == 1 : sent > 5);
		http_fini(&request.rq);
	}
}

#define WANTS	{ .status = 400, .code = "InvalidRequest",	\
	.message = "Content-MD5 is required" }

static void
test_digest(void **state)
{
	assert_int_equal(CALL(HTTP_PUT, WANTS, GOOD), 0);
	assert_int_equal(sent, 2);
	assert_true(atomic_load(&server.wants_md5));
	/* Once it has it, it can't want it. */
	assert_int_equal(CALL(HTTP_POST, WANTS), S3_REFUSED);
	assert_int_equal(sent, 2);
	atomic_store(&server.wants_md5, false);
	assert_int_equal(CALL(HTTP_GET, WANTS), S3_REFUSED);
	assert_int_equal(sent, 1);
	assert_int_equal(CALL(HTTP_PUT, { .status = 403, .code = "x",
	    .message = "Content-MD5 is wrong" }), S3_REFUSED);
	assert_int_equal(sent, 1);
	server.url.tls = true;
	assert_int_equal(CALL(HTTP_PUT, WANTS), S3_REFUSED);
	assert_int_equal(sent, 1);
	assert_false(atomic_load(&server.wants_md5));
}

#define ENDED	{ .status = 400, .code = "ExpiredToken" }

static void
test_session(void **state)
{
	assert_int_equal(CALL(HTTP_PUT, ENDED, GOOD), 0);
	assert_int_equal(sent, 2);
	assert_int_equal(renewed, 1);
	assert_int_equal(CALL(HTTP_GET, { .status = 403,
	    .code = "InvalidToken" }, GOOD), 0);
	assert_int_equal(renewed, 1);
	/* New ones that are no better, */
	assert_int_equal(CALL(HTTP_GET, ENDED), S3_REFUSED);
	assert_int_equal(sent, 2);
	assert_int_equal(renewed, 1);
	/* An answer to HEAD has no words. */
	assert_int_equal(CALL(HTTP_HEAD, { .status = 400 }, GOOD), 0);
	assert_int_equal(renewed, 1);
	assert_int_equal(CALL(HTTP_HEAD, { .status = 403 }), S3_REFUSED);
	assert_int_equal(renewed, 0);
	assert_int_equal(CALL(HTTP_GET, { .status = 400 }), S3_REFUSED);
	assert_int_equal(renewed, 0);
	/* no others at all, */
	renewal = 1;
	assert_int_equal(CALL(HTTP_GET, ENDED), S3_REFUSED);
	assert_int_equal(sent, 1);
	/* none at this time: as any outage. */
	renewal = -1;
	assert_int_equal(CALL(HTTP_GET, ENDED), -1);
	given_up(60000);
	assert_int_equal(renewed, sent);
	assert_non_null(strstr(err_text(&error), "the session has ended"));
	/* Nobody has signed. */
	renewal = 0;
	access_key = "";
	assert_int_equal(CALL(HTTP_GET, ENDED), S3_REFUSED);
	assert_int_equal(renewed, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pauses, begin),
		cmocka_unit_test_setup(test_limits, begin),
		cmocka_unit_test_setup(test_out, begin),
		cmocka_unit_test_setup(test_total, begin),
		cmocka_unit_test_setup(test_retry_after, begin),
		cmocka_unit_test_setup(test_hurry, begin),
		cmocka_unit_test_setup(test_refusals, begin),
		cmocka_unit_test_setup(test_sensible, begin),
		cmocka_unit_test_setup(test_digest, begin),
		cmocka_unit_test_setup(test_session, begin)
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
