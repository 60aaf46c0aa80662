/*
 * A cache of ranges of objects, on disk.
 *
 * A range is a file, named by a hash of the object's name, the offset and the
 * length, in one of 16 directories:
 *
 *	magic, 8 bytes		bytes of the range, u64
 *	checksum, 32 bytes: BLAKE2b-256 of the name and the bytes
 *	the bytes
 *
 * Objects never change, so a range is right for ever, unless the store was
 * wrong when it gave it: whoever finds that out has it forgotten.  The checksum
 * is there for damage; against malice there is what opens the bytes, as for
 * those that come from the store.
 *
 *  1. A file has its name only when it is whole, by a rename; none is synced:
 *     what a power failure tears doesn't fit its checksum.
 *  2. Nothing that goes wrong here is an error of a read.
 *  3. No lock between processes: whoever finds a directory too full removes
 *     what was not used for longest.  Each counts what it adds itself and looks
 *     again after RECOUNT additions, so that N processes are at most N times
 *     that over.
 */
#include "engine/store/cache.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/id.h"
#include "engine/base/io.h"
#include "engine/base/rd.h"
#include "engine/crypto/hash.h"

#define SHARDS		16
#define MAGIC		"vtnear01"
#define HEAD_BYTES	(8 + 8 + HASH_BYTES)
#define ENTRY_MAX	((size_t)4 << 20)
#define BLOCK		4096		/* what a small file takes */
#define RECOUNT		64
#define TOUCH_S		3600		/* how exact "last used" is */
#define STALE_S		3600		/* a temporary file that was left */
#define TMP		"tmp-"

struct shard {
	pthread_mutex_t lock;		/* what follows */
	bool counted;
	unsigned added;			/* since it was counted */
	uint64_t bytes;
};

struct cache_store {
	struct store base;
	char *dir;			/* owned */
	uint64_t shard_max;
	bool bulk;
	atomic_bool off;		/* it can't be written */
	atomic_ullong hits, misses;
	struct shard shard[SHARDS];
};

struct key {
	uint8_t b[HASH_BYTES];
	char hex[ID_HEX];
};

static void
make_key(struct key *k, const char *name, uint64_t off, size_t len)
{
	uint8_t place[16];
	struct hash h;

	le_put64(place, off);
	le_put64(place + 8, len);
	hash_init(&h);
	hash_update(&h, name, strlen(name) + 1);
	hash_update(&h, place, sizeof(place));
	hash_final(&h, k->b);
	hex_emit(k->hex, k->b, sizeof(k->b));
}

static unsigned
shard_of(const struct key *k)
{
	return (k->b[0] >> 4);
}

static void
checksum(uint8_t sum[HASH_BYTES], const struct key *k, const void *p,
    size_t len)
{
	struct hash h;

	hash_init(&h);
	hash_update(&h, k->b, sizeof(k->b));
	hash_update(&h, p, len);
	hash_final(&h, sum);
}

/* The shard's directory, made where it is missing; -1. */
static int
shard_open(const struct cache_store *c, unsigned shard, bool make)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	struct err ignored = ERR_INIT;
	char path[4096];
	int n, fd;

	n = snprintf(path, sizeof(path), "%s/%x", c->dir, shard);
	if (n < 0 || (size_t)n >= sizeof(path))
		return (-1);
	fd = open(path, flags);
	if (fd < 0 && errno == ENOENT && make &&
	    io_mkdirs(path, 0700, &ignored) == 0)
		fd = open(path, flags);
	return (fd);
}

/* Into dst: true when it was there and whole. */
static bool
load(int dirfd, const struct key *k, void *dst, size_t len, size_t *got)
{
	uint8_t head[HEAD_BYTES], sum[HASH_BYTES];
	struct iovec v[2] = { { head, sizeof(head) }, { dst, len } };
	struct timespec now[2] = { { .tv_nsec = UTIME_OMIT },
	    { .tv_nsec = UTIME_NOW } };
	uint64_t n = UINT64_MAX;
	struct stat st;
	struct rd r;
	ssize_t have;
	bool good;
	int fd;

	fd = openat(dirfd, k->hex,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return (false);
	have = preadv(fd, v, 2, 0);
	good = have >= (ssize_t)sizeof(head);
	if (good) {
		rd_init(&r, head, sizeof(head));
		good = memcmp(rd_view(&r, 8), MAGIC, 8) == 0;
		n = rd_u64(&r);
		good = good && n == (uint64_t)have - sizeof(head);
	}
	if (good) {
		checksum(sum, k, dst, (size_t)n);
		good = memcmp(sum, rd_view(&r, HASH_BYTES), HASH_BYTES) == 0;
	}
	if (good && fstat(fd, &st) == 0 &&
	    st.st_mtim.tv_sec + TOUCH_S < time(NULL))
		(void)futimens(fd, now);
	(void)close(fd);
	/* Damaged ones give way to what the store says. */
	if (!good)
		(void)unlinkat(dirfd, k->hex, 0);
	else
		*got = (size_t)n;
	return (good);
}

struct entry {
	int64_t used_s;
	uint64_t bytes;
	char name[ID_HEX];
};

static int
by_age(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->used_s < y->used_s ? -1 : x->used_s > y->used_s);
}

