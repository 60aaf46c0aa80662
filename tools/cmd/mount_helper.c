/*
 * mount.vitrine(8).
 *
 *	mount.vitrine SOURCE DIR [-fnsv] [-t TYPE] [-o WORD[,WORD ...]]
 *
 * becomes
 *
 *	vitrine --repo=SOURCE [--KEY=VALUE ...] mount [--KEY=VALUE ...]
 *	    [-o WORD,...] -- [SNAPSHOT] DIR
 *
 * A word KEY=VALUE whose key is an option with an argument, of vitrine's or of
 * mount's, becomes that option; what fstab says to others is left out; the rest
 * is for fs/options.c to judge.
 */
#include "tools/cmd/mount_helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cmd/cmd.h"

#define NAME	"mount.vitrine"

/* What mount(8), systemd and the kernel read in the same field.  "rw" is what
 * mount(8) says where nothing was said. */
static const char *const not_ours[] = {
	"_netdev", "async", "atime", "auto", "defaults", "diratime", "group",
	"loud", "nofail", "nogroup", "noauto", "nolazytime", "norelatime",
	"noowner", "nostrictatime", "nouser", "nousers", "owner", "relatime",
	"rw", "silent", "user", "users",
};

struct helper {
	struct mount_words *out;
	const char *source, *dir, *snapshot;
	struct buf words;		/* for -o */
	struct buf global, own;		/* NUL-ended options */
	char *repo;			/* owned */
	char *chosen;			/* owned: of snapshot= */
	bool verbose;
};

bool
mount_helper_is(const char *argv0)
{
	const char *slash;

	if (argv0 == NULL)
		return (false);
	slash = strrchr(argv0, '/');
	return (strcmp(slash != NULL ? slash + 1 : argv0, NAME) == 0);
}

void
mount_words_fini(struct mount_words *w)
{
	for (int i = 0; i < w->argc; i++)
		free(w->argv[i]);
	free(w->argv);
	memset(w, 0, sizeof(*w));
}

static bool
is_for_others(const char *word)
{
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
		if (strcmp(word, not_ours[i]) == 0)
			return (true);
	return (strncmp(word, "x-", 2) == 0 || strncmp(word, "X-", 2) == 0 ||
	    strncmp(word, "comment=", 8) == 0 ||
	    strncmp(word, "user=", 5) == 0);
}

static bool
takes_value(const struct opt *table, const char *key)
{
	const struct opt *o = opts_find(table, key);

	return (o != NULL && o->type != OPT_FLAG);
}

static int
set(char **to, const char *value, struct err *e)
{
	free(*to);
	*to = strdup(value);
	return (*to != NULL ? 0 : err_set(e, ERR_NOMEM, "no memory"));
}

static void
add_option(struct buf *b, const char *key, const char *value)
{
	buf_bytes(b, "--", 2);
	buf_bytes(b, key, strlen(key));
	buf_u8(b, '=');
	buf_bytes(b, value, strlen(value) + 1);
}

static int
take_word(struct helper *h, char *word, struct err *e)
{
	char *value = strchr(word, '=');

	if (*word == '\0' || is_for_others(word))
		return (0);
	if (value != NULL) {
		*value++ = '\0';
		if (strcmp(word, "repo") == 0)
			return (set(&h->repo, value, e));
		if (strcmp(word, "snapshot") == 0)
			return (set(&h->chosen, value, e));
		if (takes_value(global_options, word)) {
			add_option(&h->global, word, value);
			return (0);
		}
		if (strcmp(word, "options") != 0 &&
		    takes_value(mount_command.options, word)) {
			add_option(&h->own, word, value);
			return (0);
		}
		value[-1] = '=';
	}
	if (h->words.len > 0)
		buf_u8(&h->words, ',');
	buf_bytes(&h->words, word, strlen(word));
	return (0);
}

/* The words of an -o.  Commas within double quotes, as mount(8) has them, are
 * none between words; the quotes go. */
