/* Repositories, keys, snapshots, sessions and history, with the stores that fail and
 * lie in front. */
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

static void
say(void *ctx, enum log_level level, const char *text)
{
	if (level == LOG_WARNING) {
		said++;
		(void)snprintf(last_said, sizeof(last_said), "%s", text);
	}
}
static const struct log logger = { say, NULL };

static void
run_command(const char *fmt, const char *a, const char *b)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof(cmd), "%s %s %s", fmt, a, b);
	assert_int_equal(system(cmd), 0);
}

static int
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

static int
teardown(void **state)
{
	secret_fini(&pass);
	secret_fini(&other);
	run_command("rm -rf", base, "");
	return (0);
}

static struct store *
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

static void
make_repo(void)
{
	struct err e = ERR_INIT;
	struct store *s;

	assert_int_equal(store_dir_open(&s, dir, true, &e), 0);
	assert_int_equal(repo_init(s, NULL, &cheap, &pass, "first", &e), 0);
	store_close(s);
}

static struct repo_env
environment(void)
{
	struct repo_env env = { .log = &logger, .cache_dir = cache,
	    .state_dir = states, .memory_bytes = 64 << 20 };

	return (env);
}

static int
try_open(struct repo **r, const char *plan, const struct secret *secret,
    struct err *e)
{
	struct repo_env env = environment();

	return (repo_open(r, store_there(plan), SLOT_KEY_FILE, secret, &env,
	    e));
}

static struct repo *
open_with(const char *plan, const struct secret *secret)
{
	struct err e = ERR_INIT;
	struct repo *r = NULL;

	if (try_open(&r, plan, secret, &e) != 0)
		fail_msg("%s", err_text(&e));
	return (r);
}

static struct repo *
open_repo(void)
{
	return (open_with(NULL, &pass));
}

static size_t
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

static void
object_path(char path[256], const char *sub, const uint8_t id[ID_BYTES])
{
	char hex[ID_HEX];

	(void)snprintf(path, 256, "%s/%s/%s", dir, sub,
	    hex_emit(hex, id, ID_BYTES));
}

static void
remove_object(const char *sub, const uint8_t id[ID_BYTES])
{
	char path[256];

	object_path(path, sub, id);
	assert_int_equal(unlink(path), 0);
}

static void
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
static void
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
static int
needs(void *ctx, session_pack_fn *fn, void *fn_ctx, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		int ret = fn(fn_ctx, &needed[i], e);

		if (ret != 0)
			return (ret);
	}
	return (0);
}

static int
try_commit(struct repo *r, const char *host, const char *root,
    struct snapshot_id *id, struct err *e)
{
	struct session *s;
	struct manifest m;
	int ret;

	if (session_begin(&s, r, e) != 0)
		return (-1);
	make_manifest(&m, host, root);
	m.catalog.tail->domain = keyring_domain(repo_keyring(r));
	m.catalog.tail->writer = keyring_writer(repo_keyring(r));
	if (m.catalog.tail->writer != 0)
		m.catalog.tail->wrap.kind = WRAP_SEALED;
	ret = session_commit(s, &m, needs, NULL, id, e);
	manifest_fini(&m);
	session_end(s);
	return (ret);
}

static struct snapshot_id
commit(struct repo *r, const char *host, const char *root)
{
	struct err e = ERR_INIT;
	struct snapshot_id id;

	if (try_commit(r, host, root, &id, &e) != 0)
		fail_msg("%s", err_text(&e));
	return (id);
}

static size_t lies;
static char lie[1024];
static void
on_lie(void *ctx, const char *text)
{
	lies++;
	(void)snprintf(lie, sizeof(lie), "%s", text);
}

/* The findings over what is listed now. */
static size_t
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

static size_t
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

/*
 * The tests.
 */
