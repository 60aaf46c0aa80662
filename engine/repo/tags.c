/*
 * Tags that change.  A manifest never does, and a store may forbid to delete:
 * so a change is a new object under tags/ with the whole new set and a serial
 * number, and the highest counts (vitrine-format(5), TAGS).  What does not
 * verify is left out and said: a snapshot then has the tags before.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/crypto/rnd.h"
#include "engine/repo/impl.h"
#include "engine/repo/manifest_part.h"
#include "engine/repo/records.h"

/*
 * The content.
 */
void
tag_set_fini(struct tag_set *t)
{
	strings_fini(&t->tags);
	memset(t, 0, sizeof(*t));
}

int
tag_set_emit(struct buf *b, const struct tag_set *t, struct err *e)
{
	buf_bytes(b, t->snapshot.b, ID_BYTES);
	buf_u64(b, t->serial);
	strings_emit(b, &t->tags);
	return (buf_ok(b, e));
}

int
tag_set_parse(struct tag_set *out, const void *bytes, size_t len,
    struct err *e)
{
	struct tag_set t = { 0 };
	struct rd r;

	rd_init(&r, bytes, len);
	rd_bytes(&r, t.snapshot.b, ID_BYTES);
	t.serial = rd_u64(&r);
	if (t.serial == 0)
		r.bad = true;
	if (strings_parse(&t.tags, &r, e) != 0) {
		tag_set_fini(&t);
		return (-1);
	}
	for (uint32_t i = 1; i < t.tags.n; i++)
		if (bytes_compare(&t.tags.v[i - 1], &t.tags.v[i]) >= 0)
			r.bad = true;
	if (!rd_end(&r)) {
		tag_set_fini(&t);
		return (err_set(e, ERR_CORRUPT, "the tags object's content is "
		    "not what the format says"));
	}
	*out = t;
	return (0);
}

/*
 * Reading.
 */

/* What one object says. */
struct found {
	uint32_t writer;
	uint8_t id[ID_BYTES];		/* the object's */
	struct tag_set set;		/* owned */
};
struct all {
	struct found *v;		/* owned */
	size_t n;
};

static void
all_fini(struct all *all)
{
	for (size_t i = 0; i < all->n; i++)
		tag_set_fini(&all->v[i].set);
	free(all->v);
}

/* May its writer speak at all?  A put-only writer must be known. */
static int
may_speak(struct repo *repo, struct registry *g, const struct head *h,
    struct err *e)
{
	const struct writer *w;

	if (h->writer == 0) {
		if (h->domain != 0)
			return (err_set(e, ERR_CORRUPT, "a full key's tags in "
			    "domain %u", h->domain));
		return (0);
	}
	if (!g->loaded && registry_load(g, repo, e) != 0)
		return (-1);
	w = registry_find(g, h->writer);
	if (w == NULL || w->record.domain != h->domain)
		return (err_set(e, ERR_CORRUPT, "forged: no key slot knows "
		    "its writer %u", h->writer));
	if (w->revoked)
		return (err_set(e, ERR_CORRUPT, "its writer %u was revoked",
		    h->writer));
	return (0);
}

static int
load_one(struct repo *repo, int cache, struct registry *g, struct found *f,
    struct err *e)
{
	struct buf b = BUF_INIT, content = BUF_INIT;
	struct sealed env;
	int ret;

	ret = objcache_load(cache, repo->store, "tags", f->id, &b, e);
	if (ret == 0)
		ret = sealed_open(&env, &content, repo->ring, OBJECT_TAGS,
		    b.data, b.len, e);
	if (ret == 0)
		ret = may_speak(repo, g, &env.head, e);
	if (ret == 0)
		ret = tag_set_parse(&f->set, content.data, content.len, e);
	if (ret == 0)
		f->writer = env.head.writer;
	buf_fini(&b);
	buf_fini(&content);
	return (ret);
}

static int
load_all(struct repo *repo, const struct ids *ids, struct all *all,
    struct err *e)
{
	int cache = objcache_open(repo, "tags"), ret = 0;
	struct registry g = { 0 };
	struct err why = ERR_INIT;
	char hex[ID_HEX];

