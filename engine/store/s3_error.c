/*
 * What a server's refusal means.
 *
 * A message has the server's own code, its text and the request's id (which its
 * operators ask for), and where there is something to be done, that.
 */
#include <curl/curl.h>
#include <string.h>
#include <time.h>

#include "engine/store/s3_int.h"

#define TOKEN	"the session token (AWS_SESSION_TOKEN, the profile's or the " \
		"role's)"

struct code {
	const char *code;
	enum err_code err;
	const char *advice;		/* NULL: none */
};

/* Those that need the call's own values have their words in advise(). */
static const struct code codes[] = {
	{ "SignatureDoesNotMatch", ERR_REMOTE, "the secret access key does not "
	    "belong to the access key: check AWS_SECRET_ACCESS_KEY or the "
	    "profile" },
	{ "InvalidAccessKeyId", ERR_REMOTE, "the server doesn't know this "
	    "access key: check AWS_ACCESS_KEY_ID, AWS_PROFILE and the "
	    "endpoint" },
	{ "NoSuchBucket", ERR_NOREPO, "make the bucket first, or correct its "
	    "name or the endpoint" },
	{ "AccessDenied", ERR_REMOTE, "these credentials are wrong here, or "
	    "the policy does not allow it: see vitrine-s3(5), POLICY" },
	{ "AllAccessDisabled", ERR_REMOTE, "the provider has closed this "
	    "account or bucket" },
	{ "ExpiredToken", ERR_REMOTE, TOKEN " has ended: get new "
	    "credentials" },
	{ "InvalidToken", ERR_REMOTE, TOKEN " is not accepted: get new "
	    "credentials, or leave it out with keys that need none" },
	{ "InvalidObjectState", ERR_REMOTE, "the object lies in an archive "
	    "class: have it brought back first" },
	{ "QuotaExceeded", ERR_FULL, NULL },
	{ "EntityTooLarge", ERR_REMOTE, NULL },
	{ "InvalidStorageClass", ERR_REMOTE, "this store doesn't have the class"
	    " that --s3-class names" },
	{ "NotImplemented", ERR_REMOTE, NULL },
};

static const char *const passing[] = {
	"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout",
	"Throttling", "ThrottlingException", "TooManyRequests", "BadDigest",
	"OperationAborted", "ConditionalRequestConflict", "IncompleteBody",
	"XAmzContentSHA256Mismatch", "ServerBusy", "503 SlowDown"
};

bool
s3_code_is(const struct s3_call *c, const char *code)
{
	return (strcmp(c->error.code, code) == 0);
}

bool
s3_error_load(struct s3_call *c)
{
	const struct http_request *rq = &c->rq;
	bool good = rq->status >= 200 && rq->status < 300;

	memset(&c->error, 0, sizeof(c->error));
	/* A 200 may be followed by an error: it was promised before the work
	 * was done. */
	if (rq->text.len == 0 || s3_error_parse(&c->error, rq->text.data,
	    rq->text.len) != 0) {
		memset(&c->error, 0, sizeof(c->error));
		if (good)
			return (false);
	}
	if (c->error.request_id[0] == '\0')
		(void)http_header(rq, "x-amz-request-id",
		    c->error.request_id, sizeof(c->error.request_id));
	if (c->error.region[0] == '\0')
		(void)http_header(rq, "x-amz-bucket-region", c->error.region,
		    sizeof(c->error.region));
	return (true);
}

bool
s3_is_passing(const struct s3_call *c)
{
	int status = c->rq.status;

	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (s3_code_is(c, passing[i]))
			return (true);
	return (status == 408 || status == 425 || status == 429 ||
	    status == 500 || status == 502 || status == 503 || status == 504);
}

/* "17 minutes behind"; false when the server told no time. */
static bool
clock_off(const struct s3_call *c, char *dst, size_t size)
{
	char value[64];
	time_t server;
	long long off;

	if (!http_header(&c->rq, "date", value, sizeof(value)))
		return (false);
	server = curl_getdate(value, NULL);
	if (server == (time_t)-1)
		return (false);
	off = (long long)time(NULL) - (long long)server;
	(void)snprintf(dst, size, "%lld %s %s", (off < 0 ? -off : off) >= 120 ?
	    (off < 0 ? -off : off) / 60 : (off < 0 ? -off : off),
	    (off < 0 ? -off : off) >= 120 ? "minutes" : "seconds",
	    off < 0 ? "behind" : "ahead of");
	return (true);
}

