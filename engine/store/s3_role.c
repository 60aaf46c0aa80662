/*
 * Keys from a container's or an instance's role.
 *
 * Their services speak plain HTTP on a link-local address and answer in JSON.
 * That is read by sqlite's JSON functions over an empty database in memory: the
 * library is linked anyway, and a parser of our own would be one more that
 * reads hostile bytes.  This is the one file of the engine that sees sqlite.
 */
#include "engine/store/s3_role.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/io.h"

#define JSON_MAX	((size_t)64 << 10)
#define URL_MAX		1024
#define TOKEN_MAX	4096
#define CONTAINER_HOST	"http://169.254.170.2"
#define INSTANCE_HOST	"http://169.254.169.254"
#define ROLE_PATH	"/latest/meta-data/iam/security-credentials/"
/* A metadata service is next door; elsewhere nobody answers. */
#define CONNECT_MS	1000
#define TOTAL_S		5
/* It is small, and shared: one that is busy or just restarted is asked again,
 * one that isn't there once more, in case the network is just coming up. */
#define TRIES		4
#define TRIES_NOBODY	2
#define PAUSE_MS	100	/* doubled each time */
#define TRY_WITHIN_MS	6000

static int
take(sqlite3_stmt *q, int column, char *dst, size_t size, const char *what,
    bool needed, struct err *e)
{
	const void *text = sqlite3_column_text(q, column);
	size_t len = (size_t)sqlite3_column_bytes(q, column);

	if (text == NULL && !needed)
		return (0);
	if (text == NULL || (needed && len == 0))
		return (err_set(e, ERR_REMOTE, "the role's answer has no %s",
		    what));
	if (len >= size || memchr(text, '\0', len) != NULL)
		return (err_set(e, ERR_REMOTE, "the role's %s is too long",
		    what));
	memcpy(dst, text, len);
	dst[len] = '\0';
	return (0);
}

