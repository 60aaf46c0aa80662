/*
 * Objects put into a bucket, from what a snapshot has of files.
 *
 * Nothing is overwritten unasked: a key is looked at first, and where nothing
 * was, the server is asked to make it only if that is still so (what a server
 * that can't do refuses, and then it is put without).  That saves the look with
 * a server that was seen to do it: the first small object that is made is put a
 * second time, which it must refuse.  Some don't, and replace it with the same.
 */
#include <sodium.h>
#include <string.h>

#include "engine/base/id.h"
#include "engine/store/s3_digest.h"
#include "tools/job/bucket_meta.h"
#include "tools/job/bucket_place.h"
#include "tools/job/restore_bucket_int.h"

#define HEADERS_MAX	(S3_CALL_HEADERS - 8)
#define HEADER_NAME_MAX	280
#define PROBE_MAX	((uint64_t)256 << 10)

/* Of a value: what a header can hold. */
static bool
is_line(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] < ' ' || p[i] == 127)
			return (false);
	return (true);
}

static int
take_attribute(void *ctx, const char *name, const void *value, size_t len,
    struct err *e)
{
	struct put_target *t = ctx;
	char header[HEADER_NAME_MAX];

	if (strcmp(name, BUCKET_ETAG) == 0) {
		t->is_object = true;
		(void)snprintf(t->etag, sizeof(t->etag), "%.*s", (int)(len <
		    sizeof(t->etag) ? len : sizeof(t->etag) - 1),
		    (const char *)value);
		return (0);
	}
	if (!bucket_meta_header(name, header, sizeof(header)))
		return (0);
	if (!is_line(value, len) || t->headers == HEADERS_MAX) {
		t->unsent = "an attribute that can't be a header";
		return (0);
	}
	buf_bytes(&t->text, header, strlen(header) + 1);
	buf_bytes(&t->text, value, len);
	buf_u8(&t->text, '\0');
	t->headers++;
	return (buf_ok(&t->text, e));
}

/* Below the target's prefix, the key that ends in its slash: no key by
 * itself, but one there. */
static bool
is_prefix_itself(const char *path, size_t len)
{
	static const char empty[] = "%0", both[] = "%0/" PLACE_SELF;

	return ((len == sizeof(empty) - 1 && memcmp(path, empty, len) == 0) ||
	    (len == sizeof(both) - 1 && memcmp(path, both, len) == 0));
}

int
put_target_make(struct put_target *t, struct restore *rs, const char *path,
    size_t len, const struct entry *en, struct err *e)
{
	const char *prefix = s3_url(rs->env->bucket)->prefix;
	bool marker = en->kind == ENTRY_DIR;
	int rc = 0;

	memset(t, 0, sizeof(*t));
	if (en->xattrs != 0 && catalog_xattrs(rs->catalog, en->xattrs,
	    take_attribute, t, e) < 0)
		return (-1);
	buf_bytes(&t->key, prefix, strlen(prefix));
	if (t->is_object && !marker && *prefix != '\0' &&
	    is_prefix_itself(path, len))
		rc = 0;
	else if (t->is_object)
		rc = key_of_place(&t->key, path, len, marker, e);
	else
		buf_bytes(&t->key, path, len);
	if (rc < 0 || buf_ok(&t->key, e) < 0)
		return (-1);
	if (rc > 0)
		(void)err_set(e, ERR_LIMIT, "its name stands for no key%s",
		    strcmp(path, PLACE_SELF) == 0 ? " here, as it is the "
		    "directory's that is restored" : "");
	else if (t->key.len > S3_KEY_MAX)
		rc = err_set(e, ERR_LIMIT, "its key would have more than %d "
		    "bytes", S3_KEY_MAX);
	return (rc != 0 ? PUT_FAILED : 0);
}

void
put_target_fini(struct put_target *t)
{
	buf_fini(&t->key);
	buf_fini(&t->text);
}

static struct s3_call
call_for(const struct put_target *t, enum http_method method)
{
	return ((struct s3_call){
		.method = method, .key = (const char *)t->key.data,
		.key_len = t->key.len, .rq = { .text_max = S3_TEXT_MIN }
	});
}

static void
add_headers(struct s3_call *c, const struct put_target *t)
{
	const char *p = (const char *)t->text.data;

	for (size_t i = 0; i < t->headers; i++) {
		const char *value = p + strlen(p) + 1;

		s3_call_header(c, p, value);
		p = value + strlen(value) + 1;
	}
}

