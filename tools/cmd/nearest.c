/*
 * Suggestions for mistyped options and commands, by the restricted
 * Damerau-Levenshtein distance.
 */
#include "tools/cmd/nearest.h"

#include <string.h>

#define WORD_MAX	63

static size_t
least(size_t a, size_t b)
{
	return (a < b ? a : b);
}

size_t
nearest_distance(const char *a, const char *b)
{
	size_t row[3][WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);
	size_t *two = row[0], *one = row[1], *now = row[2], *t;

	if (la > WORD_MAX || lb > WORD_MAX)
		return (WORD_MAX);
	for (size_t j = 0; j <= lb; j++)
		two[j] = one[j] = j;
	for (size_t i = 1; i <= la; i++) {
		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;

			now[j] = least(least(now[j - 1], one[j]) + 1,
			    one[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = least(now[j], two[j - 2] + 1);
		}
		t = two;
		two = one;
		one = now;
		now = t;
	}
	return (one[lb]);
}

void
nearest_init(struct nearest *n, const char *word)
{
	n->word = word;
	n->best = NULL;
	n->distance = WORD_MAX;
}

void
nearest_offer(struct nearest *n, const char *candidate)
{
	size_t len = strlen(n->word), d;

	if (len >= 2 && strncmp(candidate, n->word, len) == 0)
		d = 1;
	else
		d = nearest_distance(n->word, candidate);
	if (d <= 1 + len / 4 && d < n->distance && d < strlen(candidate)) {
		n->best = candidate;
		n->distance = d;
	}
}
