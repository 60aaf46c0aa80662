/* Tags that change: the last set counts, those of strangers do not. */
#include "tests/unit/repo_fixture.h"

#include "engine/repo/impl.h"

static struct snapshots listed;

static const struct snapshot *
look(struct repo *r, const struct snapshot_id *id)
{
	struct err e = ERR_INIT;

	snapshots_fini(&listed);
	if (repo_snapshots(r, &listed, &e) != 0)
		fail_msg("%s", err_text(&e));
	for (size_t i = 0; i < listed.n; i++)
		if (id_equal(listed.v[i].id.b, id->b))
			return (&listed.v[i]);
	fail_msg("no snapshot");
	return (NULL);
}

/* "a b c": what tags are there. */
static void
has(struct repo *r, const struct snapshot_id *id, uint64_t serial,
    const char *want)
{
	const struct snapshot *s = look(r, id);
	char got[256] = "";

	for (uint32_t i = 0; i < s->tags.n; i++)
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
		    "%s%s", i > 0 ? " " : "", s->tags.v[i].p);
	assert_string_equal(got, want);
	assert_int_equal(s->tag_serial, serial);
}

static void
tag(struct repo *r, const struct snapshot_id *id, const char *a,
    const char *b)
{
	struct err e = ERR_INIT;
	struct strings tags = { 0 };

	if (a != NULL)
		assert_int_equal(strings_add(&tags, a, strlen(a), &e), 0);
	if (b != NULL)
		assert_int_equal(strings_add(&tags, b, strlen(b), &e), 0);
	if (repo_tags_set(r, look(r, id), &tags, &e) != 0)
		fail_msg("%s", err_text(&e));
	strings_fini(&tags);
}

static void
test_last_counts(void **state)
{
	struct snapshot_id a, b;
	struct repo *r;

	make_repo();
	r = open_repo();
	a = commit(r, "host", "/a");
	b = commit(r, "host", "/a");
	has(r, &a, 0, "");
	tag(r, &a, "two", "one");
	has(r, &a, 1, "one two");
	has(r, &b, 0, "");
	tag(r, &a, "one", "one");
	has(r, &a, 2, "one");
	tag(r, &b, "other", NULL);
	tag(r, &a, NULL, NULL);
	has(r, &a, 3, "");
	has(r, &b, 1, "other");
	repo_close(r);
	/* Anew, out of the cache and without it. */
	r = open_repo();
	has(r, &a, 3, "");
	has(r, &b, 1, "other");
	repo_close(r);
	run_command("rm -rf", cache, "");
	r = open_repo();
	has(r, &a, 3, "");
	/* A snapshot that is gone takes its tags along. */
	remove_object("snapshots", b.b);
	has(r, &a, 3, "");
	assert_int_equal(said, 0);
	assert_int_equal(count_objects("tags"), 4);
	repo_close(r);
	snapshots_fini(&listed);
}

/* As a writer would put it. */
static void
forge(const struct keyring *ring, struct store *store,
    const struct snapshot_id *id, uint64_t serial, const char *text,
    uint8_t name[ID_BYTES])
{
	struct err e = ERR_INIT;
	struct tag_set t = { .snapshot = *id, .serial = serial };
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct run_id run = { { 5 } };

	assert_int_equal(strings_add(&t.tags, text, strlen(text), &e), 0);
	assert_int_equal(tag_set_emit(&content, &t, &e), 0);
	assert_int_equal(sealed_emit(&object, ring, OBJECT_TAGS, &run, serial,
	    &content, &e), 0);
	assert_int_equal(object_put(store, "tags", &object, name, &e), 0);
	tag_set_fini(&t);
	buf_fini(&content);
	buf_fini(&object);
}

static void
test_equal_serials(void **state)
{
	uint8_t x[ID_BYTES], y[ID_BYTES];
	struct snapshot_id a;
	struct repo *r;

	make_repo();
	r = open_repo();
	a = commit(r, "host", "/a");
	forge(repo_keyring(r), repo_store(r), &a, 7, "x", x);
	forge(repo_keyring(r), repo_store(r), &a, 7, "y", y);
	forge(repo_keyring(r), repo_store(r), &a, 6, "z", y);
	(void)look(r, &a);
	has(r, &a, 7, listed.v[0].tags.v[0].p[0] == 'x' ? "x" : "y");
	tag(r, &a, "last", NULL);
	has(r, &a, 8, "last");
	repo_close(r);
	snapshots_fini(&listed);
}

static void
test_damage(void **state)
{
	struct snapshot_id a;
	uint8_t name[ID_BYTES];
	char path[256];
	struct repo *r;

	make_repo();
	r = open_repo();
	a = commit(r, "host", "/a");
	tag(r, &a, "good", NULL);
	forge(repo_keyring(r), repo_store(r), &a, 2, "bad", name);
	object_path(path, "tags", name);
	flip(path, 210);
	has(r, &a, 1, "good");
	assert_int_equal(said, 1);
	assert_non_null(strstr(last_said, "is left out"));
	repo_close(r);
	snapshots_fini(&listed);
}

static void
test_put_only(void **state)
{
	struct slot_record rec = { .role = ROLE_PUT_ONLY, .host = "web" };
	struct err e = ERR_INIT;
	struct snapshot_id own, others;
	struct object_id slot;
	struct strings none = { 0 };
	struct repo *r, *w;
	uint8_t name[ID_BYTES];

	make_repo();
	r = open_repo();
	others = commit(r, "host", "/a");
	assert_int_equal(repo_key_add(r, &cheap, &other, &rec, false, &slot,
	    &e), 0);
	w = open_with(NULL, &other);
	own = commit(w, "web", "/w");
	forge(repo_keyring(w), repo_store(w), &own, 1, "mine", name);
	forge(repo_keyring(w), repo_store(w), &others, 9, "not mine", name);
	has(r, &own, 1, "mine");
	has(r, &others, 0, "");
	/* A full key has the last word on both. */
	tag(r, &own, "full", NULL);
	tag(r, &others, "full", NULL);
	has(r, &own, 2, "full");
	has(r, &others, 1, "full");
	assert_int_equal(repo_tags_set(w, look(r, &own), &none, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	forge(repo_keyring(w), repo_store(w), &own, 3, "later", name);
	has(r, &own, 3, "later");
	assert_int_equal(said, 0);
	/* Once revoked it has nothing to say. */
	assert_int_equal(repo_key_remove(r, &slot, &e), 0);
	has(r, &own, 2, "full");
	assert_int_not_equal(said, 0);
	assert_non_null(strstr(last_said, "revoked"));
	repo_close(w);
	repo_close(r);
	snapshots_fini(&listed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_last_counts), T(test_equal_serials), T(test_damage),
		T(test_put_only)
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
