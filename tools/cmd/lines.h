#ifndef VITRINE_TOOLS_CMD_LINES_H
#define VITRINE_TOOLS_CMD_LINES_H

#include <stddef.h>

#include "engine/base/err.h"

/*
 * The lines of a file that an option names ("-": standard input).
 */
enum lines_form {
	LINES_TRIMMED,	/* without spaces around, '#' comments, blanks */
	LINES_VERBATIM,		/* as they are; empty ones are skipped */
	LINES_NUL	/* ended by NUL bytes; an empty one is refused */
};
struct lines {
	char *text;		/* owned */
	const char **v;		/* owned; into text */
	unsigned *no;		/* owned: each one's number in the file */
	size_t n;
};
int lines_load(struct lines *, const char *file, enum lines_form, struct err *);
void lines_fini(struct lines *);

#endif
