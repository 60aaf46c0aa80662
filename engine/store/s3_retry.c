/*
 * A call: one request after another until there is an answer that stands.
 *
 * Asked again are requests that got no answer, one that makes no sense, or one
 * that says that it will pass (SlowDown, 500, 503 ...); with pauses that double
 * and a random part, or as long as the server's Retry-After says.  Before the
 * server has ever answered fewer attempts are made: then it is a wrong name
 * rather than an outage.  So it is after a call that was given up, until one
 * succeeds: else many calls in a row would each wait in vain as long as it did.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "engine/store/s3_int.h"

#define TRIES		10
#define TRIES_FIRST	4
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
pause_ms(const struct s3_call *c, unsigned tries)
{
	uint64_t ms = (uint64_t)PAUSE_MS << (tries - 1);
	uint16_t random = 0;
	uint64_t s = retry_after_s(c);

	if (ms > PAUSE_MAX_MS)
		ms = PAUSE_MAX_MS;
	if (getentropy(&random, sizeof(random)) != 0)
		random = UINT16_MAX / 2;
	ms = ms / 2 + ms / 2 * random / UINT16_MAX;
	if (ms < s * 1000)
		ms = s * 1000 + ms / 4;
	return (ms);
}

enum verdict { GOOD, REFUSED, AGAIN, HOPELESS };

/* What one attempt came to; for AGAIN and HOPELESS the error says why. */
static enum verdict
judge(struct s3 *s, struct s3_call *c, int rc, const char *access,
    bool *renewed, struct err *e)
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
	if (!*renewed && access[0] != '\0' && (s3_code_is(c, "ExpiredToken") ||
	    s3_code_is(c, "InvalidToken"))) {
		*renewed = true;
		(void)s3_refusal(s, c, e);
		if (s3_creds_renew(s->creds, access, e) == 0)
			return (AGAIN);
	}
	return (REFUSED);
}

int
s3_call(struct s3 *s, struct s3_call *c, struct err *e)
{
	char access[S3_ACCESS_MAX];
	struct err last = ERR_INIT;
	bool renewed = false;
	int rc;

	BUG_ON(c->rq.text_max < S3_TEXT_MIN);
	c->again = false;
	for (unsigned tries = 1;; tries++) {
		err_init(&last);
		rc = s3_send(s, c, access, &last);
		if (c->rq.resent)
			c->again = true;
		switch (judge(s, c, rc, access, &renewed, &last)) {
		case GOOD:
			atomic_store(&s->lost, false);
			return (0);
		case REFUSED:
			atomic_store(&s->lost, false);
			return (S3_REFUSED);
		case HOPELESS:
			*e = last;
			return (err_wrap(e, "%s", s->url.host));
		case AGAIN:
			break;
		}
		if (tries >= (atomic_load(&s->answered) &&
		    !atomic_load(&s->lost) ? TRIES : TRIES_FIRST)) {
			atomic_store(&s->lost, true);
			*e = last;
			return (err_wrap(e, "%s: given up after %u attempts",
			    s->url.host, tries));
		}
		c->again = true;
		sleep_ms(s, pause_ms(c, tries));
		if (is_hurried(s)) {
			*e = last;
			e->code = ERR_CANCELED;
			return (err_wrap(e, "interrupted: %s", s->url.host));
		}
	}
}
