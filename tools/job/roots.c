/*
 * The roots of a backup: made absolute, sorted, distinct.  Sorting is by
 * components ('/' before every other byte), so that the roots in a directory
 * stand together in the order of the walk.
 */
#include "tools/job/roots.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
path_compare(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return (0);
	if (*a == '\0' || *b == '\0')
		return (*a == '\0' ? -1 : 1);
	if (*a == '/' || *b == '/')
		return (*a == '/' ? -1 : 1);
	return ((unsigned char)*a < (unsigned char)*b ? -1 : 1);
}

static int
compare_v(const void *a, const void *b)
{
	return (path_compare(*(char *const *)a, *(char *const *)b));
}

/* Without looking at the disk: "//", "/." and "/.." taken out, in place. */
static void
squeeze(char *path)
{
	char *to = path;
	const char *from = path;

	while (*from != '\0') {
		size_t len;

		while (*from == '/')
			from++;
		len = strcspn(from, "/");
		if (len == 0)
			break;
		if (len == 2 && from[0] == '.' && from[1] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (len != 1 || from[0] != '.') {
			*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from += len;
	}
	*to = '\0';
}

static char *
join(const char *dir, const char *name, struct err *e)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = malloc(size);

	if (path == NULL) {
		(void)err_set(e, ERR_NOMEM, "no memory for a path");
		return (NULL);
	}
	(void)snprintf(path, size, "%s/%s", dir, name);
	return (path);
}

/* What can't be resolved (it isn't there) keeps its name. */
static char *
resolve(const char *path, struct err *e)
{
	char *real = realpath(path, NULL);

	if (real == NULL) {
		real = strdup(path);
		if (real == NULL) {
			(void)err_set(e, ERR_NOMEM, "no memory for a path");
			return (NULL);
		}
	}
	squeeze(real);
	return (real);
}

static char *
absolute(const char *given, struct err *e)
{
	char *whole, *cwd = NULL, *slash, *dir, *out = NULL;
	const char *last;

	if (given[0] == '\0') {
		(void)err_set(e, ERR_USAGE, "an empty path to back up");
		return (NULL);
	}
	if (given[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (cwd == NULL) {
			(void)err_sys(e, errno, "the working directory");
			return (NULL);
		}
	}
	whole = cwd != NULL ? join(cwd, given, e) : join("", given + 1, e);
	free(cwd);
	if (whole == NULL)
		return (NULL);
	slash = strrchr(whole, '/');
	last = slash + 1;
	if (last[0] == '\0' || strcmp(last, ".") == 0 ||
	    strcmp(last, "..") == 0) {
		out = resolve(whole, e);
		free(whole);
		return (out);
	}
	*slash = '\0';
	dir = resolve(whole[0] == '\0' ? "/" : whole, e);
	if (dir != NULL)
		out = join(dir, last, e);
	free(dir);
	free(whole);
	return (out);
}

/* Is b the same as a, or (with fold) in it? */
static bool
covers(const char *a, const char *b, bool fold)
{
	size_t len = strlen(a);

	return (strncmp(a, b, len) == 0 &&
	    (b[len] == '\0' || (fold && b[len] == '/')));
}

int
roots_make(struct roots *r, const char *const *given, size_t n, bool fold,
    struct err *e)
{
	size_t kept = 0;

	r->n = 0;
	r->v = calloc(n + 1, sizeof(*r->v));
	if (r->v == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for paths"));
	for (size_t i = 0; i < n; i++) {
		r->v[i] = absolute(given[i], e);
		if (r->v[i] == NULL) {
			roots_fini(r);
			return (-1);
		}
		r->n++;
	}
	qsort(r->v, r->n, sizeof(*r->v), compare_v);
	for (size_t i = 0; i < r->n; i++) {
		if (kept > 0 && covers(r->v[kept - 1], r->v[i], fold))
			free(r->v[i]);
		else
			r->v[kept++] = r->v[i];
	}
	r->n = kept;
	return (0);
}

int
roots_stream(struct roots *r, const char *name, struct err *e)
{
	while (*name == '/')
		name++;
	r->n = 0;
	r->v = calloc(2, sizeof(*r->v));
	if (r->v == NULL || (r->v[0] = join("", name, e)) == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for paths"));
	r->n = 1;
	for (const char *p = name;; p++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || len > NAME_MAX || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return (err_set(e, ERR_USAGE, "\"%s\" can't be the "
			    "path of a file", name));
		p += len;
		if (*p == '\0')
			return (0);
	}
}

void
roots_fini(struct roots *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i]);
	free(r->v);
	r->v = NULL;
	r->n = 0;
}

size_t
roots_component(const struct roots *r, size_t i, size_t plen)
{
	return (strcspn(r->v[i] + plen + 1, "/"));
}

/* How the component after plen of root i stands to a name. */
static int
compare_component(const struct roots *r, size_t i, size_t plen,
    const char *name, size_t len)
{
	const char *c = r->v[i] + plen + 1;
	size_t n = roots_component(r, i, plen);
	int d = memcmp(c, name, n < len ? n : len);

	if (d != 0)
		return (d);
	return (n < len ? -1 : n > len);
}

/* The first root of the range whose component is not before the name or, with
 * `past', is behind it. */
static size_t
find_component(const struct roots *r, size_t lo, size_t hi, size_t plen,
    const char *name, size_t len, bool past)
{
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = compare_component(r, mid, plen, name, len);

		if (d < 0 || (past && d == 0))
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo);
}

void
roots_within(const struct roots *r, size_t lo, size_t hi, size_t plen,
    const char *name, size_t *out_lo, size_t *out_hi, bool *is_root)
{
	size_t len = strlen(name);

	*out_lo = *out_hi = 0;
	*is_root = false;
	/* The directory itself may be the first of the range. */
	if (lo < hi && r->v[lo][plen] == '\0')
		lo++;
	lo = find_component(r, lo, hi, plen, name, len, false);
	hi = find_component(r, lo, hi, plen, name, len, true);
	if (lo == hi)
		return;
	*out_lo = lo;
	*out_hi = hi;
	*is_root = r->v[lo][plen + 1 + len] == '\0';
}
