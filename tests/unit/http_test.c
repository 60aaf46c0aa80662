/*
 * Requests to a server of the test's own, and a resolver of its own, too.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/store/http.h"
#include "engine/store/http_window.h"

#define CALLERS	32
#define HURRIES	10		/* tries of what must be in time */
#define SHARERS	4		/* of a limit, each with so many bytes, */
#define SHARE	((size_t)256 << 10)
#define CROWD	8		/* and more of them with so few */
#define LITTLE	((size_t)24 << 10)
#define PARTS	10		/* of a large answer, after a pause each */

/* The server: so many requests at one time it answers, each after a while, and
 * refuses the others; a limit of 0: none gets an answer. */
static struct {
	int fd;
	unsigned short port;
	pthread_mutex_t lock;		/* what follows */
	unsigned limit, pause_ms;
	bool large;			/* its answers */
	unsigned inside, most, good, refused;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
nap(unsigned ms)
{
	struct timespec t = { .tv_nsec = (long)(ms % 1000) * 1000000,
	    .tv_sec = ms / 1000 };

	(void)nanosleep(&t, NULL);
}

/* The body of a request whose head and some more are these; likewise. */
static bool
hear_body(int fd, const char *in, size_t n)
{
	char sink[16 << 10];
	const char *len = strcasestr(in, "\r\ncontent-length:");
	const char *end = strstr(in, "\r\n\r\n") + 4;
	size_t left = len != NULL && len < end ?
	    strtoul(len + 17, NULL, 10) : 0;
	ssize_t got;

	for (left -= n - (size_t)(end - in); left > 0; left -= (size_t)got) {
		got = recv(fd, sink, left < sizeof(sink) ? left :
		    sizeof(sink), MSG_TRUNC);
		if (got <= 0)
			return (false);
	}
	return (true);
}

/* One request; false when the client has gone. */
static bool
hear(int fd)
{
	char in[4096];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(in) - 1) {
		got = recv(fd, in + n, sizeof(in) - 1 - n, 0);
		if (got <= 0)
			return (false);
		n += (size_t)got;
		in[n] = '\0';
		if (strstr(in, "\r\n\r\n") != NULL)
			return (hear_body(fd, in, n));
	}
	return (false);
}

static void
answer(int fd)
{
	static const char yes[] = "HTTP/1.1 200 OK\r\n"
	    "Content-Length: 2\r\n\r\nok";
	static const char large[SHARE] = "HTTP/1.1 200 OK\r\n"
	    "Content-Length: 262100\r\n\r\n";
	static const char no[] = "HTTP/1.1 503 Slow Down\r\n"
	    "Content-Length: 0\r\n\r\n";
	unsigned pause_ms;
	bool good, is_large;

	(void)pthread_mutex_lock(&server.lock);
	is_large = server.large;
	good = ++server.inside <= server.limit;
	if (server.inside > server.most)
		server.most = server.inside;
	pause_ms = good ? server.pause_ms : 1;
	(void)pthread_mutex_unlock(&server.lock);
	nap(pause_ms);
	(void)pthread_mutex_lock(&server.lock);
	server.inside--;
	if (good)
		server.good++;
	else
		server.refused++;
	(void)pthread_mutex_unlock(&server.lock);
	if (is_large) {
		size_t part = (strlen(large) + 262100) / PARTS, n;

		for (n = 0; n < PARTS - 1; n++, nap(pause_ms))
			(void)send(fd, large + n * part, part, MSG_NOSIGNAL);
		(void)send(fd, large + n * part, strlen(large) + 262100 -
		    n * part, MSG_NOSIGNAL);
	} else
		(void)send(fd, good ? yes : no, (good ? sizeof(yes) :
		    sizeof(no)) - 1, MSG_NOSIGNAL);
}

static void *
serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;

	while (hear(fd))
		answer(fd);
	(void)close(fd);
	return (NULL);
}

static void *
serve(void *arg)
{
	pthread_t t;
	int fd;

	while ((fd = accept(server.fd, NULL, NULL)) >= 0)
		if (pthread_create(&t, NULL, serve_one,
		    (void *)(intptr_t)fd) == 0)
			(void)pthread_detach(t);
	return (NULL);
}

static int
start_server(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	pthread_t t;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server.fd < 0 ||
	    bind(server.fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(server.fd, 128) != 0 ||
	    getsockname(server.fd, (struct sockaddr *)&a, &len) != 0 ||
	    pthread_create(&t, NULL, serve, NULL) != 0)
		return (-1);
	(void)pthread_detach(t);
	server.port = ntohs(a.sin_port);
	return (0);
}

