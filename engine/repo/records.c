/*
 * Contents of leases, condemned, damaged, forwards and forgotten objects.  Each
 * parser bounds a count by the bytes that are left before it allocates by it.
 */
#include "engine/repo/records.h"

#include <stdlib.h>
#include <string.h>

#include "engine/repo/manifest_part.h"

#define MOVE_BYTES	(7 * 4)
#define TOMBSTONE_BYTES	(3 * ID_BYTES + 8 + 12)

static int
no_memory(struct err *e)
{
	return (err_set(e, ERR_NOMEM, "out of memory"));
}

static int
finish(const struct rd *r, const char *what, struct err *e)
{
	if (rd_end(r))
		return (0);
	return (err_set(e, ERR_CORRUPT, "the %s object's content is not what "
	    "the format says", what));
}

/* A count of items of at least `each' bytes. */
static uint32_t
count(struct rd *r, size_t each)
{
	uint32_t n = rd_u32(r);

	if (n > rd_left(r) / each)
		r->bad = true;
	return (r->bad ? 0 : n);
}

/*
 * Leases.
 */
void
lease_fini(struct lease *l)
{
	free(l->host.p);
	memset(l, 0, sizeof(*l));
}

int
lease_emit(struct buf *b, const struct lease *l, struct err *e)
{
	buf_u8(b, l->role);
	buf_u32(b, l->generation);
	buf_str16(b, l->host.p, l->host.len);
	stamp_emit(b, &l->time);
	return (buf_ok(b, e));
}

int
lease_parse(struct lease *out, const void *bytes, size_t len, struct err *e)
{
	struct lease l = { 0 };
	const uint8_t *host;
	size_t host_len;
	struct rd r;

	rd_init(&r, bytes, len);
	l.role = rd_u8(&r);
	if (l.role != LEASE_WRITER && l.role != LEASE_COLLECTOR)
		r.bad = true;
	l.generation = rd_u32(&r);
	host_len = rd_u16(&r);
	host = rd_view(&r, host_len);
	stamp_parse(&l.time, &r);
	if (finish(&r, "lease", e) != 0 ||
	    bytes_set(&l.host, host, host_len, e) != 0)
		return (-1);
	*out = l;
	return (0);
}

/*
 * Condemned.
 */
void
condemned_fini(struct condemned *c)
{
	strings_fini(&c->leases);
	free(c->packs);
	memset(c, 0, sizeof(*c));
}

int
condemned_emit(struct buf *b, const struct condemned *c, struct err *e)
{
	buf_u8(b, c->state);
	strings_emit(b, &c->leases);
	buf_u32(b, c->npacks);
	for (uint32_t i = 0; i < c->npacks; i++)
		buf_bytes(b, c->packs[i].b, ID_BYTES);
	return (buf_ok(b, e));
}

static int
condemned_body(struct condemned *c, struct rd *r, struct err *e)
{
	uint32_t n;

	c->state = rd_u8(r);
	if (c->state != CONDEMNED && c->state != CONDEMNED_DELETING)
		r->bad = true;
	if (strings_parse(&c->leases, r, e) != 0)
		return (-1);
	n = count(r, ID_BYTES);
	if (n > 0) {
		c->packs = calloc(n, sizeof(*c->packs));
		if (c->packs == NULL)
			return (no_memory(e));
		c->npacks = n;
	}
	for (uint32_t i = 0; i < n; i++)
		rd_bytes(r, c->packs[i].b, ID_BYTES);
	return (finish(r, "condemned", e));
}

int
condemned_parse(struct condemned *out, const void *bytes, size_t len,
    struct err *e)
{
	struct condemned c = { 0 };
	struct rd r;

	rd_init(&r, bytes, len);
	if (condemned_body(&c, &r, e) != 0) {
		condemned_fini(&c);
		return (-1);
	}
	*out = c;
	return (0);
}

/*
 * Damaged.
 */
void
damaged_fini(struct damaged *d)
{
	for (uint32_t i = 0; i < d->n; i++)
		free(d->v[i].frames);
	free(d->v);
	memset(d, 0, sizeof(*d));
}

