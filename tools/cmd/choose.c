/*
 * The list of snapshots, and one of them by the name that the user gives.
 */
#include <string.h>

#include "tools/cmd/cmd.h"

static void
say_lie(void *ctx, const char *text)
{
	struct cmd *c = ctx;

	ui_warn(&c->ui, "warning: %s", text);
}

int
cmd_snapshots(struct cmd *c, struct repo *repo, struct snapshots *snaps,
    struct err *e)
{
	size_t findings = 0;

	if (repo_snapshots(repo, snaps, e) < 0)
		return (-1);
	if (repo_check_history(repo, snaps, say_lie, c, &findings, e) < 0) {
		snapshots_fini(snaps);
		return (-1);
	}
	return (0);
}

static int
compare_ids(const void *a, const void *b)
{
	const struct snapshot *const *x = a, *const *y = b;

	return (memcmp((*x)->id.b, (*y)->id.b, ID_BYTES));
}

size_t
short_id_len(const struct snapshots *snaps)
{
	const struct snapshot **v;
	char a[ID_HEX], b[ID_HEX];
	size_t need = SHORT_ID, k;

	if (snaps->n < 2)
		return (need);
	if ((v = calloc(snaps->n, sizeof(*v))) == NULL)
		return (ID_HEX - 1);
	for (size_t i = 0; i < snaps->n; i++)
		v[i] = &snaps->v[i];
	qsort(v, snaps->n, sizeof(*v), compare_ids);
	for (size_t i = 1; i < snaps->n; i++) {
		(void)hex_emit(a, v[i - 1]->id.b, ID_BYTES);
		(void)hex_emit(b, v[i]->id.b, ID_BYTES);
		for (k = 0; a[k] != '\0' && a[k] == b[k];)
			k++;
		if (k + 1 > need && a[k] != '\0')
			need = k + 1;
	}
	free(v);
	return (need);
}

char *
short_id(char dst[ID_HEX], const uint8_t id[ID_BYTES], size_t digits)
{
	(void)hex_emit(dst, id, ID_BYTES);
	if (digits < ID_HEX)
		dst[digits] = '\0';
	return (dst);
}

/* Those of one host only, as a view: the strings stay the list's. */
static int
of_host(const struct snapshots *all, const char *host, struct snapshots *out,
    struct err *e)
{
	memset(out, 0, sizeof(*out));
	out->v = calloc(all->n + 1, sizeof(*out->v));
	if (out->v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < all->n; i++)
		if (strlen(host) == all->v[i].host.len &&
		    memcmp(host, all->v[i].host.p, all->v[i].host.len) == 0)
			out->v[out->n++] = all->v[i];
	if (out->n == 0) {
		free(out->v);
		return (err_set(e, ERR_ABSENT,
		    "there is no snapshot of host %s", host));
	}
	return (0);
}

static bool
has_host_option(const struct cmd *c)
{
	for (const struct opt *o = c->own.table; o->name != NULL; o++)
		if (strcmp(o->name, "host") == 0)
			return (opts_given(&c->own, "host"));
	return (false);
}

static int
find_in(const struct snapshots *snaps, size_t digits, const char *name,
    struct chosen *out, struct err *e)
{
	size_t i;

	if (snapshots_find(snaps, name, &i, e) < 0)
		return (-1);
	out->id = snaps->v[i].id;
	out->time = snaps->v[i].time;
	(void)short_id(out->name, out->id.b, digits);
	return (0);
}

int
cmd_choose(struct cmd *c, struct repo *repo, const char *arg,
    struct chosen *out, struct err *e)
{
	struct snapshots snaps, some;
	const char *colon = strchr(arg, ':');
	char name[ID_HEX];
	size_t len = colon != NULL ? (size_t)(colon - arg) : strlen(arg);
	int r;

	memset(out, 0, sizeof(*out));
	out->has_path = colon != NULL;
	out->path = colon != NULL ? colon + 1 : "";
	if (len == 0 || len >= sizeof(name))
		return (err_set(e, ERR_USAGE, "\"%s\" names no snapshot: give "
		    "\"latest\" or the first digits of an id, then :PATH",
		    arg));
	memcpy(name, arg, len);
	name[len] = '\0';
	if (cmd_snapshots(c, repo, &snaps, e) < 0)
		return (-1);
	if (has_host_option(c)) {
		r = of_host(&snaps, opts_get(&c->own, "host")->text, &some, e);
		if (r == 0) {
			r = find_in(&some, short_id_len(&snaps), name, out, e);
			free(some.v);
		}
	} else
		r = find_in(&snaps, short_id_len(&snaps), name, out, e);
	snapshots_fini(&snaps);
	return (r);
}
