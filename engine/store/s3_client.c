/*
 * A bucket and one signed request to it.
 *
 * The body is checked by the server: over TLS by Content-MD5, in the open by
 * its SHA-256 in the signature; by both where that server asks for the former,
 * as locked buckets do.
 */
#include "engine/store/s3_client.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/id.h"
#include "engine/crypto/hash.h"
#include "engine/store/s3_digest.h"
#include "engine/store/s3_int.h"

#define REGION_DEFAULT	"us-east-1"
#define UNSIGNED	"UNSIGNED-PAYLOAD"
#define EMPTY_SHA256	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c" \
			"a495991b7852b855"
#define MD5_TEXT	25

static const char *
method_name(enum http_method m)
{
	static const char *const name[] = {
		"GET", "HEAD", "PUT", "POST", "DELETE"
	};

	return (name[m]);
}

/* The region is an option's, else the environment's or profile's, else what the
 * endpoint's name says. */
static int
choose_region(struct s3 *s, const struct s3_options *o,
    const struct s3_profile *p, struct err *e)
{
	const char *region = o->region != NULL ? o->region : p->region;

	if (strlen(region) >= S3_REGION_MAX || strpbrk(region, " /\r\n"))
		return (err_set(e, ERR_USAGE, "\"%s\" is no region", region));
	if (*region != '\0')
		memcpy(s->region, region, strlen(region) + 1);
	else if (!s3_host_region(s->url.host, s->region))
		memcpy(s->region, REGION_DEFAULT, sizeof(REGION_DEFAULT));
	return (0);
}

static int
find_bucket(struct s3 *s, const char *location, const struct s3_options *o,
    const struct s3_profile *p, struct err *e)
{
	const char *region = o->region != NULL ? o->region : p->region;
	char endpoint[S3_HOST_MAX + 16];

	(void)snprintf(endpoint, sizeof(endpoint), "%s", p->endpoint);
	if (endpoint[0] == '\0' && s3_needs_endpoint(location))
		(void)snprintf(endpoint, sizeof(endpoint),
		    "https://s3.%s.amazonaws.com%s", *region != '\0' ?
		    region : REGION_DEFAULT, strncmp(region, "cn-", 3) == 0 ?
		    ".cn" : "");
	if (s3_url_parse(&s->url, location, endpoint, o->style, e) != 0)
		return (-1);
	return (choose_region(s, o, p, e));
}

static int
connect_to(struct s3 *s, struct err *e)
{
	struct http_options h = {
		.connections = s->o.connections,
		.connect_ms = s->o.connect_s * 1000,
		.stall_s = s->o.stall_s,
		.total_s = s->o.total_s != 0 ? s->o.total_s : S3_TOTAL_S,
		.up_limit = s->o.up_limit,
		.down_limit = s->o.down_limit,
		.ca_file = s->o.ca_file,
		.no_verify = s->o.no_verify,
		.hurry = s->o.hurry,
		.log = s->o.log,
		.peer = s->url.host
	};

	if (h.ca_file == NULL)
		h.ca_file = getenv("AWS_CA_BUNDLE");
	if (h.ca_file != NULL && *h.ca_file == '\0')
		h.ca_file = NULL;
	return (http_new(&s->http, &h, e));
}

static void
or_default(unsigned *v, unsigned normal)
{
	if (*v == 0)
		*v = normal;
}

int
s3_new(struct s3 **out, const char *location, const struct s3_options *o,
    struct err *e)
{
	static const struct s3_options none;
	struct s3_profile profile;
	struct s3_keys *keys;
	struct s3 *s = calloc(1, sizeof(*s));
	int rc = -1;

