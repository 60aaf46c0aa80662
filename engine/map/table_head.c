/*
 * A table's head, filter arithmetic and information: bytes and numbers, no I/O.
 */
#include "engine/map/table.h"

#include <string.h>

#include "engine/base/wide.h"

uint32_t
table_filter_pages(uint64_t entries)
{
	uint64_t bits = entries * TABLE_FILTER_BITS;
	uint64_t pages = (bits + TABLE_PAGE_BITS - 1) / TABLE_PAGE_BITS;

	return (pages == 0 ? 1 : (uint32_t)pages);
}

uint32_t
table_entry_pages(uint64_t entries)
{
	return ((uint32_t)((entries + TABLE_PAGE_ENTRIES - 1) /
	    TABLE_PAGE_ENTRIES));
}

void
table_head_emit(struct buf *b, const struct table_head *h,
    const struct repo_id *repo)
{
	struct head head = { .kind = OBJECT_TABLE, .repo = *repo,
	    .domain = h->domain, .writer = h->writer };

	head_emit(b, &head);
	buf_bytes(b, h->run.b, sizeof(h->run.b));
	buf_bytes(b, h->salt, sizeof(h->salt));
	buf_u64(b, h->entries);
	buf_u32(b, h->filter_pages);
	buf_u32(b, h->entry_pages);
	buf_u32(b, h->info_pages);
	buf_u32(b, h->packs);
	buf_u32(b, h->replaces);
	buf_zeros(b, 12);
}

/* Do the counts follow from each other, as the page says? */
static bool
counts_are_fine(const struct table_head *h)
{
	uint64_t pages, info;

	/* So that no product below overflows, and page numbers fit. */
	if (h->entries > (uint64_t)UINT32_MAX * 256)
		return (false);
	if (h->filter_pages != table_filter_pages(h->entries) ||
	    h->entry_pages != table_entry_pages(h->entries))
		return (false);
	pages = (uint64_t)h->filter_pages + h->entry_pages + h->info_pages;
	if (pages > UINT32_MAX || padme(pages) != pages)
		return (false);
	info = (uint64_t)h->info_pages * TABLE_PLAIN_BYTES;
	return ((uint64_t)h->packs * INFO_PACK_MIN +
	    (uint64_t)h->replaces * ID_BYTES <= info);
}

int
table_head_parse(struct table_head *out, const void *bytes, size_t len,
    const struct repo_id *repo, struct err *e)
{
	const enum object_kind kind = OBJECT_TABLE;
	struct table_head h;
	struct head head;
	struct rd r;

	memset(&h, 0, sizeof(h));
	rd_init(&r, bytes, len);
	if (head_parse(&head, &r, &kind, repo, e) != 0)
		return (-1);
	h.domain = head.domain;
	h.writer = head.writer;
	rd_bytes(&r, h.run.b, sizeof(h.run.b));
	rd_bytes(&r, h.salt, sizeof(h.salt));
	h.entries = rd_u64(&r);
	h.filter_pages = rd_u32(&r);
	h.entry_pages = rd_u32(&r);
	h.info_pages = rd_u32(&r);
	h.packs = rd_u32(&r);
	h.replaces = rd_u32(&r);
	rd_zeros(&r, 12);
	(void)rd_view(&r, HASH_BYTES);
	if (!rd_end(&r) || !counts_are_fine(&h))
		return (err_set(e, ERR_CORRUPT, "the table's head is damaged"));
	*out = h;
	return (0);
}

static uint64_t
le64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 8; i-- > 0;)
		v = v << 8 | p[i];
	return (v);
}

uint64_t
filter_bucket(const uint8_t *id, uint32_t filter_pages)
{
	uint64_t buckets = (uint64_t)filter_pages * TABLE_PAGE_BUCKETS;

	return (mul_high(le64(id), buckets));
}

void
filter_set(uint8_t *bucket, const uint8_t *id)
{
	uint64_t v = le64(id + 8);

	for (int i = 0; i < 6; i++, v >>= 9)
		bucket[(v & 511) >> 3] |= (uint8_t)(1U << (v & 7));
}

bool
filter_has(const uint8_t *bucket, const uint8_t *id)
{
	uint64_t v = le64(id + 8);

	for (int i = 0; i < 6; i++, v >>= 9)
		if ((bucket[(v & 511) >> 3] & 1U << (v & 7)) == 0)
			return (false);
	return (true);
}

int
page_seal_init(struct page_seal *s, const struct keyring *ring,
    const struct table_head *h, struct err *e)
{
	uint8_t key[KEY_BYTES], info[RUN_BYTES + SALT_BYTES];

	if (keyring_domain_table_key(ring, h->domain, key, e) != 0)
		return (-1);
	memcpy(info, h->run.b, RUN_BYTES);
	memcpy(info + RUN_BYTES, h->salt, SALT_BYTES);
	derive(s->key, key, "pages", info, sizeof(info));
	sodium_memzero(key, sizeof(key));
	memcpy(s->ad, keyring_repo(ring)->b, 16);
	le_put32(s->ad + 16, h->domain);
	memcpy(s->ad + 20, h->salt, SALT_BYTES);
	le_put32(s->ad + 52, 0);
	le_put32(s->ad + 56, table_pages(h));
	return (0);
}

void
page_seal_number(struct page_seal *s, uint32_t page)
{
	le_put32(s->ad + 52, page);
}

static int
info_bad(struct err *e)
{
	return (err_set(e, ERR_CORRUPT, "the table's information is not what "
	    "the format says"));
}

/* Zeros from off to the end. */
static int
info_tail(info_read_fn *fn, void *ctx, uint64_t off, struct err *e)
{
	static const uint8_t zeros[1024];
	uint8_t b[1024];
	size_t got;
	int ret;

	do {
		ret = fn(ctx, off, b, sizeof(b), &got, e);
		if (ret != 0)
			return (ret);
		if (memcmp(b, zeros, got) != 0)
			return (info_bad(e));
		off += got;
	} while (got == sizeof(b));
	return (0);
}

int
info_scan(info_read_fn *fn, void *ctx, uint32_t packs, uint64_t *index,
    uint32_t replaces, struct object_id *ids, struct err *e)
{
	uint8_t b[PACK_RECORD_MAX + 4];
	struct pack_info info;
	uint64_t off = 0;
	struct rd r;
	size_t got;
	int ret;

	for (uint32_t i = 0; i < packs; i++) {
		uint32_t frames;

		ret = fn(ctx, off, b, sizeof(b), &got, e);
		if (ret != 0)
			return (ret);
		rd_init(&r, b, got);
		pack_info_parse(&info, &r);
		frames = rd_u32(&r);
		if (r.bad || frames > PACK_FRAMES_MAX)
			return (info_bad(e));
		index[i] = off;
		off += (uint64_t)(r.p - b) + (uint64_t)frames *
		    INFO_FRAME_BYTES;
	}
	for (uint32_t i = 0; i < replaces; i++) {
		ret = fn(ctx, off, ids[i].b, ID_BYTES, &got, e);
		if (ret != 0)
			return (ret);
		if (got != ID_BYTES)
			return (info_bad(e));
		off += ID_BYTES;
	}
	return (info_tail(fn, ctx, off, e));
}
