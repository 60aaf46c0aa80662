/*
 * Making objects in a bucket.
 *
 *	begin	an unnamed file in the spool's directory, one
 *		that was used before if there is	-> OPEN
 *	append	write						   OPEN, FAILED
 *	commit	one PUT of the file				-> gone
 *	abort	close						-> gone
 *
 *  1. Success is answered only when the server has acknowledged these bytes, or
 *     when they were found to be there.
 *  2. A request that may have arrived unnoticed is never taken to have done so
 *     or not: create-only repeats meet their own object as "taken", and then
 *     the object is compared.
 *  3. Where the server is not known to refuse to replace, a name is looked up
 *     before it is given.  Names are made of contents, so that of two who give
 *     one at a time the later repeats what the earlier did.
 *
 * Whether a server honours If-None-Match is found out at the first small object
 * that is made there, mostly by init, by making it twice: who refuses the
 * second does.  Some answer 501, and some replace it (with the same bytes).  It
 * is remembered (s3_learn.c).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/id.h"
#include "engine/base/io.h"
#include "engine/store/s3_digest.h"
#include "engine/store/s3_impl.h"

#define PROBE_MAX	((uint64_t)256 << 10)
#define COMPARE_PIECE	((size_t)256 << 10)
#define SPOOL_MS	((uint64_t)20000)

struct s3_writer {
	struct store_put base;
	struct spool spool;
	bool failed;		/* an append failed: commit refuses */
	bool bulk;
	uint64_t written;
	struct s3_digest *digest;	/* of that; owned; NULL: none */
	const uint8_t *sha256;		/* likewise, at the commit; borrowed */
};

/* One name being given to a body. */
struct giving {
	struct s3_store *s;
	const char *name;
	char key[S3_NAME_BYTES];
	size_t key_len;
	struct http_body body;
	const struct s3_sum *sum;	/* of the body; NULL: not known */
	bool bulk;
};

/* The bytes at off of the body, in a buffer of COMPARE_PIECE. */
static int
body_piece(const struct http_body *b, uint64_t off, void *dst, size_t len,
    struct err *e)
{
	if (b->bytes == NULL)
		return (io_pread_all(b->fd, dst, len, off, e));
	memcpy(dst, (const uint8_t *)b->bytes + off, len);
	return (0);
}