static void
set_server(unsigned limit, unsigned pause_ms)
{
	(void)pthread_mutex_lock(&server.lock);
	server.limit = limit;
	server.pause_ms = pause_ms;
	server.large = false;
	server.most = server.good = server.refused = 0;
	(void)pthread_mutex_unlock(&server.lock);
}

/* The resolver, in libcurl's eyes: nobody knows the name for a while. */
static atomic_bool resolver_out;

int
getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **out)
{
	struct addrinfo *a;
	struct sockaddr_in *in;

	if (atomic_load(&resolver_out))
		return (EAI_AGAIN);
	a = calloc(1, sizeof(*a) + sizeof(*in));
	if (a == NULL)
		return (EAI_MEMORY);
	in = (struct sockaddr_in *)(void *)(a + 1);
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in->sin_port = htons(server.port);
	a->ai_family = AF_INET;
	a->ai_socktype = SOCK_STREAM;
	a->ai_protocol = IPPROTO_TCP;
	a->ai_addr = (struct sockaddr *)in;
	a->ai_addrlen = sizeof(*in);
	*out = a;
	return (0);
}

void
freeaddrinfo(struct addrinfo *a)
{
	free(a);
}

static struct http *
client(const struct http_options *more)
{
	struct http_options o = more != NULL ? *more :
	    (struct http_options){ .connections = 4 };
	struct err e = ERR_INIT;
	struct http *h;

	o.connect_ms = 5000;
	o.stall_s = o.stall_s != 0 ? o.stall_s : 30;
	o.total_s = 60;
	assert_int_equal(http_new(&h, &o, &e), 0);
	return (h);
}

static int
ask(struct http *h, const char *host, bool parting, struct err *e)
{
	struct http_request rq = {
		.method = HTTP_GET, .text_max = 4096, .parting = parting
	};
	char url[128];
	int rc;

	(void)snprintf(url, sizeof(url), "http://%s:%u/", host, server.port);
	rq.url = url;
	err_init(e);
	rc = http_perform(h, &rq, e);
	if (rc == 0)
		rc = rq.status;
	http_fini(&rq);
	return (rc);
}

static int
get(struct http *h, const char *host, struct err *e)
{
	return (ask(h, host, false, e));
}

/* A name that is not known for a while is asked for again, and then known. */
static void
test_resolver(void **state)
{
	struct http *h = client(NULL);
	struct err e;

	set_server(CALLERS, 0);
	atomic_store(&resolver_out, true);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(get(h, "somewhere.test", &e), -1);
		assert_int_equal(e.code, ERR_NET);
		assert_non_null(strstr(err_text(&e), "esolve"));
	}
	atomic_store(&resolver_out, false);
	assert_int_equal(get(h, "somewhere.test", &e), 200);
	http_free(h);
}

/* So many calls by each of the callers, a refused one again after a while. */
struct load {
	struct http *h;
	unsigned calls;
};

static void *
call(void *arg)
{
	const struct load *l = arg;
	struct err e;

	for (unsigned i = 0; i < l->calls;)
		if (get(l->h, "127.0.0.1", &e) == 200)
			i++;
		else
			nap(20);
	return (NULL);
}

static void
call_all(struct http *h, unsigned calls)
{
	struct load l = { .h = h, .calls = calls };
	pthread_t t[CALLERS];

	for (unsigned i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, call, &l), 0);
	for (unsigned i = 0; i < CALLERS; i++)
		(void)pthread_join(t[i], NULL);
}

/* The I/O thread alone writes these, and is idle when they are read. */
static unsigned told_less, told_whole;

static void
hear_log(void *ctx, enum log_level level, const char *text)
{
	assert_int_equal(level, LOG_DETAIL);
	if (strstr(text, "somebody asks to slow down (status 503): ") != NULL)
		told_less++;
	if (strstr(text, "again 32 requests") != NULL)
		told_whole++;
}

/* Asked too much the server is asked less, until it hardly refuses any; and as
 * much as ever once it can do that. */
static void
test_slow_down(void **state)
{
	struct log log = { .say = hear_log };
	struct http *h = client(&(struct http_options){
	    .connections = CALLERS, .log = &log, .peer = "somebody" });

	set_server(8, 100);
	call_all(h, 10);
	assert_int_equal(server.good, 10 * CALLERS);
	/* By 32 at one time, it is several for each answer. */
	assert_in_range(server.refused, 1, server.good / 2);
	assert_in_range(told_less, 1, 10);
	assert_int_equal(told_whole, 0);
	set_server(CALLERS, 100);
	call_all(h, 20);
	assert_int_equal(server.good, 20 * CALLERS);
	assert_int_equal(server.refused, 0);
	assert_in_range(server.most, CALLERS / 2, CALLERS);
	assert_int_equal(told_whole, 1);
	http_free(h);
}

