/* A check's tables against the packs: what is wrong with them is said, and they
 * are gone over once however little memory there is. */
#include "tests/unit/stored_fixture.h"

#include "engine/map/map.h"
#include "engine/repo/session.h"
#include "tools/job/check.h"

#define RUNS	12
#define N	400
#define SMALL	60		/* bytes a chunk, at most */
#define LITTLE	(256U << 10)	/* memory for some directories at a time */
#define ENOUGH	(64U << 20)

struct told {
	unsigned damage, warnings;
	char text[2][256];		/* the last of each */
};

static void
told_item(void *ctx, enum event_kind kind, const char *path, const char *text)
{
	struct told *t = ctx;
	bool warning = kind == EVENT_WARNING;

	assert_null(path);
	assert_true(warning || kind == EVENT_DAMAGE);
	*(warning ? &t->warnings : &t->damage) += 1;
	(void)snprintf(t->text[warning], sizeof(t->text[0]), "%s", text);
}

/* What a check says, and how often it asks the store for something. */
static uint64_t
check(const char *dir, size_t memory, struct told *t)
{
	const struct repo_env env = { .memory_bytes = memory, .threads = 1 };
	const struct check_env how = { 0 };
	struct events events = { .item = told_item, .ctx = t };
	struct check_result res;
	struct secret secret;
	struct store *store;
	struct repo *repo;
	uint64_t calls;
	char path[320];

	*t = (struct told){ 0 };
	(void)snprintf(path, sizeof(path), "%s/repo", dir);
	make_secret(&secret);
	OK(store_open(&store, path, false, E));
	OK(store_fault_open(&store, store, "any@999999999=eio", E));
	OK(repo_open(&repo, store, SLOT_KEY_FILE, &secret, &env, E));
	secret_fini(&secret);
	OK(check_run(repo, &how, &events, &res, E));
	assert_int_equal(res.damage, t->damage);
	assert_int_equal(res.warnings, t->warnings);
	calls = store_fault_calls(store);
	repo_close(repo);
	return (calls);
}

static void
make_runs(struct stored s[RUNS])
{
	store_chunks(&s[0], N, SMALL);
	for (unsigned i = 1; i < RUNS; i++) {
		s[i] = (struct stored){ .n = N, .max = SMALL };
		s[i].kept = calloc(N, sizeof(*s[i].kept));
		assert_non_null(s[i].kept);
		memcpy(s[i].dir, s[0].dir, sizeof(s[0].dir));
		put_chunks(&s[i], (uint64_t)i * N);
	}
}

static void
free_runs(struct stored s[RUNS])
{
	for (unsigned i = 1; i < RUNS; i++) {
		log_fini(&s[i].log);
		free(s[i].kept);
	}
	stored_fini(&s[0]);
}

static void
write_table(const struct stored *s, struct map_entry *v, size_t n,
    const struct map_pack *packs, size_t npacks)
{
	struct repo *repo = open_repo(s->dir, NULL);
	struct session *session;
	struct table_out *out;
	struct object_id id;
	uint64_t size;

	OK(session_begin(&session, repo, E));
	OK(table_write(&out, repo_store(repo), repo_keyring(repo),
	    session_run(session), session_counter(session), v, n, NULL, NULL,
	    packs, npacks, NULL, 0, E));
	OK(table_out_commit(out, &id, &size, E));
	table_out_free(out);
	session_end(session);
	repo_close(repo);
}

typedef void lie_fn(struct map_entry *, struct pack_info *,
    struct frame_info *);

/* Another table of the first n chunks of a run; `lie' may change what it says.
 */
static void
add_table(const struct stored *s, uint32_t n,
    lie_fn *lie)
{
	struct frame_info *frames;
	struct map_entry *v = calloc(n, sizeof(*v));
	struct map_pack pack = { 0 };
	struct pack_info at;
	struct frame_info frame;

	frames = calloc(s->log.nframes, sizeof(*frames));
	assert_non_null(v);
	assert_non_null(frames);
	for (uint32_t i = 0; i < n; i++) {
		find_place(&s->log, &s->kept[i].place, &at, &frame,
		    &v[i].slot);
		v[i].id = s->kept[i].id;
		v[i].frame = frame.no;
		frames[frame.no] = frame;
		pack.info = at;
	}
	pack.frames = frames;
	pack.nframes = s->log.nframes;
	if (lie != NULL)
		lie(v, &pack.info, frames);
	write_table(s, v, n, &pack, 1);
	free(frames);
	free(v);
}

static void
test_whole(void **state)
{
	struct stored s[RUNS];
	uint64_t little, enough;
	struct told t;

	(void)state;
	make_runs(s);
	enough = check(s[0].dir, ENOUGH, &t);
	assert_int_equal(t.damage + t.warnings, 0);
	little = check(s[0].dir, LITTLE, &t);
	assert_int_equal(t.damage + t.warnings, 0);
	assert_int_equal(little, enough);
	free_runs(s);
}

