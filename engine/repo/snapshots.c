/*
 * Listing and loading snapshots.  A manifest counts if its bytes have its name,
 * its writer's MAC holds, its content parses, and the writer may say what it
 * says; all else is refused by itself, so that one bad object never hides the
 * good ones.
 *
 * Sealed manifests are cached as they are: the cache is no truth, a cached copy
 * passes the same checks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/repo/impl.h"
#include "engine/repo/listed.h"

/* So many manifests are read one by one before the list is used or written
 * anew. */
#define FEW_FRESH	16
#define WRITES_SWEPT	64	/* of the list, from one sweep to the next */

int
must_read(const struct repo *repo, const char *what, struct err *e)
{
	if (keyring_role(repo->ring) == ROLE_FULL)
		return (0);
	return (err_set(e, ERR_AUTH, "this is a put-only key: it can't %s; "
	    "use a full key", what));
}

bool
is_object_bad(const struct err *e)
{
	return (e->code == ERR_CORRUPT || e->code == ERR_VERSION ||
	    e->code == ERR_LIMIT || (e->code == ERR_SYS && e->sys == EIO));
}

/*
 * One manifest.
 */

/* May its writer say this? */
static int
may_write(struct repo *repo, struct registry *g, const struct snapshot_id *id,
    const struct manifest *m, struct err *e)
{
	const struct writer *w;

	if (m->writer == 0) {
		if (m->domain != 0)
			return (err_set(e, ERR_CORRUPT, "a full key's manifest "
			    "in domain %u", m->domain));
		return (0);
	}
	if (!g->loaded && registry_load(g, repo, e) != 0)
		return (-1);
	w = registry_find(g, m->writer);
	if (w == NULL)
		return (err_set(e, ERR_CORRUPT, "forged: no key slot or "
		    "revocation knows its writer %u", m->writer));
	if (m->domain != w->record.domain)
		return (err_set(e, ERR_CORRUPT, "forged: writer %u writes in "
		    "domain %u, not %u", m->writer, w->record.domain,
		    m->domain));
	if (m->host.len != strlen(w->record.host) ||
	    memcmp(m->host.p, w->record.host, m->host.len) != 0)
		return (err_set(e, ERR_CORRUPT, "forged: writer %u may write "
		    "for host \"%s\" only, this says \"%.64s\"", m->writer,
		    w->record.host, m->host.p));
	if (w->revoked && !ids_has(&w->kept, id->b))
		return (err_set(e, ERR_CORRUPT, "writer %u (host \"%s\") was "
		    "revoked before it was accepted", m->writer,
		    w->record.host));
	return (0);
}

int
manifest_open(struct repo *repo, struct registry *g,
    const struct snapshot_id *id, const struct buf *object,
    struct manifest *out, struct err *e)
{
	struct buf content = BUF_INIT;
	struct manifest m = { 0 };
	struct lineage_id lineage;
	struct sealed env;
	int ret;

	ret = sealed_open(&env, &content, repo->ring, OBJECT_MANIFEST,
	    object->data, object->len, e);
	if (ret == 0)
		ret = manifest_parse(&m, &env, content.data, content.len, e);
	buf_fini(&content);
	if (ret != 0)
		return (ret);
	lineage_of(&lineage, m.writer, &m.host, &m.roots, &m.name);
	if (!id_equal(lineage.b, m.lineage.b))
		ret = err_set(e, ERR_CORRUPT, "forged: it claims a lineage "
		    "that is not that of its writer, host, roots and name");
	if (ret == 0)
		ret = may_write(repo, g, id, &m, e);
	if (ret != 0) {
		manifest_fini(&m);
		return (ret);
	}
	*out = m;
	return (0);
}

static int
load_through(struct repo *repo, int cache, struct registry *g,
    const struct snapshot_id *id, struct manifest *m, struct err *e)
{
	struct buf b = BUF_INIT;
	int ret;

	ret = objcache_load(cache, repo->store, "snapshots", id->b, &b, e);
	if (ret == 0)
		ret = manifest_open(repo, g, id, &b, m, e);
	buf_fini(&b);
	return (ret);
}

int
manifest_load(struct repo *repo, struct registry *g,
    const struct snapshot_id *id, struct manifest *m, struct err *e)
{
	int cache = objcache_open(repo, "manifests"), ret;

	ret = load_through(repo, cache, g, id, m, e);
	if (cache >= 0)
		(void)close(cache);
	return (ret);
}

