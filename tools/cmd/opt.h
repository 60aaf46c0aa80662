#ifndef VITRINE_TOOLS_CMD_OPT_H
#define VITRINE_TOOLS_CMD_OPT_H

#include "engine/base/clock.h"
#include "engine/base/err.h"

/*
 * Options: one table a command (and one for the global ones), from which the
 * parser, the help text and the completions come.
 */
enum opt_type {
	OPT_FLAG,		/* no argument */
	OPT_TEXT,
	OPT_SIZE,		/* value_size() */
	OPT_COUNT,		/* 0 .. 2^31 - 1 */
	OPT_TIME		/* value_time() */
};
struct opt {
	const char *name;	/* without "--"; NULL ends the table */
	char letter;		/* or 0 */
	enum opt_type type;
	bool repeatable;	/* OPT_TEXT: each one counts, else the last */
	const char *argument;	/* what help calls it; NULL for a flag */
	const char *help;	/* one line */
};
struct opt_value {
	unsigned times;		/* how often it was given */
	const char *text;	/* the last; borrowed from argv */
	uint64_t number;	/* size or count */
	struct stamp time;
	const char **list;	/* repeatable: all, in order; owned */
	size_t n;
	bool undone;		/* by --no-NAME: no configuration counts */
	/* FILE:LINE of the configuration, borrowed; NULL: the command line. */
	const char *origin;
};
struct opts {
	const struct opt *table;
	struct opt_value *values;	/* owned, one an option */
};

int opts_init(struct opts *, const struct opt *table, struct err *);
void opts_fini(struct opts *);
/* The value of an option of the table, given or not; another name is a BUG. */
const struct opt_value *opts_get(const struct opts *, const char *name);
bool opts_given(const struct opts *, const char *name);

/* The option of that name; NULL: there is none. */
const struct opt *opts_find(const struct opt *table, const char *name);
/* As the command line would give it; a flag is set by any text.  The text is
 * borrowed, and so is origin. */
int opts_set(struct opts *, const struct opt *, const char *text,
    const char *origin, struct err *);
/* As if the option had not been given. */
void opts_unset(struct opts *, const struct opt *);
/*
 * Fill up `strong' with what `weak', of the same table, has and it has not; of
 * repeatable options it has what weak has, then its own.
 */
int opts_merge(struct opts *strong, const struct opts *weak, struct err *);

/*
 * Parse from argv[*at] on: "--name", "--name=value", "--name value", "-x",
 * "-xvalue", "-x value", clustered flags, "--no-name" (what was given so far or
 * stands in the configuration does not count), "--" ends the options.  An
 * option is looked for in each of the n sets; prefixes are not accepted.
 * Arguments that are no options go to rest (room for as many as argv has) or,
 * where rest is NULL, the first of them ends the parsing with *at on it.
 */
int opts_parse(struct opts *const *sets, size_t n, int argc, char **argv,
    int *at, char **rest, int *nrest, struct err *);

#endif