int
damaged_emit(struct buf *b, const struct damaged *d, struct err *e)
{
	buf_u32(b, d->n);
	for (uint32_t i = 0; i < d->n; i++) {
		const struct damaged_pack *p = &d->v[i];

		buf_bytes(b, p->id.b, ID_BYTES);
		buf_u8(b, p->whole);
		buf_u32(b, p->whole ? 0 : p->nframes);
		for (uint32_t k = 0; !p->whole && k < p->nframes; k++)
			buf_u32(b, p->frames[k]);
	}
	return (buf_ok(b, e));
}

static int
damaged_body(struct damaged *d, struct rd *r, struct err *e)
{
	uint32_t n = count(r, ID_BYTES + 5), k;

	if (n > 0) {
		d->v = calloc(n, sizeof(*d->v));
		if (d->v == NULL)
			return (no_memory(e));
		d->n = n;
	}
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct damaged_pack *p = &d->v[i];
		uint8_t whole;

		rd_bytes(r, p->id.b, ID_BYTES);
		whole = rd_u8(r);
		k = count(r, 4);
		if (whole > 1 || (whole == 1) != (k == 0))
			r->bad = true;
		p->whole = whole == 1;
		if (r->bad || k == 0)
			continue;
		p->frames = calloc(k, sizeof(*p->frames));
		if (p->frames == NULL)
			return (no_memory(e));
		p->nframes = k;
		for (uint32_t f = 0; f < k; f++)
			p->frames[f] = rd_u32(r);
	}
	return (finish(r, "damaged", e));
}

int
damaged_parse(struct damaged *out, const void *bytes, size_t len,
    struct err *e)
{
	struct damaged d = { 0 };
	struct rd r;

	rd_init(&r, bytes, len);
	if (damaged_body(&d, &r, e) != 0) {
		damaged_fini(&d);
		return (-1);
	}
	*out = d;
	return (0);
}

/*
 * Forwards.
 */
void
forwards_fini(struct forwards *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		free(f->v[i].moves);
	free(f->v);
	memset(f, 0, sizeof(*f));
}

int
forwards_emit(struct buf *b, const struct forwards *f, struct err *e)
{
	buf_u32(b, f->n);
	for (uint32_t i = 0; i < f->n; i++) {
		const struct forward *w = &f->v[i];

		buf_bytes(b, w->old.b, ID_BYTES);
		pack_info_emit(b, &w->pack);
		buf_u32(b, w->nmoves);
		for (uint32_t k = 0; k < w->nmoves; k++) {
			const struct forward_move *m = &w->moves[k];

			buf_u32(b, m->frame);
			buf_u32(b, m->slot);
			buf_u32(b, m->to.no);
			buf_u32(b, m->to.off);
			buf_u32(b, m->to.stored);
			buf_u32(b, m->to.raw);
			buf_u32(b, m->to_slot);
		}
	}
	return (buf_ok(b, e));
}

static int
move_compare(const void *va, const void *vb)
{
	const struct forward_move *a = va, *b = vb;

	if (a->frame != b->frame)
		return (a->frame < b->frame ? -1 : 1);
	return (a->slot < b->slot ? -1 : a->slot > b->slot);
}

static int
forward_compare(const void *va, const void *vb)
{
	const struct forward *a = va, *b = vb;

	return (memcmp(a->old.b, b->old.b, ID_BYTES));
}

void
forwards_sort(struct forwards *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (f->v[i].nmoves > 1)
			qsort(f->v[i].moves, f->v[i].nmoves,
			    sizeof(f->v[i].moves[0]), move_compare);
	if (f->n > 1)
		qsort(f->v, f->n, sizeof(f->v[0]), forward_compare);
}

