/*
 * vitrine tag add, remove, set: a snapshot's tags, after it was made.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

enum change { ADD, REMOVE, SET };

static const struct opt options[] = {
	FILTER_OPTIONS,
	{ .name = NULL }
};

static bool
is_tag(const struct bytes *b, const char *tag)
{
	return (b->len == strlen(tag) && memcmp(b->p, tag, b->len) == 0);
}

static bool
has(const struct strings *tags, const char *tag)
{
	for (uint32_t i = 0; i < tags->n; i++)
		if (is_tag(&tags->v[i], tag))
			return (true);
	return (false);
}

static bool
is_given(const struct cmd *c, const struct bytes *tag)
{
	for (int i = 1; i < c->nargs; i++)
		if (is_tag(tag, c->args[i]))
			return (true);
	return (false);
}

static int
compare(const void *va, const void *vb)
{
	const struct bytes *a = va, *b = vb;

	/* No tag on a command line has a zero byte. */
	return (strcmp(a->p, b->p));
}

/* What the tags are to be, in the order in which they are stored. */
static int
wanted(const struct cmd *c, enum change change, const struct strings *old,
    struct strings *out, struct err *e)
{
	if (change != SET)
		for (uint32_t i = 0; i < old->n; i++)
			if ((change == ADD || !is_given(c, &old->v[i])) &&
			    strings_add(out, old->v[i].p, old->v[i].len,
			    e) < 0)
				return (-1);
	if (change != REMOVE)
		for (int i = 1; i < c->nargs; i++)
			if (!has(out, c->args[i]) && strings_add(out,
			    c->args[i], strlen(c->args[i]), e) < 0)
				return (-1);
	if (out->n > 1)
		qsort(out->v, out->n, sizeof(*out->v), compare);
	return (0);
}

static bool
same(const struct strings *a, const struct strings *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (!has(a, b->v[i].p))
			return (false);
	for (uint32_t i = 0; i < a->n; i++)
		if (!has(b, a->v[i].p))
			return (false);
	return (true);
}

static const struct snapshot *
by_id(const struct snapshots *snaps, const struct snapshot_id *id)
{
	for (size_t i = 0; i < snaps->n; i++)
		if (id_equal(snaps->v[i].id.b, id->b))
			return (&snaps->v[i]);
	return (NULL);
}

static int
say(struct cmd *c, const struct chosen *chosen, const struct strings *tags,
    bool changed, struct err *e)
{
	struct buf b = BUF_INIT;

	json_id(&c->ui.result, "snapshot", chosen->id.b);
	json_strings(&c->ui.result, "tags", tags);
	json_bool(&c->ui.result, "changed", changed);
	for (uint32_t i = 0; i < tags->n; i++) {
		buf_bytes(&b, i > 0 ? ", " : "", i > 0 ? 2 : 0);
		buf_bytes(&b, tags->v[i].p, tags->v[i].len);
	}
	buf_u8(&b, '\0');
	if (buf_ok(&b, e) == 0)
		ui_say(&c->ui, "Snapshot %s %s %s%s%s.", chosen->name,
		    changed ? "now has" : "has", tags->n == 0 ? "no tags" :
		    tags->n == 1 ? "the tag " : "the tags ",
		    (const char *)b.data, changed ? "" : ", as before");
	buf_fini(&b);
	return (e->code == ERR_NONE ? 0 : -1);
}

/* Somebody else may have changed them at the same moment, and won. */
static int
store(struct repo *repo, const struct snapshot *s, const struct strings *tags,
    struct err *e)
{
	struct snapshots again;
	const struct snapshot *now;
	int r = 0;

	if (repo_tags_set(repo, s, tags, e) < 0 ||
	    repo_snapshots(repo, &again, e) < 0)
		return (-1);
	now = by_id(&again, &s->id);
	if (now == NULL || !same(&now->tags, tags))
		r = err_set(e, ERR_BUSY, "somebody else changed the tags at "
		    "the same moment: look, and try again");
	snapshots_fini(&again);
	return (r);
}

static int
change_tags(struct cmd *c, struct repo *repo, enum change change,
    const struct snapshots *snaps, struct err *e)
{
	struct strings tags = { 0 };
	struct chosen chosen;
	const struct snapshot *s;
	bool changed;
	int r;

	if (cmd_choose_in(c, snaps, c->args[0], &chosen, e) < 0)
		return (-1);
	if (chosen.has_path)
		return (err_set(e, ERR_USAGE, "tags are a snapshot's, not a "
		    "path's: leave \":%s\" out", chosen.path));
	s = by_id(snaps, &chosen.id);
	BUG_ON(s == NULL);
	r = wanted(c, change, &s->tags, &tags, e);
	changed = r == 0 && !same(&s->tags, &tags);
	if (changed)
		r = store(repo, s, &tags, e);
	if (r == 0)
		r = say(c, &chosen, &tags, changed, e);
	strings_fini(&tags);
	return (r);
}

static int
run(struct cmd *c, enum change change, struct err *e)
{
	struct snapshots snaps;
	struct repo *repo;
	int r;

	for (int i = 1; i < c->nargs; i++)
		if (*c->args[i] == '\0' || strlen(c->args[i]) > TAG_BYTES_MAX)
			return (err_set(e, ERR_USAGE, "a tag has 1 to %d "
			    "bytes", TAG_BYTES_MAX));
	if (cmd_open(c, &repo, e) < 0)
		return (-1);
	if ((r = cmd_snapshots(c, repo, &snaps, e)) == 0) {
		r = change_tags(c, repo, change, &snaps, e);
		snapshots_fini(&snaps);
	}
	repo_close(repo);
	return (r < 0 ? -1 : EXIT_DONE);
}

static int
run_add(struct cmd *c, struct err *e)
{
	return (run(c, ADD, e));
}

static int
run_remove(struct cmd *c, struct err *e)
{
	return (run(c, REMOVE, e));
}

static int
run_set(struct cmd *c, struct err *e)
{
	return (run(c, SET, e));
}

const struct command tag_add_command = {
	"tag add", "SNAPSHOT TAG...", "Give a snapshot more tags", options, 2,
	-1, run_add
};
const struct command tag_remove_command = {
	"tag remove", "SNAPSHOT TAG...", "Take tags from a snapshot", options,
	2, -1, run_remove
};
const struct command tag_set_command = {
	"tag set", "SNAPSHOT [TAG...]",
	"Give a snapshot these tags and no others", options, 1, -1, run_set
};