/* Twice the same, and a part of it, is right. */
static void
test_twice(void **state)
{
	struct stored s[RUNS];
	struct told t;

	(void)state;
	make_runs(s);
	for (unsigned i = 0; i < RUNS; i++)
		add_table(&s[i], N / 2 + i, NULL);
	(void)check(s[0].dir, ENOUGH, &t);
	assert_int_equal(t.damage + t.warnings, 0);
	(void)check(s[0].dir, LITTLE, &t);
	assert_int_equal(t.damage + t.warnings, 0);
	free_runs(s);
}

static void
other_slot(struct map_entry *v, struct pack_info *pack,
    struct frame_info *frames)
{
	(void)pack;
	(void)frames;
	v[7].slot = v[8].slot;
}

static void
no_slot(struct map_entry *v, struct pack_info *pack,
    struct frame_info *frames)
{
	(void)pack;
	(void)frames;
	v[0].slot = FRAME_SLOTS_MAX - 1;
}

static void
other_id(struct map_entry *v, struct pack_info *pack,
    struct frame_info *frames)
{
	(void)pack;
	(void)frames;
	v[3].id.b[CHUNK_KEY_BYTES - 1] ^= 1;
}

static void
other_offset(struct map_entry *v, struct pack_info *pack,
    struct frame_info *frames)
{
	(void)v;
	(void)pack;
	frames[0].off++;
}

static void
test_wrong(void **state)
{
	static const struct {
		lie_fn *lie;
		unsigned warnings;	/* how many more, if there are */
	} lies[] = { { other_slot, 0 }, { no_slot, 0 }, { other_id, 0 },
		{ other_offset, 1 } };
	struct stored s[RUNS];
	struct told t;
	char id[ID_HEX], text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		make_runs(s);
		/* These are looked at, and found right. */
		add_table(&s[2], N / 2, NULL);
		add_table(&s[9], N, NULL);
		add_table(&s[5], N, lies[i].lie);
		for (unsigned k = 0; k < 2; k++) {
			(void)check(s[0].dir, k == 0 ? ENOUGH : LITTLE, &t);
			assert_int_equal(t.damage, 1);
			(void)hex_emit(id, s[5].log.packs[0].info.id.b, 4);
			(void)snprintf(text, sizeof(text), " says of pack %s "
			    "what its directory doesn't", id);
			assert_non_null(strstr(t.text[0], text));
			assert_int_equal(t.warnings, lies[i].warnings);
			if (t.warnings > 0)
				assert_string_equal(t.text[1], "399 more "
				    "entries of tables are wrong");
		}
		free_runs(s);
	}
}

static void
other_pack(struct map_entry *v, struct pack_info *pack,
    struct frame_info *frames)
{
	(void)v;
	(void)frames;
	pack->id.b[4] ^= 1;
}

/* A pack that is not there, in two tables, is said once. */
static void
test_gone(void **state)
{
	struct stored s[RUNS];
	struct told t;

	(void)state;
	make_runs(s);
	add_table(&s[4], N, other_pack);
	add_table(&s[4], N / 2, other_pack);
	(void)check(s[0].dir, ENOUGH, &t);
	assert_int_equal(t.damage, 0);
	assert_int_equal(t.warnings, 1);
	assert_non_null(strstr(t.text[1], "which is not there and which no "
	    "snapshot needs"));
	free_runs(s);
}

/* One table of more packs than are counted at a time, with little memory. */
static void
test_many(void **state)
{
	enum { PACKS = 3000 };
	struct map_pack *packs = calloc(PACKS, sizeof(*packs));
	struct map_entry *v = calloc(PACKS, sizeof(*v));
	struct frame_info frame;
	struct stored s;
	struct told t;

	(void)state;
	assert_non_null(packs);
	assert_non_null(v);
	store_chunks(&s, N, SMALL);
	for (uint32_t i = 0; i < PACKS; i++) {
		find_place(&s.log, &s.kept[i % N].place, &packs[i].info,
		    &frame, &v[i].slot);
		v[i].id = s.kept[i % N].id;
		memcpy(v[i].id.b, &i, sizeof(i));
		memcpy(packs[i].info.id.b, &i, sizeof(i));
		packs[i].frames = &frame;
		packs[i].nframes = 1;
		v[i].pack = i;
	}
	write_table(&s, v, PACKS, packs, PACKS);
	for (unsigned k = 0; k < 2; k++) {
		(void)check(s.dir, k == 0 ? ENOUGH : LITTLE, &t);
		assert_int_equal(t.damage, 0);
		assert_int_equal(t.warnings, PACKS);
	}
	stored_fini(&s);
	free(packs);
	free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_many),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
