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

#include "engine/store/http.h"

#define CALLERS	32

/* The server: so many requests at one time it answers, each after a while, and
 * refuses the others; a limit of 0: none gets an answer. */
static struct {
	int fd;
	unsigned short port;
	pthread_mutex_t lock;		/* what follows */
	unsigned limit, pause_ms;
	unsigned inside, most, good, refused;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
nap(unsigned ms)
{
	struct timespec t = { .tv_nsec = (long)(ms % 1000) * 1000000,
	    .tv_sec = ms / 1000 };

	(void)nanosleep(&t, NULL);
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
			return (true);
	}
	return (false);
}

static void
answer(int fd)
{
	static const char yes[] = "HTTP/1.1 200 OK\r\n"
	    "Content-Length: 2\r\n\r\nok";
	static const char no[] = "HTTP/1.1 503 Slow Down\r\n"
	    "Content-Length: 0\r\n\r\n";
	unsigned pause_ms;
	bool good;

	(void)pthread_mutex_lock(&server.lock);
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
	(void)send(fd, good ? yes : no, (good ? sizeof(yes) : sizeof(no)) - 1,
	    MSG_NOSIGNAL);
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
	o.stall_s = 30;
	o.total_s = 60;
	assert_int_equal(http_new(&h, &o, &e), 0);
	return (h);
}

static int
get(struct http *h, const char *host, struct err *e)
{
	struct http_request rq = { .method = HTTP_GET, .text_max = 4096 };
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

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolver)
	};

	return (cmocka_run_group_tests(tests, start_server, NULL));
}
