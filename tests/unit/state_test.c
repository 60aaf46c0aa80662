/* The state file: what it refuses, whom it waits for, what it survives. */
#include "tests/unit/repo_fixture.h"

#include <pthread.h>
#include <sys/file.h>

#include "engine/base/clock.h"
#include "engine/crypto/hash.h"

#define FRONT_BYTES	(8 + 4 + 16)
#define N_AT		(FRONT_BYTES + 4 + HASH_BYTES)
#define FIRST_AT	(N_AT + 4)
#define SEQUENCE_AT	ID_BYTES
#define TRY_AT		(SEQUENCE_AT + 8 + ID_BYTES)
#define LINEAGE_BYTES	(TRY_AT + 8 + ID_BYTES)

static const struct repo_id repo_id = { { 7 } };

/* What a program would write that writes something else. */
static int
parse_as_written(struct buf *b)
{
	struct err e = ERR_INIT;
	struct state s;
	int rc;

	hash_bytes(b->data + b->len - HASH_BYTES, b->data,
	    b->len - HASH_BYTES);
	rc = state_parse(&s, b->data, b->len, &repo_id, &e);
	if (rc == 0)
		state_fini(&s);
	else
		assert_int_equal(e.code, ERR_CORRUPT);
	return (rc);
}

static void
make_state(struct buf *b)
{
	struct state s = { .revision = 3 };
	struct err e = ERR_INIT;
	struct lineage_id l;

	for (uint8_t i = 1; i < 4; i++) {
		struct state_lineage *p;

		memset(l.b, i, sizeof(l.b));
		p = state_entry(&s, &l, &e);
		assert_non_null(p);
		p->sequence = p->try_sequence = i;
		p->id.b[0] = p->try_id.b[0] = 1;
	}
	assert_int_equal(state_emit(b, &s, &repo_id, &e), 0);
	state_fini(&s);
}

/* Each rule of the format by itself: the digest is right. */
static void
test_rules(void **state)
{
	static const struct {
		size_t at, n;
		uint8_t value;
	} cases[] = {
		{ 0, 1, 'v' },				/* magic */
		{ 8, 1, 2 },				/* version */
		{ 12, 1, 8 },				/* repository */
		{ N_AT, 1, 2 },				/* left-over bytes */
		{ N_AT, 1, 4 },				/* too short */
		{ N_AT, 4, 0xff },
		{ FIRST_AT + SEQUENCE_AT, 8, 0 },	/* an id of none */
		{ FIRST_AT + SEQUENCE_AT + 8, 1, 0 },	/* or none of one */
		{ FIRST_AT + TRY_AT, 8, 0 },
		{ FIRST_AT + TRY_AT + 8, 1, 0 },
		{ FIRST_AT, ID_BYTES, 2 },		/* twice */
		{ FIRST_AT, ID_BYTES, 9 },		/* not sorted */
		{ FIRST_AT + LINEAGE_BYTES, ID_BYTES, 9 }
	};
	struct buf b = BUF_INIT;

	make_state(&b);
	assert_int_equal(b.len, FIRST_AT + 3 * LINEAGE_BYTES + HASH_BYTES);
	assert_int_equal(parse_as_written(&b), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&b);
		make_state(&b);
		memset(b.data + cases[i].at, cases[i].value, cases[i].n);
		if (parse_as_written(&b) == 0)
			fail_msg("case %zu is taken", i);
	}
	buf_fini(&b);
}

static void
file_path(char path[160], const struct repo *r)
{
	char id[RUN_HEX];

	(void)snprintf(path, 160, "%s/%s", states,
	    hex_emit(id, repo_header(r)->id.b, 16));
}

static int
set_revision(void *ctx, struct state *s, struct err *e)
{
	(void)e;
	s->revision = *(uint32_t *)ctx;
	return (0);
}

static int
grow_and(void *ctx, struct state *s, struct err *e)
{
	s->revision += 1000;
	return (*(int *)ctx < 0 ? err_set(e, ERR_CANCELED, "no") :
	    *(int *)ctx);
}

static uint32_t
revision(struct repo *r)
{
	struct err e = ERR_INIT;
	struct state s;
	uint32_t n;

	assert_int_equal(state_load(r, &s, &e), 0);
	n = s.revision;
	state_fini(&s);
	return (n);
}

/* The file can't be put into its place. */
static int
block(void *ctx, struct state *s, struct err *e)
{
	assert_int_equal(unlink(ctx), 0);
	assert_int_equal(mkdir(ctx, 0700), 0);
	return (0);
}

