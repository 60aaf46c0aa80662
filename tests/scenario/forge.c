/*
 * A put-only client that lies: what somebody who took its key could store, for
 * put_only.sh.  Linked with the test variant of the library.
 *
 *	forge REPOSITORY PASSWORD-FILE host NAME	a snapshot in another
 *		host's name
 *	forge REPOSITORY PASSWORD-FILE writer N		one under another
 *		writer's number
 *	forge REPOSITORY PASSWORD-FILE garbage FILE	an honest snapshot
 *		but for its one file, /forged: a chunk of other bytes, stored
 *		under the id that FILE's content has
 *	forge REPOSITORY PASSWORD-FILE catalog FILE	one whose catalog and
 *		manifest are what FILE's lines make of a small honest one (see
 *		forge_catalog)
 *
 * The id of the snapshot goes to standard output.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/crypto/rnd.h"
#include "engine/repo/impl.h"
#include "index/build_impl.h"

#define FILE_BYTES	4096

static void
must(int ret, const struct err *e)
{
	if (ret == 0)
		return;
	(void)fprintf(stderr, "forge: %s\n", ret < 0 ? err_text(e) : "absent");
	exit(1);
}

static size_t
read_file(const char *path, char *dst, size_t size)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	n = fread(dst, 1, size, f);
	(void)fclose(f);
	return (n);
}

static struct repo *
unlock(const char *where, const char *password_file)
{
	struct repo_env env = { .memory_bytes = 64U << 20, .threads = 1 };
	struct err e = ERR_INIT;
	struct secret secret;
	struct store *store;
	struct repo *repo;
	char text[256];

	must(secret_copy(&secret, text,
	    read_file(password_file, text, sizeof(text)), &e), &e);
	must(store_open(&store, where, false, &e), &e);
	must(repo_open(&repo, store, SLOT_PASSPHRASE, &secret, &env, &e), &e);
	secret_fini(&secret);
	return (repo);
}

static void
describe(struct manifest *m, const struct repo *repo, const char *host)
{
	const struct keyring *ring = repo_keyring(repo);
	struct err e = ERR_INIT;

	memset(m, 0, sizeof(*m));
	if (host == NULL)
		host = keyring_host(ring);
	must(bytes_set(&m->host, host, strlen(host), &e), &e);
	must(bytes_set(&m->user, "mallory", 7, &e), &e);
	must(bytes_set(&m->program, "forge", 5, &e), &e);
	must(strings_add(&m->roots, "/forged", 7, &e), &e);
	m->time = m->ended = clock_wall();
	m->files = 1;
	memcpy(m->header_digest, repo_header(repo)->digest, HASH_BYTES);
}

static void
print_id(const uint8_t id[ID_BYTES])
{
	char hex[ID_HEX];

	(void)printf("%s\n", hex_emit(hex, id, ID_BYTES));
}

/* Seal and store a manifest, whatever it says. */
static void
put_manifest(struct repo *repo, const struct keyring *ring, struct manifest *m)
{
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct err e = ERR_INIT;
	uint8_t id[ID_BYTES];
	struct run_id run;

	lineage_of(&m->lineage, keyring_writer(ring), &m->host, &m->roots,
	    &m->name);
	rnd_bytes(&run, sizeof(run));
	must(manifest_emit(&content, m, &e), &e);
	must(sealed_emit(&object, ring, OBJECT_MANIFEST, &run, 0, &content,
	    &e), &e);
	must(object_put(repo_store(repo), "snapshots", &object, id, &e), &e);
	print_id(id);
	buf_fini(&content);
	buf_fini(&object);
}

