/*
 * vitrine complete: what may stand at the end of a command line, for the
 * completions of the shells (contrib/completion), so that all of them know what
 * the option tables know, and the repository's snapshots and paths.
 *
 * Each line of the output is a candidate, a tab, and what it is.  A line that
 * begins with a colon is for the script: ":files" or ":directories" asks for
 * those of the machine, ":nospace" for no blank behind a candidate.  Nothing is
 * ever asked for and no error shown: then there are no candidates.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

/* The line so far, without the word that is being written. */
struct line {
	struct cmd cmd;
	const char *word;		/* that one */
	const char *family;		/* "key": its second word is missing */
	const struct opt *pending;	/* whose value the word is */
	bool ended;			/* by "--" */
};

static void
offer(const char *candidate, const char *what)
{
	struct buf b = BUF_INIT;

	/* A name with a newline has no line of its own.  What is said of it is
	 * anybody's text, and shown. */
	text_escape(&b, what, strlen(what));
	if (!b.failed && strpbrk(candidate, "\n\t") == NULL)
		(void)printf("%s\t%.*s\n", candidate, (int)b.len,
		    (const char *)b.data);
	buf_fini(&b);
}

static void
offer_options(const struct opt *table, const char *word)
{
	char name[80];

	for (const struct opt *o = table; o->name != NULL; o++) {
		(void)snprintf(name, sizeof(name), "--%s", o->name);
		if (strncmp(name, word, strlen(word)) == 0)
			offer(name, o->help);
	}
}

/* Commands, the second words of a family's, or its first word once. */
static void
offer_commands(const char *family, const char *word)
{
	size_t len = family != NULL ? strlen(family) + 1 : 0, n;
	char first[64], last[64] = "";
	const char *name;

	for (size_t i = 0; commands[i] != NULL; i++) {
		name = commands[i]->name;
		if (family != NULL && (strncmp(name, family, len - 1) != 0 ||
		    name[len - 1] != ' '))
			continue;
		name += len;
		n = strcspn(name, " ");
		if (strncmp(name, word, strlen(word)) != 0)
			continue;
		(void)snprintf(first, sizeof(first), "%.*s", (int)n, name);
		if (strcmp(first, last) == 0)
			continue;
		memcpy(last, first, sizeof(last));
		offer(first, name[n] == ' ' ? "..." : commands[i]->summary);
	}
}

/* Nothing is asked for on a terminal, and a descriptor is not ours. */
static bool
has_secret(const struct cmd *c)
{
	struct secret_source from;
	struct err e = ERR_INIT;

	return (secret_source(&from, &c->global, &e) == 0 &&
	    from.from != SECRET_PROMPT && from.from != SECRET_FD);
}

static void
offer_snapshots(struct line *l, bool with_path)
{
	char id[ID_HEX], time[TEXT_BYTES], what[256];
	struct snapshots snaps;
	struct err e = ERR_INIT;
	struct repo *repo;
	size_t digits;

	if (!has_secret(&l->cmd) || cmd_open(&l->cmd, &repo, &e) < 0)
		return;
	if (repo_snapshots(repo, &snaps, &e) == 0) {
		digits = short_id_len(&snaps);
		if (with_path)
			(void)printf(":nospace\n");
		if (strncmp("latest", l->word, strlen(l->word)) == 0)
			offer("latest", "the newest snapshot");
		for (size_t i = snaps.n; i-- > 0;) {
			const struct snapshot *s = &snaps.v[i];

			(void)short_id(id, s->id.b, digits);
			if (strncmp(id, l->word, strlen(l->word)) != 0)
				continue;
			(void)snprintf(what, sizeof(what), "%s %s %s",
			    text_time(time, &s->time), s->host.p,
			    s->roots.n > 0 ? s->roots.v[0].p : "");
			offer(id, what);
		}
		snapshots_fini(&snaps);
	}
	repo_close(repo);
}

struct children {
	const char *before;		/* of the word, up to the last '/' */
	size_t before_len;
	const char *begin;		/* of the name */
};

static int
offer_child(void *ctx, const char *name, size_t len, const struct entry *entry,
    struct err *e)
{
	const struct children *c = ctx;
	char *full;

	if (strncmp(name, c->begin, strlen(c->begin)) != 0)
		return (0);
	if (asprintf(&full, "%.*s%.*s%s", (int)c->before_len, c->before,
	    (int)len, name, entry->kind == ENTRY_DIR ? "/" : "") < 0)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	offer(full, entry->kind == ENTRY_DIR ? "directory" : "file");
	free(full);
	return (0);
}

/* "SNAPSHOT:PATH": what is in that directory of the snapshot. */
static void
offer_paths(struct line *l)
{
	const char *colon = strchr(l->word, ':');
	const char *slash = strrchr(colon, '/');
	struct children c = { .before = l->word };
	struct err e = ERR_INIT;
	struct reader reader;
	struct entry dir;
	char *arg;

	if (!has_secret(&l->cmd))
		return;
	c.begin = slash != NULL ? slash + 1 : colon + 1;
	c.before_len = (size_t)(c.begin - l->word);
	if ((arg = strndup(l->word, c.before_len)) == NULL)
		return;
	if (reader_open(&reader, &l->cmd, arg, &e) == 0) {
		(void)printf(":nospace\n");
		/* A relative path is written as an absolute one. */
		if (slash == NULL && *c.begin == '\0')
			(void)printf("%s/\tdirectory\n", arg);
		else if (reader_resolve(&reader, &dir, &e) == 0 &&
		    dir.kind == ENTRY_DIR)
			(void)catalog_readdir(reader.catalog, dir.ino, NULL, 0,
			    offer_child, &c, &e);
		reader_close(&reader);
	}
	free(arg);
}

