/*
 * One thread with curl_multi (http_handle.c has each transfer).
 *
 *	http_perform --queue--> active (an easy handle in the multi) --done-->
 *	http_perform returns
 *
 *  1. A request belongs to the I/O thread from being queued until `done' is
 *     set under the lock; its caller only waits.  So whatever it points to
 *     outlives its use.
 *  2. Easy and multi handles are touched by the I/O thread alone (but for
 *     curl_multi_wakeup(), which is made for that).
 *  3. At most `connections' handles are in the multi, or fewer where the server
 *     asks for it (http_window.h), so that no time limit of libcurl's runs
 *     while a request waits for its turn.
 *  4. In a hurry (http_options) a transfer that stands still is taken out, and
 *     from then on (`dead') every other one as well; those that take leave are
 *     given a moment each, until that was in vain (`gone').
 *  5. A transfer that finds the second's bytes used up is paused; when there
 *     are more, they are resumed one after another, in the order in which they
 *     were paused, as each may take all that there is: the limits are of all
 *     together, and a server gives up whoever sends nothing for a while.
 */
#include "engine/store/http.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/clock.h"
#include "engine/store/http_impl.h"

#define CHUNK_MAX	((size_t)512 << 10)
#define LIMIT_TICK_MS	20
#define HURRY_TICK_MS	100

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void
global_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		BUG("libcurl doesn't start");
}

static void
bucket_init(struct http_bucket *b, uint64_t limit)
{
	b->limit = limit;
	/* A fifth of a second's worth. */
	b->burst = limit / 5 + HTTP_CHUNK_MIN;
}

static void
bucket_fill(struct http_bucket *b)
{
	uint64_t now = clock_mono_ms(), ms = now - b->filled_ms;

	if (b->limit == 0)
		return;
	if (ms > 1000)
		ms = 1000;
	b->left += (int64_t)(b->limit * ms / 1000);
	if (b->left > (int64_t)b->burst)
		b->left = (int64_t)b->burst;
	b->filled_ms = now;
}

static void
finish(struct http *h, struct transfer *t, CURLcode code)
{
	uint64_t now = clock_mono_ms();
	curl_off_t ready_us = 0;
	long status = 0;

	if (t->easy != NULL) {
		(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE,
		    &status);
		(void)curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T,
		    &ready_us);
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
	t->rq->connected = ready_us > 0;
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
	code = t->easy == NULL ? CURLE_OUT_OF_MEMORY : http_handle_set(t);
	if (code == CURLE_OK && curl_multi_add_handle(h->multi, t->easy) !=
	    CURLM_OK)
		code = CURLE_OUT_OF_MEMORY;
	if (code != CURLE_OK) {
		finish(h, t, code);
		return;
	}
	h->running[h->active++] = t;
	if (h->active >= h->window.now)
		http_window_full(&h->window, t->began_ms);
}

/* What the server's answer says of how much it may be asked. */
static void
heed(struct http *h, const struct transfer *t)
{
	struct http_window *w = &h->window;
	long status = 0;

	/* That of a metadata service is another server's. */
	if (t->rq->direct)
		return;
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!http_window_answer(w, (int)status, t->began_ms, clock_mono_ms()))
		return;
	if (w->now < w->max)
		log_say(h->o.log, LOG_DETAIL, "%s asks to slow down (status "
		    "%ld): %u requests at one time", h->o.peer, status, w->now);
	else
		log_say(h->o.log, LOG_DETAIL, "%s answers: again %u requests "
		    "at one time", h->o.peer, w->now);
}

static void
end(struct http *h, struct transfer *t, CURLcode code)
{
	unsigned i = 0;

	heed(h, t);
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
	while (h->active < h->window.now && (t = h->queue) != NULL) {
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

/* How long this may stand still: a server far away needs that time. */
static uint64_t
still_at_most_ms(const struct http *h, const struct transfer *t)
{
	uint64_t ms = 3 * h->slowest_ms;
	uint64_t least = t->rq->parting ? HTTP_PARTING_MS : HTTP_HURRY_MS;

	if (ms > HTTP_HURRY_MAX_MS)
		ms = HTTP_HURRY_MAX_MS;
	return (ms > least ? ms : least);
}

/* In a hurry: is this to be taken out? */
static bool
is_stuck(const struct http *h, const struct transfer *t, uint64_t now)
{
	uint64_t since = t->moved_ms > h->hurry_ms ? t->moved_ms : h->hurry_ms;

	if (h->dead && !t->rq->parting)
		return (true);
	return (t->paused == 0 && now - since >= still_at_most_ms(h, t));
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

/* That which has been paused for the longest time; NULL: none is. */
static struct transfer *
longest_paused(const struct http *h)
{
	struct transfer *t = NULL;

	for (unsigned i = 0; i < h->active; i++)
		if (h->running[i]->paused != 0 && (t == NULL ||
		    h->running[i]->paused < t->paused))
			t = h->running[i];
	return (t);
}

/* Let a paused transfer go on; how long to wait at most for the next event. */
static int
resume(struct http *h)
{
	struct transfer *t = longest_paused(h);

	bucket_fill(&h->up);
	bucket_fill(&h->down);
	if (t == NULL)
		return (h->o.hurry != NULL && h->active > 0 ? HURRY_TICK_MS :
		    1000);
	if (!http_bucket_open(&h->up) || !http_bucket_open(&h->down))
		return (LIMIT_TICK_MS);
	t->paused = 0;
	t->moved_ms = clock_mono_ms();	/* that was no standstill */
	(void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
	return (0);
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
	http_window_init(&h->window, o->connections);
	bucket_init(&h->up, o->up_limit);
	bucket_init(&h->down, o->down_limit);
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
	case CURLE_SSL_ISSUER_ERROR:
		rq->hopeless = rq->untrusted = true;
		break;
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_URL_MALFORMAT:
		rq->hopeless = true;
		return (err_set(e, ERR_USAGE, "%s", text));
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
	rq->connected = rq->untrusted = false;
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
