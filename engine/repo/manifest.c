/*
 * The manifest's bytes (vitrine-format(5), MANIFEST).  Parsing is strict:
 * whatever the page calls sorted, distinct, a multiple or within bounds is
 * checked here, once, so that those who use a manifest need not.
 */
#include "engine/repo/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "engine/repo/manifest_part.h"

void
manifest_fini(struct manifest *m)
{
	free(m->host.p);
	free(m->user.p);
	free(m->program.p);
	free(m->name.p);
	strings_fini(&m->roots);
	strings_fini(&m->tags);
	strings_fini(&m->excludes);
	free(m->heads);
	free(m->catalog.pages);
	free(m->catalog.tail);
	memset(m, 0, sizeof(*m));
}

/*
 * Emitting.
 */

static void
place_emit(struct buf *b, const struct mplace *p)
{
	if (p->pack == MPLACE_NONE) {
		for (int i = 0; i < 9; i++)
			buf_u16(b, UINT16_MAX);
		return;
	}
	buf_u32(b, p->pack);
	buf_u32(b, p->frame.no);
	buf_u32(b, p->frame.off);
	buf_u32(b, p->frame.stored);
	buf_u16(b, p->slot);
}

void
mref_emit(struct buf *b, const struct mref *r)
{
	buf_bytes(b, r->hash.b, sizeof(r->hash.b));
	place_emit(b, &r->place[0]);
	place_emit(b, &r->place[1]);
}

static void
catalog_emit(struct buf *b, const struct catalog_root *c)
{
	buf_u64(b, c->size_bytes);
	buf_u8(b, c->levels);
	mref_emit(b, &c->map);
	buf_u32(b, c->snapshots_since_key);
	buf_u32(b, c->npages);
	for (uint32_t i = 0; i < c->npages; i++)
		mref_emit(b, &c->pages[i]);
	buf_u32(b, c->ntail);
	for (uint32_t i = 0; i < c->ntail; i++)
		pack_info_emit(b, &c->tail[i]);
}

static int
emit_check(const struct manifest *m, struct err *e)
{
	if (m->host.len > UINT16_MAX || m->user.len > UINT16_MAX ||
	    m->program.len > UINT16_MAX || m->name.len > UINT16_MAX)
		return (err_set(e, ERR_LIMIT, "a name in the manifest is "
		    "longer than 65535 bytes"));
	for (int i = 0; i < 3; i++) {
		const struct strings *s = i == 0 ? &m->roots :
		    i == 1 ? &m->tags : &m->excludes;

		if (s->n > MANIFEST_STRINGS_MAX)
			return (err_set(e, ERR_LIMIT, "more than %d roots, "
			    "tags or excludes", MANIFEST_STRINGS_MAX));
		for (uint32_t k = 0; k < s->n; k++)
			if (s->v[k].len > UINT16_MAX)
				return (err_set(e, ERR_LIMIT, "a root, tag or "
				    "exclude is longer than 65535 bytes"));
	}
	if (m->nheads > MANIFEST_HEADS_MAX)
		return (err_set(e, ERR_LIMIT, "more than %d heads",
		    MANIFEST_HEADS_MAX));
	if (m->catalog.ntail > MANIFEST_PACKS_MAX)
		return (err_set(e, ERR_LIMIT, "more than %d packs in the "
		    "manifest", MANIFEST_PACKS_MAX));
	return (0);
}

int
manifest_emit(struct buf *b, const struct manifest *m, struct err *e)
{
	if (emit_check(m, e) != 0)
		return (-1);
	buf_str16(b, m->host.p, m->host.len);
	buf_str16(b, m->user.p, m->user.len);
	buf_str16(b, m->program.p, m->program.len);
	stamp_emit(b, &m->time);
	stamp_emit(b, &m->ended);
	buf_bytes(b, m->lineage.b, sizeof(m->lineage.b));
	buf_u64(b, m->sequence);
	buf_bytes(b, m->previous.b, sizeof(m->previous.b));
	buf_bytes(b, m->header_digest, sizeof(m->header_digest));
	buf_u32(b, (m->flags & ~(uint32_t)SNAPSHOT_NAMED) |
	    (m->name.len > 0 ? SNAPSHOT_NAMED : 0));
	strings_emit(b, &m->roots);
	strings_emit(b, &m->tags);
	if (m->name.len > 0)
		buf_str16(b, m->name.p, m->name.len);
	strings_emit(b, &m->excludes);
	heads_emit(b, m);
	counts_emit(b, m);
	catalog_emit(b, &m->catalog);
	return (buf_ok(b, e));
}

