/* Frames in the order of the store, and a chunk that lies in several places of
 * which one holds. */
#include "tests/unit/stored_fixture.h"

#define N	400

static void
shell(const struct stored *s, const char *what)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof(cmd), "cd '%s' && { %s; }", s->dir, what);
	assert_int_equal(system(cmd), 0);
}

static void
flip_frames(const struct stored *s, const struct put_log *l)
{
	for (uint32_t i = 0; i < l->nframes; i++) {
		const struct frame_info *fr = &l->frames[i].info;
		char path[256];

		if (!l->frames[i].set)
			continue;
		pack_path(path, s, &l->packs[l->frames[i].pack].info);
		flip(path, fr->off + 40);
	}
}

/* Stored three times by three tables: any one of them will do, whatever the
 * order in which the tables are asked. */
static void
test_copies(void **state)
{
	struct stored s[3];

	(void)state;
	store_chunks(&s[0], N, CHUNK);
	for (unsigned i = 1; i < 3; i++) {
		shell(s, "mkdir -p kept && mv repo/index/* kept/");
		store_more(&s[i], &s[0]);
	}
	shell(s, "mv kept/* repo/index/");
	for (unsigned good = 0; good < 3; good++) {
		for (unsigned i = 0; i < 3; i++)
			if (i != good)
				flip_frames(s, &s[i].log);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(try_all(&s[i], true), N);
		flip_frames(s, &s[good].log);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(try_all(&s[i], true), 0);
		for (unsigned i = 0; i < 3; i++)
			flip_frames(s, &s[i].log);
	}
	for (unsigned i = 0; i < 3; i++)
		stored_fini(&s[i]);
}

/* A frame that the disk can't read is taken from the other copy. */
static void
test_unreadable(void **state)
{
	struct stored s[2];
	unsigned met = 0;
	char plan[32];

	(void)state;
	store_chunks(&s[0], N, CHUNK);
	shell(s, "mkdir -p kept && mv repo/index/* kept/");
	store_more(&s[1], &s[0]);
	shell(s, "mv kept/* repo/index/");
	/* The first two reads are the header's and the slot's. */
	for (unsigned n = 3; n < 8; n++) {
		struct err e = ERR_INIT;
		struct repo *repo;
		struct fetch *f;

		(void)snprintf(plan, sizeof(plan), "read@%u=eio", n);
		repo = open_repo(s[0].dir, plan);
		OK(fetch_new(&f, repo, 8U << 20, true, E));
		for (uint32_t i = 0; i < N; i++)
			OK(fetch_kept(f, &s[0].log, &s[0].kept[i], CHUNK, &e));
		met += n - 2 <= s[0].log.nframes;
		fetch_free(f);
		repo_close(repo);
	}
	assert_true(met > 0);
	for (unsigned i = 0; i < 2; i++)
		stored_fini(&s[i]);
}

struct seen {
	struct fetch *f;
	const struct stored *s;
	const uint32_t *no;		/* the log's number of each frame */
	uint32_t frames, missing, chunks;
};

static int
see(void *ctx, size_t i, struct fetched *x, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	seen->frames++;
	if (x == NULL) {
		seen->missing++;
		return (0);
	}
	for (uint32_t k = 0; k < N; k++) {
		const struct kept *want = &seen->s->kept[k];
		uint8_t bytes[CHUNK];
		struct chunk_id other = want->id;
		const uint8_t *data;

		if (!want->place.fresh || want->place.frame != seen->no[i])
			continue;
		assert_true(fetch_run_chunk(seen->f, x, want->place.slot,
		    &want->id, want->len, &data));
		assert_int_equal(make_chunk(bytes, CHUNK, want->seed),
		    want->len);
		assert_memory_equal(data, bytes, want->len);
		other.b[CHUNK_KEY_BYTES - 1] ^= 1;
		assert_false(fetch_run_chunk(seen->f, x, want->place.slot,
		    &other, want->len, &data));
		assert_false(fetch_run_chunk(seen->f, x, want->place.slot,
		    &want->id, want->len + 1, &data));
		assert_false(fetch_run_chunk(seen->f, x, UINT32_MAX, &want->id,
		    want->len, &data));
		seen->chunks++;
	}
	return (0);
}

static void
test_run(void **state)
{
	struct frame_info v[64], odd[2];
	struct buf scratch = BUF_INIT;
	struct pack_info pack;
	uint32_t no[64], n = 0;
	struct stored s;
	struct seen seen;
	struct repo *repo;

	(void)state;
	store_chunks(&s, N, CHUNK);
	assert_int_equal(s.log.npacks, 1);
	pack = s.log.packs[0].info;
	/* By place. */
	for (uint32_t i = 0; i < s.log.nframes; i++) {
		uint32_t at = n;

		assert_true(n < 64);
		if (!s.log.frames[i].set)
			continue;
		for (; at > 0 && v[at - 1].off > s.log.frames[i].info.off;
		    at--) {
			v[at] = v[at - 1];
			no[at] = no[at - 1];
		}
		v[at] = s.log.frames[i].info;
		no[at] = i;
		n++;
	}
	assert_true(n > 3);
	repo = open_repo(s.dir, NULL);
	seen = (struct seen){ .s = &s, .no = no };
	OK(fetch_new(&seen.f, repo, 1U << 20, false, E));
	assert_int_equal(fetch_run_len(v, n, SIZE_MAX), n);
	assert_int_equal(fetch_run_len(v, n, 1), 1);
	assert_int_equal(fetch_run_len(v, n, v[0].stored + v[1].stored), 2);
	assert_int_equal(fetch_run_len(v, 0, SIZE_MAX), 0);
	odd[0] = v[0];
	odd[1] = v[1];
	odd[1].off += FETCH_GAP_MAX + 1;
	assert_int_equal(fetch_run_len(odd, 2, SIZE_MAX), 1);
	odd[1].off--;
	assert_int_equal(fetch_run_len(odd, 2, SIZE_MAX), 2);
	odd[1].off = odd[0].off + 1;
	assert_int_equal(fetch_run_len(odd, 2, SIZE_MAX), 1);

	OK(fetch_run(seen.f, &pack, v, n, &scratch, see, &seen, E));
	assert_int_equal(seen.frames, n);
	assert_int_equal(seen.missing, 0);
	assert_int_equal(seen.chunks, N);

	/* One that overlaps another is no run: nothing is served. */
	seen.frames = seen.missing = 0;
	OK(fetch_run(seen.f, &pack, odd, 2, &scratch, see, &seen, E));
	assert_int_equal(seen.frames, 2);
	assert_int_equal(seen.missing, 2);

	/* Damage is that frame's alone. */
	s.log.nframes = no[1] + 1;
	for (uint32_t i = 0; i < no[1]; i++)
		s.log.frames[i].set = false;
	flip_frames(&s, &s.log);
	seen.frames = seen.missing = 0;
	OK(fetch_run(seen.f, &pack, v, n, &scratch, see, &seen, E));
	assert_int_equal(seen.frames, n);
	assert_int_equal(seen.missing, 1);

	/* No pack, no frames; no failure of its own either. */
	pack.id.b[0] ^= 1;
	seen.frames = seen.missing = 0;
	OK(fetch_run(seen.f, &pack, v, n, &scratch, see, &seen, E));
	assert_int_equal(seen.missing, n);
	buf_fini(&scratch);
	fetch_free(seen.f);
	repo_close(repo);
	stored_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_run),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