/* By what the tables call it. */
static void
offer_value(struct line *l, const char *name)
{
	if (strstr(name, "SNAPSHOT") != NULL) {
		if (strchr(l->word, ':') != NULL)
			offer_paths(l);
		else
			offer_snapshots(l, strstr(name, ":PATH") != NULL);
	} else if (strstr(name, "DIRECTORY") != NULL ||
	    strstr(name, "LOCATION") != NULL ||
	    strstr(name, "MOUNTPOINT") != NULL)
		(void)printf(":directories\n");
	else if (strstr(name, "FILE") != NULL || strstr(name, "PATH") != NULL)
		(void)printf(":files\n");
	else if (strstr(name, "COMMAND") != NULL)
		offer_commands(NULL, l->word);
}

/* The nth word (the last stands for all that follow) of a usage line. */
static void
offer_argument(struct line *l, const char *usage, int nth)
{
	const char *word = usage;
	char name[64];
	size_t n;

	for (;;) {
		n = strcspn(word, " ");
		if (nth-- <= 0 || word[n] == '\0')
			break;
		word += n + 1;
	}
	if (nth >= 0 && (n < 3 || strncmp(word + n - 3, "...", 3) != 0))
		return;
	(void)snprintf(name, sizeof(name), "%.*s", (int)n, word);
	offer_value(l, name);
	/* An optional snapshot may be left out for what follows it. */
	if (*name == '[' && word[n] == ' ')
		offer_value(l, word + n + 1);
}

static const struct opt *
option_that_waits(const struct line *l, const char *last)
{
	const struct opt *tables[2] = { global_options,
	    l->cmd.command != NULL ? l->cmd.command->options : NULL };

	if (last[0] != '-' || last[1] == '\0')
		return (NULL);
	for (size_t t = 0; t < 2 && tables[t] != NULL; t++)
		for (const struct opt *o = tables[t]; o->name != NULL; o++) {
			if (o->type == OPT_FLAG)
				continue;
			if (strncmp(last, "--", 2) == 0 ?
			    strcmp(last + 2, o->name) == 0 : o->letter != 0 &&
			    last[strlen(last) - 1] == o->letter)
				return (o);
		}
	return (NULL);
}

/* What the words before it come to.  false: they make no sense. */
static bool
read_line(struct line *l, int n, char **words, struct err *e)
{
	struct cmd *c = &l->cmd;
	struct opts *sets[2] = { &c->own, &c->global };
	struct opts *global[1] = { &c->global };
	int at = 0, end = n;

	if (opts_init(&c->global, global_options, e) < 0)
		return (false);
	if (n > 0 && (l->pending = option_that_waits(l, words[n - 1])) != NULL)
		end--;
	if (opts_parse(global, 1, end, words, &at, NULL, NULL, e) < 0)
		return (false);
	if (at >= end)
		return (true);
	if (at == end - 1 && l->pending == NULL &&
	    command_is_family(words[at])) {
		l->family = words[at];
		return (true);
	}
	if ((c->command = command_find(end, words, &at, e)) == NULL ||
	    opts_init(&c->own, c->command->options, e) < 0)
		return (false);
	/* A command's own option may wait as well. */
	if (l->pending == NULL && at < end &&
	    (l->pending = option_that_waits(l, words[end - 1])) != NULL)
		end--;
	for (int i = at; i < end; i++)
		l->ended |= strcmp(words[i], "--") == 0;
	c->args = calloc((size_t)n + 1, sizeof(c->args[0]));
	return (c->args != NULL && opts_parse(sets, 2, end, words, &at,
	    c->args, &c->nargs, e) == 0);
}

static void
offer_all(struct line *l)
{
	struct cmd *c = &l->cmd;
	int nth = c->nargs;
	struct err e = ERR_INIT;

	if (l->pending == NULL && l->word[0] == '-' && !l->ended) {
		if (c->command != NULL)
			offer_options(c->command->options, l->word);
		offer_options(global_options, l->word);
		return;
	}
	if (l->pending == NULL && c->command == NULL) {
		offer_commands(l->family, l->word);
		return;
	}
	if (c->command == NULL) {
		/* A value of a global option, before any command. */
		c->command = &help_command_def;
		if (opts_init(&c->own, c->command->options, &e) < 0)
			return;
	}
	if (config_load(c, &e) < 0 || cmd_settings(c, &e) < 0)
		return;
	if (l->pending != NULL)
		offer_value(l, l->pending->argument);
	else
		offer_argument(l, c->command->arguments, nth);
}

static int
run(struct cmd *c, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct line l = { .word = c->args[c->nargs - 1] };

	(void)e;
	if (freopen("/dev/null", "w", stderr) == NULL)
		return (EXIT_DONE);
	ui_init(&l.cmd.ui);
	if (read_line(&l, c->nargs - 1, c->args, &ignored))
		offer_all(&l);
	cmd_fini(&l.cmd);
	return (EXIT_DONE);
}

const struct command complete_command = {
	"complete", "-- WORD...", "What may end a command line, for shells",
	no_options, 1, -1, run
};
