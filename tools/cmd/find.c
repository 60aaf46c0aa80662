/*
 * vitrine find: entries by name, size, time and kind, in one snapshot or all.
 * Over several, each version is shown once, with the first snapshot of its
 * lineage that has it: what a snapshot has as the one before had it is no news.
 * So of a lineage the first is walked, and of the others only what may be news
 * is looked at (tools/job/news.h), where that can be told.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>
#include <unistd.h>

#include "tools/cmd/cmd.h"
#include "tools/cmd/entry.h"
#include "tools/job/diff.h"
#include "tools/job/news.h"
#include "tools/job/pattern.h"

static const struct opt options[] = {
	{ "snapshot", 0, OPT_TEXT, false, "SNAPSHOT",
	    "in this one only (default: in all)" },
	{ "regex", 0, OPT_FLAG, false, NULL,
	    "patterns are extended regular expressions over the path" },
	{ "type", 0, OPT_TEXT, true, "KIND",
	    "only files, directories ... (see vitrine-find(1))" },
	{ "min-size", 0, OPT_SIZE, false, "SIZE",
	    "only files of at least this size" },
	{ "max-size", 0, OPT_SIZE, false, "SIZE",
	    "only files of at most this size" },
	{ "modified-after", 0, OPT_TIME, false, "TIME",
	    "only what was modified then or later" },
	{ "modified-before", 0, OPT_TIME, false, "TIME",
	    "only what was modified before" },
	FILTER_OPTIONS,
	{ .name = NULL }
};

/* As many snapshots of a lineage must there be: the proof of the first costs
 * some walks. */
#define NEWS_SNAPSHOTS	4
/* More entries that may be news than a part of the files: a walk is cheaper. */
#define NEWS_PART	8
#define NEWS_ALWAYS	1000
#define NEWS_SHARE	4	/* of --memory */

struct search {
	struct cmd *c;
	struct patterns *patterns;	/* NULL: any name */
	regex_t *regex;			/* owned */
	size_t nregex;
	bool kinds[ENTRY_BLOCK + 1];	/* wanted ones */
	const struct opt_value *min, *max, *after, *before;
	bool quoted;
	struct json json;
	struct owners owners;
	struct buf path;
	size_t digits;

	struct readers with;		/* what they share */
	struct reader readers[2];
	struct reader *now, *was;	/* was: NULL, or the one before */
	struct news *news;		/* owned; NULL: all are walked */
	uint64_t found;
};

/* The path stands in s->path, NUL-terminated. */
static bool
fits_name(const struct search *s, const struct entry *en)
{
	const char *path = (const char *)s->path.data;
	const char *slash = strrchr(path, '/');

	if (s->nregex > 0) {
		for (size_t i = 0; i < s->nregex; i++)
			if (regexec(&s->regex[i], path, 0, NULL, 0) == 0)
				return (true);
		return (false);
	}
	return (s->patterns == NULL || patterns_verdict(s->patterns, path,
	    slash + 1, en->kind == ENTRY_DIR) == PATTERN_HIT);
}

static bool
fits_entry(const struct search *s, const struct entry *en)
{
	if (!s->kinds[en->kind <= ENTRY_BLOCK ? en->kind : 0])
		return (false);
	if ((s->min->times > 0 || s->max->times > 0) &&
	    (en->kind != ENTRY_FILE ||
	    (s->min->times > 0 && en->size < s->min->number) ||
	    (s->max->times > 0 && en->size > s->max->number)))
		return (false);
	if (s->after->times > 0 &&
	    stamp_compare(&en->mtime, &s->after->time) < 0)
		return (false);
	return (s->before->times == 0 ||
	    stamp_compare(&en->mtime, &s->before->time) < 0);
}