static uint64_t
charge(uint64_t bytes)
{
	return ((bytes + BLOCK - 1) / BLOCK * BLOCK);
}

/* What is in the directory: its bytes, and each file in *out (owned). */
static uint64_t
look(int dirfd, struct entry **out, size_t *n)
{
	size_t cap = 0;
	uint64_t bytes = 0;
	struct dirent *de;
	struct stat st;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dp = fd < 0 ? NULL : fdopendir(fd);

	*out = NULL;
	*n = 0;
	if (dp == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return (0);
	}
	while ((de = readdir(dp)) != NULL) {
		if (fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (strncmp(de->d_name, TMP, strlen(TMP)) == 0 &&
		    st.st_mtim.tv_sec + STALE_S < time(NULL))
			(void)unlinkat(dirfd, de->d_name, 0);
		if (strlen(de->d_name) != ID_HEX - 1)
			continue;
		bytes += charge((uint64_t)st.st_size);
		if (*n == cap) {
			size_t more = cap == 0 ? 256 : 2 * cap;
			void *v = reallocarray(*out, more, sizeof(**out));

			if (v == NULL)
				break;
			*out = v;
			cap = more;
		}
		(*out)[*n].used_s = st.st_mtim.tv_sec;
		(*out)[*n].bytes = charge((uint64_t)st.st_size);
		memcpy((*out)[(*n)++].name, de->d_name, ID_HEX);
	}
	(void)closedir(dp);
	return (bytes);
}

/* Count the shard, and remove the oldest until there is room for so many bytes
 * and some more. */
static void
make_room(struct cache_store *c, int dirfd, struct shard *s, uint64_t need)
{
	struct entry *v;
	size_t n;

	s->bytes = look(dirfd, &v, &n);
	s->counted = true;
	s->added = 0;
	if (v != NULL && s->bytes + need > c->shard_max) {
		uint64_t aim = c->shard_max - c->shard_max / 8;

		qsort(v, n, sizeof(*v), by_age);
		for (size_t i = 0; i < n && s->bytes + need > aim; i++) {
			if (unlinkat(dirfd, v[i].name, 0) == 0 ||
			    errno == ENOENT)
				s->bytes -= v[i].bytes;
		}
	}
	free(v);
}

static int
write_file(int fd, const struct key *k, const void *p, size_t len)
{
	uint8_t head[HEAD_BYTES];
	struct err ignored = ERR_INIT;

	memcpy(head, MAGIC, 8);
	le_put64(head + 8, len);
	checksum(head + 16, k, p, len);
	if (io_write_all(fd, head, sizeof(head), &ignored) != 0)
		return (-1);
	return (io_write_all(fd, p, len, &ignored));
}

static void
keep(struct cache_store *c, const struct key *k, const void *p, size_t len)
{
	struct shard *s = &c->shard[shard_of(k)];
	uint64_t need = charge(HEAD_BYTES + len);
	char tmp[sizeof(TMP) + 32];
	uint8_t random[16];
	int dirfd, fd;

	if (atomic_load(&c->off) || need > c->shard_max / 4 ||
	    getentropy(random, sizeof(random)) != 0)
		return;
	dirfd = shard_open(c, shard_of(k), true);
	if (dirfd < 0) {
		atomic_store(&c->off, true);
		return;
	}
	(void)pthread_mutex_lock(&s->lock);
	if (!s->counted || s->added >= RECOUNT ||
	    s->bytes + need > c->shard_max)
		make_room(c, dirfd, s, need);
	s->bytes += need;
	s->added++;
	(void)pthread_mutex_unlock(&s->lock);
	memcpy(tmp, TMP, sizeof(TMP));
	hex_emit(tmp + strlen(TMP), random, sizeof(random));
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd >= 0) {
		bool good = write_file(fd, k, p, len) == 0;

		(void)close(fd);
		if (!good || renameat(dirfd, tmp, dirfd, k->hex) != 0) {
			(void)unlinkat(dirfd, tmp, 0);
			atomic_store(&c->off, true);
		}
	} else {
		atomic_store(&c->off, true);
	}
	(void)close(dirfd);
}