/* A manifest that session_commit() would not make. */
static void
forge_manifest(struct repo *repo, const struct keyring *ring,
    const char *host)
{
	struct manifest m;
	struct pack_info *p;

	describe(&m, repo, host);
	m.sequence = 1;
	m.catalog.size_bytes = CATALOG_PAGE_BYTES;
	m.catalog.levels = 1;
	m.catalog.map.place[1].pack = MPLACE_NONE;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		exit(1);
	m.catalog.tail = p;
	m.catalog.ntail = 1;
	rnd_bytes(p->id.b, ID_BYTES);
	p->size_bytes = 4096;
	p->kind = OBJECT_PACK_META;
	p->domain = keyring_domain(ring);
	p->writer = keyring_writer(ring);
	p->wrap.kind = wrap_kind_of(p->writer);
	put_manifest(repo, ring, &m);
	manifest_fini(&m);
}

/* The client's own keys, and another's number. */
static void
forge_writer(struct repo *repo, uint32_t writer)
{
	const struct keyring *own = repo_keyring(repo);
	struct put_only_secrets sec = { .writer = writer,
	    .domain = keyring_domain(own) };
	struct err e = ERR_INIT;
	struct keyring *ring;

	must(keyring_writer_key(own, keyring_writer(own), sec.writer_key,
	    &e), &e);
	memcpy(sec.public_key, keyring_public_key(own),
	    sizeof(sec.public_key));
	must(keyring_new_put_only(&ring, keyring_repo(own), &sec, &e), &e);
	sodium_memzero(&sec, sizeof(sec));
	forge_manifest(repo, ring, keyring_host(own));
	keyring_free(ring);
}

static void
write_file(struct build *build, struct put *put, const char *path)
{
	char good[FILE_BYTES], bad[FILE_BYTES];
	struct entry it = { .kind = ENTRY_DIR, .mode = 0755,
	    .flags = ENTRY_IMPLIED, .ino = CATALOG_ROOT_INO };
	struct err e = ERR_INIT;
	struct put_hint hint;
	struct place place;
	size_t n = read_file(path, good, sizeof(good));

	memset(bad, '!', sizeof(bad));
	must(build_node(build, &it, NULL, 0, &e), &e);
	it = (struct entry){ .kind = ENTRY_FILE, .mode = 0644 };
	must(build_inos(build, 1, &it.ino, &e), &e);
	must(build_node(build, &it, NULL, 0, &e), &e);
	must(build_name(build, CATALOG_ROOT_INO, "forged", 6, it.ino, &e), &e);
	must(put_lookup(put, good, n, &hint, &e), &e);
	/* As if it were new: else the bytes that are there would be named. */
	hint.known = false;
	must(build_content_begin(build, it.ino, &e), &e);
	must(put_chunk(put, &hint, bad, n, &place, &e), &e);
	must(build_content_chunk(build, it.ino, &hint.id, (uint32_t)n, &place,
	    &e), &e);
	must(build_content_end(build, it.ino, &e), &e);
}

/* An honest run, up to what is written in it. */
struct run {
	struct build_env benv;
	struct put_env penv;
	struct build *build;
};

static void
run_begin(struct run *r, struct repo *repo)
{
	struct err e = ERR_INIT;

	*r = (struct run){ .benv = { .repo = repo }, .penv = {
	    .verify_data = true, .budget_bytes = 16U << 20,
	    .on_frame = build_on_frame, .on_pack = build_on_pack } };
	must(session_begin(&r->benv.session, repo, &e), &e);
	must(pool_new(&r->penv.pool, 0, &e), &e);
	must(fetch_new(&r->benv.fetch, repo, 4U << 20, false, &e), &e);
	must(build_open(&r->build, &r->benv, &e), &e);
	r->penv.ctx = r->build;
	must(put_open(&r->benv.put, r->benv.session, &r->penv, &e), &e);
	build_set_put(r->build, r->benv.put);
}

static void
run_end(struct run *r)
{
	put_free(r->benv.put);
	build_free(r->build);
	fetch_free(r->benv.fetch);
	session_end(r->benv.session);
	pool_free(r->penv.pool);
}