/* Had the snapshot before it the same there?  1, 0, or < 0. */
static int
is_old(const struct search *s, const struct entry *en, struct err *e)
{
	struct diff_side side[2];
	enum diff_kind kind;
	struct entry old;
	unsigned meta;
	int r;

	if (s->was == NULL)
		return (0);
	r = catalog_resolve(s->was->catalog, (const char *)s->path.data,
	    s->path.len - 1, &old, NULL, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	if (stamp_compare(&old.mtime, &en->mtime) != 0)
		return (0);
	side[0] = (struct diff_side){ s->was->catalog,
	    s->was->manifest.domain };
	side[1] = (struct diff_side){ s->now->catalog,
	    s->now->manifest.domain };
	r = diff_entry(side, &old, en, &kind, &meta, e);
	return (r < 0 ? -1 : r == 0);
}

static int
show(struct search *s, const struct entry *en, struct err *e)
{
	char size[TEXT_BYTES], time[TEXT_BYTES];
	const struct chosen *in = &s->now->chosen;

	s->found++;
	if (s->c->ui.json != NULL) {
		json_begin(&s->json, "entry");
		json_id(&s->json, "snapshot", in->id.b);
		if (entry_members(&s->json, &s->owners, s->now->catalog,
		    (const char *)s->path.data, s->path.len - 1, en, e) < 0)
			return (-1);
		ui_object(&s->c->ui, &s->json);
		return (0);
	}
	if (s->c->ui.color)
		(void)printf("%s%s%s", style_begin(STYLE_DIM), in->name,
		    STYLE_END);
	else
		(void)fputs(in->name, stdout);
	(void)printf("  %10s  %s  ", en->kind == ENTRY_FILE ?
	    text_size(size, en->size) : "-", text_time(time, &en->mtime));
	print_name((const char *)s->path.data, s->path.len - 1, s->quoted);
	(void)fputs(en->kind == ENTRY_DIR ? "/\n" : "\n", stdout);
	return (0);
}

static int
each(void *ctx, const char *path, size_t len, const struct entry *en,
    struct err *e)
{
	struct search *s = ctx;
	int r;

	if (ferror(stdout))
		return (CATALOG_STOP);
	if (atomic_load(signals_flag()))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	if ((en->flags & ENTRY_IMPLIED) != 0)
		return (0);
	buf_reset(&s->path);
	buf_u8(&s->path, '/');
	buf_bytes(&s->path, path, len);
	buf_u8(&s->path, '\0');
	if (buf_ok(&s->path, e) < 0)
		return (-1);
	if (!fits_entry(s, en) || !fits_name(s, en))
		return (0);
	if ((r = is_old(s, en, e)) != 0)
		return (r < 0 ? -1 : 0);
	return (show(s, en, e));
}

/*
 * What is asked for.
 */
static int
compile(struct search *s, struct err *e)
{
	struct cmd *c = s->c;
	char why[256];
	int r;

	if (c->nargs == 0)
		return (0);
	if (!opts_given(&c->own, "regex"))
		return (patterns_new(&s->patterns,
		    (const char *const *)c->args, (size_t)c->nargs, e));
	s->regex = calloc((size_t)c->nargs, sizeof(*s->regex));
	if (s->regex == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (int i = 0; i < c->nargs; i++) {
		r = regcomp(&s->regex[i], c->args[i], REG_EXTENDED |
		    REG_NOSUB);
		if (r != 0) {
			(void)regerror(r, &s->regex[i], why, sizeof(why));
			return (err_set(e, ERR_USAGE, "\"%s\": %s", c->args[i],
			    why));
		}
		s->nregex++;
	}
	return (0);
}

static int
prepare(struct search *s, struct err *e)
{
	const struct opts *own = &s->c->own;
	const struct opt_value *type = opts_get(own, "type");
	uint8_t kind;
	bool any;

	s->min = opts_get(own, "min-size");
	s->max = opts_get(own, "max-size");
	s->after = opts_get(own, "modified-after");
	s->before = opts_get(own, "modified-before");
	s->quoted = isatty(STDOUT_FILENO) == 1;
	any = s->c->nargs == 0 && type->n == 0 && s->min->times == 0 &&
	    s->max->times == 0 && s->after->times == 0 && s->before->times == 0;
	if (any && opts_given(own, "name"))
		return (err_set(e, ERR_USAGE, "--name is that of snapshots; a "
		    "pattern needs no option: vitrine find '%s'",
		    opts_get(own, "name")->text));
	if (any)
		return (err_set(e, ERR_USAGE, "find what?  Give a pattern, "
		    "--type, a size or a time; \"vitrine ls -R\" lists all"));
	for (size_t i = 0; i <= ENTRY_BLOCK; i++)
		s->kinds[i] = type->n == 0;
	for (size_t i = 0; i < type->n; i++) {
		if (kind_of_name(&kind, type->list[i]) < 0)
			return (err_set(e, ERR_USAGE, "option --type: \"%s\" "
			    "is none of file, directory, symlink, fifo, "
			    "socket, char, block", type->list[i]));
		s->kinds[kind] = true;
	}
	return (compile(s, e));
}

static void
search_fini(struct search *s)
{
	for (size_t i = 0; i < s->nregex; i++)
		regfree(&s->regex[i]);
	free(s->regex);
	patterns_free(s->patterns);
	json_fini(&s->json);
	buf_fini(&s->path);
	free(s);
}

/*
 * Where.
 */

/* So each comes after the one before it. */
static int
by_lineage(const void *va, const void *vb)
{
	const struct snapshot *a = va, *b = vb;

	return (snapshot_by_lineage(&a, &b));
}

/*
 * What may be news.
 */
static bool
may_name(void *ctx, const char *name)
{
	const struct search *s = ctx;

	if (s->nregex > 0)
		return (true);
	return (s->patterns == NULL || patterns_want_path(s->patterns) ||
	    patterns_verdict(s->patterns, NULL, name, false) == PATTERN_HIT ||
	    patterns_verdict(s->patterns, NULL, name, true) == PATTERN_HIT);
}

static bool
may_entry(void *ctx, const struct entry *en)
{
	return (fits_entry(ctx, en));
}

static int
going(void *ctx, struct err *e)
{
	if (atomic_load(signals_flag()))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	return (0);
}

/* Where a lineage begins: are there enough of it? */
static void
begin_lineage(struct search *s, const struct snapshots *some, size_t first,
    struct err *e)
{
	static const struct news_ops ops = { may_name, may_entry, going };
	size_t n = 1;

	news_free(s->news);
	s->news = NULL;
	while (first + n < some->n && id_equal(some->v[first].lineage.b,
	    some->v[first + n].lineage.b))
		n++;
	if (n < NEWS_SNAPSHOTS)
		return;
	/* Without it all are walked. */
	if (news_new(&s->news, s->c->env.memory_bytes / NEWS_SHARE, &ops, s,
	    e) < 0)
		err_init(e);
}

static int
search_one(struct search *s, uint64_t files, struct err *e)
{
	struct catalog *now = s->now->catalog;
	int r = NEWS_WALK;

	if (s->news != NULL)
		r = news_next(s->news, now, s->was == NULL ? NULL :
		    s->was->catalog, files / NEWS_PART + NEWS_ALWAYS, e);
	if (r == NEWS_WALK)
		return (catalog_walk(now, CATALOG_ROOT_INO, each, s, e));
	return (r < 0 ? -1 : news_each(s->news, now, each, s, e));
}

static int
search_all(struct search *s, struct repo *repo, const struct snapshots *some,
    struct err *e)
{
	struct reader *r = s->readers;
	struct chosen chosen;
	unsigned at = 0;
	int got = 0;

	if (readers_begin(&s->with, s->c, repo, e) < 0)
		return (-1);
	for (size_t i = 0; i < some->n && got >= 0; i++) {
		bool follows = s->was != NULL && id_equal(
		    some->v[i].lineage.b, s->was->manifest.lineage.b);

		if (i == 0 || !id_equal(some->v[i].lineage.b,
		    some->v[i - 1].lineage.b))
			begin_lineage(s, some, i, e);
		memset(&chosen, 0, sizeof(chosen));
		chosen.id = some->v[i].id;
		(void)short_id(chosen.name, chosen.id.b, s->digits);
		got = reader_begin_many(&r[at], s->c, repo, &s->with, &chosen,
		    2, e);
		if (got > 0)
			continue;
		if (got < 0)
			break;
		s->now = &r[at];
		if (!follows)
			s->was = NULL;
		if (s->was == NULL || !reader_same(s->was, s->now))
			got = search_one(s, some->v[i].files, e);
		if (got < 0)
			(void)err_wrap(e, "snapshot %s", chosen.name);
		if (got == CATALOG_STOP)
			break;
		/* This one is the next one's past. */
		s->was = s->now;
		at ^= 1;
		reader_close(&r[at]);
	}
	reader_close(&r[0]);
	reader_close(&r[1]);
	news_free(s->news);
	s->news = NULL;
	readers_end(&s->with);
	return (got < 0 ? -1 : 0);
}

static int
search_in(struct search *s, struct repo *repo, const struct snapshots *snaps,
    struct err *e)
{
	const struct opt_value *one = opts_get(&s->c->own, "snapshot");
	struct snapshots some;
	struct chosen chosen;
	int r;

	s->digits = short_id_len(snaps);
	if (one->times > 0) {
		if (cmd_choose_in(s->c, snaps, one->text, &chosen, e) < 0)
			return (-1);
		if (chosen.has_path)
			return (err_set(e, ERR_USAGE, "option --snapshot takes "
			    "no path; give a pattern such as '%s/**'",
			    chosen.path));
	}
	if (cmd_filter(s->c, snaps, &some, e) < 0)
		return (-1);
	for (size_t i = 0; one->times > 0 && i < some.n; i++)
		if (id_equal(some.v[i].id.b, chosen.id.b)) {
			some.v[0] = some.v[i];
			some.n = 1;
		}
	if (some.n > 1)
		qsort(some.v, some.n, sizeof(*some.v), by_lineage);
	json_u64(&s->c->ui.result, "snapshots", some.n);
	r = search_all(s, repo, &some, e);
	free(some.v);
	return (r);
}

static int
run(struct cmd *c, struct err *e)
{
	struct search *s = calloc(1, sizeof(*s));
	struct snapshots snaps;
	struct repo *repo;
	char n[TEXT_BYTES];
	int r;

	if (s == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	s->c = c;
	if ((r = prepare(s, e)) == 0 && (r = cmd_open(c, &repo, e)) == 0) {
		if ((r = cmd_snapshots(c, repo, &snaps, e)) == 0) {
			r = search_in(s, repo, &snaps, e);
			snapshots_fini(&snaps);
		}
		repo_close(repo);
	}
	if (r == 0) {
		json_u64(&c->ui.result, "found", s->found);
		ui_note(&c->ui, "%s", s->found == 0 ? "nothing found" :
		    text_n(n, s->found, "found", "found"));
	}
	search_fini(s);
	return (r < 0 ? -1 : EXIT_DONE);
}

const struct command find_command = {
	"find", "[PATTERN...]", "Find files by name, size, time, type",
	options, 0, -1, run
};
