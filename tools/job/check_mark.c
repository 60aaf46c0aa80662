/*
 * Damage, noted in the repository when that was asked for: what lies in a pack
 * that is noted is stored anew by the next backup that has it.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/repo/mark.h"
#include "tools/job/check_impl.h"

struct marks {
	struct check *c;
	struct damaged d;
	uint32_t cap;
	size_t at;			/* in the list of what is bad */
};

static struct damaged_pack *
add_pack(struct marks *m, const struct pack_id *id, struct err *e)
{
	struct damaged_pack *v;
	uint32_t cap = m->cap == 0 ? 16 : m->cap * 2;

	if (m->d.n == m->cap) {
		v = reallocarray(m->d.v, cap, sizeof(*v));
		if (v == NULL) {
			(void)err_set(e, ERR_NOMEM, "out of memory");
			return (NULL);
		}
		m->d.v = v;
		m->cap = cap;
	}
	v = &m->d.v[m->d.n++];
	memset(v, 0, sizeof(*v));
	v->id = *id;
	return (v);
}

static int
add_frame(struct damaged_pack *p, uint32_t frame, struct err *e)
{
	uint32_t *v;

	if (frame == UINT32_MAX)
		p->whole = true;
	if (p->whole)
		return (0);
	v = reallocarray(p->frames, p->nframes + 1, sizeof(*v));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	p->frames = v;
	v[p->nframes++] = frame;
	return (0);
}

/* A pack that is there; both lists are sorted by pack. */
static int
look_at(void *ctx, const struct pack_row *row, struct err *e)
{
	struct marks *m = ctx;
	const struct bad *bad = m->c->bad;
	struct damaged_pack *p = NULL;
	struct pack_id id;
	uint32_t frame;
	int order = 0;

	if ((row->flags & PACK_SAID) != 0) {
		if ((p = add_pack(m, &row->id, e)) == NULL)
			return (-1);
		p->whole = true;
	}
	for (; m->at < bad_count(bad) && order <= 0; m->at++) {
		bad_at(bad, m->at, &id, &frame);
		order = memcmp(id.b, row->id.b, ID_BYTES);
		if (order > 0)
			break;
		if (order < 0)
			continue;
		if (p == NULL && (p = add_pack(m, &row->id, e)) == NULL)
			return (-1);
		if (add_frame(p, frame, e) < 0)
			return (-1);
	}
	return (0);
}

int
check_mark(struct check *c, struct err *e)
{
	struct marks m = { .c = c };
	int r = packlist_each(c->packs, look_at, &m, e);

	if (r == 0 && m.d.n > 0)
		r = repo_mark_damaged(c->repo, &m.d, e);
	if (r == 0)
		c->res.marked = m.d.n;
	damaged_fini(&m.d);
	return (r < 0 ? err_wrap(e, "marking the damaged packs") : 0);
}
