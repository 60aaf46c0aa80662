/* A store that lies: gaps, forks, rollbacks; and the state file. */
#include "tests/unit/repo_fixture.h"

/*
 * History.
 */
static void
forget(struct repo *r, const struct snapshot_id *id)
{
	struct err e = ERR_INIT;
	struct tombstone t = { .id = *id };
	struct forgotten f = { &t, 1 };
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct run_id run = { { 9 } };
	struct manifest m;
	uint8_t name[ID_BYTES];

	assert_int_equal(repo_manifest(r, id, &m, &e), 0);
	t.lineage = m.lineage;
	t.sequence = m.sequence;
	t.previous = m.previous;
	t.time = m.time;
	manifest_fini(&m);
	assert_int_equal(forgotten_emit(&content, &f, &e), 0);
	assert_int_equal(sealed_emit(&object, repo_keyring(r),
	    OBJECT_FORGOTTEN, &run, 0, &content, &e), 0);
	assert_int_equal(object_put(repo_store(r), "forgotten", &object, name,
	    &e), 0);
	buf_fini(&content);
	buf_fini(&object);
	remove_object("snapshots", id->b);
}

/* The file of what was seen: another one whenever it is stored. */
static ino_t
state_file(const struct repo *r)
{
	char path[160], id[RUN_HEX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", states,
	    hex_emit(id, repo_header(r)->id.b, 16));
	assert_int_equal(stat(path, &st), 0);
	return (st.st_ino);
}

static void
test_history(void **state)
{
	ino_t before;
	struct snapshot_id a[5], x, y;
	struct repo *r;
	char other_state[128], cmd[1024];

	make_repo();
	r = open_repo();
	for (int i = 0; i < 5; i++)
		a[i] = commit(r, "host", "/a");
	x = commit(r, "host", "/x");
	assert_int_equal(check_lies(r), 0);
	before = state_file(r);
	/* Who sees nothing new stores nothing. */
	assert_int_equal(check_lies(r), 0);
	assert_true(state_file(r) == before);
	/* Forgotten on purpose: nothing to say. */
	forget(r, &a[1]);
	forget(r, &a[0]);
	assert_int_equal(check_lies(r), 0);
	/* Taken away: a gap. */
	remove_object("snapshots", a[2].b);
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "number 3 "));
	/* The newest taken away: this user saw it, and x's writer did. */
	remove_object("snapshots", a[4].b);
	assert_int_equal(check_lies(r), 2);
	assert_non_null(strstr(lie, "is gone"));
	assert_non_null(strstr(lie, "this user"));
	/* Somebody who never looked learns it from x. */
	repo_close(r);
	(void)snprintf(other_state, sizeof(other_state), "%s/none", base);
	(void)snprintf(cmd, sizeof(cmd), "mv %s %s", states, other_state);
	assert_int_equal(system(cmd), 0);
	r = open_repo();
	assert_int_equal(check_lies(r), 2);
	assert_non_null(strstr(lie, "writer of another"));
	/* The last of a lineage gone: no one but this user could know. */
	y = commit(r, "host", "/y");
	assert_int_equal(check_lies(r), 2);
	remove_object("snapshots", y.b);
	assert_int_equal(check_lies(r), 3);
	(void)x;
	repo_close(r);
}

/* All of a lineage was forgotten: it goes on from there, whoever writes, and
 * not from the oldest of those. */
static void
test_all_forgotten(void **state)
{
	struct snapshot_id a[3], next;
	struct err e = ERR_INIT;
	struct manifest m;
	struct repo *r;

	make_repo();
	r = open_repo();
	for (int i = 0; i < 3; i++)
		a[i] = commit(r, "host", "/a");
	forget(r, &a[2]);
	forget(r, &a[0]);
	forget(r, &a[1]);
	repo_close(r);
	run_command("rm -rf", states, "");
	r = open_repo();
	next = commit(r, "host", "/a");
	assert_int_equal(repo_manifest(r, &next, &m, &e), 0);
	assert_int_equal(m.sequence, 4);
	assert_memory_equal(m.previous.b, a[2].b, ID_BYTES);
	manifest_fini(&m);
	assert_int_equal(check_lies(r), 0);
	repo_close(r);
}

