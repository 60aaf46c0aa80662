#ifndef VITRINE_TESTS_UNIT_REPO_FIXTURE_H
#define VITRINE_TESTS_UNIT_REPO_FIXTURE_H

/* A repository in a directory of its own, with a key file, and snapshots
 * without content: for the tests of engine/repo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/crypto/rnd.h"
#include "engine/repo/records.h"
#include "engine/repo/session_impl.h"
#include "engine/repo/state.h"
#include "engine/store/dir.h"
#include "engine/store/fault.h"

static char base[64], dir[96], cache[96], states[96];
static unsigned said;
static char last_said[1024];
static struct secret pass, other;
static struct slot_params cheap;

static inline void
say(void *ctx, enum log_level level, const char *text)
{
	if (level == LOG_WARNING) {
		said++;
		(void)snprintf(last_said, sizeof(last_said), "%s", text);
	}
}
static const struct log logger = { say, NULL };

static inline void
run_command(const char *fmt, const char *a, const char *b)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof(cmd), "%s %s %s", fmt, a, b);
	assert_int_equal(system(cmd), 0);
}

static inline int
setup(void **state)
{
	struct err e = ERR_INIT;

	(void)snprintf(base, sizeof(base), "/tmp/repo_test.XXXXXX");
	if (mkdtemp(base) == NULL)
		return (-1);
	(void)snprintf(dir, sizeof(dir), "%s/store", base);
	(void)snprintf(cache, sizeof(cache), "%s/cache", base);
	(void)snprintf(states, sizeof(states), "%s/state", base);
	said = 0;
	last_said[0] = '\0';
	cheap = slot_params_default(SLOT_KEY_FILE);
	return (secret_copy(&pass, "0123456789abcdef-full", 21, &e) == 0 &&
	    secret_copy(&other, "0123456789abcdef-other", 22, &e) == 0 ?
	    0 : -1);
}

static inline int
teardown(void **state)
{
	secret_fini(&pass);
	secret_fini(&other);
	run_command("rm -rf", base, "");
	return (0);
}

static inline struct store *
store_there(const char *plan)
{
	struct err e = ERR_INIT;
	struct store *s;

	assert_int_equal(store_dir_open(&s, dir, false, &e), 0);
	if (plan != NULL) {
		struct store *f;

		assert_int_equal(store_fault_open(&f, s, plan, &e), 0);
		s = f;
	}
	return (s);
}

static inline void
make_repo(void)
{
	struct err e = ERR_INIT;
	struct store *s;

	assert_int_equal(store_dir_open(&s, dir, true, &e), 0);
	assert_int_equal(repo_init(s, NULL, &cheap, &pass, "first", &e), 0);
	store_close(s);
}

static inline struct repo_env
environment(void)
{
	struct repo_env env = { .log = &logger, .cache_dir = cache,
	    .state_dir = states, .memory_bytes = 64 << 20 };

	return (env);
}

static inline int
try_open(struct repo **r, const char *plan, const struct secret *secret,
    struct err *e)
{
	struct repo_env env = environment();

	return (repo_open(r, store_there(plan), SLOT_KEY_FILE, secret, &env,
	    e));
}

static inline struct repo *
open_with(const char *plan, const struct secret *secret)
{
	struct err e = ERR_INIT;
	struct repo *r = NULL;

	if (try_open(&r, plan, secret, &e) != 0)
		fail_msg("%s", err_text(&e));
	return (r);
}

static inline struct repo *
open_repo(void)
{
	return (open_with(NULL, &pass));
}

static inline size_t
count_objects(const char *sub)
{
	char path[160];
	struct dirent *de;
	size_t n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, sub);
	d = opendir(path);
	if (d == NULL)
		return (0);
	while ((de = readdir(d)) != NULL)
		n += de->d_name[0] != '.';
	(void)closedir(d);
	return (n);
}

static inline void
object_path(char path[256], const char *sub, const uint8_t id[ID_BYTES])
{
	char hex[ID_HEX];

	(void)snprintf(path, 256, "%s/%s/%s", dir, sub,
	    hex_emit(hex, id, ID_BYTES));
}

static inline void
remove_object(const char *sub, const uint8_t id[ID_BYTES])
{
	char path[256];

	object_path(path, sub, id);
	assert_int_equal(unlink(path), 0);
}

static inline void
flip(const char *path, off_t at)
{
	uint8_t b;
	int fd;

	(void)chmod(path, 0600);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 1;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	(void)close(fd);
}

/*
 * Snapshots without content.
 */
