/*
 * One transfer as libcurl's handle: its options, and what flows through it.
 * All of this runs on the I/O thread (http.c).
 */
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/store/http_impl.h"

#define EXPECT_BYTES	((uint64_t)1 << 20)	/* ask first from here on */

bool
http_bucket_open(const struct http_bucket *b)
{
	return (b->limit == 0 || b->left > 0);
}

unsigned
http_bucket_round_s(const struct http_bucket *b, unsigned connections)
{
	return (b->limit == 0 ? 0 :
	    (unsigned)(connections * b->burst / b->limit) + 1);
}

/* What one turn takes: with a limit so little that all come by in time. */
static long
chunk(const struct http *h, const struct http_bucket *b)
{
	return ((long)(b->limit == 0 || h->chunk < b->burst ? h->chunk :
	    b->burst));
}

/* It makes progress.  How far away the server is shows by how long that took,
 * a connection's making included. */
static void
moved(struct transfer *t)
{
	uint64_t now = clock_mono_ms();

	if (!t->rq->direct && t->http->hurry_ms == 0 &&
	    now - t->moved_ms > t->http->slowest_ms)
		t->http->slowest_ms = now - t->moved_ms;
	t->moved_ms = now;
}

static size_t
read_body(char *dst, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	const struct http_body *b = &t->rq->body;
	uint64_t left = b->len - t->sent;
	size_t got = size * n;

	if (!http_bucket_open(&t->http->up)) {
		t->paused = ++t->http->pauses;
		return (CURL_READFUNC_PAUSE);
	}
	if (got > left)
		got = (size_t)left;
	t->begun = true;
	moved(t);
	if (b->bytes != NULL)
		memcpy(dst, (const uint8_t *)b->bytes + t->sent, got);
	else if (io_pread_all(b->fd, dst, got, t->sent, &t->err) != 0)
		return (CURL_READFUNC_ABORT);
	t->sent += got;
	t->http->up.left -= (int64_t)got;
	return (got);
}

static int
seek_body(void *ctx, curl_off_t off, int origin)
{
	struct transfer *t = ctx;

	if (origin != SEEK_SET || off < 0 ||
	    (uint64_t)off > t->rq->body.len)
		return (CURL_SEEKFUNC_FAIL);
	if (t->begun)
		t->rq->resent = true;
	t->sent = (uint64_t)off;
	return (CURL_SEEKFUNC_OK);
}

static bool
append(struct transfer *t, struct buf *b, const void *src, size_t n,
    size_t max)
{
	if (n > max - b->len) {
		t->overflow = true;
		return (false);
	}
	buf_bytes(b, src, n);
	return (buf_ok(b, &t->err) == 0);
}

static size_t
take_head(char *src, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	struct http_request *rq = t->rq;

	n *= size;
	moved(t);
	/* A new status line (after "100 Continue") begins the head anew. */
	if (n > 5 && memcmp(src, "HTTP/", 5) == 0)
		buf_reset(&rq->head);
	return (append(t, &rq->head, src, n, HTTP_HEAD_MAX) ? n : 0);
}

static size_t
take_body(char *src, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	struct http_request *rq = t->rq;
	long status = 0;
	size_t take;

	n *= size;
	if (!http_bucket_open(&t->http->down)) {
		t->paused = ++t->http->pauses;
		return (CURL_WRITEFUNC_PAUSE);
	}
	t->http->down.left -= (int64_t)n;
	moved(t);
	if (rq->dst != NULL)
		(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE,
		    &status);
	if (status != 200 && status != 206)
		return (append(t, &rq->text, src, n, rq->text_max) ? n : 0);
	take = n < rq->cap - rq->got ? n : rq->cap - rq->got;
	memcpy((uint8_t *)rq->dst + rq->got, src, take);
	rq->got += take;
	if (take == n)
		return (n);
	rq->too_long = true;
	return (0);
}

/* Every option that is set here is of libcurl 7.80 or older and can't be
 * refused but for want of memory. */
