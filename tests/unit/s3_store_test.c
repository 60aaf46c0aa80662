/*
 * What the store in a bucket does beside requests: listing ahead, and what is
 * remembered of servers.  No server: s3_list() and s3_call() are ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/buf.h"
#include "engine/crypto/hash.h"
#include "engine/store/s3_impl.h"

#define WHERE	"s3:http://127.0.0.1:1/bucket/repo"

/* The server. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned calls, inside, together;	/* lock */
static unsigned wait_for;	/* so many are let in before any goes on */
static unsigned fail_next;	/* lock: calls that will fail */
static unsigned objects;	/* of each prefix */
static char dir[64];

static bool
is_told_to_fail(void)
{
	bool fail;

	(void)pthread_mutex_lock(&lock);
	calls++;
	inside++;
	if (inside > together)
		together = inside;
	(void)pthread_cond_broadcast(&changed);
	while (together < wait_for)
		(void)pthread_cond_wait(&changed, &lock);
	inside--;
	fail = fail_next > 0;
	if (fail)
		fail_next--;
	(void)pthread_mutex_unlock(&lock);
	return (fail);
}

int
s3_list(struct s3 *s, const char *prefix, s3_object_fn *fn, void *ctx,
    struct err *e)
{
	char key[256];
	struct s3_object o;
	int rc = 0;

	if (is_told_to_fail())
		return (err_set(e, ERR_NET, "told to fail"));
	for (unsigned i = 0; rc == 0 && i < objects; i++) {
		memset(&o, 0, sizeof(o));
		(void)snprintf(key, sizeof(key), "%sobject%u", prefix, i);
		o.key = key;
		o.key_len = strlen(key);
		o.size_bytes = 1000 + i;
		o.mtime_s = 5000 + i;
		rc = fn(ctx, &o, e);
	}
	return (rc);
}

/* What the last body was sent with. */
static struct s3_sum sent;

int
s3_call(struct s3 *s, struct s3_call *c, struct err *e)
{
	memset(&sent, 0, sizeof(sent));
	if (c->sum != NULL)
		sent = *c->sum;
	return (0);
}

static struct store *
open_at(const char *where)
{
	struct s3_options o = { .anonymous = true, .memory_dir = dir };
	struct err e = ERR_INIT;
	struct store *s;

	assert_int_equal(store_s3_open(&s, where, false, &o, &e), 0);
	return (s);
}

static struct store *
begin(unsigned n)
{
	calls = inside = together = wait_for = fail_next = 0;
	objects = n;
	return (open_at(WHERE));
}

/* The names of a listing, checked as they come. */
struct seen {
	const char *prefix;
	unsigned n, stop_at;
};

static int
see(void *ctx, const char *name, const struct store_stat *st, struct err *e)
{
	struct seen *seen = ctx;
	char want[128];

	(void)snprintf(want, sizeof(want), "%s/object%u", seen->prefix,
	    seen->n);
	assert_string_equal(name, want);
	assert_int_equal(st->size_bytes, 1000 + seen->n);
	assert_int_equal(st->mtime_s, 5000 + seen->n);
	return (++seen->n == seen->stop_at ? STORE_STOP : 0);
}

static void
expect(struct store *s, const char *prefix, unsigned n)
{
	struct seen seen = { .prefix = prefix };
	struct err e = ERR_INIT;

	assert_int_equal(store_list(s, prefix, see, &seen, &e), 0);
	assert_int_equal(seen.n, n);
}

static const char *const three[] = { "packs", "keys", "snapshots" };

static void
test_ahead(void **state)
{
	struct store *s = begin(7);

	/* None goes on before all have come: they are side by side. */
	wait_for = 3;
	store_list_ahead(s, three, 3);
	for (unsigned i = 0; i < 3; i++)
		expect(s, three[i], 7);
	assert_int_equal(together, 3);
	assert_int_equal(calls, 3);
	/* Once: what comes next is of then. */
	objects = 9;
	expect(s, "keys", 9);
	assert_int_equal(calls, 4);
	/* Others were not asked for. */
	expect(s, "leases", 9);
	assert_int_equal(calls, 5);
	store_close(s);
}

