/*
 * Byte strings and lists of them: host names, roots and tags are bytes, not
 * text, and may hold anything but what their parser refuses.
 */
#include "engine/repo/manifest.h"

#include <stdlib.h>
#include <string.h>

int
bytes_set(struct bytes *b, const void *src, size_t len, struct err *e)
{
	char *p = malloc(len + 1);

	if (p == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (len > 0)
		memcpy(p, src, len);
	p[len] = '\0';
	free(b->p);
	b->p = p;
	b->len = len;
	return (0);
}

int
bytes_compare(const void *va, const void *vb)
{
	const struct bytes *a = va, *b = vb;
	size_t n = a->len < b->len ? a->len : b->len;
	int c = n > 0 ? memcmp(a->p, b->p, n) : 0;

	if (c != 0)
		return (c);
	return (a->len < b->len ? -1 : a->len > b->len);
}

int
strings_add(struct strings *s, const void *src, size_t len, struct err *e)
{
	struct bytes *v, one = { NULL, 0 };

	if (s->n >= MANIFEST_STRINGS_MAX)
		return (err_set(e, ERR_LIMIT, "more than %d strings in a list",
		    MANIFEST_STRINGS_MAX));
	if (bytes_set(&one, src, len, e) != 0)
		return (-1);
	/* Grow at powers of two: n itself says where they are. */
	if ((s->n & (s->n - 1)) == 0) {
		v = realloc(s->v, (s->n == 0 ? 1 : (size_t)s->n * 2) *
		    sizeof(*v));
		if (v == NULL) {
			free(one.p);
			return (err_set(e, ERR_NOMEM, "out of memory"));
		}
		s->v = v;
	}
	s->v[s->n++] = one;
	return (0);
}

void
strings_fini(struct strings *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		free(s->v[i].p);
	free(s->v);
	s->v = NULL;
	s->n = 0;
}
