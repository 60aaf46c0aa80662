#ifndef VITRINE_TOOLS_CMD_NEAREST_H
#define VITRINE_TOOLS_CMD_NEAREST_H

#include <stddef.h>

/*
 * For "did you mean": which of the candidates a mistyped word comes nearest to.
 * Offer each in turn; the best so far is kept in the struct.  A candidate that
 * begins with the word, or is a few slips away, is near; else there is none.
 */
struct nearest {
	const char *word;
	const char *best;	/* NULL: nothing is near */
	size_t distance;
};
void nearest_init(struct nearest *, const char *word);
void nearest_offer(struct nearest *, const char *candidate);

/* Slips (a letter more, less, changed, two swapped) between two words; words
 * beyond 63 letters count as far apart. */
size_t nearest_distance(const char *a, const char *b);

#endif
