/*
 * A call: one request after another until there is an answer that stands.
 *
 * Asked again are requests that got no answer, one that makes no sense, or one
 * that says that it will pass (SlowDown, 500, 503 ...); with pauses that double
 * and a random part, or as long as the server's Retry-After says.
 *
 * All attempts of a call share one limit (total_s), and one of how long the
 * server may be out, counted from its last sign of life in this call: that
 * long an outage is survived, as the last attempt begins when it is over, and
 * all that follow the first are cut to what is left of it.  The limit is
 *
 *	OUTAGE_MS	as a rule
 *	FAULTY_MS	where it answers 500 to who reads: it is this object
 *			rather than the server
 *	STRANGER_MS	before it has ever answered: a wrong name rather than
 *			an outage
 *	LOST_MS		after a call was given up, until one succeeds: else
 *			many in a row would each wait in vain as long as it did
 *
 * The wait for a free connection is not counted.
 */
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "engine/base/clock.h"
#include "engine/store/s3_int.h"

#define OUTAGE_MS	60000
#define FAULTY_MS	20000
#define STRANGER_MS	5000
#define LOST_MS		2000
#define LAST_STALL_S	15	/* so long without progress is too long for the
				 * last attempt, */
#define LOST_STALL_S	5	/* and so long when the server is lost */
#define SLOWEST_BYTES	4096	/* a second: of 16 packs at one time over a line
				 * of half a megabit each has as much */
#define DAY_S		86400
#define PAUSE_MS	200
#define PAUSE_MAX_MS	15000
#define STEP_MS		100
#define RETRY_AFTER_S	60	/* more is not waited for at one time */

static bool
is_hurried(const struct s3 *s)
{
	return (s->o.hurry != NULL && atomic_load(s->o.hurry));
}

/* In steps, so that whoever is in a hurry is not kept. */
static void
sleep_ms(const struct s3 *s, uint64_t ms)
{
	for (uint64_t step; ms > 0 && !is_hurried(s); ms -= step) {
		struct timespec t = { .tv_sec = 0 };

		step = ms < STEP_MS ? ms : STEP_MS;
		t.tv_nsec = (long)(step * 1000000);
		while (nanosleep(&t, &t) != 0 && errno == EINTR)
			;
	}
}

/* What the server asks for, as seconds or as a date; 0: nothing. */
static uint64_t
retry_after_s(const struct s3_call *c)
{
	char value[64];
	time_t at, now = time(NULL);
	uint64_t s = 0;

	if (c->rq.status == 0 || !http_header(&c->rq, "retry-after", value,
	    sizeof(value)))
		return (0);
	if (value[0] >= '0' && value[0] <= '9')
		s = strtoul(value, NULL, 10);
	else if ((at = curl_getdate(value, NULL)) > now)
		s = (uint64_t)(at - now);
	return (s < RETRY_AFTER_S ? s : RETRY_AFTER_S);
}

/* Half of it sure, half of it random: clients that were refused together do not
 * come back together. */
static uint64_t
pause_ms(unsigned tries)
{
	uint64_t ms = (uint64_t)PAUSE_MS << (tries < 8 ? tries - 1 : 7);
	uint16_t random = 0;

	if (ms > PAUSE_MAX_MS)
		ms = PAUSE_MAX_MS;
	if (getentropy(&random, sizeof(random)) != 0)
		random = UINT16_MAX / 2;
	return (ms / 2 + ms / 2 * random / UINT16_MAX);
}

/* A call's attempts so far. */
struct attempts {
	unsigned n;
	uint64_t spent_ms;		/* since the first began */
	uint64_t out_ms;		/* since the last sign of life */
	uint64_t began_out_ms;		/* that, when the last attempt began */
};

static uint64_t
outage_limit_ms(const struct s3 *s, const struct s3_call *c)
{
	if (atomic_load(&s->lost))
		return (LOST_MS);
	if (!atomic_load(&s->answered))
		return (STRANGER_MS);
	if (c->rq.status == 500 && (c->method == HTTP_GET ||
	    c->method == HTTP_HEAD))
		return (FAULTY_MS);
	return (OUTAGE_MS);
}

unsigned
s3_total_s(const struct s3 *s, const struct s3_call *c)
{
	uint64_t more = (c->body.len + c->rq.cap) / SLOWEST_BYTES;

	if (s->o.total_s != 0)
		return (s->o.total_s);
	return (S3_TOTAL_S + (unsigned)(more < DAY_S ? more : DAY_S));
}

static uint64_t
total_ms(const struct s3 *s, const struct s3_call *c)
{
	return ((uint64_t)s3_total_s(s, c) * 1000);
}

static unsigned
least(unsigned a, unsigned b)
{
	return (a < b ? a : b);
}

/* What the next attempt is given. */
static void
set_times(const struct s3 *s, struct s3_call *c, const struct attempts *a)
{
	unsigned most_s = UINT_MAX;

	if (atomic_load(&s->lost))
		most_s = LOST_STALL_S;
	else if (a->out_ms + LAST_STALL_S * 1000 >= OUTAGE_MS)
		most_s = LAST_STALL_S;
	else if (a->n > 0)
		most_s = (unsigned)((OUTAGE_MS - a->out_ms) / 1000);
	c->rq.stall_s = least(s->o.stall_s, most_s);
	c->rq.connect_ms = least(s->o.connect_s, most_s) * 1000;
	c->rq.total_s = (unsigned)((total_ms(s, c) - a->spent_ms +
	    999) / 1000);
}

