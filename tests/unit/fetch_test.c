/* What fetch serves: the chunk that was asked for or an error, never other
 * bytes; within its bound; each frame once. */
#include "tests/unit/put_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "engine/repo/fetch_int.h"
#include "engine/repo/records.h"

#define CHUNK	20000

/* A store that counts its reads and is slow when told to. */
struct counting {
	struct store base;
	struct store *inner;
	atomic_uint reads;
	atomic_bool slow;
};

static struct store *
inner_of(struct store *s)
{
	return (((struct counting *)s)->inner);
}

static void
c_close(struct store *s)
{
	store_close(inner_of(s));
	free(s);
}

static int
c_read(struct store *s, const char *name, uint64_t off, void *dst, size_t len,
    size_t *got, struct err *e)
{
	struct counting *c = (struct counting *)s;

	if (strncmp(name, "packs/", 6) == 0)
		atomic_fetch_add(&c->reads, 1);
	if (atomic_load(&c->slow))
		usleep(20000);
	return (store_read(c->inner, name, off, dst, len, got, e));
}

static int
c_stat(struct store *s, const char *name, struct store_stat *st, struct err *e)
{
	return (store_stat(inner_of(s), name, st, e));
}

static int
c_put(struct store *s, const char *name, const void *p, size_t len,
    struct err *e)
{
	return (store_put(inner_of(s), name, p, len, e));
}

static int
c_begin(struct store *s, struct store_put **out, struct err *e)
{
	return (store_put_begin(inner_of(s), out, e));
}

static int
c_list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	return (store_list(inner_of(s), prefix, fn, ctx, e));
}

static int
c_remove(struct store *s, const char *name, struct err *e)
{
	return (store_remove(inner_of(s), name, e));
}

/* Streams are the inner store's own. */
static const struct store_ops counting_ops = {
	.close = c_close, .read = c_read, .stat = c_stat, .put = c_put,
	.put_begin = c_begin, .list = c_list, .remove = c_remove
};

static struct repo *
open_counting(const char *dir, struct counting **out)
{
	const struct repo_env env = {
		.memory_bytes = 64U << 20, .threads = 2
	};
	struct counting *c = calloc(1, sizeof(*c));
	struct secret secret;
	struct repo *repo;
	char path[320];

	assert_non_null(c);
	(void)snprintf(path, sizeof(path), "%s/repo", dir);
	OK(store_open(&c->inner, path, false, E));
	c->base.ops = &counting_ops;
	(void)snprintf(c->base.where, sizeof(c->base.where), "%s", path);
	make_secret(&secret);
	OK(repo_open(&repo, &c->base, SLOT_KEY_FILE, &secret, &env, E));
	secret_fini(&secret);
	*out = c;
	return (repo);
}

/* A repository with n chunks in it. */
struct stored {
	char dir[64];
	struct put_log log;
	struct kept *kept;
	uint32_t n;
	size_t max;
};

static void
put_chunks(struct stored *s, uint64_t first)
{
	struct session *session;
	struct put_env env;
	struct pool *pool;
	struct repo *repo;
	struct put *put;

	repo = open_repo(s->dir, NULL);
	OK(pool_new(&pool, 2, E));
	env = make_env(pool, &s->log);
	OK(session_begin(&session, repo, E));
	OK(put_open(&put, session, &env, E));
	for (uint32_t i = 0; i < s->n; i++)
		OK(put_one(put, first + i, s->max, &s->kept[i], E));
	OK(put_close(put, OBJECT_PACK_DATA, E));
	put_free(put);
	session_end(session);
	pool_free(pool);
	repo_close(repo);
}

static void
store_chunks(struct stored *s, uint32_t n, size_t max)
{
	*s = (struct stored){ .n = n, .max = max };
	s->kept = calloc(n, sizeof(*s->kept));
	assert_non_null(s->kept);
	make_dir(s->dir);
	make_repo(s->dir);
	put_chunks(s, 0);
}

static void
stored_fini(struct stored *s)
{
	remove_dir(s->dir);
	log_fini(&s->log);
	free(s->kept);
}

/* Which frames there are, by distinct place. */
static unsigned
frames_of(const struct stored *s)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < s->log.nframes; i++)
		n += s->log.frames[i].set;
	return (n);
}

