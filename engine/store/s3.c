/*
 * A store in a bucket: opening, reading, listing, removing.  s3_put.c makes the
 * objects, s3_ahead.c lists beforehand.
 *
 *  1. An object is absent only when the server says NoSuchKey, or when it
 *     refuses to say and a listing that it grants doesn't have it (so it is
 *     where the right to list is bound to a prefix, which a request for an
 *     object doesn't name).  The answer to HEAD has no words, so that a 404 to
 *     it is asked about again.
 *  2. A read that returned 0 was given the range that it asked for: another
 *     one, or none, is asked for again and then an error.
 *  3. A listing that returned 0 has read every page to its end.
 */
#include "engine/store/s3.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/io.h"
#include "engine/store/s3_impl.h"

static const struct store_ops s3_ops;

size_t
s3_key_of(const struct s3_store *s, const char *name, char *key)
{
	size_t p = strlen(s->url->prefix), n = strlen(name);

	memcpy(key, s->url->prefix, p);
	memcpy(key + p, name, n + 1);
	return (p + n);
}

int
s3_wrap(const struct s3_store *s, const char *name, const char *verb,
    struct err *e)
{
	return (err_wrap(e, "%s/%s: %s", s->base.where, name, verb));
}

static void
s3_close(struct store *base)
{
	struct s3_store *s = (struct s3_store *)base;

	s3_ahead_fini(s);
	s3_free(s->s3);
	s3_spools_fini(s);
	(void)pthread_mutex_destroy(&s->lock);
	free(s->storage_class);
	free(s->spool_dir);
	free(s->memory_dir);
	free(s);
}

struct range {
	uint64_t off;
	size_t len;
	uint64_t total;			/* of the object; once it is known */
};

/* Is this the range, no more and no less? */
static bool
is_range(struct s3_call *c, struct err *e)
{
	const struct http_request *rq = &c->rq;
	struct range *r = c->ctx;
	uint64_t first, last;

	if (rq->status != 206) {
		(void)err_set(e, ERR_REMOTE, "the server doesn't do ranges: "
		    "status %d", rq->status);
		return (false);
	}
	if (!s3_content_range(c, &first, &last, &r->total) ||
	    first != r->off || last < first || last >= r->total ||
	    last - first + 1 != rq->got || rq->too_long ||
	    (rq->got < r->len && last + 1 != r->total)) {
		(void)err_set(e, ERR_NET, "another range came than was asked "
		    "for");
		return (false);
	}
	return (true);
}

static int
is_the_key(void *ctx, const struct s3_object *o, struct err *e)
{
	const char *key = ctx;

	/* Of those that begin with it, it comes first. */
	return (o->key_len == strlen(key) && memcmp(o->key, key,
	    o->key_len) == 0 ? STORE_EXISTS : STORE_STOP);
}

/* Does a listing tell that there is no such object? */
static bool
is_not_listed(struct s3_store *s, char *key)
{
	struct err ignored = ERR_INIT;
	int rc = s3_list(s->s3, key, is_the_key, key, &ignored);

	return (rc == 0 || rc == STORE_STOP);
}

/* A refusal of something that is done to an object. */
static int
refused(struct s3_store *s, const struct s3_call *c, struct err *e)
{
	char key[S3_NAME_BYTES];

	if (c->rq.status == 404 && s3_code_is(c, "NoSuchKey"))
		return (STORE_ABSENT);
	if (c->rq.status == 403 && (s3_code_is(c, "AccessDenied") ||
	    c->error.code[0] == '\0') && c->key_len < sizeof(key)) {
		memcpy(key, c->key, c->key_len);
		key[c->key_len] = '\0';
		if (is_not_listed(s, key))
			return (STORE_ABSENT);
	}
	return (s3_refusal(s->s3, c, e));
}