/* One failed.  How long to wait before the next; false: that was the last. */
static bool
another(const struct s3 *s, const struct s3_call *c, struct attempts *a,
    uint64_t *pause)
{
	uint64_t limit = outage_limit_ms(s, c), asked, left;

	a->n++;
	a->spent_ms += c->rq.took_ms;
	a->out_ms += a->n == 1 ? c->rq.still_ms : c->rq.took_ms;
	if (a->began_out_ms >= limit)
		return (false);
	left = limit > a->out_ms ? limit - a->out_ms : 0;
	*pause = pause_ms(a->n);
	/* The last one when the outage may just be over. */
	if (*pause > left)
		*pause = left > PAUSE_MS ? left : PAUSE_MS;
	asked = retry_after_s(c) * 1000;
	if (*pause < asked)
		*pause = asked + *pause / 4;
	a->out_ms += *pause;
	a->began_out_ms = a->out_ms;
	a->spent_ms += *pause;
	return (a->spent_ms < total_ms(s, c));
}

/* Does the server say that the session's token has ended?  In an answer to HEAD
 * there is no room for why a request is a bad one. */
static bool
may_have_ended(const struct s3_call *c)
{
	return (s3_code_is(c, "ExpiredToken") ||
	    s3_code_is(c, "InvalidToken") || (c->method == HTTP_HEAD &&
	    c->rq.status == 400 && c->error.code[0] == '\0'));
}

/* Does it refuse a body that has no Content-MD5?  Now it will have one. */
static bool
wants_md5(struct s3 *s, const struct s3_call *c)
{
	if (s->url.tls || c->rq.status != 400 ||
	    (c->method != HTTP_PUT && c->method != HTTP_POST) ||
	    strstr(c->error.message, "Content-MD5") == NULL)
		return (false);
	atomic_store(&s->wants_md5, true);
	return (true);
}

/* As s3_creds_renew(); the time that it takes is the call's. */
static int
renew(struct s3 *s, struct s3_call *c, const char *access, struct err *e)
{
	uint64_t began_ms = clock_mono_ms();
	int rc = s3_creds_renew(s->creds, access, e);

	c->rq.took_ms += clock_mono_ms() - began_ms;
	if (rc < 0)
		return (err_wrap(e, "the session has ended: credentials"));
	if (rc == 0)
		(void)s3_refusal(s, c, e);
	return (rc);
}

/* What a call has been asked again for, with another request: once each. */
struct mended {
	bool keys, digest;
};
enum verdict { GOOD, REFUSED, AGAIN, HOPELESS };

/* What one attempt came to; for AGAIN and HOPELESS the error says why. */
static enum verdict
judge(struct s3 *s, struct s3_call *c, int rc, const char *access,
    struct mended *mended, struct err *e)
{
	if (rc != 0)
		return (c->rq.hopeless ? HOPELESS : AGAIN);
	atomic_store(&s->answered, true);
	if (!s3_error_load(c)) {
		if (c->sensible == NULL || c->sensible(c, e))
			return (GOOD);
		return (AGAIN);
	}
	if (s3_is_passing(c)) {
		(void)s3_refusal(s, c, e);
		return (AGAIN);
	}
	if (!mended->digest && wants_md5(s, c)) {
		mended->digest = true;
		(void)s3_refusal(s, c, e);
		return (AGAIN);
	}
	if (mended->keys || access[0] == '\0' || !may_have_ended(c))
		return (REFUSED);
	rc = renew(s, c, access, e);
	mended->keys = rc == 0;
	return (rc <= 0 ? AGAIN : REFUSED);
}

int
s3_call(struct s3 *s, struct s3_call *c, struct err *e)
{
	char access[S3_ACCESS_MAX];
	struct attempts a = { .n = 0 };
	struct err last = ERR_INIT;
	struct mended mended = { .keys = false };
	uint64_t pause;
	int rc;

	BUG_ON(c->rq.text_max < S3_TEXT_MIN);
	c->again = false;
	for (;;) {
		err_init(&last);
		set_times(s, c, &a);
		rc = s3_send(s, c, access, &last);
		if (c->rq.resent)
			c->again = true;
		switch (judge(s, c, rc, access, &mended, &last)) {
		case GOOD:
			atomic_store(&s->lost, false);
			return (0);
		case REFUSED:
			atomic_store(&s->lost, false);
			return (S3_REFUSED);
		case HOPELESS:
			*e = last;
			/* It is reached: to be there again is no cure. */
			if (c->rq.untrusted)
				return (err_set(e, ERR_REMOTE, "%s: %s; name "
				    "the file of who signed its certificate by "
				    "--%s-ca-file", s->url.host,
				    err_text(&last), s->o.beside ? "bucket" :
				    "s3"));
			return (err_wrap(e, "%s", s->url.host));
		case AGAIN:
			break;
		}
		if (!another(s, c, &a, &pause)) {
			atomic_store(&s->lost, true);
			*e = last;
			return (err_wrap(e, "%s: given up after %u attempts",
			    s->url.host, a.n));
		}
		c->again = true;
		sleep_ms(s, pause);
		if (is_hurried(s)) {
			*e = last;
			e->code = ERR_CANCELED;
			return (err_wrap(e, "interrupted: %s", s->url.host));
		}
	}
}
