/*
 * vitrine restore: options for the job, its result as a sentence.
 */
#include "tools/job/restore.h"

#include <string.h>

#include "tools/cmd/cmd.h"

static const struct opt options[] = {
	{ "target", 0, OPT_TEXT, false, "DIRECTORY|s3:BUCKET",
	    "where to (must be given); made if it isn't there" },
	{ "overwrite", 0, OPT_TEXT, false, "WHEN",
	    "what is there already: always, changed, newer, never" },
	{ "in-place", 0, OPT_FLAG, false, NULL,
	    "write only the parts of a file that differ" },
	{ "delete", 0, OPT_FLAG, false, NULL,
	    "delete what the snapshot doesn't have" },
	{ "include", 0, OPT_TEXT, true, "PATTERN",
	    "restore only what matches, and what is below it" },
	{ "exclude", 0, OPT_TEXT, true, "PATTERN",
	    "leave out what matches" },
	{ "owner-map", 0, OPT_TEXT, true, "FROM:TO",
	    "files of user FROM become TO's; names, numbers, or * for all" },
	{ "group-map", 0, OPT_TEXT, true, "FROM:TO",
	    "the same for groups" },
	{ "verify", 0, OPT_FLAG, false, NULL,
	    "read back what was written" },
	{ "dry-run", 'n', OPT_FLAG, false, NULL,
	    "list what would be done, and do nothing" },
	{ "read-concurrency", 0, OPT_COUNT, false, "N",
	    "parts of the repository read at once, for one far away" },
	BUCKET_OPTIONS,
	FILTER_OPTIONS,
	{ .name = NULL }
};

static int
parse_overwrite(const struct cmd *c, enum overwrite *out, struct err *e)
{
	static const char *const words[] = {
		[OVERWRITE_NEVER] = "never", [OVERWRITE_NEWER] = "newer",
		[OVERWRITE_CHANGED] = "changed", [OVERWRITE_ALWAYS] = "always"
	};
	const struct opt_value *v = opts_get(&c->own, "overwrite");

	*out = opts_given(&c->own, "in-place") ? OVERWRITE_CHANGED :
	    OVERWRITE_REFUSE;
	if (v->times == 0)
		return (0);
	for (size_t i = OVERWRITE_NEVER; i <= OVERWRITE_ALWAYS; i++)
		if (strcmp(v->text, words[i]) == 0) {
			*out = (enum overwrite)i;
			return (0);
		}
	return (err_set(e, ERR_USAGE, "option --overwrite: \"%s\" is none of "
	    "always, changed, newer, never", v->text));
}

/* What a dry run would do: a line, or an object. */
static void
say_would(void *ctx, const char *what, const char *path)
{
	struct cmd *c = ctx;
	struct json j = JSON_INIT;

	if (c->ui.json == NULL) {
		struct buf text = BUF_INIT;

		text_escape(&text, path, strlen(path));
		if (!text.failed)
			(void)printf("%-8s  %.*s\n", what, (int)text.len,
			    (const char *)text.data);
		buf_fini(&text);
		return;
	}
	json_begin(&j, "restore");
	json_text(&j, "action", what);
	json_text(&j, "path", path);
	ui_object(&c->ui, &j);
	json_fini(&j);
}

static int
make_env(struct cmd *c, struct restore_env *env, struct err *e)
{
	const struct opt_value *include = opts_get(&c->own, "include");
	const struct opt_value *exclude = opts_get(&c->own, "exclude");
	const struct opt_value *owner = opts_get(&c->own, "owner-map");
	const struct opt_value *group = opts_get(&c->own, "group-map");
	const struct opt_value *target = opts_get(&c->own, "target");

	if (target->times == 0 || *target->text == '\0')
		return (err_set(e, ERR_USAGE, "restore needs --target "
		    "DIRECTORY"));
	env->target = target->text;
	if (parse_overwrite(c, &env->overwrite, e) < 0)
		return (-1);
	env->in_place = opts_given(&c->own, "in-place");
	if (env->in_place && env->overwrite == OVERWRITE_NEVER)
		return (err_set(e, ERR_USAGE, "--in-place writes to files that "
		    "are there: it can't go with --overwrite never"));
	env->delete_extra = opts_given(&c->own, "delete");
	env->verify = opts_given(&c->own, "verify");
	env->dry_run = opts_given(&c->own, "dry-run");
	env->readers = (unsigned)opts_get(&c->own, "read-concurrency")->number;
	env->include = include->list;
	env->ninclude = include->n;
	env->exclude = exclude->list;
	env->nexclude = exclude->n;
	env->owner_map = owner->list;
	env->nowner_map = owner->n;
	env->group_map = group->list;
	env->ngroup_map = group->n;
	env->would = say_would;
	env->would_ctx = c;
	return (0);
}

