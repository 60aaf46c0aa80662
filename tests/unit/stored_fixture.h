#ifndef VITRINE_TESTS_UNIT_STORED_FIXTURE_H
#define VITRINE_TESTS_UNIT_STORED_FIXTURE_H

/* A repository with chunks in it, and ways to damage them; for the tests of
 * fetch. */
#include "tests/unit/put_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#define CHUNK	20000

/* A repository with n chunks in it. */
struct stored {
	char dir[64];
	struct put_log log;
	struct kept *kept;
	uint32_t n;
	size_t max;
};

static inline void
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

static inline void
store_chunks(struct stored *s, uint32_t n, size_t max)
{
	*s = (struct stored){ .n = n, .max = max };
	s->kept = calloc(n, sizeof(*s->kept));
	assert_non_null(s->kept);
	make_dir(s->dir);
	make_repo(s->dir);
	put_chunks(s, 0);
}

/* The same chunks in the same repository, once more. */
static inline void
store_more(struct stored *s, const struct stored *like)
{
	*s = (struct stored){ .n = like->n, .max = like->max };
	s->kept = calloc(s->n, sizeof(*s->kept));
	assert_non_null(s->kept);
	memcpy(s->dir, like->dir, sizeof(s->dir));
	put_chunks(s, 0);
}

static inline void
stored_fini(struct stored *s)
{
	remove_dir(s->dir);
	log_fini(&s->log);
	free(s->kept);
}

/* Which frames there are, by distinct place. */
static inline unsigned
frames_of(const struct stored *s)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < s->log.nframes; i++)
		n += s->log.frames[i].set;
	return (n);
}

static inline void
pack_path(char dst[256], const struct stored *s, const struct pack_info *pack)
{
	char name[PACK_NAME_BYTES];

	(void)snprintf(dst, 256, "%s/repo/%s", s->dir,
	    pack_name(name, &pack->id));
	assert_int_equal(chmod(dst, 0600), 0);
}

static inline void
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
static inline uint32_t
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

#endif
