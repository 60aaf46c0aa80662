/*
 * Errors and listings, as S3 servers send them.
 *
 * A listing is read element by element: the path of open elements is kept by
 * name, the text of a leaf is gathered, and at its end goes where its path
 * says.
 */
#include "engine/store/s3_xml.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/store/s3_url.h"

#define DEPTH_MAX	8
#define NAME_MAX_BYTES	32
#define LEAF_MAX	((size_t)16 << 10)	/* a key, thrice as long */

struct reading {
	XML_Parser x;
	unsigned depth;
	char name[DEPTH_MAX][NAME_MAX_BYTES];
	struct buf text;		/* of the leaf that is open */
	bool bad;			/* stopped: this can't be */

	const char *root;		/* the element that all is in */
	struct s3_error *error;		/* this is an <Error> */
	struct buf *upload;		/* this is an upload's beginning */

	struct s3_page *page;		/* this is a listing */
	s3_object_fn *fn;
	void *ctx;
	struct err *e;
	int rc;				/* from fn, or our own */
	bool encoded;			/* keys are percent-encoded */
	bool told;			/* <IsTruncated> was there */
	bool has_key, has_size;
	struct s3_object object;
	struct buf key, etag, class;
};

static void
stop(struct reading *r)
{
	r->bad = true;
	(void)XML_StopParser(r->x, XML_FALSE);
}

static void
fail(struct reading *r, const char *what)
{
	if (r->rc == 0)
		r->rc = err_set(r->e, ERR_REMOTE, "the listing %s", what);
	stop(r);
}

static bool
path_is(const struct reading *r, unsigned depth, const char *parent,
    const char *name)
{
	return (r->depth == depth &&
	    strcmp(r->name[depth - 1], name) == 0 &&
	    (depth < 2 || strcmp(r->name[depth - 2], parent) == 0));
}

static void XMLCALL
on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
	struct reading *r = ctx;
	const char *local = strrchr(name, ':');

	if (r->depth == DEPTH_MAX) {
		stop(r);
		return;
	}
	(void)snprintf(r->name[r->depth], NAME_MAX_BYTES, "%s",
	    local != NULL ? local + 1 : name);
	r->depth++;
	buf_reset(&r->text);
	if (r->depth == 1 && strcmp(r->name[0], r->root) != 0)
		stop(r);
	if (r->page != NULL && path_is(r, 2, "ListBucketResult", "Contents")) {
		memset(&r->object, 0, sizeof(r->object));
		buf_reset(&r->key);
		buf_reset(&r->etag);
		buf_reset(&r->class);
		r->has_key = r->has_size = false;
	}
}

static void XMLCALL
on_text(void *ctx, const XML_Char *s, int len)
{
	struct reading *r = ctx;

	if ((size_t)len > LEAF_MAX - r->text.len) {
		stop(r);
		return;
	}
	buf_bytes(&r->text, s, (size_t)len);
}

static void XMLCALL
on_doctype(void *ctx, const XML_Char *name, const XML_Char *sysid,
    const XML_Char *pubid, int internal)
{
	/* Entities could make little text grow large. */
	stop(ctx);
}

