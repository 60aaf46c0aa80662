/*
 * Other owners than the snapshot's: rules FROM:TO, where FROM is a name that
 * the source knew, a number, or * for all, and TO a name or number of this
 * system.  The first rule that fits counts.  Names are looked up in the
 * catalog once a number.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tools/job/owner.h"
#include "tools/job/restore_impl.h"

#define KNOWN_MAX	1024

struct rule {
	const char *from;		/* into the argument */
	size_t from_len;
	bool all, is_number;
	uint32_t number, to;
};
struct known {
	uint32_t from, to;
};
/* One of users, one of groups. */
struct owners {
	bool group;
	struct rule *rules;		/* owned */
	size_t n;
	pthread_mutex_t lock;
	struct known known[KNOWN_MAX];	/* lock */
	size_t nknown;			/* lock */
};

static bool
parse_number(const char *s, size_t len, uint32_t *out)
{
	uint64_t v = 0;

	if (len == 0 || len > 10)
		return (false);
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return (false);
		v = v * 10 + (uint64_t)(s[i] - '0');
	}
	*out = (uint32_t)v;
	return (v < UINT32_MAX);
}

/* A name or number of this system. */
static int
resolve(bool group, const char *to, uint32_t *out, struct err *e)
{
	int error;

	if (parse_number(to, strlen(to), out))
		return (0);
	error = owner_to_id(group, to, out);
	if (error == 0)
		return (0);
	return (err_set(e, ERR_USAGE, "this system has no %s \"%s\"%s%s; a "
	    "number will do", group ? "group" : "user", to,
	    error != ENOENT ? ": " : "", error != ENOENT ? strerror(error) :
	    ""));
}

void
owners_free(struct owners *o)
{
	if (o == NULL)
		return;
	(void)pthread_mutex_destroy(&o->lock);
	free(o->rules);
	free(o);
}

int
owners_new(struct owners **out, bool group, const char *const *v, size_t n,
    struct err *e)
{
	struct owners *o;

	*out = NULL;
	if (n == 0)
		return (0);
	if ((o = calloc(1, sizeof(*o))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	(void)pthread_mutex_init(&o->lock, NULL);
	o->group = group;
	if ((o->rules = calloc(n, sizeof(*o->rules))) == NULL) {
		owners_free(o);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	for (size_t i = 0; i < n; i++) {
		struct rule *r = &o->rules[o->n++];
		const char *colon = strchr(v[i], ':');

		if (colon == NULL || colon == v[i] || colon[1] == '\0') {
			owners_free(o);
			return (err_set(e, ERR_USAGE, "\"%s\" is not FROM:TO",
			    v[i]));
		}
		r->from = v[i];
		r->from_len = (size_t)(colon - v[i]);
		r->all = r->from_len == 1 && v[i][0] == '*';
		r->is_number = parse_number(r->from, r->from_len, &r->number);
		if (resolve(group, colon + 1, &r->to, e) < 0) {
			owners_free(o);
			return (-1);
		}
	}
	*out = o;
	return (0);
}

static int
find_rule(const struct owners *o, struct catalog *c, uint32_t id, uint32_t *to,
    struct err *e)
{
	char name[CATALOG_NAME_MAX + 1] = "";
	bool asked = false;
	int r;

	*to = id;
	for (size_t i = 0; i < o->n; i++) {
		const struct rule *rule = &o->rules[i];
		bool fits = rule->all || (rule->is_number &&
		    rule->number == id);

		if (!fits && !rule->is_number) {
			if (!asked) {
				r = catalog_owner(c, o->group, id, name,
				    sizeof(name), e);
				if (r < 0)
					return (-1);
				asked = true;
			}
			fits = strlen(name) == rule->from_len &&
			    memcmp(name, rule->from, rule->from_len) == 0;
		}
		if (fits) {
			*to = rule->to;
			return (0);
		}
	}
	return (0);
}

int
owners_map(struct owners *o, struct catalog *c, uint32_t *id, struct err *e)
{
	uint32_t to = *id;
	bool found = false;

	if (o == NULL)
		return (0);
	(void)pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->nknown && !found; i++)
		if (o->known[i].from == *id) {
			to = o->known[i].to;
			found = true;
		}
	(void)pthread_mutex_unlock(&o->lock);
	if (!found) {
		if (find_rule(o, c, *id, &to, e) < 0)
			return (-1);
		(void)pthread_mutex_lock(&o->lock);
		if (o->nknown < KNOWN_MAX)
			o->known[o->nknown++] = (struct known){ *id, to };
		(void)pthread_mutex_unlock(&o->lock);
	}
	*id = to;
	return (0);
}