static void
test_once(void **state)
{
	struct counting *c;
	struct stored s;
	struct repo *repo;
	struct fetch *f;

	(void)state;
	store_chunks(&s, 1500, CHUNK);
	repo = open_counting(s.dir, &c);
	OK(fetch_new(&f, repo, 64U << 20, false, E));
	for (unsigned round = 0; round < 3; round++)
		for (uint32_t i = 0; i < s.n; i++)
			OK(fetch_kept(f, &s.log, &s.kept[i], CHUNK, E));
	assert_int_equal(atomic_load(&c->reads), frames_of(&s));
	fetch_free(f);
	repo_close(repo);
	stored_fini(&s);
}

static void
test_bound(void **state)
{
	static const size_t caches[] = { 0, 3U << 20, 6U << 20, 40U << 20 };
	struct stored s;

	(void)state;
	store_chunks(&s, 3000, CHUNK);
	for (size_t k = 0; k < sizeof(caches) / sizeof(*caches); k++) {
		struct repo *repo = open_repo(s.dir, NULL);
		struct fetch *f;

		OK(fetch_new(&f, repo, caches[k], k % 2 == 1, E));
		for (uint32_t i = 0; i < s.n; i++)
			OK(fetch_kept(f, &s.log, &s.kept[i * 7 % s.n], CHUNK,
			    E));
		/* One frame more: the one that is held. */
		assert_true(fetch_peak_bytes(f) <= caches[k] + (3U << 19));
		fetch_free(f);
		repo_close(repo);
	}
	stored_fini(&s);
}

/* A frame_load_fn: counts the frames that bring no memory. */
static int
load_counted(void *ctx, const struct pack_info *pack,
    const struct frame_info *frame, struct opened_frame *out, struct err *e)
{
	unsigned *allocated = ctx;

	if (out->raw_cap < frame->raw) {
		assert_null(out->raw);
		out->raw_cap = opened_frame_room(frame->raw);
		out->raw = malloc(out->raw_cap);
		assert_non_null(out->raw);
		++*allocated;
	}
	out->raw_len = frame->raw;
	return (0);
}

/* A cache that is full gives each frame the memory of one that it drove out,
 * and none to one that wants another size. */
static void
test_memory(void **state)
{
	const struct pack_info pack = { .kind = OBJECT_PACK_DATA };
	struct frame_info frame = { .raw = FRAME_TARGET - 1000 };
	unsigned allocated = 0;
	struct frame_cache *c;
	struct fetched *x;
	size_t now, peak;

	(void)state;
	OK(frame_cache_new(&c, 6U << 20, false, load_counted, &allocated, E));
	for (frame.no = 0; frame.no < 100; frame.no++) {
		OK(frame_cache_get(c, &pack, &frame, &x, E));
		frame_cache_put(c, x);
	}
	assert_int_equal(allocated, 5);
	frame.raw = FRAME_TARGET / 2;
	for (; frame.no < 103; frame.no++) {
		OK(frame_cache_get(c, &pack, &frame, &x, E));
		assert_int_equal(x->frame.raw_cap, FRAME_TARGET / 2);
		frame_cache_put(c, x);
	}
	assert_int_equal(allocated, 8);
	frame_cache_usage(c, &now, &peak);
	assert_true(peak <= (6U << 20) + FRAME_TARGET + 1024);
	frame_cache_free(c);
}

struct reader {
	pthread_t thread;
	const struct stored *s;
	struct fetch *f;
	unsigned seed;
	uint32_t n;
};

static void *
read_some(void *arg)
{
	struct reader *r = arg;
	unsigned x = r->seed;

	for (uint32_t i = 0; i < r->n; i++) {
		const struct kept *k;
		struct pack_info pack;
		struct frame_info frame;
		uint32_t slot;

		x = x * 1103515245u + 12345u;
		k = &r->s->kept[(x >> 8) % r->s->n];
		if (i % 3 == 0) {
			find_place(&r->s->log, &k->place, &pack, &frame, &slot);
			fetch_ahead(r->f, &pack, &frame);
		}
		OK(fetch_kept(r->f, &r->s->log, k, CHUNK, E));
	}
	return (NULL);
}

