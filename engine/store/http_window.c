/*
 * The window of requests under way.
 *
 * Of all that were sent before the window was cut the refusals say what was
 * known when it was, so they cut it no further.  It grows by one with each
 * windowful of answers, as TCP's, but at least with each GROW_AT_MOST of them:
 * a large store refuses now and then without being asked too much, and many
 * connections shall not become few by that.  Nor does it grow while it isn't
 * what holds back.
 */
#include "engine/store/http_window.h"

#define GROW_AT_MOST	8

void
http_window_init(struct http_window *w, unsigned max)
{
	*w = (struct http_window){ .max = max, .now = max, .told = max };
}

void
http_window_full(struct http_window *w, uint64_t now_ms)
{
	w->full_ms = now_ms;
}

static bool
less(struct http_window *w, uint64_t began_ms, uint64_t now_ms)
{
	if (began_ms < w->cut_ms)
		return (false);
	w->now -= (w->now * 3 + 9) / 10;	/* AWS's: times 0.7 */
	if (w->now == 0)
		w->now = 1;
	w->good = 0;
	w->cut_ms = now_ms;
	if (w->now >= w->told)
		return (false);
	w->told = w->now;
	return (true);
}

bool
http_window_answer(struct http_window *w, int status, uint64_t began_ms,
    uint64_t now_ms)
{
	if (status == 429 || status == 503)
		return (less(w, began_ms, now_ms));
	if (status == 0 || status >= 500 || w->now == w->max ||
	    w->full_ms < began_ms)
		return (false);
	if (++w->good < (w->now < GROW_AT_MOST ? w->now : GROW_AT_MOST))
		return (false);
	w->good = 0;
	if (++w->now < w->max)
		return (false);
	w->told = w->max;
	return (true);
}