int
s3_read_key(struct s3_store *s, const char *key, size_t key_len, uint64_t off,
    void *dst, size_t len, size_t *got, uint64_t *total, struct err *e)
{
	struct range r = { .off = off, .len = len };
	struct s3_call c = {
		.method = HTTP_GET, .key = key, .key_len = key_len,
		.sensible = is_range, .ctx = &r,
		.rq = { .dst = dst, .cap = len, .text_max = S3_TEXT_MIN }
	};
	char range[64];
	int rc;

	(void)snprintf(range, sizeof(range), "bytes=%llu-%llu",
	    (unsigned long long)off, (unsigned long long)(off + len - 1));
	s3_call_header(&c, "range", range);
	rc = s3_call(s->s3, &c, e);
	*got = c.rq.got;
	if (rc == S3_REFUSED && c.rq.status == 416) {
		/* It ends before off. */
		*got = 0;
		rc = 0;
	} else if (rc == S3_REFUSED) {
		rc = refused(s, &c, e);
	}
	if (total != NULL)
		*total = r.total;
	s3_call_fini(&c);
	return (rc);
}

static int
s3_read(struct store *base, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, struct err *e)
{
	struct s3_store *s = (struct s3_store *)base;
	char key[S3_NAME_BYTES], byte;
	size_t n = s3_key_of(s, name, key), some = 0;
	int rc;

	/* No range has no bytes. */
	rc = s3_read_key(s, key, n, off, len == 0 ? &byte : dst,
	    len == 0 ? 1 : len, &some, NULL, e);
	if (rc == 0)
		*got = len == 0 ? 0 : some;
	return (rc < 0 ? s3_wrap(s, name, "read", e) : rc);
}

int
s3_stat_key(struct s3_store *s, const char *key, size_t key_len,
    struct store_stat *st, char etag[S3_TEXT_MAX], struct err *e)
{
	struct s3_call c = {
		.method = HTTP_HEAD, .key = key, .key_len = key_len,
		.rq = { .text_max = S3_TEXT_MIN }
	};
	uint64_t size;
	char byte;
	size_t got;
	int rc;

	if (etag != NULL)
		etag[0] = '\0';
	st->mtime_s = 0;
	rc = s3_call(s->s3, &c, e);
	if (rc == S3_REFUSED && c.rq.status == 404) {
		rc = s3_read_key(s, key, key_len, 0, &byte, 1, &got, &size, e);
		if (rc == 0)
			st->size_bytes = got == 0 ? 0 : size;
	} else if (rc == S3_REFUSED) {
		rc = refused(s, &c, e);
	} else if (rc == 0) {
		if (!s3_content_length(&c, &size))
			rc = err_set(e, ERR_REMOTE, "the server tells no size");
		else
			st->size_bytes = size;
		st->mtime_s = s3_last_modified(&c);
		if (etag != NULL)
			s3_etag(&c, etag);
	}
	s3_call_fini(&c);
	return (rc);
}

static int
s3_stat(struct store *base, const char *name, struct store_stat *out,
    struct err *e)
{
	struct s3_store *s = (struct s3_store *)base;
	char key[S3_NAME_BYTES];
	struct store_stat st;
	int rc;

	rc = s3_stat_key(s, key, s3_key_of(s, name, key), &st, NULL, e);
	if (rc == 0)
		*out = st;
	return (rc < 0 ? s3_wrap(s, name, "stat", e) : rc);
}

struct names {
	size_t prefix_len;
	store_list_fn *fn;
	void *ctx;
};

/* What can't be an object's name is none of ours. */
static int
one_name(void *ctx, const struct s3_object *o, struct err *e)
{
	const struct names *l = ctx;
	struct store_stat st = {
		.size_bytes = o->size_bytes, .mtime_s = o->mtime_s
	};
	const char *name = o->key + l->prefix_len;

	if (strlen(o->key) != o->key_len || !store_name_ok(name))
		return (0);
	return (l->fn(l->ctx, name, &st, e));
}

int
s3_list_objects(struct s3_store *s, const char *prefix, store_list_fn *fn,
    void *ctx, struct err *e)
{
	struct names l = {
		.prefix_len = strlen(s->url->prefix), .fn = fn, .ctx = ctx
	};
	char key[S3_NAME_BYTES + 1];
	size_t n = s3_key_of(s, prefix, key);
	int rc;

	/* "prefix" alone would find "prefix2/..." as well. */
	key[n] = '/';
	key[n + 1] = '\0';
	rc = s3_list(s->s3, key, one_name, &l, e);
	return (rc < 0 ? s3_wrap(s, prefix, "list", e) : rc);
}

