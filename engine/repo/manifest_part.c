/*
 * The parts that a manifest shares with what is made of manifests.
 */
#include "engine/repo/manifest_part.h"

#include <stdlib.h>

int
bytes_parse(struct bytes *b, struct rd *r, struct err *e)
{
	size_t len = rd_u16(r);
	const uint8_t *p = rd_view(r, len);

	if (p == NULL)
		return (0);
	return (bytes_set(b, p, len, e));
}

void
strings_emit(struct buf *b, const struct strings *s)
{
	buf_u32(b, s->n);
	for (uint32_t i = 0; i < s->n; i++)
		buf_str16(b, s->v[i].p, s->v[i].len);
}

int
strings_parse(struct strings *s, struct rd *r, struct err *e)
{
	uint32_t n = rd_u32(r);

	if (n > MANIFEST_STRINGS_MAX || n > rd_left(r) / 2)
		r->bad = true;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		size_t len = rd_u16(r);
		const uint8_t *p = rd_view(r, len);

		if (p != NULL && strings_add(s, p, len, e) != 0)
			return (-1);
	}
	return (0);
}

void
counts_emit(struct buf *b, const struct manifest *m)
{
	buf_u64(b, m->files);
	buf_u64(b, m->dirs);
	buf_u64(b, m->others);
	buf_u64(b, m->bytes);
	buf_u64(b, m->unread);
	buf_u64(b, m->bytes_new);
	buf_u64(b, m->bytes_added);
}

void
counts_parse(struct manifest *m, struct rd *r)
{
	m->files = rd_u64(r);
	m->dirs = rd_u64(r);
	m->others = rd_u64(r);
	m->bytes = rd_u64(r);
	m->unread = rd_u64(r);
	m->bytes_new = rd_u64(r);
	m->bytes_added = rd_u64(r);
}

void
heads_emit(struct buf *b, const struct manifest *m)
{
	buf_u32(b, m->nheads);
	for (uint32_t i = 0; i < m->nheads; i++) {
		buf_bytes(b, m->heads[i].lineage.b, ID_BYTES);
		buf_u64(b, m->heads[i].sequence);
		buf_bytes(b, m->heads[i].id.b, ID_BYTES);
	}
}

int
heads_parse(struct manifest *m, struct rd *r, struct err *e)
{
	uint32_t n = rd_u32(r);

	if (n > MANIFEST_HEADS_MAX || n > rd_left(r) / (2 * ID_BYTES + 8))
		r->bad = true;
	if (r->bad || n == 0)
		return (0);
	m->heads = calloc(n, sizeof(*m->heads));
	if (m->heads == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	m->nheads = n;
	for (uint32_t i = 0; i < n; i++) {
		rd_bytes(r, m->heads[i].lineage.b, ID_BYTES);
		m->heads[i].sequence = rd_u64(r);
		rd_bytes(r, m->heads[i].id.b, ID_BYTES);
		if (m->heads[i].sequence == 0)
			r->bad = true;
	}
	return (0);
}