/* The store shows an older state, and somebody writes on there: a fork. */
static void
test_fork(void **state)
{
	char cmd[1024], other_state[128];
	struct repo *r;

	make_repo();
	r = open_repo();
	(void)commit(r, "host", "/a");
	(void)snprintf(cmd, sizeof(cmd), "cp -a %s %s.old && cp -a %s %s.old",
	    dir, dir, states, states);
	assert_int_equal(system(cmd), 0);
	(void)commit(r, "host", "/a");
	assert_int_equal(check_lies(r), 0);
	repo_close(r);
	(void)snprintf(other_state, sizeof(other_state), "%s.new", states);
	(void)snprintf(cmd, sizeof(cmd), "mv %s %s && mv %s.old %s && mv %s "
	    "%s.new && mv %s.old %s", states, other_state, states, states, dir,
	    dir, dir, dir);
	assert_int_equal(system(cmd), 0);
	/* Another client, in the old state, unknowing. */
	r = open_repo();
	(void)commit(r, "host", "/a");
	assert_int_equal(check_lies(r), 0);
	repo_close(r);
	/* We, who saw the newer. */
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s && mv %s %s", states,
	    other_state, states);
	assert_int_equal(system(cmd), 0);
	r = open_repo();
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "is gone"));
	/* Both branches shown at once. */
	(void)snprintf(cmd, sizeof(cmd), "cp -a %s.new/snapshots/. "
	    "%s/snapshots/", dir, dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "forked"));
	repo_close(r);
}

static void
test_header_rollback(void **state)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	struct repo_header h;
	struct repo *r;
	char path[160], old[160];

	make_repo();
	r = open_repo();
	(void)snprintf(path, sizeof(path), "%s/vitrine", dir);
	(void)snprintf(old, sizeof(old), "%s/old", base);
	run_command("cp -a", path, old);
	h = *repo_header(r);
	h.revision = 2;
	h.need_collect = 8;
	assert_int_equal(header_emit(&b, &h, repo_keyring(r), &e), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_put(repo_store(r), "vitrine", b.data, b.len,
	    &e), 0);
	repo_close(r);
	buf_fini(&b);
	r = open_repo();
	assert_int_equal(check_lies(r), 0);
	(void)commit(r, "host", "/a");
	repo_close(r);
	run_command("cp -af", old, path);
	r = open_repo();
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "went back"));
	repo_close(r);
	/* Who never saw it learns it from the snapshot. */
	run_command("rm -rf", states, "");
	r = open_repo();
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "rolled back"));
	repo_close(r);
}

static void
test_state_file(void **state)
{
	struct err e = ERR_INIT;
	struct state s = { .revision = 3 }, t;
	struct buf b = BUF_INIT;
	struct repo_id repo = { { 7 } };
	struct lineage_id l;

	for (unsigned i = 0; i < 100; i++) {
		struct state_lineage *p;

		hash_bytes(l.b, &i, sizeof(i));
		p = state_entry(&s, &l, &e);
		assert_non_null(p);
		p->sequence = i + 1;
		p->id.b[0] = 1;
		assert_ptr_equal(state_entry(&s, &l, &e), p);
	}
	assert_int_equal(s.n, 100);
	assert_int_equal(state_emit(&b, &s, &repo, &e), 0);
	assert_int_equal(state_parse(&t, b.data, b.len, &repo, &e), 0);
	assert_int_equal(t.n, 100);
	assert_memory_equal(t.v, s.v, 100 * sizeof(*s.v));
	state_fini(&t);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		assert_int_equal(state_parse(&t, b.data, b.len, &repo, &e), -1);
		b.data[i] ^= 1;
		assert_int_equal(state_parse(&t, b.data, i, &repo, &e), -1);
	}
	buf_fini(&b);
	state_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_history), T(test_all_forgotten), T(test_fork),
		T(test_header_rollback),
		T(test_state_file)
	};

	if (sodium_init() < 0)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