static int
take_all(sqlite3_stmt *q, struct s3_keys *k, struct err *e)
{
	char when[40] = "";
	struct tm tm = { 0 };

	if (take(q, 0, k->access, sizeof(k->access), "AccessKeyId", true,
	    e) != 0 ||
	    take(q, 1, k->secret, sizeof(k->secret), "SecretAccessKey", true,
	    e) != 0 ||
	    take(q, 2, k->token, sizeof(k->token), "Token", false, e) != 0 ||
	    take(q, 3, when, sizeof(when), "Expiration", false, e) != 0)
		return (-1);
	k->expires = 0;
	if (when[0] == '\0')
		return (0);
	if (strptime(when, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return (err_set(e, ERR_REMOTE, "the role's Expiration is no "
		    "time"));
	k->expires = timegm(&tm);
	return (0);
}

int
s3_role_parse(struct s3_keys *k, const char *json, size_t len, struct err *e)
{
	static const char sql[] = "SELECT json_extract(?1, '$.AccessKeyId'), "
	    "json_extract(?1, '$.SecretAccessKey'), "
	    "json_extract(?1, '$.Token'), json_extract(?1, '$.Expiration') "
	    "WHERE json_valid(?1)";
	sqlite3 *db = NULL;
	sqlite3_stmt *q = NULL;
	int rc;

	if (len > JSON_MAX)
		return (err_set(e, ERR_REMOTE, "the role's answer is too "
		    "long"));
	if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK ||
	    sqlite3_bind_text(q, 1, json, (int)len, SQLITE_STATIC) !=
	    SQLITE_OK)
		rc = err_set(e, ERR_NOMEM, "sqlite's JSON: %s",
		    db == NULL ? "out of memory" : sqlite3_errmsg(db));
	else if (sqlite3_step(q) != SQLITE_ROW)
		rc = err_set(e, ERR_REMOTE, "the role's answer is no JSON");
	else
		rc = take_all(q, k, e);
	(void)sqlite3_finalize(q);
	(void)sqlite3_close(db);
	return (rc);
}

static void
ask(struct http_request *rq, enum http_method method, const char *url,
    const char *header)
{
	rq->method = method;
	rq->url = url;
	rq->headers = 0;
	if (header != NULL)
		rq->header[rq->headers++] = header;
	rq->body.bytes = "";
	rq->direct = true;
	rq->connect_ms = CONNECT_MS;
	rq->total_s = TOTAL_S;
	rq->text_max = JSON_MAX;
}

static bool
is_busy(const struct http_request *rq)
{
	return (rq->status >= 500 || rq->status == 429);
}

/* Perform it, until there is an answer that stands. */
static int
get(struct http *h, struct http_request *rq, struct err *e)
{
	uint64_t began_ms = clock_mono_ms();
	struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	unsigned tries = 0;
	int rc;

	for (;;) {
		err_init(e);
		rc = http_perform(h, rq, e);
		if ((rc == 0 && !is_busy(rq)) || rq->hopeless ||
		    ++tries == (rq->connected ? TRIES : TRIES_NOBODY) ||
		    clock_mono_ms() - began_ms >= TRY_WITHIN_MS)
			return (rc);
		(void)nanosleep(&pause, NULL);
		pause.tv_nsec *= 2;
	}
}

static int
refused(const struct http_request *rq, const char *url, struct err *e)
{
	return (err_set(e, ERR_REMOTE, "%s answers with status %d", url,
	    rq->status));
}

/* The container's authorisation, from a file or the variable itself. */
static int
container_header(struct buf *b, struct err *e)
{
	const char *path = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	int fd, rc = 0;

	buf_bytes(b, "Authorization: ", 15);
	if (path != NULL && *path != '\0') {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return (err_sys(e, errno, "%s", path));
		rc = io_slurp(fd, b, TOKEN_MAX, e);
		(void)close(fd);
		while (b->len > 0 && (b->data[b->len - 1] == '\n' ||
		    b->data[b->len - 1] == '\r'))
			b->len--;
	} else if (token != NULL && *token != '\0') {
		buf_bytes(b, token, strlen(token));
	} else {
		buf_reset(b);
		return (buf_ok(b, e));
	}
	buf_u8(b, '\0');
	return (rc == 0 ? buf_ok(b, e) : rc);
}

static int
from_container(struct http *h, struct http_request *rq, struct s3_keys *k,
    struct err *e)
{
	const char *part = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct buf header = BUF_INIT;
	char url[URL_MAX];
	int rc;

	if (part != NULL && *part != '\0')
		(void)snprintf(url, sizeof(url), CONTAINER_HOST "%s", part);
	else if (full != NULL && *full != '\0')
		(void)snprintf(url, sizeof(url), "%s", full);
	else
		return (1);
	rc = container_header(&header, e);
	if (rc == 0) {
		ask(rq, HTTP_GET, url, header.len > 0 ?
		    (const char *)header.data : NULL);
		rc = get(h, rq, e);
	}
	if (rc == 0 && rq->status != 200)
		rc = refused(rq, url, e);
	if (rc == 0)
		rc = s3_role_parse(k, (const char *)rq->text.data,
		    rq->text.len, e);
	buf_wipe(&header);
	return (rc < 0 ? err_wrap(e, "the container's role") : 0);
}

/* A line of text that goes into a URL or a header. */
static int
one_line(struct http_request *rq, char *dst, size_t size, struct err *e)
{
	const char *p = (const char *)rq->text.data;
	size_t n = 0;

	while (n < rq->text.len && p[n] > ' ' && p[n] < 127)
		n++;
	if (n == 0 || n >= size)
		return (err_set(e, ERR_REMOTE, "the instance's metadata are "
		    "not to be understood"));
	memcpy(dst, p, n);
	dst[n] = '\0';
	return (0);
}

/* Version 2: a session's token first.  > 0 where there is no such service. */
static int
instance_token(struct http *h, struct http_request *rq, const char *host,
    char header[TOKEN_MAX], struct err *e)
{
	static const char name[] = "X-aws-ec2-metadata-token: ";
	struct err why = ERR_INIT;
	char url[URL_MAX];

	(void)snprintf(url, sizeof(url), "%s/latest/api/token", host);
	ask(rq, HTTP_PUT, url, "X-aws-ec2-metadata-token-ttl-seconds: 300");
	if (get(h, rq, &why) != 0) {
		if (!rq->connected && why.code == ERR_NET)
			return (1);
		*e = why;
		return (-1);
	}
	if (is_busy(rq))
		return (refused(rq, url, e));
	if (rq->status != 200)
		return (1);
	memcpy(header, name, sizeof(name));
	return (one_line(rq, header + sizeof(name) - 1,
	    TOKEN_MAX - sizeof(name) + 1, e));
}

static int
from_instance(struct http *h, struct http_request *rq, struct s3_keys *k,
    struct err *e)
{
	const char *host = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *off = getenv("AWS_EC2_METADATA_DISABLED");
	char url[URL_MAX], role[256], header[TOKEN_MAX], base[URL_MAX / 2];
	size_t len;
	int rc;

	if (off != NULL && strcasecmp(off, "true") == 0)
		return (1);
	if (host == NULL || *host == '\0')
		host = INSTANCE_HOST;
	len = strlen(host);
	while (len > 0 && host[len - 1] == '/')
		len--;
	(void)snprintf(base, sizeof(base), "%.*s", (int)len, host);
	rc = instance_token(h, rq, base, header, e);
	if (rc != 0)
		return (rc);
	(void)snprintf(url, sizeof(url), "%s" ROLE_PATH, base);
	ask(rq, HTTP_GET, url, header);
	if (get(h, rq, e) != 0)
		return (-1);
	if (rq->status == 404)
		return (1);	/* an instance without a role */
	if (rq->status != 200)
		return (refused(rq, url, e));
	if (one_line(rq, role, sizeof(role), e) != 0)
		return (-1);
	(void)snprintf(url, sizeof(url), "%s" ROLE_PATH "%s", base, role);
	if (get(h, rq, e) != 0)
		return (-1);
	if (rq->status != 200)
		return (refused(rq, url, e));
	return (s3_role_parse(k, (const char *)rq->text.data, rq->text.len,
	    e));
}

int
s3_role_load(struct http *h, struct s3_keys *k, struct err *e)
{
	struct http_request rq = { 0 };
	int rc;

	rc = from_container(h, &rq, k, e);
	if (rc > 0) {
		rc = from_instance(h, &rq, k, e);
		if (rc < 0)
			(void)err_wrap(e, "no keys are set, and the instance's "
			    "role");
	}
	buf_wipe(&rq.text);
	http_fini(&rq);
	return (rc);
}
