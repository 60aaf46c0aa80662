/*
 * Listings that were asked for before they are needed: side by side, where one
 * after the other would cost a round trip each.
 *
 *	s3_list_ahead	a thread a prefix	-> RUNNING
 *	s3_list_names	joined, its names told	-> gone
 *	s3_list_ahead, s3_ahead_fini	joined	-> gone
 *
 * A listing that failed, or that is longer than is worth keeping, is as if it
 * had not been asked for.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rd.h"
#include "engine/store/s3_impl.h"

#define NAMES_MAX	((size_t)128 << 10)

struct ahead {
	struct s3_store *s;
	char prefix[STORE_NAME_MAX + 1];
	pthread_t thread;
	struct buf names;	/* u64 size, i64 mtime, u16 length, name */
	int rc;
	struct err err;
};

static int
note(void *ctx, const char *name, const struct store_stat *st, struct err *e)
{
	struct ahead *a = ctx;

	if (a->names.len > NAMES_MAX)
		return (err_set(e, ERR_LIMIT, "more than is kept"));
	buf_u64(&a->names, st->size_bytes);
	buf_i64(&a->names, st->mtime_s);
	buf_str16(&a->names, name, strlen(name));
	return (buf_ok(&a->names, e));
}

static void *
run(void *arg)
{
	struct ahead *a = arg;

	a->rc = s3_list_objects(a->s, a->prefix, note, a, &a->err);
	return (NULL);
}

static void
drop(struct ahead *a)
{
	if (a == NULL)
		return;
	(void)pthread_join(a->thread, NULL);
	buf_fini(&a->names);
	free(a);
}

/* NULL where it can't be done now: then it is done when it is needed. */
static struct ahead *
start(struct s3_store *s, const char *prefix)
{
	struct ahead *a = calloc(1, sizeof(*a));
	sigset_t all, old;
	int ret;

	if (a == NULL)
		return (NULL);
	a->s = s;
	(void)snprintf(a->prefix, sizeof(a->prefix), "%s", prefix);
	err_init(&a->err);
	/* Signals are other threads' business. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&a->thread, NULL, run, a);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret != 0) {
		free(a);
		return (NULL);
	}
	return (a);
}

/* What was asked for and is still there, taken out; NULL. */
static struct ahead *
take(struct s3_store *s, const char *prefix)
{
	struct ahead *a = NULL;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; a == NULL && i < S3_AHEAD_MAX; i++)
		if (s->ahead[i] != NULL && (prefix == NULL ||
		    strcmp(s->ahead[i]->prefix, prefix) == 0)) {
			a = s->ahead[i];
			s->ahead[i] = NULL;
		}
	(void)pthread_mutex_unlock(&s->lock);
	return (a);
}

void
s3_ahead_fini(struct s3_store *s)
{
	struct ahead *a;

	while ((a = take(s, NULL)) != NULL)
		drop(a);
}

void
s3_list_ahead(struct store *base, const char *const *prefixes, size_t n)
{
	struct s3_store *s = (struct s3_store *)base;
	struct ahead *old[S3_AHEAD_MAX];

	/* In one step: whoever comes next finds these, and drops them. */
	(void)pthread_mutex_lock(&s->lock);
	memcpy(old, s->ahead, sizeof(old));
	for (size_t i = 0; i < S3_AHEAD_MAX; i++)
		s->ahead[i] = i < n ? start(s, prefixes[i]) : NULL;
	(void)pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < S3_AHEAD_MAX; i++)
		drop(old[i]);
}

/* Tell them; what fn returned if that was not 0. */
static int
replay(const struct ahead *a, store_list_fn *fn, void *ctx, struct err *e)
{
	char name[STORE_NAME_MAX + 1];
	struct store_stat st;
	struct rd r;
	uint16_t len;
	int rc = 0;

	rd_init(&r, a->names.data, a->names.len);
	while (rc == 0 && rd_left(&r) > 0) {
		st.size_bytes = rd_u64(&r);
		st.mtime_s = rd_i64(&r);
		len = rd_u16(&r);
		BUG_ON(len > STORE_NAME_MAX);
		rd_bytes(&r, name, len);
		name[len] = '\0';
		rc = fn(ctx, name, &st, e);
	}
	return (rc);
}

int
s3_list_names(struct store *base, const char *prefix, store_list_fn *fn,
    void *ctx, struct err *e)
{
	struct s3_store *s = (struct s3_store *)base;
	struct ahead *a = take(s, prefix);
	bool good;
	int rc = 0;

	if (a != NULL)
		(void)pthread_join(a->thread, NULL);
	good = a != NULL && a->rc == 0;
	if (good)
		rc = replay(a, fn, ctx, e);
	if (a != NULL)
		buf_fini(&a->names);
	free(a);
	if (!good)
		rc = s3_list_objects(s, prefix, fn, ctx, e);
	return (rc);
}
