/* Sessions beside collections, with stores that fail at any call. */
#include <stdatomic.h>

#include "tests/unit/repo_fixture.h"

#include "engine/base/clock.h"

/*
 * Sessions and collections.
 */
#define VERSION_AT	5	/* in an object: behind magic and kind */

static void
put_condemned_by(struct repo *r, const struct keyring *ring, uint8_t newer,
    uint8_t state, const struct pack_id *id)
{
	struct err e = ERR_INIT;
	struct condemned c = { .state = state, .npacks = 1 };
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct pack_id pack = *id;
	struct run_id run = { { 1, 2, 3 } };
	uint8_t name[ID_BYTES];

	c.packs = &pack;
	assert_int_equal(condemned_emit(&content, &c, &e), 0);
	assert_int_equal(plain_emit(&object, ring, OBJECT_CONDEMNED, &run,
	    &content, &e), 0);
	object.data[VERSION_AT] += newer;
	assert_int_equal(object_put(repo_store(r), "condemned", &object, name,
	    &e), 0);
	buf_fini(&content);
	buf_fini(&object);
}

static void
put_condemned(struct repo *r, uint8_t state, const struct pack_id *id)
{
	put_condemned_by(r, repo_keyring(r), 0, state, id);
}

static void
put_damaged(struct repo *r, const struct keyring *ring,
    const struct pack_id *id, bool whole)
{
	struct err e = ERR_INIT;
	struct damaged_pack p = { .id = *id, .whole = whole };
	struct damaged d = { &p, 1 };
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct run_id run = { { 1, 2, 3 } };
	uint32_t frame = 5;
	uint8_t name[ID_BYTES];

	p.frames = &frame;
	p.nframes = 1;
	assert_int_equal(damaged_emit(&content, &d, &e), 0);
	assert_int_equal(plain_emit(&object, ring, OBJECT_DAMAGED, &run,
	    &content, &e), 0);
	assert_int_equal(object_put(repo_store(r), "damaged", &object, name,
	    &e), 0);
	buf_fini(&content);
	buf_fini(&object);
}

static int
count_banned(void *ctx, const struct pack_id *id, struct err *e)
{
	++*(size_t *)ctx;
	return (0);
}

static void
test_banned(void **state)
{
	struct err e = ERR_INIT;
	struct pack_id p[6];
	struct keyring *liar;
	struct session *s;
	struct repo *r;
	size_t n = 0;

	make_repo();
	r = open_repo();
	rnd_bytes(p, sizeof(p));
	put_condemned(r, CONDEMNED, &p[0]);
	put_condemned(r, CONDEMNED_DELETING, &p[1]);
	put_damaged(r, repo_keyring(r), &p[2], true);
	put_damaged(r, repo_keyring(r), &p[3], false);
	/* It can't check, so it doesn't know: all would be stored again. */
	liar = put_only_ring(repo_keyring(r), 7, 7);
	put_damaged(r, liar, &p[4], true);
	/* Nor does it collect. */
	put_condemned_by(r, liar, 0, CONDEMNED_DELETING, &p[5]);
	keyring_free(liar);
	assert_int_equal(session_begin(&s, r, &e), 0);
	for (int i = 0; i < 4; i++)
		assert_true(session_is_banned(s, &p[i]));
	assert_false(session_is_banned(s, &p[4]));
	assert_false(session_is_banned(s, &p[5]));
	assert_int_equal(session_each_banned(s, count_banned, &n, &e), 0);
	assert_int_equal(n, 4);
	assert_int_equal(session_counter(s), 0);
	assert_int_equal(session_counter(s), 1);
	assert_int_equal(count_objects("leases"), 1);
	session_end(s);
	assert_int_equal(count_objects("leases"), 0);
	repo_close(r);
}

static void
test_deleting(void **state)
{
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct repo *r;
	size_t refused;

	make_repo();
	r = open_repo();
	rnd_bytes(needed, sizeof(needed));
	/* Condemned only: the collector will find our pending and revive it. */
	put_condemned(r, CONDEMNED, &needed[1]);
	(void)commit(r, "host", "/a");
	put_condemned(r, CONDEMNED_DELETING, &needed[1]);
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(list(r, &refused), 1);
	assert_int_equal(count_objects("pending"), 0);
	assert_int_equal(count_objects("leases"), 0);
	repo_close(r);
}

