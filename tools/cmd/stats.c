/*
 * vitrine stats: what snapshots hold and what they take.
 */
#include "tools/job/stats.h"

#include <string.h>

#include "tools/cmd/cmd.h"

static const struct opt options[] = {
	{ "fast", 0, OPT_FLAG, false, NULL,
	    "don't count what is unique: no snapshot is walked" },
	FILTER_OPTIONS,
	{ .name = NULL }
};

struct totals {
	uint64_t source, files;
	struct stats_sum sum;
	struct stats_store store;
	bool counted;			/* sum is known */
	bool whole;			/* store is: nothing was left out */
};

static void
put_objects(struct cmd *c, const struct snapshots *some)
{
	struct json j = JSON_INIT;

	for (size_t i = 0; i < some->n; i++) {
		const struct snapshot *s = &some->v[i];

		json_begin(&j, "growth");
		json_id(&j, "snapshot", s->id.b);
		json_time(&j, "time", &s->time);
		json_bytes(&j, "host", s->host.p, s->host.len);
		json_u64(&j, "files", s->files);
		json_u64(&j, "bytes", s->bytes);
		json_u64(&j, "bytes_new", s->bytes_new);
		json_u64(&j, "bytes_added", s->bytes_added);
		ui_object(&c->ui, &j);
	}
	json_fini(&j);
}

static int
print(struct cmd *c, const struct snapshots *some, size_t digits,
    struct err *e)
{
	static const char *const heads[] = {
		"ID", "TIME", "HOST", "FILES", "SOURCE", "NEW", "STORED"
	};
	char id[ID_HEX], text[TEXT_BYTES];
	struct table t;
	int r;

	table_init(&t, 7, "lllrrrr", c->ui.color);
	for (size_t i = 0; i < 7; i++)
		table_cell(&t, heads[i]);
	for (size_t i = 0; i < some->n; i++) {
		const struct snapshot *s = &some->v[i];

		table_cell(&t, short_id(id, s->id.b, digits));
		table_style(&t, STYLE_DIM);
		table_cell(&t, text_time(text, &s->time));
		table_cell_bytes(&t, s->host.p, s->host.len);
		table_cell(&t, text_count(text, s->files));
		table_cell(&t, text_size(text, s->bytes));
		table_cell(&t, text_size(text, s->bytes_new));
		table_cell(&t, text_size(text, s->bytes_added));
	}
	r = table_print(&t, stdout, e);
	table_fini(&t);
	return (r);
}

static void
line(const char *what, uint64_t bytes, const char *more)
{
	char text[TEXT_BYTES];

	(void)printf("%-12s%10s  %s\n", what, text_size(text, bytes), more);
}

static void
put_totals(struct cmd *c, const struct snapshots *some, const struct totals *t)
{
	char n[2][TEXT_BYTES], more[160];
	struct json *j = &c->ui.result;

	json_u64(j, "snapshots", some->n);
	json_u64(j, "source_bytes", t->source);
	if (t->counted) {
		json_u64(j, "chunks", t->sum.chunks);
		json_u64(j, "unique_bytes", t->sum.unique_bytes);
		json_u64(j, "compressed_bytes", t->sum.compressed_bytes);
	}
	if (t->whole) {
		json_u64(j, "objects", t->store.objects);
		json_u64(j, "stored_bytes", t->store.total);
		json_u64(j, "pack_bytes", t->store.packs);
		json_u64(j, "table_bytes", t->store.tables);
	}
	if (c->ui.json != NULL)
		return;
	(void)putchar('\n');
	(void)snprintf(more, sizeof(more), "%s in %s",
	    text_n(n[0], t->files, "file", "files"),
	    text_n(n[1], some->n, "snapshot", "snapshots"));
	line("source", t->source, more);
	if (t->counted) {
		(void)snprintf(more, sizeof(more), "%s, each once",
		    text_n(n[0], t->sum.chunks, "chunk", "chunks"));
		line("unique", t->sum.unique_bytes, more);
		(void)snprintf(more, sizeof(more), "the %s with these chunks, "
		    "compressed and sealed", text_n(n[0], t->sum.frames,
		    "frame", "frames"));
		line("compressed", t->sum.compressed_bytes, more);
	}
	if (t->whole) {
		(void)snprintf(more, sizeof(more), "%s in the repository",
		    text_n(n[0], t->store.objects, "object", "objects"));
		line("stored", t->store.total, more);
	}
}

static int
add(struct cmd *c, struct stats *st, struct reader *was, struct reader *now,
    struct err *e)
{
	/* The same catalog again has nothing more. */
	if (was->catalog != NULL && reader_same(was, now))
		return (STATS_ALONE);
	return (stats_add(st, now->catalog, was->catalog, &c->ui.events, e));
}

