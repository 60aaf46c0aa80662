/*
 * Configuration files as text: lines into entries, so that everything that is
 * wrong with one is told with its file and line.
 */
#include "tools/cmd/config_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a section ranks within its file. */
enum { RANK_TOP, RANK_COMMAND, RANK_PROFILE, RANK_BOTH, RANKS };

struct section {
	const char *profile, *command;
	unsigned rank;
};

void
config_entries_fini(struct config_entries *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].origin);
	for (size_t i = 0; i < c->ntexts; i++)
		free(c->texts[i]);
	free(c->v);
	free(c->texts);
	memset(c, 0, sizeof(*c));
}

static bool
is_blank(char c)
{
	return (c == ' ' || c == '\t' || c == '\r');
}

/* Without the blanks around it; cuts the text. */
static char *
trim(char *s)
{
	size_t n;

	while (is_blank(*s))
		s++;
	for (n = strlen(s); n > 0 && is_blank(s[n - 1]); n--)
		s[n - 1] = '\0';
	return (s);
}

/* A word ends at a blank; what follows it. */
static char *
next_word(char *s)
{
	s += strcspn(s, " \t");
	if (*s != '\0')
		*s++ = '\0';
	return (trim(s));
}

static bool
is_word(const char *s)
{
	return (*s != '\0' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-")] == '\0');
}

static int
add(struct config_entries *c, const struct section *s, const char *origin,
    const char *key, char *value, struct err *e)
{
	struct config_entry *v;
	char *copy;

	v = reallocarray(c->v, c->n + 1, sizeof(*v));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	c->v = v;
	if ((copy = strdup(origin)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	v = &v[c->n++];
	v->origin = copy;
	v->profile = s->profile;
	v->command = s->command;
	v->key = key;
	v->value = value;
	v->rank = s->rank;
	return (0);
}

/* "[command]", "[profile name]" or "[profile name command]". */
static int
parse_section(struct section *s, char *line, const char *origin, struct err *e)
{
	size_t n = strlen(line);
	char *name, *rest;

	if (line[n - 1] != ']')
		return (err_set(e, ERR_USAGE, "%s: a section ends with \"]\"",
		    origin));
	line[n - 1] = '\0';
	name = trim(line + 1);
	s->profile = s->command = NULL;
	if (strncmp(name, "profile", 7) == 0 &&
	    (name[7] == '\0' || is_blank(name[7]))) {
		name = next_word(name);
		rest = next_word(name);
		if (!is_word(name))
			return (err_set(e, ERR_USAGE, "%s: \"%s\" is no name "
			    "for a profile (letters, digits and _.@-)", origin,
			    name));
		s->profile = name;
		name = rest;
	}
	if (*name != '\0')
		s->command = name;
	if (s->profile == NULL && s->command == NULL)
		return (err_set(e, ERR_USAGE, "%s: a section without a name",
		    origin));
	s->rank = s->profile == NULL ? RANK_COMMAND :
	    s->command == NULL ? RANK_PROFILE : RANK_BOTH;
	return (0);
}

static int
parse_line(struct config_entries *c, struct section *s, bool strong,
    char *line, const char *origin, struct err *e)
{
	struct section ranked;
	char *value = NULL, *key = NULL;

	line = trim(line);
	if (*line == '\0' || *line == '#')
		return (0);
	if (*line == '[') {
		if (parse_section(s, line, origin, e) < 0)
			return (-1);
	} else {
		if ((value = strchr(line, '=')) == NULL)
			return (err_set(e, ERR_USAGE, "%s: this is neither "
			    "\"key = value\" nor a \"[section]\"", origin));
		*value++ = '\0';
		key = trim(line);
		value = trim(value);
		if (!is_word(key))
			return (err_set(e, ERR_USAGE, "%s: \"%s\" is no key",
			    origin, key));
	}
	ranked = *s;
	ranked.rank += strong ? RANKS : 0;
	return (add(c, &ranked, origin, key, value, e));
}

int
config_file_parse(struct config_entries *c, const char *file, bool strong,
    const void *text, size_t len, struct err *e)
{
	struct section section = { .rank = RANK_TOP };
	unsigned number = 0;
	char **texts, *copy, *line, *end, origin[4200];

	if (len > CONFIG_FILE_MAX)
		return (err_set(e, ERR_LIMIT, "%s: longer than %u bytes",
		    file, CONFIG_FILE_MAX));
	if (len > 0 && memchr(text, '\0', len) != NULL)
		return (err_set(e, ERR_USAGE, "%s: this is no text", file));
	texts = reallocarray(c->texts, c->ntexts + 1, sizeof(*texts));
	if (texts == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	c->texts = texts;
	if ((copy = malloc(len + 1)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	c->texts[c->ntexts++] = copy;
	for (line = copy; line != NULL; line = end) {
		if ((end = strchr(line, '\n')) != NULL)
			*end++ = '\0';
		(void)snprintf(origin, sizeof(origin), "%s:%u", file,
		    ++number);
		if (parse_line(c, &section, strong, line, origin, e) < 0)
			return (-1);
	}
	return (0);
}
