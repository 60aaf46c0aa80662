/*
 * Lists of exclude patterns: which of them says what of an entry.
 */
#include "tools/job/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "tools/job/glob.h"

enum form { FORM_NAME, FORM_PATH };

struct pattern {
	char *text;		/* owned; without the final '/' */
	enum form form;
	bool dirs_only;
	bool not;		/* takes back */
};

struct patterns {
	struct pattern *v;	/* owned */
	size_t n;
	bool want_path;
};

static int
pattern_init(struct pattern *pt, const char *text, struct err *e)
{
	const char *given = text;
	size_t len;
	bool inside;

	if (*text == '!') {
		pt->not = true;
		text++;
	}
	len = strlen(text);
	while (len > 0 && text[len - 1] == '/') {
		pt->dirs_only = true;
		len--;
	}
	if (len == 0)
		return (err_set(e, ERR_USAGE,
		    "pattern \"%s\" matches nothing", given));
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			p++;
		} else if (*p == '[') {
			const char *end = glob_set_end(p);

			if (end == NULL)
				return (err_set(e, ERR_USAGE, "pattern \"%s\": "
				    "a set ([) that doesn't end, or has a "
				    "class that is none", given));
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

int
patterns_of_backup(struct patterns **out, const struct strings *given,
    struct err *e)
{
	const char **v = calloc((size_t)given->n + 1, sizeof(*v));
	int r;

	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for patterns"));
	for (uint32_t i = 0; i < given->n; i++)
		v[i] = given->v[i].p;
	r = patterns_new(out, v, given->n, e);
	free(v);
	return (r);
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

enum pattern_verdict
patterns_verdict(const struct patterns *ps, const char *path, const char *name,
    bool is_dir)
{
	for (size_t i = ps->n; i-- > 0;) {
		const struct pattern *pt = &ps->v[i];
		const char *text = pt->form == FORM_NAME ? name : path;

		if ((pt->dirs_only && !is_dir) || text == NULL)
			continue;
		if (glob_fits(pt->text, text, GLOB_PLAIN))
			return (pt->not ? PATTERN_TAKEN_BACK : PATTERN_HIT);
	}
	return (PATTERN_NONE);
}

bool
patterns_match(const struct patterns *ps, const char *dir, const char *name,
    bool is_dir)
{
	char *path = NULL;
	bool hit;

	if (ps->want_path) {
		size_t size = strlen(dir) + strlen(name) + 2;

		path = malloc(size);
		if (path != NULL)
			(void)snprintf(path, size, "%s/%s", dir, name);
	}
	hit = patterns_verdict(ps, path, name, is_dir) == PATTERN_HIT;
	free(path);
	return (hit);
}
