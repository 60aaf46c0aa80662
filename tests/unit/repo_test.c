/* Making and opening repositories, snapshots, keys, and what a put-only writer
 * forges. */
#include "tests/unit/repo_fixture.h"

#include "engine/repo/mark.h"

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
	/* In all three: nobody else may even collect. */
	assert_true(repo_header(r)->need_read == FEATURES_KNOWN);
	assert_true(repo_header(r)->need_write == FEATURES_KNOWN);
	assert_true(repo_header(r)->need_collect == FEATURES_KNOWN);
	assert_int_equal(repo_pack_naming(r), HASH_SHA256);
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

/* An init that fails or dies at any write leaves no repository, and the next
 * goes on. */
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
/* A note of damage is there, once, or it is an error. */
static void
test_mark(void **state)
{
	struct damaged_pack pack = { .id = { { 1 } }, .whole = true };
	const struct damaged d = { &pack, 1 };
	struct err e = ERR_INIT;
	struct repo *r;

	make_repo();
	r = open_with("put@1+=eio", &pass);
	assert_int_equal(repo_mark_damaged(r, &d, &e), -1);
	assert_int_equal(e.code, ERR_SYS);
	repo_close(r);
	assert_int_equal(count_objects("damaged"), 0);
	r = open_repo();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(repo_mark_damaged(r, &d, &e), 0);
		assert_int_equal(count_objects("damaged"), 1);
	}
	repo_close(r);
}

static void
test_features(void **state)
{
	struct err e = ERR_INIT;
	struct damaged_pack pack = { .id = { { 1 } }, .whole = true };
	struct repo_header h;
	struct buf b = BUF_INIT;
	struct session *s;
	struct repo *r, *r2;
	char path[160];

	make_repo();
	r = open_repo();
	(void)snprintf(path, sizeof(path), "%s/vitrine", dir);
	h = *repo_header(r);
	h.need_collect |= 2;
	h.need_write |= 4;
	assert_int_equal(header_emit(&b, &h, repo_keyring(r), &e), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_put(repo_store(r), "vitrine", b.data, b.len,
	    &e), 0);
	r2 = open_repo();
	assert_int_equal(session_begin(&s, r2, &e), -1);
	assert_int_equal(e.code, ERR_VERSION);
	assert_non_null(strstr(err_text(&e), "bit 2"));
	assert_int_equal(count_objects("leases"), 0);
	err_init(&e);
	assert_int_equal(repo_mark_damaged(r2, &(struct damaged){ &pack, 1 },
	    &e), -1);
	assert_int_equal(e.code, ERR_VERSION);
	assert_int_equal(count_objects("damaged"), 0);
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

/* The cache is no truth: damaged copies are fetched anew; a damaged object is
 * refused alone. */
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

/* The manifests in the cache. */
static size_t
cached(const struct repo *r)
{
	char path[256], id[RUN_HEX];
	struct dirent *de;
	size_t n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%s/manifests", cache,
	    hex_emit(id, repo_header(r)->id.b, 16));
	assert_non_null(d = opendir(path));
	while ((de = readdir(d)) != NULL)
		n += strlen(de->d_name) == 2 * ID_BYTES;
	assert_int_equal(closedir(d), 0);
	return (n);
}

/* Many snapshots are listed from one file of the cache: whatever happens to it
 * or to them, the list is what the manifests say. */