/* Is this how a server says that it never deletes this? */
static bool
is_kept(const struct s3_call *c)
{
	return (c->rq.status == 403 || c->rq.status == 405 ||
	    s3_code_is(c, "AccessDenied") || s3_code_is(c, "ObjectLocked") ||
	    s3_code_is(c, "MethodNotAllowed"));
}

static int
s3_remove(struct store *base, const char *name, struct err *e)
{
	struct s3_store *s = (struct s3_store *)base;
	char key[S3_NAME_BYTES];
	struct s3_call c = {
		.method = HTTP_DELETE, .key = key,
		.key_len = s3_key_of(s, name, key),
		.rq = { .text_max = S3_TEXT_MIN }
	};
	int rc;

	rc = s3_call(s->s3, &c, e);
	if (rc == S3_REFUSED && is_kept(&c) &&
	    !s3_code_is(&c, "InvalidAccessKeyId") &&
	    !s3_code_is(&c, "SignatureDoesNotMatch") &&
	    !s3_code_is(&c, "RequestTimeTooSkewed"))
		rc = STORE_KEPT;
	else if (rc == S3_REFUSED)
		rc = refused(s, &c, e);
	s3_call_fini(&c);
	return (rc < 0 ? s3_wrap(s, name, "remove", e) : rc);
}

static const struct store_ops s3_ops = {
	.close = s3_close,
	.read = s3_read,
	.stat = s3_stat,
	.put = s3_put,
	.put_begin = s3_put_begin,
	.put_append = s3_put_append,
	.put_bulk = s3_put_bulk,
	.put_sha256 = s3_put_sha256,
	.put_commit = s3_put_commit,
	.put_abort = s3_put_abort,
	.list = s3_list_names,
	.list_ahead = s3_list_ahead,
	.remove = s3_remove
};

/* What an init that died leaves is no obstacle to the next. */
static int
not_empty(void *ctx, const struct s3_object *o, struct err *e)
{
	const struct s3_store *s = ctx;
	const char *name = o->key + strlen(s->url->prefix);

	if (*name == '\0' || strncmp(name, "keys/", 5) == 0)
		return (0);
	return (err_set(e, ERR_EXISTS, "%s is not empty: \"%.100s\" is in it",
	    s->base.where, name));
}

static int
copy_text(char **dst, const char *src, struct err *e)
{
	*dst = src == NULL ? NULL : strdup(src);
	if (src != NULL && *dst == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

int
store_s3_open(struct store **out, const char *location, bool create,
    const struct s3_options *o, struct err *e)
{
	struct s3_store *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	s->base.ops = &s3_ops;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)snprintf(s->base.where, sizeof(s->base.where), "%s", location);
	rc = s3_new(&s->s3, location, o, e);
	if (rc == 0)
		rc = copy_text(&s->storage_class, o == NULL ? NULL :
		    o->storage_class, e);
	if (rc == 0)
		rc = copy_text(&s->spool_dir, o == NULL ||
		    o->spool_dir == NULL ? io_temp_dir() : o->spool_dir, e);
	if (rc == 0)
		rc = copy_text(&s->memory_dir, o == NULL ? NULL :
		    o->memory_dir, e);
	if (rc == 0) {
		s->url = s3_url(s->s3);
		s->base.parallel = s3_connections(s->s3);
		s3_recall(s);
		if (create)
			rc = s3_list(s->s3, s->url->prefix, not_empty, s, e);
		if (rc != 0 && e->code != ERR_EXISTS)
			(void)err_wrap(e, "%s", location);
	}
	if (rc != 0)
		s3_close(&s->base);
	else
		*out = &s->base;
	return (rc);
}

const struct s3_url *
store_s3_url(const struct store *s)
{
	while (s->under != NULL)
		s = s->under;
	if (s->ops != &s3_ops)
		return (NULL);
	return (((const struct s3_store *)s)->url);
}
