/*
 * The store that fails on purpose.  A test gives a plan (fault.h); every call
 * is counted, and the one that the plan names fails in the way it says.  It
 * stands in front of a real store, so that what a failing run leaves behind is
 * what a real one would.
 */
#include "engine/store/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RULES_MAX	16

enum op {
	OP_READ, OP_PUT, OP_BEGIN, OP_APPEND, OP_COMMIT, OP_LIST, OP_STAT,
	OP_REMOVE, OP_ANY, OP_N
};
enum what {
	W_NONE, W_EIO, W_ENOSPC, W_ESTALE, W_KILL, W_LOST, W_TEAR, W_FLIP,
	W_SHORT, W_N
};

static const char *const op_name[OP_N] = {
	"read", "put", "begin", "append", "commit", "list", "stat", "remove",
	"any"
};
static const char *const what_name[W_N] = {
	"", "eio", "enospc", "estale", "kill", "lost", "tear", "flip", "short"
};

struct rule {
	enum op op;
	enum what what;
	uint64_t n;
	bool onwards;		/* and every later one */
};

struct fault_store {
	struct store base;
	struct rule rule[RULES_MAX];	/* immutable */
	unsigned rules;
	bool tears;			/* streams keep their bytes */

	pthread_mutex_t lock;		/* count */
	uint64_t count[OP_N];
};

struct fault_put {
	struct store_put base;
	struct store_put *inner;
	struct buf bytes;		/* what was appended, for a tear */
	bool failed;			/* an append failed: no commit */
};

/* Does this kind of fault exist for this call? */
static bool
makes_sense(enum op op, enum what w)
{
	switch (w) {
	case W_TEAR:
		return (op == OP_PUT || op == OP_COMMIT || op == OP_APPEND ||
		    op == OP_ANY);
	case W_FLIP:
		return (op == OP_READ);
	case W_SHORT:
		return (op == OP_READ || op == OP_STAT || op == OP_LIST);
	default:
		return (true);
	}
}

/* Leave word for a test that a rule has come true: without it, a run that went
 * well in spite of a fault looks like one that met none. */
static void
leave_word(void)
{
	const char *path = getenv("VITRINE_TEST_FAULTS_HIT");
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd);
}

/* Count the call, and say what is to happen to it. */
static enum what
draw(struct store *s, enum op op)
{
	struct fault_store *f = (struct fault_store *)s;
	enum what what = W_NONE;
	uint64_t n;

	(void)pthread_mutex_lock(&f->lock);
	f->count[op]++;
	f->count[OP_ANY]++;
	for (unsigned i = 0; what == W_NONE && i < f->rules; i++) {
		const struct rule *r = &f->rule[i];

		if (r->op != op && r->op != OP_ANY)
			continue;
		n = f->count[r->op];
		if (n == r->n || (r->onwards && n > r->n))
			what = r->what;
	}
	(void)pthread_mutex_unlock(&f->lock);
	if (what != W_NONE)
		leave_word();
	if (what == W_KILL)
		(void)kill(getpid(), SIGKILL);
	return (what);
}

/* A plain failure: < 0.  0 when the call is to go on. */
static int
fail(enum what w, enum op op, struct err *e)
{
	switch (w) {
	case W_EIO:
		return (err_sys(e, EIO, "injected fault: %s", op_name[op]));
	case W_ENOSPC:
		return (err_sys(e, ENOSPC, "injected fault: %s", op_name[op]));
	case W_ESTALE:
		return (err_sys(e, ESTALE, "injected fault: %s", op_name[op]));
	default:
		return (0);
	}
}

/* What to answer after the call was done with rc. */
static int
answer(int rc, enum what w, enum op op, struct err *e)
{
	if (rc < 0 || w != W_LOST)
		return (rc);
	return (err_sys(e, EIO, "injected fault: %s, its answer lost",
	    op_name[op]));
}

static int
torn(enum op op, struct err *e)
{
	return (err_sys(e, EIO, "injected fault: %s torn", op_name[op]));
}

static void
fault_close(struct store *s)
{
	struct fault_store *f = (struct fault_store *)s;

	store_close(s->under);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}

