/*
 * Making a repository.  The header is what makes one, so it is written last: an
 * init that dies before leaves a slot under keys/, which belongs to nothing,
 * and which the next init removes once its own header stands.  (Not before: of
 * two inits at one time the one whose header comes second must find that it
 * lost without having taken the winner's slot.)
 */
#include "engine/repo/impl.h"

#include <string.h>

#include "engine/crypto/rnd.h"

#define DEFAULT_CHUNK_BYTES	(64U << 10)

/* Refuse where there is a repository, or what is left of one. */
static int
must_be_new(struct store *store, struct err *e)
{
	static const char *const dirs[] = {
		"packs", "snapshots", "index", "pending"
	};
	struct store_stat st;
	bool some;
	int ret;

	ret = store_stat(store, HEADER_NAME, &st, e);
	if (ret < 0)
		return (-1);
	if (ret == 0)
		return (err_set(e, ERR_EXISTS, "%s: there is a repository "
		    "already", store->where));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (dir_has_objects(store, dirs[i], &some, e) != 0)
			return (-1);
		if (some)
			return (err_set(e, ERR_EXISTS, "%s: there is no header "
			    "but %s/ is not empty: these are the remains of a "
			    "repository that lost its header", store->where,
			    dirs[i]));
	}
	return (0);
}

/* What is to be stored must open again: a slot that bad memory spoilt would
 * lose the whole repository. */
static int
slot_try(const struct buf *slot, const struct keyring *ring,
    enum slot_kind kind, const struct secret *secret, struct err *e)
{
	struct keyring *again = NULL;
	int ret;

	ret = slot_unlock(&again, slot->data, slot->len, keyring_repo(ring),
	    kind, secret, e);
	if (ret < 0)
		return (-1);
	if (ret == 0 && keyring_role(again) == ROLE_FULL &&
	    sodium_memcmp(keyring_master(again), keyring_master(ring),
	    KEY_BYTES) != 0)
		ret = SLOT_NO_MATCH;
	keyring_free(again);
	if (ret != 0)
		return (err_set(e, ERR_CORRUPT, "the new key slot doesn't open "
		    "again: is this machine's memory faulty?"));
	return (0);
}

int
slot_store(struct store *store, const struct keyring *ring,
    const struct slot_params *params, const struct secret *secret,
    const struct slot_record *record, struct object_id *id, struct err *e)
{
	struct buf b = BUF_INIT;
	int ret;

	ret = slot_emit(&b, ring, params, secret, record, e);
	if (ret == 0)
		ret = slot_try(&b, ring, params->kind, secret, e);
	if (ret == 0)
		ret = object_put(store, "keys", &b, id->b, e);
	buf_wipe(&b);
	return (ret);
}

static int
fill_header(struct repo_header *h, const struct repo_params *params,
    const struct keyring *ring, struct err *e)
{
	uint32_t avg = DEFAULT_CHUNK_BYTES;

	if (params != NULL && params->chunk_bytes != 0)
		avg = params->chunk_bytes;
	h->cutter = cutter_params_for(avg);
	if (!cutter_params_ok(&h->cutter))
		return (err_set(e, ERR_USAGE, "a chunk size is a power of two "
		    "from 4 KiB to 8 MiB"));
	h->revision = 1;
	h->need_read = h->need_write = h->need_collect = FEATURES_KNOWN;
	memcpy(h->public_key, keyring_public_key(ring), sizeof(h->public_key));
	h->created = clock_wall();
	return (0);
}

static int
store_header(struct store *store, const struct repo_header *h,
    const struct keyring *ring, struct err *e)
{
	struct buf b = BUF_INIT, there = BUF_INIT;
	struct repo_header check;
	struct err lost = ERR_INIT;
	int ret;

	ret = header_emit(&b, h, ring, e);
	if (ret == 0)
		ret = header_parse(&check, b.data, b.len, e);
	if (ret == 0)
		ret = header_verify(&check, b.data, b.len, ring, e);
	if (ret != 0)
		goto out;
	ret = store_put(store, HEADER_NAME, b.data, b.len, e);
	/* Did an answer get lost, or was somebody else first? */
	if (ret != 0 && store_load(store, HEADER_NAME, &there, HEADER_BYTES,
	    &lost) == 0 && there.len == b.len &&
	    memcmp(there.data, b.data, b.len) == 0)
		ret = 0;
	if (ret == STORE_EXISTS)
		ret = err_set(e, ERR_EXISTS, "%s: somebody else made a "
		    "repository there meanwhile", store->where);
out:
	buf_fini(&b);
	buf_fini(&there);
	return (ret);
}

int
repo_init(struct store *store, const struct repo_params *params,
    const struct slot_params *slot, const struct secret *secret,
    const char *label, struct err *e)
{
	struct slot_record record = { .role = ROLE_FULL };
	struct repo_header h = { 0 };
	struct keyring *ring = NULL;
	struct object_id id;
	struct ids old = { 0 };
	struct err ignored = ERR_INIT;
	char name[OBJECT_NAME_MAX];
	uint8_t *master;
	int ret = -1;

	if (label != NULL && strlen(label) > SLOT_LABEL_MAX)
		return (err_set(e, ERR_LIMIT, "a label has at most %d bytes",
		    SLOT_LABEL_MAX));
	if (must_be_new(store, e) != 0 ||
	    ids_list(&old, store, "keys", NULL, e) != 0)
		return (-1);
	master = sodium_malloc(KEY_BYTES);
	if (master == NULL) {
		(void)err_set(e, ERR_NOMEM, "out of locked memory");
		goto out;
	}
	rnd_bytes(h.id.b, sizeof(h.id.b));
	rnd_bytes(master, KEY_BYTES);
	if (keyring_new_full(&ring, &h.id, master, e) != 0 ||
	    fill_header(&h, params, ring, e) != 0)
		goto out;
	record.created = h.created;
	if (label != NULL)
		memcpy(record.label, label, strlen(label) + 1);
	if (slot_store(store, ring, slot, secret, &record, &id, e) != 0)
		goto out;
	if (store_header(store, &h, ring, e) != 0) {
		(void)store_remove(store, object_name(name, "keys", id.b),
		    &ignored);
		goto out;
	}
	/* Slots of inits that died; the repository stands without this, too. */
	for (size_t i = 0; i < old.n; i++)
		(void)store_remove(store, object_name(name, "keys", old.v[i]),
		    &ignored);
	ret = 0;
out:
	sodium_free(master);
	keyring_free(ring);
	ids_fini(&old);
	return (ret);
}