static void
test_threads(void **state)
{
	struct reader r[6];
	struct stored s;
	struct repo *repo;
	struct fetch *f;

	(void)state;
	store_chunks(&s, 1500, CHUNK);
	repo = open_repo(s.dir, NULL);
	for (unsigned rehash = 0; rehash < 2; rehash++) {
		OK(fetch_new(&f, repo, 4U << 20, rehash, E));
		for (unsigned i = 0; i < 6; i++) {
			r[i] = (struct reader){ .s = &s, .f = f, .seed = i,
			    .n = 300 };
			assert_int_equal(pthread_create(&r[i].thread, NULL,
			    read_some, &r[i]), 0);
		}
		for (unsigned i = 0; i < 6; i++)
			pthread_join(r[i].thread, NULL);
		fetch_free(f);
	}
	repo_close(repo);
	stored_fini(&s);
}

static void *
read_first(void *arg)
{
	struct reader *r = arg;

	OK(fetch_kept(r->f, &r->s->log, &r->s->kept[0], CHUNK, E));
	return (NULL);
}

/* Many that want one frame at once fetch it once. */
static void
test_single_flight(void **state)
{
	struct reader r[8];
	struct counting *c;
	struct stored s;
	struct repo *repo;
	struct fetch *f;

	(void)state;
	store_chunks(&s, 10, CHUNK);
	repo = open_counting(s.dir, &c);
	OK(fetch_new(&f, repo, 0, false, E));
	atomic_store(&c->slow, true);
	for (unsigned i = 0; i < 8; i++) {
		r[i] = (struct reader){ .s = &s, .f = f };
		assert_int_equal(pthread_create(&r[i].thread, NULL, read_first,
		    &r[i]), 0);
	}
	for (unsigned i = 0; i < 8; i++)
		pthread_join(r[i].thread, NULL);
	assert_in_range(atomic_load(&c->reads), 1, 2);
	fetch_free(f);
	repo_close(repo);
	stored_fini(&s);
}

/* What was brought in ahead is there when it is asked for. */
static void
test_ahead(void **state)
{
	struct counting *c;
	struct stored s;
	struct repo *repo;
	struct fetch *f;
	unsigned reads;

	(void)state;
	store_chunks(&s, 400, CHUNK);
	repo = open_counting(s.dir, &c);
	OK(fetch_new(&f, repo, 64U << 20, false, E));
	for (uint32_t i = 0; i < s.log.nframes; i++)
		fetch_ahead(f, &s.log.packs[s.log.frames[i].pack].info,
		    &s.log.frames[i].info);
	for (unsigned i = 0; i < 12000 &&
	    atomic_load(&c->reads) < frames_of(&s); i++)
		usleep(10000);
	reads = atomic_load(&c->reads);
	assert_int_equal(reads, frames_of(&s));
	for (uint32_t i = 0; i < s.n; i++)
		OK(fetch_kept(f, &s.log, &s.kept[i], CHUNK, E));
	assert_int_equal(atomic_load(&c->reads), reads);
	/* Freed with requests still waiting. */
	atomic_store(&c->slow, true);
	fetch_free(f);
	OK(fetch_new(&f, repo, 64U << 20, false, E));
	for (uint32_t i = 0; i < s.log.nframes; i++)
		fetch_ahead(f, &s.log.packs[s.log.frames[i].pack].info,
		    &s.log.frames[i].info);
	fetch_free(f);
	repo_close(repo);
	stored_fini(&s);
}

static void
pack_path(char dst[256], const struct stored *s, const struct pack_info *pack)
{
	char name[PACK_NAME_BYTES];

	(void)snprintf(dst, 256, "%s/repo/%s", s->dir,
	    pack_name(name, &pack->id));
	assert_int_equal(chmod(dst, 0600), 0);
}

static void
flip(const char *path, uint64_t off)
{
	uint8_t b;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, (off_t)off), 1);
	b ^= (uint8_t)(1 + off % 255);
	assert_int_equal(pwrite(fd, &b, 1, (off_t)off), 1);
	close(fd);
}

/* Fetch all of it; the number of chunks that came. */
static uint32_t
try_all(const struct stored *s, bool rehash)
{
	struct repo *repo = open_repo(s->dir, NULL);
	struct fetch *f;
	uint32_t got = 0;

	OK(fetch_new(&f, repo, 8U << 20, rehash, E));
	for (uint32_t i = 0; i < s->n; i++) {
		struct err e = ERR_INIT;

		if (fetch_kept(f, &s->log, &s->kept[i], s->max, &e) == 0)
			got++;
		else
			assert_int_equal(e.code, ERR_CORRUPT);
	}
	fetch_free(f);
	repo_close(repo);
	return (got);
}

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
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_single_flight),
		cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_wrong_places),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_forwards),
		cmocka_unit_test(test_put_only),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