/* A refusal of one object; what all would meet ends the run. */
static int
refused(struct restore *rs, const struct s3_call *c, struct err *e)
{
	(void)s3_refusal(rs->env->bucket, c, e);
	if (e->code == ERR_NOREPO) {
		e->code = ERR_REMOTE;
		return (-1);
	}
	return (s3_code_is(c, "InvalidAccessKeyId") ||
	    s3_code_is(c, "SignatureDoesNotMatch") ||
	    s3_code_is(c, "RequestTimeTooSkewed") ||
	    s3_code_is(c, "QuotaExceeded") ? -1 : PUT_FAILED);
}

static int
result_of(struct restore *rs, const struct s3_call *c, int rc, struct err *e)
{
	return (rc == S3_REFUSED ? refused(rs, c, e) : rc);
}

static enum put_how
decide(const struct restore *rs, const struct put_target *t,
    const struct entry *en, const struct s3_call *c)
{
	char etag[S3_TEXT_MAX];
	uint64_t size;

	switch (rs->env->overwrite) {
	case OVERWRITE_REFUSE:
		return (PUT_REFUSE);
	case OVERWRITE_NEVER:
		return (PUT_KEEP);
	case OVERWRITE_NEWER:
		return (en->mtime.s > s3_last_modified(c) ? PUT_REPLACE :
		    PUT_KEEP);
	case OVERWRITE_CHANGED:
		s3_etag(c, etag);
		return (s3_content_length(c, &size) && size == en->size &&
		    etag[0] != '\0' && strcmp(etag, t->etag) == 0 ? PUT_KEEP :
		    PUT_REPLACE);
	default:
		return (PUT_REPLACE);
	}
}

int
put_look(struct restore *rs, const struct put_target *t,
    const struct entry *en, enum put_how *how, struct err *e)
{
	struct s3_call c = call_for(t, HTTP_HEAD);
	int rc = s3_call(rs->env->bucket, &c, e);

	*how = PUT_MAKE;
	if (rc == 0)
		*how = decide(rs, t, en, &c);
	/* That the bucket isn't there either is said when it is put. */
	else if (rc == S3_REFUSED && c.rq.status == 404)
		rc = 0;
	else
		rc = result_of(rs, &c, rc, e);
	s3_call_fini(&c);
	return (rc);
}

/* Is what is there now what an earlier attempt of ours made? */
static bool
is_ours(struct restore *rs, const struct put_target *t,
    const struct http_body *body)
{
	struct s3_call c = call_for(t, HTTP_HEAD);
	char etag[S3_TEXT_MAX], hex[2 * MD5_BYTES + 1];
	struct err ignored = ERR_INIT;
	uint8_t sum[MD5_BYTES];
	uint64_t size;
	bool ours = false;

	if (s3_md5(body, sum, &ignored) == 0 &&
	    s3_call(rs->env->bucket, &c, &ignored) == 0) {
		hex_emit(hex, sum, sizeof(sum));
		s3_etag(&c, etag);
		ours = s3_content_length(&c, &size) && size == body->len &&
		    strcmp(etag, hex) == 0;
	}
	s3_call_fini(&c);
	return (ours);
}

bool
put_is_safe(const struct restore *rs, const struct entry *en,
    enum put_how *how)
{
	*how = PUT_MAKE;
	if (rs->env->dry_run)
		return (false);
	if (rs->env->overwrite == OVERWRITE_ALWAYS) {
		*how = PUT_REPLACE;
		return (true);
	}
	/* That libcurl sent it again by itself shows by its body, if it has
	 * one: without, a refusal could be of our own. */
	return (rs->env->overwrite == OVERWRITE_REFUSE && en->size > 0 &&
	    atomic_load(&rs->put_rule) == RULE_CREATES);
}

/* One request; the call is the caller's to end. */
static int
send_put(struct restore *rs, const struct put_target *t, bool only,
    const struct http_body *body, struct s3_call *c, struct err *e)
{
	*c = call_for(t, HTTP_PUT);
	c->body = *body;
	if (only)
		s3_call_header(c, "if-none-match", "*");
	add_headers(c, t);
	return (s3_call(rs->env->bucket, c, e));
}

/* It was made; would the server make it a second time?  Asked once. */
static void
probe(struct restore *rs, const struct put_target *t,
    const struct http_body *body)
{
	unsigned rule = RULE_UNKNOWN;
	struct err ignored = ERR_INIT;
	struct s3_call c;
	int rc;

	if (body->len > PROBE_MAX || rs->env->overwrite != OVERWRITE_REFUSE ||
	    !atomic_compare_exchange_strong(&rs->put_rule, &rule, RULE_ASKED))
		return;
	rc = send_put(rs, t, true, body, &c, &ignored);
	if (rc == 0)
		atomic_store(&rs->put_rule, RULE_REPLACES);
	else if (rc == S3_REFUSED && c.rq.status == 412)
		atomic_store(&rs->put_rule, RULE_CREATES);
	s3_call_fini(&c);
}