static int
cache_read_near(struct store *base, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, bool bulk, struct err *e)
{
	struct cache_store *c = (struct cache_store *)base;
	struct key k;
	int dirfd, rc;
	bool had;

	if ((bulk && !c->bulk) || len > ENTRY_MAX)
		return (store_read(base->under, name, off, dst, len, got, e));
	make_key(&k, name, off, len);
	dirfd = shard_open(c, shard_of(&k), false);
	had = dirfd >= 0 && load(dirfd, &k, dst, len, got);
	if (dirfd >= 0)
		(void)close(dirfd);
	if (had) {
		atomic_fetch_add(&c->hits, 1);
		return (0);
	}
	rc = store_read(base->under, name, off, dst, len, got, e);
	if (rc == 0) {
		atomic_fetch_add(&c->misses, 1);
		keep(c, &k, dst, *got);
	}
	return (rc);
}

static void
cache_forget(struct store *base, const char *name, uint64_t off, size_t len)
{
	struct cache_store *c = (struct cache_store *)base;
	struct key k;
	int dirfd;

	make_key(&k, name, off, len);
	dirfd = shard_open(c, shard_of(&k), false);
	if (dirfd < 0)
		return;
	(void)unlinkat(dirfd, k.hex, 0);
	(void)close(dirfd);
}

static void
cache_close(struct store *base)
{
	struct cache_store *c = (struct cache_store *)base;

	store_close(base->under);
	for (unsigned i = 0; i < SHARDS; i++)
		(void)pthread_mutex_destroy(&c->shard[i].lock);
	free(c->dir);
	free(c);
}

static int
cache_read(struct store *s, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, struct err *e)
{
	return (store_read(s->under, name, off, dst, len, got, e));
}

static int
cache_stat(struct store *s, const char *name, struct store_stat *st,
    struct err *e)
{
	return (store_stat(s->under, name, st, e));
}

static int
cache_put(struct store *s, const char *name, const void *src, size_t len,
    struct err *e)
{
	return (store_put(s->under, name, src, len, e));
}

static int
cache_put_begin(struct store *s, struct store_put **out, struct err *e)
{
	return (store_put_begin(s->under, out, e));
}

static int
cache_list(struct store *s, const char *prefix, store_list_fn *fn, void *ctx,
    struct err *e)
{
	return (store_list(s->under, prefix, fn, ctx, e));
}

static void
cache_list_ahead(struct store *s, const char *const *prefixes, size_t n)
{
	store_list_ahead(s->under, prefixes, n);
}

static int
cache_remove(struct store *s, const char *name, struct err *e)
{
	return (store_remove(s->under, name, e));
}

/* A stream is the inner store's: it never comes back here. */
static const struct store_ops cache_ops = {
	.close = cache_close,
	.read = cache_read,
	.read_near = cache_read_near,
	.forget = cache_forget,
	.stat = cache_stat,
	.put = cache_put,
	.put_begin = cache_put_begin,
	.list = cache_list,
	.list_ahead = cache_list_ahead,
	.remove = cache_remove
};

int
store_cache_open(struct store **out, struct store *inner, const char *dir,
    uint64_t max_bytes, bool bulk, struct err *e)
{
	struct cache_store *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->dir = strdup(dir)) == NULL) {
		free(c);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	crypto_init();
	c->base.ops = &cache_ops;
	c->base.under = inner;
	c->base.parallel = inner->parallel;
	memcpy(c->base.where, inner->where, sizeof(c->base.where));
	c->shard_max = max_bytes / SHARDS;
	c->bulk = bulk;
	for (unsigned i = 0; i < SHARDS; i++)
		(void)pthread_mutex_init(&c->shard[i].lock, NULL);
	*out = &c->base;
	return (0);
}

void
store_cache_counts(const struct store *s, uint64_t *hits, uint64_t *misses)
{
	const struct cache_store *c = (const struct cache_store *)s;

	*hits = atomic_load(&c->hits);
	*misses = atomic_load(&c->misses);
}