static int
take_words(struct helper *h, const char *text, struct err *e)
{
	char *word = malloc(strlen(text) + 1);
	bool quoted = false;
	size_t n = 0;
	int r = 0;

	if (word == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	for (;; text++) {
		if (*text == '"') {
			quoted = !quoted;
		} else if (*text == '\0' || (*text == ',' && !quoted)) {
			word[n] = '\0';
			n = 0;
			r = take_word(h, word, e);
			if (r < 0 || *text == '\0')
				break;
		} else {
			word[n++] = *text;
		}
	}
	free(word);
	return (r);
}

/* One letter of a cluster; *value is its argument, if it takes one. */
static int
take_letter(struct helper *h, char letter, const char *value, struct err *e)
{
	switch (letter) {
	case 'f':
		h->out->fake = true;
		return (0);
	case 'v':
		h->verbose = true;
		return (0);
	case 'n':	/* there is no mtab to write */
	case 's':	/* no word that is unknown could be passed over */
		return (0);
	case 'o':
		return (take_words(h, value, e));
	case 't':
		return (0);
	default:
		return (err_set(e, ERR_USAGE, NAME ": unknown option -%c",
		    letter));
	}
}

static int
take_arguments(struct helper *h, int argc, char **argv, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];

		if (a[0] != '-' || a[1] == '\0') {
			if (h->source == NULL)
				h->source = a;
			else if (h->dir == NULL)
				h->dir = a;
			else
				return (err_set(e, ERR_USAGE,
				    NAME ": too many arguments: %s", a));
			continue;
		}
		for (a++; *a != '\0'; a++) {
			const char *value = NULL;

			if (*a == 'o' || *a == 't') {
				value = a[1] != '\0' ? a + 1 :
				    i + 1 < argc ? argv[++i] : NULL;
				if (value == NULL)
					return (err_set(e, ERR_USAGE, NAME
					    ": -%c needs an argument", *a));
			}
			if (take_letter(h, *a, value, e) < 0)
				return (-1);
			if (value != NULL)
				break;
		}
	}
	if (h->dir == NULL)
		return (err_set(e, ERR_USAGE, "usage: " NAME " SOURCE "
		    "DIRECTORY [-fnsv] [-o OPTIONS] (see mount.vitrine(8))"));
	return (0);
}

/* Which repository, and what of it.  Where repo= says the first, the source
 * says the second. */
static int
settle_source(struct helper *h, struct err *e)
{
	const char *repo = h->repo != NULL ? h->repo : h->source;

	h->snapshot = h->chosen;
	if (h->repo != NULL && strcmp(h->source, "none") != 0) {
		if (h->chosen != NULL)
			return (err_set(e, ERR_USAGE, NAME ": the snapshot is "
			    "given twice: %s and %s", h->source, h->chosen));
		h->snapshot = h->source;
	}
	add_option(&h->global, "repo", repo);
	return (0);
}

static int
push(struct mount_words *w, const char *word, struct err *e)
{
	char **v = realloc(w->argv, ((size_t)w->argc + 2) * sizeof(*v));

	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	w->argv = v;
	v[w->argc] = strdup(word);
	if (v[w->argc] == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	v[++w->argc] = NULL;
	return (0);
}

static int
push_all(struct mount_words *w, const struct buf *b, struct err *e)
{
	const char *p = (const char *)b->data;
	size_t at = 0;

	for (; at < b->len; at += strlen(p + at) + 1)
		if (push(w, p + at, e) < 0)
			return (-1);
	return (0);
}

static int
make_line(struct helper *h, struct err *e)
{
	struct mount_words *w = h->out;

	if (buf_ok(&h->global, e) < 0 || buf_ok(&h->own, e) < 0)
		return (-1);
	if (push(w, "vitrine", e) < 0 || push_all(w, &h->global, e) < 0 ||
	    (h->verbose && push(w, "--verbose", e) < 0) ||
	    push(w, "mount", e) < 0 || push_all(w, &h->own, e) < 0)
		return (-1);
	if (h->words.len > 0) {
		buf_u8(&h->words, '\0');
		if (buf_ok(&h->words, e) < 0 || push(w, "-o", e) < 0 ||
		    push(w, (char *)h->words.data, e) < 0)
			return (-1);
	}
	if (push(w, "--", e) < 0 ||
	    (h->snapshot != NULL && push(w, h->snapshot, e) < 0))
		return (-1);
	return (push(w, h->dir, e));
}

int
mount_helper_parse(struct mount_words *out, int argc, char **argv,
    struct err *e)
{
	struct helper h = { .out = out };
	int r;

	memset(out, 0, sizeof(*out));
	r = take_arguments(&h, argc, argv, e);
	if (r == 0)
		r = settle_source(&h, e);
	if (r == 0)
		r = make_line(&h, e);
	buf_fini(&h.words);
	buf_fini(&h.global);
	buf_fini(&h.own);
	free(h.repo);
	free(h.chosen);
	return (r);
}
