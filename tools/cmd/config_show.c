/*
 * vitrine config: which settings are in force, and where each comes from.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

/* Options of one set: the command's of that name, or (NULL) the global ones. */
struct shown {
	struct cmd *c;
	const char *command;
	struct table table;
	size_t rows;
};

/* A secret itself is in no option: these name where it is taken from. */
static void
add_row(struct shown *s, const char *key, const char *value, const char *from)
{
	struct json j = JSON_INIT;

	s->rows++;
	if (s->c->ui.json == NULL) {
		table_cell(&s->table, key);
		table_cell(&s->table, value);
		table_cell(&s->table, from);
		return;
	}
	json_begin(&j, "setting");
	if (s->command != NULL)
		json_text(&j, "command", s->command);
	else
		json_null(&j, "command");
	json_text(&j, "name", key);
	json_bytes(&j, "value", value, strlen(value));
	json_bytes(&j, "from", from, strlen(from));
	ui_object(&s->c->ui, &j);
	json_fini(&j);
}

static void
add_option(struct shown *s, const struct opts *opts, const struct opt *o)
{
	const struct opt_value *v = opts_get(opts, o->name);
	const char *variable = settings_variable(o->name);
	const char *text = variable != NULL ? getenv(variable) : NULL;

	if (v->times > 0)
		add_row(s, o->name, o->type == OPT_FLAG ? "yes" : v->text,
		    v->origin != NULL ? v->origin : "command line");
	else if (text != NULL && *text != '\0')
		add_row(s, o->name, text, variable);
}

/* A list's members come each from a place of their own. */
static void
add_list(struct shown *s, const char *key)
{
	const struct config_entries *all = &s->c->config.entries;

	for (unsigned rank = 0; rank <= CONFIG_RANK_MAX; rank++)
		for (size_t i = 0; i < all->n; i++)
			if (all->v[i].rank == rank &&
			    config_holds(s->c, &all->v[i], s->command) &&
			    strcmp(all->v[i].key, key) == 0)
				add_row(s, key, all->v[i].value,
				    all->v[i].origin);
}

static int
show(struct cmd *c, const char *command, const struct opts *opts,
    struct err *e)
{
	const char *heading = command != NULL ? command : "GLOBAL";
	struct shown s = { .c = c, .command = command };
	int r = 0;

	table_init(&s.table, 3, "lll", false);
	table_cell(&s.table, heading);
	table_cell(&s.table, "VALUE");
	table_cell(&s.table, "FROM");
	for (const struct opt *o = opts->table; o->name != NULL; o++)
		if (o->repeatable)
			add_list(&s, o->name);
		else
			add_option(&s, opts, o);
	if (command != NULL)
		add_list(&s, CONFIG_ARGUMENT);
	if (s.rows == 0)
		ui_say(&c->ui, "%s: nothing is set", heading);
	else if (c->ui.json == NULL)
		r = table_print(&s.table, stdout, e);
	table_fini(&s.table);
	return (r);
}

static int
run(struct cmd *c, struct err *e)
{
	const struct command *command;
	struct opts opts = { 0 };
	int at = 0, r = -1;

	for (size_t i = 0; i < 2; i++)
		if (c->config.files[i].path != NULL)
			ui_say(&c->ui, "%s%s", c->config.files[i].path,
			    c->config.files[i].there ? "" : " (not there)");
	if (show(c, NULL, &c->global, e) < 0)
		return (-1);
	if (c->nargs == 0)
		return (EXIT_DONE);
	if ((command = command_find(c->nargs, c->args, &at, e)) == NULL)
		return (-1);
	if (opts_init(&opts, command->options, e) == 0 &&
	    config_apply(c, command->name, &opts, e) == 0 &&
	    show(c, command->name, &opts, e) == 0)
		r = EXIT_DONE;
	opts_fini(&opts);
	return (r);
}

const struct command config_command = {
	"config", "[COMMAND]", "Show the settings in force and their origin",
	no_options, 0, 2, run
};