static int
fault_read(struct store *s, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, struct err *e)
{
	enum what w = draw(s, OP_READ);
	int rc;

	if (fail(w, OP_READ, e) != 0)
		return (-1);
	rc = store_read(s->under, name, off, dst, len, got, e);
	if (rc == 0 && *got > 0) {
		if (w == W_FLIP)
			((uint8_t *)dst)[*got / 2] ^= 1;
		if (w == W_SHORT)
			*got /= 2;
	}
	return (answer(rc, w, OP_READ, e));
}

static int
fault_stat(struct store *s, const char *name, struct store_stat *st,
    struct err *e)
{
	enum what w = draw(s, OP_STAT);
	int rc;

	if (fail(w, OP_STAT, e) != 0)
		return (-1);
	rc = store_stat(s->under, name, st, e);
	if (rc == 0 && w == W_SHORT)
		st->size_bytes /= 2;
	return (answer(rc, w, OP_STAT, e));
}

static int
fault_put_whole(struct store *s, const char *name, const void *src, size_t len,
    struct err *e)
{
	enum what w = draw(s, OP_PUT);

	if (fail(w, OP_PUT, e) != 0)
		return (-1);
	if (w == W_TEAR) {
		(void)store_put(s->under, name, src, len / 2, e);
		return (torn(OP_PUT, e));
	}
	return (answer(store_put(s->under, name, src, len, e), w, OP_PUT, e));
}

static int
fault_put_begin(struct store *s, struct store_put **out, struct err *e)
{
	enum what w = draw(s, OP_BEGIN);
	struct fault_put *p;

	if (fail(w, OP_BEGIN, e) != 0)
		return (-1);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	p->base.store = s;
	if (store_put_begin(s->under, &p->inner, e) != 0) {
		free(p);
		return (-1);
	}
	if (w == W_LOST) {
		store_put_abort(p->inner);
		free(p);
		return (answer(0, w, OP_BEGIN, e));
	}
	*out = &p->base;
	return (0);
}

static int
append(struct fault_put *p, const void *src, size_t len, struct err *e)
{
	enum what w = draw(p->base.store, OP_APPEND);

	if (fail(w, OP_APPEND, e) != 0)
		return (-1);
	if (w == W_TEAR) {
		(void)store_put_append(p->inner, src, len / 2, e);
		return (torn(OP_APPEND, e));
	}
	if (((struct fault_store *)p->base.store)->tears) {
		buf_bytes(&p->bytes, src, len);
		if (buf_ok(&p->bytes, e) != 0)
			return (-1);
	}
	return (answer(store_put_append(p->inner, src, len, e), w, OP_APPEND,
	    e));
}

static int
fault_put_append(struct store_put *sp, const void *src, size_t len,
    struct err *e)
{
	struct fault_put *p = (struct fault_put *)sp;
	int rc = append(p, src, len, e);

	if (rc != 0)
		p->failed = true;
	return (rc);
}

static void
put_free(struct fault_put *p)
{
	buf_fini(&p->bytes);
	free(p);
}

static int
fault_put_commit(struct store_put *sp, const char *name, struct err *e)
{
	struct fault_put *p = (struct fault_put *)sp;
	struct store *s = sp->store;
	enum what w = draw(s, OP_COMMIT);
	int rc;

	rc = fail(w, OP_COMMIT, e);
	if (rc == 0 && p->failed)
		rc = err_set(e, ERR_SYS, "an earlier write failed");
	if (rc != 0) {
		store_put_abort(p->inner);
	} else if (w == W_TEAR) {
		store_put_abort(p->inner);
		(void)store_put(s->under, name, p->bytes.data,
		    p->bytes.len / 2, e);
		rc = torn(OP_COMMIT, e);
	} else {
		rc = store_put_commit(p->inner, name, e);
		rc = answer(rc, w, OP_COMMIT, e);
	}
	put_free(p);
	return (rc);
}

static void
fault_put_abort(struct store_put *sp)
{
	struct fault_put *p = (struct fault_put *)sp;

	store_put_abort(p->inner);
	put_free(p);
}

struct half {
	store_list_fn *fn;
	void *ctx;
	uint64_t left;
};

static int
count_name(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	(*(uint64_t *)ctx)++;
	return (0);
}

static int
pass_half(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct half *h = ctx;

	if (h->left == 0)
		return (STORE_STOP);
	h->left--;
	return (h->fn(h->ctx, name, st, e));
}