int
repo_manifest(struct repo *repo, const struct snapshot_id *id,
    struct manifest *m, struct err *e)
{
	char name[OBJECT_NAME_MAX], hex[SHORT_HEX];
	struct registry g = { 0 };
	struct store_stat st;
	int ret;

	if (must_read(repo, "read snapshots", e) != 0)
		return (-1);
	/* The cache may know what the store has no more. */
	ret = store_stat(repo->store, object_name(name, "snapshots", id->b),
	    &st, e);
	if (ret == 0)
		ret = manifest_load(repo, &g, id, m, e);
	registry_fini(&g);
	if (ret < 0)
		return (err_wrap(e, "snapshot %s", short_hex(hex, id->b)));
	return (ret);
}

/*
 * The list.
 */
struct snapshot_text *
snapshots_text(struct snapshots *l, struct err *e)
{
	struct snapshot_text **v, *t = calloc(1, sizeof(*t));
	size_t cap;

	if (t != NULL && l->ntexts == l->texts_cap) {
		cap = l->texts_cap == 0 ? 16 : l->texts_cap * 2;
		v = reallocarray(l->texts, cap, sizeof(*v));
		if (v == NULL) {
			free(t);
			t = NULL;
		} else {
			l->texts = v;
			l->texts_cap = cap;
		}
	}
	if (t == NULL) {
		(void)err_set(e, ERR_NOMEM, "out of memory");
		return (NULL);
	}
	l->texts[l->ntexts++] = t;
	return (t);
}

void
snapshots_fini(struct snapshots *l)
{
	for (size_t i = 0; i < l->ntexts; i++) {
		struct snapshot_text *t = l->texts[i];

		free(t->host.p);
		free(t->user.p);
		free(t->name.p);
		strings_fini(&t->roots);
		strings_fini(&t->tags);
		free(t);
	}
	free(l->texts);
	free(l->v);
	free(l->refused_ids);
	free(l->heads);
	memset(l, 0, sizeof(*l));
}

void
snapshot_say(struct snapshot *s, const struct snapshot_text *t)
{
	s->host = t->host;
	s->user = t->user;
	s->name = t->name;
	s->roots = t->roots;
	s->tags = t->tags;
}

void
snapshot_count(struct snapshot *s, const struct manifest *m)
{
	s->files = m->files;
	s->dirs = m->dirs;
	s->others = m->others;
	s->bytes = m->bytes;
	s->unread = m->unread;
	s->bytes_new = m->bytes_new;
	s->bytes_added = m->bytes_added;
}

/* What a listing needs of the manifest; its strings move into t. */
static void
snapshot_take(struct snapshot *s, struct snapshot_text *t,
    const struct snapshot_id *id, struct manifest *m)
{
	memset(s, 0, sizeof(*s));
	s->id = *id;
	s->writer = m->writer;
	s->sequence = m->sequence;
	s->lineage = m->lineage;
	s->previous = m->previous;
	s->time = m->time;
	s->flags = m->flags;
	snapshot_count(s, m);
	t->host = m->host;
	t->user = m->user;
	t->name = m->name;
	t->roots = m->roots;
	t->tags = m->tags;
	memset(&m->host, 0, sizeof(m->host));
	memset(&m->user, 0, sizeof(m->user));
	memset(&m->name, 0, sizeof(m->name));
	memset(&m->roots, 0, sizeof(m->roots));
	memset(&m->tags, 0, sizeof(m->tags));
	snapshot_say(s, t);
}

/* Keep the newest head of each lineage. */
static int
note_head(struct snapshots *l, const struct head_seen *h, struct err *e)
{
	size_t lo = 0, hi = l->nheads;
	struct head_seen *v;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(l->heads[mid].lineage.b, h->lineage.b,
		    ID_BYTES) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < l->nheads && id_equal(l->heads[lo].lineage.b,
	    h->lineage.b)) {
		if (l->heads[lo].sequence < h->sequence)
			l->heads[lo] = *h;
		return (0);
	}
	v = reallocarray(l->heads, l->nheads + 1, sizeof(*v));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	l->heads = v;
	memmove(&v[lo + 1], &v[lo], (l->nheads - lo) * sizeof(*v));
	v[lo] = *h;
	l->nheads++;
	return (0);
}

static int
note_refused(struct snapshots *l, const struct snapshot_id *id, struct err *e)
{
	struct snapshot_id *v = reallocarray(l->refused_ids, l->refused + 1,
	    sizeof(*v));

	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	l->refused_ids = v;
	v[l->refused++] = *id;
	return (0);
}