/* condemned/ can't be listed or read: no commit. */
static void
test_condemned_unreadable(void **state)
{
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct repo *r;
	char cmd[256];

	make_repo();
	r = open_with("list@2=eio", &pass);
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(count_objects("leases"), 0);
	assert_int_equal(count_objects("snapshots"), 0);
	put_condemned(r, CONDEMNED, &needed[0]);
	(void)snprintf(cmd, sizeof(cmd), "for f in %s/condemned/*; do chmod "
	    "u+w $f; printf x >>$f; done", dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_non_null(strstr(err_text(&e), "condemned/"));
	repo_close(r);
}

/* Nor where a newer vitrine collects, in a way that this one can't read. */
static void
test_condemned_newer(void **state)
{
	struct err e = ERR_INIT;
	struct session *s;
	struct pack_id p;
	struct repo *r;

	make_repo();
	r = open_repo();
	rnd_bytes(&p, sizeof(p));
	put_condemned_by(r, repo_keyring(r), 1, CONDEMNED, &p);
	assert_int_equal(session_begin(&s, r, &e), -1);
	assert_int_equal(e.code, ERR_VERSION);
	repo_close(r);
}

/* What is damaged is known, or there is no session: a store that is out of
 * reach for a moment is not taken for a note that is lost. */
static void
test_damaged_unread(void **state)
{
	struct pack_id p;
	struct repo *r;
	unsigned begun = 0;

	make_repo();
	rnd_bytes(&p, sizeof(p));
	r = open_repo();
	put_damaged(r, repo_keyring(r), &p, true);
	repo_close(r);
	for (unsigned n = 1; n < 8; n++) {
		struct err e = ERR_INIT;
		struct session *s;
		char plan[32];

		(void)snprintf(plan, sizeof(plan), "read@%u=estale", n);
		if (try_open(&r, plan, &pass, &e) != 0)
			continue;
		if (session_begin(&s, r, &e) == 0) {
			assert_true(session_is_banned(s, &p));
			session_end(s);
			begun++;
		}
		repo_close(r);
	}
	/* The last of them met no fault. */
	assert_in_range(begun, 1, 6);
}

/* A store in which pending vanishes before we look, or that is far away. */
struct eater {
	struct store base;
	struct store *inner;
	bool eat;
	unsigned far_ms;		/* a call */
	atomic_uint looks;		/* how often pending/ was listed */
	bool ends;			/* a collection, with the next look */
	bool deaf;			/* pending/ can't be read */
};

static struct store *
travel(struct store *s)
{
	struct eater *x = (struct eater *)(void *)s;

	if (x->far_ms > 0)
		(void)usleep(x->far_ms * 1000);
	return (x->inner);
}

static int
eater_put(struct store *s, const char *name, const void *p, size_t len,
    struct err *e)
{
	struct eater *x = (struct eater *)(void *)s;
	char cmd[200];
	int ret = store_put(travel(s), name, p, len, e);

	if (x->eat && strncmp(name, "snapshots/", 10) == 0) {
		(void)snprintf(cmd, sizeof(cmd), "rm -f %s/pending/*", dir);
		assert_int_equal(system(cmd), 0);
	}
	return (ret);
}
static void
eater_close(struct store *s)
{
	struct eater *x = (struct eater *)(void *)s;

	store_close(x->inner);
	free(x);
}
static int
eater_read(struct store *s, const char *n, uint64_t o, void *d, size_t l,
    size_t *g, struct err *e)
{
	if (((struct eater *)(void *)s)->deaf &&
	    strncmp(n, "pending/", 8) == 0)
		return (err_set(e, ERR_NET, "%s: the line is dead", n));
	return (store_read(travel(s), n, o, d, l, g, e));
}
static int
eater_stat(struct store *s, const char *n, struct store_stat *st,
    struct err *e)
{
	return (store_stat(travel(s), n, st, e));
}
static int
eater_list(struct store *s, const char *p, store_list_fn *fn, void *ctx,
    struct err *e)
{
	struct eater *x = (struct eater *)(void *)s;
	char cmd[256];
	int ret;

	(void)atomic_fetch_add(&x->looks, strcmp(p, "pending") == 0);
	ret = store_list(travel(s), p, fn, ctx, e);
	if ((strcmp(p, "condemned") == 0 || strcmp(p, "packs") == 0) &&
	    x->ends) {
		x->ends = false;
		(void)snprintf(cmd, sizeof(cmd), "rm -rf %s/packs/* "
		    "%s/condemned/*", dir, dir);
		assert_int_equal(system(cmd), 0);
	}
	return (ret);
}
static int
eater_remove(struct store *s, const char *n, struct err *e)
{
	return (store_remove(travel(s), n, e));
}
static const struct store_ops eater_ops = {
	.close = eater_close, .read = eater_read, .stat = eater_stat,
	.put = eater_put, .list = eater_list, .remove = eater_remove
};

static struct eater *
eater_new(void)
{
	struct eater *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->base.ops = &eater_ops;
	x->inner = store_there(NULL);
	return (x);
}

static void
test_pending_vanishes(void **state)
{
	struct repo_env env = environment();
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct eater *x;
	struct repo *r;

	make_repo();
	x = eater_new();
	assert_int_equal(repo_open(&r, &x->base, SLOT_KEY_FILE, &pass, &env,
	    &e), 0);
	x->eat = true;
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(count_objects("snapshots"), 0);
	x->eat = false;
	(void)commit(r, "host", "/a");
	assert_int_equal(count_objects("snapshots"), 1);
	repo_close(r);
}

/* A collection deletes its pack and ends while we list: the pack was being
 * deleted, or isn't there; never neither. */
static void
test_collection_ends(void **state)
{
	struct repo_env env = environment();
	struct err e = ERR_INIT;
	char name[128], hex[ID_HEX];
	struct session *s;
	struct pack_id p;
	struct eater *x;
	struct repo *r;

	make_repo();
	x = eater_new();
	assert_int_equal(repo_open(&r, &x->base, SLOT_KEY_FILE, &pass, &env,
	    &e), 0);
	rnd_bytes(p.b, ID_BYTES);
	(void)hex_emit(hex, p.b, ID_BYTES);
	(void)snprintf(name, sizeof(name), "packs/%.2s/%s", hex, hex);
	assert_int_equal(store_put(repo_store(r), name, "x", 1, &e), 0);
	put_condemned(r, CONDEMNED_DELETING, &p);
	x->ends = true;
	assert_int_equal(session_begin(&s, r, &e), 0);
	assert_int_equal(session_packs(s, &e), 0);
	assert_false(x->ends);
	assert_true(session_is_banned(s, &p) || !session_has_pack(s, &p));
	session_end(s);
	repo_close(r);
}

/* The lease lapsed: packs are looked at one by one. */
static void
test_lapsed(void **state)
{
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct repo *r;
	char name[128], hex[ID_HEX];

	make_repo();
	r = open_repo();
	assert_int_equal(setenv("VITRINE_TEST_LAPSE_MS", "-2000", 1), 0);
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	for (int i = 0; i < 2; i++) {
		rnd_bytes(needed[i].b, ID_BYTES);
		(void)hex_emit(hex, needed[i].b, ID_BYTES);
		(void)snprintf(name, sizeof(name), "packs/%.2s/%s", hex, hex);
		assert_int_equal(store_put(repo_store(r), name, "x", 1, &e),
		    0);
	}
	(void)commit(r, "host", "/a");
	assert_int_equal(unsetenv("VITRINE_TEST_LAPSE_MS"), 0);
	repo_close(r);
}

/* Either clock is enough, and that it was once. */
static void
test_clocks(void **state)
{
	const int64_t minutes = 46;
	struct err e = ERR_INIT;
	struct session *s;
	struct repo *r;

	make_repo();
	r = open_repo();
	for (int wall = 0; wall < 2; wall++) {
		int64_t *at;

		assert_int_equal(session_begin(&s, r, &e), 0);
		at = wall != 0 ? &s->renewed_wall_s : &s->renewed_boot_s;
		assert_false(lease_has_lapsed(s));
		*at -= (minutes - 2) * 60;
		assert_false(lease_has_lapsed(s));
		*at -= 2 * 60;
		assert_true(lease_has_lapsed(s));
		*at += minutes * 60;
		assert_true(lease_has_lapsed(s));
		session_end(s);
	}
	repo_close(r);
}

static void
test_renewal(void **state)
{
	struct err e = ERR_INIT;
	struct session *s;
	struct repo *r;
	char path[160];
	DIR *d;
	struct dirent *de;
	bool renewed = false;

	make_repo();
	r = open_repo();
	assert_int_equal(setenv("VITRINE_TEST_LEASE_MS", "5", 1), 0);
	assert_int_equal(session_begin(&s, r, &e), 0);
	(void)snprintf(path, sizeof(path), "%s/leases", dir);
	for (int i = 0; i < 24000 && !renewed; i++) {
		(void)usleep(5000);
		d = opendir(path);
		while ((de = readdir(d)) != NULL)
			if (strlen(de->d_name) == 41 &&
			    strcmp(de->d_name + 32, "-00000000") != 0)
				renewed = true;
		(void)closedir(d);
	}
	assert_true(renewed);
	session_end(s);
	assert_int_equal(unsetenv("VITRINE_TEST_LEASE_MS"), 0);
	assert_int_equal(count_objects("leases"), 0);
	repo_close(r);
}

/* Each put of a commit, its answer lost, or failing once, or for good. */
static void
test_commit_faults(void **state)
{
	static const struct {
		const char *plan;
		bool works;
		size_t snapshots;
	} cases[] = {
		/* 1 lease, 2 pending, 3 snapshot */
		{ "put@2=lost", true, 1 },
		{ "put@3=lost", true, 1 },
		{ "put@2=eio", true, 1 },
		{ "put@3=eio", true, 1 },
		{ "put@1=eio", false, 0 },
		{ "put@2+=eio", false, 0 },
		{ "put@3+=eio", false, 0 },
		{ "put@3+=enospc", false, 0 },
		{ "remove@1+=eio", true, 1 },
		{ "stat@1=eio", true, 1 },
		{ "stat@2=eio", true, 1 },
		/* 1 keys, 2 condemned, 3 damaged, 4 packs */
		{ "list@2=eio", false, 0 },
		{ "list@3=eio", false, 0 },
		{ "list@4=eio", false, 0 },
		/* Whether pending stands can't be told: it is taken back,
		 * or that this can't be done is told as well. */
		{ "stat@1+=eio", false, 0 },
		{ "stat@1+=eio,remove@1+=eio", false, 1 }
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;
		struct snapshot_id id;
		struct repo *r;
		size_t refused;
		int ret;

		make_repo();
		r = open_with(cases[i].plan, &pass);
		ret = try_commit(r, "host", "/a", &id, &e);
		if ((ret == 0) != cases[i].works)
			fail_msg("%s: %s", cases[i].plan, err_text(&e));
		if (ret != 0 && cases[i].snapshots > 0)
			assert_non_null(strstr(err_text(&e),
			    "could not be withdrawn"));
		repo_close(r);
		r = open_repo();
		assert_int_equal(list(r, &refused), cases[i].snapshots);
		assert_int_equal(refused, 0);
		/* And it goes on. */
		(void)commit(r, "host", "/a");
		assert_int_equal(list(r, &refused), cases[i].snapshots + 1);
		assert_int_equal(check_lies(r), 0);
		repo_close(r);
		run_command("rm -rf", dir, states);
	}
}

/*
 * Several users, none of whom knows the others' state, commit to one lineage at
 * one time: each gets a number of its own.
 */
#define USERS_MAX	20

struct user {
	pthread_t thread;
	unsigned far_ms, commits;
	int rc;
};

static void *
use_it(void *arg)
{
	struct repo_env env = { .log = &logger, .memory_bytes = 64 << 20 };
	struct eater *x = eater_new();
	struct snapshot_id id;
	struct repo *r = NULL;
	struct err e = ERR_INIT;
	struct user *u = arg;

	x->far_ms = u->far_ms;
	u->rc = repo_open(&r, &x->base, SLOT_KEY_FILE, &pass, &env, &e);
	for (unsigned i = 0; i < u->commits && u->rc == 0; i++)
		u->rc = try_commit(r, "host", "/home", &id, &e);
	if (u->rc != 0)
		print_error("%s\n", err_text(&e));
	repo_close(r);
	return (NULL);
}

static void
at_one_time(size_t n, struct user how)
{
	struct user users[USERS_MAX];
	struct repo *r;

	make_repo();
	/* Nobody died, however slow they are here. */
	assert_int_equal(setenv("VITRINE_TEST_TURN_MS", "600000", 1), 0);
	for (size_t i = 0; i < n; i++) {
		users[i] = how;
		assert_int_equal(pthread_create(&users[i].thread, NULL, use_it,
		    &users[i]), 0);
	}
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pthread_join(users[i].thread, NULL), 0);
		assert_int_equal(users[i].rc, 0);
	}
	assert_int_equal(unsetenv("VITRINE_TEST_TURN_MS"), 0);
	r = open_repo();
	assert_int_equal(check_lies(r), 0);
	assert_int_equal(count_objects("snapshots"), n * how.commits);
	assert_int_equal(count_objects("pending"), 0);
	repo_close(r);
}