static int
add_all(struct cmd *c, struct repo *repo, struct stats *st,
    const struct snapshot *const *order, size_t n, struct err *e)
{
	struct reader was = { .repo = NULL }, now;
	struct chosen chosen;
	struct readers with;
	int got = 0;

	if (readers_begin(&with, c, repo, e) < 0)
		return (-1);
	for (size_t i = 0; i < n && got >= 0; i++) {
		memset(&chosen, 0, sizeof(chosen));
		chosen.id = order[i]->id;
		(void)short_id(chosen.name, chosen.id.b, SHORT_ID);
		if ((got = reader_begin_many(&now, c, repo, &with, &chosen, 2,
		    e)) != 0)
			continue;
		if (i > 0 && !id_equal(order[i]->lineage.b,
		    order[i - 1]->lineage.b))
			reader_close(&was);
		got = add(c, st, &was, &now, e);
		if (got < 0)
			(void)err_wrap(e, "snapshot %s", chosen.name);
		if (got != 0) {
			reader_close(&now);
			continue;
		}
		reader_close(&was);
		was = now;
	}
	reader_close(&was);
	readers_end(&with);
	return (got < 0 ? -1 : 0);
}

/* The chunks of all of them together. */
static int
count(struct cmd *c, struct repo *repo, const struct snapshots *some,
    struct stats_sum *sum, struct err *e)
{
	const struct snapshot **order = calloc(some->n + 1, sizeof(*order));
	struct stats *st;
	int got;

	if (order == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < some->n; i++)
		order[i] = &some->v[i];
	/* So each comes after the one before it. */
	qsort(order, some->n, sizeof(*order), snapshot_by_lineage);
	got = stats_new(&st, c->env.memory_bytes / 4, e);
	if (got == 0) {
		got = add_all(c, repo, st, order, some->n, e);
		stats_get(st, sum);
		stats_free(st);
	}
	free(order);
	return (got);
}

/* The snapshots that are named; where none is, all that the filters leave. */
static int
choose(struct cmd *c, const struct snapshots *snaps, struct snapshots *some,
    struct err *e)
{
	struct chosen chosen;
	size_t n = 0;

	if (cmd_filter(c, snaps, some, e) < 0)
		return (-1);
	if (c->nargs == 0)
		return (0);
	for (int a = 0; a < c->nargs; a++) {
		if (cmd_choose_in(c, snaps, c->args[a], &chosen, e) < 0)
			goto fail;
		if (chosen.has_path) {
			(void)err_set(e, ERR_USAGE, "stats takes snapshots "
			    "without a path");
			goto fail;
		}
		for (size_t i = n; i < some->n; i++)
			if (id_equal(some->v[i].id.b, chosen.id.b)) {
				struct snapshot s = some->v[n];

				some->v[n++] = some->v[i];
				some->v[i] = s;
			}
	}
	some->n = n;
	return (0);
fail:
	free(some->v);
	return (-1);
}

static int
show(struct cmd *c, struct repo *repo, const struct snapshots *snaps,
    struct err *e)
{
	struct snapshots some;
	struct totals t = { 0 };
	int r = 0;

	if (choose(c, snaps, &some, e) < 0)
		return (-1);
	for (size_t i = 0; i < some.n; i++) {
		t.source += some.v[i].bytes;
		t.files += some.v[i].files;
	}
	t.counted = !opts_given(&c->own, "fast");
	t.whole = c->nargs == 0 && !cmd_has_filters(c);
	if (t.counted)
		r = count(c, repo, &some, &t.sum, e);
	if (r == 0 && t.whole)
		r = stats_of_store(repo_store(repo), &t.store,
		    &c->ui.events, e);
	if (r == 0 && c->ui.json != NULL)
		put_objects(c, &some);
	else if (r == 0)
		r = print(c, &some, short_id_len(snaps), e);
	if (r == 0)
		put_totals(c, &some, &t);
	free(some.v);
	return (r);
}

static int
run(struct cmd *c, struct err *e)
{
	struct snapshots snaps;
	struct repo *repo;
	int r;

	if (cmd_open(c, &repo, e) < 0)
		return (-1);
	if ((r = cmd_snapshots(c, repo, &snaps, e)) == 0) {
		r = show(c, repo, &snaps, e);
		snapshots_fini(&snaps);
	}
	repo_close(repo);
	return (r < 0 ? -1 : EXIT_DONE);
}

const struct command stats_command = {
	"stats", "[SNAPSHOT...]", "Show what snapshots hold and what they take",
	options, 0, -1, run
};
