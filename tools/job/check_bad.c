/*
 * The damaged packs and frames that a check has found, to be traced to the
 * files that they hit.  Bounded: a repository with more damage than this is
 * traced as far as the list goes, and says so.
 */
#include <string.h>

#include "tools/job/check_impl.h"

#define BAD_MAX		65536

struct one {
	struct pack_id id;
	uint32_t frame;			/* UINT32_MAX: the whole pack */
};
struct bad {
	struct one *v;			/* owned; sorted */
	size_t n, cap;
	bool overflowed;
};

int
bad_new(struct bad **out, struct err *e)
{
	if ((*out = calloc(1, sizeof(**out))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

void
bad_free(struct bad *b)
{
	if (b == NULL)
		return;
	free(b->v);
	free(b);
}

static int
compare(const struct one *a, const struct pack_id *id, uint32_t frame)
{
	int r = memcmp(a->id.b, id->b, ID_BYTES);

	if (r != 0)
		return (r);
	return (a->frame < frame ? -1 : a->frame > frame);
}

/* Where (id, frame) stands or would stand. */
static size_t
place(const struct bad *b, const struct pack_id *id, uint32_t frame)
{
	size_t lo = 0, hi = b->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(&b->v[mid], id, frame) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo);
}

static bool
has(const struct bad *b, const struct pack_id *id, uint32_t frame)
{
	size_t at = place(b, id, frame);

	return (at < b->n && compare(&b->v[at], id, frame) == 0);
}

void
bad_add(struct bad *b, const struct pack_id *id, uint32_t frame)
{
	size_t at, cap;
	struct one *v;

	if (has(b, id, frame))
		return;
	if (b->n == BAD_MAX) {
		b->overflowed = true;
		return;
	}
	if (b->n == b->cap) {
		cap = b->cap == 0 ? 64 : b->cap * 2;
		if ((v = reallocarray(b->v, cap, sizeof(*v))) == NULL) {
			b->overflowed = true;
			return;
		}
		b->v = v;
		b->cap = cap;
	}
	at = place(b, id, frame);
	memmove(&b->v[at + 1], &b->v[at], (b->n - at) * sizeof(b->v[0]));
	b->v[at].id = *id;
	b->v[at].frame = frame;
	b->n++;
}

bool
bad_hit(const struct bad *b, const struct pack_id *id, uint32_t frame)
{
	return (has(b, id, frame) || has(b, id, UINT32_MAX));
}

size_t
bad_count(const struct bad *b)
{
	return (b->n);
}

bool
bad_overflowed(const struct bad *b)
{
	return (b->overflowed);
}

void
bad_at(const struct bad *b, size_t i, struct pack_id *id, uint32_t *frame)
{
	*id = b->v[i].id;
	*frame = b->v[i].frame;
}
