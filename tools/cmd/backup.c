/*
 * vitrine backup: options for the job, its result as a sentence.
 */
#include "tools/job/backup.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/cmd/backup_after.h"
#include "tools/cmd/backup_args.h"
#include "tools/cmd/value.h"

#define READERS_MAX	64

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
	{ "one-file-system", 'x', OPT_FLAG, false, NULL,
	    "don't go into other file systems" },
	{ "stdin", 0, OPT_FLAG, false, NULL,
	    "back up standard input, as a file" },
	{ "command", 0, OPT_FLAG, false, NULL,
	    "back up what the command after -- prints, as a file" },
	{ "stdin-name", 0, OPT_TEXT, false, "PATH",
	    "that file's path (default: /stdin)" },
	{ "name", 0, OPT_TEXT, false, "NAME",
	    "a name that tells such backups from others" },
	{ "parent", 0, OPT_TEXT, false, "SNAPSHOT",
	    "compare with this one (default: the newest of its kind)" },
	{ "force", 0, OPT_FLAG, false, NULL,
	    "read all files, also those that seem unchanged" },
	{ "skip-if-unchanged", 0, OPT_FLAG, false, NULL,
	    "make no snapshot when nothing changed" },
	{ "allow-empty", 0, OPT_FLAG, false, NULL,
	    "a snapshot without any file is no error" },
	{ "compression", 0, OPT_TEXT, false, "LEVEL",
	    "off, auto, or -7 to 22 (default: auto, which is 3)" },
	{ "read-concurrency", 0, OPT_COUNT, false, "N",
	    "read at most N files at once" },
	{ "limit-rate", 0, OPT_SIZE, false, "SIZE",
	    "read at most SIZE bytes a second" },
	{ "nice", 0, OPT_COUNT, false, "N",
	    "run with this niceness, 0 to 19" },
	{ "idle-io", 0, OPT_FLAG, false, NULL,
	    "use disks only while nobody else does" },
	{ "before", 0, OPT_TEXT, true, "COMMAND",
	    "run this first; no backup if it fails" },
	{ "after", 0, OPT_TEXT, true, "COMMAND",
	    "run this at the end, however the backup went" },
	{ "on-failure", 0, OPT_TEXT, true, "COMMAND",
	    "run this at the end, if the status isn't 0" },
	{ "metrics-file", 0, OPT_TEXT, false, "FILE",
	    "write figures for Prometheus to FILE" },
	{ "tag", 0, OPT_TEXT, true, "TAG", "a tag for the snapshot" },
	{ "host", 0, OPT_TEXT, false, "HOST",
	    "the host's name (default: the key's, else this machine's)" },
	{ "time", 0, OPT_TIME, false, "TIME",
	    "the snapshot's time (default: now)" },
	{ "dry-run", 'n', OPT_FLAG, false, NULL,
	    "store nothing, say what would be new" },
	BUCKET_OPTIONS,
	{ .name = NULL }
};

static void
say_line(struct cmd *c, bool bad, const char *line)
{
	/* What is not well is told to cron's mail, too. */
	if (bad && c->ui.quiet)
		ui_warn(&c->ui, "%s", line);
	else
		ui_say(&c->ui, "%s", line);
}

static void
say(struct cmd *c, const struct backup_env *env,
    const struct backup_result *res)
{
	char id[ID_HEX], head[160], line[1024];
	char what[3][TEXT_BYTES], n[4][TEXT_BYTES];

	(void)short_id(id, res->skipped ? res->parent.b : res->id.b, SHORT_ID);
	if (env->dry_run && res->unread > 0)
		(void)snprintf(head, sizeof(head), "Dry run, %s could not be "
		    "read", text_n(n[0], res->unread, "entry", "entries"));
	else if (res->skipped)
		(void)snprintf(head, sizeof(head), "%sothing changed since "
		    "snapshot %s, so no new one%s", env->dry_run ?
		    "Dry run, n" : "N", id, env->dry_run ? " would be made" :
		    "");
	else if (env->dry_run)
		(void)snprintf(head, sizeof(head), "Dry run");
	else if (res->unread > 0)
		(void)snprintf(head, sizeof(head), "Snapshot %s is incomplete, "
		    "%s could not be read", id, text_n(n[0], res->unread,
		    "entry", "entries"));
	else
		(void)snprintf(head, sizeof(head), "Snapshot %s", id);
	(void)snprintf(line, sizeof(line), "%s: %s, %s; %s new, %s changed, %s "
	    "removed; %s %s in %s.", head,
	    text_n(what[0], res->files, "file", "files"),
	    text_size(what[1], res->bytes), text_count(n[1], res->files_new),
	    text_count(n[2], res->files_changed),
	    text_count(n[3], res->removed),
	    text_size(what[2], env->dry_run ? res->bytes_new :
	    res->bytes_added), env->dry_run ? "would be new, found" : "added",
	    text_interval(n[0], res->duration_ms));
	say_line(c, res->unread > 0, line);
}

