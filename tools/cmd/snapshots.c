/*
 * vitrine snapshots: the list, oldest first.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

static const struct opt options[] = {
	{ "host", 0, OPT_TEXT, false, "HOST", "only snapshots of this host" },
	{ "tag", 0, OPT_TEXT, true, "TAG", "only snapshots with this tag" },
	{ .name = NULL }
};

static bool
is_bytes(const struct bytes *b, const char *s)
{
	return (b->len == strlen(s) && memcmp(b->p, s, b->len) == 0);
}

static bool
is_wanted(const struct cmd *c, const struct snapshot *s)
{
	const struct opt_value *host = opts_get(&c->own, "host");
	const struct opt_value *tag = opts_get(&c->own, "tag");
	bool found;

	if (host->times > 0 && !is_bytes(&s->host, host->text))
		return (false);
	for (size_t i = 0; i < tag->n; i++) {
		found = false;
		for (uint32_t k = 0; k < s->tags.n; k++)
			if (is_bytes(&s->tags.v[k], tag->list[i]))
				found = true;
		if (!found)
			return (false);
	}
	return (true);
}

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
add_row(struct table *t, const struct snapshot *s, size_t digits)
{
	char id[ID_HEX], text[TEXT_BYTES];

	table_cell(t, short_id(id, s->id.b, digits));
	table_cell(t, text_time(text, &s->time));
	table_cell_bytes(t, s->host.p, s->host.len);
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
print_objects(struct cmd *c, const struct snapshots *snaps, size_t *shown)
{
	struct json j = JSON_INIT;

	*shown = 0;
	for (size_t i = 0; i < snaps->n; i++)
		if (is_wanted(c, &snaps->v[i])) {
			put_object(c, &j, &snaps->v[i]);
			(*shown)++;
		}
	json_u64(&c->ui.result, "snapshots", *shown);
	json_u64(&c->ui.result, "refused", snaps->refused);
	json_fini(&j);
}

static int
print(struct cmd *c, const struct snapshots *snaps, size_t *shown,
    struct err *e)
{
	static const char *const heads[] = {
		"ID", "TIME", "HOST", "SIZE", "FILES", "STATE", "TAGS", "PATHS"
	};
	struct table t;
	size_t digits = short_id_len(snaps);
	int r = 0;

	*shown = 0;
	table_init(&t, 8, "lllrrlll");
	for (size_t i = 0; i < 8; i++)
		table_cell(&t, heads[i]);
	for (size_t i = 0; i < snaps->n; i++)
		if (is_wanted(c, &snaps->v[i])) {
			add_row(&t, &snaps->v[i], digits);
			(*shown)++;
		}
	if (*shown > 0 || t.failed)
		r = table_print(&t, stdout, e);
	table_fini(&t);
	return (r);
}

static int
run(struct cmd *c, struct err *e)
{
	struct repo *repo;
	struct snapshots snaps;
	char text[TEXT_BYTES];
	size_t shown;
	int r;

	if (cmd_open(c, &repo, e) < 0)
		return (-1);
	if (cmd_snapshots(c, repo, &snaps, e) < 0) {
		repo_close(repo);
		return (-1);
	}
	if (c->ui.json != NULL) {
		print_objects(c, &snaps, &shown);
		r = 0;
	} else
		r = print(c, &snaps, &shown, e);
	if (r == 0 && snaps.refused > 0)
		ui_say(&c->ui, "%s; %s refused: run \"vitrine check\".",
		    text_n(text, shown, "snapshot", "snapshots"),
		    snaps.refused == 1 ? "one was" : "several were");
	else if (r == 0)
		ui_say(&c->ui, "%s.", shown == 0 ? "No snapshots" :
		    text_n(text, shown, "snapshot", "snapshots"));
	if (r == 0 && snaps.refused > 0)
		r = EXIT_DAMAGE;
	snapshots_fini(&snaps);
	repo_close(repo);
	return (r);
}

const struct command snapshots_command = {
	"snapshots", "", "List the snapshots", options, 0, 0, run
};