int
put_whole(struct restore *rs, const struct put_target *t, bool looked,
    enum put_how *how, const void *bytes, size_t len, struct err *e)
{
	struct http_body body = { .bytes = len > 0 ? bytes : "", .len = len };
	bool only = *how == PUT_MAKE;
	struct s3_call c;
	int rc;

	rc = send_put(rs, t, only, &body, &c, e);
	if (only && looked && rc == S3_REFUSED && (c.rq.status == 501 ||
	    s3_code_is(&c, "NotImplemented"))) {
		only = false;
		s3_call_fini(&c);
		rc = send_put(rs, t, false, &body, &c, e);
	}
	if (rc == S3_REFUSED && only && c.rq.status == 412) {
		if ((c.again || len == 0) && is_ours(rs, t, &body)) {
			rc = 0;
		} else if (!looked) {
			*how = PUT_REFUSE;
			rc = 0;
		} else {
			(void)err_set(e, ERR_EXISTS, "an object of this key "
			    "has come meanwhile");
			rc = PUT_FAILED;
		}
	} else {
		if (rc == 0 && only && looked)
			probe(rs, t, &body);
		rc = result_of(rs, &c, rc, e);
	}
	s3_call_fini(&c);
	return (rc);
}

static bool
is_begun(struct s3_call *c, struct err *e)
{
	if (s3_upload_parse(c->ctx, c->rq.text.data, c->rq.text.len) == 0)
		return (true);
	(void)err_set(e, ERR_REMOTE, "no upload was begun");
	return (false);
}

int
put_begin_parts(struct restore *rs, const struct put_target *t, struct buf *id,
    struct err *e)
{
	struct s3_call c = call_for(t, HTTP_POST);
	int rc;

	c.query = "uploads=";
	c.body.bytes = "";
	c.sensible = is_begun;
	c.ctx = id;
	add_headers(&c, t);
	rc = result_of(rs, &c, s3_call(rs->env->bucket, &c, e), e);
	s3_call_fini(&c);
	return (rc);
}

/* "partNumber=N&uploadId=ID" or, of number 0, without the former. */
static int
upload_query(struct buf *q, const struct buf *id, unsigned number,
    struct err *e)
{
	char text[32];

	if (number > 0) {
		(void)snprintf(text, sizeof(text), "partNumber=%u&", number);
		buf_bytes(q, text, strlen(text));
	}
	buf_bytes(q, "uploadId=", 9);
	s3_encode(q, id->data, id->len - 1, false);
	buf_u8(q, '\0');
	return (buf_ok(q, e));
}

static bool
is_tagged(struct s3_call *c, struct err *e)
{
	s3_etag(c, c->ctx);
	if (*(const char *)c->ctx != '\0')
		return (true);
	(void)err_set(e, ERR_REMOTE, "a part without a tag");
	return (false);
}

int
put_part(struct restore *rs, const struct put_target *t, const struct buf *id,
    unsigned number, const void *bytes, size_t len, char *tag, struct err *e)
{
	struct s3_call c = call_for(t, HTTP_PUT);
	struct buf query = BUF_INIT;
	int rc = upload_query(&query, id, number, e);

	c.query = (const char *)query.data;
	c.body.bytes = bytes;
	c.body.len = len;
	c.sensible = is_tagged;
	c.ctx = tag;
	if (rc == 0)
		rc = result_of(rs, &c, s3_call(rs->env->bucket, &c, e), e);
	s3_call_fini(&c);
	buf_fini(&query);
	return (rc);
}

int
put_abort_parts(struct restore *rs, const struct put_target *t,
    const struct buf *id, struct err *e)
{
	struct s3_call c = call_for(t, HTTP_DELETE);
	struct buf query = BUF_INIT;
	int rc = upload_query(&query, id, 0, e);

	c.query = (const char *)query.data;
	c.rq.parting = true;
	if (rc == 0)
		rc = s3_call(rs->env->bucket, &c, e);
	/* An earlier attempt may have done it. */
	if (rc == S3_REFUSED && s3_code_is(&c, "NoSuchUpload"))
		rc = 0;
	else if (rc == S3_REFUSED)
		rc = s3_refusal(rs->env->bucket, &c, e);
	s3_call_fini(&c);
	buf_fini(&query);
	return (rc);
}

static void
text(struct buf *b, const char *s)
{
	buf_bytes(b, s, strlen(s));
}

