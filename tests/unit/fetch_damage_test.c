/* What fetch serves when all is not well: the chunk that was asked for or an
 * error, never other bytes. */
#include "tests/unit/stored_fixture.h"

#include "engine/repo/records.h"

/* A flipped byte in any region of a pack: the right bytes or ERR_CORRUPT. */
static void
test_flips(void **state)
{
	struct pack_info *pack;
	struct stored s;
	char path[256];
	unsigned hurt = 0;

	(void)state;
	store_chunks(&s, 120, CHUNK);
	assert_int_equal(s.log.npacks, 1);
	pack = &s.log.packs[0].info;
	pack_path(path, &s, pack);
	for (uint32_t k = 0; k < s.log.nframes; k++) {
		const struct frame_info *fi = &s.log.frames[k].info;
		const uint32_t at[] = { 0, 3, 4, 5, 7, 8, 9, 10, 12, 16,
		    fi->stored / 2, fi->stored - 17, fi->stored - 16,
		    fi->stored - 1 };

		for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
			flip(path, fi->off + at[i]);
			assert_true(try_all(&s, i % 2 == 0) < s.n);
			hurt++;
			flip(path, fi->off + at[i]);
		}
	}
	assert_true(hurt > 20);
	/* Header, directory and trailer serve no bytes: a fetch by place
	 * doesn't need them, the directory's reader sees them. */
	for (uint64_t off = 0; off < pack->size_bytes;
	    off += off < PACK_HEADER_BYTES ? 13 : 1) {
		struct repo *repo;
		struct pack_directory d;
		struct err e = ERR_INIT;

		if (off >= PACK_HEADER_BYTES && off + 400 < pack->size_bytes)
			off = pack->size_bytes - 400;
		if (off + 400 >= pack->size_bytes)
			off += 12;
		if (off >= pack->size_bytes)
			break;
		flip(path, off);
		assert_int_equal(try_all(&s, true), s.n);
		repo = open_repo(s.dir, NULL);
		assert_true(fetch_directory(repo, pack, &d, &e) < 0);
		assert_true(e.code == ERR_CORRUPT || e.code == ERR_VERSION);
		repo_close(repo);
		flip(path, off);
	}
	assert_int_equal(try_all(&s, true), s.n);
	/* Cut short. */
	assert_int_equal(truncate(path, (off_t)pack->size_bytes / 2), 0);
	assert_true(try_all(&s, true) < s.n);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(try_all(&s, true), 0);
	stored_fini(&s);
}

/* Places that are wrong in every way: found by the table all the same, or an
 * error. */
static void
test_wrong_places(void **state)
{
	struct pack_info pack;
	struct frame_info frame;
	struct stored s;
	struct repo *repo;
	struct fetch *f;
	uint32_t slot;

	(void)state;
	store_chunks(&s, 300, CHUNK);
	repo = open_repo(s.dir, NULL);
	OK(fetch_new(&f, repo, 8U << 20, false, E));
	for (unsigned i = 0; i < 9; i++) {
		const struct kept *k = &s.kept[i * 30];
		struct err e = ERR_INIT;
		struct fetched *ref;
		const uint8_t *data;
		uint8_t want[CHUNK];
		struct chunk_id id = k->id;
		uint32_t len = k->len;

		find_place(&s.log, &k->place, &pack, &frame, &slot);
		switch (i) {
		case 0: slot++; break;
		case 1: slot = UINT32_MAX; break;
		case 2: frame.off += 1; frame.no += 100; break;
		case 3: frame.stored = UINT32_MAX; frame.no += 101; break;
		case 4: frame.stored = 0; frame.no += 102; break;
		case 5: pack.id.b[7] ^= 1; break;
		case 6: pack.salt[0] ^= 1; pack.id.b[9] ^= 1; break;
		case 7: id.b[0] ^= 1; break;	/* no such chunk */
		case 8: len++; break;		/* not so long */
		}
		if (fetch_chunk(f, &pack, &frame, slot, &id, len, &ref, &data,
		    &e) == 0) {
			assert_true(i < 7);
			assert_int_equal(make_chunk(want, CHUNK, k->seed), len);
			assert_memory_equal(data, want, len);
			fetch_put(f, ref);
		} else {
			assert_true(i >= 7);
			assert_int_equal(e.code, ERR_CORRUPT);
		}
	}
	/* A record that gives a put-only writer's pack to writer 0. */
	{
		struct err e = ERR_INIT;
		struct fetched *ref;
		const uint8_t *data;
		size_t len;

		find_place(&s.log, &s.kept[0].place, &pack, &frame, &slot);
		pack.wrap.kind = WRAP_SEALED;
		pack.id.b[3] ^= 1;
		assert_true(fetch_meta(f, &pack, &frame, slot, NULL, &ref,
		    &data, &len, &e) < 0);
		assert_int_equal(e.code, ERR_CORRUPT);
	}
	fetch_put(f, NULL);
	fetch_free(f);
	repo_close(repo);
	stored_fini(&s);
}