static void
test_ahead_stops(void **state)
{
	struct store *s = begin(7);
	struct seen seen = { .prefix = "keys", .stop_at = 3 };
	struct err e = ERR_INIT;

	store_list_ahead(s, three, 3);
	assert_int_equal(store_list(s, "keys", see, &seen, &e), 0);
	assert_int_equal(seen.n, 3);
	store_close(s);
	assert_int_equal(calls, 3);
}

static void
test_ahead_fails(void **state)
{
	struct store *s = begin(7);
	struct err e = ERR_INIT;
	struct seen seen = { .prefix = "packs" };

	/* It is asked for again, and that counts. */
	fail_next = 1;
	store_list_ahead(s, three, 1);
	expect(s, "packs", 7);
	assert_int_equal(calls, 2);
	fail_next = 2;
	store_list_ahead(s, three, 1);
	assert_int_equal(store_list(s, "packs", see, &seen, &e), -1);
	assert_int_equal(e.code, ERR_NET);
	assert_int_equal(seen.n, 0);
	assert_int_equal(calls, 4);
	store_close(s);
}

static void
test_ahead_long(void **state)
{
	struct store *s = begin(20000);

	store_list_ahead(s, three, 1);
	expect(s, "packs", 20000);
	assert_int_equal(calls, 2);
	store_close(s);
}

static void
test_ahead_forgotten(void **state)
{
	struct store *s = begin(7);

	store_list_ahead(s, three, 3);
	store_list_ahead(s, NULL, 0);
	assert_int_equal(calls, 3);
	objects = 8;
	expect(s, "packs", 8);
	assert_int_equal(calls, 4);
	store_list_ahead(s, three, 3);
	/* Nobody asks: closing waits for them. */
	store_close(s);
	assert_int_equal(calls, 7);
}

/* Who asks for listings waits, before it locks the store a second time, for
 * another who is as far. */
static pthread_barrier_t gate;
static _Thread_local pthread_mutex_t *watched;
static _Thread_local unsigned locks;
static _Atomic unsigned joins;

int
pthread_mutex_lock(pthread_mutex_t *m)
{
	int (*real)(pthread_mutex_t *);

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	if (watched != NULL && m == watched && ++locks == 2)
		(void)pthread_barrier_wait(&gate);
	return (real(m));
}

int
pthread_join(pthread_t thread, void **value)
{
	int (*real)(pthread_t, void **);

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_join");
	joins++;
	return (real(thread, value));
}

static void *
ask_ahead(void *store)
{
	watched = &((struct s3_store *)store)->lock;
	store_list_ahead(store, three, 3);
	watched = NULL;
	return (NULL);
}

/* Two ask at one time: what both began is waited for when the store closes. */
static void
test_ahead_of_two(void **state)
{
	struct store *s = begin(1);
	pthread_t two[2];

	joins = 0;
	(void)pthread_barrier_init(&gate, NULL, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&two[i], NULL, ask_ahead, s),
		    0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_join(two[i], NULL), 0);
	store_close(s);
	assert_int_equal(calls, 6);
	/* The network's thread was never begun. */
	assert_int_equal(joins, 2 + 6);
	(void)pthread_barrier_destroy(&gate);
}

static enum create_only
known_of(const char *where)
{
	struct store *s = open_at(where);
	enum create_only known = atomic_load(&((struct s3_store *)s)->
	    create_only);

	store_close(s);
	return (known);
}

static void
learn(const char *where, enum create_only what)
{
	struct store *s = open_at(where);

	s3_learn((struct s3_store *)s, what);
	store_close(s);
}

