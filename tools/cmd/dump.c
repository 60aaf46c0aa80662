/*
 * vitrine dump: a part of a snapshot to standard output, as an archive.
 */
#include "tools/job/dump.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/cmd/cmd.h"

static const struct opt options[] = {
	{ "format", 0, OPT_TEXT, false, "FORMAT", "tar (the default) or zip" },
	FILTER_OPTIONS,
	{ .name = NULL }
};

static int
write_out(void *ctx, const void *p, size_t len)
{
	(void)ctx;
	errno = 0;
	return (fwrite(p, 1, len, stdout) == len ? 0 : -1);
}

static int
parse_format(const struct cmd *c, enum dump_format *out, struct err *e)
{
	const struct opt_value *v = opts_get(&c->own, "format");

	if (v->times == 0 || strcmp(v->text, "tar") == 0)
		*out = DUMP_TAR;
	else if (strcmp(v->text, "zip") == 0)
		*out = DUMP_ZIP;
	else
		return (err_set(e, ERR_USAGE, "option --format: \"%s\" is "
		    "neither tar nor zip", v->text));
	return (0);
}

static void
put_result(struct cmd *c, const struct snapshot_id *id,
    const struct dump_result *res)
{
	struct json *j = &c->ui.result;
	char n[TEXT_BYTES];

	json_id(j, "snapshot", id->b);
	json_u64(j, "files", res->files);
	json_u64(j, "directories", res->dirs);
	json_u64(j, "others", res->others);
	json_u64(j, "bytes", res->bytes);
	json_u64(j, "failed", res->failed);
	if (res->left_out > 0)
		ui_note(&c->ui, "%s left out: a zip holds none",
		    text_n(n, res->left_out, "extended attribute",
		    "extended attributes"));
	if (res->failed > 0)
		ui_warn(&c->ui, "%s not in the archive, or not wholly",
		    text_n(n, res->failed, "thing is", "things are"));
}

static int
run(struct cmd *c, struct err *e)
{
	struct dump_env env = { .write = write_out };
	struct dump_result res = { 0 };
	struct reader reader;
	struct entry en;
	int r;

	/* Standard output is the archive's. */
	if (c->ui.json != NULL)
		c->ui.json = stderr;
	if (parse_format(c, &env.format, e) < 0)
		return (-1);
	if (isatty(STDOUT_FILENO))
		return (err_set(e, ERR_USAGE, "an archive is nothing for a "
		    "terminal: let it go into a file or a pipe"));
	if (reader_open(&reader, c, c->args[0], e) < 0)
		return (-1);
	env.catalog = reader.catalog;
	env.fetch = reader.fetch;
	env.path = reader.chosen.path;
	r = reader_resolve(&reader, &en, e);
	if (r == 0)
		r = dump_run(&env, &c->ui.events, &res, e);
	if (r == 0)
		put_result(c, &reader.chosen.id, &res);
	reader_close(&reader);
	if (r < 0)
		return (-1);
	return (res.failed > 0 ? EXIT_PARTIAL : EXIT_DONE);
}

const struct command dump_command = {
	"dump", "SNAPSHOT[:PATH]", "Write a part of a snapshot to standard "
	"output, as tar or zip", options, 1, 1, run
};
