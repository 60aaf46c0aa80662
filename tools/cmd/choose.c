/*
 * The list of snapshots, and one of them by the name that the user gives.
 */
#include <string.h>

#include "tools/cmd/cmd.h"
#include "tools/cmd/text.h"

#define FUTURE_S	3600	/* as much as clocks of machines differ */

static void
say_lie(void *ctx, bool lie, const char *text)
{
	struct cmd *c = ctx;

	ui_warn(&c->ui, "warning: %s", text);
}

int
cmd_snapshots(struct cmd *c, struct repo *repo, struct snapshots *snaps,
    struct err *e)
{
	size_t findings = 0;

	if (repo_snapshots(repo, snaps, e) < 0)
		return (-1);
	if (repo_check_history(repo, snaps, say_lie, c, &findings, e) < 0) {
		snapshots_fini(snaps);
		return (-1);
	}
	return (0);
}

static int
compare_ids(const void *a, const void *b)
{
	const struct snapshot *const *x = a, *const *y = b;

	return (memcmp((*x)->id.b, (*y)->id.b, ID_BYTES));
}

/* With how many hexadecimal digits do they begin alike? */
static size_t
alike(const uint8_t *a, const uint8_t *b)
{
	size_t k = 0;

	while (k < ID_BYTES && a[k] == b[k])
		k++;
	return (k == ID_BYTES ? ID_HEX - 1 :
	    2 * k + ((a[k] ^ b[k]) < 16 ? 1 : 0));
}

/* Do no two begin with the same SHORT_ID digits? */
static bool
are_apart(const struct snapshots *snaps)
{
	uint32_t *seen, prefix;
	size_t cap = 64, at;
	bool apart = true;

	while (cap < 2 * snaps->n)
		cap *= 2;
	if ((seen = calloc(cap, sizeof(*seen))) == NULL)
		return (false);
	for (size_t i = 0; i < snaps->n && apart; i++) {
		memcpy(&prefix, snaps->v[i].id.b, SHORT_ID / 2);
		for (at = prefix & (cap - 1); seen[at] != 0 &&
		    seen[at] != prefix; at = (at + 1) & (cap - 1))
			;
		/* 0 is a free place: one id that begins so is sorted. */
		apart = prefix != 0 && seen[at] == 0;
		seen[at] = prefix;
	}
	free(seen);
	return (apart);
}

size_t
short_id_len(const struct snapshots *snaps)
{
	const struct snapshot **v;
	size_t need = SHORT_ID, k;

	if (snaps->n < 2 || are_apart(snaps))
		return (need);
	if ((v = calloc(snaps->n, sizeof(*v))) == NULL)
		return (ID_HEX - 1);
	for (size_t i = 0; i < snaps->n; i++)
		v[i] = &snaps->v[i];
	qsort(v, snaps->n, sizeof(*v), compare_ids);
	for (size_t i = 1; i < snaps->n; i++) {
		k = alike(v[i - 1]->id.b, v[i]->id.b);
		if (k + 1 > need && k < ID_HEX - 1)
			need = k + 1;
	}
	free(v);
	return (need);
}

char *
short_id(char dst[ID_HEX], const uint8_t id[ID_BYTES], size_t digits)
{
	(void)hex_emit(dst, id, ID_BYTES);
	if (digits < ID_HEX)
		dst[digits] = '\0';
	return (dst);
}

/*
 * Filters.
 */
#define VALUES_SHOWN	8

static bool
is_bytes(const struct bytes *b, const char *s)
{
	return (b->len == strlen(s) && memcmp(b->p, s, b->len) == 0);
}

static bool
has_host(const struct snapshot *s, const char *host)
{
	return (is_bytes(&s->host, host));
}

static bool
has_tag(const struct snapshot *s, const char *tag)
{
	for (uint32_t i = 0; i < s->tags.n; i++)
		if (is_bytes(&s->tags.v[i], tag))
			return (true);
	return (false);
}

static bool
has_name(const struct snapshot *s, const char *name)
{
	return (s->name.len > 0 && is_bytes(&s->name, name));
}

bool
snapshot_holds(const struct snapshot *s, const char *path)
{
	for (uint32_t i = 0; i < s->roots.n; i++) {
		const struct bytes *root = &s->roots.v[i];

		if (root->len == 1 || (strncmp(path, root->p, root->len) == 0 &&
		    (path[root->len] == '/' || path[root->len] == '\0')))
			return (true);
	}
	return (false);
}

