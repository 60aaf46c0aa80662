/*
 * The option parser.  Not getopt_long(): that one accepts prefixes (so that a
 * new option breaks old scripts), and needs a second table.
 */
#include "tools/cmd/opt.h"

#include <string.h>

#include "tools/cmd/nearest.h"
#include "tools/cmd/value.h"

static size_t
table_size(const struct opt *t)
{
	size_t n = 0;

	while (t[n].name != NULL)
		n++;
	return (n);
}

int
opts_init(struct opts *o, const struct opt *table, struct err *e)
{
	o->table = table;
	o->values = calloc(table_size(table) + 1, sizeof(o->values[0]));
	if (o->values == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

void
opts_fini(struct opts *o)
{
	if (o->values == NULL)
		return;
	for (size_t i = 0; o->table[i].name != NULL; i++)
		free(o->values[i].list);
	free(o->values);
	o->values = NULL;
}

const struct opt *
opts_find(const struct opt *table, const char *name)
{
	for (; table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return (table);
	return (NULL);
}

const struct opt_value *
opts_get(const struct opts *o, const char *name)
{
	for (size_t i = 0; o->table[i].name != NULL; i++)
		if (strcmp(o->table[i].name, name) == 0)
			return (&o->values[i]);
	BUG("an option that isn't in the table");
}

bool
opts_given(const struct opts *o, const char *name)
{
	return (opts_get(o, name)->times > 0);
}

static int
add_to_list(struct opt_value *v, const char *text, struct err *e)
{
	const char **list;

	list = reallocarray(v->list, v->n + 1, sizeof(*list));
	if (list == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	v->list = list;
	v->list[v->n++] = text;
	return (0);
}

static int
take_value(const struct opt *o, struct opt_value *v, const char *text,
    struct err *e)
{
	int r = 0;

	v->text = text;
	switch (o->type) {
	case OPT_FLAG:
		break;
	case OPT_TEXT:
		if (o->repeatable)
			r = add_to_list(v, text, e);
		break;
	case OPT_SIZE:
		r = value_size(&v->number, text, e);
		break;
	case OPT_COUNT:
		r = value_count(&v->number, text, 0, INT32_MAX, e);
		break;
	case OPT_TIME:
		r = value_time(&v->time, text, e);
		break;
	}
	if (r < 0)
		return (err_wrap(e, "option --%s", o->name));
	v->times++;
	return (0);
}

int
opts_set(struct opts *o, const struct opt *opt, const char *text,
    const char *origin, struct err *e)
{
	struct opt_value *v = &o->values[opt - o->table];

	if (take_value(opt, v, text, e) < 0)
		return (-1);
	v->origin = origin;
	return (0);
}

static void
forget(struct opt_value *v)
{
	free(v->list);
	memset(v, 0, sizeof(*v));
}

void
opts_unset(struct opts *o, const struct opt *opt)
{
	forget(&o->values[opt - o->table]);
}

/* What the weaker has comes first. */
static int
merge_list(struct opt_value *v, const struct opt_value *weak, struct err *e)
{
	const char **list;

	list = reallocarray(v->list, v->n + weak->n, sizeof(*list));
	if (list == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	memmove(list + weak->n, list, v->n * sizeof(*list));
	memcpy(list, weak->list, weak->n * sizeof(*list));
	v->list = list;
	v->n += weak->n;
	v->times += weak->times;
	if (v->text == NULL)
		v->text = weak->text;
	if (v->n == weak->n)
		v->origin = weak->origin;
	return (0);
}

int
opts_merge(struct opts *strong, const struct opts *weak, struct err *e)
{
	for (size_t i = 0; strong->table[i].name != NULL; i++) {
		struct opt_value *v = &strong->values[i];
		const struct opt_value *w = &weak->values[i];

		if (v->undone || w->times == 0)
			continue;
		if (strong->table[i].repeatable) {
			if (merge_list(v, w, e) < 0)
				return (-1);
		} else if (v->times == 0)
			*v = *w;
	}
	return (0);
}

/* The option of that name (len bytes) or letter. */
static const struct opt *
find(struct opts *const *sets, size_t n, const char *name, size_t len,
    char letter, struct opt_value **v)
{
	for (size_t s = 0; s < n; s++)
		for (size_t i = 0; sets[s]->table[i].name != NULL; i++) {
			const struct opt *o = &sets[s]->table[i];

			if (name != NULL ? strlen(o->name) == len &&
			    memcmp(o->name, name, len) == 0 :
			    o->letter != 0 && o->letter == letter) {
				*v = &sets[s]->values[i];
				return (o);
			}
		}
	return (NULL);
}

static int
unknown_long(struct opts *const *sets, size_t n, const char *name, size_t len,
    struct err *e)
{
	struct nearest near;
	char word[64];

	(void)snprintf(word, sizeof(word), "%.*s", (int)(len > 63 ? 63 : len),
	    name);
	nearest_init(&near, word);
	for (size_t s = 0; s < n; s++)
		for (size_t i = 0; sets[s]->table[i].name != NULL; i++)
			nearest_offer(&near, sets[s]->table[i].name);
	if (near.best != NULL)
		return (err_set(e, ERR_USAGE,
		    "unknown option --%s; did you mean --%s?", word,
		    near.best));
	return (err_set(e, ERR_USAGE, "unknown option --%s; "
	    "--help shows those that there are", word));
}

/* argv[*at] is "--name..." . */
static int
parse_long(struct opts *const *sets, size_t n, int argc, char **argv, int *at,
    struct err *e)
{
	const char *name = argv[*at] + 2;
	const char *eq = strchr(name, '=');
	size_t len = eq != NULL ? (size_t)(eq - name) : strlen(name);
	const struct opt *o;
	struct opt_value *v;

	(*at)++;
	if ((o = find(sets, n, name, len, 0, &v)) == NULL) {
		if (eq == NULL && strncmp(name, "no-", 3) == 0 &&
		    find(sets, n, name + 3, len - 3, 0, &v) != NULL) {
			forget(v);
			v->undone = true;
			return (0);
		}
		return (unknown_long(sets, n, name, len, e));
	}
	if (o->type == OPT_FLAG) {
		if (eq != NULL)
			return (err_set(e, ERR_USAGE,
			    "option --%s takes no value", o->name));
		return (take_value(o, v, "", e));
	}
	if (eq != NULL)
		return (take_value(o, v, eq + 1, e));
	if (*at >= argc)
		return (err_set(e, ERR_USAGE, "option --%s needs a value (%s)",
		    o->name, o->argument));
	return (take_value(o, v, argv[(*at)++], e));
}

/* argv[*at] is "-xyz": flags, the last perhaps with its value. */
static int
parse_short(struct opts *const *sets, size_t n, int argc, char **argv, int *at,
    struct err *e)
{
	const char *p = argv[*at] + 1;
	const struct opt *o;
	struct opt_value *v;

	(*at)++;
	for (; *p != '\0'; p++) {
		if ((o = find(sets, n, NULL, 0, *p, &v)) == NULL)
			return (err_set(e, ERR_USAGE, "unknown option -%c; "
			    "--help shows those that there are",
			    *p >= ' ' && *p <= '~' ? *p : '?'));
		if (o->type == OPT_FLAG) {
			if (take_value(o, v, "", e) < 0)
				return (-1);
			continue;
		}
		if (p[1] != '\0')
			return (take_value(o, v, p + 1, e));
		if (*at >= argc)
			return (err_set(e, ERR_USAGE,
			    "option -%c needs a value (%s)", *p, o->argument));
		return (take_value(o, v, argv[(*at)++], e));
	}
	return (0);
}

int
opts_parse(struct opts *const *sets, size_t n, int argc, char **argv, int *at,
    char **rest, int *nrest, struct err *e)
{
	bool ended = false;
	const char *a;
	int r;

	while (*at < argc) {
		a = argv[*at];
		if (ended || a[0] != '-' || a[1] == '\0') {
			if (rest == NULL)
				return (0);
			rest[(*nrest)++] = argv[(*at)++];
			continue;
		}
		if (strcmp(a, "--") == 0) {
			(*at)++;
			ended = true;
			continue;
		}
		if (a[1] == '-')
			r = parse_long(sets, n, argc, argv, at, e);
		else
			r = parse_short(sets, n, argc, argv, at, e);
		if (r < 0)
			return (-1);
	}
	return (0);
}
