/* The cached list says what the manifests say, whatever became of it. */
#include "tests/unit/repo_fixture.h"

static uint32_t seed;
static uint32_t
below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return ((seed >> 8) % n);
}

/* Some snapshot: of few strings each, so that what they have alike is met. */
static struct snapshot_id
commit_some(struct repo *r)
{
	static const char *const words[] = { "", "a", "b", "ab" };
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct session *s;
	struct manifest m;

	assert_int_equal(session_begin(&s, r, &e), 0);
	make_manifest(&m, words[1 + below(2)], below(2) == 0 ? "/a" : "/b");
	m.catalog.tail->domain = keyring_domain(repo_keyring(r));
	if (below(4) == 0)
		assert_int_equal(strings_add(&m.roots, "/c", 2, &e), 0);
	free(m.user.p);
	m.user = (struct bytes){ 0 };
	assert_int_equal(bytes_set(&m.user, words[1 + below(3)], 1, &e), 0);
	if (below(3) == 0)
		assert_int_equal(bytes_set(&m.name, words[1 + below(2)], 1,
		    &e), 0);
	for (uint32_t n = below(3); n > 0; n--)
		assert_int_equal(strings_add(&m.tags, words[n], 1, &e), 0);
	m.files = below(1000);
	m.bytes = below(1000000);
	if (session_commit(s, &m, needs, NULL, &id, &e) != 0)
		fail_msg("%s", err_text(&e));
	manifest_fini(&m);
	session_end(s);
	return (id);
}

static void
same_strings(const struct strings *a, const struct strings *b)
{
	assert_int_equal(a->n, b->n);
	for (uint32_t i = 0; i < a->n; i++)
		assert_int_equal(bytes_compare(&a->v[i], &b->v[i]), 0);
}

static void
same_list(struct repo *r, struct repo *plain)
{
	struct snapshots x, y;
	struct err e = ERR_INIT;

	assert_int_equal(repo_snapshots(r, &x, &e), 0);
	assert_int_equal(repo_snapshots(plain, &y, &e), 0);
	assert_int_equal(x.n, y.n);
	assert_int_equal(x.refused, y.refused);
	assert_int_equal(x.other_header, y.other_header);
	assert_int_equal(x.nheads, y.nheads);
	if (x.nheads > 0)
		assert_memory_equal(x.heads, y.heads,
		    x.nheads * sizeof(*x.heads));
	for (size_t i = 0; i < x.n; i++) {
		const struct snapshot *a = &x.v[i], *b = &y.v[i];

		assert_true(id_equal(a->id.b, b->id.b));
		assert_true(id_equal(a->lineage.b, b->lineage.b));
		assert_true(id_equal(a->previous.b, b->previous.b));
		assert_int_equal(a->sequence, b->sequence);
		assert_int_equal(a->time.s, b->time.s);
		assert_int_equal(a->time.ns, b->time.ns);
		assert_int_equal(a->files, b->files);
		assert_int_equal(a->bytes, b->bytes);
		assert_int_equal(a->flags, b->flags);
		assert_int_equal(bytes_compare(&a->host, &b->host), 0);
		assert_int_equal(bytes_compare(&a->user, &b->user), 0);
		assert_int_equal(bytes_compare(&a->name, &b->name), 0);
		same_strings(&a->roots, &b->roots);
		same_strings(&a->tags, &b->tags);
	}
	snapshots_fini(&x);
	snapshots_fini(&y);
}

static void
list_path(char path[256], const struct repo *r)
{
	char id[RUN_HEX];

	(void)snprintf(path, 256, "%s/%s/manifests/listed", cache,
	    hex_emit(id, repo_header(r)->id.b, 16));
}

static void
open_both(struct repo **r, struct repo **plain)
{
	struct repo_env env = environment();
	struct err e = ERR_INIT;

	*r = open_repo();
	env.cache_dir = NULL;
	assert_int_equal(repo_open(plain, store_there(NULL), SLOT_KEY_FILE,
	    &pass, &env, &e), 0);
}

static off_t
size_of(const char *path)
{
	struct stat st;

	return (stat(path, &st) == 0 ? st.st_size : 0);
}

/* Snapshots come and go; a bit of the file is turned over, its end is gone. */
static void
test_same(void **state)
{
	enum { ROUNDS = 30, MAX = 6 * ROUNDS };
	struct snapshot_id ids[MAX];
	struct repo *r, *plain;
	char path[256];
	size_t n = 0;
	off_t size;

	make_repo();
	open_both(&r, &plain);
	list_path(path, r);
	seed = 1;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (uint32_t k = below(6); k > 0; k--)
			ids[n++] = commit_some(r);
		/* Once many: their strings go, the others' numbers change. */
		for (uint32_t k = round % 20 == 18 ? (uint32_t)n - 20 :
		    below(2); k > 0 && n > 0; k--) {
			size_t i = below((uint32_t)n);

			remove_object("snapshots", ids[i].b);
			ids[i] = ids[--n];
		}
		size = size_of(path);
		if (size > 0 && round % 3 == 1)
			flip(path, below((uint32_t)size));
		if (size > 0 && round % 9 == 2)
			assert_int_equal(truncate(path, below((uint32_t)size)),
			    0);
		same_list(r, plain);
		same_list(r, plain);
	}
	assert_true(size_of(path) > 0);
	repo_close(plain);
	repo_close(r);
}

/* Each byte counts; and so does none, or less than a seal. */
static void
test_each_byte(void **state)
{
	char path[256], copy[200], file[200];
	struct repo *r, *plain;

	make_repo();
	open_both(&r, &plain);
	list_path(path, r);
	seed = 2;
	for (int i = 0; i < 24; i++)
		(void)commit_some(r);
	same_list(r, plain);
	(void)snprintf(file, sizeof(file), "%.199s", path);
	(void)snprintf(copy, sizeof(copy), "%s/copy", base);
	run_command("cp", file, copy);
	for (off_t at = 0; at < size_of(copy); at += 1 + size_of(copy) / 60) {
		run_command("cp", copy, file);
		flip(path, at);
		same_list(r, plain);
	}
	for (off_t len = 0; len < 100; len += 9) {
		run_command("cp", copy, file);
		assert_int_equal(truncate(path, len), 0);
		same_list(r, plain);
	}
	/* It is not waited for. */
	run_command("mv", file, copy);
	assert_int_equal(mkfifo(path, 0600), 0);
	(void)alarm(250);
	same_list(r, plain);
	(void)alarm(0);
	repo_close(plain);
	repo_close(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_same), T(test_each_byte)
	};

	if (sodium_init() < 0)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
