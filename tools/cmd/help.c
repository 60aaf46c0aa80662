/*
 * vitrine help: from the commands' tables.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

static void
print_options(FILE *f, const struct opt *table)
{
	char left[64];
	size_t width = 0, n;

	for (int pass = 0; pass < 2; pass++)
		for (const struct opt *o = table; o->name != NULL; o++) {
			(void)snprintf(left, sizeof(left), "%c%c%s --%s%s%s",
			    o->letter != 0 ? '-' : ' ',
			    o->letter != 0 ? o->letter : ' ',
			    o->letter != 0 ? "," : " ", o->name,
			    o->argument != NULL ? " " : "",
			    o->argument != NULL ? o->argument : "");
			n = strlen(left);
			if (pass == 0 && n > width)
				width = n;
			if (pass == 1)
				(void)fprintf(f, "  %-*s  %s%s\n", (int)width,
				    left, o->help,
				    o->repeatable ? " (repeatable)" : "");
		}
}

static void
option_objects(struct cmd *c, const char *command, const struct opt *table)
{
	static const char *const types[] = {
		[OPT_FLAG] = "flag", [OPT_TEXT] = "text",
		[OPT_SIZE] = "size", [OPT_COUNT] = "count",
		[OPT_TIME] = "time"
	};
	struct json j = JSON_INIT;
	char letter[2] = "";

	for (const struct opt *o = table; o->name != NULL; o++) {
		json_begin(&j, "option");
		if (command != NULL)
			json_text(&j, "command", command);
		else
			json_null(&j, "command");
		json_text(&j, "name", o->name);
		letter[0] = o->letter;
		if (o->letter != 0)
			json_text(&j, "letter", letter);
		json_text(&j, "value", types[o->type]);
		if (o->argument != NULL)
			json_text(&j, "argument", o->argument);
		json_bool(&j, "repeatable", o->repeatable);
		json_text(&j, "help", o->help);
		ui_object(&c->ui, &j);
	}
	json_fini(&j);
}

static void
command_objects(struct cmd *c, const struct command *k)
{
	struct json j = JSON_INIT;

	json_begin(&j, "command");
	json_text(&j, "name", k->name);
	json_text(&j, "arguments", k->arguments);
	json_text(&j, "summary", k->summary);
	ui_object(&c->ui, &j);
	json_fini(&j);
	option_objects(c, k->name, k->options);
}

void
help_overview(struct cmd *c, FILE *f)
{
	size_t width = 0;

	if (c->ui.json != NULL) {
		option_objects(c, NULL, global_options);
		for (size_t i = 0; commands[i] != NULL; i++)
			command_objects(c, commands[i]);
		return;
	}
	(void)fprintf(f, "usage: vitrine [global options] COMMAND [options] "
	    "[arguments]\n\ncommands:\n");
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; commands[i] != NULL; i++) {
			size_t n = strlen(commands[i]->name);

			if (pass == 0 && n > width)
				width = n;
			if (pass == 1)
				(void)fprintf(f, "  %-*s  %s\n", (int)width,
				    commands[i]->name, commands[i]->summary);
		}
	(void)fprintf(f, "\nglobal options (before or after the command):\n");
	print_options(f, global_options);
	(void)fprintf(f, "\nSNAPSHOT is \"latest\" or the first digits of an "
	    "id.\n\"vitrine help COMMAND\" and the manual pages say more.\n");
}

void
help_command(struct cmd *c, const struct command *k)
{
	FILE *f = stdout;

	if (c->ui.json != NULL) {
		command_objects(c, k);
		return;
	}
	(void)fprintf(f, "usage: vitrine [global options] %s%s%s%s\n\n%s\n",
	    k->name, k->options[0].name != NULL ? " [options]" : "",
	    *k->arguments != '\0' ? " " : "", k->arguments, k->summary);
	if (k->options[0].name != NULL) {
		(void)fprintf(f, "\noptions:\n");
		print_options(f, k->options);
	}
}

static int
run(struct cmd *c, struct err *e)
{
	const struct command *found;
	size_t len, shown = 0;
	int at = 0;

	if (c->nargs == 0) {
		help_overview(c, stdout);
		return (EXIT_DONE);
	}
	/* "help key" shows the whole family. */
	len = strlen(c->args[0]);
	for (size_t i = 0; c->nargs == 1 && commands[i] != NULL; i++)
		if (strncmp(commands[i]->name, c->args[0], len) == 0 &&
		    commands[i]->name[len] == ' ') {
			if (shown++ > 0 && c->ui.json == NULL)
				(void)fprintf(stdout, "\n");
			help_command(c, commands[i]);
		}
	if (shown > 0)
		return (EXIT_DONE);
	if ((found = command_find(c->nargs, c->args, &at, e)) == NULL)
		return (-1);
	help_command(c, found);
	return (EXIT_DONE);
}

const struct command help_command_def = {
	"help", "[COMMAND]", "Show help", no_options, 0, 2, run
};