#define SET(opt, value)	do { \
	CURLcode set_ = curl_easy_setopt(t->easy, (opt), (value)); \
	if (set_ != CURLE_OK) \
		return (set_); \
} while (0)

static CURLcode
set_tls(struct transfer *t)
{
	const struct http *h = t->http;

	if (h->ca_file != NULL)
		SET(CURLOPT_CAINFO, h->ca_file);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (h->o.no_verify) {
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return (CURLE_OK);
}

static CURLcode
set_body(struct transfer *t)
{
	const struct http_request *rq = t->rq;

	SET(CURLOPT_READFUNCTION, read_body);
	SET(CURLOPT_READDATA, t);
	SET(CURLOPT_SEEKFUNCTION, seek_body);
	SET(CURLOPT_SEEKDATA, t);
	if (rq->method == HTTP_PUT) {
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)rq->body.len);
	} else {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body.len);
	}
	return (CURLE_OK);
}

static CURLcode
set_method(struct transfer *t)
{
	switch (t->rq->method) {
	case HTTP_GET:
		SET(CURLOPT_HTTPGET, 1L);
		break;
	case HTTP_HEAD:
		SET(CURLOPT_NOBODY, 1L);
		break;
	case HTTP_PUT:
	case HTTP_POST:
		return (set_body(t));
	case HTTP_DELETE:
		SET(CURLOPT_CUSTOMREQUEST, "DELETE");
		break;
	}
	return (CURLE_OK);
}

static CURLcode
set_times(struct transfer *t)
{
	const struct http_options *o = &t->http->o;
	const struct http_request *rq = t->rq;

	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(rq->connect_ms != 0 ?
	    rq->connect_ms : o->connect_ms));
	SET(CURLOPT_TIMEOUT, (long)(rq->total_s != 0 ? rq->total_s :
	    o->total_s));
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	/* To libcurl who waits for a turn to send stands still. */
	SET(CURLOPT_LOW_SPEED_TIME, (long)(rq->stall_s != 0 ? rq->stall_s :
	    o->stall_s) + (long)http_bucket_round_s(&t->http->up,
	    o->connections));
	return (CURLE_OK);
}

static CURLcode
set_headers(struct transfer *t)
{
	const struct http_request *rq = t->rq;
	struct curl_slist *l;

	for (size_t i = 0; i < rq->headers; i++) {
		l = curl_slist_append(t->headers, rq->header[i]);
		if (l == NULL)
			return (CURLE_OUT_OF_MEMORY);
		t->headers = l;
	}
	/* A small body is sent without asking first, and none has a type that
	 * libcurl makes up. */
	if (rq->body.len < EXPECT_BYTES) {
		l = curl_slist_append(t->headers, "Expect:");
		if (l == NULL)
			return (CURLE_OUT_OF_MEMORY);
		t->headers = l;
	}
	if (rq->method == HTTP_POST) {
		l = curl_slist_append(t->headers, "Content-Type:");
		if (l == NULL)
			return (CURLE_OUT_OF_MEMORY);
		t->headers = l;
	}
	SET(CURLOPT_HTTPHEADER, t->headers);
	return (CURLE_OK);
}

CURLcode
http_handle_set(struct transfer *t)
{
	const struct http_request *rq = t->rq;
	CURLcode c;

	SET(CURLOPT_ERRORBUFFER, t->text);
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_URL, rq->url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	/* Streams that share a connection are slower than connections. */
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_BUFFERSIZE, chunk(t->http, &t->http->down));
	SET(CURLOPT_UPLOAD_BUFFERSIZE, chunk(t->http, &t->http->up));
	SET(CURLOPT_HEADERFUNCTION, take_head);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_USERAGENT, "vitrine/" VITRINE_VERSION);
	if (rq->direct)
		SET(CURLOPT_NOPROXY, "*");
	if ((c = set_method(t)) != CURLE_OK ||
	    (c = set_times(t)) != CURLE_OK ||
	    (c = set_tls(t)) != CURLE_OK)
		return (c);
	return (set_headers(t));
}
