/*
 * A put-only client that lies: what somebody who took its key could store, for
 * put_only.sh.  Linked with the test variant of the library.
 *
 *	forge REPOSITORY PASSWORD-FILE host NAME	a snapshot in another
 *		host's name
 *	forge REPOSITORY PASSWORD-FILE writer N		one under another
 *		writer's number
 *	forge REPOSITORY PASSWORD-FILE garbage FILE	an honest snapshot but
 *		for its one file, /forged: a chunk of other bytes, stored under
 *		the id that FILE's content has
 *
 * The id of the snapshot goes to standard output.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/crypto/rnd.h"
#include "engine/repo/impl.h"
#include "index/build.h"

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

/* A manifest that session_commit() would not make. */
static void
forge_manifest(struct repo *repo, const struct keyring *ring,
    const char *host)
{
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct err e = ERR_INIT;
	uint8_t id[ID_BYTES];
	struct manifest m;
	struct pack_info *p;
	struct run_id run;

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
	lineage_of(&m.lineage, keyring_writer(ring), &m.host, &m.roots,
	    NULL);
	rnd_bytes(&run, sizeof(run));
	must(manifest_emit(&content, &m, &e), &e);
	must(sealed_emit(&object, ring, OBJECT_MANIFEST, &run, 0, &content,
	    &e), &e);
	must(object_put(repo_store(repo), "snapshots", &object, id, &e), &e);
	print_id(id);
	manifest_fini(&m);
	buf_fini(&content);
	buf_fini(&object);
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

static void
forge_garbage(struct repo *repo, const char *path)
{
	struct build_env benv = { .repo = repo };
	struct put_env penv = { .verify_data = true,
	    .budget_bytes = 16U << 20, .on_frame = build_on_frame,
	    .on_pack = build_on_pack };
	struct err e = ERR_INIT;
	struct snapshot_id id;
	struct manifest m;

	must(session_begin(&benv.session, repo, &e), &e);
	must(pool_new(&penv.pool, 0, &e), &e);
	must(fetch_new(&benv.fetch, repo, 4U << 20, false, &e), &e);
	must(build_open((struct build **)&penv.ctx, &benv, &e), &e);
	must(put_open(&benv.put, benv.session, &penv, &e), &e);
	build_set_put(penv.ctx, benv.put);
	write_file(penv.ctx, benv.put, path);
	must(put_close(benv.put, OBJECT_PACK_DATA, &e), &e);
	describe(&m, repo, NULL);
	must(build_finish(penv.ctx, &m, &e), &e);
	must(session_commit(benv.session, &m, build_packs, penv.ctx, &id, &e),
	    &e);
	print_id(id.b);
	manifest_fini(&m);
	put_free(benv.put);
	build_free(penv.ctx);
	fetch_free(benv.fetch);
	session_end(benv.session);
	pool_free(penv.pool);
}

int
main(int argc, char **argv)
{
	struct repo *repo;

	if (argc != 5 || sodium_init() < 0) {
		(void)fprintf(stderr, "usage: forge REPOSITORY PASSWORD-FILE "
		    "host|writer|garbage ARGUMENT\n");
		return (2);
	}
	repo = unlock(argv[1], argv[2]);
	if (strcmp(argv[3], "host") == 0)
		forge_manifest(repo, repo_keyring(repo), argv[4]);
	else if (strcmp(argv[3], "writer") == 0)
		forge_writer(repo, (uint32_t)strtoul(argv[4], NULL, 10));
	else if (strcmp(argv[3], "garbage") == 0)
		forge_garbage(repo, argv[4]);
	else
		return (2);
	repo_close(repo);
	return (0);
}
