#ifndef VITRINE_ENGINE_STORE_HTTP_IMPL_H
#define VITRINE_ENGINE_STORE_HTTP_IMPL_H

#include <curl/curl.h>
#include <pthread.h>

#include "engine/store/http.h"
#include "engine/store/http_window.h"

/*
 * What http.c (the thread and the queue) and http_handle.c (one transfer)
 * share; nobody else includes this.
 */
#define HTTP_CHUNK_MIN	((size_t)16 << 10)	/* libcurl has no less */

/* Bytes that may still go in one direction. */
struct http_bucket {
	uint64_t limit;			/* a second; 0: none */
	uint64_t burst;			/* may come at once */
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
	uint64_t paused;		/* 0: it isn't; the lower, the longer */
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
	struct http_window window;	/* at most so many */
	struct transfer *running[HTTP_CONNECTIONS_MAX];
	CURL *idle[HTTP_CONNECTIONS_MAX];
	unsigned nidle;
	struct http_bucket up, down;
	uint64_t pauses;		/* so far */
	uint64_t slowest_ms;		/* between two signs of life */
	uint64_t hurry_ms;		/* since when; 0: no hurry */
	bool dead;			/* no answer came in the hurry */
	bool gone;			/* nor to what took leave */
};

/* http_handle.c */
/* May some bytes go now? */
bool http_bucket_open(const struct http_bucket *);
/* How long all of the connections together take for a turn of each. */
unsigned http_bucket_round_s(const struct http_bucket *,
    unsigned connections);
/* Make t->easy the request. */
CURLcode http_handle_set(struct transfer *);

#endif