/* Which header did the writer know? */
static void
note_header(const struct repo *repo, struct snapshots *l,
    const uint8_t digest[HASH_BYTES])
{
	if (memcmp(digest, repo->header.digest, HASH_BYTES) != 0)
		l->other_header++;
}

/* A verified manifest joins, and the file for the next time; takes it. */
static int
take_one(struct repo *repo, struct snapshots *l, struct listed *listed,
    const struct snapshot_id *id, struct manifest *m, struct err *e)
{
	struct snapshot *s = &l->v[l->n];
	struct snapshot_text *t = snapshots_text(l, e);
	int ret = t == NULL ? -1 : 0;

	if (m->writer == 0)
		note_header(repo, l, m->header_digest);
	for (uint32_t i = 0; m->writer == 0 && i < m->nheads && ret == 0; i++)
		ret = note_head(l, &m->heads[i], e);
	if (ret == 0) {
		snapshot_take(s, t, id, m);
		if (listed != NULL && m->writer == 0)
			listed_add(listed, s, t, m);
		l->n++;
	}
	manifest_fini(m);
	return (ret);
}

/* One that the file of the cache has.  1: it hasn't. */
static int
take_listed(struct repo *repo, struct snapshots *l, struct listed *listed,
    const struct snapshot_id *id, struct err *e)
{
	struct listed_said said;
	struct head_seen h;
	int ret = listed_find(listed, id, &l->v[l->n], &said);

	if (ret != 0)
		return (ret);
	note_header(repo, l, said.header_digest);
	for (uint32_t i = 0; i < said.nheads && ret == 0; i++) {
		listed_head(&said, &h);
		ret = note_head(l, &h, e);
	}
	if (ret == 0)
		l->n++;
	return (ret);
}

static int
add_one(struct repo *repo, int cache, struct registry *g, struct snapshots *l,
    struct listed *listed, const struct snapshot_id *id, struct err *e)
{
	struct err why = ERR_INIT;
	struct manifest m = { 0 };
	char hex[ID_HEX];
	int ret;

	ret = listed == NULL ? 1 : take_listed(repo, l, listed, id, e);
	if (ret <= 0)
		return (ret);
	ret = load_through(repo, cache, g, id, &m, &why);
	if (ret == STORE_ABSENT) {
		log_say(repo->env.log, LOG_NOTICE, "snapshot %s vanished while "
		    "it was listed", hex_emit(hex, id->b, ID_BYTES));
		return (0);
	}
	if (ret < 0 && is_object_bad(&why)) {
		log_say(repo->env.log, LOG_WARNING, "snapshot %s is refused: "
		    "%s", hex_emit(hex, id->b, ID_BYTES), err_text(&why));
		return (note_refused(l, id, e));
	}
	if (ret < 0) {
		*e = why;
		return (err_wrap(e, "snapshot %s", hex_emit(hex, id->b,
		    (SHORT_HEX - 1) / 2)));
	}
	return (take_one(repo, l, listed, id, &m, e));
}

/*
 * The fresh ones, out of the list as far as they are in it.  *sweep: look for
 * what the cache has too much.  That reads as many names as there are
 * snapshots.  What the list had is dropped where it is written anew; so only
 * where there was none, and now and then, for what never was in it.
 */
static int
add_fresh(struct repo *repo, int cache, struct snapshots *l,
    const struct ids *fresh, bool all, bool *sweep, struct err *e)
{
	bool use = cache >= 0 && all && fresh->n >= FEW_FRESH;
	struct registry g = { 0 };
	struct listed listed = { 0 };
	int ret = 0;

	if (use)
		listed_load(&listed, l, repo, cache);
	*sweep = all && (!use || listed.writes == 0);
	for (size_t i = 0; i < fresh->n && ret == 0; i++) {
		struct snapshot_id id;

		memcpy(id.b, fresh->v[i], ID_BYTES);
		ret = add_one(repo, cache, &g, l, use ? &listed : NULL, &id,
		    e);
	}
	if (ret == 0 && use && listed_is_stale(&listed)) {
		listed_store(&listed, repo, cache, fresh);
		*sweep |= listed.writes % WRITES_SWEPT == 0;
	}
	listed_fini(&listed);
	registry_fini(&g);
	return (ret);
}

static int
snapshot_compare(const void *va, const void *vb)
{
	const struct snapshot *a = va, *b = vb;
	int c = stamp_compare(&a->time, &b->time);

	return (c != 0 ? c : memcmp(a->id.b, b->id.b, ID_BYTES));
}

