/*
 * gitignore's rules.  A line is a rule; one with a slash at its beginning or in
 * its middle is held against the path from the file's directory on, another
 * against the name alone.  Compared with git's own answers by
 * tests/scenario/ignore.sh.
 */
#include "tools/job/ignore.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/job/glob.h"

struct rule {
	uint32_t off;		/* in text, NUL-terminated */
	bool not, dirs_only, name_only;
};

struct ignore {
	struct rule *v;		/* owned */
	size_t n;
	char *text;		/* owned */
	size_t len;
	bool wants_path;
};

/* Spaces at the end go, but those that a backslash holds. */
static void
trim(char *line)
{
	char *spaces = NULL, *p;

	for (p = line; *p != '\0'; p++) {
		if (*p == ' ') {
			if (spaces == NULL)
				spaces = p;
			continue;
		}
		spaces = NULL;
		if (*p == '\\' && *++p == '\0')
			return;
	}
	if (spaces != NULL)
		*spaces = '\0';
}

/* The rule that a line is; false when it is none. */
static bool
rule_parse(struct ignore *ig, struct rule *r, char *line)
{
	size_t len;

	memset(r, 0, sizeof(*r));
	if (*line == '#')
		return (false);
	trim(line);
	if (*line == '!') {
		r->not = true;
		line++;
	}
	len = strlen(line);
	if (len > 0 && line[len - 1] == '/') {
		r->dirs_only = true;
		line[--len] = '\0';
	}
	if (len == 0)
		return (false);
	r->name_only = strchr(line, '/') == NULL;
	if (*line == '/')
		line++;
	r->off = (uint32_t)(line - ig->text);
	if (!r->name_only)
		ig->wants_path = true;
	return (true);
}

int
ignore_parse(struct ignore **out, const void *data, size_t len, struct err *e)
{
	struct ignore *ig = calloc(1, sizeof(*ig));
	size_t lines = 1;
	char *p, *end;

	if (ig == NULL || len > IGNORE_FILE_MAX ||
	    (ig->text = malloc(len + 1)) == NULL)
		goto no_memory;
	if (len > 0)
		memcpy(ig->text, data, len);
	ig->text[len] = '\0';
	ig->len = len;
	for (size_t i = 0; i < len; i++)
		lines += ig->text[i] == '\n';
	ig->v = calloc(lines, sizeof(*ig->v));
	if (ig->v == NULL)
		goto no_memory;
	p = ig->text;
	end = p + len;
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	while (p < end) {
		char *line = p, *stop = memchr(p, '\n', (size_t)(end - p));

		if (stop == NULL)
			stop = end;
		p = stop + 1;
		*stop = '\0';
		if (stop > line && stop[-1] == '\r')
			stop[-1] = '\0';
		if (rule_parse(ig, &ig->v[ig->n], line))
			ig->n++;
	}
	*out = ig;
	return (0);
no_memory:
	ignore_free(ig);
	return (err_set(e, ERR_NOMEM, "no memory for ignore rules"));
}

void
ignore_free(struct ignore *ig)
{
	if (ig == NULL)
		return;
	free(ig->v);
	free(ig->text);
	free(ig);
}

size_t
ignore_bytes(const struct ignore *ig)
{
	return (sizeof(*ig) + ig->n * sizeof(*ig->v) + ig->len);
}

bool
ignore_wants_path(const struct ignore *ig)
{
	return (ig->wants_path);
}

enum ignore_verdict
ignore_verdict(const struct ignore *ig, const char *path, const char *name,
    bool is_dir)
{
	for (size_t i = ig->n; i-- > 0;) {
		const struct rule *r = &ig->v[i];
		const char *text = r->name_only ? name : path;

		if ((r->dirs_only && !is_dir) || text == NULL)
			continue;
		if (glob_fits(ig->text + r->off, text, GLOB_GIT))
			return (r->not ? IGNORE_KEEP : IGNORE_OUT);
	}
	return (IGNORE_NONE);
}
