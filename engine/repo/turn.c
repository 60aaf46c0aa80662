/*
 * Who has a number.  Runs of one user wait for one another (state_hold); those
 * of several users, or of several machines that call themselves the same, meet
 * in the store alone.  There each puts its manifest under pending/ first and
 * then looks: whoever sees another with the same number of the same lineage
 * takes its own back and tries again later.  Of two that look, at least one has
 * put after the other did, and sees it: under pending/ still or, as that goes
 * only after the commit, under snapshots/ already.
 */
#include <string.h>

#include "engine/repo/session_impl.h"

/* What others leave there that can't be read is a collector's business. */
static int
is_rival(struct session *s, struct registry *g, const struct manifest *m,
    const struct snapshot_id *id, struct err *e)
{
	struct err why = ERR_INIT;
	struct buf object = BUF_INIT;
	struct manifest other;
	int ret;

	ret = object_load(s->repo->store, "pending", id->b, SEALED_MAX, &object,
	    &why);
	if (ret == 0)
		ret = manifest_open(s->repo, g, id, &object, &other, &why);
	buf_fini(&object);
	if (ret < 0 && !is_object_bad(&why)) {
		*e = why;
		return (-1);
	}
	if (ret != 0)
		return (0);
	ret = id_equal(other.lineage.b, m->lineage.b) &&
	    other.sequence == m->sequence;
	manifest_fini(&other);
	return (ret);
}

static int
among_pending(struct session *s, const struct manifest *m,
    const uint8_t own[ID_BYTES], struct err *e)
{
	struct registry g = { 0 };
	struct ids ids = { 0 };
	struct snapshot_id id;
	int ret;

	ret = ids_list(&ids, s->repo->store, "pending", s->repo->env.log, e);
	for (size_t i = 0; i < ids.n && ret == 0; i++) {
		if (id_equal(ids.v[i], own))
			continue;
		memcpy(id.b, ids.v[i], ID_BYTES);
		ret = is_rival(s, &g, m, &id, e);
	}
	ids_fini(&ids);
	registry_fini(&g);
	return (ret);
}

int
turn_is_taken(struct session *s, const struct manifest *m,
    const uint8_t own[ID_BYTES], struct err *e)
{
	int ret = among_pending(s, m, own, e);

	/* In this order: see above. */
	if (ret == 0 && snapshots_refresh(s->repo, &s->snaps, e) != 0)
		return (-1);
	for (size_t i = 0; i < s->snaps.n && ret == 0; i++)
		ret = id_equal(s->snaps.v[i].lineage.b, m->lineage.b) &&
		    s->snaps.v[i].sequence >= m->sequence;
	return (ret);
}
