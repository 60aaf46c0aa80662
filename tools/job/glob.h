#ifndef VITRINE_TOOLS_JOB_GLOB_H
#define VITRINE_TOOLS_JOB_GLOB_H

#include <stdbool.h>

/*
 * One pattern against one text.
 *
 *	*	any bytes but '/'
 *	**	any bytes; "**" and '/' together also nothing at all
 *	?	one byte but '/'
 *	[a-z]	one byte of a set, but '/'; [!a-z] and [^a-z] one that is not
 *		in it; [:alpha:] and its kin within a set
 *	\x	x itself
 *
 * GLOB_GIT is what git does: "**" is special only between slashes or an end of
 * the pattern (or at its first special byte), else like '*'; a set that does
 * not end and a backslash at the end match nothing.
 */
enum glob_rules { GLOB_PLAIN, GLOB_GIT };

bool glob_fits(const char *pattern, const char *text, enum glob_rules);
/* The end of the set that begins at p ("["); NULL: it is none. */
const char *glob_set_end(const char *p);

#endif
