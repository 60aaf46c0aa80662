/*
 * Listings: one flat run of pages, each whole or asked for again.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/store/s3_int.h"

/* A thousand keys of 1024 bytes, each byte as %XX, and what is around them. */
#define PAGE_MAX	((size_t)8 << 20)
#define EMPTY_MAX	1000	/* pages in a row without a key */

struct listing {
	const char *prefix;
	size_t prefix_len;
	struct s3_page page;
	size_t keys;			/* of the page */
	uint64_t pages;
	unsigned empty;			/* of the last pages */
	struct buf earlier;		/* a page's token (goes_on) */
	s3_object_fn *fn;
	void *ctx;
};

/* A key that was not asked for: somebody else's answer. */
static int
belongs(void *ctx, const struct s3_object *o, struct err *e)
{
	struct listing *l = ctx;

	l->keys++;
	if (o->key_len >= l->prefix_len &&
	    memcmp(o->key, l->prefix, l->prefix_len) == 0)
		return (0);
	return (err_set(e, ERR_REMOTE, "the listing has a key that was not "
	    "asked for"));
}

/* Before anybody hears of an object its page was read to the end. */
static bool
is_page(struct s3_call *c, struct err *e)
{
	struct listing *l = c->ctx;

	l->keys = 0;
	return (s3_page_parse(&l->page, c->rq.text.data, c->rq.text.len,
	    belongs, l, e) == 0);
}

static void
make_query(struct buf *q, const struct listing *l, const struct buf *token)
{
	buf_reset(q);
	if (token->len > 1) {
		buf_bytes(q, "continuation-token=", 19);
		s3_encode(q, token->data, token->len - 1, false);
		buf_u8(q, '&');
	}
	buf_bytes(q, "encoding-type=url&list-type=2&max-keys=1000", 43);
	if (l->prefix_len > 0) {
		buf_bytes(q, "&prefix=", 8);
		s3_encode(q, l->prefix, l->prefix_len, false);
	}
	buf_u8(q, '\0');
}

/*
 * A server that goes round in a circle would keep us for ever.  Kept is the
 * token of a page whose number is a power of two: sooner or later that is one
 * of the circle's, and the next of its kind is farther away than it is long.
 */
static bool
goes_on(struct listing *l)
{
	const struct buf *token = &l->page.token;

	l->empty = l->keys > 0 ? 0 : l->empty + 1;
	if (l->empty > EMPTY_MAX || (l->earlier.len == token->len &&
	    memcmp(l->earlier.data, token->data, token->len) == 0))
		return (false);
	l->pages++;
	if ((l->pages & (l->pages - 1)) == 0) {
		buf_reset(&l->earlier);
		buf_bytes(&l->earlier, token->data, token->len);
	}
	return (true);
}

/* One page; the token for the next one is left in `token'. */
static int
one_page(struct s3 *s, struct listing *l, struct buf *token, struct err *e)
{
	struct s3_call c = {
		.method = HTTP_GET, .sensible = is_page, .ctx = l,
		.rq = { .text_max = PAGE_MAX }
	};
	struct buf query = BUF_INIT;
	int rc;

	make_query(&query, l, token);
	rc = buf_ok(&query, e);
	c.query = (const char *)query.data;
	if (rc == 0)
		rc = s3_call(s, &c, e);
	if (rc == S3_REFUSED)
		rc = s3_refusal(s, &c, e);
	if (rc == 0 && l->page.truncated && !goes_on(l))
		rc = err_set(e, ERR_REMOTE, "the listing doesn't go on");
	if (rc == 0) {
		buf_reset(token);
		if (l->page.truncated)
			buf_bytes(token, l->page.token.data,
			    l->page.token.len);
		rc = buf_ok(token, e);
	}
	if (rc == 0)
		rc = s3_page_parse(&l->page, c.rq.text.data, c.rq.text.len,
		    l->fn, l->ctx, e);
	buf_fini(&query);
	s3_call_fini(&c);
	return (rc);
}

int
s3_list(struct s3 *s, const char *prefix, s3_object_fn *fn, void *ctx,
    struct err *e)
{
	struct listing l = {
		.prefix = prefix, .prefix_len = strlen(prefix), .fn = fn,
		.ctx = ctx
	};
	struct buf token = BUF_INIT;
	int rc;

	do {
		rc = one_page(s, &l, &token, e);
	} while (rc == 0 && token.len > 0);
	s3_page_fini(&l.page);
	buf_fini(&l.earlier);
	buf_fini(&token);
	return (rc);
}
