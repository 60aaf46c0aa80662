/*
 * What the configuration says: the files, whether their keys are options and
 * their values such that the options take them, and which of it holds.
 */
#include "tools/cmd/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "tools/cmd/cmd.h"
#include "tools/cmd/nearest.h"

#define SYSTEM_FILE	"/etc/vitrine/config"

void
config_fini(struct config *c)
{
	config_entries_fini(&c->entries);
	for (size_t i = 0; i < c->nvalues; i++)
		free(c->values[i]);
	free(c->values);
	free(c->files[0].path);
	free(c->files[1].path);
	memset(c, 0, sizeof(*c));
}

static int
user_file(char **out, struct err *e)
{
	const char *base = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	int n = 0;

	*out = NULL;
	if (base != NULL && base[0] == '/')
		n = asprintf(out, "%s/vitrine/config", base);
	else if (home != NULL && home[0] == '/')
		n = asprintf(out, "%s/.config/vitrine/config", home);
	if (n < 0) {
		*out = NULL;
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	return (0);
}

/* It names commands that we run: who may write it may be us. */
static int
see_that_it_is_ours(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return (err_sys(e, errno, "%s", path));
	if (!S_ISREG(st.st_mode))
		return (err_set(e, ERR_USAGE, "%s: not a file", path));
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return (err_set(e, ERR_USAGE, "%s: belongs to another user, "
		    "who could have commands run; it has to be yours or "
		    "root's", path));
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return (err_set(e, ERR_USAGE, "%s: others may write it and "
		    "have commands run; chmod go-w it", path));
	return (0);
}

static int
read_file(struct config *c, size_t which, struct err *e)
{
	const char *path = c->files[which].path;
	struct buf text = BUF_INIT;
	int fd, r = -1;

	if (path == NULL)
		return (0);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return (0);
	if (fd < 0)
		return (err_sys(e, errno, "%s", path));
	if (see_that_it_is_ours(fd, path, e) == 0) {
		r = io_slurp(fd, &text, CONFIG_FILE_MAX, e);
		if (r < 0)
			(void)err_wrap(e, "%s", path);
		else
			r = config_file_parse(&c->entries, path, which == 1,
			    text.data, text.len, e);
	}
	c->files[which].there = true;
	buf_fini(&text);
	(void)close(fd);
	return (r);
}

static const struct command *
command_named(const char *name)
{
	for (size_t i = 0; commands[i] != NULL; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return (commands[i]);
	return (NULL);
}

static int
unknown_section(const struct config_entry *v, struct err *e)
{
	struct nearest near;

	nearest_init(&near, v->command);
	for (size_t i = 0; commands[i] != NULL; i++)
		nearest_offer(&near, commands[i]->name);
	return (err_set(e, ERR_USAGE, near.best != NULL ?
	    "%s: [%s] is no command; did you mean [%s]?" :
	    "%s: [%s] is no command (a profile is [profile NAME])", v->origin,
	    v->command, near.best));
}

static int
unknown_key(const struct config_entry *v, const struct opt *table,
    struct err *e)
{
	struct nearest near;

	nearest_init(&near, v->key);
	for (const struct opt *o = table; o->name != NULL; o++)
		nearest_offer(&near, o->name);
	if (near.best != NULL)
		return (err_set(e, ERR_USAGE, "%s: unknown key \"%s\"; did "
		    "you mean \"%s\"?", v->origin, v->key, near.best));
	if (v->command == NULL)
		return (err_set(e, ERR_USAGE, "%s: unknown key \"%s\"; "
		    "outside of a command's section stand global options",
		    v->origin, v->key));
	return (err_set(e, ERR_USAGE, "%s: unknown key \"%s\"; see \"vitrine "
	    "help %s\"", v->origin, v->key, v->command));
}

/* The options that make sense on a command line only. */
static bool
is_of_the_line(const char *key)
{
	return (strcmp(key, "help") == 0 || strcmp(key, "version") == 0 ||
	    strcmp(key, "profile") == 0);
}

/* "~/" is the home directory, as in a shell. */
static int
resolve(struct config *c, char *value, char **out, struct err *e)
{
	const char *home = getenv("HOME");
	char **values, *full;

	*out = value;
	if (strncmp(value, "~/", 2) != 0 || home == NULL)
		return (0);
	values = reallocarray(c->values, c->nvalues + 1, sizeof(*values));
	if (values == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	c->values = values;
	if (asprintf(&full, "%s%s", home, value + 1) < 0)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	c->values[c->nvalues++] = full;
	*out = full;
	return (0);
}

static int
set(struct config *c, struct opts *opts, const struct opt *o,
    const struct config_entry *v, struct err *e)
{
	char *value;

	/* A stronger section takes the place of a weaker one's. */
	if (!o->repeatable)
		opts_unset(opts, o);
	if (secret_is_option(o->name))
		for (const struct opt *p = opts->table; p->name != NULL; p++)
			if (secret_is_option(p->name))
				opts_unset(opts, p);
	if (o->type == OPT_FLAG) {
		if (strcmp(v->value, "yes") == 0)
			return (opts_set(opts, o, "", v->origin, e));
		if (strcmp(v->value, "no") == 0)
			return (0);
		return (err_set(e, ERR_USAGE, "%s: %s is yes or no, not "
		    "\"%s\"", v->origin, v->key, v->value));
	}
	if (resolve(c, v->value, &value, e) < 0)
		return (-1);
	if (opts_set(opts, o, value, v->origin, e) < 0)
		return (err_wrap(e, "%s", v->origin));
	return (0);
}

static bool
same_section(const struct config_entry *a, const struct config_entry *b)
{
	return (a->rank == b->rank &&
	    (a->profile == NULL || strcmp(a->profile, b->profile) == 0) &&
	    (a->command == NULL || strcmp(a->command, b->command) == 0));
}

/* Nothing else in its section may say the same thing, or the contrary. */
static int
see_that_it_is_alone(const struct config *c, size_t at, const struct opt *table,
    const struct opt *o, struct err *e)
{
	const struct config_entry *v = &c->entries.v[at], *w;
	const struct opt *p;

	for (size_t i = 0; i < at; i++) {
		w = &c->entries.v[i];
		if (w->key == NULL || !same_section(v, w) ||
		    (p = opts_find(table, w->key)) == NULL)
			continue;
		if (p == o && !o->repeatable)
			return (err_set(e, ERR_USAGE, "%s: %s stands in %s "
			    "already", v->origin, v->key, w->origin));
		if (p != o && secret_is_option(p->name) &&
		    secret_is_option(o->name))
			return (err_set(e, ERR_USAGE, "%s: %s contradicts %s "
			    "in %s", v->origin, v->key, w->key, w->origin));
	}
	return (0);
}

/* The whole of the files is looked at in each run, not what this one needs: a
 * mistake is told at once, not in the night when its command runs. */
static int
verify(struct config *c, size_t at, struct err *e)
{
	const struct config_entry *v = &c->entries.v[at];
	const struct opt *table = global_options, *o;
	const struct command *command = NULL;
	struct opts scratch;
	int r;

	if (v->command != NULL) {
		if ((command = command_named(v->command)) == NULL)
			return (unknown_section(v, e));
		table = command->options;
	}
	if (v->key == NULL)
		return (0);
	if (command != NULL && strcmp(v->key, CONFIG_ARGUMENT) == 0) {
		if (command->max_args != 0)
			return (0);
		return (err_set(e, ERR_USAGE, "%s: %s takes no arguments",
		    v->origin, v->command));
	}
	o = opts_find(table, v->key);
	if (o == NULL || is_of_the_line(v->key))
		return (unknown_key(v, table, e));
	if (see_that_it_is_alone(c, at, table, o, e) < 0 ||
	    opts_init(&scratch, table, e) < 0)
		return (-1);
	r = set(c, &scratch, o, v, e);
	opts_fini(&scratch);
	return (r);
}

/* The profile has to stand somewhere. */
static int
see_profile(const struct config *c, const char *name, struct err *e)
{
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < c->entries.n; i++) {
		const char *p = c->entries.v[i].profile;

		if (p == NULL)
			continue;
		if (strcmp(p, name) == 0)
			return (0);
		nearest_offer(&near, p);
	}
	if (near.best != NULL)
		return (err_set(e, ERR_USAGE,
		    "no profile \"%s\"; did you mean \"%s\"?", name,
		    near.best));
	return (err_set(e, ERR_USAGE, "no profile \"%s\": neither %s nor %s "
	    "has a section [profile %s]", name, SYSTEM_FILE,
	    c->files[1].path != NULL ? c->files[1].path : "a user's file",
	    name));
}

bool
config_holds(const struct cmd *c, const struct config_entry *v,
    const char *command)
{
	const struct opt_value *profile = opts_get(&c->global, "profile");

	if (v->key == NULL)
		return (false);
	if (v->profile != NULL && (profile->times == 0 ||
	    strcmp(v->profile, profile->text) != 0))
		return (false);
	if (v->command == NULL || command == NULL)
		return (v->command == command);
	return (strcmp(v->command, command) == 0);
}

/* Do the command line or the environment, which count more than a file, say
 * it, or what excludes it? */
static bool
is_taken(const struct opts *opts, const struct opt *o)
{
	const char *variable = settings_variable(o->name);
	const char *text = variable != NULL ? getenv(variable) : NULL;

	if (!secret_is_option(o->name))
		return (text != NULL && *text != '\0');
	for (const struct opt *p = opts->table; p->name != NULL; p++)
		if (secret_is_option(p->name) && opts_given(opts, p->name))
			return (true);
	return (secret_in_environment());
}

int
config_apply(struct cmd *c, const char *command, struct opts *opts,
    struct err *e)
{
	struct config_entries *all = &c->config.entries;
	struct opts weak;
	int r = 0;

	if (opts_init(&weak, opts->table, e) < 0)
		return (-1);
	for (unsigned rank = 0; r == 0 && rank <= CONFIG_RANK_MAX; rank++)
		for (size_t i = 0; r == 0 && i < all->n; i++) {
			const struct config_entry *v = &all->v[i];
			const struct opt *o;

			if (v->rank != rank || !config_holds(c, v, command) ||
			    (o = opts_find(opts->table, v->key)) == NULL ||
			    is_taken(opts, o))
				continue;
			r = set(&c->config, &weak, o, v, e);
		}
	if (r == 0)
		r = opts_merge(opts, &weak, e);
	opts_fini(&weak);
	return (r);
}

/* The strongest section that has arguments for this command gives all of
 * them. */
static int
take_arguments(struct cmd *c, struct err *e)
{
	const struct config_entries *all = &c->config.entries;
	unsigned best = 0;
	char **args;
	int n = 0;

	for (size_t i = 0; i < all->n; i++)
		if (config_holds(c, &all->v[i], c->command->name) &&
		    strcmp(all->v[i].key, CONFIG_ARGUMENT) == 0) {
			n++;
			if (all->v[i].rank > best)
				best = all->v[i].rank;
		}
	if (n == 0 || c->nargs > 0)
		return (0);
	args = reallocarray(c->args, (size_t)n + 1, sizeof(*args));
	if (args == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	c->args = args;
	for (size_t i = 0; i < all->n; i++) {
		const struct config_entry *v = &all->v[i];

		if (v->rank != best ||
		    !config_holds(c, v, c->command->name) ||
		    strcmp(v->key, CONFIG_ARGUMENT) != 0)
			continue;
		if (resolve(&c->config, v->value, &args[c->nargs], e) < 0)
			return (-1);
		c->nargs++;
	}
	return (0);
}

int
config_load(struct cmd *c, struct err *e)
{
	struct config *config = &c->config;
	const struct opt_value *profile = opts_get(&c->global, "profile");

	if ((config->files[0].path = strdup(SYSTEM_FILE)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (user_file(&config->files[1].path, e) < 0 ||
	    read_file(config, 0, e) < 0 || read_file(config, 1, e) < 0)
		return (-1);
	for (size_t i = 0; i < config->entries.n; i++)
		if (verify(config, i, e) < 0)
			return (-1);
	if (profile->times > 0 && see_profile(config, profile->text, e) < 0)
		return (-1);
	if (config_apply(c, NULL, &c->global, e) < 0 ||
	    config_apply(c, c->command->name, &c->own, e) < 0)
		return (-1);
	return (take_arguments(c, e));
}
