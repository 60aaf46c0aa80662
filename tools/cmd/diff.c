/*
 * vitrine diff: what differs between two snapshots, or a snapshot and the live
 * tree.
 */
#include "tools/job/diff.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/cmd/cmd.h"
#include "tools/cmd/entry.h"
#include "tools/job/lookup.h"

static const struct opt options[] = {
	{ "live", 0, OPT_FLAG, false, NULL,
	    "compare with what is on this machine now" },
	FILTER_OPTIONS,
	{ .name = NULL }
};

#define KINDS	5

struct showing {
	struct cmd *c;
	struct json json;
	bool quoted;
	uint64_t n[KINDS];		/* by enum diff_kind */
	uint64_t grown, shrunk;		/* bytes */
};

static const struct {
	const char *name;
	char mark;
	enum style style;
} kinds[KINDS] = {
	[DIFF_ADDED] = { "added", '+', STYLE_GREEN },
	[DIFF_REMOVED] = { "removed", '-', STYLE_RED },
	[DIFF_TYPE] = { "type", 'T', STYLE_YELLOW },
	[DIFF_CONTENT] = { "content", 'C', STYLE_YELLOW },
	[DIFF_METADATA] = { "metadata", 'M', STYLE_PLAIN }
};
static const struct { unsigned bit; const char *name; } details[] = {
	{ DIFF_MODE, "mode" }, { DIFF_OWNER, "owner" },
	{ DIFF_MTIME, "mtime" }, { DIFF_XATTRS, "xattrs" }
};
#define DETAILS	(sizeof(details) / sizeof(details[0]))

static void
put_object(struct showing *s, const struct diff_item *it)
{
	struct json *j = &s->json;
	const char *v[DETAILS];
	size_t lens[DETAILS], n = 0;

	json_begin(j, "difference");
	json_text(j, "change", kinds[it->kind].name);
	json_text(j, "path", it->path);
	if (it->old != NULL) {
		json_text(j, "old_kind", kind_name(it->old->kind));
		json_u64(j, "old_size", it->old->size);
		json_time(j, "old_mtime", &it->old->mtime);
	}
	if (it->new != NULL) {
		json_text(j, "new_kind", kind_name(it->new->kind));
		json_u64(j, "new_size", it->new->size);
		json_time(j, "new_mtime", &it->new->mtime);
	}
	for (size_t i = 0; i < DETAILS; i++)
		if ((it->metadata & details[i].bit) != 0) {
			v[n] = details[i].name;
			lens[n++] = strlen(details[i].name);
		}
	json_list(j, "metadata", v, lens, n);
	ui_object(&s->c->ui, j);
}

static void
size_cell(const struct entry *en)
{
	char text[TEXT_BYTES];

	(void)printf(" %10s", en != NULL && en->kind == ENTRY_FILE ?
	    text_size(text, en->size) : "-");
}

static void
put_line(struct showing *s, const struct diff_item *it)
{
	const struct entry *last = it->new != NULL ? it->new : it->old;
	bool color = s->c->ui.color && kinds[it->kind].style != STYLE_PLAIN;
	const char *between = "  (";

	BUG_ON(last == NULL);
	if (color)
		(void)fputs(style_begin(kinds[it->kind].style), stdout);
	(void)putchar(kinds[it->kind].mark);
	size_cell(it->old);
	size_cell(it->new);
	(void)fputs("  ", stdout);
	print_name(it->path, strlen(it->path), s->quoted);
	if (last->kind == ENTRY_DIR && it->path[1] != '\0')
		(void)putchar('/');
	for (size_t i = 0; i < DETAILS; i++)
		if ((it->metadata & details[i].bit) != 0) {
			(void)printf("%s%s", between, details[i].name);
			between = ", ";
		}
	if (it->metadata != 0)
		(void)putchar(')');
	if (color)
		(void)fputs(STYLE_END, stdout);
	(void)putchar('\n');
}

static int
show(void *ctx, const struct diff_item *it, struct err *e)
{
	struct showing *s = ctx;
	uint64_t old = it->old != NULL ? it->old->size : 0;
	uint64_t new = it->new != NULL ? it->new->size : 0;

	if (ferror(stdout))
		return (err_sys(e, EPIPE, "standard output"));
	s->n[it->kind]++;
	s->grown += new > old ? new - old : 0;
	s->shrunk += old > new ? old - new : 0;
	if (s->c->ui.json != NULL)
		put_object(s, it);
	else
		put_line(s, it);
	return (0);
}