	if (s == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (o != NULL)
		s->o = *o;
	else
		o = &none;
	or_default(&s->o.connections, S3_CONNECTIONS);
	or_default(&s->o.connect_s, S3_CONNECT_S);
	or_default(&s->o.stall_s, S3_STALL_S);
	if ((keys = s3_keys_new(e)) == NULL)
		goto out;
	rc = s3_profile_load(&profile, keys, &o->who, o->anonymous, e);
	if (rc == 0)
		rc = find_bucket(s, location, o, &profile, e);
	if (rc == 0)
		rc = connect_to(s, e);
	if (rc == 0) {
		rc = s3_creds_new(&s->creds, s->http, keys, o->anonymous,
		    &profile, e);
		keys = NULL;
	}
out:
	s3_keys_free(keys);
	if (rc != 0)
		s3_free(s);
	else
		*out = s;
	return (rc);
}

void
s3_free(struct s3 *s)
{
	if (s == NULL)
		return;
	/* First the thread that could still use anything. */
	http_free(s->http);
	s3_creds_free(s->creds);
	free(s);
}

const struct s3_url *
s3_url(const struct s3 *s)
{
	return (&s->url);
}

unsigned
s3_connections(const struct s3 *s)
{
	return (s->o.connections);
}

void
s3_call_header(struct s3_call *c, const char *name, const char *value)
{
	BUG_ON(c->headers == S3_CALL_HEADERS);
	c->header[c->headers].name = name;
	c->header[c->headers++].value = value;
}

void
s3_call_fini(struct s3_call *c)
{
	http_fini(&c->rq);
}

enum s3_sum_kind
s3_sum_kind(const struct s3 *s)
{
	return (s->url.tls || s->o.anonymous ? S3_MD5 : S3_SHA256);
}

/* A request being made up. */
struct making {
	struct s3_header header[S3_CALL_HEADERS + 8];	/* sorted */
	size_t n;
	struct buf path, url, lines, auth;
	char date[S3_DATE_BYTES];
	char sha256[SHA256_TEXT];
	char md5[MD5_TEXT];
};

static void
making_fini(struct making *m)
{
	buf_fini(&m->path);
	buf_fini(&m->url);
	/* The session's token was in it. */
	buf_wipe(&m->lines);
	buf_fini(&m->auth);
}

static void
insert(struct making *m, const char *name, const char *value)
{
	size_t i = m->n++;

	for (; i > 0 && strcmp(m->header[i - 1].name, name) > 0; i--)
		m->header[i] = m->header[i - 1];
	m->header[i].name = name;
	m->header[i].value = value;
}

/* What the server is to check the body by. */
static int
sum_body(const struct s3 *s, const struct s3_call *c, struct s3_sum *sum,
    struct err *e)
{
	int rc;

	sum->kind = s3_sum_kind(s);
	if (c->sum != NULL && c->sum->kind == sum->kind) {
		*sum = *c->sum;
		return (0);
	}
	if (sum->kind == S3_MD5) {
		rc = s3_md5(&c->body, sum->bytes, e);
		if (rc <= 0)
			return (rc);
		sum->kind = S3_SHA256;
	}
	return (s3_sha256(&c->body, sum->bytes, e));
}

static void
insert_md5(struct making *m, const uint8_t sum[MD5_BYTES])
{
	(void)sodium_bin2base64(m->md5, sizeof(m->md5), sum, MD5_BYTES,
	    sodium_base64_VARIANT_ORIGINAL);
	insert(m, "content-md5", m->md5);
}

static int
check_body(const struct s3 *s, const struct s3_call *c, struct making *m,
    struct err *e)
{
	struct s3_sum sum;
	int rc;

