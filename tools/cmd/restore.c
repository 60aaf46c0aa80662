/*
 * vitrine restore: options for the job, its result as a sentence.
 */
#include "tools/job/restore.h"

#include "tools/cmd/cmd.h"

static const struct opt options[] = {
	{ "target", 0, OPT_TEXT, false, "DIRECTORY",
	    "where to (must be given); made if it isn't there" },
	FILTER_OPTIONS,
	{ .name = NULL }
};

static void
put_result(struct json *j, const struct snapshot_id *id, const char *target,
    const struct restore_result *res)
{
	json_id(j, "snapshot", id->b);
	json_text(j, "target", target);
	json_u64(j, "files", res->files);
	json_u64(j, "directories", res->dirs);
	json_u64(j, "others", res->others);
	json_u64(j, "bytes", res->bytes);
	json_u64(j, "failed", res->failed);
	json_u64(j, "duration_ms", res->duration_ms);
}

static int
run(struct cmd *c, struct err *e)
{
	const struct opt_value *target = opts_get(&c->own, "target");
	char n[4][TEXT_BYTES];
	struct restore_result res = { 0 };
	struct restore_env env = { 0 };
	struct chosen chosen;
	struct repo *repo;
	int r;

	if (target->times == 0 || *target->text == '\0')
		return (err_set(e, ERR_USAGE, "restore needs --target "
		    "DIRECTORY"));
	if (cmd_open(c, &repo, e) < 0)
		return (-1);
	if ((r = cmd_choose(c, repo, c->args[0], &chosen, e)) == 0) {
		env.snapshot = chosen.id;
		env.path = chosen.path;
		env.target = target->text;
		r = restore_run(repo, &env, &c->ui.events, &res, e);
	}
	repo_close(repo);
	if (r < 0)
		return (-1);
	put_result(&c->ui.result, &chosen.id, target->text, &res);
	ui_say(&c->ui, "Snapshot %s: %s, %s restored to %s in %s%s%s%s.",
	    chosen.name, text_n(n[0], res.files, "file", "files"),
	    text_size(n[1], res.bytes), target->text,
	    text_interval(n[2], res.duration_ms),
	    res.failed > 0 ? "; " : "", res.failed > 0 ? text_n(n[3],
	    res.failed, "thing", "things") : "", res.failed > 0 ?
	    " could not be restored" : "");
	return (res.failed > 0 ? EXIT_PARTIAL : EXIT_DONE);
}

const struct command restore_command = {
	"restore", "SNAPSHOT[:PATH]", "Write a snapshot, or a part of it, into "
	"a directory", options, 1, 1, run
};
