/*
 * Single requests and what becomes of their answers.  The server is the test's
 * own: it says what it is told, whatever it is asked.
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
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/store/http.h"

#define OK		"HTTP/1.1 200 OK\r\nContent-Length: "
#define LARGE		((size_t)1 << 20)	/* that is asked for first */
#define SOON_MS		20000		/* a busy machine included */
#define PROMPT		8		/* times at most half a second */

/* A request as it came. */
struct heard {
	char head[8192];
	size_t got;			/* bytes of its body */
	uint8_t last;			/* of these */
};

static struct {
	int fd;
	unsigned short port;
	pthread_mutex_t lock;		/* what follows */
	const char *text;		/* what it answers with */
	bool close_second;		/* the connection's next request */
	struct heard heard;		/* the last */
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool
hear(int fd, struct heard *h)
{
	static char in[64 << 10];
	size_t n = 0, left;
	const char *len;
	char *end = NULL;
	ssize_t got;

	while (end == NULL) {
		if (n >= sizeof(h->head) - 1 ||
		    (got = recv(fd, in + n, sizeof(h->head) - 1 - n, 0)) <= 0)
			return (false);
		n += (size_t)got;
		in[n] = '\0';
		end = strstr(in, "\r\n\r\n");
	}
	h->got = n - (size_t)(end + 4 - in);
	if (h->got > 0)
		h->last = (uint8_t)in[n - 1];
	end[2] = '\0';
	memcpy(h->head, in, (size_t)(end + 3 - in));
	len = strcasestr(h->head, "\r\ncontent-length:");
	left = len != NULL ? strtoul(len + 17, NULL, 10) : 0;
	if (strcasestr(h->head, "\r\nexpect: 100-continue") != NULL)
		(void)send(fd, "HTTP/1.1 100 Continue\r\nX-A: no\r\n\r\n", 34,
		    MSG_NOSIGNAL);
	while (h->got < left) {
		got = recv(fd, in, sizeof(in), 0);
		if (got <= 0)
			return (false);
		h->got += (size_t)got;
		h->last = (uint8_t)in[got - 1];
	}
	return (true);
}

/* What the connection's nth request is answered with; NULL: it is closed. */
static const char *
answer(const struct heard *h, unsigned n)
{
	const char *text;

	(void)pthread_mutex_lock(&server.lock);
	server.heard = *h;
	text = n == 1 && server.close_second ? NULL : server.text;
	(void)pthread_mutex_unlock(&server.lock);
	return (text);
}

static void *
serve(void *arg)
{
	static struct heard h;
	const char *text;
	int fd;

	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		for (unsigned n = 0; hear(fd, &h) &&
		    (text = answer(&h, n)) != NULL; n++)
			(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
		(void)close(fd);
	}
	return (NULL);
}

static int
listen_at(unsigned short *port, int backlog)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(fd, backlog) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		return (-1);
	*port = ntohs(a.sin_port);
	return (fd);
}

static struct http *http;
static char url[128];

static void
aim(unsigned short port, const char *path)
{
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
}

static int
begin(void **state)
{
	const struct http_options o = {
		.connections = 1, .connect_ms = 60000, .stall_s = 600,
		.total_s = 600
	};
	struct err e = ERR_INIT;
	pthread_t t;

	server.fd = listen_at(&server.port, 8);
	if (server.fd < 0 || pthread_create(&t, NULL, serve, NULL) != 0)
		return (-1);
	(void)pthread_detach(t);
	return (http_new(&http, &o, &e));
}

static int
end(void **state)
{
	http_free(http);
	return (0);
}

static struct heard heard;	/* by the server, the last request */

static int
ask_server(struct http_request *rq, const char *text, bool close_second,
    struct err *e)
{
	int rc;

	(void)pthread_mutex_lock(&server.lock);
	server.text = text;
	server.close_second = close_second;
	(void)pthread_mutex_unlock(&server.lock);
	rq->url = url;
	err_init(e);
	rc = http_perform(http, rq, e);
	(void)pthread_mutex_lock(&server.lock);
	heard = server.heard;
	(void)pthread_mutex_unlock(&server.lock);
	return (rc);
}

static int
ask(struct http_request *rq, const char *text, struct err *e)
{
	return (ask_server(rq, text, false, e));
}