static void
say(struct cmd *c, const struct showing *s, const char *old, const char *new,
    const struct diff_result *res)
{
	char n[8][TEXT_BYTES];
	struct json *j = &c->ui.result;

	json_u64(j, "entries", res->entries);
	json_u64(j, "added", s->n[DIFF_ADDED]);
	json_u64(j, "removed", s->n[DIFF_REMOVED]);
	json_u64(j, "type_changed", s->n[DIFF_TYPE]);
	json_u64(j, "content_changed", s->n[DIFF_CONTENT]);
	json_u64(j, "metadata_changed", s->n[DIFF_METADATA]);
	json_u64(j, "bytes_more", s->grown);
	json_u64(j, "bytes_less", s->shrunk);
	json_u64(j, "unread", res->unread);
	ui_say(&c->ui, "From %s to %s: %s added, %s removed, %s changed, %s in "
	    "type, %s in metadata only; %s more, %s less.", old, new,
	    text_count(n[0], s->n[DIFF_ADDED]),
	    text_count(n[1], s->n[DIFF_REMOVED]),
	    text_count(n[2], s->n[DIFF_CONTENT]),
	    text_count(n[3], s->n[DIFF_TYPE]),
	    text_count(n[4], s->n[DIFF_METADATA]), text_size(n[5], s->grown),
	    text_size(n[6], s->shrunk));
}

static int
compare(struct cmd *c, struct diff_env *env, const struct reader *old,
    const struct reader *new, struct err *e)
{
	struct showing s = { .c = c, .quoted = isatty(STDOUT_FILENO) == 1 };
	struct diff_result res = { 0 };
	int r = 0;

	env->fn = show;
	env->ctx = &s;
	if (new == NULL || !reader_same(old, new))
		r = diff_run(env, &c->ui.events, &res, e);
	env->ctx = NULL;
	json_fini(&s.json);
	if (r < 0)
		return (-1);
	say(c, &s, old->chosen.name, new != NULL ? new->chosen.name :
	    "the live tree", &res);
	return (res.unread > 0 ? EXIT_PARTIAL : EXIT_DONE);
}

static int
against_live(struct cmd *c, struct diff_env *env, struct reader *old,
    struct err *e)
{
	struct patterns *p = NULL;
	int r = patterns_of_backup(&p, &old->manifest.excludes, e);

	if (r == 0) {
		env->excludes = p;
		env->ring = repo_keyring(old->repo);
		r = compare(c, env, old, NULL, e);
	}
	patterns_free(p);
	return (r);
}

/* The list of snapshots is read once for both. */
static int
begin(struct cmd *c, struct repo *repo, struct reader *r, size_t n,
    struct err *e)
{
	struct snapshots snaps;
	struct chosen chosen;
	int got = 0;

	if (cmd_snapshots(c, repo, &snaps, e) < 0)
		return (-1);
	for (size_t i = 0; i < n && got == 0; i++) {
		got = cmd_choose_in(c, &snaps, c->args[i], &chosen, e);
		if (got == 0 && chosen.has_path)
			got = err_set(e, ERR_USAGE, "diff takes the path by "
			    "itself, after the snapshots: diff OLD NEW %s",
			    chosen.path);
		if (got == 0)
			got = reader_begin(&r[i], c, repo, &chosen, 2, e);
		if (got > 0)
			got = err_set(e, ERR_ABSENT, "snapshot %s is gone",
			    chosen.name);
	}
	snapshots_fini(&snaps);
	return (got);
}

static int
run_in(struct cmd *c, struct repo *repo, struct err *e)
{
	bool live = opts_given(&c->own, "live");
	size_t n = live ? 1 : 2;
	const char *path = c->nargs > (int)n ? c->args[n] : "";
	struct reader r[2];
	struct buf at = BUF_INIT;
	struct diff_env env = { 0 };
	int ret = -1;

	memset(r, 0, sizeof(r));
	lookup_clean(&at, path, strlen(path));
	buf_u8(&at, '\0');
	if (buf_ok(&at, e) < 0 || begin(c, repo, r, n, e) < 0)
		goto out;
	env.path = (const char *)at.data;
	for (size_t i = 0; i < n; i++) {
		env.side[i].catalog = r[i].catalog;
		env.side[i].domain = r[i].manifest.domain;
	}
	ret = live ? against_live(c, &env, &r[0], e) :
	    compare(c, &env, &r[0], &r[1], e);
out:
	buf_fini(&at);
	reader_close(&r[0]);
	reader_close(&r[1]);
	return (ret);
}

static int
run(struct cmd *c, struct err *e)
{
	bool live = opts_given(&c->own, "live");
	struct repo *repo;
	int r;

	if (c->nargs < (live ? 1 : 2) || c->nargs > (live ? 2 : 3))
		return (err_set(e, ERR_USAGE, "diff takes two snapshots, or "
		    "one and --live, and a path or none"));
	if (cmd_open(c, &repo, e) < 0)
		return (-1);
	r = run_in(c, repo, e);
	repo_close(repo);
	return (r);
}

const struct command diff_command = {
	"diff", "SNAPSHOT [SNAPSHOT] [PATH]",
	"Show what differs between two snapshots, or a snapshot and now",
	options, 1, 3, run
};
