/*
 * Committing: the writer's dance with collections that may run at any time.
 *
 *	put pending/ID		from now on a collector counts this as a root
 *	list pending/, snapshots/	has somebody else the same number?  Then
 *				wait, or take it back and begin again (turn.c)
 *	list condemned/		(beside them) what is being deleted was decided
 *				before it could see us
 *	(look at each pack)	if our lease lapsed: it may be deleted already
 *	put snapshots/ID	the commit point
 *	see pending/ID		gone: a collector took us for dead; withdraw
 *	remove pending/ID
 *
 * Runs of one user that end at the same time go through it one after the other
 * (state_hold), so that each takes a number of its own in the lineage.
 *
 * A put-only writer can't read manifests, so its lineages' newest sequence and
 * id stand in the state file: what is about to be committed is noted before, so
 * that a crash in between leaves no doubt.
 */
#include "engine/repo/session_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/repo/pack_name.h"
#include "engine/repo/state.h"

static int
list_snapshots(struct session *s, struct err *e)
{
	if (snapshots_refresh(s->repo, &s->snaps, e) != 0) {
		snapshots_fini(&s->snaps);
		s->listed = false;
		return (-1);
	}
	s->listed = true;
	return (0);
}

/* The newest of a lineage: the highest sequence; of equal ones the latest. */
static const struct snapshot *
newest(const struct snapshots *l, const struct lineage_id *lineage)
{
	const struct snapshot *best = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (id_equal(l->v[i].lineage.b, lineage->b) &&
		    (best == NULL || l->v[i].sequence >= best->sequence))
			best = &l->v[i];
	return (best);
}

static int
is_there(struct repo *repo, const char *dir, const uint8_t id[ID_BYTES],
    struct err *e)
{
	char name[OBJECT_NAME_MAX];
	struct store_stat st;

	return (store_stat(repo->store, object_name(name, dir, id), &st, e));
}

static int
local_parent(struct session *s, const struct lineage_id *lineage,
    struct snapshot_id *id, struct manifest *m, struct err *e)
{
	int ret = local_parent_load(s->repo, lineage, id, m, e);

	if (ret != 0)
		return (ret < 0 ? ret : REPO_NO_PARENT);
	ret = is_there(s->repo, "snapshots", id->b, e);
	if (ret != 0)
		manifest_fini(m);
	return (ret > 0 ? REPO_NO_PARENT : ret);
}

int
session_parent(struct session *s, const struct lineage_id *lineage,
    struct snapshot_id *id, struct manifest *m, struct err *e)
{
	const struct snapshot *best;
	struct registry g = { 0 };
	int ret;

	if (keyring_role(s->repo->ring) != ROLE_FULL)
		return (local_parent(s, lineage, id, m, e));
	if (!s->listed && list_snapshots(s, e) != 0)
		return (-1);
	best = newest(&s->snaps, lineage);
	if (best == NULL)
		return (REPO_NO_PARENT);
	/* It was listed under our lease. */
	ret = manifest_load(s->repo, &g, &best->id, m, e);
	registry_fini(&g);
	if (ret == 0)
		*id = best->id;
	return (ret > 0 ? REPO_NO_PARENT : ret);
}

/*
 * What the manifest says of its place in history.
 */

/* The newest forgotten snapshot of a lineage, where all of it was forgotten. */
static int
newest_forgotten(struct repo *repo, const struct lineage_id *lineage,
    uint64_t *sequence, struct snapshot_id *id, struct err *e)
{
	struct forgotten f;

	if (forgotten_load(repo, &f, e) != 0)
		return (-1);
	for (uint32_t i = 0; i < f.n; i++)
		if (id_equal(f.v[i].lineage.b, lineage->b) &&
		    f.v[i].sequence > *sequence) {
			*sequence = f.v[i].sequence;
			*id = f.v[i].id;
		}
	forgotten_fini(&f);
	return (0);
}

static bool
is_forgotten(const struct forgotten *f, const struct snapshot_id *id)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (id_equal(f->v[i].id.b, id->b))
			return (true);
	return (false);
}

/* This user saw a snapshot that is newer than what the store shows.  That one
 * is refused has been said. */
