/*
 * One thread with curl_multi.
 *
 *	http_perform --queue--> active (an easy handle in the multi) --done-->
 *	http_perform returns
 *
 *  1. A request belongs to the I/O thread from being queued until `done' is
 *     set under the lock; its caller only waits.  So whatever it points to
 *     outlives its use.
 *  2. Easy and multi handles are touched by the I/O thread alone (but for
 *     curl_multi_wakeup(), which is made for that).
 *  3. At most `connections' handles are in the multi, so that no time limit of
 *     libcurl's runs while a request waits for its turn.
 *  4. In a hurry (http_options) a transfer that stands still is taken out, and
 *     from then on (`dead') every other one as well; those that take leave are
 *     given a moment each, until that was in vain (`gone').
 *  5. A transfer that has used up the second's bytes is paused, and all are
 *     resumed when there are more: the limits are of all together.
 */
#include "engine/store/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/clock.h"
#include "engine/base/io.h"

#define CHUNK_MIN	((size_t)16 << 10)	/* libcurl has no less */
#define CHUNK_MAX	((size_t)512 << 10)
#define EXPECT_BYTES	((uint64_t)1 << 20)	/* ask first from here on */
#define LIMIT_TICK_MS	20
#define HURRY_TICK_MS	100

/* Bytes that may still go in one direction. */
struct bucket {
	uint64_t limit;			/* a second; 0: none */
	int64_t left;
	uint64_t filled_ms;
};

struct transfer {
	struct transfer *next;		/* in the queue; lock */
	struct http *http;
	struct http_request *rq;
	CURL *easy;
	struct curl_slist *headers;
	uint64_t sent;			/* where the body stands */
	bool begun;			/* some of the body was read */
	bool paused;
	uint64_t began_ms;
	uint64_t moved_ms;		/* when it made progress */
	bool overflow;			/* text or head has no room */
	char text[CURL_ERROR_SIZE];
	bool done;			/* lock */
	pthread_cond_t is_done;
	CURLcode code;
	struct err err;			/* ours, from a callback */
};

struct http {
	struct http_options o;		/* immutable */
	char *ca_file;			/* owned */
	size_t chunk;

	pthread_mutex_t lock;
	bool started;			/* lock */
	bool stop;			/* lock */
	struct transfer *queue;		/* lock */
	struct transfer *last;		/* of the queue, if it has any; lock */
	pthread_t thread;
	CURLM *multi;

	/* The I/O thread's own. */
	unsigned active;
	struct transfer *running[HTTP_CONNECTIONS_MAX];
	CURL *idle[HTTP_CONNECTIONS_MAX];
	unsigned nidle;
	struct bucket up, down;
	uint64_t hurry_ms;		/* since when; 0: no hurry */
	bool dead;			/* no answer came in the hurry */
	bool gone;			/* nor to what took leave */
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void
global_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		BUG("libcurl doesn't start");
}

static void
bucket_fill(struct bucket *b)
{
	uint64_t now = clock_mono_ms(), ms = now - b->filled_ms;

	if (b->limit == 0)
		return;
	if (ms > 1000)
		ms = 1000;
	b->left += (int64_t)(b->limit * ms / 1000);
	/* A fifth of a second's worth may come at once. */
	if (b->left > (int64_t)(b->limit / 5 + CHUNK_MIN))
		b->left = (int64_t)(b->limit / 5 + CHUNK_MIN);
	b->filled_ms = now;
}

/* May some bytes go now? */
static bool
bucket_open(const struct bucket *b)
{
	return (b->limit == 0 || b->left > 0);
}

static size_t
read_body(char *dst, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	const struct http_body *b = &t->rq->body;
	uint64_t left = b->len - t->sent;
	size_t got = size * n;

	if (!bucket_open(&t->http->up)) {
		t->paused = true;
		return (CURL_READFUNC_PAUSE);
	}
	if (got > left)
		got = (size_t)left;
	t->begun = true;
	t->moved_ms = clock_mono_ms();
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
	t->moved_ms = clock_mono_ms();
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
	if (!bucket_open(&t->http->down)) {
		t->paused = true;
		return (CURL_WRITEFUNC_PAUSE);
	}
	t->http->down.left -= (int64_t)n;
	t->moved_ms = clock_mono_ms();
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
	SET(CURLOPT_LOW_SPEED_TIME, (long)(rq->stall_s != 0 ? rq->stall_s :
	    o->stall_s));
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

static CURLcode
set_all(struct transfer *t)
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
	SET(CURLOPT_BUFFERSIZE, (long)t->http->chunk);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)t->http->chunk);
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