static void
test_learn(void **state)
{
	int next = dup(0), after = dup(0);

	(void)close(next);
	(void)close(after);
	assert_int_equal(known_of(WHERE), CREATE_UNKNOWN);
	learn(WHERE, CREATE_ONLY);
	assert_int_equal(known_of(WHERE), CREATE_ONLY);
	/* Of the server and the bucket, whatever the prefix. */
	assert_int_equal(known_of("s3:http://127.0.0.1:1/bucket/other"),
	    CREATE_ONLY);
	assert_int_equal(known_of("s3:http://127.0.0.1:1/bucket2"),
	    CREATE_UNKNOWN);
	assert_int_equal(known_of("s3:http://127.0.0.1:2/bucket"),
	    CREATE_UNKNOWN);
	learn(WHERE, CREATE_REPLACES);
	assert_int_equal(known_of(WHERE), CREATE_REPLACES);
	/* None is left open. */
	assert_int_equal(dup(0), next);
	assert_int_equal(dup(0), after);
	(void)close(next);
	(void)close(after);
}

/* The only file that is there. */
static void
learned_file(char path[256])
{
	char line[256];
	FILE *p;

	(void)snprintf(line, sizeof(line), "ls -d %s/servers/*", dir);
	p = popen(line, "r");
	assert_non_null(p);
	assert_non_null(fgets(path, 256, p));
	path[strcspn(path, "\n")] = '\0';
	assert_int_equal(pclose(p), 0);
}

static void
write_file(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_TRUNC | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void
test_learned_file(void **state)
{
	struct timespec old[2] = { { .tv_sec = time(NULL) - 31 * 86400 } };
	char path[256], other[300];
	struct store *s;

	learn(WHERE, CREATE_ONLY);
	learned_file(path);
	old[1] = old[0];
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(known_of(WHERE), CREATE_UNKNOWN);
	/* Learned again, it counts again; what is known isn't written anew. */
	s = open_at(WHERE);
	s3_learn((struct s3_store *)s, CREATE_ONLY);
	assert_int_equal(atomic_load(&((struct s3_store *)s)->create_only),
	    CREATE_ONLY);
	assert_int_equal(unlink(path), 0);
	s3_learn((struct s3_store *)s, CREATE_ONLY);
	assert_int_equal(access(path, F_OK), -1);
	store_close(s);
	learn(WHERE, CREATE_ONLY);
	assert_int_equal(known_of(WHERE), CREATE_ONLY);
	write_file(path, "create-only", 0);
	assert_int_equal(known_of(WHERE), CREATE_UNKNOWN);
	write_file(path, "replaces\nand a lot more of it", 0);
	assert_int_equal(known_of(WHERE), CREATE_UNKNOWN);
	write_file(path, "", 0);
	assert_int_equal(known_of(WHERE), CREATE_UNKNOWN);
	/* Nobody's file but ours is read. */
	(void)snprintf(other, sizeof(other), "%s.other", path);
	write_file(other, "replaces\n", O_CREAT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(known_of(WHERE), CREATE_UNKNOWN);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(other), 0);
}

/* Where nothing can be kept it is asked each time. */
static void
test_learn_nowhere(void **state)
{
	char servers[128];

	(void)snprintf(servers, sizeof(servers), "%s/servers", dir);
	assert_int_equal(rmdir(servers), 0);
	write_file(servers, "", O_CREAT);
	learn(WHERE, CREATE_ONLY);
	assert_int_equal(known_of(WHERE), CREATE_UNKNOWN);
	assert_int_equal(unlink(servers), 0);
}

/* What was gathered in goes on to the next objects, and is no more than was
 * ever in use, nor than a few; what failed is not used again. */
static void
test_spools(void **state)
{
	struct store *base = begin(0);
	struct s3_store *s = (struct s3_store *)base;
	struct store_put *p[S3_SPOOLS_MAX + 3];
	struct err e = ERR_INIT;
	char bytes[1000] = "";
	int fd;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < S3_SPOOLS_MAX + 3; i++) {
			assert_int_equal(store_put_begin(base, &p[i], &e), 0);
			assert_int_equal(store_put_append(p[i], bytes,
			    sizeof(bytes) - i, &e), 0);
		}
		assert_int_equal(s->nspools, 0);
		for (unsigned i = 0; i < S3_SPOOLS_MAX + 3; i++)
			store_put_abort(p[i]);
		assert_int_equal(s->nspools, S3_SPOOLS_MAX);
	}
	/* One that is old is let go. */
	s->spools[S3_SPOOLS_MAX - 1].since_ms -= 3600000;
	assert_int_equal(store_put_begin(base, &p[0], &e), 0);
	store_put_abort(p[0]);
	assert_int_equal(s->nspools, S3_SPOOLS_MAX - 1);
	/* One that can't be written, too. */
	fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(dup3(fd, s->spools[S3_SPOOLS_MAX - 2].fd, O_CLOEXEC),
	    s->spools[S3_SPOOLS_MAX - 2].fd);
	(void)close(fd);
	assert_int_equal(store_put_begin(base, &p[0], &e), 0);
	assert_int_equal(store_put_append(p[0], bytes, 1, &e), -1);
	err_init(&e);
	assert_int_equal(store_put_commit(p[0], "packs/aa/x", &e), -1);
	assert_int_equal(s->nspools, S3_SPOOLS_MAX - 2);
	store_close(base);
}