static inline void
make_manifest(struct manifest *m, const char *host, const char *root)
{
	struct err e = ERR_INIT;

	memset(m, 0, sizeof(*m));
	assert_int_equal(bytes_set(&m->host, host, strlen(host), &e), 0);
	assert_int_equal(bytes_set(&m->user, "ana", 3, &e), 0);
	assert_int_equal(bytes_set(&m->program, "vitrine test", 12, &e), 0);
	assert_int_equal(strings_add(&m->roots, root, strlen(root), &e), 0);
	m->time = clock_wall();
	m->ended = m->time;
	m->files = 3;
	m->catalog.size_bytes = CATALOG_PAGE_BYTES;
	m->catalog.levels = 1;
	m->catalog.map.place[1].pack = MPLACE_NONE;
	m->catalog.tail = calloc(1, sizeof(*m->catalog.tail));
	m->catalog.ntail = 1;
	rnd_bytes(m->catalog.tail->id.b, ID_BYTES);
	m->catalog.tail->size_bytes = 4096;
	m->catalog.tail->kind = OBJECT_PACK_META;
	m->catalog.tail->wrap.kind = WRAP_DERIVED;
}

static struct pack_id needed[2];
static inline int
needs(void *ctx, session_pack_fn *fn, void *fn_ctx, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		int ret = fn(fn_ctx, &needed[i], e);

		if (ret != 0)
			return (ret);
	}
	return (0);
}

/* What the next snapshots are called; NULL: nothing. */
static const char *commit_name;

static inline int
try_commit(struct repo *r, const char *host, const char *root,
    struct snapshot_id *id, struct err *e)
{
	struct session *s;
	struct manifest m;
	int ret;

	if (session_begin(&s, r, e) != 0)
		return (-1);
	make_manifest(&m, host, root);
	if (commit_name != NULL)
		assert_int_equal(bytes_set(&m.name, commit_name,
		    strlen(commit_name), e), 0);
	m.catalog.tail->domain = keyring_domain(repo_keyring(r));
	m.catalog.tail->writer = keyring_writer(repo_keyring(r));
	if (m.catalog.tail->writer != 0)
		m.catalog.tail->wrap.kind = WRAP_SEALED;
	ret = session_commit(s, &m, needs, NULL, id, e);
	manifest_fini(&m);
	session_end(s);
	return (ret);
}

static inline struct snapshot_id
commit(struct repo *r, const char *host, const char *root)
{
	struct err e = ERR_INIT;
	struct snapshot_id id;

	if (try_commit(r, host, root, &id, &e) != 0)
		fail_msg("%s", err_text(&e));
	return (id);
}

/* What one who has a put-only writer's key can sign. */
static inline struct keyring *
put_only_ring(const struct keyring *own, uint32_t writer, uint32_t domain)
{
	struct put_only_secrets sec = { .writer = writer, .domain = domain };
	struct err e = ERR_INIT;
	struct keyring *ring;

	assert_int_equal(keyring_writer_key(own, writer, sec.writer_key, &e),
	    0);
	memcpy(sec.public_key, keyring_public_key(own),
	    sizeof(sec.public_key));
	assert_int_equal(keyring_new_put_only(&ring, keyring_repo(own), &sec,
	    &e), 0);
	return (ring);
}

static size_t lies;
static char lie[1024];
static inline void
on_lie(void *ctx, bool is_lie, const char *text)
{
	lies += is_lie;
	(void)snprintf(lie, sizeof(lie), "%s", text);
}

/* The findings over what is listed now. */
static inline size_t
check_lies(struct repo *r)
{
	struct err e = ERR_INIT;
	struct snapshots l;
	size_t n = 99;

	lies = 0;
	lie[0] = '\0';
	assert_int_equal(repo_snapshots(r, &l, &e), 0);
	assert_int_equal(repo_check_history(r, &l, on_lie, NULL, &n, &e), 0);
	assert_int_equal(n, lies);
	snapshots_fini(&l);
	return (n);
}

static inline size_t
list(struct repo *r, size_t *refused)
{
	struct err e = ERR_INIT;
	struct snapshots l;
	size_t n;

	assert_int_equal(repo_snapshots(r, &l, &e), 0);
	n = l.n;
	*refused = l.refused;
	snapshots_fini(&l);
	return (n);
}

#endif