static void
finish(struct http *h, struct transfer *t, CURLcode code)
{
	uint64_t now = clock_mono_ms();
	long status = 0;

	if (t->easy != NULL) {
		(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE,
		    &status);
		/* The connection stays with the multi handle.  A handle whose
		 * transfer failed is done with: where the host's name was not
		 * found libcurl 7.88 keeps a buffer, and takes no options any
		 * more, after curl_easy_reset() either. */
		if (code == CURLE_OK) {
			curl_easy_reset(t->easy);
			h->idle[h->nidle++] = t->easy;
		} else {
			curl_easy_cleanup(t->easy);
		}
		t->easy = NULL;
	}
	curl_slist_free_all(t->headers);
	t->headers = NULL;
	t->rq->status = (int)status;
	t->rq->took_ms = now - t->began_ms;
	t->rq->still_ms = now - t->moved_ms;
	(void)pthread_mutex_lock(&h->lock);
	t->code = code;
	t->done = true;
	(void)pthread_cond_signal(&t->is_done);
	(void)pthread_mutex_unlock(&h->lock);
}

static void
begin(struct http *h, struct transfer *t)
{
	CURLcode code;

	t->began_ms = t->moved_ms = clock_mono_ms();
	if (t->rq->parting ? h->gone : h->dead) {
		(void)err_set(&t->err, ERR_CANCELED, "interrupted");
		finish(h, t, CURLE_ABORTED_BY_CALLBACK);
		return;
	}
	t->easy = h->nidle > 0 ? h->idle[--h->nidle] : curl_easy_init();
	code = t->easy == NULL ? CURLE_OUT_OF_MEMORY : set_all(t);
	if (code == CURLE_OK && curl_multi_add_handle(h->multi, t->easy) !=
	    CURLM_OK)
		code = CURLE_OUT_OF_MEMORY;
	if (code != CURLE_OK) {
		finish(h, t, code);
		return;
	}
	h->running[h->active++] = t;
}

static void
end(struct http *h, struct transfer *t, CURLcode code)
{
	unsigned i = 0;

	while (h->running[i] != t)
		i++;
	h->running[i] = h->running[--h->active];
	(void)curl_multi_remove_handle(h->multi, t->easy);
	finish(h, t, code);
}

/* Take what was queued, as far as there is room; true: stop. */
static bool
admit(struct http *h)
{
	struct transfer *t;
	bool stop;

	(void)pthread_mutex_lock(&h->lock);
	while (h->active < h->o.connections && (t = h->queue) != NULL) {
		h->queue = t->next;
		(void)pthread_mutex_unlock(&h->lock);
		begin(h, t);
		(void)pthread_mutex_lock(&h->lock);
	}
	stop = h->stop;
	(void)pthread_mutex_unlock(&h->lock);
	return (stop);
}

static void
reap(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
		char *t = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		end(h, (struct transfer *)(void *)t, code);
	}
}

/* In a hurry: is this to be taken out? */
static bool
is_stuck(const struct http *h, const struct transfer *t, uint64_t now)
{
	uint64_t since = t->moved_ms > h->hurry_ms ? t->moved_ms : h->hurry_ms;

	if (t->rq->parting)
		return (now - since >= HTTP_PARTING_MS);
	return (h->dead || (!t->paused && now - since >= HTTP_HURRY_MS));
}

/* In a hurry: take out what stands still. */
static void
hurry(struct http *h)
{
	uint64_t now;

	if (h->o.hurry == NULL || !atomic_load(h->o.hurry))
		return;
	now = clock_mono_ms();
	if (h->hurry_ms == 0)
		h->hurry_ms = now;
	for (unsigned i = h->active; i-- > 0;) {
		struct transfer *t = h->running[i];

		if (!is_stuck(h, t, now))
			continue;
		h->gone = h->gone || t->rq->parting;
		h->dead = true;
		(void)err_set(&t->err, ERR_CANCELED, "interrupted while the "
		    "server did not answer");
		end(h, t, CURLE_ABORTED_BY_CALLBACK);
	}
}