static void
test_room(void **state)
{
	static const char *const good[] = { OK "5\r\n\r\nabcde",
	    "HTTP/1.1 206 Partial\r\nContent-Length: 5\r\n\r\nabcde" };
	char dst[8] = "-------";
	struct http_request rq = { .dst = dst, .cap = 5, .text_max = 3 };
	struct err e;

	aim(server.port, "/");
	for (unsigned i = 0; i < 2; i++) {
		memset(dst, '-', 7);
		assert_int_equal(ask(&rq, good[i], &e), 0);
		assert_int_equal(rq.status, i == 0 ? 200 : 206);
		assert_int_equal(rq.got, 5);
		assert_false(rq.too_long);
		assert_string_equal(dst, "abcde--");
		assert_int_equal(rq.text.len, 0);
	}
	/* More than there is room for is no failure, but told. */
	memset(dst, '-', 7);
	assert_int_equal(ask(&rq, OK "6\r\n\r\nabcdef", &e), 0);
	assert_true(rq.too_long);
	assert_int_equal(rq.got, 5);
	assert_string_equal(dst, "abcde--");
	/* What isn't what was asked for is text. */
	memset(dst, '-', 7);
	assert_int_equal(ask(&rq, "HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\n"
	    "abc", &e), 0);
	assert_false(rq.too_long);
	assert_int_equal(rq.got, 0);
	assert_int_equal(rq.text.len, 3);
	assert_memory_equal(rq.text.data, "abc", 3);
	assert_string_equal(dst, "-------");
	assert_int_equal(ask(&rq, "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\n"
	    "abcd", &e), -1);
	assert_int_equal(e.code, ERR_NET);
	assert_non_null(strstr(err_text(&e), "longer than it can be"));
	assert_false(rq.hopeless);
	/* Each begins anew. */
	rq.dst = NULL;
	assert_int_equal(ask(&rq, OK "2\r\n\r\nok", &e), 0);
	assert_int_equal(rq.text.len, 2);
	http_fini(&rq);
}

static void
test_head(void **state)
{
	struct http_request rq = { .text_max = 10 };
	static char huge[HTTP_HEAD_MAX + 1000];
	char value[8];
	size_t n;
	struct err e;

	aim(server.port, "/");
	/* That of an interim answer isn't the answer's. */
	assert_int_equal(ask(&rq, "HTTP/1.1 103 Hints\r\nX-A: 1\r\nX-C: 1\r\n"
	    "\r\nHTTP/1.1 200 OK\r\nX-A-B: 3\r\nX-a: \t2345678 \t\r\n"
	    "X-D:\r\nContent-Length: 0\r\n\r\n", &e), 0);
	assert_true(http_header(&rq, "x-a", value, sizeof(value)));
	assert_string_equal(value, "2345678");
	assert_false(http_header(&rq, "x-a", value, sizeof(value) - 1));
	assert_true(http_header(&rq, "X-D", value, 1));
	assert_string_equal(value, "");
	assert_false(http_header(&rq, "x-c", value, sizeof(value)));
	assert_false(http_header(&rq, "x", value, sizeof(value)));
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), 0);
	assert_false(http_header(&rq, "x-a", value, sizeof(value)));
	/* There is an end to what is read of it. */
	memcpy(huge, OK "0\r\n", sizeof(OK "0\r\n"));
	for (n = strlen(huge); n < HTTP_HEAD_MAX; n += 100) {
		memset(huge + n, 'x', 98);
		huge[n + 1] = ':';
		memcpy(huge + n + 98, "\r\n", 2);
	}
	memcpy(huge + n, "\r\n", 3);
	assert_int_equal(ask(&rq, huge, &e), -1);
	assert_int_equal(e.code, ERR_NET);
	http_fini(&rq);
}

static bool
was_sent(const char *line)
{
	return (strcasestr(heard.head, line) != NULL);
}

static void
test_request(void **state)
{
	static uint8_t bytes[LARGE];
	struct http_request rq = {
		.method = HTTP_PUT, .text_max = 10, .header = { "x-a: 1" },
		.headers = 1, .body = { .bytes = bytes, .len = LARGE - 1 }
	};
	struct err e;

	bytes[LARGE - 2] = 7;
	bytes[LARGE - 1] = 8;
	aim(server.port, "/a/../b/./c");
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), 0);
	assert_true(was_sent("PUT /a/../b/./c HTTP/1.1\r\n"));
	assert_true(was_sent("\r\nx-a: 1\r\n"));
	assert_true(was_sent("\r\nuser-agent: vitrine/"));
	assert_false(was_sent("\r\nexpect"));
	assert_int_equal(heard.got, LARGE - 1);
	assert_int_equal(heard.last, 7);
	rq.body.len = LARGE;
	rq.headers = 0;
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), 0);
	assert_true(was_sent("\r\nexpect: 100-continue\r\n"));
	assert_false(was_sent("\r\nx-a"));
	assert_int_equal(heard.got, LARGE);
	assert_int_equal(heard.last, 8);
	rq.method = HTTP_POST;
	rq.body.len = 3;
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), 0);
	assert_true(was_sent("POST /a/"));
	assert_false(was_sent("\r\ncontent-type"));
	assert_int_equal(heard.got, 3);
	rq.body.len = 0;
	rq.method = HTTP_DELETE;
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), 0);
	assert_true(was_sent("DELETE /a/"));
	rq.method = HTTP_HEAD;
	assert_int_equal(ask(&rq, OK "100\r\n\r\n", &e), 0);
	assert_true(was_sent("HEAD /a/"));
	/* No redirection is followed, and nothing but HTTP. */
	rq.method = HTTP_GET;
	rq.text_max = 100;
	assert_int_equal(ask(&rq, "HTTP/1.1 307 Off\r\nLocation: /else\r\n"
	    "Content-Length: 0\r\n\r\n", &e), 0);
	assert_int_equal(rq.status, 307);
	assert_true(was_sent("GET /a/"));
	(void)snprintf(url, sizeof(url), "file:///proc/self/comm");
	assert_int_equal(ask(&rq, NULL, &e), -1);
	http_fini(&rq);
}

