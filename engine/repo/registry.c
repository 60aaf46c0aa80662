/*
 * Who may write what.  Full keys need no entry; a put-only writer is known by
 * its slot's record, or, once the slot is gone, by the revocation that took it
 * away.  Both are sealed for the master secret alone, so a store can withhold
 * them but not make them.
 */
#include "engine/repo/impl.h"

#include <stdlib.h>
#include <string.h>

void
registry_fini(struct registry *g)
{
	for (size_t i = 0; i < g->n; i++)
		ids_fini(&g->v[i].kept);
	free(g->v);
	free(g->slots);
	memset(g, 0, sizeof(*g));
}

static struct writer *
find(const struct registry *g, uint32_t writer)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].record.writer == writer)
			return (&g->v[i]);
	return (NULL);
}

const struct writer *
registry_find(const struct registry *g, uint32_t writer)
{
	return (find(g, writer));
}

static struct writer *
writer_entry(struct registry *g, const struct slot_record *r, struct err *e)
{
	struct writer *w = find(g, r->writer), *v;

	if (w != NULL)
		return (w);
	v = reallocarray(g->v, g->n + 1, sizeof(*v));
	if (v == NULL) {
		(void)err_set(e, ERR_NOMEM, "out of memory");
		return (NULL);
	}
	g->v = v;
	w = &v[g->n++];
	memset(w, 0, sizeof(*w));
	w->record = *r;
	return (w);
}

static int
add_slot(struct registry *g, struct repo *repo, const struct object_id *id,
    const struct buf *b, struct err *e)
{
	struct key_slot s = { .id = *id }, *v;
	struct writer *w;

	if (slot_kind_of(b->data, b->len, &repo->header.id, &s.kind, &s.params,
	    e) != 0 ||
	    slot_record_open(&s.record, b->data, b->len, repo->ring, e) != 0)
		return (-1);
	v = reallocarray(g->slots, g->nslots + 1, sizeof(*v));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	g->slots = v;
	g->slots[g->nslots++] = s;
	if (s.record.role == ROLE_FULL)
		return (0);
	w = writer_entry(g, &s.record, e);
	if (w == NULL)
		return (-1);
	w->has_slot = true;
	return (0);
}

static int
parse_revocation(struct slot_record *rec, struct ids *kept,
    const struct buf *content, struct err *e)
{
	uint8_t id[ID_BYTES];
	struct rd r;
	uint32_t n;

	rd_init(&r, content->data, content->len);
	slot_record_parse(rec, &r);
	n = rd_u32(&r);
	if (n > rd_left(&r) / ID_BYTES || rec->role != ROLE_PUT_ONLY)
		r.bad = true;
	for (uint32_t i = 0; i < n && !r.bad; i++) {
		rd_bytes(&r, id, sizeof(id));
		if (ids_add(kept, id, e) != 0)
			return (-1);
	}
	ids_sort(kept);
	if (!rd_end(&r))
		return (err_set(e, ERR_CORRUPT, "the revocation's content is "
		    "not what the format says"));
	return (0);
}

/* What only both lists name. */
static void
intersect(struct ids *a, const struct ids *b)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		if (ids_has(b, a->v[i]))
			memmove(a->v[n++], a->v[i], ID_BYTES);
	a->n = n;
}

static int
add_revocation(struct registry *g, struct repo *repo, const struct buf *b,
    struct err *e)
{
	struct buf content = BUF_INIT;
	struct ids kept = { 0 };
	struct slot_record rec;
	struct sealed env;
	struct writer *w;
	int ret = -1;

	if (sealed_open(&env, &content, repo->ring, OBJECT_REVOCATION, b->data,
	    b->len, e) != 0)
		goto out;
	if (env.head.writer != 0 || env.head.domain != 0) {
		(void)err_set(e, ERR_CORRUPT, "a put-only writer can't revoke");
		goto out;
	}
	if (parse_revocation(&rec, &kept, &content, e) != 0)
		goto out;
	w = writer_entry(g, &rec, e);
	if (w == NULL)
		goto out;
	if (w->revoked)
		intersect(&w->kept, &kept);
	else {
		w->kept = kept;
		kept = (struct ids){ 0 };
	}
	w->revoked = true;
	ret = 0;
out:
	buf_fini(&content);
	ids_fini(&kept);
	return (ret);
}

static int
add_object(struct registry *g, struct repo *repo, const uint8_t *id,
    struct buf *b, struct err *e)
{
	struct object_id oid;
	int ret = object_load(repo->store, "keys", id, KEY_OBJECT_MAX, b, e);

	if (ret != 0)
		return (ret < 0 ? ret : 0);	/* removed meanwhile */
	memcpy(oid.b, id, ID_BYTES);
	if (b->len > 4 && b->data[4] == OBJECT_REVOCATION)
		return (add_revocation(g, repo, b, e));
	return (add_slot(g, repo, &oid, b, e));
}

/*
 * One damaged object doesn't make the repository unreadable.  Nothing but the
 * content of a revocation says whom it revokes, so either all put-only writers
 * are refused for it or none is; and who can harm one can withhold it too.  But
 * it is said what it may have been.
 */
static void
leave_out(const struct repo *repo, const uint8_t *id, const struct buf *b,
    const struct err *why)
{
	bool slot = b->len > 4 && b->data[4] == OBJECT_SLOT;
	char hex[ID_HEX];

	log_say(repo->env.log, LOG_WARNING, "keys/%s is left out: %s%s",
	    hex_emit(hex, id, ID_BYTES), err_text(why), slot ? "" : "; if it "
	    "is a revocation, its writer is believed again while a key of its "
	    "is there");
}

int
registry_load(struct registry *out, struct repo *repo, struct err *e)
{
	struct registry g = { .loaded = true };
	struct err why = ERR_INIT;
	struct buf b = BUF_INIT;
	struct ids ids;
	int ret = 0;

	if (ids_list(&ids, repo->store, "keys", repo->env.log, e) != 0)
		return (-1);
	for (size_t i = 0; i < ids.n && ret == 0; i++) {
		ret = add_object(&g, repo, ids.v[i], &b, &why);
		if (ret < 0 && is_object_bad(&why)) {
			leave_out(repo, ids.v[i], &b, &why);
			ret = 0;
		}
	}
	if (ret < 0) {
		*e = why;
		registry_fini(&g);
	} else
		*out = g;
	buf_wipe(&b);
	ids_fini(&ids);
	return (ret);
}