static void
put_result(struct json *j, const struct backup_result *res)
{
	if (!id_is_zero(res->id.b))
		json_id(j, "snapshot", res->id.b);
	if (res->has_parent)
		json_id(j, "parent", res->parent.b);
	json_bool(j, "skipped", res->skipped);
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

/* The text of an option, or NULL. */
static const char *
text_of(const struct cmd *c, const char *option)
{
	const struct opt_value *v = opts_get(&c->own, option);

	return (v->times > 0 ? v->text : NULL);
}

static int
set_compression(struct backup_env *env, const char *text, struct err *e)
{
	struct err ignored = ERR_INIT;
	bool fast = text != NULL && *text == '-';
	uint64_t level;

	if (text == NULL || strcmp(text, "auto") == 0)
		return (0);
	if (strcmp(text, "off") == 0) {
		env->no_compression = true;
		return (0);
	}
	if (value_count(&level, text + (fast ? 1 : 0), 1, fast ? 7 : 22,
	    &ignored) != 0)
		return (err_set(e, ERR_USAGE, "option --compression: \"%s\" is "
		    "none of off, auto, 1 to 22, or -7 to -1", text));
	env->level = fast ? -(int)level : (int)level;
	return (0);
}

/* A stream takes no paths, nor what is said of them. */
static int
set_stream(struct cmd *c, struct backup_env *env, struct err *e)
{
	static const char *const others[] = { "exclude", "exclude-file",
	    "exclude-caches", "exclude-if-present", "exclude-larger-than",
	    "no-ignore-files", "files-from", "files-from-verbatim",
	    "files-from-raw", "one-file-system", "parent",
	    "read-concurrency" };
	bool in = opts_given(&c->own, "stdin");
	bool command = opts_given(&c->own, "command");
	const char *name = text_of(c, "stdin-name");

	if (!in && !command && name != NULL)
		return (err_set(e, ERR_USAGE, "--stdin-name is for --stdin and "
		    "--command"));
	if (!in && !command)
		return (0);
	if (in && command)
		return (err_set(e, ERR_USAGE, "either --stdin or --command"));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (opts_given(&c->own, others[i]))
			return (err_set(e, ERR_USAGE, "--%s means nothing with "
			    "--%s", others[i], in ? "stdin" : "command"));
	if (in && c->nargs > 0)
		return (err_set(e, ERR_USAGE, "--stdin takes no paths"));
	if (command && c->nargs == 0)
		return (err_set(e, ERR_USAGE, "--command: which? It follows "
		    "after --"));
	if (in && isatty(STDIN_FILENO) == 1)
		return (err_set(e, ERR_USAGE, "--stdin: standard input is a "
		    "terminal"));
	env->stream_name = name != NULL ? name : "stdin";
	env->stream_fd = STDIN_FILENO;
	if (command)
		env->command = (const char *const *)c->args;
	return (0);
}

/* The bucket that is to be backed up; NULL: there is none. */
static int
find_bucket(const struct cmd *c, const struct backup_args *args,
    const char **out, struct err *e)
{
	*out = NULL;
	for (size_t i = 0; i < args->nroots; i++)
		if (s3_is_location(args->roots[i]))
			*out = args->roots[i];
	if (*out == NULL)
		return (cmd_no_bucket(c, e));
	if (args->nroots > 1)
		return (err_set(e, ERR_USAGE, "%s: a snapshot is of one bucket "
		    "or of files, and of nothing else (a file of that name is "
		    "./%s)", *out, *out));
	if (opts_given(&c->own, "one-file-system"))
		return (err_set(e, ERR_USAGE, "--one-file-system means nothing "
		    "with a bucket"));
	return (0);
}

static int
set_env(struct cmd *c, const struct backup_args *args, struct backup_env *env,
    struct err *e)
{
	const struct opt_value *present =
	    opts_get(&c->own, "exclude-if-present");
	const struct opt_value *larger =
	    opts_get(&c->own, "exclude-larger-than");
	const struct opt_value *tag = opts_get(&c->own, "tag");
	const struct opt_value *time = opts_get(&c->own, "time");
	const struct opt_value *rate = opts_get(&c->own, "limit-rate");
	const struct opt_value *readers =
	    opts_get(&c->own, "read-concurrency");

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
	env->host = text_of(c, "host");
	env->name = text_of(c, "name");
	env->parent = text_of(c, "parent");
	env->time = time->times > 0 ? &time->time : NULL;
	env->one_file_system = opts_given(&c->own, "one-file-system");
	env->dry_run = opts_given(&c->own, "dry-run");
	env->force = opts_given(&c->own, "force");
	env->skip_unchanged = opts_given(&c->own, "skip-if-unchanged");
	env->allow_empty = opts_given(&c->own, "allow-empty");
	env->rate_bytes = rate->number;
	if (rate->times > 0 && rate->number == 0)
		return (err_set(e, ERR_USAGE, "--limit-rate 0 would never "
		    "end"));
	env->read_concurrency = (unsigned)readers->number;
	if (readers->times > 0 && (readers->number == 0 ||
	    readers->number > READERS_MAX))
		return (err_set(e, ERR_USAGE, "--read-concurrency: 1 to %d",
		    READERS_MAX));
	if (set_compression(env, text_of(c, "compression"), e) != 0)
		return (-1);
	return (set_stream(c, env, e));
}

/* Before any thread is made: they get it from this one. */
static int
be_nice(struct cmd *c, struct err *e)
{
	const struct opt_value *nice = opts_get(&c->own, "nice");

	if (nice->times > 0 && nice->number > 19)
		return (err_set(e, ERR_USAGE, "--nice: 0 to 19"));
	if (nice->times > 0 &&
	    setpriority(PRIO_PROCESS, 0, (int)nice->number) != 0)
		return (err_sys(e, errno, "--nice %s", nice->text));
	if (opts_given(&c->own, "idle-io") && syscall(SYS_ioprio_set,
	    IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT) !=
	    0)
		return (err_sys(e, errno, "--idle-io"));
	return (0);
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

/* A step of the end failed: that is the error, unless there is one already. */
static void
also(struct cmd *c, int *r, struct err *e, const struct err *why)
{
	if (*r < 0) {
		ui_warn(&c->ui, "%s", err_text(why));
	} else {
		*e = *why;
		*r = -1;
	}
}

static void
set_status(struct outcome *o, int r, const struct err *e)
{
	o->status = r < 0 ? err_exit_status(e) : r;
	o->error = r < 0 ? err_text(e) : "";
}

/* The backup with what goes before and after it. */
static int
whole(struct cmd *c, const struct backup_env *env, struct err *e)
{
	struct backup_result res = { 0 };
	struct outcome o = { .env = env, .res = &res, .error = "" };
	const char *metrics = text_of(c, "metrics-file");
	struct err why = ERR_INIT;
	int r = hooks_run(c, "before", &o, e);

	if (r == 0)
		r = back_up(c, env, &res, e);
	set_status(&o, r, e);
	if (hooks_run(c, "after", &o, &why) != 0)
		also(c, &r, e, &why);
	set_status(&o, r, e);
	err_init(&why);
	if (r != 0 && hooks_run(c, "on-failure", &o, &why) != 0)
		also(c, &r, e, &why);
	err_init(&why);
	if (metrics != NULL && metrics_write(c, metrics, &o, &why) != 0)
		also(c, &r, e, &why);
	return (r);
}

static int
run(struct cmd *c, struct err *e)
{
	bool command = opts_given(&c->own, "command");
	struct backup_env env = { 0 };
	struct backup_args args;
	const char *bucket = NULL;
	int r;

	r = backup_args_init(&args, c, !command, e);
	if (r == 0)
		r = set_env(c, &args, &env, e);
	if (r == 0)
		r = find_bucket(c, &args, &bucket, e);
	if (r == 0 && bucket != NULL)
		r = cmd_bucket(c, bucket, env.read_concurrency, &env.bucket,
		    e);
	if (r == 0)
		r = be_nice(c, e);
	if (r == 0)
		r = whole(c, &env, e);
	s3_free(env.bucket);
	backup_args_fini(&args);
	return (r);
}

const struct command backup_command = {
	"backup", "[PATH... | s3:BUCKET]",
	"Back up files and directories into a new snapshot", options, 0, -1,
	run
};
