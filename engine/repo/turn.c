/*
 * Who has a number.  Runs of one user wait for one another (state_hold); those
 * of several users, or of several machines that call themselves the same, meet
 * in the store alone.  There each puts its manifest under pending/ first and
 * then looks for rivals: others with the same number of the same lineage.
 *
 *	asking ----nobody is there----> put pending/ID
 *	  ^				     |
 *	  |				     v
 *	(wait) <--a lower id is there-- standing --only higher ones--> (nap)
 *	  ^	 take pending/ID back	     |  ^--------------------------'
 *	  |				     v
 *	  '------it was committed------ alone: list snapshots/, commit
 *
 * turn_ask() asks, turn_stand() stands.  The first try of a run does not ask:
 * mostly there is nobody, and a listing costs a round trip.
 *
 * Invariants:
 *  1. Of two that stand, at least one has put after the other did, and sees it:
 *     under pending/ still or, as that goes only after the commit, under
 *     snapshots/ already.  So who stands alone has the number.
 *  2. Of those that stand, the one with the lowest id stays, and who asks stays
 *     away from it: however many come, each round commits one.
 *  3. What a dead run left holds nobody up for long.  One that ended has no
 *     lease any more.  One that was killed has: who stands takes a rival for
 *     dead after TURN_DEAD_MS; who asks, after twice that, as its rival may
 *     have waited for a dead one itself.  And not before TURN_DEAD_LOOKS: where
 *     the machine or the store is slow, or all of us were stopped for a while,
 *     a rival that lives needs longer, and so do that many looks.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/clock.h"
#include "engine/crypto/rnd.h"
#include "engine/repo/session_impl.h"

#define TURN_DEAD_MS	3000
#define TURN_DEAD_LOOKS	15	/* more than its steps to the end */
#define TURN_LOOK_MS	50	/* while it stands, between two looks */
#define TURN_WAIT_MS	100	/* after the first try; then twice as much */
#define TURN_WAIT_MAX_MS	600
#define TURN_ALL_MS	300000	/* a backup is worth more than its number */

struct heard {				/* a pending object */
	uint8_t id[ID_BYTES];
	struct run_id run;
	struct lineage_id lineage;
	uint64_t sequence;
	uint64_t since_ms;
	unsigned looks;			/* that met it */
	bool is_rival, has_lease;	/* as of the last look */
};