static bool
fits(const struct cmd *c, const struct snapshot *s)
{
	const struct opt_value *host = opts_get(&c->own, "host");
	const struct opt_value *tag = opts_get(&c->own, "tag");
	const struct opt_value *name = opts_get(&c->own, "name");
	const struct opt_value *path = opts_get(&c->own, "path");
	const struct opt_value *after = opts_get(&c->own, "after");
	const struct opt_value *before = opts_get(&c->own, "before");

	if (host->times > 0 && !has_host(s, host->text))
		return (false);
	if (name->times > 0 && !has_name(s, name->text))
		return (false);
	for (size_t i = 0; i < tag->n; i++)
		if (!has_tag(s, tag->list[i]))
			return (false);
	for (size_t i = 0; i < path->n; i++)
		if (!snapshot_holds(s, path->list[i]))
			return (false);
	if (after->times > 0 && stamp_compare(&s->time, &after->time) < 0)
		return (false);
	return (before->times == 0 ||
	    stamp_compare(&s->time, &before->time) < 0);
}

/* "a, b, c", each once, what the snapshots have. */
struct values {
	struct strings seen;
	struct buf text;
	bool more;
};

static void
add_value(struct values *v, const struct bytes *b)
{
	struct err ignored = ERR_INIT;

	for (uint32_t i = 0; i < v->seen.n; i++)
		if (is_bytes(&v->seen.v[i], b->p))
			return;
	if (v->seen.n == VALUES_SHOWN || v->more) {
		v->more = true;
		return;
	}
	if (v->seen.n > 0)
		buf_bytes(&v->text, ", ", 2);
	buf_bytes(&v->text, b->p, b->len);
	if (strings_add(&v->seen, b->p, b->len, &ignored) < 0)
		v->more = true;
}

/* The kinds of values, as the sentence has them. */
enum kind { KIND_HOST, KIND_NAME, KIND_TAG };
static const struct {
	const char *what, *many;
} words[] = {
	[KIND_HOST] = { "of host", "hosts" },
	[KIND_NAME] = { "with name", "names" },
	[KIND_TAG] = { "with tag", "tags" }
};

static void
add_values(struct values *v, const struct snapshot *s, enum kind kind)
{
	if (kind == KIND_HOST)
		add_value(v, &s->host);
	else if (kind == KIND_NAME && s->name.len > 0)
		add_value(v, &s->name);
	for (uint32_t k = 0; kind == KIND_TAG && k < s->tags.n; k++)
		add_value(v, &s->tags.v[k]);
}

static int
nothing(const struct snapshots *all, enum kind kind, const char *value,
    struct err *e)
{
	struct values v = { .text = BUF_INIT };
	int r;

	for (size_t i = 0; i < all->n; i++)
		add_values(&v, &all->v[i], kind);
	if (v.more)
		buf_bytes(&v.text, ", ...", 5);
	if (v.text.failed || v.text.len == 0)
		r = err_set(e, ERR_ABSENT, "there is no snapshot %s %s",
		    words[kind].what, value);
	else
		r = err_set(e, ERR_ABSENT, "there is no snapshot %s %s; "
		    "there are the %s %.*s", words[kind].what, value,
		    words[kind].many, (int)v.text.len,
		    (const char *)v.text.data);
	buf_fini(&v.text);
	strings_fini(&v.seen);
	return (r);
}

/* Which filter is it that leaves nothing? */
static int
explain(const struct cmd *c, const struct snapshots *all, struct err *e)
{
	const struct opt_value *host = opts_get(&c->own, "host");
	const struct opt_value *name = opts_get(&c->own, "name");
	const struct opt_value *tag = opts_get(&c->own, "tag");
	bool some = host->times == 0;

	for (size_t i = 0; i < all->n && !some; i++)
		some = has_host(&all->v[i], host->text);
	if (!some)
		return (nothing(all, KIND_HOST, host->text, e));
	some = name->times == 0;
	for (size_t i = 0; i < all->n && !some; i++)
		some = has_name(&all->v[i], name->text);
	if (!some)
		return (nothing(all, KIND_NAME, name->text, e));
	for (size_t k = 0; k < tag->n; k++) {
		some = false;
		for (size_t i = 0; i < all->n && !some; i++)
			some = has_tag(&all->v[i], tag->list[k]);
		if (!some)
			return (nothing(all, KIND_TAG, tag->list[k], e));
	}
	return (err_set(e, ERR_ABSENT, "no snapshot fits the filters; "
	    "\"vitrine snapshots\" lists all %zu", all->n));
}

