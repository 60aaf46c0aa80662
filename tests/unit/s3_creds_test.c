/*
 * Keys that end, and those who share them.  The role's service and both clocks
 * are ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/store/s3_creds.h"
#include "engine/store/s3_role.h"

#define CALLERS	4

static _Atomic time_t now_s;
static _Atomic uint64_t mono_ms;

/* The service: what it gives, and how often it was asked. */
static atomic_int answer;		/* as s3_role_load() */
static _Atomic time_t lasts_s;		/* 0: for ever */
static atomic_uint asked, together;
static atomic_bool gate;		/* shut: an answer waits */

time_t
time(time_t *out)
{
	if (out != NULL)
		*out = now_s;
	return (now_s);
}

uint64_t
clock_mono_ms(void)
{
	return (mono_ms);
}

int
s3_role_load(struct http *h, struct s3_keys *k, struct err *e)
{
	unsigned n = ++asked;
	int rc;

	together++;
	while (gate)
		(void)usleep(1000);
	together--;
	rc = answer;
	if (rc < 0)
		return (err_set(e, ERR_NET, "the service is out"));
	(void)snprintf(k->access, sizeof(k->access), "key%u", n);
	k->expires = lasts_s == 0 ? 0 : now_s + lasts_s;
	return (rc);
}

static struct s3_creds *
begin(bool anonymous, bool has_keys)
{
	struct s3_profile p = { .has_keys = has_keys };
	struct err e = ERR_INIT;
	struct s3_keys *k = s3_keys_new(&e);
	struct s3_creds *c;

	assert_non_null(k);
	if (has_keys)
		(void)snprintf(k->access, sizeof(k->access), "own");
	assert_int_equal(s3_creds_new(&c, NULL, k, anonymous, &p, &e), 0);
	now_s = 1000000;
	mono_ms = 1000000;
	answer = 0;
	lasts_s = 3600;
	asked = 0;
	gate = false;
	return (c);
}

/* The key that there is; "" when requests go unsigned, NULL: none, since the
 * service is out. */
static const char *
held(struct s3_creds *c, char access[S3_ACCESS_MAX])
{
	const struct s3_keys *k;
	struct err e = ERR_INIT;
	int rc = s3_creds_hold(c, &k, &e);

	if (rc < 0 && strstr(err_text(&e), "the service is out") != NULL)
		return (NULL);
	access[0] = '\0';
	if (rc == 0) {
		memcpy(access, k->access, S3_ACCESS_MAX);
		s3_creds_release(c);
	}
	return (access);
}

static void
pass(time_t s)
{
	now_s += s;
	mono_ms += (uint64_t)s * 1000;
}

static void
test_own(void **state)
{
	char a[S3_ACCESS_MAX];
	struct err e = ERR_INIT;
	struct s3_creds *c = begin(true, false);

	assert_string_equal(held(c, a), "");
	s3_creds_free(c);
	c = begin(false, true);
	assert_string_equal(held(c, a), "own");
	assert_int_equal(s3_creds_renew(c, "own", &e), 1);
	assert_int_equal(asked, 0);
	s3_creds_free(c);
}

static void
test_role(void **state)
{
	char a[S3_ACCESS_MAX];
	struct s3_creds *c = begin(false, false);

	assert_string_equal(held(c, a), "key1");
	pass(3600 - 301);
	assert_string_equal(held(c, a), "key1");
	pass(1);
	assert_string_equal(held(c, a), "key2");
	/* Some go on for ever. */
	lasts_s = 0;
	pass(3600 - 300);
	assert_string_equal(held(c, a), "key3");
	pass(86400 * 365);
	assert_string_equal(held(c, a), "key3");
	s3_creds_free(c);
}

/* Whether keys have ended is not for us to say; others are asked for now and
 * then. */
static void
test_out(void **state)
{
	char a[S3_ACCESS_MAX];
	struct err e = ERR_INIT;
	struct s3_creds *c = begin(false, false);

	assert_string_equal(held(c, a), "key1");
	pass(3400);
	answer = -1;
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(held(c, a), "key1");
	assert_int_equal(asked, 2);
	pass(29);
	assert_string_equal(held(c, a), "key1");
	assert_int_equal(asked, 2);
	pass(1);
	assert_string_equal(held(c, a), "key1");
	assert_int_equal(asked, 3);
	pass(3600);
	assert_string_equal(held(c, a), "key1");
	assert_int_equal(asked, 4);
	/* Likewise where there are none newer. */
	answer = 0;
	lasts_s = -600;
	pass(30);
	assert_string_equal(held(c, a), "key5");
	assert_string_equal(held(c, a), "key5");
	pass(30);
	assert_string_equal(held(c, a), "key6");
	/* The server says that they have ended. */
	assert_int_equal(s3_creds_renew(c, "key6", &e), 0);
	assert_string_equal(held(c, a), "key7");
	assert_int_equal(s3_creds_renew(c, "key6", &e), 0);
	assert_string_equal(held(c, a), "key7");
	assert_int_equal(asked, 7);
	answer = -1;
	assert_int_equal(s3_creds_renew(c, "key7", &e), -1);
	assert_int_equal(e.code, ERR_NET);
	assert_string_equal(held(c, a), "key7");
	s3_creds_free(c);
}