static void
test_init_open(void **state)
{
	struct err e = ERR_INIT;
	struct store *s;
	struct repo *r;

	make_repo();
	r = open_repo();
	assert_int_equal(repo_header(r)->revision, 1);
	assert_int_equal(repo_header(r)->cutter.avg_bytes, 65536);
	assert_int_equal(keyring_role(repo_keyring(r)), ROLE_FULL);
	assert_non_null(repo_cache_dir(r));
	repo_close(r);
	/* Once more is refused, and harms nothing. */
	s = store_there(NULL);
	assert_int_equal(repo_init(s, NULL, &cheap, &pass, NULL, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	store_close(s);
	assert_int_equal(count_objects("keys"), 1);
	assert_int_equal(try_open(&r, NULL, &other, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	repo_close(open_repo());
}

static void
test_init_sizes(void **state)
{
	struct repo_params p = { .chunk_bytes = 5000 };
	struct err e = ERR_INIT;
	struct store *s;
	struct repo *r;

	assert_int_equal(store_dir_open(&s, dir, true, &e), 0);
	assert_int_equal(repo_init(s, &p, &cheap, &pass, NULL, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	p.chunk_bytes = 1 << 20;
	assert_int_equal(repo_init(s, &p, &cheap, &pass, NULL, &e), 0);
	store_close(s);
	r = open_repo();
	assert_int_equal(repo_header(r)->cutter.avg_bytes, 1 << 20);
	repo_close(r);
}

/* An init that fails or dies at any write leaves no repository, and the next goes
 * on. */
static void
test_init_interrupted(void **state)
{
	static const char *const plans[] = {
		"put@1=eio,put@2=eio", "put@1=lost", "put@2=lost",
		"put@2+=eio", "put@1+=enospc", "list@1=eio"
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct store *s, *f;
		int ret;

		assert_int_equal(store_dir_open(&s, dir, true, &e), 0);
		assert_int_equal(store_fault_open(&f, s, plans[i], &e), 0);
		ret = repo_init(f, NULL, &cheap, &pass, NULL, &e);
		store_close(f);
		if (strstr(plans[i], "lost") != NULL)
			assert_int_equal(ret, 0);
		else {
			struct repo *r;

			assert_int_equal(ret, -1);
			assert_int_equal(try_open(&r, NULL, &pass, &e), -1);
			assert_int_equal(e.code, ERR_NOREPO);
			make_repo();
		}
		repo_close(open_repo());
		assert_int_equal(count_objects("keys"), 1);
		run_command("rm -rf", dir, "");
	}
	/* As if killed between slot and header. */
	make_repo();
	{
		char path[160];

		(void)snprintf(path, sizeof(path), "%s/vitrine", dir);
		assert_int_equal(unlink(path), 0);
	}
	make_repo();
	assert_int_equal(count_objects("keys"), 1);
	repo_close(open_repo());
}

static void
test_header(void **state)
{
	struct err e = ERR_INIT;
	char path[160], keep[200];
	struct repo *r;

	make_repo();
	(void)snprintf(path, sizeof(path), "%s/vitrine", dir);
	(void)snprintf(keep, sizeof(keep), "%s/vitrine", base);
	run_command("cp", path, keep);
	for (off_t at = 0; at < HEADER_BYTES; at++) {
		flip(path, at);
		assert_int_equal(try_open(&r, NULL, &pass, &e), -1);
		/* Not wrong passphrase, and not "no repository". */
		if (at < 8 || at >= 24)
			assert_true(e.code == ERR_CORRUPT ||
			    e.code == ERR_VERSION);
		run_command("cp -f", keep, path);
	}
	repo_close(open_repo());
	/* Lost, but there are packs. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(try_open(&r, NULL, &pass, &e), -1);
	assert_int_equal(e.code, ERR_NOREPO);
	{
		struct store *s = store_there(NULL);
		char hex[ID_HEX], name[100];
		uint8_t id[ID_BYTES];

		memset(id, 0xab, sizeof(id));
		(void)snprintf(name, sizeof(name), "packs/ab/%s",
		    hex_emit(hex, id, sizeof(id)));
		assert_int_equal(store_put(s, name, "x", 1, &e), 0);
		store_close(s);
	}
	assert_int_equal(try_open(&r, NULL, &pass, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_non_null(strstr(err_text(&e), "lost"));
}

/* Unknown features refuse the operation in question and nothing else. */
static void
test_features(void **state)
{
	struct err e = ERR_INIT;
	struct repo_header h;
	struct buf b = BUF_INIT;
	struct session *s;
	struct repo *r, *r2;
	char path[160];

	make_repo();
	r = open_repo();
	(void)snprintf(path, sizeof(path), "%s/vitrine", dir);
	h = *repo_header(r);
	h.need_collect = 1;
	h.need_write = 4;
	assert_int_equal(header_emit(&b, &h, repo_keyring(r), &e), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_put(repo_store(r), "vitrine", b.data, b.len,
	    &e), 0);
	r2 = open_repo();
	assert_int_equal(session_begin(&s, r2, &e), -1);
	assert_int_equal(e.code, ERR_VERSION);
	assert_non_null(strstr(err_text(&e), "bit 2"));
	assert_int_equal(count_objects("leases"), 0);
	repo_close(r2);
	h.need_read = 1ULL << 63;
	buf_reset(&b);
	assert_int_equal(header_emit(&b, &h, repo_keyring(r), &e), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_put(repo_store(r), "vitrine", b.data, b.len,
	    &e), 0);
	assert_int_equal(try_open(&r2, NULL, &pass, &e), -1);
	assert_int_equal(e.code, ERR_VERSION);
	assert_non_null(strstr(err_text(&e), "bit 63"));
	buf_fini(&b);
	repo_close(r);
}

static void
test_snapshots(void **state)
{
	struct err e = ERR_INIT;
	struct snapshot_id a, b, c, got;
	struct manifest m;
	struct snapshots l;
	struct session *s;
	struct repo *r;
	char hex[ID_HEX];
	size_t i;

	make_repo();
	r = open_repo();
	assert_int_equal(repo_snapshots(r, &l, &e), 0);
	assert_int_equal(l.n, 0);
	assert_int_equal(snapshots_find(&l, "latest", &i, &e), -1);
	assert_int_equal(e.code, ERR_ABSENT);
	snapshots_fini(&l);
	a = commit(r, "host", "/home");
	b = commit(r, "host", "/home");
	c = commit(r, "host", "/etc");
	assert_int_equal(repo_snapshots(r, &l, &e), 0);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.refused, 0);
	assert_int_equal(snapshots_find(&l, "latest", &i, &e), 0);
	assert_memory_equal(l.v[i].id.b, c.b, ID_BYTES);
	assert_int_equal(l.v[1].sequence, 2);
	assert_memory_equal(l.v[1].previous.b, a.b, ID_BYTES);
	assert_int_equal(l.v[2].sequence, 1);
	assert_int_equal(l.nheads, 1);
	assert_memory_equal(l.heads[0].id.b, b.b, ID_BYTES);
	assert_int_equal(snapshots_find(&l, hex_emit(hex, b.b, ID_BYTES), &i,
	    &e), 0);
	assert_int_equal(i, 1);
	hex[20] = '\0';
	assert_int_equal(snapshots_find(&l, hex, &i, &e), 0);
	assert_int_equal(i, 1);
	assert_int_equal(snapshots_find(&l, "", &i, &e), -1);
	assert_int_equal(snapshots_find(&l, "xyz", &i, &e), -1);
	assert_int_equal(e.code, ERR_ABSENT);
	memset(l.v[0].id.b, 0xaa, 8);
	memset(l.v[2].id.b, 0xaa, 8);
	assert_int_equal(snapshots_find(&l, "aaaa", &i, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_non_null(strstr(err_text(&e), "aaaaaaaaaaaa aaaaaaaaaaaa"));
	snapshots_fini(&l);

	assert_int_equal(repo_manifest(r, &b, &m, &e), 0);
	assert_int_equal(m.files, 3);
	assert_int_equal(m.sequence, 2);
	assert_int_equal(session_begin(&s, r, &e), 0);
	{
		struct lineage_id lineage = m.lineage;

		manifest_fini(&m);
		assert_int_equal(session_parent(s, &lineage, &got, &m, &e), 0);
		assert_memory_equal(got.b, b.b, ID_BYTES);
		manifest_fini(&m);
		lineage.b[0] ^= 1;
		assert_int_equal(session_parent(s, &lineage, &got, &m, &e),
		    REPO_NO_PARENT);
	}
	session_end(s);
	/* Gone from the store: the cache doesn't bring it back. */
	remove_object("snapshots", b.b);
	assert_int_equal(repo_manifest(r, &b, &m, &e), STORE_ABSENT);
	assert_int_equal(list(r, &i), 2);
	repo_close(r);
	assert_int_equal(count_objects("leases"), 0);
	assert_int_equal(count_objects("pending"), 0);
	assert_int_equal(said, 0);
}

/* The cache is no truth: damaged copies are fetched anew; a damaged object is refused
 * alone. */
static void
test_damaged_manifest(void **state)
{
	struct snapshot_id a, b;
	char path[256], hex[ID_HEX], id[RUN_HEX];
	struct stat st;
	struct repo *r;
	size_t refused;

	make_repo();
	r = open_repo();
	a = commit(r, "host", "/a");
	b = commit(r, "host", "/b");
	assert_int_equal(list(r, &refused), 2);
	(void)snprintf(path, sizeof(path), "%s/%s/manifests/%s", cache,
	    hex_emit(id, repo_header(r)->id.b, 16), hex_emit(hex, a.b,
	    ID_BYTES));
	flip(path, 100);
	assert_int_equal(list(r, &refused), 2);
	assert_int_equal(refused, 0);
	/* Every byte counts. */
	run_command("rm -rf", cache, "");
	object_path(path, "snapshots", a.b);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at += 1 + st.st_size / 50) {
		said = 0;
		flip(path, at);
		assert_int_equal(list(r, &refused), 1);
		assert_int_equal(refused, 1);
		assert_int_equal(said, 1);
		flip(path, at);
	}
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(list(r, &refused), 1);
	remove_object("snapshots", b.b);
	assert_int_equal(list(r, &refused), 0);
	repo_close(r);
}

/* Store errors: a listing that fails is an error, never "nothing there". */
static void
test_listing_fails(void **state)
{
	struct err e = ERR_INIT;
	struct snapshots l;
	struct repo *r;

	make_repo();
	r = open_repo();
	(void)commit(r, "host", "/a");
	repo_close(r);
	/* The first list is keys/. */
	r = open_with("list@2=eio", &pass);
	assert_int_equal(repo_snapshots(r, &l, &e), -1);
	assert_int_equal(e.code, ERR_SYS);
	repo_close(r);
}

/*
 * Put-only writers.
 */
static struct object_id
add_writer(struct repo *r, const char *host, bool share)
{
	struct slot_record rec = { .role = ROLE_PUT_ONLY };
	struct err e = ERR_INIT;
	struct object_id id;

	(void)snprintf(rec.host, sizeof(rec.host), "%s", host);
	(void)snprintf(rec.label, sizeof(rec.label), "put-only");
	if (repo_key_add(r, &cheap, &other, &rec, share, &id, &e) != 0)
		fail_msg("%s", err_text(&e));
	assert_int_not_equal(rec.writer, 0);
	assert_int_equal(rec.domain, share ? 0 : rec.writer);
	return (id);
}

static void
test_put_only(void **state)
{
	struct err e = ERR_INIT;
	struct snapshot_id a, b, got;
	struct snapshots l;
	struct manifest m;
	struct session *s;
	struct repo *full, *r;
	struct key_info *keys;
	struct lineage_id lineage;
	size_t n, refused;

	make_repo();
	full = open_repo();
	(void)add_writer(full, "laptop", false);
	r = open_with(NULL, &other);
	assert_int_equal(keyring_role(repo_keyring(r)), ROLE_PUT_ONLY);
	assert_int_equal(repo_snapshots(r, &l, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	assert_int_equal(repo_keys(r, &keys, &n, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	a = commit(r, "laptop", "/home");
	assert_int_equal(repo_manifest(r, &a, &m, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	b = commit(r, "laptop", "/home");
	assert_int_equal(list(full, &refused), 2);
	assert_int_equal(refused, 0);
	assert_int_equal(repo_manifest(full, &b, &m, &e), 0);
	assert_int_equal(m.sequence, 2);
	assert_memory_equal(m.previous.b, a.b, ID_BYTES);
	lineage = m.lineage;
	manifest_fini(&m);
	/* The parent comes from the client's own cache. */
	assert_int_equal(session_begin(&s, r, &e), 0);
	assert_int_equal(session_parent(s, &lineage, &got, &m, &e), 0);
	assert_memory_equal(got.b, b.b, ID_BYTES);
	assert_int_equal(m.sequence, 2);
	assert_int_equal(m.writer, keyring_writer(repo_keyring(r)));
	manifest_fini(&m);
	session_end(s);
	assert_int_equal(check_lies(full), 0);
	/* Gone from the store: no parent. */
	remove_object("snapshots", b.b);
	assert_int_equal(session_begin(&s, r, &e), 0);
	assert_int_equal(session_parent(s, &lineage, &got, &m, &e),
	    REPO_NO_PARENT);
	session_end(s);
	/* The state lost: it counts from 1, and that is said with its cause. */
	run_command("rm -rf", states, "");
	(void)commit(r, "laptop", "/home");
	assert_int_equal(check_lies(full), 1);
	assert_non_null(strstr(lie, "lost its state directory"));
	repo_close(r);
	repo_close(full);
}

/* What a put-only writer forges. */
static void
forge(struct repo *full, const struct keyring *ring, const char *host,
    bool wrong_lineage)
{
	struct err e = ERR_INIT;
	struct buf content = BUF_INIT, object = BUF_INIT;
	uint8_t id[ID_BYTES];
	struct manifest m;
	struct run_id run;

	rnd_bytes(&run, sizeof(run));
	make_manifest(&m, host, "/home");
	m.sequence = 1;
	m.catalog.tail->domain = keyring_domain(ring);
	m.catalog.tail->writer = keyring_writer(ring);
	m.catalog.tail->wrap.kind = WRAP_SEALED;
	lineage_of(&m.lineage, wrong_lineage ? 0 : keyring_writer(ring),
	    &m.host, &m.roots);
	assert_int_equal(manifest_emit(&content, &m, &e), 0);
	assert_int_equal(sealed_emit(&object, ring, OBJECT_MANIFEST, &run, 0,
	    &content, &e), 0);
	assert_int_equal(object_put(repo_store(full), "snapshots", &object, id,
	    &e), 0);
	manifest_fini(&m);
	buf_fini(&content);
	buf_fini(&object);
}

static void
expect_refused(struct repo *full, const char *why)
{
	static size_t before;
	size_t refused;

	if (why == NULL)
		before = 0;
	else {
		last_said[0] = '\0';
		assert_int_equal(list(full, &refused), 1);
		assert_int_equal(refused, 1);
		if (strstr(last_said, why) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", why, last_said);
	}
	(void)before;
}

static void
test_forging(void **state)
{
	struct err e = ERR_INIT;
	struct put_only_secrets sec;
	struct keyring *ring;
	struct repo *full, *r;
	uint32_t writer;
	char path[160];

	make_repo();
	full = open_repo();
	(void)commit(full, "server", "/srv");
	(void)add_writer(full, "laptop", false);
	r = open_with(NULL, &other);
	writer = keyring_writer(repo_keyring(r));
	(void)snprintf(path, sizeof(path), "%s/snapshots.good", base);
	run_command("cp -a", dir, path);

#define AGAIN() do { \
	char cmd[1024]; \
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s/snapshots && cp -a " \
	    "%s/snapshots %s/", dir, path, dir); \
	assert_int_equal(system(cmd), 0); } while (0)
	/* Another host's name. */
	forge(full, repo_keyring(r), "server", false);
	expect_refused(full, "for host \"laptop\" only");
	AGAIN();
	/* Another's lineage. */
	forge(full, repo_keyring(r), "laptop", true);
	expect_refused(full, "lineage");
	AGAIN();
	/* Another writer's number, under the own key. */
	assert_int_equal(keyring_put_only(repo_keyring(full), writer, writer,
	    &sec, &e), 0);
	sec.writer = 0;
	sec.domain = 0;
	if (keyring_new_put_only(&ring, &repo_header(full)->id, &sec, &e) == 0) {
		forge(full, ring, "server", false);
		expect_refused(full, "");
		keyring_free(ring);
		AGAIN();
	}
	sec.writer = writer + 1;
	sec.domain = writer;
	assert_int_equal(keyring_new_put_only(&ring, &repo_header(full)->id,
	    &sec, &e), 0);
	forge(full, ring, "laptop", false);
	expect_refused(full, "");
	keyring_free(ring);
	AGAIN();
	/* A writer that nobody made, with its right key. */
	assert_int_equal(keyring_put_only(repo_keyring(full), 77, 77, &sec,
	    &e), 0);
	assert_int_equal(keyring_new_put_only(&ring, &repo_header(full)->id,
	    &sec, &e), 0);
	forge(full, ring, "laptop", false);
	expect_refused(full, "no key slot");
	keyring_free(ring);
	AGAIN();
	/* Another domain than its own. */
	assert_int_equal(keyring_put_only(repo_keyring(full), writer, 0, &sec,
	    &e), 0);
	assert_int_equal(keyring_new_put_only(&ring, &repo_header(full)->id,
	    &sec, &e), 0);
	forge(full, ring, "laptop", false);
	expect_refused(full, "domain");
	keyring_free(ring);
	AGAIN();
	repo_close(r);
	repo_close(full);
}

static void
test_keys(void **state)
{
	struct err e = ERR_INIT;
	struct slot_record rec = { .role = ROLE_FULL, .label = "second" };
	struct snapshot_id a, b;
	struct object_id second, writer, first, third;
	struct key_info *keys;
	struct repo *full, *r;
	struct secret more = { 0 };
	size_t n, refused;

	make_repo();
	full = open_repo();
	assert_int_equal(repo_keys(full, &keys, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_true(keys[0].current);
	assert_string_equal(keys[0].record.label, "first");
	first = keys[0].id;
	free(keys);
	assert_int_equal(repo_key_remove(full, &first, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	writer = add_writer(full, "laptop", false);
	/* A put-only slot doesn't make the last full one dispensable. */
	assert_int_equal(repo_key_remove(full, &first, &e), -1);
	assert_int_equal(secret_copy(&more, "0123456789abcdef-more", 21, &e),
	    0);
	assert_int_equal(repo_key_add(full, &cheap, &more, &rec, false,
	    &second, &e), 0);
	assert_int_equal(repo_key_remove(full, &first, &e), 0);
	assert_int_equal(try_open(&r, NULL, &pass, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	repo_close(full);
	full = open_with(NULL, &more);
	r = open_with(NULL, &other);
	a = commit(r, "laptop", "/home");
	/* Revoked: what was accepted stays, what comes later is refused. */
	assert_int_equal(repo_key_remove(full, &writer, &e), 0);
	b = commit(r, "laptop", "/home");
	assert_int_equal(list(full, &refused), 1);
	assert_int_equal(refused, 1);
	assert_non_null(strstr(last_said, "revoked"));
	{
		struct manifest m;

		assert_int_equal(repo_manifest(full, &a, &m, &e), 0);
		manifest_fini(&m);
		assert_int_equal(repo_manifest(full, &b, &m, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
	}
	repo_close(r);
	assert_int_equal(try_open(&r, NULL, &other, &e), -1);
	assert_int_equal(repo_keys(full, &keys, &n, &e), 0);
	assert_int_equal(n, 1);
	free(keys);
	memset(third.b, 1, ID_BYTES);
	assert_int_equal(repo_key_remove(full, &third, &e), -1);
	assert_int_equal(e.code, ERR_ABSENT);
	/* A new writer for the same host is another writer. */
	(void)add_writer(full, "laptop", true);
	r = open_with(NULL, &other);
	assert_int_equal(keyring_domain(repo_keyring(r)), 0);
	(void)commit(r, "laptop", "/home");
	assert_int_equal(list(full, &refused), 2);
	repo_close(r);
	secret_fini(&more);
	repo_close(full);
}

/* A removal that dies after the revocation: the slot still opens, its writer is
 * refused already, and the removal can be done again. */
static void
test_key_remove_dies(void **state)
{
	struct err e = ERR_INIT;
	struct object_id writer;
	struct key_info *keys;
	struct repo *full, *r;
	size_t n, refused;

	make_repo();
	full = open_repo();
	writer = add_writer(full, "laptop", false);
	repo_close(full);
	full = open_with("remove@1=eio", &pass);
	assert_int_equal(repo_key_remove(full, &writer, &e), -1);
	assert_int_equal(repo_keys(full, &keys, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_true(keys[0].revoked || keys[1].revoked);
	free(keys);
	r = open_with(NULL, &other);
	(void)commit(r, "laptop", "/home");
	repo_close(r);
	assert_int_equal(list(full, &refused), 0);
	assert_int_equal(refused, 1);
	assert_int_equal(repo_key_remove(full, &writer, &e), 0);
	assert_int_equal(count_objects("keys"), 2);
	repo_close(full);
}

/*
 * Sessions and collections.
 */
static void
put_condemned(struct repo *r, uint8_t state, const struct pack_id *id)
{
	struct err e = ERR_INIT;
	struct condemned c = { .state = state, .npacks = 1 };
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct pack_id pack = *id;
	struct run_id run = { { 1, 2, 3 } };
	uint8_t name[ID_BYTES];

	c.packs = &pack;
	assert_int_equal(condemned_emit(&content, &c, &e), 0);
	assert_int_equal(plain_emit(&object, repo_keyring(r), OBJECT_CONDEMNED,
	    &run, &content, &e), 0);
	assert_int_equal(object_put(repo_store(r), "condemned", &object, name,
	    &e), 0);
	buf_fini(&content);
	buf_fini(&object);
}

static void
put_damaged(struct repo *r, const struct pack_id *id, bool whole)
{
	struct err e = ERR_INIT;
	struct damaged_pack p = { .id = *id, .whole = whole };
	struct damaged d = { &p, 1 };
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct run_id run = { { 1, 2, 3 } };
	uint32_t frame = 5;
	uint8_t name[ID_BYTES];

	p.frames = &frame;
	p.nframes = 1;
	assert_int_equal(damaged_emit(&content, &d, &e), 0);
	assert_int_equal(plain_emit(&object, repo_keyring(r), OBJECT_DAMAGED,
	    &run, &content, &e), 0);
	assert_int_equal(object_put(repo_store(r), "damaged", &object, name,
	    &e), 0);
	buf_fini(&content);
	buf_fini(&object);
}

static int
count_banned(void *ctx, const struct pack_id *id, struct err *e)
{
	++*(size_t *)ctx;
	return (0);
}

static void
test_banned(void **state)
{
	struct err e = ERR_INIT;
	struct pack_id p[5];
	struct session *s;
	struct repo *r;
	size_t n = 0;

	make_repo();
	r = open_repo();
	rnd_bytes(p, sizeof(p));
	put_condemned(r, CONDEMNED, &p[0]);
	put_condemned(r, CONDEMNED_DELETING, &p[1]);
	put_damaged(r, &p[2], true);
	put_damaged(r, &p[3], false);
	assert_int_equal(session_begin(&s, r, &e), 0);
	for (int i = 0; i < 4; i++)
		assert_true(session_is_banned(s, &p[i]));
	assert_false(session_is_banned(s, &p[4]));
	assert_int_equal(session_each_banned(s, count_banned, &n, &e), 0);
	assert_int_equal(n, 4);
	assert_int_equal(session_counter(s), 0);
	assert_int_equal(session_counter(s), 1);
	assert_int_equal(count_objects("leases"), 1);
	session_end(s);
	assert_int_equal(count_objects("leases"), 0);
	repo_close(r);
}

static void
test_deleting(void **state)
{
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct repo *r;
	size_t refused;

	make_repo();
	r = open_repo();
	rnd_bytes(needed, sizeof(needed));
	/* Condemned only: the collector will find our pending and revive it. */
	put_condemned(r, CONDEMNED, &needed[1]);
	(void)commit(r, "host", "/a");
	put_condemned(r, CONDEMNED_DELETING, &needed[1]);
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(list(r, &refused), 1);
	assert_int_equal(count_objects("pending"), 0);
	assert_int_equal(count_objects("leases"), 0);
	repo_close(r);
}

/* condemned/ can't be listed or read: no commit. */
static void
test_condemned_unreadable(void **state)
{
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct repo *r;
	char cmd[256];

	make_repo();
	r = open_with("list@2=eio", &pass);
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(count_objects("leases"), 0);
	assert_int_equal(count_objects("snapshots"), 0);
	put_condemned(r, CONDEMNED, &needed[0]);
	(void)snprintf(cmd, sizeof(cmd), "for f in %s/condemned/*; do chmod "
	    "u+w $f; printf x >>$f; done", dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_non_null(strstr(err_text(&e), "condemned/"));
	repo_close(r);
}

/* A store in which pending vanishes before we look. */
struct eater {
	struct store base;
	struct store *inner;
	bool eat;
};
static int
eater_put(struct store *s, const char *name, const void *p, size_t len,
    struct err *e)
{
	struct eater *x = (struct eater *)(void *)s;
	char cmd[200];
	int ret = store_put(x->inner, name, p, len, e);

	if (x->eat && strncmp(name, "snapshots/", 10) == 0) {
		(void)snprintf(cmd, sizeof(cmd), "rm -f %s/pending/*", dir);
		assert_int_equal(system(cmd), 0);
	}
	return (ret);
}
static void
eater_close(struct store *s)
{
	struct eater *x = (struct eater *)(void *)s;

	store_close(x->inner);
	free(x);
}
#define IN(s) (((struct eater *)(void *)(s))->inner)
static int
eater_read(struct store *s, const char *n, uint64_t o, void *d, size_t l,
    size_t *g, struct err *e)
{
	return (store_read(IN(s), n, o, d, l, g, e));
}
static int
eater_stat(struct store *s, const char *n, struct store_stat *st,
    struct err *e)
{
	return (store_stat(IN(s), n, st, e));
}
static int
eater_list(struct store *s, const char *p, store_list_fn *fn, void *ctx,
    struct err *e)
{
	return (store_list(IN(s), p, fn, ctx, e));
}
static int
eater_remove(struct store *s, const char *n, struct err *e)
{
	return (store_remove(IN(s), n, e));
}
static const struct store_ops eater_ops = {
	.close = eater_close, .read = eater_read, .stat = eater_stat,
	.put = eater_put, .list = eater_list, .remove = eater_remove
};

static void
test_pending_vanishes(void **state)
{
	struct repo_env env = environment();
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct eater *x;
	struct repo *r;

	make_repo();
	x = calloc(1, sizeof(*x));
	x->base.ops = &eater_ops;
	x->inner = store_there(NULL);
	assert_int_equal(repo_open(&r, &x->base, SLOT_KEY_FILE, &pass, &env,
	    &e), 0);
	x->eat = true;
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(count_objects("snapshots"), 0);
	x->eat = false;
	(void)commit(r, "host", "/a");
	assert_int_equal(count_objects("snapshots"), 1);
	repo_close(r);
}

/* The lease lapsed: packs are looked at one by one. */
static void
test_lapsed(void **state)
{
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct repo *r;
	char name[128], hex[ID_HEX];

	make_repo();
	r = open_repo();
	assert_int_equal(setenv("VITRINE_TEST_LAPSE_MS", "-2000", 1), 0);
	assert_int_equal(try_commit(r, "host", "/a", &id, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	for (int i = 0; i < 2; i++) {
		rnd_bytes(needed[i].b, ID_BYTES);
		(void)hex_emit(hex, needed[i].b, ID_BYTES);
		(void)snprintf(name, sizeof(name), "packs/%.2s/%s", hex, hex);
		assert_int_equal(store_put(repo_store(r), name, "x", 1, &e),
		    0);
	}
	(void)commit(r, "host", "/a");
	assert_int_equal(unsetenv("VITRINE_TEST_LAPSE_MS"), 0);
	repo_close(r);
}

static void
test_renewal(void **state)
{
	struct err e = ERR_INIT;
	struct session *s;
	struct repo *r;
	char path[160];
	DIR *d;
	struct dirent *de;
	bool renewed = false;

	make_repo();
	r = open_repo();
	assert_int_equal(setenv("VITRINE_TEST_LEASE_MS", "5", 1), 0);
	assert_int_equal(session_begin(&s, r, &e), 0);
	(void)snprintf(path, sizeof(path), "%s/leases", dir);
	for (int i = 0; i < 200 && !renewed; i++) {
		(void)usleep(5000);
		d = opendir(path);
		while ((de = readdir(d)) != NULL)
			if (strlen(de->d_name) == 41 &&
			    strcmp(de->d_name + 32, "-00000000") != 0)
				renewed = true;
		(void)closedir(d);
	}
	assert_true(renewed);
	session_end(s);
	assert_int_equal(unsetenv("VITRINE_TEST_LEASE_MS"), 0);
	assert_int_equal(count_objects("leases"), 0);
	repo_close(r);
}

/* Each put of a commit, its answer lost, or failing once, or for good. */
static void
test_commit_faults(void **state)
{
	static const struct {
		const char *plan;
		bool works;
		size_t snapshots;
	} cases[] = {
		/* 1 lease, 2 pending, 3 snapshot */
		{ "put@2=lost", true, 1 },
		{ "put@3=lost", true, 1 },
		{ "put@2=eio", true, 1 },
		{ "put@3=eio", true, 1 },
		{ "put@1=eio", false, 0 },
		{ "put@2+=eio", false, 0 },
		{ "put@3+=eio", false, 0 },
		{ "put@3+=enospc", false, 0 },
		{ "remove@1+=eio", true, 1 },
		{ "stat@1=eio", true, 1 },
		{ "stat@2=eio", true, 1 }
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;
		struct snapshot_id id;
		struct repo *r;
		size_t refused;
		int ret;

		make_repo();
		r = open_with(cases[i].plan, &pass);
		ret = try_commit(r, "host", "/a", &id, &e);
		if ((ret == 0) != cases[i].works)
			fail_msg("%s: %s", cases[i].plan, err_text(&e));
		repo_close(r);
		r = open_repo();
		assert_int_equal(list(r, &refused), cases[i].snapshots);
		assert_int_equal(refused, 0);
		/* And it goes on. */
		(void)commit(r, "host", "/a");
		assert_int_equal(list(r, &refused), cases[i].snapshots + 1);
		assert_int_equal(check_lies(r), 0);
		repo_close(r);
		run_command("rm -rf", dir, states);
	}
}

/*
 * History.
 */
static void
forget(struct repo *r, const struct snapshot_id *id)
{
	struct err e = ERR_INIT;
	struct tombstone t = { .id = *id };
	struct forgotten f = { &t, 1 };
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct run_id run = { { 9 } };
	struct manifest m;
	uint8_t name[ID_BYTES];

	assert_int_equal(repo_manifest(r, id, &m, &e), 0);
	t.lineage = m.lineage;
	t.sequence = m.sequence;
	t.previous = m.previous;
	t.time = m.time;
	manifest_fini(&m);
	assert_int_equal(forgotten_emit(&content, &f, &e), 0);
	assert_int_equal(sealed_emit(&object, repo_keyring(r),
	    OBJECT_FORGOTTEN, &run, 0, &content, &e), 0);
	assert_int_equal(object_put(repo_store(r), "forgotten", &object, name,
	    &e), 0);
	buf_fini(&content);
	buf_fini(&object);
	remove_object("snapshots", id->b);
}

static void
test_history(void **state)
{
	struct snapshot_id a[5], x, y;
	struct repo *r;
	char other_state[128], cmd[1024];

	make_repo();
	r = open_repo();
	for (int i = 0; i < 5; i++)
		a[i] = commit(r, "host", "/a");
	x = commit(r, "host", "/x");
	assert_int_equal(check_lies(r), 0);
	/* Forgotten on purpose: nothing to say. */
	forget(r, &a[1]);
	forget(r, &a[0]);
	assert_int_equal(check_lies(r), 0);
	/* Taken away: a gap. */
	remove_object("snapshots", a[2].b);
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "number 3 "));
	/* The newest taken away: this user saw it, and x's writer did. */
	remove_object("snapshots", a[4].b);
	assert_int_equal(check_lies(r), 2);
	assert_non_null(strstr(lie, "is gone"));
	assert_non_null(strstr(lie, "this user"));
	/* Somebody who never looked learns it from x. */
	repo_close(r);
	(void)snprintf(other_state, sizeof(other_state), "%s/none", base);
	(void)snprintf(cmd, sizeof(cmd), "mv %s %s", states, other_state);
	assert_int_equal(system(cmd), 0);
	r = open_repo();
	assert_int_equal(check_lies(r), 2);
	assert_non_null(strstr(lie, "writer of another"));
	/* The last of a lineage gone: no one but this user could know. */
	y = commit(r, "host", "/y");
	assert_int_equal(check_lies(r), 2);
	remove_object("snapshots", y.b);
	assert_int_equal(check_lies(r), 3);
	(void)x;
	repo_close(r);
}

/* The store shows an older state, and somebody writes on there: a fork. */
static void
test_fork(void **state)
{
	char cmd[1024], other_state[128];
	struct repo *r;

	make_repo();
	r = open_repo();
	(void)commit(r, "host", "/a");
	(void)snprintf(cmd, sizeof(cmd), "cp -a %s %s.old && cp -a %s %s.old",
	    dir, dir, states, states);
	assert_int_equal(system(cmd), 0);
	(void)commit(r, "host", "/a");
	assert_int_equal(check_lies(r), 0);
	repo_close(r);
	(void)snprintf(other_state, sizeof(other_state), "%s.new", states);
	(void)snprintf(cmd, sizeof(cmd), "mv %s %s && mv %s.old %s && mv %s "
	    "%s.new && mv %s.old %s", states, other_state, states, states, dir,
	    dir, dir, dir);
	assert_int_equal(system(cmd), 0);
	/* Another client, in the old state, unknowing. */
	r = open_repo();
	(void)commit(r, "host", "/a");
	assert_int_equal(check_lies(r), 0);
	repo_close(r);
	/* We, who saw the newer. */
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s && mv %s %s", states,
	    other_state, states);
	assert_int_equal(system(cmd), 0);
	r = open_repo();
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "is gone"));
	/* Both branches shown at once. */
	(void)snprintf(cmd, sizeof(cmd), "cp -a %s.new/snapshots/. "
	    "%s/snapshots/", dir, dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "forked"));
	repo_close(r);
}

static void
test_header_rollback(void **state)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	struct repo_header h;
	struct repo *r;
	char path[160], old[160];

	make_repo();
	r = open_repo();
	(void)snprintf(path, sizeof(path), "%s/vitrine", dir);
	(void)snprintf(old, sizeof(old), "%s/old", base);
	run_command("cp -a", path, old);
	h = *repo_header(r);
	h.revision = 2;
	h.need_collect = 8;
	assert_int_equal(header_emit(&b, &h, repo_keyring(r), &e), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_put(repo_store(r), "vitrine", b.data, b.len,
	    &e), 0);
	repo_close(r);
	buf_fini(&b);
	r = open_repo();
	assert_int_equal(check_lies(r), 0);
	(void)commit(r, "host", "/a");
	repo_close(r);
	run_command("cp -af", old, path);
	r = open_repo();
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "went back"));
	repo_close(r);
	/* Who never saw it learns it from the snapshot. */
	run_command("rm -rf", states, "");
	r = open_repo();
	assert_int_equal(check_lies(r), 1);
	assert_non_null(strstr(lie, "rolled back"));
	repo_close(r);
}

static void
test_state_file(void **state)
{
	struct err e = ERR_INIT;
	struct state s = { .revision = 3 }, t;
	struct buf b = BUF_INIT;
	struct repo_id repo = { { 7 } };
	struct lineage_id l;

	for (unsigned i = 0; i < 100; i++) {
		struct state_lineage *p;

		hash_bytes(l.b, &i, sizeof(i));
		p = state_entry(&s, &l, &e);
		assert_non_null(p);
		p->sequence = i + 1;
		p->id.b[0] = 1;
		assert_ptr_equal(state_entry(&s, &l, &e), p);
	}
	assert_int_equal(s.n, 100);
	assert_int_equal(state_emit(&b, &s, &repo, &e), 0);
	assert_int_equal(state_parse(&t, b.data, b.len, &repo, &e), 0);
	assert_int_equal(t.n, 100);
	assert_memory_equal(t.v, s.v, 100 * sizeof(*s.v));
	state_fini(&t);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		assert_int_equal(state_parse(&t, b.data, b.len, &repo, &e), -1);
		b.data[i] ^= 1;
		assert_int_equal(state_parse(&t, b.data, i, &repo, &e), -1);
	}
	buf_fini(&b);
	state_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_init_open), T(test_init_sizes),
		T(test_init_interrupted), T(test_header), T(test_features),
		T(test_snapshots), T(test_damaged_manifest),
		T(test_listing_fails), T(test_put_only), T(test_forging),
		T(test_keys), T(test_key_remove_dies), T(test_banned),
		T(test_deleting), T(test_condemned_unreadable),
		T(test_pending_vanishes), T(test_lapsed), T(test_renewal),
		T(test_commit_faults), T(test_history), T(test_fork),
		T(test_header_rollback), T(test_state_file)
	};

	if (sodium_init() < 0)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