static int
forwards_body(struct forwards *f, struct rd *r, struct err *e)
{
	uint32_t n = count(r, ID_BYTES + PACK_RECORD_MAX - WRAP_BYTES + 4), k;

	if (n > 0) {
		f->v = calloc(n, sizeof(*f->v));
		if (f->v == NULL)
			return (no_memory(e));
		f->n = n;
	}
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct forward *w = &f->v[i];

		rd_bytes(r, w->old.b, ID_BYTES);
		pack_info_parse(&w->pack, r);
		k = count(r, MOVE_BYTES);
		if (k == 0)
			continue;
		w->moves = calloc(k, sizeof(*w->moves));
		if (w->moves == NULL)
			return (no_memory(e));
		w->nmoves = k;
		for (uint32_t j = 0; j < k; j++) {
			struct forward_move *m = &w->moves[j];

			m->frame = rd_u32(r);
			m->slot = rd_u32(r);
			m->to.no = rd_u32(r);
			m->to.off = rd_u32(r);
			m->to.stored = rd_u32(r);
			m->to.raw = rd_u32(r);
			m->to_slot = rd_u32(r);
		}
	}
	return (finish(r, "forwards", e));
}

int
forwards_parse(struct forwards *out, const void *bytes, size_t len,
    struct err *e)
{
	struct forwards f = { 0 };
	struct rd r;

	rd_init(&r, bytes, len);
	if (forwards_body(&f, &r, e) != 0) {
		forwards_fini(&f);
		return (-1);
	}
	forwards_sort(&f);
	*out = f;
	return (0);
}

bool
forwards_find(const struct forwards *f, const struct pack_id *old,
    uint32_t frame, uint32_t slot, const struct pack_info **pack,
    struct frame_info *to, uint32_t *to_slot)
{
	struct forward_move key = { .frame = frame, .slot = slot }, *m;
	uint32_t lo = 0, hi = f->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(f->v[mid].old.b, old->b, ID_BYTES) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* A pack's chunks may have gone into several. */
	for (; lo < f->n && id_equal(f->v[lo].old.b, old->b); lo++) {
		if (f->v[lo].nmoves == 0)
			continue;
		m = bsearch(&key, f->v[lo].moves, f->v[lo].nmoves, sizeof(*m),
		    move_compare);
		if (m == NULL)
			continue;
		*pack = &f->v[lo].pack;
		*to = m->to;
		*to_slot = m->to_slot;
		return (true);
	}
	return (false);
}

/*
 * Forgotten.
 */
void
forgotten_fini(struct forgotten *f)
{
	free(f->v);
	memset(f, 0, sizeof(*f));
}

int
forgotten_emit(struct buf *b, const struct forgotten *f, struct err *e)
{
	buf_u32(b, f->n);
	for (uint32_t i = 0; i < f->n; i++) {
		const struct tombstone *t = &f->v[i];

		buf_bytes(b, t->id.b, ID_BYTES);
		buf_bytes(b, t->lineage.b, ID_BYTES);
		buf_u64(b, t->sequence);
		buf_bytes(b, t->previous.b, ID_BYTES);
		stamp_emit(b, &t->time);
	}
	return (buf_ok(b, e));
}

int
forgotten_parse(struct forgotten *out, const void *bytes, size_t len,
    struct err *e)
{
	struct forgotten f = { 0 };
	struct rd r;

	rd_init(&r, bytes, len);
	f.n = count(&r, TOMBSTONE_BYTES);
	if (f.n > 0) {
		f.v = calloc(f.n, sizeof(*f.v));
		if (f.v == NULL)
			return (no_memory(e));
	}
	for (uint32_t i = 0; i < f.n; i++) {
		struct tombstone *t = &f.v[i];

		rd_bytes(&r, t->id.b, ID_BYTES);
		rd_bytes(&r, t->lineage.b, ID_BYTES);
		t->sequence = rd_u64(&r);
		rd_bytes(&r, t->previous.b, ID_BYTES);
		stamp_parse(&t->time, &r);
		if (t->sequence == 0)
			r.bad = true;
	}
	if (finish(&r, "forgotten", e) != 0) {
		forgotten_fini(&f);
		return (-1);
	}
	*out = f;
	return (0);
}