	memcpy(m->sha256, s->url.tls ? UNSIGNED : EMPTY_SHA256,
	    s->url.tls ? sizeof(UNSIGNED) : SHA256_TEXT);
	if (c->method != HTTP_PUT && c->method != HTTP_POST)
		return (0);
	if (sum_body(s, c, &sum, e) != 0)
		return (-1);
	if (sum.kind == S3_MD5) {
		insert_md5(m, sum.bytes);
		return (0);
	}
	hex_emit(m->sha256, sum.bytes, sizeof(sum.bytes));
	if (!atomic_load(&s->wants_md5))
		return (0);
	rc = s3_md5(&c->body, sum.bytes, e);
	if (rc == 0)
		insert_md5(m, sum.bytes);
	return (rc < 0 ? -1 : 0);
}

static void
text(struct buf *b, const char *s)
{
	buf_bytes(b, s, strlen(s));
}

static void
make_url(const struct s3 *s, const struct s3_call *c, struct making *m)
{
	text(&m->path, s->url.base);
	text(&m->path, "/");
	if (c->key != NULL)
		s3_encode(&m->path, c->key, c->key_len, true);
	else if (s->url.base[0] != '\0')
		m->path.len--;
	text(&m->url, s->url.tls ? "https://" : "http://");
	text(&m->url, s->url.host);
	buf_bytes(&m->url, m->path.data, m->path.len);
	if (c->query != NULL) {
		text(&m->url, "?");
		text(&m->url, c->query);
	}
	buf_u8(&m->path, '\0');
	buf_u8(&m->url, '\0');
}

/* The headers as they are sent, each ended by NUL; libcurl adds Host. */
static void
make_lines(struct making *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->header[i].name, "host") == 0)
			continue;
		text(&m->lines, m->header[i].name);
		/* A name and a colon alone take a header away, for libcurl. */
		text(&m->lines, *m->header[i].value != '\0' ? ": " : ";");
		text(&m->lines, m->header[i].value);
		buf_u8(&m->lines, '\0');
	}
}

/* > 0: unsigned. */
static int
sign(struct s3 *s, struct s3_call *c, struct making *m,
    char access[S3_ACCESS_MAX], struct err *e)
{
	const struct s3_keys *keys;
	struct s3_signing g;
	int rc;

	access[0] = '\0';
	c->token = false;
	s3_date(m->date, time(NULL));
	rc = s3_creds_hold(s->creds, &keys, e);
	if (rc != 0)
		return (rc);
	insert(m, "x-amz-content-sha256", m->sha256);
	insert(m, "x-amz-date", m->date);
	c->token = keys->token[0] != '\0';
	if (c->token)
		insert(m, "x-amz-security-token", keys->token);
	g = (struct s3_signing){
		.method = method_name(c->method),
		.path = (const char *)m->path.data,
		.query = c->query != NULL ? c->query : "",
		.headers = m->header, .nheaders = m->n,
		.payload = m->sha256, .date = m->date,
		.region = s->region, .service = "s3",
		.access_key = keys->access, .secret_key = keys->secret
	};
	text(&m->auth, "Authorization: ");
	s3_sign(&m->auth, &g);
	buf_u8(&m->auth, '\0');
	memcpy(access, keys->access, S3_ACCESS_MAX);
	/* The token's value is the keys', so it is copied before they go. */
	make_lines(m);
	s3_creds_release(s->creds);
	return (0);
}

int
s3_send(struct s3 *s, struct s3_call *c, char access[S3_ACCESS_MAX],
    struct err *e)
{
	struct making m = { 0 };
	struct http_request *rq = &c->rq;
	int rc;

	for (size_t i = 0; i < c->headers; i++)
		insert(&m, c->header[i].name, c->header[i].value);
	insert(&m, "host", s->url.host);
	make_url(s, c, &m);
	rc = check_body(s, c, &m, e);
	if (rc == 0)
		rc = sign(s, c, &m, access, e);
	if (rc > 0) {
		make_lines(&m);
		rc = 0;
	}
	if (rc == 0 && (buf_ok(&m.path, e) != 0 || buf_ok(&m.url, e) != 0 ||
	    buf_ok(&m.lines, e) != 0 || buf_ok(&m.auth, e) != 0))
		rc = -1;
	if (rc == 0) {
		rq->method = c->method;
		rq->url = (const char *)m.url.data;
		rq->body = c->body;
		rq->headers = 0;
		for (size_t at = 0; at < m.lines.len;
		    at += strlen((char *)m.lines.data + at) + 1)
			rq->header[rq->headers++] =
			    (const char *)m.lines.data + at;
		if (m.auth.len > 0)
			rq->header[rq->headers++] =
			    (const char *)m.auth.data;
		rc = http_perform(s->http, rq, e);
	} else {
		rq->hopeless = true;
	}
	making_fini(&m);
	return (rc);
}
