/*
 * A backup's reading, on the workers: read, cut, look the chunks up.  A small
 * file that is not exactly what the walk saw is left to the coordinator, which
 * reads it alone.
 */
#include "tools/job/backup_int.h"

#include <stdlib.h>

#include "tools/job/pace.h"

void
read_pace(struct backup *b, size_t bytes)
{
	if (b->pace != NULL)
		pace_wait(b->pace, bytes, b->ev);
}

static int
cuts_add(struct cuts *c, size_t off, size_t len, struct err *e)
{
	if (c->n == c->cap) {
		size_t cap = c->cap == 0 ? 64 : c->cap * 2;
		struct cut *v = reallocarray(c->v, cap, sizeof(*v));

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "no memory for chunks"));
		c->v = v;
		c->cap = cap;
	}
	c->v[c->n].off = (uint32_t)off;
	c->v[c->n].len = (uint32_t)len;
	c->n++;
	return (0);
}

int
read_cut(struct backup *b, const uint8_t *buf, size_t off, size_t len,
    bool last, struct cuts *cuts, size_t *left, struct err *e)
{
	while (len > 0) {
		size_t n = cutter_cut(&b->cutter, buf + off, len, last);

		if (n == 0)
			break;
		if (cuts_add(cuts, off, n, e) != 0)
			return (-1);
		off += n;
		len -= n;
	}
	*left = len;
	return (0);
}

int
read_lookup(struct backup *b, const uint8_t *buf, struct cuts *cuts,
    size_t first, struct err *e)
{
	for (size_t i = first; i < cuts->n; i++)
		if (sink_lookup(b, buf + cuts->v[i].off, cuts->v[i].len,
		    &cuts->v[i].hint, e) != 0)
			return (-1);
	return (0);
}

int
read_small(struct backup *b, struct run_item *ri, uint8_t *buf, size_t off,
    struct cuts *cuts, struct err *e)
{
	const struct meta_stat *st = &ri->it.st;
	struct source *s = b->source;
	struct source_file f;
	struct meta_stat now;
	size_t got = 0, left;

	ri->first_cut = cuts->n;
	ri->ncuts = 0;
	ri->error = s->ops->open(s, ri->it.dir, ri->it.name, false, &f);
	if (ri->error != 0)
		return (0);
	ri->error = s->ops->read_whole(s, &f, st, buf + off, &got, &ri->redo);
	s->ops->file_meta(s, &f, &ri->meta);
	if (s->ops->stat_file(s, &f, &now) != 0 || !meta_is_same(&now, st) ||
	    got != st->size || ri->error != 0)
		ri->redo = true;
	s->ops->close(s, &f);
	/* What is far away was asked more than once. */
	if (s->vouches && ri->error != 0)
		ri->redo = false;
	else if (ri->redo)
		ri->error = 0;
	if (ri->redo || ri->error != 0) {
		meta_fini(&ri->meta);
		return (0);
	}
	if (read_cut(b, buf, off, got, true, cuts, &left, e) != 0 ||
	    read_lookup(b, buf, cuts, ri->first_cut, e) != 0)
		return (-1);
	ri->ncuts = cuts->n - ri->first_cut;
	return (0);
}
