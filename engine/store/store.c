/*
 * The store's front: checks every name before a store sees it, and dispatches.
 * Names come from lists and objects that anybody may have written, so that a
 * store must never be asked for one that leads elsewhere.
 */
#include "engine/store/store.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "engine/store/dir.h"
#include "engine/store/fault.h"
#include "engine/store/s3.h"

#define LOAD_STEP_BYTES	((size_t)1 << 16)

/* What may be in a name; a listing asks for each character of each name. */
static const bool in_name[UCHAR_MAX + 1] = {
	['-'] = 1, ['/'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1,
	['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1,
	['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1,
	['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1,
	['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1,
	['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1,
	['y'] = 1, ['z'] = 1
};

bool
store_name_ok(const char *name)
{
	size_t len = 0;

	while (in_name[(unsigned char)name[len]])
		len++;
	if (name[len] != '\0' || len == 0 || len > STORE_NAME_MAX)
		return (false);
	if (name[0] == '/' || name[len - 1] == '/' ||
	    strstr(name, "//") != NULL)
		return (false);
	return (strcmp(name, "tmp") != 0 && strncmp(name, "tmp/", 4) != 0);
}

static int
check_name(const struct store *s, const char *name, struct err *e)
{
	if (store_name_ok(name))
		return (0);
	return (err_set(e, ERR_CORRUPT, "%s: \"%.*s\" is no name of an object",
	    s->where, STORE_NAME_MAX, name));
}

void
store_close(struct store *s)
{
	if (s != NULL)
		s->ops->close(s);
}

int
store_read(struct store *s, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, struct err *e)
{
	if (check_name(s, name, e) != 0)
		return (-1);
	return (s->ops->read(s, name, off, dst, len, got, e));
}

int
store_read_near(struct store *s, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, bool bulk, struct err *e)
{
	if (check_name(s, name, e) != 0)
		return (-1);
	if (s->ops->read_near == NULL)
		return (s->ops->read(s, name, off, dst, len, got, e));
	return (s->ops->read_near(s, name, off, dst, len, got, bulk, e));
}

void
store_forget(struct store *s, const char *name, uint64_t off, size_t len)
{
	if (store_name_ok(name) && s->ops->forget != NULL)
		s->ops->forget(s, name, off, len);
}

int
store_load(struct store *s, const char *name, struct buf *dst, size_t max,
    struct err *e)
{
	size_t before = dst->len;
	size_t want = LOAD_STEP_BYTES;
	size_t have = 0;
	size_t got;
	int rc;

	/* The size is not asked for: most objects come with the first read,
	 * and each request costs a remote store's latency. */
	for (;;) {
		if (want > max - have)
			want = max - have + 1;
		rc = buf_reserve(dst, want, e);
		if (rc == 0)
			rc = store_read(s, name, have, dst->data + dst->len,
			    want, &got, e);
		if (rc != 0)
			break;
		dst->len += got;
		have += got;
		if (have > max) {
			rc = err_set(e, ERR_LIMIT, "%s/%s: more than %zu bytes",
			    s->where, name, max);
			break;
		}
		if (got < want)
			return (0);
		want = have;
	}
	dst->len = before;
	return (rc);
}

int
store_stat(struct store *s, const char *name, struct store_stat *st,
    struct err *e)
{
	if (check_name(s, name, e) != 0)
		return (-1);
	return (s->ops->stat(s, name, st, e));
}

int
store_put(struct store *s, const char *name, const void *src, size_t len,
    struct err *e)
{
	if (check_name(s, name, e) != 0)
		return (-1);
	return (s->ops->put(s, name, src, len, e));
}

int
store_put_begin(struct store *s, struct store_put **out, struct err *e)
{
	return (s->ops->put_begin(s, out, e));
}

int
store_put_append(struct store_put *p, const void *src, size_t len,
    struct err *e)
{
	return (p->store->ops->put_append(p, src, len, e));
}

void
store_put_bulk(struct store_put *p)
{
	if (p->store->ops->put_bulk != NULL)
		p->store->ops->put_bulk(p);
}

void
store_put_sha256(struct store_put *p, const uint8_t *sum)
{
	if (p->store->ops->put_sha256 != NULL)
		p->store->ops->put_sha256(p, sum);
}

int
store_put_commit(struct store_put *p, const char *name, struct err *e)
{
	if (check_name(p->store, name, e) != 0) {
		store_put_abort(p);
		return (-1);
	}
	return (p->store->ops->put_commit(p, name, e));
}

void
store_put_abort(struct store_put *p)
{
	if (p != NULL)
		p->store->ops->put_abort(p);
}

int
store_list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	int rc;

	if (check_name(s, prefix, e) != 0)
		return (-1);
	rc = s->ops->list(s, prefix, fn, ctx, e);
	return (rc == STORE_STOP ? 0 : rc);
}

int
store_list_names(struct store *s, const char *prefix, store_list_fn *fn,
    void *ctx, struct err *e)
{
	int rc;

	if (s->ops->list_names == NULL)
		return (store_list(s, prefix, fn, ctx, e));
	if (check_name(s, prefix, e) != 0)
		return (-1);
	rc = s->ops->list_names(s, prefix, fn, ctx, e);
	return (rc == STORE_STOP ? 0 : rc);
}

void
store_list_ahead(struct store *s, const char *const *prefixes, size_t n)
{
	if (s->ops->list_ahead != NULL)
		s->ops->list_ahead(s, prefixes, n);
}

int
store_remove(struct store *s, const char *name, struct err *e)
{
	if (check_name(s, name, e) != 0)
		return (-1);
	return (s->ops->remove(s, name, e));
}

#ifdef VITRINE_TESTING
/* Put the fault store in front where a test asks for it. */
static int
wrap_faults(struct store **s, struct err *e)
{
	const char *plan = getenv("VITRINE_TEST_FAULTS");
	struct store *inner = *s;

	if (plan == NULL || *plan == '\0')
		return (0);
	if (store_fault_open(s, inner, plan, e) != 0) {
		store_close(inner);
		return (-1);
	}
	return (0);
}
#endif

int
store_open_with(struct store **out, const char *location, bool create,
    const struct s3_options *s3, struct err *e)
{
	struct store *s;
	int rc;

	if (*location == '\0')
		return (err_set(e, ERR_USAGE, "the repository has no name"));
	if (s3_is_location(location))
		rc = store_s3_open(&s, location, create, s3, e);
	else if (strstr(location, "://") != NULL)
		return (err_set(e, ERR_USAGE, "%s: no kind of store that this "
		    "vitrine knows; give a directory or s3:https://HOST/BUCKET",
		    location));
	else
		rc = store_dir_open(&s, location, create, e);
	if (rc != 0)
		return (-1);
#ifdef VITRINE_TESTING
	if (wrap_faults(&s, e) != 0)
		return (-1);
#endif
	*out = s;
	return (0);
}

int
store_open(struct store **out, const char *location, bool create,
    struct err *e)
{
	return (store_open_with(out, location, create, NULL, e));
}