	all->v = calloc(ids->n + 1, sizeof(*all->v));
	if (all->v == NULL)
		ret = err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < ids->n && ret == 0; i++) {
		struct found *f = &all->v[all->n];

		memcpy(f->id, ids->v[i], ID_BYTES);
		ret = load_one(repo, cache, &g, f, &why);
		if (ret == 0)
			all->n++;
		else if (ret > 0 || is_object_bad(&why)) {
			/* Gone since it was listed, or bad. */
			if (ret < 0)
				log_say(repo->env.log, LOG_WARNING, "tags/%s "
				    "is left out: %s", hex_emit(hex, f->id,
				    ID_BYTES), err_text(&why));
			ret = 0;
		} else
			*e = why;
	}
	objcache_sweep(cache, ids);
	if (cache >= 0)
		(void)close(cache);
	registry_fini(&g);
	return (ret);
}

static int
found_compare(const void *va, const void *vb)
{
	const struct found *a = va, *b = vb;
	int c = memcmp(a->set.snapshot.b, b->set.snapshot.b, ID_BYTES);

	if (c != 0)
		return (c);
	if (a->set.serial != b->set.serial)
		return (a->set.serial < b->set.serial ? -1 : 1);
	return (memcmp(a->id, b->id, ID_BYTES));
}

/* The last of a snapshot's that counts; its tags are moved. */
static int
apply(struct snapshots *l, struct snapshot *s, struct all *all, struct err *e)
{
	struct snapshot_text *t;
	size_t lo = 0, hi = all->n, mid;
	struct found *best = NULL;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (memcmp(all->v[mid].set.snapshot.b, s->id.b, ID_BYTES) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < all->n &&
	    id_equal(all->v[lo].set.snapshot.b, s->id.b); lo++)
		if (all->v[lo].writer == 0 || all->v[lo].writer == s->writer)
			best = &all->v[lo];
	if (best == NULL)
		return (0);
	t = snapshots_text(l, e);
	if (t == NULL)
		return (-1);
	s->tags = t->tags = best->set.tags;
	s->tag_serial = best->set.serial;
	memset(&best->set.tags, 0, sizeof(best->set.tags));
	return (0);
}

int
tags_apply(struct repo *repo, struct snapshots *l, struct err *e)
{
	struct all all = { 0 };
	struct ids ids;
	int ret;

	if (ids_list(&ids, repo->store, "tags", repo->env.log, e) != 0)
		return (-1);
	ret = load_all(repo, &ids, &all, e);
	ids_fini(&ids);
	if (ret == 0 && all.n > 0) {
		qsort(all.v, all.n, sizeof(*all.v), found_compare);
		for (size_t i = 0; i < l->n && ret == 0; i++)
			ret = apply(l, &l->v[i], &all, e);
	}
	all_fini(&all);
	return (ret);
}

/*
 * Writing.
 */

/* Sorted and distinct, as a view: the bytes stay the caller's. */
static int
put_in_order(struct strings *out, const struct strings *tags, struct err *e)
{
	out->n = 0;
	out->v = calloc((size_t)tags->n + 1, sizeof(*out->v));
	if (out->v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (tags->n > 0)
		memcpy(out->v, tags->v, tags->n * sizeof(*out->v));
	if (tags->n > 1)
		qsort(out->v, tags->n, sizeof(*out->v), bytes_compare);
	for (uint32_t i = 0; i < tags->n; i++)
		if (out->n == 0 || bytes_compare(&out->v[out->n - 1],
		    &out->v[i]) != 0)
			out->v[out->n++] = out->v[i];
	return (0);
}

int
repo_tags_set(struct repo *repo, const struct snapshot *s,
    const struct strings *tags, struct err *e)
{
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct tag_set set = { .snapshot = s->id };
	uint8_t id[ID_BYTES];
	struct run_id run;
	int ret;

	if (must_read(repo, "change tags", e) != 0)
		return (-1);
	if (s->tag_serial == UINT64_MAX)
		return (err_set(e, ERR_LIMIT, "the tags were changed too "
		    "often"));
	set.serial = s->tag_serial + 1;
	rnd_bytes(run.b, sizeof(run.b));
	ret = put_in_order(&set.tags, tags, e);
	if (ret == 0)
		ret = tag_set_emit(&content, &set, e);
	if (ret == 0)
		ret = sealed_emit(&object, repo->ring, OBJECT_TAGS, &run, 0,
		    &content, e);
	if (ret == 0)
		ret = object_put(repo->store, "tags", &object, id, e);
	free(set.tags.v);
	buf_fini(&content);
	buf_fini(&object);
	return (ret);
}