static void
test_one_number_each(void **state)
{
	at_one_time(4, (struct user){ .commits = 2 });
}

/* Nightly jobs that begin together, at a store that answers late: while one
 * looks whether it is alone, the others have come. */
static void
test_many_far_away(void **state)
{
	at_one_time(USERS_MAX, (struct user){ .commits = 1, .far_ms = 20 });
}

/*
 * What a dead run left: its manifest under pending/, and its lease too if it
 * was killed; and if it committed, its snapshot.
 */
struct left {
	struct eater *eater;		/* the store's */
	struct repo *repo;
	struct manifest manifest;
	struct snapshot_id id;
	char pending[OBJECT_NAME_MAX], lease[128];
};

static void
leave_it(struct left *l, bool was_killed, bool had_committed)
{
	struct repo_env env = environment();
	struct buf object = BUF_INIT;
	struct registry writers = { 0 };
	struct err e = ERR_INIT;
	char run[RUN_HEX];
	struct repo *r;

	make_repo();
	r = open_repo();
	l->id = commit(r, "host", "/home");
	assert_int_equal(manifest_load(r, &writers, &l->id, &l->manifest, &e),
	    0);
	registry_fini(&writers);
	assert_int_equal(object_load(repo_store(r), "snapshots", l->id.b,
	    SEALED_MAX, &object, &e), 0);
	if (!had_committed)
		remove_object("snapshots", l->id.b);
	repo_close(r);
	run_command("rm -rf", states, "");
	l->eater = eater_new();
	assert_int_equal(repo_open(&l->repo, &l->eater->base, SLOT_KEY_FILE,
	    &pass, &env, &e), 0);
	assert_int_equal(object_put(repo_store(l->repo), "pending", &object,
	    l->id.b, &e), 0);
	(void)object_name(l->pending, "pending", l->id.b);
	(void)snprintf(l->lease, sizeof(l->lease), "leases/%s-00000003",
	    hex_emit(run, l->manifest.run.b, sizeof(l->manifest.run.b)));
	if (was_killed)
		assert_int_equal(store_put(repo_store(l->repo), l->lease, "x",
		    1, &e), 0);
	atomic_store(&l->eater->looks, 0);
	buf_fini(&object);
}