static void
list_parts(struct buf *b, const char *tags, unsigned parts)
{
	char number[16];

	text(b, "<CompleteMultipartUpload>");
	for (unsigned i = 0; i < parts; i++) {
		(void)snprintf(number, sizeof(number), "%u", i + 1);
		text(b, "<Part><PartNumber>");
		text(b, number);
		text(b, "</PartNumber><ETag>&quot;");
		for (const char *p = tags + (size_t)i * S3_TEXT_MAX; *p != '\0';
		    p++)
			if (strchr("<>&\"", *p) == NULL)
				buf_u8(b, (uint8_t)*p);
		text(b, "&quot;</ETag></Part>");
	}
	text(b, "</CompleteMultipartUpload>");
}

/* An answer that is neither this nor an error came from somebody else. */
static bool
is_complete(struct s3_call *c, struct err *e)
{
	static const char sign[] = "CompleteMultipartUploadResult";

	if (c->rq.text.len > 0 && memmem(c->rq.text.data, c->rq.text.len, sign,
	    sizeof(sign) - 1) != NULL)
		return (true);
	(void)err_set(e, ERR_REMOTE, "the upload's end was not confirmed");
	return (false);
}

/* The tag that an object of these parts has, where a tag is an MD5: that of its
 * parts' in a row, and their number.  false: it can't be told. */
static bool
whole_tag(const char *tags, unsigned parts, char dst[S3_TEXT_MAX])
{
	char hex[2 * MD5_BYTES + 1];
	uint8_t sum[MD5_BYTES];
	struct err ignored = ERR_INIT;
	struct buf b = BUF_INIT;
	bool known = true;
	size_t n;

	for (unsigned i = 0; known && i < parts; i++) {
		const char *tag = tags + (size_t)i * S3_TEXT_MAX;

		known = strlen(tag) == 2 * MD5_BYTES && sodium_hex2bin(sum,
		    sizeof(sum), tag, 2 * MD5_BYTES, NULL, &n, NULL) == 0 &&
		    n == sizeof(sum);
		buf_bytes(&b, sum, sizeof(sum));
	}
	known = known && buf_ok(&b, &ignored) == 0 &&
	    s3_md5(&(struct http_body){ .bytes = b.data, .len = b.len }, sum,
	    &ignored) == 0;
	buf_fini(&b);
	if (known)
		(void)snprintf(dst, S3_TEXT_MAX, "%s-%u", hex_emit(hex, sum,
		    sizeof(sum)), parts);
	return (known);
}

/*
 * Is the object there?  By its tag; where that can't be told, by its size and
 * the number of its parts, if the upload has `gone': what was there before may
 * have as many.
 */
static bool
is_put(struct restore *rs, const struct put_target *t, const char *tags,
    unsigned parts, uint64_t size, bool gone)
{
	struct s3_call c = call_for(t, HTTP_HEAD);
	char etag[S3_TEXT_MAX], want[S3_TEXT_MAX], end[16];
	struct err ignored = ERR_INIT;
	uint64_t now;
	size_t n, m;
	bool put = false;

	(void)snprintf(end, sizeof(end), "-%u", parts);
	if (s3_call(rs->env->bucket, &c, &ignored) == 0 &&
	    s3_content_length(&c, &now) && now == size) {
		s3_etag(&c, etag);
		n = strlen(etag);
		m = strlen(end);
		put = (whole_tag(tags, parts, want) &&
		    strcmp(etag, want) == 0) || (gone && n > m &&
		    strcmp(etag + n - m, end) == 0);
	}
	s3_call_fini(&c);
	return (put);
}

int
put_end_parts(struct restore *rs, const struct put_target *t,
    const struct buf *id, const char *tags, unsigned parts, uint64_t size,
    struct err *e)
{
	struct s3_call c = call_for(t, HTTP_POST);
	struct buf query = BUF_INIT, body = BUF_INIT;
	int rc = upload_query(&query, id, 0, e);

	list_parts(&body, tags, parts);
	if (rc == 0)
		rc = buf_ok(&body, e);
	c.query = (const char *)query.data;
	c.body.bytes = body.data;
	c.body.len = body.len;
	c.sensible = is_complete;
	if (rc == 0)
		rc = s3_call(rs->env->bucket, &c, e);
	/* An earlier attempt may have done it, and its answer was lost. */
	if (rc != 0 && c.again && is_put(rs, t, tags, parts, size,
	    rc == S3_REFUSED && s3_code_is(&c, "NoSuchUpload")))
		rc = 0;
	else
		rc = result_of(rs, &c, rc, e);
	s3_call_fini(&c);
	buf_fini(&query);
	buf_fini(&body);
	return (rc);
}