static void
nap(uint32_t ms)
{
	const struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

static struct heard *
heard_add(struct turn *t, struct err *e)
{
	struct heard *v;
	size_t cap;

	if (t->nheard == t->cap) {
		cap = t->cap == 0 ? 16 : t->cap * 2;
		v = reallocarray(t->heard, cap, sizeof(*v));
		if (v == NULL) {
			(void)err_set(e, ERR_NOMEM, "out of memory");
			return (NULL);
		}
		t->heard = v;
		t->cap = cap;
	}
	return (&t->heard[t->nheard++]);
}

static struct heard *
heard_find(const struct turn *t, const uint8_t id[ID_BYTES])
{
	for (size_t i = 0; i < t->nheard; i++)
		if (id_equal(t->heard[i].id, id))
			return (&t->heard[i]);
	return (NULL);
}

/* Read a pending object, once.  What others leave there that can't be read is a
 * collector's business: then *out is NULL. */
static int
hear(struct turn *t, struct session *s, const uint8_t id[ID_BYTES],
    struct heard **out, struct err *e)
{
	struct err why = ERR_INIT;
	struct buf object = BUF_INIT;
	struct snapshot_id name;
	struct manifest m;
	struct heard *h;
	int ret;

	if ((*out = heard_find(t, id)) != NULL)
		return (0);
	memcpy(name.b, id, ID_BYTES);
	ret = object_load(s->repo->store, "pending", id, SEALED_MAX, &object,
	    &why);
	if (ret == 0)
		ret = manifest_open(s->repo, &t->writers, &name, &object, &m,
		    &why);
	buf_fini(&object);
	if (ret < 0 && !is_object_bad(&why)) {
		*e = why;
		return (-1);
	}
	if (ret != 0)
		return (0);
	h = heard_add(t, e);
	if (h != NULL) {
		*h = (struct heard){ .run = m.run, .lineage = m.lineage,
		    .sequence = m.sequence, .since_ms = clock_mono_ms() };
		memcpy(h->id, id, ID_BYTES);
	}
	manifest_fini(&m);
	*out = h;
	return (h != NULL ? 0 : -1);
}

static int
on_lease(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct turn *t = ctx;
	char hex[RUN_HEX];

	for (size_t i = 0; i < t->nheard; i++) {
		struct heard *h = &t->heard[i];

		(void)hex_emit(hex, h->run.b, sizeof(h->run.b));
		if (strncmp(name + strlen("leases/"), hex, RUN_HEX - 1) == 0)
			h->has_lease = true;
	}
	return (0);
}

/* The rivals that are alive: how many, and is one of them before us? */
struct rivals {
	size_t n;
	bool lower;
};

/* own: NULL while we ask. */
static int
look(struct turn *t, struct session *s, const struct manifest *m,
    const uint8_t *own, struct rivals *out, struct err *e)
{
	uint64_t dead_ms = (uint64_t)interval_ms("VITRINE_TEST_TURN_MS",
	    TURN_DEAD_MS) * (own != NULL ? 1 : 2);
	struct ids ids = { 0 };
	struct heard *h;
	bool some = false;
	int ret;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < t->nheard; i++)
		t->heard[i].is_rival = t->heard[i].has_lease = false;
	ret = ids_list(&ids, s->repo->store, "pending", s->repo->env.log, e);
	for (size_t i = 0; i < ids.n && ret == 0; i++) {
		if (own != NULL && id_equal(ids.v[i], own))
			continue;
		ret = hear(t, s, ids.v[i], &h, e);
		if (ret != 0 || h == NULL || h->sequence != m->sequence ||
		    !id_equal(h->lineage.b, m->lineage.b))
			continue;
		h->is_rival = h->looks < TURN_DEAD_LOOKS ||
		    clock_mono_ms() <= h->since_ms + dead_ms;
		h->looks += h->looks < TURN_DEAD_LOOKS;
		some |= h->is_rival;
	}
	ids_fini(&ids);
	if (ret == 0 && some)
		ret = store_list_names(s->repo->store, "leases", on_lease, t,
		    e);
	for (size_t i = 0; i < t->nheard && ret == 0; i++) {
		h = &t->heard[i];
		if (!h->is_rival || !h->has_lease)
			continue;
		out->n++;
		out->lower |= own != NULL && memcmp(h->id, own, ID_BYTES) < 0;
	}
	return (ret);
}

void
turn_init(struct turn *t)
{
	memset(t, 0, sizeof(*t));
	t->begun_ms = clock_mono_ms();
}

void
turn_fini(struct turn *t)
{
	free(t->heard);
	registry_fini(&t->writers);
	memset(t, 0, sizeof(*t));
}

static bool
is_tired(const struct turn *t)
{
	return (clock_mono_ms() > t->begun_ms + TURN_ALL_MS);
}

int
turn_ask(struct turn *t, struct session *s, const struct manifest *m,
    struct err *e)
{
	struct rivals r;

	if (t->tries == 0 || is_tired(t))
		return (0);
	if (look(t, s, m, NULL, &r, e) != 0)
		return (-1);
	return (r.n > 0 ? TURN_TAKEN : 0);
}

int
turn_stand(struct turn *t, struct session *s, const struct manifest *m,
    const uint8_t own[ID_BYTES], struct err *e)
{
	struct rivals r;

	for (;;) {
		if (is_tired(t))
			return (0);
		if (look(t, s, m, own, &r, e) != 0)
			return (-1);
		if (r.lower)
			return (TURN_TAKEN);
		if (r.n == 0)
			break;
		nap(TURN_LOOK_MS);
	}
	/* In this order: see above. */
	if (snapshots_refresh(s->repo, &s->snaps, e) != 0)
		return (-1);
	for (size_t i = 0; i < s->snaps.n; i++)
		if (id_equal(s->snaps.v[i].lineage.b, m->lineage.b) &&
		    s->snaps.v[i].sequence >= m->sequence)
			return (TURN_TAKEN);
	return (0);
}

void
turn_wait(struct turn *t)
{
	uint32_t ms = TURN_WAIT_MAX_MS;

	if (t->tries < 3)
		ms = (uint32_t)TURN_WAIT_MS << t->tries;
	t->tries++;
	nap(ms / 2 + rnd_below(ms / 2));
}