/* What a metadata service answers says nothing of the server. */
static void
test_direct(void **state)
{
	struct log log = { .say = hear_log };
	struct http *h = client(&(struct http_options){
	    .connections = 4, .log = &log, .peer = "somebody" });
	struct http_request rq = { .text_max = 100, .direct = true };
	struct err e = ERR_INIT;
	char url[128];

	set_server(0, 0);
	told_less = 0;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
	rq.url = url;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(http_perform(h, &rq, &e), 0);
		assert_int_equal(rq.status, 503);
		assert_int_equal(told_less, i);
		rq.direct = false;
	}
	http_fini(&rq);
	http_free(h);
}

static void
test_window(void **state)
{
	struct http_window w;

	http_window_init(&w, 10);
	http_window_full(&w, 100);
	/* Refusals of what was sent together are one. */
	assert_true(http_window_answer(&w, 503, 100, 110));
	assert_int_equal(w.now, 7);
	assert_false(http_window_answer(&w, 503, 105, 111));
	assert_int_equal(w.now, 7);
	assert_true(http_window_answer(&w, 429, 112, 113));
	assert_int_equal(w.now, 4);
	/* Answers say nothing while less is asked than might be, */
	for (unsigned i = 0; i < 100; i++)
		assert_false(http_window_answer(&w, 200, 120, 121));
	/* nor do other faults ever. */
	http_window_full(&w, 120);
	for (unsigned i = 0; i < 100; i++)
		assert_false(http_window_answer(&w, i % 2 ? 500 : 0, 120,
		    121));
	assert_int_equal(w.now, 4);
	for (unsigned i = 0; i < 4 + 5 + 6 + 7 + 8 + 7; i++)
		assert_false(http_window_answer(&w, 206, 120, 121));
	assert_int_equal(w.now, 9);
	assert_true(http_window_answer(&w, 404, 120, 121));
	assert_int_equal(w.now, 10);
	/* One at least; and it is told anew. */
	assert_true(http_window_answer(&w, 503, 200, 200));
	for (uint64_t i = 1; i < 100; i++)
		(void)http_window_answer(&w, 503, 200 + i, 200 + i);
	assert_int_equal(w.now, 1);
	/* Answers to what was sent before a cut do not make it grow. */
	http_window_init(&w, 10);
	(void)http_window_answer(&w, 503, 100, 110);
	http_window_full(&w, 120);
	for (unsigned i = 0; i < 6; i++)
		(void)http_window_answer(&w, 200, 120, 121);
	assert_true(http_window_answer(&w, 503, 120, 122));
	http_window_full(&w, 130);
	for (unsigned i = 0; i < 3; i++)
		(void)http_window_answer(&w, 200, 130, 131);
	assert_int_equal(w.now, 4);
	(void)http_window_answer(&w, 200, 130, 131);
	assert_int_equal(w.now, 5);
}

/* Is a request in a hurry answered by a server that takes so long? */
static bool
is_heard(struct http *h, unsigned pause_ms, bool parting)
{
	struct err e;
	int rc;

	set_server(CALLERS, pause_ms);
	rc = ask(h, "127.0.0.1", parting, &e);
	if (rc < 0)
		assert_int_equal(e.code, ERR_CANCELED);
	else
		assert_int_equal(rc, 200);
	return (rc == 200);
}

static bool
hurry(void)
{
	atomic_bool hurried = false;
	struct http *h = client(&(struct http_options){
	    .connections = 4, .hurry = &hurried });
	bool heard = is_heard(h, 830, false);
	uint64_t began_ms;

	assert_true(heard);
	atomic_store(&hurried, true);
	heard = is_heard(h, 1300, false) && is_heard(h, 1300, true);
	assert_false(is_heard(h, 8000, false));
	/* Now it is given up, but for who takes leave. */
	assert_false(is_heard(h, 1300, false));
	heard = heard && is_heard(h, 1300, true);
	assert_false(is_heard(h, 8000, true));
	/* Who takes leave in vain does so once. */
	began_ms = clock_mono_ms();
	assert_false(is_heard(h, 8000, true));
	heard = heard && clock_mono_ms() - began_ms < HTTP_PARTING_MS;
	http_free(h);
	return (heard);
}

