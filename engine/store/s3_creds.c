/*
 * Keys that end, and those who share them.
 *
 * Those of a role are renewed by whoever finds them about to end, without the
 * lock; the others go on with the old ones while these are good, else wait.
 *
 * Whether keys have ended is for the server to say, not for this machine's
 * clock: where none newer are to be had, the role's service being out or itself
 * with nothing newer (Amazon's says so of outages), the old ones are used on,
 * and asked for again every AGAIN_S.
 */
#include "engine/store/s3_creds.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/clock.h"
#include "engine/store/s3_role.h"

/* Before the end: renewal is tried from here on, and needed from there on. */
#define RENEW_S		300
#define NEEDED_S	60
#define AGAIN_S		30		/* after one that brought nothing */

struct s3_creds {
	struct http *http;
	bool anonymous;			/* immutable */
	bool role;			/* immutable */

	pthread_mutex_t lock;		/* what follows */
	pthread_cond_t renewed;
	bool renewing;
	uint64_t tried_ms;		/* the last renewal; 0: none */
	struct s3_keys *keys;		/* owned */
	struct err why;			/* there are none */
};

int
s3_creds_new(struct s3_creds **out, struct http *http, struct s3_keys *keys,
    bool anonymous, const struct s3_profile *profile, struct err *e)
{
	struct s3_creds *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		s3_keys_free(keys);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	c->http = http;
	c->keys = keys;
	c->anonymous = anonymous;
	c->role = !profile->has_keys;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->renewed, NULL);
	err_init(&c->why);
	*out = c;
	return (0);
}

void
s3_creds_free(struct s3_creds *c)
{
	if (c == NULL)
		return;
	(void)pthread_cond_destroy(&c->renewed);
	(void)pthread_mutex_destroy(&c->lock);
	s3_keys_free(c->keys);
	free(c);
}

static int
ask(struct s3_creds *c, struct s3_keys *new, struct err *e)
{
	int rc = s3_role_load(c->http, new, e);

	if (rc > 0)
		rc = err_set(e, ERR_USAGE, "none for S3: set "
		    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or have them "
		    "in ~/.aws/credentials (and AWS_PROFILE name the profile);"
		    " a public bucket is read with --s3-anonymous, one that is "
		    "backed up with --bucket-anonymous");
	return (rc);
}

/* Under the lock, which is given up meanwhile. */
static int
renew(struct s3_creds *c, struct err *e)
{
	struct s3_keys *new = s3_keys_new(e);
	int rc = -1;

	if (new == NULL)
		return (-1);
	c->renewing = true;
	(void)pthread_mutex_unlock(&c->lock);
	rc = ask(c, new, e);
	(void)pthread_mutex_lock(&c->lock);
	c->renewing = false;
	if (rc == 0)
		*c->keys = *new;
	else
		c->why = *e;
	c->tried_ms = clock_mono_ms();
	(void)pthread_cond_broadcast(&c->renewed);
	s3_keys_free(new);
	return (rc);
}

static bool
has_keys(const struct s3_creds *c)
{
	return (c->keys->access[0] != '\0');
}

/* Have they so many seconds left? */
static bool
good_for(const struct s3_creds *c, time_t now, time_t s)
{
	return (c->keys->expires == 0 || c->keys->expires - now > s);
}

static bool
is_due(const struct s3_creds *c)
{
	return (!good_for(c, time(NULL), RENEW_S) && (c->tried_ms == 0 ||
	    clock_mono_ms() - c->tried_ms >= AGAIN_S * 1000));
}

int
s3_creds_hold(struct s3_creds *c, const struct s3_keys **out, struct err *e)
{
	struct err ignored = ERR_INIT;
	bool waited = false;
	int rc = 0;

	if (c->anonymous)
		return (1);
	(void)pthread_mutex_lock(&c->lock);
	for (; c->renewing && (!has_keys(c) || !good_for(c, time(NULL),
	    NEEDED_S)); waited = true)
		(void)pthread_cond_wait(&c->renewed, &c->lock);
	if (c->role && !has_keys(c) && waited) {
		/* What was just asked in vain is not asked by each of many. */
		*e = c->why;
		rc = -1;
	} else if (c->role && !has_keys(c)) {
		rc = renew(c, e);
	} else if (c->role && !c->renewing && is_due(c)) {
		(void)renew(c, &ignored);
	}
	if (rc != 0) {
		(void)pthread_mutex_unlock(&c->lock);
		return (err_wrap(e, "credentials"));
	}
	*out = c->keys;
	return (0);
}

void
s3_creds_release(struct s3_creds *c)
{
	(void)pthread_mutex_unlock(&c->lock);
}

int
s3_creds_renew(struct s3_creds *c, const char *access, struct err *e)
{
	int rc = 0;

	if (!c->role)
		return (1);
	(void)pthread_mutex_lock(&c->lock);
	while (c->renewing)
		(void)pthread_cond_wait(&c->renewed, &c->lock);
	/* Somebody else may have seen the same. */
	if (strcmp(c->keys->access, access) == 0)
		rc = renew(c, e);
	(void)pthread_mutex_unlock(&c->lock);
	return (rc);
}
