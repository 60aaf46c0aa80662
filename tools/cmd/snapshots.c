/*
 * vitrine snapshots: the list, oldest first.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

static const struct opt options[] = {
	FILTER_OPTIONS,
	{ .name = NULL }
};

static void
cell_strings(struct table *t, const struct strings *s)
{
	struct buf b = BUF_INIT;

	for (uint32_t i = 0; i < s->n; i++) {
		if (i > 0)
			buf_u8(&b, ' ');
		text_escape(&b, s->v[i].p, s->v[i].len);
	}
	buf_u8(&b, '\0');
	if (b.failed)
		t->failed = true;
	else
		table_cell(t, (char *)b.data);
	buf_fini(&b);
}

static void
add_row(struct table *t, const struct snapshot *s, size_t digits, bool names)
{
	char id[ID_HEX], text[TEXT_BYTES];

	table_cell(t, short_id(id, s->id.b, digits));
	table_style(t, STYLE_DIM);
	table_cell(t, text_time(text, &s->time));
	table_cell_bytes(t, s->host.p, s->host.len);
	if (names)
		table_cell_bytes(t, s->name.p, s->name.len);
	table_cell(t, text_size(text, s->bytes));
	table_cell(t, text_count(text, s->files));
	table_cell(t, (s->flags & SNAPSHOT_INCOMPLETE) != 0 ? "incomplete" :
	    "");
	cell_strings(t, &s->tags);
	cell_strings(t, &s->roots);
}

static void
put_object(struct cmd *c, struct json *j, const struct snapshot *s)
{
	json_begin(j, "snapshot");
	json_id(j, "id", s->id.b);
	json_time(j, "time", &s->time);
	json_bytes(j, "host", s->host.p, s->host.len);
	json_bytes(j, "user", s->user.p, s->user.len);
	if (s->name.len > 0)
		json_bytes(j, "name", s->name.p, s->name.len);
	json_strings(j, "paths", &s->roots);
	json_strings(j, "tags", &s->tags);
	json_u64(j, "files", s->files);
	json_u64(j, "directories", s->dirs);
	json_u64(j, "others", s->others);
	json_u64(j, "bytes", s->bytes);
	json_u64(j, "unread", s->unread);
	json_bool(j, "incomplete", (s->flags & SNAPSHOT_INCOMPLETE) != 0);
	json_u64(j, "bytes_new", s->bytes_new);
	json_u64(j, "bytes_added", s->bytes_added);
	json_u64(j, "writer", s->writer);
	json_id(j, "lineage", s->lineage.b);
	json_u64(j, "sequence", s->sequence);
	if (!id_is_zero(s->previous.b))
		json_id(j, "previous", s->previous.b);
	ui_object(&c->ui, j);
}

static void
print_objects(struct cmd *c, const struct snapshots *shown)
{
	struct json j = JSON_INIT;

	for (size_t i = 0; i < shown->n; i++)
		put_object(c, &j, &shown->v[i]);
	json_u64(&c->ui.result, "snapshots", shown->n);
	json_fini(&j);
}

static int
print(struct cmd *c, const struct snapshots *shown, size_t digits,
    struct err *e)
{
	static const char *const heads[] = {
		"ID", "TIME", "HOST", "NAME", "SIZE", "FILES", "STATE", "TAGS",
		"PATHS"
	};
	bool names = false;
	struct table t;
	int r = 0;

	/* Few give any: no empty column for the others. */
	for (size_t i = 0; i < shown->n; i++)
		names |= shown->v[i].name.len > 0;
	table_init(&t, names ? 9 : 8, names ? "llllrrlll" : "lllrrlll",
	    c->ui.color);
	for (size_t i = 0; i < 9; i++)
		if (i != 3 || names)
			table_cell(&t, heads[i]);
	for (size_t i = 0; i < shown->n; i++)
		add_row(&t, &shown->v[i], digits, names);
	if (shown->n > 0 || t.failed)
		r = table_print(&t, stdout, e);
	table_fini(&t);
	return (r);
}

/* The last sentence; `why' says why nothing is shown, where that is known. */
static void
say(struct cmd *c, const struct snapshots *snaps, size_t shown,
    const char *why)
{
	char text[TEXT_BYTES];

	json_u64(&c->ui.result, "refused", snaps->refused);
	if (snaps->refused > 0)
		ui_say(&c->ui, "%s; %s refused: run \"vitrine check\".",
		    text_n(text, shown, "snapshot", "snapshots"),
		    snaps->refused == 1 ? "one was" : "several were");
	else if (shown > 0)
		ui_say(&c->ui, "%s.",
		    text_n(text, shown, "snapshot", "snapshots"));
	else
		ui_say(&c->ui, "No snapshots%s%s.", *why != '\0' ? ": " : "",
		    why);
}

static int
run(struct cmd *c, struct err *e)
{
	struct snapshots snaps, shown;
	struct err none = ERR_INIT;
	struct repo *repo;
	int r;

	if (cmd_open(c, &repo, e) < 0)
		return (-1);
	if (cmd_snapshots(c, repo, &snaps, e) < 0) {
		repo_close(repo);
		return (-1);
	}
	r = cmd_filter(c, &snaps, &shown, &none);
	if (r < 0 && none.code == ERR_ABSENT)
		r = 0;
	else if (r < 0)
		*e = none;
	if (r == 0 && c->ui.json != NULL)
		print_objects(c, &shown);
	else if (r == 0)
		r = print(c, &shown, short_id_len(&snaps), e);
	if (r == 0) {
		say(c, &snaps, shown.n, err_text(&none));
		r = snaps.refused > 0 ? EXIT_DAMAGE : EXIT_DONE;
	}
	free(shown.v);
	snapshots_fini(&snaps);
	repo_close(repo);
	return (r);
}

const struct command snapshots_command = {
	"snapshots", "", "List the snapshots", options, 0, 0, run
};