/* In a hurry a server has as long as it needs when nobody is, within reason;
 * on a busy machine it may not be heard in time. */
static void
test_hurry(void **state)
{
	bool heard = false;

	for (unsigned i = 0; i < HURRIES && !heard; i++)
		heard = hurry();
	assert_true(heard);
}

/* One of those who share what may go a second. */
struct sharer {
	struct http *h;
	bool up;
	size_t len;
	int rc;
	uint64_t took_ms;
	pthread_t thread;
};

static void *
move_share(void *arg)
{
	static const uint8_t bytes[SHARE];
	struct sharer *s = arg;
	struct http_request rq = {
		.method = s->up ? HTTP_PUT : HTTP_GET, .text_max = SHARE
	};
	struct err e = ERR_INIT;
	uint64_t began_ms = clock_mono_ms();
	char url[128];

	if (s->up)
		rq.body = (struct http_body){ .bytes = bytes, .len = s->len };
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
	rq.url = url;
	s->rc = http_perform(s->h, &rq, &e);
	if (s->rc == 0)
		s->rc = rq.status;
	s->took_ms = clock_mono_ms() - began_ms;
	http_fini(&rq);
	return (NULL);
}

/* When the first of them has all, and the last. */
static void
share(const struct http_options *o, unsigned n, size_t len,
    uint64_t *first_ms, uint64_t *last_ms)
{
	struct http *h = client(o);
	struct sharer s[CROWD];
	bool up = o->up_limit != 0;

	set_server(CALLERS, 0);
	(void)pthread_mutex_lock(&server.lock);
	server.large = !up;
	(void)pthread_mutex_unlock(&server.lock);
	*first_ms = UINT64_MAX;
	*last_ms = 0;
	for (unsigned i = 0; i < n; i++) {
		s[i] = (struct sharer){ .h = h, .up = up, .len = len };
		assert_int_equal(pthread_create(&s[i].thread, NULL,
		    move_share, &s[i]), 0);
	}
	for (unsigned i = 0; i < n; i++) {
		(void)pthread_join(s[i].thread, NULL);
		assert_int_equal(s[i].rc, 200);
		if (s[i].took_ms < *first_ms)
			*first_ms = s[i].took_ms;
		if (s[i].took_ms > *last_ms)
			*last_ms = s[i].took_ms;
	}
	http_free(h);
}

/* No more than the limit goes; and none is kept waiting until others have all,
 * since a server gives up whoever sends nothing for a while. */
static void
test_limits(void **state)
{
	uint64_t first_ms, last_ms;

	for (int up = 0; up < 2; up++) {
		struct http_options o = {
			.connections = SHARERS,
			.up_limit = up ? SHARERS * SHARE : 0,
			.down_limit = up ? 0 : SHARERS * SHARE
		};

		for (unsigned i = 0; i < HURRIES; i++) {
			share(&o, SHARERS, SHARE, &first_ms, &last_ms);
			if (first_ms > last_ms / 2 && last_ms < 2000)
				break;
		}
		assert_in_range(last_ms, 700, 2000);
		assert_in_range(first_ms, last_ms / 2, last_ms);
	}
}

/* Who waits for its turn under a limit stands longer than a server may, and is
 * not given up for that. */
static void
test_turns(void **state)
{
	const struct http_options o = {
		.connections = CROWD, .up_limit = 64 << 10, .stall_s = 1
	};
	uint64_t first_ms, last_ms;

	share(&o, CROWD, LITTLE, &first_ms, &last_ms);
	assert_true(last_ms > 2000);
}

/* In a hurry what goes on is not touched, however long it takes. */
static void
test_hurry_goes_on(void **state)
{
	atomic_bool hurried = true;
	const struct http_options o = {
		.connections = 4, .hurry = &hurried
	};
	struct sharer s;

	set_server(CALLERS, 200);
	(void)pthread_mutex_lock(&server.lock);
	server.large = true;
	(void)pthread_mutex_unlock(&server.lock);
	for (unsigned i = 0; i < HURRIES; i++) {
		s = (struct sharer){ .h = client(&o) };
		(void)move_share(&s);
		http_free(s.h);
		if (s.rc == 200)
			break;
	}
	assert_int_equal(s.rc, 200);
	assert_true(s.took_ms > HTTP_HURRY_MS);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolver),
		cmocka_unit_test(test_slow_down),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_hurry_goes_on),
		cmocka_unit_test(test_hurry)
	};

	return (cmocka_run_group_tests(tests, start_server, NULL));
}