static void
left_free(struct left *l)
{
	manifest_fini(&l->manifest);
	repo_close(l->repo);
	run_command("rm -rf", dir, states);
}

/* How often must the next one look before it goes on? */
static unsigned
looks_past_dead(bool was_killed, bool had_committed, const char *host)
{
	struct left l;
	unsigned looks;

	leave_it(&l, was_killed, had_committed);
	(void)commit(l.repo, host, "/home");
	looks = atomic_load(&l.eater->looks);
	assert_int_equal(check_lies(l.repo), 0);
	left_free(&l);
	return (looks);
}

static void
test_left_pending(void **state)
{
	assert_int_equal(looks_past_dead(false, false, "host"), 1);
	/* Nor are these rivals: another lineage, another number. */
	assert_int_equal(looks_past_dead(true, false, "other"), 1);
	assert_int_equal(looks_past_dead(true, true, "host"), 1);
}

static void
test_killed_pending(void **state)
{
	uint64_t began;

	/* However late it is: who was stopped has seen nothing meanwhile. */
	assert_int_equal(setenv("VITRINE_TEST_TURN_MS", "0", 1), 0);
	assert_true(looks_past_dead(true, false, "host") > 15);
	/* And however often it has looked. */
	assert_int_equal(setenv("VITRINE_TEST_TURN_MS", "1500", 1), 0);
	began = clock_mono_ms();
	assert_true(looks_past_dead(true, false, "host") > 15);
	assert_true(clock_mono_ms() - began >= 1500);
	assert_int_equal(unsetenv("VITRINE_TEST_TURN_MS"), 0);
}

