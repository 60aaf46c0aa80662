/*
 * A program of its own upon libvitrine: it lists the files of a repository's
 * newest snapshot, and writes one of them to standard output.
 *
 *	cc -o look look.c $(pkg-config --cflags --libs vitrine)
 *	PASSPHRASE=... ./look REPOSITORY /home/ana/letter.txt
 *
 * Each header says what its functions return, who owns what, and which threads
 * may use it; engine/base/err.h says what they have in common.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <engine/crypto/slot.h>
#include <engine/repo/repo.h>
#include <engine/store/store.h>
#include <index/catalog.h>
#include <tools/job/content.h>
#include <tools/job/lookup.h>

static int
say_entry(void *ctx, const char *path, size_t len, const struct entry *en,
    struct err *e)
{
	(void)ctx;
	(void)e;
	(void)fprintf(stderr, "%12llu /%.*s\n", (unsigned long long)en->size,
	    (int)len, path);
	return (0);
}

static int
write_bytes(void *ctx, uint64_t off, const uint8_t *data, uint64_t len,
    struct err *e)
{
	(void)ctx;
	(void)off;
	for (; data == NULL && len > 0; len--)
		(void)putchar('\0');
	if (len > 0 && fwrite(data, 1, (size_t)len, stdout) != (size_t)len)
		return (err_set(e, ERR_SYS, "standard output"));
	return (0);
}

static int
look(struct repo *repo, const char *path, struct err *e)
{
	struct snapshots all = { 0 };
	struct manifest manifest = { 0 };
	struct fetch *fetch = NULL;
	struct catalog *catalog = NULL;
	struct catalog_env env = { .cache_bytes = 8 << 20 };
	struct entry en;
	size_t i;
	int r = -1;

	if (repo_snapshots(repo, &all, e) == 0 &&
	    snapshots_find(&all, "latest", &i, e) == 0 &&
	    repo_manifest(repo, &all.v[i].id, &manifest, e) == 0 &&
	    fetch_new(&fetch, repo, 16 << 20, true, e) == 0 &&
	    catalog_open(&catalog, fetch, repo, &manifest, &env, e) == 0 &&
	    catalog_walk(catalog, CATALOG_ROOT_INO, say_entry, NULL, e) == 0 &&
	    lookup_path(catalog, path, &en, e) == 0)
		r = content_read(catalog, fetch, &en, 0, write_bytes, NULL, e);
	catalog_close(catalog);
	fetch_free(fetch);
	manifest_fini(&manifest);
	snapshots_fini(&all);
	return (r);
}

int
main(int argc, char **argv)
{
	const struct repo_env env = { .memory_bytes = 64 << 20 };
	const char *word = getenv("PASSPHRASE");
	struct err e = ERR_INIT;
	struct secret secret = { 0 };
	struct store *store;
	struct repo *repo;
	int r = -1;

	if (argc != 3 || word == NULL) {
		(void)fprintf(stderr, "PASSPHRASE=... look REPOSITORY PATH\n");
		return (EXIT_USAGE);
	}
	if (secret_copy(&secret, word, strlen(word), &e) == 0 &&
	    store_open(&store, argv[1], false, &e) == 0 &&
	    repo_open(&repo, store, SLOT_PASSPHRASE, &secret, &env, &e) == 0) {
		r = look(repo, argv[2], &e);
		repo_close(repo);	/* and the store, which it took */
	}
	secret_fini(&secret);
	if (r != 0)
		(void)fprintf(stderr, "look: %s\n", err_text(&e));
	return (r != 0 ? err_exit_status(&e) : EXIT_DONE);
}