static void
test_none(void **state)
{
	char a[S3_ACCESS_MAX];
	const struct s3_keys *k;
	struct err e = ERR_INIT;
	struct s3_creds *c = begin(false, false);

	answer = -1;
	assert_int_equal(s3_creds_hold(c, &k, &e), -1);
	assert_string_equal(err_text(&e), "credentials: the service is out");
	/* Nothing is locked, and it is asked anew. */
	answer = 1;
	err_init(&e);
	assert_int_equal(s3_creds_hold(c, &k, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_non_null(strstr(err_text(&e), "AWS_ACCESS_KEY_ID"));
	answer = 0;
	assert_string_equal(held(c, a), "key3");
	s3_creds_free(c);
}

struct caller {
	struct s3_creds *c;
	char access[S3_ACCESS_MAX];
	bool found;
	atomic_bool done;
	pthread_t thread;
};

static void *
hold(void *arg)
{
	struct caller *p = arg;

	p->found = held(p->c, p->access) != NULL;
	p->done = true;
	return (NULL);
}

static void
call(struct caller *p, struct s3_creds *c)
{
	p->c = c;
	p->done = false;
	assert_int_equal(pthread_create(&p->thread, NULL, hold, p), 0);
}

/* Many who find no keys ask once, and have what it brought. */
static void
test_many(void **state)
{
	struct caller p[CALLERS];

	for (int rc = -1; rc <= 0; rc++) {
		struct s3_creds *c = begin(false, false);

		answer = rc;
		gate = true;
		call(&p[0], c);
		while (together == 0)
			(void)usleep(1000);
		for (unsigned i = 1; i < CALLERS; i++)
			call(&p[i], c);
		/* Time for them to come to wait; who is later asks itself,
		 * where it is in vain. */
		(void)usleep(200000);
		for (unsigned i = 0; i < CALLERS; i++)
			assert_false(p[i].done);
		gate = false;
		for (unsigned i = 0; i < CALLERS; i++) {
			(void)pthread_join(p[i].thread, NULL);
			assert_int_equal(p[i].found, rc == 0);
		}
		assert_int_equal(asked, 1);
		s3_creds_free(c);
	}
}

/* While one asks for others the old ones are used, as long as they are good. */
static void
test_meanwhile(void **state)
{
	char a[S3_ACCESS_MAX];
	struct s3_creds *c = begin(false, false);
	struct caller p[2];

	assert_string_equal(held(c, a), "key1");
	pass(3600 - 61);
	gate = true;
	call(&p[0], c);
	while (together == 0)
		(void)usleep(1000);
	assert_string_equal(held(c, a), "key1");
	assert_int_equal(asked, 2);
	/* Now they are hardly. */
	pass(1);
	call(&p[1], c);
	(void)usleep(200000);
	assert_false(p[1].done);
	gate = false;
	for (unsigned i = 0; i < 2; i++) {
		(void)pthread_join(p[i].thread, NULL);
		assert_string_equal(p[i].access, "key2");
	}
	assert_int_equal(asked, 2);
	s3_creds_free(c);
}

/* Many are told that they have ended: one asks. */
static void *
renew(void *arg)
{
	struct caller *p = arg;
	struct err e = ERR_INIT;

	p->found = s3_creds_renew(p->c, "key1", &e) == 0;
	return (NULL);
}

static void
test_ended(void **state)
{
	char a[S3_ACCESS_MAX];
	struct s3_creds *c = begin(false, false);
	struct caller p[CALLERS];

	assert_string_equal(held(c, a), "key1");
	gate = true;
	for (unsigned i = 0; i < CALLERS; i++) {
		p[i].c = c;
		assert_int_equal(pthread_create(&p[i].thread, NULL, renew,
		    &p[i]), 0);
	}
	(void)usleep(200000);
	gate = false;
	for (unsigned i = 0; i < CALLERS; i++) {
		(void)pthread_join(p[i].thread, NULL);
		assert_true(p[i].found);
	}
	assert_int_equal(asked, 2);
	assert_string_equal(held(c, a), "key2");
	s3_creds_free(c);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_role),
		cmocka_unit_test(test_out),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_meanwhile),
		cmocka_unit_test(test_ended)
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
