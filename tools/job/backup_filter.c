/*
 * What of the source is wanted.  An entry is left out, in this order, when it
 * lies beside a marker, is larger than asked for, is excluded by a pattern, or
 * is ignored by a rule of the nearest ignore file that says anything of it.
 * What leads to a root, or is one, always stays.
 */
#include "tools/job/backup_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_NAME	"CACHEDIR.TAG"
#define CACHE_HEADER	"Signature: 8a477f597d28d172789f06886806bc55"
#define HEADER_MAX	4096
#define RULES_MAX	(2U << 20)	/* bytes of rules along one path */

static int
add_marker(struct backup *b, const char *name, size_t len, const char *header,
    struct err *e)
{
	struct marker *m = &b->markers[b->nmarkers++];

	m->name = strndup(name, len);
	m->header = strdup(header);
	if (m->name == NULL || m->header == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for excludes"));
	return (0);
}

static int
add_present(struct backup *b, const char *text, struct err *e)
{
	size_t len = strcspn(text, ":");
	const char *header = text[len] == ':' ? text + len + 1 : "";

	if (len == 0 || memchr(text, '/', len) != NULL ||
	    (len == 1 && text[0] == '.') || (len == 2 && text[0] == '.' &&
	    text[1] == '.'))
		return (err_set(e, ERR_USAGE, "\"%s\": to exclude directories "
		    "by a file in them, give its name, without a path", text));
	if (strlen(header) > HEADER_MAX)
		return (err_set(e, ERR_USAGE, "a header of more than %d bytes "
		    "for \"%.*s\"", HEADER_MAX, (int)len, text));
	return (add_marker(b, text, len, header, e));
}

int
filter_init(struct backup *b, struct err *e)
{
	const struct backup_env *env = b->env;

	if (patterns_new(&b->patterns, env->excludes, env->nexcludes, e) != 0)
		return (-1);
	b->markers = calloc(env->nexclude_present + 1, sizeof(*b->markers));
	if (b->markers == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for excludes"));
	if (env->exclude_caches && add_marker(b, CACHE_NAME,
	    strlen(CACHE_NAME), CACHE_HEADER, e) != 0)
		return (-1);
	for (size_t i = 0; i < env->nexclude_present; i++)
		if (add_present(b, env->exclude_present[i], e) != 0)
			return (-1);
	return (0);
}

void
filter_fini(struct backup *b)
{
	for (size_t i = 0; i < b->nmarkers; i++) {
		free(b->markers[i].name);
		free(b->markers[i].header);
	}
	free(b->markers);
	b->markers = NULL;
	b->nmarkers = 0;
	patterns_free(b->patterns);
	b->patterns = NULL;
}

/* A regular file of the directory, at most max bytes of it; -errno. */
static ssize_t
slurp(const struct backup *b, const struct walk_dir *d, const char *name,
    void *dst, size_t max)
{
	struct source *s = b->source;
	struct source_file f;
	struct meta_stat st;
	size_t got = 0;
	int error = s->ops->open(s, d, name, true, &f);

	if (error != 0)
		return (-error);
	error = s->ops->stat_file(s, &f, &st);
	if (error == 0 && st.kind != ENTRY_FILE)
		error = EINVAL;
	if (error == 0)
		error = s->ops->read_at(s, &f, dst, max, 0, &got);
	s->ops->close(s, &f);
	return (error != 0 ? -error : (ssize_t)got);
}

static bool
is_marked(const struct backup *b, const struct walk_dir *d,
    const struct marker *m)
{
	size_t len = strlen(m->header);
	char head[HEADER_MAX];
	struct meta_stat st;

	if (len == 0)
		return (b->source->ops->stat(b->source, d, m->name, &st) == 0);
	return (slurp(b, d, m->name, head, len) == (ssize_t)len &&
	    memcmp(head, m->header, len) == 0);
}

static int
load_rules(const struct backup *b, struct walk_dir *d, struct err *e)
{
	char *text = malloc(IGNORE_FILE_MAX + 1);
	ssize_t len;
	int rc = 0;

	if (text == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for ignore rules"));
	len = slurp(b, d, IGNORE_NAME, text, IGNORE_FILE_MAX + 1);
	if (len == -ENOENT) {
		free(text);
		return (0);
	}
	if (len < 0)
		d->ignore_error = (int)-len;
	else if (len > (ssize_t)IGNORE_FILE_MAX)
		d->ignore_error = EFBIG;
	else
		rc = ignore_parse(&d->ignore, text, (size_t)len, e);
	free(text);
	if (d->ignore == NULL)
		return (rc);
	d->ignore_bytes += ignore_bytes(d->ignore);
	if (d->ignore_bytes > RULES_MAX) {
		d->ignore_bytes -= ignore_bytes(d->ignore);
		d->ignore_error = EFBIG;
		ignore_free(d->ignore);
		d->ignore = NULL;
	} else if (ignore_wants_path(d->ignore)) {
		d->want_path = true;
	}
	return (rc);
}

int
filter_listed(void *ctx, struct walk_dir *d, const struct names *names,
    struct err *e)
{
	const struct backup *b = ctx;

	for (size_t i = 0; i < b->nmarkers && d->marker == NULL; i++)
		if (names_has(names, b->markers[i].name) != 0 &&
		    is_marked(b, d, &b->markers[i]))
			d->marker = b->markers[i].name;
	if (b->env->no_ignore_files || names_has(names, IGNORE_NAME) == 0)
		return (0);
	return (load_rules(b, d, e));
}

/* Do the rules of the directories from d upwards leave this out?  The nearest
 * that says anything decides. */
static bool
is_ignored(const struct walk_dir *d, const char *path,
    const struct walk_entry *en)
{
	/* In path: where what is below d begins. */
	const char *below = path != NULL ? path + strlen(path) - en->len : NULL;

	for (; d != NULL; d = d->parent) {
		enum ignore_verdict v = d->ignore == NULL ? IGNORE_NONE :
		    ignore_verdict(d->ignore, below, en->name,
		    en->st.kind == ENTRY_DIR);

		if (v != IGNORE_NONE)
			return (v == IGNORE_OUT);
		if (below != NULL && d->parent != NULL)
			below -= d->len + 1;
	}
	return (false);
}

bool
filter_keep(void *ctx, const struct walk_dir *d, const char *path,
    struct walk_entry *en)
{
	const struct backup *b = ctx;
	const struct backup_env *env = b->env;
	bool is_dir = en->st.kind == ENTRY_DIR;

	for (unsigned i = 0; i < b->nskip; i++)
		if (is_dir && en->error == 0 && en->st.dev == b->skip[i][0] &&
		    en->st.ino == b->skip[i][1])
			en->left_out = true;
	if (en->leads || en->left_out)
		return (true);
	if (d->marker != NULL && strcmp(en->name, d->marker) != 0)
		return (false);
	if (env->exclude_larger != NULL && en->st.kind == ENTRY_FILE &&
	    en->st.size > *env->exclude_larger)
		return (false);
	if (!patterns_is_empty(b->patterns))
		switch (patterns_verdict(b->patterns, path, en->name, is_dir)) {
		case PATTERN_HIT:
			return (false);
		case PATTERN_TAKEN_BACK:
			return (true);
		case PATTERN_NONE:
			break;
		}
	return (d->ignore_bytes == 0 || !is_ignored(d, path, en));
}

void
filter_tell(struct backup *b, const struct walk_dir *d, bool is_root)
{
	char text[128];

	if (d->marker != NULL)
		backup_say(b, is_root ? EVENT_SKIPPED : EVENT_DETAIL, d, NULL,
		    is_root ? "all but its %s" : "left out, but for its %s",
		    d->marker);
	if (d->ignore_error == EFBIG)
		backup_say(b, EVENT_WARNING, d, IGNORE_NAME, "not followed, "
		    "as it is too large: more than %u KiB, or with those above "
		    "it more than %u", IGNORE_FILE_MAX >> 10, RULES_MAX >> 10);
	else if (d->ignore_error != 0)
		backup_say(b, EVENT_WARNING, d, IGNORE_NAME, "not followed: %s",
		    d->ignore_error == EINVAL ? "not a regular file" :
		    strerror_r(d->ignore_error, text, sizeof(text)));
}