bool
cmd_has_filters(const struct cmd *c)
{
	static const char *const names[] = {
		"host", "name", "tag", "path", "after", "before"
	};

	/* Of a command without them, "host" may mean something else. */
	if (opts_find(c->own.table, "after") == NULL)
		return (false);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (opts_given(&c->own, names[i]))
			return (true);
	return (false);
}

int
cmd_filter(const struct cmd *c, const struct snapshots *all,
    struct snapshots *out, struct err *e)
{
	bool some = cmd_has_filters(c);

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; some && i < opts_get(&c->own, "path")->n; i++)
		if (opts_get(&c->own, "path")->list[i][0] != '/')
			return (err_set(e, ERR_USAGE, "option --path: \"%s\" "
			    "is not absolute",
			    opts_get(&c->own, "path")->list[i]));
	out->v = calloc(all->n + 1, sizeof(*out->v));
	if (out->v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < all->n; i++)
		if (!some || fits(c, &all->v[i]))
			out->v[out->n++] = all->v[i];
	if (out->n > 0 || !some)
		return (0);
	free(out->v);
	out->v = NULL;
	return (explain(c, all, e));
}

/*
 * One of them.
 */
static int
find_in(const struct snapshots *snaps, size_t digits, const char *name,
    struct chosen *out, struct err *e)
{
	size_t i;

	if (snaps->n == 0)
		return (err_set(e, ERR_ABSENT, "there are no snapshots; "
		    "\"vitrine backup\" makes one"));
	if (snapshots_find(snaps, name, &i, e) < 0) {
		if (e->code == ERR_ABSENT &&
		    name[strspn(name, "0123456789abcdef")] == '\0')
			(void)err_set(e, ERR_ABSENT, "no snapshot has an id "
			    "that begins with %s; \"vitrine snapshots\" lists "
			    "them", name);
		return (-1);
	}
	out->id = snaps->v[i].id;
	out->time = snaps->v[i].time;
	(void)short_id(out->name, out->id.b, digits);
	return (0);
}

/* A clock that was wrong for a day would hide for years what is made since. */
static void
say_future(struct cmd *c, const struct chosen *latest)
{
	char when[TEXT_BYTES];

	if (latest->time.s > clock_wall().s + FUTURE_S)
		ui_warn(&c->ui, "warning: the latest snapshot, %s, is of %s, a "
		    "time to come: newer ones may stand before it in \"vitrine "
		    "snapshots\"", latest->name, text_time(when,
		    &latest->time));
}

int
cmd_choose_in(struct cmd *c, const struct snapshots *snaps,
    const char *arg, struct chosen *out, struct err *e)
{
	const char *colon = strchr(arg, ':');
	size_t len = colon != NULL ? (size_t)(colon - arg) : strlen(arg);
	struct snapshots some;
	char name[ID_HEX];
	int r;

	memset(out, 0, sizeof(*out));
	out->has_path = colon != NULL;
	out->path = colon != NULL ? colon + 1 : "";
	if (arg[0] == '/')
		return (err_set(e, ERR_USAGE, "\"%s\" names no snapshot; "
		    "\"latest:%s\" would be that path in the latest", arg,
		    arg));
	if (len == 0 || len >= sizeof(name))
		return (err_set(e, ERR_USAGE, "\"%s\" names no snapshot: give "
		    "\"latest\" or the first digits of an id, then :PATH",
		    arg));
	memcpy(name, arg, len);
	name[len] = '\0';
	if (cmd_has_filters(c)) {
		if (cmd_filter(c, snaps, &some, e) < 0)
			return (-1);
		r = find_in(&some, short_id_len(snaps), name, out, e);
		free(some.v);
	} else {
		r = find_in(snaps, short_id_len(snaps), name, out, e);
	}
	if (r == 0 && strcmp(name, "latest") == 0)
		say_future(c, out);
	return (r);
}

int
cmd_choose(struct cmd *c, struct repo *repo, const char *arg,
    struct chosen *out, struct err *e)
{
	struct snapshots snaps;
	int r;

	if (cmd_snapshots(c, repo, &snaps, e) < 0)
		return (-1);
	r = cmd_choose_in(c, &snaps, arg, out, e);
	snapshots_fini(&snaps);
	return (r);
}