static int
tell_gone(struct session *s, const struct state_lineage *l, struct err *e)
{
	char hex[SHORT_HEX];
	struct forgotten f;

	if (s->gone_said)
		return (0);
	for (size_t i = 0; i < s->snaps.refused; i++)
		if (id_equal(s->snaps.refused_ids[i].b, l->id.b))
			return (0);
	if (forgotten_load(s->repo, &f, e) != 0)
		return (-1);
	if (!is_forgotten(&f, &l->id))
		log_say(s->repo->env.log, LOG_WARNING, "the last snapshot of "
		    "this that this user saw, %s (number %llu), is gone, and "
		    "nothing says that it was forgotten: the repository may "
		    "be an older state of itself; run \"vitrine check\"",
		    short_hex(hex, l->id.b), (unsigned long long)l->sequence);
	s->gone_said = true;
	forgotten_fini(&f);
	return (0);
}

static int
fill_sequence(struct session *s, struct manifest *m, struct err *e)
{
	bool full = keyring_role(s->repo->ring) == ROLE_FULL;
	const struct snapshot *best = NULL;
	struct snapshot_id last = { { 0 } };
	struct state_lineage *l;
	struct err why = ERR_INIT;
	uint64_t sequence = 0;
	struct state state;
	int ret = 0;

	if (full)
		best = newest(&s->snaps, &m->lineage);
	if (best != NULL) {
		sequence = best->sequence;
		last = best->id;
	}
	if (state_load(s->repo, &state, &why) != 0) {
		/* A backup is worth more than its number. */
		log_say(s->repo->env.log, LOG_WARNING, "what this user saw "
		    "before can't be read: %s", err_text(&why));
		memset(&state, 0, sizeof(state));
	}
	l = state_find(&state, &m->lineage);
	if (l != NULL && l->sequence > sequence) {
		if (full)
			ret = tell_gone(s, l, e);
		sequence = l->sequence;
		last = l->id;
	}
	if (ret == 0 && l != NULL && l->try_sequence > sequence) {
		/* A run that died: did it commit? */
		ret = is_there(s->repo, "snapshots", l->try_id.b, e);
		if (ret == 0) {
			sequence = l->try_sequence;
			last = l->try_id;
		}
	}
	state_fini(&state);
	if (ret < 0)
		return (-1);
	if (full && sequence == 0 && newest_forgotten(s->repo, &m->lineage,
	    &sequence, &last, e) != 0)
		return (-1);
	if (sequence == UINT64_MAX)
		return (err_set(e, ERR_LIMIT, "the lineage has no more "
		    "sequence numbers"));
	m->sequence = sequence + 1;
	m->previous = last;
	return (0);
}

