/*
 * The table of mounts.  It is read rather than the mountpoints asked (statfs,
 * stat): asking a mount whose daemon is dead or busy fails or waits.
 */
#include "fs/point.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/mount.h"

/* "\040" and its like, in place. */
static void
unescape(char *s)
{
	char *w = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' &&
		    s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*w++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
			    (s[3] - '0'));
			s += 4;
		} else {
			*w++ = *s++;
		}
	}
	*w = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [FIELD...] - TYPE SOURCE OPTIONS */
static bool
parse_line(char *line, struct point *p)
{
	unsigned long major, minor;
	char *field[5], *end, *dash, *save, *s = line;

	for (size_t i = 0; i < 5; i++) {
		field[i] = strsep(&s, " ");
		if (s == NULL)
			return (false);
	}
	dash = strstr(s, " - ");
	major = strtoul(field[2], &end, 10);
	if (dash == NULL || *end != ':')
		return (false);
	minor = strtoul(end + 1, &end, 10);
	if (*end != '\0')
		return (false);
	p->id = (int)strtol(field[0], NULL, 10);
	p->dev = makedev((unsigned)major, (unsigned)minor);
	unescape(field[4]);
	p->path = field[4];
	save = dash + 3;
	p->type = strsep(&save, " \n");
	return (true);
}

int
point_scan(point_fn *fn, void *ctx, struct err *err)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	struct point p;
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	if (f == NULL)
		return (err_sys(err, errno, "/proc/self/mountinfo"));
	while (rc == 0 && getline(&line, &cap, f) > 0)
		if (parse_line(line, &p))
			rc = fn(ctx, &p, err);
	if (rc == 0 && ferror(f) != 0)
		rc = err_sys(err, errno, "/proc/self/mountinfo");
	free(line);
	(void)fclose(f);
	return (rc);
}

int
point_resolve(const char *path, char **out, struct err *err)
{
	char *copy, *base, *dir, *full;
	size_t len;
	int eno, n;

	full = realpath(path, NULL);
	if (full != NULL) {
		*out = full;
		return (0);
	}
	eno = errno;
	if (eno == ENOENT || eno == ENOTDIR)
		return (err_set(err, ERR_ABSENT, "%s: %s", path,
		    strerror(eno)));
	copy = strdup(path);
	if (copy == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	for (len = strlen(copy); len > 1 && copy[len - 1] == '/';)
		copy[--len] = '\0';
	base = strrchr(copy, '/');
	if (base != NULL)
		*base++ = '\0';
	dir = realpath(base == NULL ? "." : *copy == '\0' ? "/" : copy, NULL);
	if (base == NULL)
		base = copy;
	if (dir == NULL || strcmp(base, ".") == 0 || strcmp(base, "..") == 0) {
		free(dir);
		free(copy);
		return (err_sys(err, eno, "%s", path));
	}
	n = asprintf(out, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, base);
	free(dir);
	free(copy);
	return (n >= 0 ? 0 : err_set(err, ERR_NOMEM, "no memory"));
}

struct wanted {
	const char *path;
	bool ours;
	int id;
	dev_t dev;
};

static int
match_path(void *ctx, const struct point *p, struct err *err)
{
	struct wanted *w = ctx;

	if (strcmp(p->path, w->path) == 0) {
		w->ours = strcmp(p->type, POINT_TYPE) == 0;
		w->id = p->id;
		w->dev = p->dev;
	}
	return (0);
}

int
point_find(const char *path, bool *ours, int *id, dev_t *dev, struct err *err)
{
	struct wanted w = { .path = path };

	if (point_scan(match_path, &w, err) < 0)
		return (-1);
	*ours = w.ours;
	*id = w.id;
	*dev = w.dev;
	return (0);
}

static int
match_dev(void *ctx, const struct point *p, struct err *err)
{
	struct wanted *w = ctx;

	if (p->dev != w->dev || strcmp(p->type, POINT_TYPE) != 0)
		return (0);
	w->ours = true;
	return (POINT_STOP);
}

int
mount_is_ours(uint64_t dev, bool *ours, struct err *err)
{
	struct wanted w = { .dev = (dev_t)dev };

	if (point_scan(match_dev, &w, err) < 0)
		return (-1);
	*ours = w.ours;
	return (0);
}