static void
copy(char *dst, size_t size, const struct reading *r)
{
	size_t n = r->text.len < size - 1 ? r->text.len : size - 1;

	if (n > 0)
		memcpy(dst, r->text.data, n);
	dst[n] = '\0';
	/* One line of a message. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)dst[i] < ' ' || dst[i] == 127)
			dst[i] = ' ';
}

static void
end_of_error(struct reading *r)
{
	struct s3_error *x = r->error;

	if (path_is(r, 2, "Error", "Code"))
		copy(x->code, sizeof(x->code), r);
	else if (path_is(r, 2, "Error", "Message"))
		copy(x->message, sizeof(x->message), r);
	else if (path_is(r, 2, "Error", "RequestId"))
		copy(x->request_id, sizeof(x->request_id), r);
	else if (path_is(r, 2, "Error", "Region"))
		copy(x->region, sizeof(x->region), r);
	else if (path_is(r, 2, "Error", "ServerTime"))
		copy(x->server_time, sizeof(x->server_time), r);
	else if (path_is(r, 2, "Error", "Endpoint"))
		copy(x->endpoint, sizeof(x->endpoint), r);
}

static void
keep(struct reading *r, struct buf *to)
{
	buf_reset(to);
	buf_bytes(to, r->text.data, r->text.len);
	buf_u8(to, '\0');
}

static bool
text_is(const struct reading *r, const char *s)
{
	return (r->text.len == strlen(s) &&
	    memcmp(r->text.data, s, r->text.len) == 0);
}

static bool
number(const struct reading *r, uint64_t *out)
{
	uint64_t v = 0;

	if (r->text.len == 0 || r->text.len > 18)
		return (false);
	for (size_t i = 0; i < r->text.len; i++) {
		if (r->text.data[i] < '0' || r->text.data[i] > '9')
			return (false);
		v = v * 10 + (uint64_t)(r->text.data[i] - '0');
	}
	*out = v;
	return (true);
}

/* "2026-11-22T20:15:03.123Z"; left at 0 when it is none: for people only. */
static void
moment(const struct reading *r, struct s3_object *o)
{
	char s[40];
	const char *p;
	struct tm tm = { 0 };
	uint32_t unit = 100000000;

	copy(s, sizeof(s), r);
	p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (p == NULL)
		return;
	o->mtime_s = timegm(&tm);
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9' && unit > 0; p++, unit /= 10)
			o->mtime_ns += (uint32_t)(*p - '0') * unit;
}

static void
end_of_object(struct reading *r)
{
	struct s3_object *o = &r->object;

	if (!r->has_key) {
		fail(r, "has an object without key");
		return;
	}
	if (buf_ok(&r->key, r->e) != 0 || buf_ok(&r->etag, r->e) != 0 ||
	    buf_ok(&r->class, r->e) != 0) {
		r->rc = -1;
		stop(r);
		return;
	}
	o->key = (const char *)r->key.data;
	o->key_len = r->key.len - 1;
	if (r->encoded && s3_decode((char *)r->key.data, &o->key_len) != 0) {
		fail(r, "has a key that is not what it says it is");
		return;
	}
	/* Servers over file systems tell no size of a directory's marker. */
	if (!r->has_size &&
	    (o->key_len == 0 || o->key[o->key_len - 1] != '/')) {
		fail(r, "has an object without size");
		return;
	}
	o->etag = r->etag.len > 0 ? (const char *)r->etag.data : "";
	o->storage_class = r->class.len > 0 ? (const char *)r->class.data : "";
	r->rc = r->fn(r->ctx, o, r->e);
	if (r->rc != 0)
		stop(r);
}

/* '"etag"' */
static void
keep_etag(struct reading *r)
{
	const uint8_t *p = r->text.data;
	size_t n = r->text.len;

	if (n >= 2 && p[0] == '"' && p[n - 1] == '"') {
		p++;
		n -= 2;
	}
	buf_reset(&r->etag);
	buf_bytes(&r->etag, p, n);
	buf_u8(&r->etag, '\0');
}

static void
end_in_object(struct reading *r)
{
	const char *name = r->name[2];

	if (strcmp(name, "Key") == 0) {
		keep(r, &r->key);
		r->has_key = true;
	} else if (strcmp(name, "Size") == 0) {
		r->has_size = number(r, &r->object.size_bytes);
	} else if (strcmp(name, "LastModified") == 0) {
		moment(r, &r->object);
	} else if (strcmp(name, "ETag") == 0) {
		keep_etag(r);
	} else if (strcmp(name, "StorageClass") == 0) {
		keep(r, &r->class);
	}
}

static void
end_of_listing(struct reading *r)
{
	if (r->depth == 3 && strcmp(r->name[1], "Contents") == 0) {
		end_in_object(r);
	} else if (path_is(r, 2, "ListBucketResult", "Contents")) {
		end_of_object(r);
	} else if (path_is(r, 2, "ListBucketResult", "IsTruncated")) {
		r->told = true;
		r->page->truncated = text_is(r, "true");
	} else if (path_is(r, 2, "ListBucketResult", "EncodingType")) {
		r->encoded = text_is(r, "url");
	} else if (path_is(r, 2, "ListBucketResult",
	    "NextContinuationToken")) {
		keep(r, &r->page->token);
	}
}

static void XMLCALL
on_end(void *ctx, const XML_Char *name)
{
	struct reading *r = ctx;

	if (r->bad)
		return;
	if (r->error != NULL)
		end_of_error(r);
	else if (r->upload != NULL && path_is(r, 2, r->root, "UploadId"))
		keep(r, r->upload);
	else if (r->page != NULL)
		end_of_listing(r);
	r->depth--;
	buf_reset(&r->text);
}

/* 0, or -1 when the parser stopped or the XML is none. */
static int
parse(struct reading *r, const void *bytes, size_t len)
{
	enum XML_Status st;

	if (len > INT32_MAX || (r->x = XML_ParserCreate(NULL)) == NULL)
		return (-1);
	XML_SetUserData(r->x, r);
	XML_SetElementHandler(r->x, on_start, on_end);
	XML_SetCharacterDataHandler(r->x, on_text);
	XML_SetStartDoctypeDeclHandler(r->x, on_doctype);
	st = XML_Parse(r->x, bytes, (int)len, XML_TRUE);
	XML_ParserFree(r->x);
	return (st == XML_STATUS_OK && !r->bad ? 0 : -1);
}

int
s3_error_parse(struct s3_error *out, const void *bytes, size_t len)
{
	struct reading r = { .root = "Error", .error = out };
	int rc;

	memset(out, 0, sizeof(*out));
	rc = parse(&r, bytes, len);
	buf_fini(&r.text);
	return (rc == 0 && out->code[0] != '\0' ? 0 : 1);
}

int
s3_upload_parse(struct buf *id, const void *bytes, size_t len)
{
	struct reading r = {
		.root = "InitiateMultipartUploadResult", .upload = id
	};
	int rc;

	buf_reset(id);
	rc = parse(&r, bytes, len);
	buf_fini(&r.text);
	return (rc == 0 && !id->failed && id->len > 1 ? 0 : 1);
}

/* Does the listing say up front that its keys are encoded?  Radosgw says so
 * behind them. */
static bool
says_encoded(const void *bytes, size_t len)
{
	static const char sign[] = "<EncodingType>url</EncodingType>";

	return (memmem(bytes, len, sign, sizeof(sign) - 1) != NULL);
}

int
s3_page_parse(struct s3_page *page, const void *bytes, size_t len,
    s3_object_fn *fn, void *ctx, struct err *e)
{
	struct reading r = {
		.root = "ListBucketResult", .page = page, .fn = fn,
		.ctx = ctx, .e = e,
		.encoded = says_encoded(bytes, len)
	};
	int rc;

	page->truncated = false;
	buf_reset(&page->token);
	rc = parse(&r, bytes, len);
	if (r.rc != 0)
		rc = r.rc;
	else if (rc != 0)
		rc = err_set(e, ERR_REMOTE, "the listing is not to be "
		    "understood");
	else if (!r.told)
		rc = err_set(e, ERR_REMOTE, "the listing doesn't say whether "
		    "it is whole");
	else if (page->truncated && page->token.len <= 1)
		rc = err_set(e, ERR_REMOTE, "the listing says that there is "
		    "more, and not where");
	else
		rc = buf_ok(&page->token, e);
	buf_fini(&r.text);
	buf_fini(&r.key);
	buf_fini(&r.etag);
	buf_fini(&r.class);
	return (rc);
}

void
s3_page_fini(struct s3_page *page)
{
	buf_fini(&page->token);
}
