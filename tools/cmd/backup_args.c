/*
 * Gathering a backup's paths and patterns.
 */
#include "tools/cmd/backup_args.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cmd/lines.h"
#include "tools/job/pattern.h"

static int
no_memory(struct err *e)
{
	return (err_set(e, ERR_NOMEM, "out of memory"));
}

static int
add(const char ***v, size_t *n, const char *text, struct err *e)
{
	if ((*n & (*n - 1)) == 0) {
		const char **more = reallocarray(*v, *n == 0 ? 1 : *n * 2,
		    sizeof(**v));

		if (more == NULL)
			return (no_memory(e));
		*v = more;
	}
	(*v)[(*n)++] = text;
	return (0);
}

static int
load(struct backup_args *a, const char *file, enum lines_form form,
    struct lines **out, struct err *e)
{
	*out = &a->lists[a->nlists];
	if (lines_load(*out, file, form, e) != 0)
		return (-1);
	a->nlists++;
	return (0);
}

static int
add_exclude_file(struct backup_args *a, const char *file, struct err *e)
{
	struct lines *l;

	if (load(a, file, LINES_TRIMMED, &l, e) != 0)
		return (-1);
	for (size_t i = 0; i < l->n; i++) {
		struct patterns *probe;

		if (patterns_new(&probe, &l->v[i], 1, e) != 0)
			return (err_wrap(e, "%s, line %u", file, l->no[i]));
		patterns_free(probe);
		if (add(&a->excludes, &a->nexcludes, l->v[i], e) != 0)
			return (-1);
	}
	return (0);
}

/* What a line of --files-from stands for, as the shell would have it. */
static int
add_glob(struct backup_args *a, struct cmd *c, const char *file, unsigned no,
    const char *line, struct err *e)
{
	glob_t g;
	int rc = 0;

	switch (glob(line, GLOB_NOMAGIC, NULL, &g)) {
	case 0:
		break;
	case GLOB_NOMATCH:
		ui_warn(&c->ui, "warning: %s, line %u: nothing matches %s",
		    file, no, line);
		return (0);
	case GLOB_NOSPACE:
		return (no_memory(e));
	default:
		return (err_sys(e, errno, "%s, line %u: %s", file, no, line));
	}
	for (size_t i = 0; i < g.gl_pathc && rc == 0; i++) {
		char *copy = strdup(g.gl_pathv[i]);

		if (copy == NULL) {
			rc = no_memory(e);
		} else if (add((const char ***)(uintptr_t)&a->globs,
		    &a->nglobs, copy, e) != 0) {
			free(copy);
			rc = -1;
		} else {
			rc = add(&a->roots, &a->nroots, copy, e);
		}
	}
	globfree(&g);
	return (rc);
}

static int
add_paths_file(struct backup_args *a, struct cmd *c, const char *file,
    enum lines_form form, struct err *e)
{
	struct lines *l;

	if (load(a, file, form, &l, e) != 0)
		return (-1);
	for (size_t i = 0; i < l->n; i++)
		if ((form == LINES_TRIMMED ?
		    add_glob(a, c, file, l->no[i], l->v[i], e) :
		    add(&a->roots, &a->nroots, l->v[i], e)) != 0)
			return (-1);
	return (0);
}

int
backup_args_init(struct backup_args *a, struct cmd *c, bool arguments,
    struct err *e)
{
	static const struct {
		const char *option;
		enum lines_form form;
	} paths[] = {
		{ "files-from", LINES_TRIMMED },
		{ "files-from-verbatim", LINES_VERBATIM },
		{ "files-from-raw", LINES_NUL }
	};
	const struct opt_value *files = opts_get(&c->own, "exclude-file");
	const struct opt_value *direct = opts_get(&c->own, "exclude");
	size_t lists = files->n;

	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < 3; i++)
		lists += opts_get(&c->own, paths[i].option)->n;
	a->lists = calloc(lists + 1, sizeof(*a->lists));
	if (a->lists == NULL)
		return (no_memory(e));
	for (size_t i = 0; i < files->n; i++)
		if (add_exclude_file(a, files->list[i], e) != 0)
			return (-1);
	for (size_t i = 0; i < direct->n; i++)
		if (add(&a->excludes, &a->nexcludes, direct->list[i], e) != 0)
			return (-1);
	for (int i = 0; arguments && i < c->nargs; i++)
		if (add(&a->roots, &a->nroots, c->args[i], e) != 0)
			return (-1);
	for (size_t i = 0; i < 3; i++) {
		files = opts_get(&c->own, paths[i].option);
		for (size_t k = 0; k < files->n; k++)
			if (add_paths_file(a, c, files->list[k],
			    paths[i].form, e) != 0)
				return (-1);
	}
	return (0);
}

void
backup_args_fini(struct backup_args *a)
{
	for (size_t i = 0; i < a->nlists; i++)
		lines_fini(&a->lists[i]);
	for (size_t i = 0; i < a->nglobs; i++)
		free(a->globs[i]);
	free(a->lists);
	free(a->globs);
	free(a->excludes);
	free(a->roots);
	memset(a, 0, sizeof(*a));
}