/*
 * Parsing.  The functions return 0, or -1 for the lack of memory only; whatever
 * is wrong with the bytes sets r->bad, as rd does.
 */

static int
no_memory(struct err *e)
{
	return (err_set(e, ERR_NOMEM, "out of memory"));
}

static void
place_parse(struct mplace *p, struct rd *r, bool may_be_none)
{
	memset(p, 0, sizeof(*p));
	p->pack = rd_u32(r);
	p->frame.no = rd_u32(r);
	p->frame.off = rd_u32(r);
	p->frame.stored = rd_u32(r);
	p->slot = rd_u16(r);
	if (p->pack != MPLACE_NONE)
		return;
	if (!may_be_none || p->frame.no != UINT32_MAX ||
	    p->frame.off != UINT32_MAX || p->frame.stored != UINT32_MAX ||
	    p->slot != UINT16_MAX)
		r->bad = true;
	memset(&p->frame, 0, sizeof(p->frame));
	p->slot = 0;
}

void
mref_parse(struct mref *m, struct rd *r)
{
	rd_bytes(r, m->hash.b, sizeof(m->hash.b));
	place_parse(&m->place[0], r, false);
	place_parse(&m->place[1], r, true);
	if (m->place[0].pack == m->place[1].pack)
		r->bad = true;
}

/* Absolute, without NUL, sorted, distinct. */
static bool
roots_are_fine(const struct strings *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct bytes *b = &s->v[i];

		if (b->len == 0 || b->p[0] != '/' ||
		    memchr(b->p, '\0', b->len) != NULL)
			return (false);
		if (i > 0 && bytes_compare(b - 1, b) >= 0)
			return (false);
	}
	return (true);
}

/* May a place name that pack?  Those of page `page' name packs of later pages
 * or of the tail; UINT32_MAX: any. */
static bool
place_is_fine(const struct catalog_root *c, const struct mplace *p,
    uint32_t page)
{
	uint64_t paged = (uint64_t)c->npages * PACK_PAGE_RECORDS;

	if (p->pack == MPLACE_NONE)
		return (true);
	if (p->pack >= paged + c->ntail)
		return (false);
	return (page == UINT32_MAX ||
	    p->pack >= ((uint64_t)page + 1) * PACK_PAGE_RECORDS);
}

static bool
catalog_is_fine(const struct catalog_root *c)
{
	uint64_t blocks, room = 1;

	if (c->size_bytes == 0 || c->size_bytes % CATALOG_PAGE_BYTES != 0 ||
	    c->levels < 1 || c->levels > MAP_LEVELS_MAX)
		return (false);
	blocks = (c->size_bytes - 1) / CATALOG_BLOCK_BYTES + 1;
	for (unsigned i = 0; i < c->levels; i++)
		room *= MAP_FANOUT;
	if (blocks > room)
		return (false);
	for (int k = 0; k < 2; k++) {
		if (!place_is_fine(c, &c->map.place[k], UINT32_MAX))
			return (false);
		for (uint32_t i = 0; i < c->npages; i++)
			if (!place_is_fine(c, &c->pages[i].place[k], i))
				return (false);
	}
	return (true);
}

static int
catalog_parse(struct catalog_root *c, uint32_t domain, struct rd *r,
    struct err *e)
{
	uint32_t n;

	c->size_bytes = rd_u64(r);
	c->levels = rd_u8(r);
	mref_parse(&c->map, r);
	c->snapshots_since_key = rd_u32(r);
	n = rd_u32(r);
	if (n > rd_left(r) / MREF_BYTES)
		r->bad = true;
	if (!r->bad && n > 0) {
		c->pages = calloc(n, sizeof(*c->pages));
		if (c->pages == NULL)
			return (no_memory(e));
		c->npages = n;
		for (uint32_t i = 0; i < n; i++)
			mref_parse(&c->pages[i], r);
	}
	n = rd_u32(r);
	if (n > MANIFEST_PACKS_MAX ||
	    n > rd_left(r) / (PACK_RECORD_MAX - WRAP_BYTES))
		r->bad = true;
	if (!r->bad && n > 0) {
		c->tail = calloc(n, sizeof(*c->tail));
		if (c->tail == NULL)
			return (no_memory(e));
		c->ntail = n;
		for (uint32_t i = 0; i < n; i++) {
			pack_info_parse(&c->tail[i], r);
			if (c->tail[i].kind != OBJECT_PACK_META ||
			    c->tail[i].domain != domain)
				r->bad = true;
		}
	}
	if (!r->bad && !catalog_is_fine(c))
		r->bad = true;
	return (0);
}