static void
test_listed(void **state)
{
	struct snapshots first, again;
	struct snapshot_id gone = { { 0 } };
	struct err e = ERR_INIT;
	char path[256], root[32], id[RUN_HEX];
	struct stat st;
	struct repo *r;
	size_t refused;

	make_repo();
	r = open_repo();
	for (unsigned i = 0; i < 24; i++) {
		(void)snprintf(root, sizeof(root), "/r%u", i % 3);
		commit_name = i % 3 == 1 ? "db" : NULL;
		gone = commit(r, "host", root);
	}
	commit_name = NULL;
	assert_int_equal(repo_snapshots(r, &first, &e), 0);
	(void)snprintf(path, sizeof(path), "%s/%s/manifests/listed", cache,
	    hex_emit(id, repo_header(r)->id.b, 16));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(repo_snapshots(r, &again, &e), 0);
	assert_int_equal(first.n, 24);
	assert_int_equal(again.n, 24);
	assert_int_equal(first.nheads, again.nheads);
	assert_memory_equal(first.heads, again.heads,
	    first.nheads * sizeof(*first.heads));
	for (size_t i = 0; i < first.n; i++) {
		const struct snapshot *a = &first.v[i], *b = &again.v[i];

		assert_true(id_equal(a->id.b, b->id.b));
		assert_true(id_equal(a->lineage.b, b->lineage.b));
		assert_true(id_equal(a->previous.b, b->previous.b));
		assert_int_equal(a->sequence, b->sequence);
		assert_int_equal(a->time.s, b->time.s);
		assert_int_equal(a->time.ns, b->time.ns);
		assert_string_equal(a->host.p, b->host.p);
		assert_int_equal(b->name.len, b->roots.v[0].p[2] == '1' ? 2 :
		    0);
		assert_int_equal(a->name.len, b->name.len);
		assert_true(b->name.len == 0 ||
		    bytes_compare(&a->name, &b->name) == 0);
		assert_string_equal(a->roots.v[0].p, b->roots.v[0].p);
	}
	snapshots_fini(&first);
	snapshots_fini(&again);
	/* What the store has no more is not listed, what is new is. */
	remove_object("snapshots", gone.b);
	assert_int_equal(list(r, &refused), 23);
	/* One that went is left in the cache: to look for it would cost as many
	 * names as there are snapshots, each time. */
	assert_int_equal(cached(r), 24);
	(void)commit(r, "host", "/r9");
	assert_int_equal(list(r, &refused), 24);
	for (off_t at = 0; at < st.st_size; at += 1 + st.st_size / 40) {
		flip(path, at);
		assert_int_equal(list(r, &refused), 24);
		assert_int_equal(refused, 0);
	}
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(list(r, &refused), 24);
	assert_int_equal(cached(r), 24);
	/* What is gone from the list's next file is gone from the cache. */
	gone = commit(r, "host", "/r1");
	for (unsigned i = 0; i < 5; i++)
		(void)commit(r, "host", "/r2");
	assert_int_equal(list(r, &refused), 30);
	assert_int_equal(cached(r), 30);
	remove_object("snapshots", gone.b);
	for (unsigned i = 0; i < 5; i++)
		(void)commit(r, "host", "/r2");
	assert_int_equal(list(r, &refused), 34);
	assert_int_equal(cached(r), 34);
	repo_close(r);
	/* The next of its lineage told of the one that went. */
	assert_int_equal(said, 1);
	assert_non_null(strstr(last_said, "is gone"));
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
	assert_int_equal(check_lies(full), 0);
	assert_non_null(strstr(lie, "lost its state directory"));
	repo_close(r);
	repo_close(full);
}

/* The one lineage that this user remembers. */
static struct state_lineage
remembered(struct repo *r)
{
	struct err e = ERR_INIT;
	struct state_lineage l;
	struct state s;

	assert_int_equal(state_load(r, &s, &e), 0);
	assert_int_equal(s.n, 1);
	l = s.v[0];
	state_fini(&s);
	return (l);
}

/* A put-only run dies at its commit: what it noted tells the next one whether
 * there is a snapshot of that number. */
static void
test_put_only_dies(void **state)
{
	/* It isn't stored (behind its lease and what is pending); it is, but
	 * not whether that stood can be told (behind a look for the first). */
	static const char *const plans[] = { "put@3+=eio",
	    "stat@2+=eio,remove@1+=eio" };
	struct err e = ERR_INIT;
	struct state_lineage l;
	struct snapshot_id id;
	struct manifest m;
	struct repo *full, *r;

	make_repo();
	full = open_repo();
	(void)add_writer(full, "laptop", false);
	for (size_t i = 0; i < 2; i++) {
		r = open_with(plans[i], &other);
		err_init(&e);
		assert_int_equal(try_commit(r, "laptop", "/home", &id, &e), -1);
		l = remembered(r);
		assert_int_equal(l.sequence, 0);
		assert_int_equal(l.try_sequence, 1);
		assert_int_equal(count_objects("snapshots"), i);
		repo_close(r);
	}
	r = open_with(NULL, &other);
	id = commit(r, "laptop", "/home");
	err_init(&e);
	assert_int_equal(repo_manifest(full, &id, &m, &e), 0);
	assert_int_equal(m.sequence, 2);
	assert_memory_equal(m.previous.b, l.try_id.b, ID_BYTES);
	manifest_fini(&m);
	l = remembered(r);
	assert_int_equal(l.sequence, 2);
	assert_memory_equal(l.id.b, id.b, ID_BYTES);
	assert_int_equal(l.try_sequence, 0);
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
	    &m.host, &m.roots, NULL);
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
	if (keyring_new_put_only(&ring, &repo_header(full)->id, &sec,
	    &e) == 0) {
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_init_open), T(test_init_sizes),
		T(test_init_interrupted), T(test_header), T(test_features),
		T(test_mark),
		T(test_snapshots), T(test_damaged_manifest),
		T(test_listed), T(test_listing_fails), T(test_put_only),
		T(test_put_only_dies), T(test_forging),
		T(test_keys), T(test_key_remove_dies)
	};

	if (sodium_init() < 0)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