/* The newest snapshot of each other lineage; sorted by lineage. */
static int
fill_heads(struct session *s, struct manifest *m, struct err *e)
{
	const struct snapshot **v;
	size_t n = s->snaps.n;

	free(m->heads);
	m->heads = NULL;
	m->nheads = 0;
	if (n == 0)
		return (0);
	v = calloc(n, sizeof(*v));
	m->heads = calloc(n < MANIFEST_HEADS_MAX ? n : MANIFEST_HEADS_MAX,
	    sizeof(*m->heads));
	if (v == NULL || m->heads == NULL) {
		free(v);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	for (size_t i = 0; i < n; i++)
		v[i] = &s->snaps.v[i];
	qsort(v, n, sizeof(*v), snapshot_by_lineage);
	for (size_t i = 0; i < n && m->nheads < MANIFEST_HEADS_MAX; i++) {
		if (i + 1 < n && id_equal(v[i]->lineage.b,
		    v[i + 1]->lineage.b))
			continue;
		if (id_equal(v[i]->lineage.b, m->lineage.b))
			continue;
		m->heads[m->nheads++] = (struct head_seen){ v[i]->lineage,
		    v[i]->sequence, v[i]->id };
	}
	free(v);
	return (0);
}

static int
fill(struct session *s, struct manifest *m, struct err *e)
{
	const struct keyring *ring = s->repo->ring;

	m->writer = keyring_writer(ring);
	m->domain = keyring_domain(ring);
	m->run = s->run;
	memcpy(m->header_digest, s->repo->header.digest, HASH_BYTES);
	lineage_of(&m->lineage, m->writer, &m->host, &m->roots, &m->name);
	store_list_ahead(s->repo->store, NULL, 0);
	if (keyring_role(ring) == ROLE_FULL && list_snapshots(s, e) != 0)
		return (-1);
	if (fill_sequence(s, m, e) != 0)
		return (-1);
	return (fill_heads(s, m, e));
}

/* The object's bytes; for a full key opened again, as every metadatum is. */
static int
emit(struct session *s, const struct manifest *m, struct buf *object,
    struct err *e)
{
	struct buf content = BUF_INIT, again = BUF_INIT;
	struct manifest check;
	struct sealed env;
	int ret;

	ret = manifest_emit(&content, m, e);
	if (ret == 0)
		ret = sealed_emit(object, s->repo->ring, OBJECT_MANIFEST,
		    &s->run, session_counter(s), &content, e);
	if (ret != 0)
		goto out;
	memset(&env, 0, sizeof(env));
	env.head.writer = m->writer;
	env.head.domain = m->domain;
	env.run = m->run;
	ret = manifest_parse(&check, &env, content.data, content.len, e);
	if (ret != 0)
		goto out;
	manifest_fini(&check);
	if (keyring_role(s->repo->ring) != ROLE_FULL)
		goto out;
	ret = sealed_open(&env, &again, s->repo->ring, OBJECT_MANIFEST,
	    object->data, object->len, e);
	if (ret == 0 && (again.len != content.len ||
	    memcmp(again.data, content.data, content.len) != 0))
		ret = err_set(e, ERR_CORRUPT, "a manifest doesn't open to what "
		    "was sealed: is this machine's memory faulty?");
out:
	buf_fini(&content);
	buf_fini(&again);
	return (ret);
}

/*
 * The dance.
 */
struct commit {
	struct session *s;
	struct manifest *m;
	session_packs_fn *packs;	/* gives those that it needs */
	void *ctx;
	struct turn turn;
};
struct look {
	struct session *s;
	struct ids deleting;
	bool at_each;			/* at the store, too */
};

static int
look_at_pack(void *ctx, const struct pack_id *id, struct err *e)
{
	struct look *k = ctx;
	char name[PACK_NAME_BYTES], hex[SHORT_HEX];
	struct store_stat st;
	int ret;

	if (ids_has(&k->deleting, id->b))
		return (err_set(e, ERR_BUSY, "a collection is deleting pack "
		    "%s, which this snapshot needs: run the backup again",
		    short_hex(hex, id->b)));
	if (!k->at_each)
		return (0);
	ret = store_stat(k->s->repo->store, pack_name(name, id), &st, e);
	if (ret > 0)
		return (err_set(e, ERR_BUSY, "pack %s, which this snapshot "
		    "needs, was collected while this machine slept: run the "
		    "backup again", short_hex(hex, id->b)));
	return (ret);
}

static int
look_at_packs(const struct commit *c, struct err *e)
{
	struct look k = { .s = c->s };
	int ret;

	ret = condemned_load(c->s->repo, CONDEMNED_DELETING, &k.deleting, e);
	k.at_each = lease_has_lapsed(c->s);
	if (ret == 0 && (k.deleting.n > 0 || k.at_each))
		ret = c->packs(c->ctx, look_at_pack, &k, e);
	ids_fini(&k.deleting);
	return (ret < 0 ? ret : 0);
}

static void
drop_pending(struct session *s, const uint8_t id[ID_BYTES])
{
	char name[OBJECT_NAME_MAX];
	struct err e = ERR_INIT;

	int ret = store_remove(s->repo->store, object_name(name, "pending", id),
	    &e);

	if (ret == STORE_KEPT)
		session_kept(s);
	else if (ret < 0)
		log_say(s->repo->env.log, LOG_NOTICE, "%s stays until a "
		    "collection removes it: %s", name, err_text(&e));
}

/* Take the snapshot back; the error says why, or that it could not be. */
static int
withdraw(struct session *s, const uint8_t id[ID_BYTES], struct err *e)
{
	char name[OBJECT_NAME_MAX];
	struct err why = ERR_INIT;

	int ret = store_remove(s->repo->store, object_name(name, "snapshots",
	    id), &why);

	if (ret == STORE_KEPT)
		(void)err_set(&why, ERR_REMOTE, "the store forbids it");
	if (ret < 0 || ret == STORE_KEPT)
		(void)err_wrap(e, "%s could not be withdrawn (%s) and may lack "
		    "packs", name, err_text(&why));
	return (-1);
}

static int
publish(struct commit *c, const struct buf *object, uint8_t id[ID_BYTES],
    struct err *e)
{
	/* Not snapshots/: that is listed after pending/ (turn.c). */
	static const char *const beside[] = { "pending", "condemned" };
	struct session *s = c->s;
	bool full = keyring_role(s->repo->ring) == ROLE_FULL;
	struct err again = ERR_INIT;
	uint8_t pending[ID_BYTES];
	int ret = 0;

	if (full && (ret = turn_ask(&c->turn, s, c->m, e)) != 0)
		return (ret);
	if (object_put(s->repo->store, "pending", object, pending, e) != 0)
		return (-1);
	if (full) {
		store_list_ahead(s->repo->store, beside, 2);
		ret = turn_stand(&c->turn, s, c->m, pending, e);
	}
	if (ret == 0)
		ret = look_at_packs(c, e);
	if (ret != 0) {
		drop_pending(s, pending);
		return (ret);
	}
	/* Should this fail without our knowing whether it is there, then
	 * pending still protects what it needs. */
	if (object_put(s->repo->store, "snapshots", object, id, e) != 0)
		return (-1);
	ret = is_there(s->repo, "pending", id, e);
	if (ret < 0) {
		ret = is_there(s->repo, "pending", id, &again);
		if (ret < 0)
			return (withdraw(s, id, e));
	}
	if (ret > 0) {
		(void)err_set(e, ERR_BUSY, "a collection took this run for "
		    "dead: run the backup again");
		return (withdraw(s, id, e));
	}
	drop_pending(s, id);
	return (0);
}

/*
 * What is remembered.
 */
struct remember {
	const struct manifest *m;
	const struct snapshot_id *id;
	bool done;
};

static int
remember(void *ctx, struct state *state, struct err *e)
{
	const struct remember *r = ctx;
	struct state_lineage *l = state_entry(state, &r->m->lineage, e);

	if (l == NULL)
		return (-1);
	if (!r->done) {
		l->try_sequence = r->m->sequence;
		l->try_id = *r->id;
		return (0);
	}
	if (r->m->sequence > l->sequence) {
		l->sequence = r->m->sequence;
		l->id = *r->id;
	}
	if (id_equal(l->try_id.b, r->id->b)) {
		l->try_sequence = 0;
		memset(&l->try_id, 0, sizeof(l->try_id));
	}
	return (0);
}

/* Put-only keys: before the commit.  Without it the snapshot is as good; only
 * its number may look like another's. */
static void
remember_try(struct session *s, const struct manifest *m,
    const struct snapshot_id *id)
{
	struct remember r = { m, id, false };
	struct err e = ERR_INIT;

	if (s->repo->env.state_dir == NULL)
		log_say(s->repo->env.log, LOG_WARNING, "a put-only key without "
		    "a state directory: each snapshot will look like the first "
		    "of its lineage");
	else if (state_update(s->repo, remember, &r, &e) != 0)
		log_say(s->repo->env.log, LOG_WARNING, "the number of this "
		    "snapshot can't be remembered: %s", err_text(&e));
}

static void
remember_done(struct session *s, const struct manifest *m,
    const struct snapshot_id *id)
{
	struct remember r = { m, id, true };
	struct err e = ERR_INIT;

	if (state_update(s->repo, remember, &r, &e) != 0)
		log_say(s->repo->env.log, LOG_WARNING, "what was committed is "
		    "not remembered: %s", err_text(&e));
	if (keyring_role(s->repo->ring) != ROLE_FULL &&
	    local_parent_store(s->repo, id, m, &e) != 0)
		log_say(s->repo->env.log, LOG_WARNING, "the next backup will "
		    "read everything again: %s", err_text(&e));
}

static int
try_commit(struct commit *c, struct snapshot_id *out, struct err *e)
{
	struct buf object = BUF_INIT;
	int ret = -1;

	if (fill(c->s, c->m, e) == 0 && emit(c->s, c->m, &object, e) == 0) {
		hash_bytes(out->b, object.data, object.len);
		if (keyring_role(c->s->repo->ring) != ROLE_FULL)
			remember_try(c->s, c->m, out);
		ret = publish(c, &object, out->b, e);
	}
	buf_fini(&object);
	return (ret);
}

int
session_commit(struct session *s, struct manifest *m, session_packs_fn *packs,
    void *ctx, struct snapshot_id *out, struct err *e)
{
	struct commit c = { .s = s, .m = m, .packs = packs, .ctx = ctx };
	struct snapshot_id id;
	int held, ret;

	/* Nobody may have asked; that it failed is to be heard all the same. */
	if (session_packs(s, e) != 0)
		return (-1);
	held = state_hold(s->repo);
	turn_init(&c.turn);
	while ((ret = try_commit(&c, &id, e)) == TURN_TAKEN)
		turn_wait(&c.turn);
	turn_fini(&c.turn);
	if (ret == 0) {
		remember_done(s, m, &id);
		*out = id;
	}
	if (held >= 0)
		(void)close(held);
	return (ret < 0 ? err_wrap(e, "committing the snapshot") : 0);
}
