/*
 * A store that lies: it can't forge, but it can leave things out or show an
 * older state.  What snapshots say of each other, and what this user saw
 * before, is compared with what is listed.  Tombstones explain what was taken
 * away on purpose.
 */
#include "engine/repo/impl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/repo/records.h"
#include "engine/repo/state.h"

struct history {
	struct repo *repo;
	const struct snapshots *list;	/* NULL for a put-only key */
	const struct snapshot **v;	/* owned; by lineage, sequence */
	struct forgotten forgotten;
	struct ids present;		/* listed, refused and forgotten ids */
	struct ids told;		/* missing ids that were said */
	repo_lie_fn *fn;
	void *ctx;
	size_t findings;
};

static void tell(struct history *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void tell_odd(struct history *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
__attribute__((format(printf, 3, 0)))
say(struct history *h, bool lie, const char *fmt, va_list ap)
{
	char text[1024];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	h->findings += lie;
	h->fn(h->ctx, lie, text);
}

static void
tell(struct history *h, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(h, true, fmt, ap);
	va_end(ap);
}

/* What no store can bring about. */
static void
tell_odd(struct history *h, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(h, false, fmt, ap);
	va_end(ap);
}

static int
by_sequence(const void *va, const void *vb)
{
	const struct snapshot *const *a = va, *const *b = vb;
	int c = memcmp((*a)->lineage.b, (*b)->lineage.b, ID_BYTES);

	if (c != 0)
		return (c);
	if ((*a)->sequence != (*b)->sequence)
		return ((*a)->sequence < (*b)->sequence ? -1 : 1);
	return (memcmp((*a)->id.b, (*b)->id.b, ID_BYTES));
}

static int
prepare(struct history *h, struct err *e)
{
	const struct snapshots *l = h->list;

	if (l == NULL)
		return (0);
	if (forgotten_load(h->repo, &h->forgotten, e) != 0)
		return (-1);
	h->v = calloc(l->n + 1, sizeof(*h->v));
	if (h->v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < l->n; i++) {
		h->v[i] = &l->v[i];
		if (ids_add(&h->present, l->v[i].id.b, e) != 0)
			return (-1);
	}
	/* They come by time: where there is one lineage, that is its order. */
	for (size_t i = 1; i < l->n; i++)
		if (by_sequence(&h->v[i - 1], &h->v[i]) > 0) {
			qsort(h->v, l->n, sizeof(*h->v), by_sequence);
			break;
		}
	for (size_t i = 0; i < l->refused; i++)
		if (ids_add(&h->present, l->refused_ids[i].b, e) != 0)
			return (-1);
	for (uint32_t i = 0; i < h->forgotten.n; i++)
		if (ids_add(&h->present, h->forgotten.v[i].id.b, e) != 0)
			return (-1);
	ids_sort(&h->present);
	return (0);
}

/* "host, /root and others", for a person. */
static const char *
lineage_text(const struct snapshot *s, char text[256])
{
	(void)snprintf(text, 256, "%.80s:%.120s%s", s->host.p,
	    s->roots.n > 0 ? s->roots.v[0].p : "",
	    s->roots.n > 1 ? " and others" : "");
	return (text);
}

/* How many sequence numbers from a to b (both included) have a tombstone? */
static uint64_t
tombstones(const struct history *h, const struct lineage_id *l, uint64_t a,
    uint64_t b)
{
	const struct forgotten *f = &h->forgotten;
	uint64_t n = 0, last = 0;
	uint32_t lo = 0, hi = f->n;

	/* The first of (l, a) or behind: they are sorted. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = memcmp(f->v[mid].lineage.b, l->b, ID_BYTES);

		if (c < 0 || (c == 0 && f->v[mid].sequence < a))
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < f->n && id_equal(f->v[lo].lineage.b, l->b) &&
	    f->v[lo].sequence <= b; lo++)
		if (f->v[lo].sequence != last) {
			n++;
			last = f->v[lo].sequence;
		}
	return (n);
}

/* Numbers a to b of the lineage are not listed; is that explained? */
static void
check_gap(struct history *h, const struct snapshot *next, uint64_t a,
    uint64_t b)
{
	char text[256];

	if (a > b || tombstones(h, &next->lineage, a, b) == b - a + 1)
		return;
	/* Narrow it to what is not explained: as many steps as tombstones. */
	while (tombstones(h, &next->lineage, a, a) > 0)
		a++;
	while (tombstones(h, &next->lineage, b, b) > 0)
		b--;
	/* One that was refused was said already. */
	if (a == b && ids_has(&h->present, next->previous.b))
		return;
	if (a == b)
		tell(h, "snapshot number %llu of %s is missing, and nothing "
		    "says that it was forgotten", (unsigned long long)a,
		    lineage_text(next, text));
	else
		tell(h, "snapshots among numbers %llu to %llu of %s are "
		    "missing, and nothing says that they were forgotten",
		    (unsigned long long)a, (unsigned long long)b,
		    lineage_text(next, text));
}

/* One lineage: v[0 .. n - 1], by sequence. */
static void
check_lineage(struct history *h, const struct snapshot **v, size_t n)
{
	uint64_t expected = 1, twice = 0, first = 0;
	char text[256], hex[SHORT_HEX];

	for (size_t i = 0; i < n; i++) {
		const struct snapshot *s = v[i];

		if (i > 0 && s->sequence == v[i - 1]->sequence) {
			if (twice++ == 0)
				first = s->sequence;
			continue;
		}
		if (s->sequence > expected)
			check_gap(h, s, expected, s->sequence - 1);
		else if (i > 0 && !id_equal(s->previous.b, v[i - 1]->id.b) &&
		    !ids_has(&h->present, s->previous.b))
			tell(h, "snapshot %s of %s does not follow the one "
			    "before it: history was forked or rolled back",
			    short_hex(hex, s->id.b), lineage_text(s, text));
		expected = s->sequence + 1;
	}
	/* Such a client reads nothing from the store: where it goes on from is
	 * its own state alone, and nobody else can seal with its key. */
	if (twice > 0 && v[0]->writer != 0)
		tell_odd(h, "%s, written with a put-only key, has %llu "
		    "sequence numbers twice (from %llu on): that client lost "
		    "its state directory and began to count anew, or somebody "
		    "else has its key", lineage_text(v[0], text),
		    (unsigned long long)twice, (unsigned long long)first);
	else if (twice > 0)
		tell(h, "%s has %llu sequence numbers twice (from %llu on): "
		    "history was forked, or two backups of it ran at one time",
		    lineage_text(v[0], text), (unsigned long long)twice,
		    (unsigned long long)first);
}

static void
check_lineages(struct history *h)
{
	size_t n = h->list->n, to;

	for (size_t from = 0; from < n; from = to) {
		for (to = from + 1; to < n && id_equal(h->v[from]->lineage.b,
		    h->v[to]->lineage.b); to++)
			;
		check_lineage(h, h->v + from, to - from);
	}
}

/* Somebody saw that snapshot; is it there? */
static int
check_seen(struct history *h, const struct snapshot_id *id, uint64_t sequence,
    const char *who, struct err *e)
{
	char hex[SHORT_HEX];

	if (sequence == 0 || ids_has(&h->present, id->b))
		return (0);
	for (size_t i = 0; i < h->told.n; i++)
		if (id_equal(h->told.v[i], id->b))
			return (0);
	tell(h, "snapshot %s (number %llu of its lineage) was seen by %s, is "
	    "gone, and nothing says that it was forgotten",
	    short_hex(hex, id->b), (unsigned long long)sequence, who);
	return (ids_add(&h->told, id->b, e));
}

static int
check_all_seen(struct history *h, const struct state *state, struct err *e)
{
	for (uint32_t i = 0; i < state->n; i++)
		if (check_seen(h, &state->v[i].id, state->v[i].sequence,
		    "this user", e) != 0)
			return (-1);
	for (size_t i = 0; i < h->list->nheads; i++)
		if (check_seen(h, &h->list->heads[i].id,
		    h->list->heads[i].sequence, "the writer of another "
		    "snapshot", e) != 0)
			return (-1);
	return (0);
}

static void
check_header(struct history *h, const struct state *state)
{
	const struct repo_header *now = &h->repo->header;

	if (state->revision > now->revision)
		tell(h, "the repository's header went back from revision %u to "
		    "%u", state->revision, now->revision);
	else if (state->revision == now->revision &&
	    memcmp(state->digest, now->digest, HASH_BYTES) != 0)
		tell(h, "the repository's header is another than was seen "
		    "before, under the same revision %u", now->revision);
	else if (h->list != NULL && h->list->other_header > 0 &&
	    now->revision == 1)
		tell(h, "%zu snapshots name a later header than the "
		    "repository's: it was rolled back", h->list->other_header);
}

/* Never forget the newer for the older: a lie is told until it is explained. */
static int
remember(void *ctx, struct state *state, struct err *e)
{
	const struct history *h = ctx;
	const struct repo_header *now = &h->repo->header;
	int ret = 1;

	if (now->revision > state->revision) {
		state->revision = now->revision;
		memcpy(state->digest, now->digest, HASH_BYTES);
		ret = 0;
	}
	for (size_t i = 0; h->list != NULL && i < h->list->n; i++) {
		const struct snapshot *s = h->v[i];
		struct state_lineage *l;

		if (i + 1 < h->list->n && id_equal(s->lineage.b,
		    h->v[i + 1]->lineage.b))
			continue;
		l = state_entry(state, &s->lineage, e);
		if (l == NULL)
			return (-1);
		if (s->sequence > l->sequence) {
			l->sequence = s->sequence;
			l->id = s->id;
			ret = 0;
		}
	}
	return (ret);
}

int
repo_check_history(struct repo *repo, const struct snapshots *list,
    repo_lie_fn *fn, void *ctx, size_t *findings, struct err *e)
{
	struct history h = { .repo = repo, .list = list, .fn = fn, .ctx = ctx };
	struct state state = { 0 };
	struct err why = ERR_INIT;
	bool known = true;
	int ret = -1;

	if (keyring_role(repo->ring) != ROLE_FULL)
		h.list = NULL;
	if (prepare(&h, e) != 0)
		goto out;
	/* Who wants his files back is to get them.  What can't be read is left
	 * as it is. */
	if (state_load(repo, &state, &why) != 0) {
		log_say(repo->env.log, LOG_WARNING, "what this user saw before "
		    "can't be read, so that an older state of the repository "
		    "is not noticed: %s", err_text(&why));
		memset(&state, 0, sizeof(state));
		known = false;
	}
	check_header(&h, &state);
	if (h.list != NULL) {
		check_lineages(&h);
		if (check_all_seen(&h, &state, e) != 0)
			goto out;
	}
	if (known && state_update(repo, remember, &h, &why) != 0)
		log_say(repo->env.log, LOG_WARNING, "what was seen is not "
		    "remembered: %s", err_text(&why));
	*findings = h.findings;
	ret = 0;
out:
	state_fini(&state);
	forgotten_fini(&h.forgotten);
	ids_fini(&h.present);
	ids_fini(&h.told);
	free(h.v);
	return (ret);
}