/* Where the bucket is, as far as the server tells. */
static void
advise_place(const struct s3 *s, const struct s3_call *c, char *dst,
    size_t size)
{
	const char *option = s->o.beside ? "--bucket-region" : "--s3-region";
	const struct s3_error *x = &c->error;

	if (x->region[0] != '\0' && strcmp(x->region, s->region) != 0)
		(void)snprintf(dst, size, "the bucket is in the region "
		    "%.30s, not %.30s: give %s %.30s and its endpoint",
		    x->region, s->region, option, x->region);
	else if (x->endpoint[0] != '\0')
		(void)snprintf(dst, size, "the bucket is at %.80s: give that "
		    "as the endpoint", x->endpoint);
	else
		(void)snprintf(dst, size, "the bucket is elsewhere: "
		    "check the endpoint and %s (now %.40s)", option,
		    s->region);
}

/* The storage class that the request named; NULL: none. */
static const char *
class_named(const struct s3_call *c)
{
	for (size_t i = 0; i < c->headers; i++)
		if (strcmp(c->header[i].name, "x-amz-storage-class") == 0)
			return (c->header[i].value);
	return (NULL);
}

static void
advise(const struct s3 *s, const struct s3_call *c, const char *known,
    char *dst, size_t size)
{
	const char *class = class_named(c);
	char off[64];

	dst[0] = '\0';
	if (s3_code_is(c, "RequestTimeTooSkewed")) {
		if (!clock_off(c, off, sizeof(off)))
			(void)snprintf(off, sizeof(off), "not with");
		(void)snprintf(dst, size, "this machine's clock is %s the "
		    "server's: set it (timedatectl set-ntp true)", off);
	} else if (s3_code_is(c, "AuthorizationHeaderMalformed") ||
	    s3_code_is(c, "PermanentRedirect") ||
	    s3_code_is(c, "IllegalLocationConstraintException") ||
	    s3_code_is(c, "TemporaryRedirect") ||
	    c->rq.status == 301 || c->rq.status == 307) {
		advise_place(s, c, dst, size);
	} else if (s->o.anonymous && c->rq.status == 403) {
		(void)snprintf(dst, size, "not everybody may do this, and "
		    "--%s-anonymous sends no credentials", s->o.beside ?
		    "bucket" : "s3");
	} else if (class != NULL && s3_code_is(c, "InvalidArgument")) {
		/* radosgw's code for that, and for other things. */
		(void)snprintf(dst, size, "the request named the storage class "
		    "%.40s (--s3-class): does this store have it?", class);
	} else if (c->token && s3_code_is(c, "AccessDenied")) {
		/* radosgw's code for a token that is none. */
		(void)snprintf(dst, size, "these credentials or " TOKEN
		    " are wrong here, or the policy does not allow it: see "
		    "vitrine-s3(5), POLICY");
	} else if (known != NULL) {
		(void)snprintf(dst, size, "%s", known);
	}
}

static const char *
plain_words(int status)
{
	switch (status) {
	case 401:
	case 403:
		return ("AccessDenied");
	case 404:
		return ("not found");
	case 405:
		return ("MethodNotAllowed");
	default:
		return ("no reason given");
	}
}

int
s3_refusal(const struct s3 *s, const struct s3_call *c, struct err *e)
{
	const struct s3_error *x = &c->error;
	enum err_code code = ERR_REMOTE;
	const char *name = x->code, *known = NULL;
	char advice[200];

	if (*name == '\0')
		name = plain_words(c->rq.status);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].code, name) == 0) {
			code = codes[i].err;
			known = codes[i].advice;
		}
	advise(s, c, known, advice, sizeof(advice));
	return (err_set(e, code, "%s%s%.100s (status %d%s%.60s)%s%s", name,
	    x->message[0] != '\0' ? ": " : "", x->message, c->rq.status,
	    x->request_id[0] != '\0' ? ", request " : "", x->request_id,
	    advice[0] != '\0' ? "; " : "", advice));
}