/* What has no meaning for objects. */
static int
open_bucket(struct cmd *c, struct restore_env *env, struct err *e)
{
	static const char *const others[] = { "in-place", "delete",
	    "owner-map", "group-map", "verify" };

	if (!s3_is_location(env->target))
		return (cmd_no_bucket(c, e));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (opts_given(&c->own, others[i]))
			return (err_set(e, ERR_USAGE, "--%s means nothing "
			    "with a bucket as the target", others[i]));
	return (cmd_bucket(c, env->target, env->readers, &env->bucket, e));
}

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
	json_u64(j, "kept", res->kept);
	json_u64(j, "deleted", res->deleted);
	json_u64(j, "verified", res->verified);
	json_u64(j, "bytes_there", res->bytes_there);
	json_u64(j, "failed", res->failed);
	json_u64(j, "duration_ms", res->duration_ms);
}

/* "; 3 kept", or nothing. */
static const char *
also(char dst[TEXT_BYTES], uint64_t n, const char *what)
{
	dst[0] = '\0';
	if (n > 0)
		(void)snprintf(dst, TEXT_BYTES, "; %llu %s",
		    (unsigned long long)n, what);
	return (dst);
}

static void
say_result(struct cmd *c, const char *name, const struct restore_env *env,
    const struct restore_result *res)
{
	char n[8][TEXT_BYTES], failed[TEXT_BYTES + 32] = "";

	if (res->failed > 0)
		(void)snprintf(failed, sizeof(failed), "; %s could not be "
		    "restored", text_n(n[0], res->failed, "thing", "things"));
	if (env->dry_run)
		ui_say(&c->ui, "Snapshot %s: %s, %s would be restored to %s%s"
		    "%s.", name, text_n(n[1], res->files, "file", "files"),
		    text_size(n[2], res->bytes), env->target,
		    also(n[3], res->kept, "kept"), failed);
	else
		ui_say(&c->ui, "Snapshot %s: %s, %s restored to %s in %s%s%s%s"
		    "%s.", name, text_n(n[1], res->files, "file", "files"),
		    text_size(n[2], res->bytes), env->target,
		    text_interval(n[3], res->duration_ms),
		    also(n[4], res->kept, "kept"),
		    also(n[5], res->deleted, "deleted"),
		    also(n[6], res->verified, "verified"), failed);
}

static int
run(struct cmd *c, struct err *e)
{
	struct restore_result res = { 0 };
	struct restore_env env = { 0 };
	struct chosen chosen;
	struct repo *repo;
	int r;

	if (make_env(c, &env, e) < 0 || open_bucket(c, &env, e) < 0)
		return (-1);
	if (cmd_open(c, &repo, e) < 0) {
		s3_free(env.bucket);
		return (-1);
	}
	if ((r = cmd_choose(c, repo, c->args[0], &chosen, e)) == 0) {
		env.snapshot = chosen.id;
		env.path = chosen.path;
		r = restore_run(repo, &env, &c->ui.events, &res, e);
	}
	repo_close(repo);
	s3_free(env.bucket);
	if (r < 0)
		return (-1);
	put_result(&c->ui.result, &chosen.id, env.target, &res);
	say_result(c, chosen.name, &env, &res);
	return (res.failed > 0 ? EXIT_PARTIAL : EXIT_DONE);
}

const struct command restore_command = {
	"restore", "SNAPSHOT[:PATH]", "Write a snapshot, or a part of it, into "
	"a directory or a bucket", options, 1, 1, run
};