/* What is said of the bytes beforehand is what they are sent with; what isn't
 * is made. */
static void
test_sum(void **state)
{
	/* So much that nothing is found out by it. */
	static const uint8_t bytes[300000] = "whatever";
	struct s3_options o = { .memory_dir = dir };
	uint8_t right[SHA256_BYTES], said[SHA256_BYTES];
	struct err e = ERR_INIT;
	struct store_put *p;
	struct store *s;

	assert_int_equal(setenv("AWS_ACCESS_KEY_ID", "id", 1), 0);
	assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "secret", 1), 0);
	(void)crypto_hash_sha256(right, bytes, sizeof(bytes));
	assert_int_equal(store_s3_open(&s, WHERE, false, &o, &e), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_put_begin(s, &p, &e), 0);
		memset(said, 0, sizeof(said));
		if (i == 1)
			store_put_sha256(p, said);
		assert_int_equal(store_put_append(p, bytes, 600, &e), 0);
		assert_int_equal(store_put_append(p, bytes + 600,
		    sizeof(bytes) - 600, &e), 0);
		memset(said, 0x5a, sizeof(said));
		assert_int_equal(store_put_commit(p, "packs/aa/x", &e), 0);
		assert_int_equal(sent.kind, S3_SHA256);
		assert_memory_equal(sent.bytes, i == 1 ? said : right,
		    SHA256_BYTES);
	}
	store_close(s);
	/* Who has no key to sign with sends what servers check unsigned. */
	s = begin(0);
	assert_int_equal(store_put_begin(s, &p, &e), 0);
	store_put_sha256(p, said);
	assert_int_equal(store_put_append(p, bytes, sizeof(bytes), &e), 0);
	assert_int_equal(store_put_commit(p, "packs/aa/x", &e), 0);
	assert_true(sent.kind == S3_MD5 ||
	    memcmp(sent.bytes, said, sizeof(said)) != 0);
	store_close(s);
}

static int
make_dir(void **state)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/s3-store-XXXXXX");
	return (mkdtemp(dir) == NULL);
}

static int
remove_dir(void **state)
{
	return (rmdir(dir));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spools),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_ahead_stops),
		cmocka_unit_test(test_ahead_fails),
		cmocka_unit_test(test_ahead_long),
		cmocka_unit_test(test_ahead_forgotten),
		cmocka_unit_test(test_ahead_of_two),
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_learned_file),
		cmocka_unit_test(test_learn_nowhere)
	};

	return (cmocka_run_group_tests(tests, make_dir, remove_dir));
}