/* A missing pack is damage that names it; a store that doesn't answer is not.
 * */
static void
test_missing(void **state)
{
	struct err e = ERR_INIT;
	struct stored s;
	struct repo *repo;
	struct fetch *f;
	struct pack_directory d;
	struct pack_info info;
	char path[256], hex[ID_HEX];

	(void)state;
	store_chunks(&s, 50, CHUNK);
	repo = open_repo(s.dir, "read@40+=eio");
	OK(fetch_new(&f, repo, 0, false, E));
	for (unsigned i = 0; i < 100; i++) {
		err_init(&e);
		if (fetch_kept(f, &s.log, &s.kept[i % 50], CHUNK, &e) != 0)
			break;
	}
	assert_int_equal(e.code, ERR_SYS);
	fetch_free(f);
	repo_close(repo);

	repo = open_repo(s.dir, NULL);
	OK(fetch_pack_info(repo, &s.log.packs[0].info.id, OBJECT_PACK_DATA,
	    &info, E));
	assert_int_equal(info.size_bytes, s.log.packs[0].info.size_bytes);
	assert_memory_equal(info.salt, s.log.packs[0].info.salt, SALT_BYTES);
	assert_true(fetch_pack_info(repo, &info.id, OBJECT_PACK_META, &info,
	    &e) < 0);
	OK(fetch_directory(repo, &info, &d, E));
	assert_int_equal(d.nframes, s.log.nframes);
	for (uint32_t i = 0; i < d.nframes; i++)
		assert_memory_equal(&d.frames[i], &s.log.frames[i].info,
		    sizeof(d.frames[i]));
	assert_int_equal(d.first_slot[d.nframes], s.n);
	pack_directory_fini(&d);

	pack_path(path, &s, &info);
	assert_int_equal(unlink(path), 0);
	OK(fetch_new(&f, repo, 1U << 20, false, E));
	err_init(&e);
	assert_true(fetch_kept(f, &s.log, &s.kept[7], CHUNK, &e) < 0);
	assert_int_equal(e.code, ERR_CORRUPT);
	hex_emit(hex, info.id.b, ID_BYTES);
	assert_non_null(strstr(err_text(&e), hex));
	assert_non_null(strstr(err_text(&e), "is missing"));
	assert_int_equal(fetch_directory(repo, &info, &d, &e), STORE_ABSENT);
	assert_int_equal(fetch_pack_info(repo, &info.id, OBJECT_PACK_DATA,
	    &info, &e), STORE_ABSENT);
	fetch_free(f);
	repo_close(repo);
	stored_fini(&s);
}

static void
put_forwards(struct repo *repo, const struct forwards *fw,
    const struct run_id *run)
{
	struct buf content = BUF_INIT, object = BUF_INIT;
	char name[sizeof("forwards/") + ID_HEX] = "forwards/";
	uint8_t hash[HASH_BYTES];

	OK(forwards_emit(&content, fw, E));
	OK(sealed_emit(&object, repo_keyring(repo), OBJECT_FORWARDS, run, 99,
	    &content, E));
	hash_bytes(hash, object.data, object.len);
	hex_emit(name + 9, hash, sizeof(hash));
	OK(store_put(repo_store(repo), name, object.data, object.len, E));
	buf_fini(&content);
	buf_fini(&object);
}

