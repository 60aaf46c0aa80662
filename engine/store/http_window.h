#ifndef VITRINE_ENGINE_STORE_HTTP_WINDOW_H
#define VITRINE_ENGINE_STORE_HTTP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How many requests may be under way: fewer once the server says that it is
 * asked too much (429, 503), and again more as it answers.  Additive increase,
 * multiplicative decrease, as TCP has it.  Pure; confined to its owner.
 */
struct http_window {
	unsigned max;		/* immutable */
	unsigned now;		/* 1 .. max */
	unsigned good;		/* answers since it last changed */
	unsigned told;		/* what was said last; max: nothing to say */
	uint64_t cut_ms;	/* when it last became less */
	uint64_t full_ms;	/* when it last held somebody back */
};

void http_window_init(struct http_window *, unsigned max);
/* As many are under way as may be. */
void http_window_full(struct http_window *, uint64_t now_ms);
/*
 * A request that began at began_ms was answered with this status.  True when
 * what has become of the window is worth telling: it is lower than ever since
 * it was whole, or whole again.
 */
bool http_window_answer(struct http_window *, int status, uint64_t began_ms,
    uint64_t now_ms);

#endif
