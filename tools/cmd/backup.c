/*
 * vitrine backup: options for the job, its result as a sentence.
 */
#include "tools/job/backup.h"

#include <string.h>

#include "tools/cmd/backup_args.h"

static const struct opt options[] = {
	{ "exclude", 0, OPT_TEXT, true, "PATTERN",
	    "leave out what matches (see vitrine-backup(1))" },
	{ "exclude-file", 0, OPT_TEXT, true, "FILE",
	    "leave out what the patterns in FILE match" },
	{ "exclude-caches", 0, OPT_FLAG, false, NULL,
	    "leave out what lies beside a valid CACHEDIR.TAG" },
	{ "exclude-if-present", 0, OPT_TEXT, true, "NAME[:HEADER]",
	    "leave out what lies beside a file of that name" },
	{ "exclude-larger-than", 0, OPT_SIZE, false, "SIZE",
	    "leave out larger files" },
	{ "no-ignore-files", 0, OPT_FLAG, false, NULL,
	    "don't follow the .vitrineignore files in the tree" },
	{ "files-from", 0, OPT_TEXT, true, "FILE",
	    "back up also what the lines of FILE name or match" },
	{ "files-from-verbatim", 0, OPT_TEXT, true, "FILE",
	    "the same, each line a path just as it stands" },
	{ "files-from-raw", 0, OPT_TEXT, true, "FILE",
	    "the same, each path ended by a NUL byte" },
	{ "one-file-system", 0, OPT_FLAG, false, NULL,
	    "don't go into other file systems" },
	{ "tag", 0, OPT_TEXT, true, "TAG", "a tag for the snapshot" },
	{ "host", 0, OPT_TEXT, false, "HOST",
	    "the host's name (default: the key's, else this machine's)" },
	{ "time", 0, OPT_TIME, false, "TIME",
	    "the snapshot's time (default: now)" },
	{ "dry-run", 0, OPT_FLAG, false, NULL,
	    "store nothing, say what would be new" },
	{ .name = NULL }
};

static void
say(struct cmd *c, const struct backup_env *env,
    const struct backup_result *res)
{
	char id[ID_HEX], head[160], what[3][TEXT_BYTES], n[4][TEXT_BYTES];

	(void)short_id(id, res->id.b, SHORT_ID);
	if (env->dry_run && res->unread > 0)
		(void)snprintf(head, sizeof(head), "Dry run, %s could not be "
		    "read", text_n(n[0], res->unread, "entry", "entries"));
	else if (env->dry_run)
		(void)snprintf(head, sizeof(head), "Dry run");
	else if (res->unread > 0)
		(void)snprintf(head, sizeof(head), "Snapshot %s is incomplete, "
		    "%s could not be read", id, text_n(n[0], res->unread,
		    "entry", "entries"));
	else
		(void)snprintf(head, sizeof(head), "Snapshot %s", id);
	ui_say(&c->ui, "%s: %s, %s; %s new, %s changed, %s removed; "
	    "%s %s in %s.", head,
	    text_n(what[0], res->files, "file", "files"),
	    text_size(what[1], res->bytes), text_count(n[1], res->files_new),
	    text_count(n[2], res->files_changed),
	    text_count(n[3], res->removed),
	    text_size(what[2], env->dry_run ? res->bytes_new :
	    res->bytes_added), env->dry_run ? "would be new, found" : "added",
	    text_interval(n[0], res->duration_ms));
}

static void
put_result(struct json *j, const struct backup_result *res)
{
	if (!id_is_zero(res->id.b))
		json_id(j, "snapshot", res->id.b);
	if (res->has_parent)
		json_id(j, "parent", res->parent.b);
	json_u64(j, "files", res->files);
	json_u64(j, "directories", res->dirs);
	json_u64(j, "others", res->others);
	json_u64(j, "bytes", res->bytes);
	json_u64(j, "files_new", res->files_new);
	json_u64(j, "files_changed", res->files_changed);
	json_u64(j, "files_unchanged", res->files_unchanged);
	json_u64(j, "removed", res->removed);
	json_u64(j, "unread", res->unread);
	json_u64(j, "changed_meanwhile", res->changed_meanwhile);
	json_u64(j, "bytes_read", res->bytes_read);
	json_u64(j, "bytes_new", res->bytes_new);
	json_u64(j, "bytes_added", res->bytes_added);
	json_u64(j, "duration_ms", res->duration_ms);
}

static void
set_env(struct cmd *c, const struct backup_args *args, struct backup_env *env)
{
	const struct opt_value *present =
	    opts_get(&c->own, "exclude-if-present");
	const struct opt_value *larger =
	    opts_get(&c->own, "exclude-larger-than");
	const struct opt_value *tag = opts_get(&c->own, "tag");
	const struct opt_value *host = opts_get(&c->own, "host");
	const struct opt_value *time = opts_get(&c->own, "time");

	env->roots = args->roots;
	env->nroots = args->nroots;
	env->excludes = args->excludes;
	env->nexcludes = args->nexcludes;
	env->exclude_caches = opts_given(&c->own, "exclude-caches");
	env->exclude_present = present->list;
	env->nexclude_present = present->n;
	env->exclude_larger = larger->times > 0 ? &larger->number : NULL;
	env->no_ignore_files = opts_given(&c->own, "no-ignore-files");
	env->tags = tag->list;
	env->ntags = tag->n;
	env->host = host->times > 0 ? host->text : NULL;
	env->time = time->times > 0 ? &time->time : NULL;
	env->one_file_system = opts_given(&c->own, "one-file-system");
	env->dry_run = opts_given(&c->own, "dry-run");
}

static int
back_up(struct cmd *c, const struct backup_env *env, struct backup_result *res,
    struct err *e)
{
	struct repo *repo;
	int r;

	if (cmd_open(c, &repo, e) < 0)
		return (-1);
	r = backup_run(repo, env, &c->ui.events, res, e);
	repo_close(repo);
	if (r < 0)
		return (-1);
	if (res->changed_meanwhile > 0)
		ui_warn(&c->ui, "warning: %llu of the files changed while they "
		    "were read", (unsigned long long)res->changed_meanwhile);
	put_result(&c->ui.result, res);
	say(c, env, res);
	return (res->unread > 0 ? EXIT_PARTIAL : EXIT_DONE);
}

static int
run(struct cmd *c, struct err *e)
{
	struct backup_env env = { 0 };
	struct backup_result res = { 0 };
	struct backup_args args;
	int r;

	r = backup_args_init(&args, c, e);
	if (r == 0) {
		set_env(c, &args, &env);
		r = back_up(c, &env, &res, e);
	}
	backup_args_fini(&args);
	return (r);
}

const struct command backup_command = {
	"backup", "[PATH...]",
	"Back up files and directories into a new snapshot", options, 0, -1,
	run
};