/* A repack moved all: old pack and tables gone, forwards lead to the new. */
static void
test_forwards(void **state)
{
	struct forward_move *moves;
	struct forward forward = { 0 };
	struct forwards fw = { .v = &forward, .n = 1 };
	struct pack_info frame_pack;
	struct put_log old_log;
	struct kept *old;
	struct stored s;
	struct repo *repo;
	char path[256], cmd[160];

	(void)state;
	store_chunks(&s, 80, CHUNK);
	old = s.kept;
	old_log = s.log;
	pack_path(path, &s, &old_log.packs[0].info);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(try_all(&s, true), 0);

	s.kept = calloc(s.n, sizeof(*s.kept));
	s.log = (struct put_log){ 0 };
	put_chunks(&s, 0);
	moves = calloc(s.n, sizeof(*moves));
	for (uint32_t i = 0; i < s.n; i++) {
		struct frame_info to;

		moves[i].frame = old_log.frames[old[i].place.frame].info.no;
		moves[i].slot = old[i].place.slot;
		find_place(&s.log, &s.kept[i].place, &frame_pack, &to,
		    &moves[i].to_slot);
		moves[i].to = to;
	}
	free(s.kept);
	log_fini(&s.log);
	s.kept = old;
	s.log = old_log;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s/repo/index'", s.dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(try_all(&s, true), 0);

	/* In two hops: to a pack that is gone as well, then to the new one. */
	repo = open_repo(s.dir, NULL);
	forward.old = s.log.packs[0].info.id;
	forward.pack = frame_pack;
	forward.pack.id.b[0] ^= 0xff;
	forward.moves = moves;
	forward.nmoves = s.n;
	put_forwards(repo, &fw, &frame_pack.run);
	forward.old = forward.pack.id;
	forward.pack = frame_pack;
	for (uint32_t i = 0; i < s.n; i++) {
		moves[i].frame = moves[i].to.no;
		moves[i].slot = moves[i].to_slot;
	}
	forwards_sort(&fw);
	put_forwards(repo, &fw, &frame_pack.run);
	/* Rubbish among them is passed over. */
	OK(store_put(repo_store(repo), "forwards/"
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	    "rubbish", 7, E));
	repo_close(repo);
	assert_int_equal(try_all(&s, true), s.n);
	free(moves);
	stored_fini(&s);
}

/* Let the secret of put_only_file be a put-only writer's. */
static void
add_put_only(const char *dir)
{
	struct slot_params slot = slot_params_default(SLOT_KEY_FILE);
	struct slot_record record = { .role = ROLE_PUT_ONLY, .host = "h" };
	struct repo *repo = open_repo(dir, NULL);
	struct object_id id;
	struct secret secret;

	OK(secret_copy(&secret, put_only_file, sizeof(put_only_file) - 1, E));
	OK(repo_key_add(repo, &slot, &secret, &record, false, &id, E));
	secret_fini(&secret);
	repo_close(repo);
}

/* A put-only writer's pack: its header is looked at, its chunks are hashed, it
 * can't read it back itself, and it can't be passed off as a full writer's. */
static void
test_put_only(void **state)
{
	struct stored s = { .n = 60, .max = CHUNK };
	struct pack_info pack;
	struct frame_info frame;
	struct fetched *ref;
	const uint8_t *data;
	struct repo *repo;
	struct fetch *f;
	struct err e = ERR_INIT;
	char path[256];
	uint32_t slot;

	(void)state;
	s.kept = calloc(s.n, sizeof(*s.kept));
	make_dir(s.dir);
	make_repo(s.dir);
	add_put_only(s.dir);
	as_put_only = true;
	put_chunks(&s, 0);
	repo = open_repo(s.dir, NULL);
	OK(fetch_new(&f, repo, 1U << 20, false, E));
	assert_true(fetch_kept(f, &s.log, &s.kept[0], CHUNK, &e) < 0);
	assert_int_equal(e.code, ERR_AUTH);
	fetch_free(f);
	repo_close(repo);
	as_put_only = false;

	assert_int_equal(try_all(&s, false), s.n);
	find_place(&s.log, &s.kept[0].place, &pack, &frame, &slot);
	assert_int_not_equal(pack.writer, 0);
	pack_path(path, &s, &pack);
	for (uint64_t off = 0; off < PACK_HEADER_BYTES; off += 9) {
		flip(path, off);
		assert_int_equal(try_all(&s, false), 0);
		flip(path, off);
	}
	repo = open_repo(s.dir, NULL);
	OK(fetch_new(&f, repo, 1U << 20, false, E));
	err_init(&e);
	pack.writer = 0;
	assert_true(fetch_chunk(f, &pack, &frame, slot, NULL, s.kept[0].len,
	    &ref, &data, &e) < 0);
	assert_int_equal(e.code, ERR_CORRUPT);
	fetch_free(f);
	repo_close(repo);
	stored_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_wrong_places),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_forwards),
		cmocka_unit_test(test_put_only),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