/* Read the object back.  0: the same; 1: not. */
static int
compare_bytes(struct giving *g, struct err *e)
{
	uint8_t *ours = malloc(2 * COMPARE_PIECE);
	uint8_t *theirs;
	uint64_t left;
	size_t n, got;
	int rc = 0;

	if (ours == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	theirs = ours + COMPARE_PIECE;
	for (uint64_t off = 0; rc == 0 && off < g->body.len; off += n) {
		left = g->body.len - off;
		n = left < COMPARE_PIECE ? (size_t)left : COMPARE_PIECE;
		rc = body_piece(&g->body, off, ours, n, e);
		if (rc == 0)
			rc = s3_read_key(g->s, g->key, g->key_len, off, theirs,
			    n, &got, NULL, e);
		if (rc == 0 && (got != n || memcmp(ours, theirs, n) != 0))
			rc = 1;
	}
	free(ours);
	return (rc < 0 ? -1 : rc != 0);
}

/* An object's tag is the MD5 of its bytes, but not always: equal says more than
 * different. */
static bool
is_tag_of(const char *etag, const struct http_body *body)
{
	char hex[2 * MD5_BYTES + 1];
	uint8_t sum[MD5_BYTES];
	struct err ignored = ERR_INIT;

	if (s3_md5(body, sum, &ignored) != 0)
		return (false);
	return (strcmp(etag, hex_emit(hex, sum, sizeof(sum))) == 0);
}

/*
 * There is an object of the name.  `ours': may it be what an earlier attempt of
 * this very call made?  0: it is these bytes and so may; STORE_EXISTS;
 * STORE_ABSENT: it has gone.
 */
static int
settle(struct giving *g, bool ours, struct err *e)
{
	char etag[S3_TEXT_MAX];
	struct err why = ERR_INIT;
	struct store_stat st;
	int rc;

	rc = s3_stat_key(g->s, g->key, g->key_len, &st, etag, &why);
	if (rc > 0)
		return (rc);
	/* Who may only write can't look, and has the server's word. */
	if (rc < 0 && why.code == ERR_REMOTE)
		return (STORE_EXISTS);
	if (rc < 0) {
		*e = why;
		return (-1);
	}
	if (st.size_bytes != g->body.len) {
		/* A name without '/' is not made of contents. */
		if (strchr(g->name, '/') == NULL)
			return (STORE_EXISTS);
		return (err_set(e, ERR_CORRUPT, "a damaged object of this name "
		    "is there already"));
	}
	if (!ours)
		return (STORE_EXISTS);
	if (is_tag_of(etag, &g->body))
		return (0);
	rc = compare_bytes(g, e);
	return (rc > 0 ? STORE_EXISTS : rc);
}

/* One PUT.  0, S3_REFUSED, < 0; the call is the caller's to end. */
static int
send_put(struct giving *g, struct s3_call *c, bool create_only, struct err *e)
{
	*c = (struct s3_call){
		.method = HTTP_PUT, .key = g->key, .key_len = g->key_len,
		.body = g->body, .sum = g->sum,
		.rq = { .text_max = S3_TEXT_MIN }
	};
	if (create_only)
		s3_call_header(c, "if-none-match", "*");
	if (g->bulk && g->s->storage_class != NULL)
		s3_call_header(c, "x-amz-storage-class", g->s->storage_class);
	return (s3_call(g->s->s3, c, e));
}

/* The object was made; would it be made a second time? */
static void
probe(struct giving *g)
{
	struct err ignored = ERR_INIT;
	struct s3_call c;
	int rc;

	rc = send_put(g, &c, true, &ignored);
	if (rc == 0)
		s3_learn(g->s, CREATE_REPLACES);
	else if (rc == S3_REFUSED && c.rq.status == 412)
		s3_learn(g->s, CREATE_ONLY);
	s3_call_fini(&c);
}

/* With a server that may replace: look first. */
static int
give_looking(struct giving *g, struct err *e)
{
	struct s3_call c;
	int rc;

	rc = settle(g, false, e);
	if (rc != STORE_ABSENT)
		return (rc);
	rc = send_put(g, &c, false, e);
	if (rc == S3_REFUSED)
		rc = s3_refusal(g->s->s3, &c, e);
	s3_call_fini(&c);
	return (rc);
}

static bool
lacks_conditions(const struct s3_call *c)
{
	return (c->rq.status == 501 || s3_code_is(c, "NotImplemented"));
}

static int
give(struct giving *g, struct err *e)
{
	enum create_only known = atomic_load(&g->s->create_only);
	struct s3_call c;
	int rc;

	if (known == CREATE_REPLACES)
		return (give_looking(g, e));
	rc = send_put(g, &c, true, e);
	if (rc == S3_REFUSED && c.rq.status == 412) {
		s3_learn(g->s, CREATE_ONLY);
		rc = settle(g, c.again, e);
		if (rc == STORE_ABSENT)
			rc = err_set(e, ERR_BUSY, "it vanished while it was "
			    "stored");
	} else if (rc == S3_REFUSED && lacks_conditions(&c)) {
		s3_learn(g->s, CREATE_REPLACES);
		rc = give_looking(g, e);
	} else if (rc == S3_REFUSED) {
		rc = s3_refusal(g->s->s3, &c, e);
	} else if (rc == 0 && known == CREATE_UNKNOWN &&
	    g->body.len <= PROBE_MAX) {
		probe(g);
	}
	s3_call_fini(&c);
	return (rc < 0 ? s3_wrap(g->s, g->name, "put", e) : rc);
}

int
s3_put(struct store *base, const char *name, const void *src, size_t len,
    struct err *e)
{
	struct giving g = {
		.s = (struct s3_store *)base, .name = name,
		.body = { .bytes = len == 0 ? "" : src, .len = len }
	};

	g.key_len = s3_key_of(g.s, name, g.key);
	return (give(&g, e));
}

/*
 * Files go on to the next object, with the pages that the kernel has for them:
 * to write over those costs less than to take new ones and give them back.  But
 * what has been written for 30 s goes to the disk, while a new file's pages are
 * gone before that: so none is used for longer than SPOOL_MS.
 */
static bool
spool_take(struct s3_store *s, struct spool *out)
{
	bool some;

	(void)pthread_mutex_lock(&s->lock);
	some = s->nspools > 0;
	if (some)
		*out = s->spools[--s->nspools];
	(void)pthread_mutex_unlock(&s->lock);
	return (some);
}

static void
spool_give(struct s3_store *s, const struct spool *spool)
{
	bool keep = clock_mono_ms() - spool->since_ms < SPOOL_MS;

	(void)pthread_mutex_lock(&s->lock);
	keep = keep && s->nspools < S3_SPOOLS_MAX;
	if (keep)
		s->spools[s->nspools++] = *spool;
	(void)pthread_mutex_unlock(&s->lock);
	if (!keep)
		(void)close(spool->fd);
}

void
s3_spools_fini(struct s3_store *s)
{
	while (s->nspools > 0)
		(void)close(s->spools[--s->nspools].fd);
}

int
s3_put_begin(struct store *base, struct store_put **out, struct err *e)
{
	struct s3_store *s = (struct s3_store *)base;
	struct s3_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	w->base.store = base;
	if (!spool_take(s, &w->spool)) {
		w->spool.fd = io_temp_file(s->spool_dir, e);
		w->spool.since_ms = clock_mono_ms();
	}
	if (w->spool.fd < 0) {
		free(w);
		return (-1);
	}
	w->digest = s3_digest_new(s3_sum_kind(s->s3));
	*out = &w->base;
	return (0);
}

int
s3_put_append(struct store_put *p, const void *src, size_t len, struct err *e)
{
	struct s3_writer *w = (struct s3_writer *)p;

	if (w->failed)
		return (err_set(e, ERR_SYS, "%s: an earlier write failed",
		    p->store->where));
	if (io_pwrite_all(w->spool.fd, src, len, w->written, e) != 0) {
		w->failed = true;
		return (err_wrap(e, "%s: spool",
		    ((struct s3_store *)p->store)->spool_dir));
	}
	s3_digest_add(w->digest, src, len);
	w->written += len;
	return (0);
}

void
s3_put_bulk(struct store_put *p)
{
	((struct s3_writer *)p)->bulk = true;
}

void
s3_put_sha256(struct store_put *p, const uint8_t *sum)
{
	struct s3_writer *w = (struct s3_writer *)p;
	struct s3_sum ignored;

	BUG_ON(w->written > 0);
	if (s3_sum_kind(((struct s3_store *)p->store)->s3) != S3_SHA256)
		return;
	(void)s3_digest_end(w->digest, &ignored);
	w->digest = NULL;
	w->sha256 = sum;
}

static void
writer_free(struct s3_writer *w)
{
	if (w->failed)
		(void)close(w->spool.fd);
	else
		spool_give((struct s3_store *)w->base.store, &w->spool);
	free(w);
}

void
s3_put_abort(struct store_put *p)
{
	struct s3_writer *w = (struct s3_writer *)p;
	struct s3_sum ignored;

	(void)s3_digest_end(w->digest, &ignored);
	writer_free(w);
}

int
s3_put_commit(struct store_put *p, const char *name, struct err *e)
{
	struct s3_writer *w = (struct s3_writer *)p;
	struct giving g = {
		.s = (struct s3_store *)p->store, .name = name,
		.body = { .fd = w->spool.fd, .len = w->written },
		.bulk = w->bulk
	};
	struct s3_sum sum;
	int rc;

	if (w->sha256 != NULL) {
		sum.kind = S3_SHA256;
		memcpy(sum.bytes, w->sha256, SHA256_BYTES);
		g.sum = &sum;
	} else if (s3_digest_end(w->digest, &sum)) {
		g.sum = &sum;
	}
	g.key_len = s3_key_of(g.s, name, g.key);
	if (w->failed)
		rc = err_set(e, ERR_SYS, "%s: an earlier write failed",
		    p->store->where);
	else
		rc = give(&g, e);
	writer_free(w);
	return (rc);
}