static int
ask(struct turn *t, struct session *s, const struct left *l)
{
	struct err e = ERR_INIT;
	int rc = turn_ask(t, s, &l->manifest, &e);

	assert_true(rc >= 0);
	return (rc);
}

/* Who asks stays away while a rival has its object and its lease, and from a
 * dead one for twice as long as who stands. */
static void
test_asking(void **state)
{
	struct err e = ERR_INIT;
	struct session *s;
	struct left l;
	struct turn t;
	uint64_t began;

	assert_int_equal(setenv("VITRINE_TEST_TURN_MS", "600000", 1), 0);
	for (int i = 0; i < 2; i++) {
		leave_it(&l, true, false);
		assert_int_equal(session_begin(&s, l.repo, &e), 0);
		turn_init(&t);
		assert_int_equal(ask(&t, s, &l), 0);
		t.tries = 1;
		assert_int_equal(ask(&t, s, &l), TURN_TAKEN);
		assert_int_equal(store_remove(repo_store(l.repo), i == 0 ?
		    l.pending : l.lease, &e), 0);
		assert_int_equal(ask(&t, s, &l), 0);
		turn_fini(&t);
		session_end(s);
		left_free(&l);
	}
	assert_int_equal(setenv("VITRINE_TEST_TURN_MS", "500", 1), 0);
	leave_it(&l, true, false);
	assert_int_equal(session_begin(&s, l.repo, &e), 0);
	turn_init(&t);
	t.tries = 1;
	began = clock_mono_ms();
	while (ask(&t, s, &l) == TURN_TAKEN)
		(void)usleep(10000);
	assert_true(clock_mono_ms() - began >= 1000);
	turn_fini(&t);
	session_end(s);
	left_free(&l);
	assert_int_equal(unsetenv("VITRINE_TEST_TURN_MS"), 0);
}

