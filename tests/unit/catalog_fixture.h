/*
 * A repository in a temporary directory, and runs that store catalogs in it.
 */
#ifndef VITRINE_TESTS_CATALOG_FIXTURE_H
#define VITRINE_TESTS_CATALOG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/repo/session.h"
#include "index/build.h"

#define OK(call) do { \
	int ok_ = (call); \
	if (ok_ != 0) \
		fail_msg("%s: %d: %s", #call, ok_, err_text(&e)); \
} while (0)

/* Puts a store of the test's in front of the real one, if set. */
static struct store *(*fixture_wrap)(struct store *);

struct fixture {
	char dir[64];
	char repo_dir[96], cache_dir[96];
	struct repo_env env;
	struct repo *repo;
	struct fetch *fetch;
};

struct run {
	struct fixture *f;
	struct pool *pool;
	struct session *session;
	struct put *put;
	struct build *build;
	struct manifest m;
};

static inline void
fixture_open(struct fixture *f, bool cache)
{
	struct err e = ERR_INIT;
	struct secret secret;
	struct store *store;

	memset(&f->env, 0, sizeof(f->env));
	f->env.cache_dir = cache ? f->cache_dir : NULL;
	f->env.memory_bytes = 256U << 20;
	OK(secret_copy(&secret, "0123456789abcdef0123", 20, &e));
	OK(store_open(&store, f->repo_dir, false, &e));
	if (fixture_wrap != NULL)
		store = fixture_wrap(store);
	OK(repo_open(&f->repo, store, SLOT_KEY_FILE, &secret, &f->env, &e));
	OK(fetch_new(&f->fetch, f->repo, 16U << 20, false, &e));
	secret_fini(&secret);
}

static inline void
fixture_close(struct fixture *f)
{
	fetch_free(f->fetch);
	repo_close(f->repo);
}

static inline void
fixture_init(struct fixture *f, bool cache)
{
	struct slot_params params = slot_params_default(SLOT_KEY_FILE);
	struct repo_params rp = { 0 };
	struct err e = ERR_INIT;
	struct secret secret;
	struct store *store;

	assert_true(sodium_init() >= 0);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/vitrine-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->repo_dir, sizeof(f->repo_dir), "%s/repo", f->dir);
	(void)snprintf(f->cache_dir, sizeof(f->cache_dir), "%s/cache", f->dir);
	OK(secret_copy(&secret, "0123456789abcdef0123", 20, &e));
	OK(store_open(&store, f->repo_dir, true, &e));
	OK(repo_init(store, &rp, &params, &secret, "test", &e));
	store_close(store);
	secret_fini(&secret);
	fixture_open(f, cache);
}

static inline void
fixture_fini(struct fixture *f)
{
	char cmd[128];

	fixture_close(f);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", f->dir);
	assert_int_equal(system(cmd), 0);
}

/* Begin a run over a parent's manifest (or NULL). */
static inline void
run_begin(struct run *r, struct fixture *f, const struct manifest *parent)
{
	struct build_env env = { .repo = f->repo, .fetch = f->fetch,
	    .parent = parent };
	struct put_env penv = { .verify_data = true,
	    .budget_bytes = 64U << 20, .on_frame = build_on_frame,
	    .on_pack = build_on_pack };
	struct err e = ERR_INIT;

	memset(r, 0, sizeof(*r));
	r->f = f;
	OK(session_begin(&r->session, f->repo, &e));
	OK(pool_new(&r->pool, 0, &e));
	env.session = r->session;
	OK(build_open(&r->build, &env, &e));
	penv.pool = r->pool;
	penv.ctx = r->build;
	OK(put_open(&r->put, r->session, &penv, &e));
	build_set_put(r->build, r->put);
}

/* Ends one that was finished, or not; its manifest stays. */
static inline void
run_fini(struct run *r)
{
	put_free(r->put);
	build_free(r->build);
	session_end(r->session);
	pool_free(r->pool);
}

static inline void
run_end(struct run *r, struct manifest *out)
{
	struct snapshot_id id = { { 0 } };
	struct err e = ERR_INIT;

	OK(put_close(r->put, OBJECT_PACK_DATA, &e));
	OK(build_finish(r->build, &r->m, &e));
	OK(build_adopt(r->build, &id, &r->m, &e));
	run_fini(r);
	*out = r->m;
}

#endif