static int
fault_list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	enum what w = draw(s, OP_LIST);
	struct half h = { .fn = fn, .ctx = ctx };

	if (fail(w, OP_LIST, e) != 0)
		return (-1);
	if (w == W_SHORT) {
		if (store_list(s->under, prefix, count_name, &h.left, e) != 0)
			return (-1);
		h.left /= 2;
		return (store_list(s->under, prefix, pass_half, &h, e));
	}
	return (answer(store_list(s->under, prefix, fn, ctx, e), w, OP_LIST,
	    e));
}

static int
fault_remove(struct store *s, const char *name, struct err *e)
{
	enum what w = draw(s, OP_REMOVE);

	if (fail(w, OP_REMOVE, e) != 0)
		return (-1);
	return (answer(store_remove(s->under, name, e), w, OP_REMOVE, e));
}

static void
fault_put_bulk(struct store_put *sp)
{
	store_put_bulk(((struct fault_put *)sp)->inner);
}

static void
fault_put_sha256(struct store_put *sp, const uint8_t *sum)
{
	store_put_sha256(((struct fault_put *)sp)->inner, sum);
}

static const struct store_ops fault_ops = {
	.close = fault_close,
	.read = fault_read,
	.stat = fault_stat,
	.put = fault_put_whole,
	.put_begin = fault_put_begin,
	.put_append = fault_put_append,
	.put_bulk = fault_put_bulk,
	.put_sha256 = fault_put_sha256,
	.put_commit = fault_put_commit,
	.put_abort = fault_put_abort,
	.list = fault_list,
	.remove = fault_remove
};

/* Which of the n names stands at p, ended by `end'?  Returns n for none. */
static unsigned
which(const char *p, const char *end, const char *const *names, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (strlen(names[i]) == (size_t)(end - p) &&
		    memcmp(names[i], p, (size_t)(end - p)) == 0)
			break;
	return (i);
}

/* One "OP@N=WHAT" of len bytes. */
static int
parse_rule(struct rule *r, const char *text, size_t len)
{
	const char *at = memchr(text, '@', len);
	const char *eq = memchr(text, '=', len);
	char *end;
	unsigned i;

	if (at == NULL || eq == NULL || eq < at)
		return (-1);
	i = which(text, at, op_name, OP_N);
	if (i == OP_N)
		return (-1);
	r->op = (enum op)i;
	r->n = strtoull(at + 1, &end, 10);
	r->onwards = *end == '+';
	if (r->onwards)
		end++;
	if (end != eq || r->n == 0)
		return (-1);
	i = which(eq + 1, text + len, what_name, W_N);
	if (i == W_N || i == W_NONE)
		return (-1);
	r->what = (enum what)i;
	return (makes_sense(r->op, r->what) ? 0 : -1);
}

static int
parse_plan(struct fault_store *f, const char *plan, struct err *e)
{
	const char *p = plan;
	size_t len;

	for (;;) {
		len = strcspn(p, ",");
		if (f->rules == RULES_MAX)
			return (err_set(e, ERR_USAGE, "fault plan: too long"));
		if (parse_rule(&f->rule[f->rules], p, len) != 0)
			return (err_set(e, ERR_USAGE, "fault plan: \"%.*s\"",
			    (int)len, p));
		if (f->rule[f->rules].what == W_TEAR)
			f->tears = true;
		f->rules++;
		if (p[len] == '\0')
			return (0);
		p += len + 1;
	}
}

int
store_fault_open(struct store **out, struct store *inner, const char *plan,
    struct err *e)
{
	struct fault_store *f;

	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (parse_plan(f, plan, e) != 0) {
		free(f);
		return (-1);
	}
	f->base.ops = &fault_ops;
	f->base.under = inner;
	f->base.parallel = inner->parallel;
	memcpy(f->base.where, inner->where, sizeof(f->base.where));
	if (pthread_mutex_init(&f->lock, NULL) != 0)
		BUG("a plain mutex can't be made");
	*out = &f->base;
	return (0);
}

uint64_t
store_fault_calls(const struct store *s)
{
	const struct fault_store *f = (const struct fault_store *)s;

	return (f->count[OP_ANY]);
}