/* It is for its user alone, and changes only where the change succeeds. */
static void
test_update(void **state)
{
	static const int results[] = { 1, -1 };
	struct err e = ERR_INIT;
	uint32_t n = 5;
	struct stat st;
	struct repo *r;
	char path[160];

	make_repo();
	r = open_repo();
	run_command("rm -rf", states, "");
	assert_int_equal(revision(r), 0);
	assert_int_equal(state_update(r, set_revision, &n, &e), 0);
	assert_int_equal(revision(r), 5);
	file_path(path, r);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(states, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	for (int i = 0; i < 2; i++) {
		int rc = results[i];

		assert_int_equal(state_update(r, grow_and, &rc, &e),
		    rc < 0 ? -1 : 0);
		assert_int_equal(revision(r), 5);
	}
	assert_int_equal(e.code, ERR_CANCELED);
	assert_int_equal(state_update(r, block, path, &e), -1);
	assert_int_equal(e.code, ERR_SYS);
	repo_close(r);
}

/* A damaged one is said to be forgotten; but one that can't be read may be as
 * good as ever, and is not written over. */
static void
test_unread(void **state)
{
	struct err e = ERR_INIT;
	uint32_t n = 5;
	struct repo *r;
	char path[160];
	struct state s;

	make_repo();
	r = open_repo();
	assert_int_equal(state_update(r, set_revision, &n, &e), 0);
	file_path(path, r);
	for (int i = 0; i < 2; i++) {
		said = 0;
		if (i == 0)
			run_command("echo x >>", path, "");
		else
			assert_int_equal(truncate(path, STATE_MAX_BYTES + 1),
			    0);
		assert_int_equal(revision(r), 0);
		assert_int_equal(said, 1);
		assert_non_null(strstr(last_said, "is forgotten"));
		assert_int_equal(state_update(r, set_revision, &n, &e), 0);
		assert_int_equal(revision(r), 5);
	}
	said = 0;
	run_command("rm", path, "");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(state_load(r, &s, &e), -1);
	assert_int_equal(state_update(r, set_revision, &n, &e), -1);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink(path, path), 0);
	assert_int_equal(state_load(r, &s, &e), -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(said, 0);
	/* It must not be waited for. */
	assert_int_equal(mkfifo(path, 0600), 0);
	(void)alarm(250);
	(void)state_load(r, &s, &e);
	(void)alarm(0);
	repo_close(r);
}

/* Nobody is remembered without a directory. */
static void
test_none(void **state)
{
	struct repo_env env = environment();
	struct err e = ERR_INIT;
	uint32_t n = 5;
	struct repo *r;

	make_repo();
	env.state_dir = NULL;
	assert_int_equal(repo_open(&r, store_there(NULL), SLOT_KEY_FILE, &pass,
	    &env, &e), 0);
	assert_int_equal(state_update(r, set_revision, &n, &e), 0);
	assert_int_equal(revision(r), 0);
	assert_int_equal(state_hold(r), -1);
	repo_close(r);
}

static int
add_one(void *ctx, struct state *s, struct err *e)
{
	(void)usleep(500);
	s->revision++;
	return (0);
}

#define TIMES	50

static void *
add_often(void *arg)
{
	struct err e = ERR_INIT;
	uintptr_t failed = 0;

	for (int i = 0; i < TIMES; i++)
		failed += state_update(arg, add_one, NULL, &e) != 0;
	return ((void *)failed);
}

/* Two runs at one time: no change is lost. */
static void
test_locked(void **state)
{
	pthread_t thread[2];
	struct repo *r;
	void *failed;

	make_repo();
	r = open_repo();
	run_command("rm -rf", states, "");
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, add_often,
		    r), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(revision(r), 2 * TIMES);
	repo_close(r);
}

struct holder {
	struct repo *repo;
	uint64_t at_ms;
	int fd;
};

static void *
hold(void *arg)
{
	struct holder *h = arg;

	h->fd = state_hold(h->repo);
	h->at_ms = clock_mono_ms();
	return (NULL);
}

/* Who commits waits for who commits. */
static void
test_held(void **state)
{
	struct holder h = { .fd = -1 };
	pthread_t thread;
	uint64_t let_ms;
	int fd;

	make_repo();
	h.repo = open_repo();
	fd = state_hold(h.repo);
	assert_true(fd >= 0);
	assert_int_equal(pthread_create(&thread, NULL, hold, &h), 0);
	(void)usleep(200000);
	let_ms = clock_mono_ms();
	(void)close(fd);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(h.fd >= 0);
	assert_true(h.at_ms >= let_ms);
	(void)close(h.fd);
	repo_close(h.repo);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_rules), T(test_update), T(test_unread), T(test_none),
		T(test_locked), T(test_held)
	};

	if (sodium_init() < 0)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
