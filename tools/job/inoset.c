/*
 * A small hash set of inode numbers and the like: open addressing, at most half
 * full.
 */
#include "tools/job/inoset.h"

#include <stdlib.h>

void
inoset_fini(struct inoset *s)
{
	free(s->v);
	s->v = NULL;
	s->n = s->cap = 0;
}

static size_t
place_of(const uint64_t *v, size_t cap, uint64_t ino)
{
	size_t i = (size_t)((ino * 0x9e3779b97f4a7c15ULL) >> 20) & (cap - 1);

	while (v[i] != 0 && v[i] != ino)
		i = (i + 1) & (cap - 1);
	return (i);
}

bool
inoset_has(const struct inoset *s, uint64_t ino)
{
	return (s->n > 0 && s->v[place_of(s->v, s->cap, ino)] == ino);
}

bool
inoset_add(struct inoset *s, uint64_t ino)
{
	size_t at;

	if (inoset_has(s, ino))
		return (true);
	if (s->max > 0 && s->n >= s->max)
		return (false);
	if ((s->n + 1) * 2 > s->cap) {
		size_t cap = s->cap == 0 ? 64 : s->cap * 2;
		uint64_t *v = calloc(cap, sizeof(*v));

		if (v == NULL)
			return (false);
		for (size_t i = 0; i < s->cap; i++)
			if (s->v[i] != 0)
				v[place_of(v, cap, s->v[i])] = s->v[i];
		free(s->v);
		s->v = v;
		s->cap = cap;
	}
	at = place_of(s->v, s->cap, ino);
	s->v[at] = ino;
	s->n++;
	return (true);
}