int
snapshot_by_lineage(const void *va, const void *vb)
{
	const struct snapshot *const *a = va, *const *b = vb;
	int c = memcmp((*a)->lineage.b, (*b)->lineage.b, ID_BYTES);

	if (c != 0)
		return (c);
	return ((*a)->sequence < (*b)->sequence ? -1 :
	    (*a)->sequence > (*b)->sequence);
}

/* Leave in `l' what is present, and in `fresh' what it does not hold. */
static int
keep_present(struct snapshots *l, const struct ids *present, struct ids *fresh,
    struct err *e)
{
	bool *known = calloc(present->n + 1, sizeof(*known));
	size_t n = 0, at;
	int ret = 0;

	if (known == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < l->n; i++)
		if (ids_find(present, l->v[i].id.b, &at)) {
			known[at] = true;
			if (n != i)
				l->v[n] = l->v[i];
			n++;
		}
	l->n = n;
	for (size_t i = 0; i < l->refused; i++)
		if (ids_find(present, l->refused_ids[i].b, &at))
			known[at] = true;
	for (size_t i = 0; i < present->n && ret == 0; i++)
		if (!known[i])
			ret = ids_add(fresh, present->v[i], e);
	free(known);
	return (ret);
}

int
snapshots_refresh(struct repo *repo, struct snapshots *l, struct err *e)
{
	struct ids present = { 0 }, fresh = { 0 };
	struct snapshot *v;
	int cache = -1, ret = -1;
	bool all, sweep;

	if (ids_list(&present, repo->store, "snapshots", repo->env.log,
	    e) != 0 || keep_present(l, &present, &fresh, e) != 0)
		goto out;
	v = reallocarray(l->v, l->n + fresh.n + 1, sizeof(*v));
	if (v == NULL) {
		(void)err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	l->v = v;
	all = fresh.n == present.n;
	cache = objcache_open(repo, "manifests");
	if (add_fresh(repo, cache, l, &fresh, all, &sweep, e) != 0)
		goto out;
	if (sweep)
		objcache_sweep(cache, &present);
	if (fresh.n > 0)
		qsort(l->v, l->n, sizeof(*l->v), snapshot_compare);
	ret = 0;
out:
	if (cache >= 0)
		(void)close(cache);
	ids_fini(&present);
	ids_fini(&fresh);
	return (ret);
}

int
repo_snapshots(struct repo *repo, struct snapshots *out, struct err *e)
{
	static const char *const tags = "tags";
	struct snapshots l = { 0 };

	if (must_read(repo, "read or list snapshots", e) != 0)
		return (-1);
	store_list_ahead(repo->store, &tags, 1);
	if (snapshots_refresh(repo, &l, e) != 0 ||
	    tags_apply(repo, &l, e) != 0) {
		snapshots_fini(&l);
		return (-1);
	}
	*out = l;
	return (0);
}

static bool
has_prefix(const struct snapshot *s, const char *prefix, size_t n)
{
	char hex[ID_HEX];

	return (strncmp(hex_emit(hex, s->id.b, ID_BYTES), prefix, n) == 0);
}

int
snapshots_find(const struct snapshots *l, const char *name, size_t *index,
    struct err *e)
{
	char list[8 * (SHORT_HEX + 4) + 16] = "", hex[SHORT_HEX];
	size_t n = strlen(name), found = 0, at = 0, used = 0;

	if (strcmp(name, "latest") == 0) {
		if (l->n == 0)
			return (err_set(e, ERR_ABSENT,
			    "there are no snapshots"));
		*index = l->n - 1;
		return (0);
	}
	if (n == 0 || n > 2 * ID_BYTES ||
	    strspn(name, "0123456789abcdef") != n)
		return (err_set(e, ERR_ABSENT, "\"%s\" is no snapshot: give "
		    "\"latest\" or the first digits of an id", name));
	for (size_t i = 0; i < l->n; i++) {
		if (!has_prefix(&l->v[i], name, n))
			continue;
		if (found++ == 0)
			at = i;
		if (found <= 8)
			used += (size_t)snprintf(list + used,
			    sizeof(list) - used, " %s",
			    short_hex(hex, l->v[i].id.b));
		else if (found == 9)
			used += (size_t)snprintf(list + used,
			    sizeof(list) - used, " ...");
	}
	if (found == 0)
		return (err_set(e, ERR_ABSENT, "no snapshot has an id that "
		    "begins with %s", name));
	if (found > 1)
		return (err_set(e, ERR_USAGE, "%s could be any of%s", name,
		    list));
	*index = at;
	return (0);
}