static void
forge_garbage(struct repo *repo, const char *path)
{
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct manifest m;
	struct run r;

	run_begin(&r, repo);
	write_file(r.build, r.benv.put, path);
	must(put_close(r.benv.put, OBJECT_PACK_DATA, &e), &e);
	describe(&m, repo, NULL);
	must(build_finish(r.build, &m, &e), &e);
	must(session_commit(r.benv.session, &m, build_packs, r.build, &id,
	    &e), &e);
	print_id(id.b);
	manifest_fini(&m);
	run_end(&r);
}

/* A small honest tree: /dir (2) with a file "good" (3) of one chunk and a link
 * (4), and a directory "sub" (5). */
static void
write_tree(struct run *r)
{
	static const struct {
		uint64_t dir;
		uint8_t kind;
		const char *name, *target;
	} v[] = {
		{ 1, ENTRY_DIR, "dir", NULL }, { 2, ENTRY_FILE, "good", NULL },
		{ 2, ENTRY_SYMLINK, "link", "good" },
		{ 1, ENTRY_DIR, "sub", NULL }
	};
	static const char good[] = "good content\n";
	struct build *b = r->build;
	struct entry it = { .mode = 0755 };
	struct err e = ERR_INIT;
	struct put_hint hint;
	struct place place;
	size_t len = sizeof(good) - 1;

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		it.kind = v[i].kind;
		must(build_inos(b, 1, &it.ino, &e), &e);
		must(build_node(b, &it, v[i].target, v[i].target == NULL ? 0 :
		    strlen(v[i].target), &e), &e);
		must(build_name(b, v[i].dir, v[i].name, strlen(v[i].name),
		    it.ino, &e), &e);
	}
	must(put_lookup(r->benv.put, good, len, &hint, &e), &e);
	must(build_content_begin(b, 3, &e), &e);
	must(put_chunk(r->benv.put, &hint, good, len, &place, &e), &e);
	must(build_content_chunk(b, 3, &hint.id, (uint32_t)len, &place, &e),
	    &e);
	must(build_content_end(b, 3, &e), &e);
	must(put_close(r->benv.put, OBJECT_PACK_DATA, &e), &e);
}

/* What a build does at its end, so that nothing but the lines comes after. */
static void
settle(struct build *b)
{
	struct err e = ERR_INIT;

	must(build_remove_orphans(b, &e), &e);
	must(build_finish_frames(b, &e), &e);
	must(sql_exec(b->db, "INSERT INTO meta VALUES('next_ino', 6)", &e),
	    &e);
	must(sql_exec(b->db, "COMMIT; PRAGMA writable_schema=ON", &e), &e);
	b->writing = false;
	/* No limits for a forger. */
	(void)sqlite3_limit(b->db, SQLITE_LIMIT_LENGTH, INT32_MAX);
}

/* "!page NUMBER OFFSET HEX": bytes of the file, behind SQLite's back. */
static void
patch_page(struct build *b, const char *text)
{
	struct pages *pages = overlay_pages(b->overlay);
	uint8_t page[CATALOG_PAGE_BYTES];
	struct err e = ERR_INIT;
	unsigned no, off;
	int at;

	if (sscanf(text, "%u %u %n", &no, &off, &at) != 2 || no == 0)
		exit(2);
	memset(page, 0, sizeof(page));
	if ((uint64_t)no * sizeof(page) <= pages->ops->size(pages))
		must(pages->ops->read(pages, page, sizeof(page),
		    (uint64_t)(no - 1) * sizeof(page), &e), &e);
	for (text += at; off < sizeof(page) && text[0] > ' ' &&
	    text[1] > ' '; text += 2) {
		char two[3] = { text[0], text[1], '\0' };

		page[off++] = (uint8_t)strtoul(two, NULL, 16);
	}
	must(pages->ops->write(pages, page, sizeof(page),
	    (uint64_t)(no - 1) * sizeof(page), &e), &e);
}

