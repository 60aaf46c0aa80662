/*
 * Which entries of the tree are wanted, by --include and --exclude.  What is
 * excluded is left out with all below it; if anything is to be included, only
 * what matches, or is below what matches, is wanted, and the directories that
 * lead there are made.
 *
 * Both walks ask for every entry in their order; what is remembered is the
 * directory that the last matching one lies in.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/job/pattern.h"
#include "tools/job/restore_impl.h"

struct filter {
	struct patterns *include, *exclude;	/* owned */
	struct patterns *left_out;	/* owned: what the backup excluded */
	struct buf abs;			/* a path in the snapshot, with a NUL */
	size_t prefix;			/* of it: what all have in front */
	struct buf within;		/* the included directory we are in */
	bool is_within;
};

void
filter_free(struct filter *f)
{
	if (f == NULL)
		return;
	patterns_free(f->include);
	patterns_free(f->exclude);
	patterns_free(f->left_out);
	buf_fini(&f->abs);
	buf_fini(&f->within);
	free(f);
}

int
filter_new(struct filter **out, const struct restore_env *env,
    const struct manifest *m, const char *prefix, struct err *e)
{
	static const struct strings none;
	struct filter *f = calloc(1, sizeof(*f));
	size_t len = strlen(prefix);

	if (f == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	while (len > 0 && prefix[len - 1] == '/')
		len--;
	if (len > 0 && prefix[0] != '/')
		buf_u8(&f->abs, '/');
	buf_bytes(&f->abs, prefix, len);
	f->prefix = f->abs.len;
	if (buf_ok(&f->abs, e) < 0 ||
	    patterns_new(&f->include, env->include, env->ninclude, e) < 0 ||
	    patterns_new(&f->exclude, env->exclude, env->nexclude, e) < 0 ||
	    patterns_of_backup(&f->left_out, env->delete_extra ?
	    &m->excludes : &none, e) < 0) {
		filter_free(f);
		return (-1);
	}
	*out = f;
	return (0);
}

/* The path in the snapshot; *dir is it up to the name, both with a NUL. */
static bool
matches(struct filter *f, const struct patterns *p, const char *path,
    size_t len, bool is_dir)
{
	char *slash;

	if (patterns_is_empty(p))
		return (false);
	f->abs.len = f->prefix;
	buf_u8(&f->abs, '/');
	buf_bytes(&f->abs, path, len);
	buf_u8(&f->abs, '\0');
	if (f->abs.failed)
		return (false);
	slash = strrchr((char *)f->abs.data, '/');
	return (patterns_verdict(p, (char *)f->abs.data, slash + 1, is_dir) ==
	    PATTERN_HIT);
}

static bool
is_within(const struct filter *f, const char *path, size_t len)
{
	return (f->is_within && len > f->within.len &&
	    path[f->within.len] == '/' &&
	    memcmp(path, f->within.data, f->within.len) == 0);
}

enum wanted
filter_ask(struct filter *f, const char *path, size_t len, bool is_dir)
{
	if (matches(f, f->exclude, path, len, is_dir))
		return (WANTED_NOT);
	if (patterns_is_empty(f->include) || is_within(f, path, len))
		return (WANTED);
	f->is_within = false;
	if (!matches(f, f->include, path, len, is_dir))
		return (is_dir ? WANTED_BELOW : WANTED_NOT);
	if (is_dir) {
		buf_reset(&f->within);
		buf_bytes(&f->within, path, len);
		f->is_within = !f->within.failed;
	}
	return (WANTED);
}

bool
filter_wants_all(const struct filter *f)
{
	return (patterns_is_empty(f->include));
}

/* Whether it is a directory doesn't matter: spare it either way. */
static bool
spares(struct filter *f, const struct patterns *p, const struct buf *path)
{
	const char *text = (const char *)path->data;

	return (matches(f, p, text, path->len, true) ||
	    matches(f, p, text, path->len, false));
}

bool
filter_spares(struct filter *f, const char *dir, size_t len, const char *name)
{
	struct buf path = BUF_INIT;
	bool spared;

	buf_bytes(&path, dir, len);
	if (len > 0)
		buf_u8(&path, '/');
	buf_bytes(&path, name, strlen(name));
	spared = path.failed || spares(f, f->exclude, &path) ||
	    spares(f, f->left_out, &path);
	buf_fini(&path);
	return (spared);
}