/* What is under pending/ and isn't one is nobody's rival; but one that can't be
 * read for the moment may be. */
static void
test_odd_pending(void **state)
{
	struct buf junk = BUF_INIT;
	struct err e = ERR_INIT;
	struct snapshot_id id;
	uint8_t name[ID_BYTES];
	struct left l;

	leave_it(&l, true, true);
	buf_bytes(&junk, "no manifest", 11);
	assert_int_equal(object_put(repo_store(l.repo), "pending", &junk, name,
	    &e), 0);
	buf_fini(&junk);
	(void)commit(l.repo, "host", "/home");
	l.eater->deaf = true;
	assert_int_equal(try_commit(l.repo, "host", "/home", &id, &e), -1);
	assert_int_equal(e.code, ERR_NET);
	assert_int_equal(count_objects("snapshots"), 2);
	l.eater->deaf = false;
	(void)commit(l.repo, "host", "/home");
	left_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_banned), T(test_deleting),
		T(test_condemned_unreadable), T(test_condemned_newer),
		T(test_damaged_unread),
		T(test_pending_vanishes),
		T(test_collection_ends), T(test_lapsed), T(test_clocks),
		T(test_renewal),
		T(test_commit_faults),
		T(test_one_number_each), T(test_many_far_away),
		T(test_left_pending), T(test_killed_pending),
		T(test_asking), T(test_odd_pending)
	};

	if (sodium_init() < 0)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
