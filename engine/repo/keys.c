/*
 * Listing, adding and removing key slots.  No data is rewritten: a slot seals
 * the master secret, or one put-only writer's secrets, and nothing else depends
 * on it.
 */
#include "engine/repo/impl.h"

#include <stdlib.h>
#include <string.h>

#include "engine/crypto/rnd.h"

int
repo_keys(struct repo *repo, struct key_info **out, size_t *n, struct err *e)
{
	struct registry g = { 0 };
	struct key_info *v;

	if (must_read(repo, "list keys", e) != 0 ||
	    registry_load(&g, repo, e) != 0)
		return (-1);
	v = calloc(g.nslots + 1, sizeof(*v));
	if (v == NULL) {
		registry_fini(&g);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	for (size_t i = 0; i < g.nslots; i++) {
		const struct key_slot *s = &g.slots[i];
		const struct writer *w = s->record.role == ROLE_FULL ? NULL :
		    registry_find(&g, s->record.writer);

		v[i].id = s->id;
		v[i].kind = s->kind;
		v[i].params = s->params;
		v[i].record = s->record;
		v[i].current = id_equal(s->id.b, repo->slot.b);
		v[i].revoked = w != NULL && w->revoked;
	}
	*out = v;
	*n = g.nslots;
	registry_fini(&g);
	return (0);
}

/* A number that no slot and no revocation has. */
static uint32_t
new_writer(const struct registry *g)
{
	uint32_t w;

	do
		rnd_bytes(&w, sizeof(w));
	while (w == 0 || registry_find(g, w) != NULL);
	return (w);
}

int
repo_key_add(struct repo *repo, const struct slot_params *params,
    const struct secret *secret, struct slot_record *record,
    bool share_domain, struct object_id *out, struct err *e)
{
	struct registry g = { 0 };
	int ret;

	if (must_read(repo, "add keys", e) != 0 ||
	    header_features(repo->header.need_write, "write to", e) != 0)
		return (-1);
	record->created = clock_wall();
	record->writer = record->domain = 0;
	if (record->role == ROLE_PUT_ONLY) {
		if (registry_load(&g, repo, e) != 0)
			return (-1);
		record->writer = new_writer(&g);
		record->domain = share_domain ? 0 : record->writer;
		registry_fini(&g);
	}
	ret = slot_store(repo->store, repo->ring, params, secret, record, out,
	    e);
	return (ret < 0 ? err_wrap(e, "adding a key") : 0);
}

/*
 * Removing.
 */

/* The writer's snapshots that are accepted now: no later ones will be. */
static int
accepted(struct repo *repo, uint32_t writer, struct ids *kept, struct err *e)
{
	struct snapshots l;
	int ret = 0;

	if (repo_snapshots(repo, &l, e) != 0)
		return (-1);
	for (size_t i = 0; i < l.n && ret == 0; i++)
		if (l.v[i].writer == writer)
			ret = ids_add(kept, l.v[i].id.b, e);
	snapshots_fini(&l);
	ids_sort(kept);
	return (ret);
}

static int
store_revocation(struct repo *repo, const struct slot_record *record,
    const struct ids *kept, struct err *e)
{
	struct buf content = BUF_INIT, object = BUF_INIT;
	uint8_t id[ID_BYTES];
	struct run_id run;
	int ret;

	rnd_bytes(run.b, sizeof(run.b));
	slot_record_emit(&content, record);
	buf_u32(&content, (uint32_t)kept->n);
	for (size_t i = 0; i < kept->n; i++)
		buf_bytes(&content, kept->v[i], ID_BYTES);
	ret = buf_ok(&content, e);
	if (ret == 0)
		ret = sealed_emit(&object, repo->ring, OBJECT_REVOCATION, &run,
		    0, &content, e);
	if (ret == 0)
		ret = object_put(repo->store, "keys", &object, id, e);
	buf_fini(&content);
	buf_fini(&object);
	return (ret);
}

/* Is there another slot for the same put-only writer? */
static bool
writer_has_another(const struct registry *g, const struct key_slot *s)
{
	for (size_t i = 0; i < g->nslots; i++)
		if (&g->slots[i] != s &&
		    g->slots[i].record.writer == s->record.writer)
			return (true);
	return (false);
}

static size_t
full_slots(const struct registry *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->nslots; i++)
		n += g->slots[i].record.role == ROLE_FULL;
	return (n);
}

static int
revoke(struct repo *repo, const struct registry *g, const struct key_slot *s,
    struct err *e)
{
	struct ids kept = { 0 };
	int ret;

	/* An earlier removal may have died after this step. */
	if (registry_find(g, s->record.writer)->revoked ||
	    writer_has_another(g, s))
		return (0);
	ret = accepted(repo, s->record.writer, &kept, e);
	if (ret == 0)
		ret = store_revocation(repo, &s->record, &kept, e);
	ids_fini(&kept);
	return (ret);
}

int
repo_key_remove(struct repo *repo, const struct object_id *id, struct err *e)
{
	char name[OBJECT_NAME_MAX], hex[SHORT_HEX];
	const struct key_slot *s = NULL;
	struct registry g = { 0 };
	int ret = -1;

	if (must_read(repo, "remove keys", e) != 0 ||
	    header_features(repo->header.need_write, "write to", e) != 0 ||
	    registry_load(&g, repo, e) != 0)
		return (-1);
	for (size_t i = 0; i < g.nslots; i++)
		if (id_equal(g.slots[i].id.b, id->b))
			s = &g.slots[i];
	if (s == NULL) {
		(void)err_set(e, ERR_ABSENT, "there is no key slot %s",
		    short_hex(hex, id->b));
		goto out;
	}
	if (s->record.role == ROLE_FULL && full_slots(&g) < 2) {
		(void)err_set(e, ERR_USAGE, "this is the last full key: "
		    "without it nobody could read the repository");
		goto out;
	}
	if (s->record.role == ROLE_PUT_ONLY && revoke(repo, &g, s, e) != 0)
		goto out;
	ret = store_remove(repo->store, object_name(name, "keys", id->b), e);
	if (ret == STORE_KEPT)
		ret = err_set(e, ERR_REMOTE, "%s: the store does not allow it "
		    "to be removed: it still opens the repository", name);
out:
	registry_fini(&g);
	return (ret < 0 ? err_wrap(e, "removing a key") : 0);
}