/* A body that ends before its end is our own failure, no reason to go on. */
static void
test_short_body(void **state)
{
	struct http_request rq = {
		.method = HTTP_PUT, .text_max = 10,
		.body = { .fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
		    .len = 3 }
	};
	struct err e;

	aim(server.port, "/");
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), -1);
	assert_true(rq.hopeless);
	assert_int_not_equal(e.code, ERR_NET);
	(void)close(rq.body.fd);
	http_fini(&rq);
}

/* The server closes while the next request comes: libcurl sends it again, and
 * that is told, as the first may have been heard. */
static void
test_resent(void **state)
{
	struct http_request rq = {
		.method = HTTP_PUT, .text_max = 10,
		.body = { .bytes = "abc", .len = 3 }
	};
	struct err e;

	aim(server.port, "/");
	assert_int_equal(ask(&rq, OK "0\r\nConnection: close\r\n\r\n", &e),
	    0);
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), 0);
	assert_false(rq.resent);
	assert_int_equal(ask_server(&rq, OK "0\r\n\r\n", true, &e), 0);
	assert_true(rq.resent);
	assert_int_equal(heard.got, 3);
	assert_int_equal(heard.last, 'c');
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), 0);
	assert_false(rq.resent);
	http_fini(&rq);
}

/* Whoever takes longer than it may fails, and not before; the request's own
 * limits go before those of all. */
static void
test_times(void **state)
{
	struct http_request rq = { .text_max = 100 };
	struct sockaddr_in a = { .sin_family = AF_INET };
	unsigned short port;
	int full, fd[4];
	struct err e;

	aim(server.port, "/");
	rq.total_s = 1;
	assert_int_equal(ask(&rq, OK "9\r\n\r\nabc", &e), -1);
	assert_int_equal(e.code, ERR_NET);
	assert_in_range(rq.took_ms, 900, SOON_MS);
	assert_true(rq.connected);
	assert_false(rq.hopeless);
	rq.total_s = 0;
	rq.stall_s = 1;
	assert_int_equal(ask(&rq, OK "9\r\n\r\nabc", &e), -1);
	assert_int_equal(e.code, ERR_NET);
	assert_in_range(rq.took_ms, 900, SOON_MS);
	assert_in_range(rq.still_ms, 900, SOON_MS);
	rq.stall_s = 0;
	/* Nobody takes the connection: as many as it wants have one. */
	full = listen_at(&port, 0);
	assert_true(full >= 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(port);
	for (unsigned i = 0; i < 4; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0);
		(void)connect(fd[i], (struct sockaddr *)&a, sizeof(a));
	}
	aim(port, "/");
	rq.connect_ms = 300;
	assert_int_equal(ask(&rq, NULL, &e), -1);
	assert_int_equal(e.code, ERR_NET);
	assert_in_range(rq.took_ms, 250, SOON_MS);
	assert_false(rq.connected);
	for (unsigned i = 0; i < 4; i++)
		(void)close(fd[i]);
	(void)close(full);
	http_fini(&rq);
}

/* What is next door is asked by no proxy. */
static void
test_proxy(void **state)
{
	struct http_request rq = { .text_max = 100 };
	struct err e;

	aim(server.port, "/");
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), -1);
	rq.direct = true;
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), 0);
	rq.direct = false;
	assert_int_equal(unsetenv("http_proxy"), 0);
	assert_int_equal(ask(&rq, OK "0\r\n\r\n", &e), 0);
	http_fini(&rq);
}

/* Nobody waits for the thread to look around by itself. */
static void
test_prompt(void **state)
{
	const struct http_options o = {
		.connections = 1, .connect_ms = 60000, .stall_s = 600,
		.total_s = 600
	};
	struct http_request rq = { .text_max = 100 };
	uint64_t began_ms = clock_mono_ms();
	struct err e = ERR_INIT;

	/* The server has one connection at a time. */
	http_free(http);
	aim(server.port, "/");
	for (unsigned i = 0; i < PROMPT; i++) {
		assert_int_equal(http_new(&http, &o, &e), 0);
		for (unsigned j = 0; j < 2; j++) {
			assert_int_equal(ask_server(&rq, OK "0\r\n"
			    "Connection: close\r\n\r\n", false, &e), 0);
			/* It has nothing to do any more. */
			(void)usleep(20000);
		}
		http_free(http);
	}
	http = NULL;
	http_fini(&rq);
	assert_in_range(clock_mono_ms() - began_ms, 0, PROMPT * 500);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_short_body),
		cmocka_unit_test(test_resent),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_prompt)
	};

	return (cmocka_run_group_tests(tests, begin, end));
}
