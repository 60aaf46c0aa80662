/*
 * Opening a repository: the header says which one it is, a slot that the secret
 * opens gives the keys, and the keys verify the header.
 */
#include "engine/repo/impl.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/io.h"

/* There is no header: nothing at all, or a repository that lost it? */
static int
no_header(struct store *store, struct err *e)
{
	static const char *const dirs[] = { "snapshots", "packs", "index" };
	bool some;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (dir_has_objects(store, dirs[i], &some, e) != 0)
			return (-1);
		if (some)
			return (err_set(e, ERR_CORRUPT, "%s: the repository's "
			    "header (the object \"%s\") is lost, but %s/ is "
			    "not empty: put the header back from a copy",
			    store->where, HEADER_NAME, dirs[i]));
	}
	return (err_set(e, ERR_NOREPO, "there is no repository in %s",
	    store->where));
}

static int
load_header(struct store *store, struct buf *b, struct repo_header *h,
    struct err *e)
{
	int ret = store_load(store, HEADER_NAME, b, HEADER_BYTES, e);

	if (ret == STORE_ABSENT)
		return (no_header(store, e));
	if (ret < 0) {
		if (e->code == ERR_LIMIT)
			return (err_set(e, ERR_CORRUPT, "%s: the repository's "
			    "header is damaged: too long", store->where));
		return (err_wrap(e, "the repository's header"));
	}
	if (header_parse(h, b->data, b->len, e) != 0)
		return (err_wrap(e, "%s", store->where));
	return (header_features(h->need_read, "read", e));
}

/* Slots that no secret opens. */
struct unusable {
	size_t n;
	struct err last;
};

/* Try one slot.  0 when it opened, SLOT_NO_MATCH to go on, < 0 to give up. */
static int
try_slot(struct repo *repo, const struct object_id *id, enum slot_kind kind,
    const struct secret *secret, struct unusable *bad, struct err *e)
{
	struct buf b = BUF_INIT;
	struct slot_params params;
	struct err why = ERR_INIT;
	enum slot_kind is;
	char hex[SHORT_HEX];
	int ret;

	ret = object_load(repo->store, "keys", id->b, SLOT_OBJECT_MAX, &b,
	    &why);
	if (ret == STORE_ABSENT || (ret < 0 && why.code == ERR_LIMIT)) {
		/* Removed meanwhile, or a revocation. */
		ret = SLOT_NO_MATCH;
		goto out;
	}
	if (ret == 0 && b.len > 4 && b.data[4] != OBJECT_SLOT) {
		ret = SLOT_NO_MATCH;
		goto out;
	}
	if (ret == 0)
		ret = slot_kind_of(b.data, b.len, &repo->header.id, &is,
		    &params, &why);
	if (ret == 0)
		ret = is != kind ? SLOT_NO_MATCH : slot_unlock(&repo->ring,
		    b.data, b.len, &repo->header.id, kind, secret, &why);
	if (ret < 0 && !is_object_bad(&why)) {
		*e = why;
		goto out;
	}
	if (ret < 0) {
		bad->n++;
		bad->last = why;
		log_say(repo->env.log, LOG_NOTICE, "key slot %s is passed "
		    "over: %s", short_hex(hex, id->b), err_text(&why));
		ret = SLOT_NO_MATCH;
	}
out:
	buf_wipe(&b);
	return (ret);
}

/* No slot opened: is it the secret, or are they what is wrong? */
static int
no_match(const struct repo *repo, enum slot_kind kind, size_t slots,
    const struct unusable *bad, struct err *e)
{
	char some[64] = "";

	if (slots == 0)
		return (err_set(e, ERR_CORRUPT, "%s: there are no key slots: "
		    "keys/ is empty", repo->store->where));
	if (bad->n == slots) {
		*e = bad->last;
		return (err_wrap(e, "%s: no key slot can be used",
		    repo->store->where));
	}
	if (bad->n > 0)
		(void)snprintf(some, sizeof(some), " (%zu of %zu can't be "
		    "used)", bad->n, slots);
	return (err_set(e, ERR_AUTH, "wrong %s: no key slot opens with it%s",
	    kind == SLOT_PASSPHRASE ? "passphrase" : "key file", some));
}