/* A line of the manifest's: how it is, when the catalog is stored. */
static bool
say(struct manifest *m, const char *text)
{
	struct err e = ERR_INIT;
	char word[16];
	int at = 0;

	if (sscanf(text, "!%15s %n", word, &at) != 1)
		return (false);
	text += at;
	if (strcmp(word, "time") == 0)
		m->time.s = m->ended.s = strtoll(text, NULL, 0);
	else if (strcmp(word, "sequence") == 0)
		m->sequence = strtoull(text, NULL, 0);
	else if (strcmp(word, "counts") == 0)
		m->files = m->dirs = m->others = m->bytes = m->unread =
		    m->bytes_new = m->bytes_added = strtoull(text, NULL, 0);
	else if (strcmp(word, "size") == 0)
		m->catalog.size_bytes = strtoull(text, NULL, 0);
	else if (strcmp(word, "tag") == 0)
		must(strings_add(&m->tags, text, strlen(text), &e), &e);
	else if (strcmp(word, "exclude") == 0)
		must(strings_add(&m->excludes, text, strlen(text), &e), &e);
	else if (strcmp(word, "root") == 0) {
		strings_fini(&m->roots);
		must(strings_add(&m->roots, text, strlen(text), &e), &e);
	} else if (strcmp(word, "user") == 0)
		must(bytes_set(&m->user, text, strlen(text), &e), &e);
	else if (strcmp(word, "name") == 0)
		must(bytes_set(&m->name, text, strlen(text), &e), &e);
	else
		return (false);
	return (true);
}

/*
 * Lines of a file: statements of SQL over the small tree; then "!page ...",
 * which is not in the order but comes last; and what the manifest says: "!time
 * SECONDS", "!sequence N", "!counts N", "!size BYTES" (of the catalog), "!tag
 * TEXT", "!exclude TEXT", "!root PATH", "!user NAME", "!name NAME".
 */
static void
forge_catalog(struct repo *repo, const char *path)
{
	FILE *f = fopen(path, "r");
	struct err e = ERR_INIT;
	struct manifest m;
	char *line = NULL;
	size_t cap = 0;
	struct run r;

	run_begin(&r, repo);
	write_tree(&r);
	settle(r.build);
	describe(&m, repo, NULL);
	m.sequence = 1;
	for (int pass = 0; f != NULL && pass < 3; pass++) {
		rewind(f);
		while (getline(&line, &cap, f) > 0) {
			line[strcspn(line, "\n")] = '\0';
			if (pass == 0 && line[0] != '!')
				must(sql_exec(r.build->db, line, &e), &e);
			else if (pass == 1 && strncmp(line, "!page ", 6) == 0)
				patch_page(r.build, line + 6);
			else if (pass == 2 && line[0] == '!' &&
			    strncmp(line, "!page ", 6) != 0 && !say(&m, line))
				exit(2);
		}
		if (pass == 1)
			must(build_emit(r.build, true, &m.catalog, &e), &e);
	}
	if (f == NULL || fclose(f) != 0)
		exit(1);
	if (m.sequence > 1)
		rnd_bytes(m.previous.b, ID_BYTES);
	put_manifest(repo, repo_keyring(repo), &m);
	free(line);
	manifest_fini(&m);
	run_end(&r);
}

int
main(int argc, char **argv)
{
	struct repo *repo;

	if (argc != 5 || sodium_init() < 0) {
		(void)fprintf(stderr, "usage: forge REPOSITORY PASSWORD-FILE "
		    "host|writer|garbage|catalog ARGUMENT\n");
		return (2);
	}
	repo = unlock(argv[1], argv[2]);
	if (strcmp(argv[3], "host") == 0)
		forge_manifest(repo, repo_keyring(repo), argv[4]);
	else if (strcmp(argv[3], "writer") == 0)
		forge_writer(repo, (uint32_t)strtoul(argv[4], NULL, 10));
	else if (strcmp(argv[3], "garbage") == 0)
		forge_garbage(repo, argv[4]);
	else if (strcmp(argv[3], "catalog") == 0)
		forge_catalog(repo, argv[4]);
	else
		return (2);
	repo_close(repo);
	return (0);
}