static int
parse(struct manifest *m, const struct sealed *env, struct rd *r,
    struct err *e)
{
	m->writer = env->head.writer;
	m->domain = env->head.domain;
	m->run = env->run;
	if (bytes_parse(&m->host, r, e) != 0 ||
	    bytes_parse(&m->user, r, e) != 0 ||
	    bytes_parse(&m->program, r, e) != 0)
		return (-1);
	stamp_parse(&m->time, r);
	stamp_parse(&m->ended, r);
	rd_bytes(r, m->lineage.b, ID_BYTES);
	m->sequence = rd_u64(r);
	rd_bytes(r, m->previous.b, ID_BYTES);
	rd_bytes(r, m->header_digest, sizeof(m->header_digest));
	m->flags = rd_u32(r);
	if (m->sequence == 0 ||
	    (m->sequence == 1) != id_is_zero(m->previous.b) ||
	    (m->flags & ~(uint32_t)(SNAPSHOT_INCOMPLETE | SNAPSHOT_NAMED)) != 0)
		r->bad = true;
	if (strings_parse(&m->roots, r, e) != 0 ||
	    strings_parse(&m->tags, r, e) != 0)
		return (-1);
	if ((m->flags & SNAPSHOT_NAMED) != 0) {
		if (bytes_parse(&m->name, r, e) != 0)
			return (-1);
		if (m->name.len == 0)
			r->bad = true;
	}
	if (strings_parse(&m->excludes, r, e) != 0 ||
	    heads_parse(m, r, e) != 0)
		return (-1);
	if (!roots_are_fine(&m->roots))
		r->bad = true;
	counts_parse(m, r);
	return (catalog_parse(&m->catalog, m->domain, r, e));
}

int
manifest_parse(struct manifest *out, const struct sealed *env,
    const void *content, size_t len, struct err *e)
{
	struct manifest m = { 0 };
	struct rd r;

	rd_init(&r, content, len);
	if (parse(&m, env, &r, e) != 0) {
		manifest_fini(&m);
		return (-1);
	}
	if (!rd_end(&r)) {
		manifest_fini(&m);
		return (err_set(e, ERR_CORRUPT, "the manifest's content is "
		    "not what the format says"));
	}
	*out = m;
	return (0);
}

int
manifest_copy(struct manifest *dst, const struct manifest *src, struct err *e)
{
	struct sealed env = { .run = src->run };
	struct buf b = BUF_INIT;
	int ret;

	env.head.kind = OBJECT_MANIFEST;
	env.head.writer = src->writer;
	env.head.domain = src->domain;
	ret = manifest_emit(&b, src, e);
	if (ret == 0)
		ret = manifest_parse(dst, &env, b.data, b.len, e);
	buf_fini(&b);
	return (ret);
}

static void
hash_str16(struct hash *h, const struct bytes *b)
{
	uint8_t n[2];

	le_put16(n, (uint16_t)b->len);
	hash_update(h, n, sizeof(n));
	hash_update(h, b->p, b->len);
}

void
lineage_of(struct lineage_id *out, uint32_t writer, const struct bytes *host,
    const struct strings *roots, const struct bytes *name)
{
	static const char label[] = "vitrine lineage";
	struct hash h;
	uint8_t n[4];

	hash_init(&h);
	hash_update(&h, label, sizeof(label) - 1);
	le_put32(n, writer);
	hash_update(&h, n, sizeof(n));
	hash_str16(&h, host);
	le_put32(n, roots->n);
	hash_update(&h, n, sizeof(n));
	for (uint32_t i = 0; i < roots->n; i++)
		hash_str16(&h, &roots->v[i]);
	if (name != NULL && name->len > 0)
		hash_str16(&h, name);
	hash_final(&h, out->b);
}