/* Let paused transfers go on; how long to wait at most for the next event. */
static int
resume(struct http *h)
{
	bool paused = false;

	bucket_fill(&h->up);
	bucket_fill(&h->down);
	for (unsigned i = 0; i < h->active; i++) {
		struct transfer *t = h->running[i];

		if (!t->paused)
			continue;
		paused = true;
		if (!bucket_open(&h->up) || !bucket_open(&h->down))
			continue;
		t->paused = false;
		(void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
	}
	return (paused ? LIMIT_TICK_MS : h->o.hurry != NULL && h->active > 0 ?
	    HURRY_TICK_MS : 1000);
}

static void *
io_thread(void *arg)
{
	struct http *h = arg;
	unsigned was;
	int running;

	while (!admit(h)) {
		int wait_ms = resume(h);

		was = h->active;
		(void)curl_multi_perform(h->multi, &running);
		reap(h);
		hurry(h);
		/* Room for what waits?  Then no pause. */
		if (h->active == was)
			(void)curl_multi_poll(h->multi, NULL, 0, wait_ms,
			    NULL);
	}
	return (NULL);
}

/* Under the lock. */
static int
start(struct http *h, struct err *e)
{
	sigset_t all, old;
	int ret;

	(void)pthread_once(&global_once, global_init);
	h->multi = curl_multi_init();
	if (h->multi == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	(void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS,
	    (long)h->o.connections);
	(void)curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
	    (long)h->o.connections);
	h->up.filled_ms = h->down.filled_ms = clock_mono_ms();
	/* Signals are other threads' business; SIGPIPE is nobody's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&h->thread, NULL, io_thread, h);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret != 0) {
		(void)curl_multi_cleanup(h->multi);
		h->multi = NULL;
		return (err_sys(e, ret, "starting the network's thread"));
	}
	h->started = true;
	return (0);
}

int
http_new(struct http **out, const struct http_options *o, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	h->o = *o;
	BUG_ON(o->connections < 1 || o->connections > HTTP_CONNECTIONS_MAX);
	if (o->ca_file != NULL && (h->ca_file = strdup(o->ca_file)) == NULL) {
		free(h);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	h->o.ca_file = h->ca_file;
	/* One buffer down and one up a connection. */
	h->chunk = HTTP_BUFFERS_BYTES / (2 * (size_t)o->connections);
	if (h->chunk > CHUNK_MAX)
		h->chunk = CHUNK_MAX;
	h->up.limit = o->up_limit;
	h->down.limit = o->down_limit;
	if (pthread_mutex_init(&h->lock, NULL) != 0)
		BUG("a plain mutex can't be made");
	*out = h;
	return (0);
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	if (h->started) {
		(void)pthread_mutex_lock(&h->lock);
		h->stop = true;
		(void)pthread_mutex_unlock(&h->lock);
		(void)curl_multi_wakeup(h->multi);
		(void)pthread_join(h->thread, NULL);
		for (unsigned i = 0; i < h->nidle; i++)
			curl_easy_cleanup(h->idle[i]);
		(void)curl_multi_cleanup(h->multi);
	}
	(void)pthread_mutex_destroy(&h->lock);
	free(h->ca_file);
	free(h);
}

/* What libcurl's answer means to us. */
static int
outcome(struct transfer *t, struct err *e)
{
	struct http_request *rq = t->rq;
	const char *text = t->text[0] != '\0' ? t->text :
	    curl_easy_strerror(t->code);

	if (t->code == CURLE_OK)
		return (0);
	/* Enough was read: that was our own stop. */
	if (t->code == CURLE_WRITE_ERROR && rq->too_long)
		return (0);
	if (t->err.code != ERR_NONE) {
		rq->hopeless = true;
		*e = t->err;
		return (-1);
	}
	switch (t->code) {
	case CURLE_OUT_OF_MEMORY:
		rq->hopeless = true;
		return (err_set(e, ERR_NOMEM, "out of memory"));
	case CURLE_WRITE_ERROR:
		if (t->overflow)
			return (err_set(e, ERR_NET, "the answer is longer "
			    "than it can be"));
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_URL_MALFORMAT:
		rq->hopeless = true;
		break;
	default:
		break;
	}
	return (err_set(e, ERR_NET, "%s", text));
}

/* Under the lock. */
static void
enqueue(struct http *h, struct transfer *t)
{
	if (h->queue == NULL)
		h->queue = t;
	else
		h->last->next = t;
	h->last = t;
}

int
http_perform(struct http *h, struct http_request *rq, struct err *e)
{
	struct transfer t = { .http = h, .rq = rq };
	int rc = 0;

	err_init(&t.err);
	rq->status = 0;
	rq->got = 0;
	rq->took_ms = rq->still_ms = 0;
	rq->too_long = rq->resent = rq->hopeless = false;
	buf_reset(&rq->head);
	buf_reset(&rq->text);
	(void)pthread_cond_init(&t.is_done, NULL);
	(void)pthread_mutex_lock(&h->lock);
	if (!h->started)
		rc = start(h, e);
	if (rc == 0) {
		enqueue(h, &t);
		(void)pthread_mutex_unlock(&h->lock);
		(void)curl_multi_wakeup(h->multi);
		(void)pthread_mutex_lock(&h->lock);
		while (!t.done)
			(void)pthread_cond_wait(&t.is_done, &h->lock);
	}
	(void)pthread_mutex_unlock(&h->lock);
	(void)pthread_cond_destroy(&t.is_done);
	return (rc == 0 ? outcome(&t, e) : rc);
}

void
http_fini(struct http_request *rq)
{
	buf_fini(&rq->head);
	buf_fini(&rq->text);
}

bool
http_header(const struct http_request *rq, const char *name, char *dst,
    size_t size)
{
	const char *p = (const char *)rq->head.data, *nl, *last;
	const char *end = p + rq->head.len;
	size_t len = strlen(name);

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			return (false);
		if ((size_t)(nl - p) <= len || p[len] != ':' ||
		    strncasecmp(p, name, len) != 0)
			continue;
		for (p += len + 1; p < nl && isspace((unsigned char)*p); p++)
			;
		for (last = nl; last > p && isspace((unsigned char)last[-1]);
		    last--)
			;
		if ((size_t)(last - p) >= size)
			return (false);
		memcpy(dst, p, (size_t)(last - p));
		dst[last - p] = '\0';
		return (true);
	}
	return (false);
}
