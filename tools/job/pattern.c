/*
 * Exclude patterns.  Matching takes no recursion and at most pattern times text
 * steps: on a mismatch it goes back to the last '*', which takes one byte more
 * but never a '/', or else to the last '**', which may.  Going back further
 * can't help, as what the last star of a kind could match is all that the
 * earlier ones could.
 */
#include "tools/job/pattern.h"

#include <stdlib.h>
#include <string.h>

enum form { FORM_NAME, FORM_PATH };

struct pattern {
	char *text;		/* owned; without the final '/' */
	enum form form;
	bool dirs_only;
};

struct patterns {
	struct pattern *v;	/* owned */
	size_t n;
	bool want_path;
};

/* The end of the set that begins at p ("["), or NULL when it has none. */
static const char *
set_end(const char *p)
{
	p++;
	if (*p == '!' || *p == '^')
		p++;
	if (*p == ']')
		p++;
	for (; *p != '\0' && *p != ']'; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
	return (*p == ']' ? p + 1 : NULL);
}

static bool
set_has(const char *p, const char *end, unsigned char c)
{
	bool not = false, in = false;

	p++;
	if (*p == '!' || *p == '^') {
		not = true;
		p++;
	}
	while (p < end - 1) {
		unsigned char lo, hi;

		if (*p == '\\' && p + 1 < end - 1)
			p++;
		lo = hi = (unsigned char)*p++;
		if (*p == '-' && p + 1 < end - 1) {
			p++;
			if (*p == '\\' && p + 1 < end - 1)
				p++;
			hi = (unsigned char)*p++;
		}
		if (lo <= c && c <= hi)
			in = true;
	}
	return (in != not);
}

/* Does the one-byte element at p match c?  *next is the element after it. */
static bool
one_fits(const char *p, unsigned char c, const char **next)
{
	const char *end;

	if (*p == '?') {
		*next = p + 1;
		return (c != '/');
	}
	if (*p == '[' && (end = set_end(p)) != NULL) {
		*next = end;
		return (c != '/' && set_has(p, end, c));
	}
	if (*p == '\\' && p[1] != '\0')
		p++;
	*next = p + 1;
	return ((unsigned char)*p == c);
}

bool
pattern_fits(const char *p, const char *s)
{
	const char *star_p = NULL, *star_s = NULL;	/* the last '*' */
	const char *far_p = NULL, *far_s = NULL;	/* the last '**' */
	bool far_whole = false;		/* it stands for whole components */
	const char *start = p;

	for (;;) {
		const char *next;

		if (p[0] == '*' && p[1] == '*') {
			far_whole = (p == start || p[-1] == '/') &&
			    p[2] == '/';
			p += far_whole ? 3 : 2;
			far_p = p;
			far_s = s;
			star_p = NULL;
			continue;
		}
		if (*p == '*') {
			star_p = ++p;
			star_s = s;
			continue;
		}
		if (*s == '\0' && *p == '\0')
			return (true);
		if (*s != '\0' && *p != '\0' &&
		    one_fits(p, (unsigned char)*s, &next)) {
			p = next;
			s++;
			continue;
		}
		if (star_p != NULL && *star_s != '\0' && *star_s != '/') {
			p = star_p;
			s = ++star_s;
			continue;
		}
		if (far_p == NULL)
			return (false);
		if (far_whole) {
			far_s = strchr(far_s, '/');
			if (far_s == NULL)
				return (false);
		} else if (*far_s == '\0') {
			return (false);
		}
		p = far_p;
		s = ++far_s;
		star_p = NULL;
	}
}

static int
pattern_init(struct pattern *pt, const char *text, struct err *e)
{
	size_t len = strlen(text);
	bool inside;

	while (len > 0 && text[len - 1] == '/') {
		pt->dirs_only = true;
		len--;
	}
	if (len == 0)
		return (err_set(e, ERR_USAGE,
		    "exclude pattern \"%s\" matches nothing", text));
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			p++;
		} else if (*p == '[') {
			const char *end = set_end(p);

			if (end == NULL)
				return (err_set(e, ERR_USAGE,
				    "exclude pattern \"%s\": '[' without ']'",
				    text));
			p = end - 1;
		}
	}
	inside = memchr(text, '/', len) != NULL;
	pt->form = inside ? FORM_PATH : FORM_NAME;
	/* "a/b" anywhere is what "**" and a '/' before it say. */
	pt->text = malloc(len + 5);
	if (pt->text == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for patterns"));
	(void)snprintf(pt->text, len + 5, "%s%.*s",
	    inside && text[0] != '/' ? "/**/" : "", (int)len, text);
	return (0);
}

int
patterns_new(struct patterns **out, const char *const *v, size_t n,
    struct err *e)
{
	struct patterns *ps = calloc(1, sizeof(*ps));

	if (ps == NULL || (n > 0 && (ps->v = calloc(n, sizeof(*ps->v))) ==
	    NULL)) {
		patterns_free(ps);
		return (err_set(e, ERR_NOMEM, "no memory for patterns"));
	}
	for (size_t i = 0; i < n; i++) {
		ps->n++;
		if (pattern_init(&ps->v[i], v[i], e) != 0) {
			patterns_free(ps);
			return (-1);
		}
		if (ps->v[i].form == FORM_PATH)
			ps->want_path = true;
	}
	*out = ps;
	return (0);
}

void
patterns_free(struct patterns *ps)
{
	if (ps == NULL)
		return;
	for (size_t i = 0; i < ps->n; i++)
		free(ps->v[i].text);
	free(ps->v);
	free(ps);
}

bool
patterns_is_empty(const struct patterns *ps)
{
	return (ps->n == 0);
}

bool
patterns_want_path(const struct patterns *ps)
{
	return (ps->want_path);
}

bool
patterns_match(const struct patterns *ps, const char *dir, const char *name,
    bool is_dir)
{
	char *path = NULL;
	bool hit = false;

	if (ps->want_path) {
		size_t size = strlen(dir) + strlen(name) + 2;

		path = malloc(size);
		if (path != NULL)
			(void)snprintf(path, size, "%s/%s", dir, name);
	}
	for (size_t i = 0; i < ps->n && !hit; i++) {
		const struct pattern *pt = &ps->v[i];

		if (pt->dirs_only && !is_dir)
			continue;
		if (pt->form == FORM_NAME)
			hit = pattern_fits(pt->text, name);
		else if (path != NULL)
			hit = pattern_fits(pt->text, path);
	}
	free(path);
	return (hit);
}
