/*
 * The commands that are run before and after a backup.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "tools/cmd/backup_after.h"
#include "tools/job/child.h"

#define VARIABLES	12

struct variables {
	char *v[VARIABLES];		/* owned: NAME=value */
	size_t n;
	bool failed;
};

static void set(struct variables *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
set(struct variables *vs, const char *fmt, ...)
{
	va_list ap;

	BUG_ON(vs->n == VARIABLES);
	va_start(ap, fmt);
	if (vasprintf(&vs->v[vs->n], fmt, ap) < 0)
		vs->failed = true;
	else
		vs->n++;
	va_end(ap);
}

static void
set_all(struct variables *vs, const struct cmd *c, const char *option,
    const struct outcome *o)
{
	const struct backup_result *res = o->res;
	char id[ID_HEX];

	set(vs, "VITRINE_HOOK=%s", option);
	if (c->location != NULL)
		set(vs, "VITRINE_REPOSITORY=%s", c->location);
	if (o->env->dry_run)
		set(vs, "VITRINE_DRY_RUN=1");
	if (strcmp(option, "before") == 0)
		return;
	set(vs, "VITRINE_STATUS=%d", o->status);
	set(vs, "VITRINE_ERROR=%s", o->error);
	set(vs, "VITRINE_SNAPSHOT=%s", id_is_zero(res->id.b) ? "" :
	    hex_emit(id, res->id.b, ID_BYTES));
	set(vs, "VITRINE_FILES=%" PRIu64, res->files);
	set(vs, "VITRINE_BYTES=%" PRIu64, res->bytes);
	set(vs, "VITRINE_BYTES_ADDED=%" PRIu64, res->bytes_added);
	set(vs, "VITRINE_UNREAD=%" PRIu64, res->unread);
	set(vs, "VITRINE_DURATION_MS=%" PRIu64, res->duration_ms);
}

static bool
is_ours(const struct variables *vs, const char *entry)
{
	size_t len = strcspn(entry, "=") + 1;

	for (size_t i = 0; i < vs->n; i++)
		if (strncmp(vs->v[i], entry, len) == 0)
			return (true);
	return (false);
}

/* Our environment, with the variables in the place of its own. */
static const char **
merge(const struct variables *vs)
{
	const char **env;
	size_t n = 0;

	while (environ[n] != NULL)
		n++;
	env = calloc(n + vs->n + 1, sizeof(*env));
	if (env == NULL)
		return (NULL);
	n = 0;
	for (char **p = environ; *p != NULL; p++)
		if (!is_ours(vs, *p))
			env[n++] = *p;
	for (size_t i = 0; i < vs->n; i++)
		env[n++] = vs->v[i];
	return (env);
}

static int
run_one(struct cmd *c, const char *command, const char *const *env, bool before,
    struct err *e)
{
	const char *const argv[] = { "/bin/sh", "-c", command, NULL };
	const struct program sh = { .argv = argv, .name = command,
	    .environment = env };
	struct child child;

	if (child_start(&child, &sh, e) != 0)
		return (-1);
	/* What comes after is to be done whatever ended the backup. */
	return (child_wait(&child, before ? &c->ui.events : NULL, e));
}

int
hooks_run(struct cmd *c, const char *option, const struct outcome *o,
    struct err *e)
{
	const struct opt_value *v = opts_get(&c->own, option);
	bool before = strcmp(option, "before") == 0;
	struct variables vs = { .n = 0 };
	const char **env = NULL;
	int rc = 0;

	if (v->n == 0)
		return (0);
	ui_clear(&c->ui);
	(void)fflush(stdout);
	set_all(&vs, c, option, o);
	if (vs.failed || (env = merge(&vs)) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; env != NULL && i < v->n && !(before && rc != 0);
	    i++) {
		struct err why = ERR_INIT;

		if (run_one(c, v->list[i], env, before, &why) == 0)
			continue;
		(void)err_wrap(&why, "--%s", option);
		if (rc == 0)
			*e = why;
		else
			ui_warn(&c->ui, "%s", err_text(&why));
		rc = -1;
	}
	free(env);
	for (size_t i = 0; i < vs.n; i++)
		free(vs.v[i]);
	return (rc);
}