static int
unlock(struct repo *repo, enum slot_kind kind, const struct secret *secret,
    struct err *e)
{
	struct unusable bad = { .last = ERR_INIT };
	struct ids ids;
	int ret = SLOT_NO_MATCH;

	if (ids_list(&ids, repo->store, "keys", repo->env.log, e) != 0)
		return (-1);
	for (size_t i = 0; i < ids.n && ret == SLOT_NO_MATCH; i++) {
		memcpy(repo->slot.b, ids.v[i], ID_BYTES);
		ret = try_slot(repo, &repo->slot, kind, secret, &bad, e);
	}
	if (ret == SLOT_NO_MATCH)
		ret = no_match(repo, kind, ids.n, &bad, e);
	ids_fini(&ids);
	return (ret);
}

static int
copy_path(const char **dst, const char *src, struct err *e)
{
	if (src == NULL)
		return (0);
	*dst = strdup(src);
	if (*dst == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

/* Caches and state make things faster and safer; without them the work goes
 * on. */
static int
make_dirs(struct repo *repo, struct err *e)
{
	struct err why = ERR_INIT;
	char hex[RUN_HEX];
	char *path;

	if (repo->env.cache_dir == NULL)
		return (0);
	(void)hex_emit(hex, repo->header.id.b, sizeof(repo->header.id.b));
	if (asprintf(&path, "%s/%s", repo->env.cache_dir, hex) < 0)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (io_mkdirs(path, 0700, &why) != 0) {
		log_say(repo->env.log, LOG_WARNING, "going on without a cache: "
		    "%s", err_text(&why));
		free(path);
		return (0);
	}
	repo->cache_dir = path;
	return (0);
}

int
repo_open(struct repo **out, struct store *store, enum slot_kind kind,
    const struct secret *secret, const struct repo_env *env, struct err *e)
{
	static const char *const keys = "keys";
	struct buf b = BUF_INIT;
	struct repo *repo;
	int ret = -1;

	repo = calloc(1, sizeof(*repo));
	if (repo == NULL) {
		store_close(store);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	repo->store = store;
	repo->env = *env;
	repo->env.cache_dir = repo->env.state_dir = NULL;
	store_list_ahead(store, &keys, 1);
	if (copy_path(&repo->env.cache_dir, env->cache_dir, e) != 0 ||
	    copy_path(&repo->env.state_dir, env->state_dir, e) != 0 ||
	    load_header(store, &b, &repo->header, e) != 0 ||
	    unlock(repo, kind, secret, e) != 0 ||
	    header_verify(&repo->header, b.data, b.len, repo->ring, e) != 0 ||
	    make_dirs(repo, e) != 0)
		goto out;
	*out = repo;
	repo = NULL;
	ret = 0;
out:
	buf_fini(&b);
	repo_close(repo);
	return (ret);
}

static void
free_path(const char *path)
{
	union { const char *c; char *p; } u = { path };

	free(u.p);
}

void
repo_close(struct repo *repo)
{
	if (repo == NULL)
		return;
	keyring_free(repo->ring);
	store_close(repo->store);
	free_path(repo->env.cache_dir);
	free_path(repo->env.state_dir);
	free(repo->cache_dir);
	free(repo);
}

struct store *
repo_store(const struct repo *repo)
{
	return (repo->store);
}

const struct keyring *
repo_keyring(const struct repo *repo)
{
	return (repo->ring);
}

const struct repo_header *
repo_header(const struct repo *repo)
{
	return (&repo->header);
}

enum hash_kind
repo_pack_naming(const struct repo *repo)
{
	return ((repo->header.need_read & FEATURE_SHA256_PACKS) != 0 ?
	    HASH_SHA256 : HASH_BLAKE2B);
}

bool
repo_short_ids(const struct repo *repo)
{
	return ((repo->header.need_read & FEATURE_SHORT_IDS) != 0);
}

const struct repo_env *
repo_env(const struct repo *repo)
{
	return (&repo->env);
}

const struct log *
repo_log(const struct repo *repo)
{
	return (repo->env.log);
}

const char *
repo_cache_dir(const struct repo *repo)
{
	return (repo->cache_dir);
}
