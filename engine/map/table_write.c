/*
 * Writing a table as a stream: head, filter pages, entry pages, information.
 * Since each page's seal names how many pages there are, all counts are fixed
 * before the first byte; only the filter (10 bits an entry) is held in memory.
 */
#include "engine/map/table.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "engine/crypto/aead.h"

struct table_out {
	struct store *store;		/* borrowed */
	struct store_put *put;		/* owned */
	struct hash hash;		/* of all that was written */
	struct table_head head;
	struct page_seal seal;
	uint8_t *filter;		/* owned; until it is written */
	uint32_t page;			/* the next */
	uint64_t entries;		/* given so far */
	size_t fill;			/* bytes in plain */
	uint8_t plain[TABLE_PLAIN_BYTES];
	uint8_t sealed[TABLE_PAGE_BYTES];
};

static int
out_bytes(struct table_out *o, const void *bytes, size_t len, struct err *e)
{
	hash_update(&o->hash, bytes, len);
	return (store_put_append(o->put, bytes, len, e));
}

static int
out_page(struct table_out *o, const uint8_t plain[TABLE_PLAIN_BYTES],
    struct err *e)
{
	page_seal_number(&o->seal, o->page);
	aead_seal(o->sealed, o->seal.key, o->page, o->seal.ad,
	    sizeof(o->seal.ad), plain, TABLE_PLAIN_BYTES);
	o->page++;
	return (out_bytes(o, o->sealed, sizeof(o->sealed), e));
}

/* Zeros to the end of the page, and out with it; nothing for an empty one. */
static int
flush(struct table_out *o, struct err *e)
{
	if (o->fill == 0)
		return (0);
	memset(o->plain + o->fill, 0, sizeof(o->plain) - o->fill);
	o->fill = 0;
	return (out_page(o, o->plain, e));
}

static int
out_head(struct table_out *o, const struct keyring *ring, struct err *e)
{
	uint8_t mac[HASH_BYTES];
	struct buf b = BUF_INIT;
	int ret = -1;

	table_head_emit(&b, &o->head, keyring_repo(ring));
	if (buf_ok(&b, e) != 0 || keyring_mac(ring, o->head.writer, "table",
	    b.data, b.len, mac, e) != 0)
		goto out;
	buf_bytes(&b, mac, sizeof(mac));
	if (buf_ok(&b, e) == 0)
		ret = out_bytes(o, b.data, b.len, e);
out:
	buf_fini(&b);
	return (ret);
}

/* Pages of each kind for this plan. */
static int
plan_pages(struct table_head *h, const struct table_plan *p, struct err *e)
{
	uint64_t info = (p->info_bytes + TABLE_PLAIN_BYTES - 1) /
	    TABLE_PLAIN_BYTES;
	uint64_t pages;

	h->filter_pages = table_filter_pages(p->entries);
	h->entry_pages = table_entry_pages(p->entries);
	pages = padme((uint64_t)h->filter_pages + h->entry_pages + info);
	if (pages > UINT32_MAX)
		return (err_set(e, ERR_LIMIT, "a table of more than 2^32 "
		    "pages"));
	h->info_pages = (uint32_t)(pages - h->filter_pages - h->entry_pages);
	return (0);
}

int
table_out_new(struct table_out **out, struct store *store,
    const struct keyring *ring, const struct run_id *run, uint64_t counter,
    const struct table_plan *plan, struct err *e)
{
	struct table_out *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	o->store = store;
	o->head.domain = plan->domain;
	o->head.writer = keyring_writer(ring);
	o->head.run = *run;
	o->head.entries = plan->entries;
	o->head.packs = plan->packs;
	o->head.replaces = plan->replaces;
	salt_new(o->head.salt, run, counter, plan->mix, plan->mix_len);
	hash_init(&o->hash);
	if (plan_pages(&o->head, plan, e) != 0 ||
	    page_seal_init(&o->seal, ring, &o->head, e) != 0)
		goto fail;
	o->filter = calloc(o->head.filter_pages, TABLE_PLAIN_BYTES);
	if (o->filter == NULL) {
		(void)err_set(e, ERR_NOMEM, "out of memory");
		goto fail;
	}
	if (store_put_begin(store, &o->put, e) != 0) {
		o->put = NULL;
		goto fail;
	}
	if (out_head(o, ring, e) != 0)
		goto fail;
	*out = o;
	return (0);
fail:
	table_out_free(o);
	return (-1);
}

void
table_out_free(struct table_out *o)
{
	if (o == NULL)
		return;
	store_put_abort(o->put);
	free(o->filter);
	sodium_memzero(o, sizeof(*o));
	free(o);
}

void
table_out_filter(struct table_out *o, const uint8_t *id)
{
	uint64_t bucket = filter_bucket(id, o->head.filter_pages);

	filter_set(o->filter +
	    (bucket / TABLE_PAGE_BUCKETS) * TABLE_PLAIN_BYTES +
	    (bucket % TABLE_PAGE_BUCKETS) * TABLE_BUCKET_BYTES, id);
}

int
table_out_filter_end(struct table_out *o, struct err *e)
{
	for (uint32_t i = 0; i < o->head.filter_pages; i++)
		if (out_page(o, o->filter + (size_t)i * TABLE_PLAIN_BYTES,
		    e) != 0)
			return (-1);
	free(o->filter);
	o->filter = NULL;
	return (0);
}

int
table_out_entry(struct table_out *o, const uint8_t *id, uint32_t pack,
    uint32_t frame, uint32_t slot, struct err *e)
{
	uint8_t *p = o->plain + o->fill;

	memcpy(p, id, TABLE_ID_BYTES);
	le_put32(p + 20, pack);
	le_put32(p + 24, frame);
	le_put32(p + 28, slot);
	o->fill += TABLE_ENTRY_BYTES;
	o->entries++;
	if (o->fill == TABLE_PAGE_ENTRIES * TABLE_ENTRY_BYTES)
		return (flush(o, e));
	return (0);
}

int
table_out_entry_end(struct table_out *o, struct err *e)
{
	BUG_ON(o->entries != o->head.entries);
	return (flush(o, e));
}

int
table_out_info(struct table_out *o, const void *bytes, size_t len,
    struct err *e)
{
	const uint8_t *p = bytes;

	while (len > 0) {
		size_t n = sizeof(o->plain) - o->fill;

		if (n > len)
			n = len;
		memcpy(o->plain + o->fill, p, n);
		o->fill += n;
		p += n;
		len -= n;
		if (o->fill == sizeof(o->plain) && flush(o, e) != 0)
			return (-1);
	}
	return (0);
}

int
table_out_commit(struct table_out *o, struct object_id *id,
    uint64_t *size_bytes, struct err *e)
{
	static const uint8_t zeros[TABLE_PLAIN_BYTES];
	char name[TABLE_NAME_MAX], hex[ID_HEX];
	struct store_put *put;
	int ret;

	if (flush(o, e) != 0)
		return (-1);
	BUG_ON(o->page > table_pages(&o->head));
	while (o->page < table_pages(&o->head))
		if (out_page(o, zeros, e) != 0)
			return (-1);
	hash_final(&o->hash, id->b);
	*size_bytes = TABLE_HEAD_BYTES + (uint64_t)o->page * TABLE_PAGE_BYTES;
	(void)snprintf(name, sizeof(name), "index/%s",
	    hex_emit(hex, id->b, sizeof(id->b)));
	put = o->put;
	o->put = NULL;
	ret = store_put_commit(put, name, e);
	/* The name says that these very bytes are there. */
	return (ret == STORE_EXISTS ? 0 : ret);
}

/*
 * A run's table.
 */
static int
entry_compare(const void *va, const void *vb)
{
	const struct map_entry *a = va, *b = vb;
	uint64_t x, y;

	/* Ids are hashes: nearly all differ in their first bytes. */
	memcpy(&x, a->id.b, sizeof(x));
	memcpy(&y, b->id.b, sizeof(y));
	if (x != y)
		return (be64toh(x) < be64toh(y) ? -1 : 1);
	return (memcmp(a->id.b, b->id.b, sizeof(a->id.b)));
}

/* Sort; of equal ids one stays. */
static size_t
sort_entries(struct map_entry *v, size_t n)
{
	size_t kept = 0;

	if (n == 0)
		return (0);
	qsort(v, n, sizeof(*v), entry_compare);
	for (size_t i = 1; i < n; i++)
		if (memcmp(v[kept].id.b, v[i].id.b, TABLE_ID_BYTES) != 0)
			v[++kept] = v[i];
	return (kept + 1);
}

static int
emit_info(struct table_out *o, const struct map_pack *packs, size_t npacks,
    struct buf *b, struct err *e)
{
	for (size_t i = 0; i < npacks; i++) {
		const struct map_pack *p = &packs[i];

		buf_reset(b);
		pack_info_emit(b, &p->info);
		buf_u32(b, p->nframes);
		for (uint32_t k = 0; k < p->nframes; k++) {
			BUG_ON(p->frames[k].no != k);
			buf_u32(b, p->frames[k].off);
			buf_u32(b, p->frames[k].stored);
			buf_u32(b, p->frames[k].raw);
		}
		if (buf_ok(b, e) != 0 ||
		    table_out_info(o, b->data, b->len, e) != 0)
			return (-1);
	}
	return (0);
}

static uint64_t
info_bytes(const struct map_pack *packs, size_t npacks, size_t nreplaces)
{
	uint64_t n = (uint64_t)nreplaces * ID_BYTES;

	for (size_t i = 0; i < npacks; i++)
		n += PACK_RECORD_MAX + 4 +
		    (uint64_t)packs[i].nframes * INFO_FRAME_BYTES -
		    (packs[i].info.wrap.kind == WRAP_SEALED ? 0 : WRAP_BYTES);
	return (n);
}

int
table_write(struct table_out **out, struct store *store,
    const struct keyring *ring, const struct run_id *run, uint64_t counter,
    struct map_entry *entries, size_t n, map_place_fn *place, void *ctx,
    const struct map_pack *packs, size_t npacks,
    const struct object_id *replaces, size_t nreplaces, struct err *e)
{
	struct table_out *o = NULL;
	struct buf b = BUF_INIT;
	struct table_plan plan;
	struct hash_long h;
	uint8_t mix[HASH_BYTES];
	int ret = -1;

	if (npacks > UINT32_MAX || nreplaces > UINT32_MAX)
		return (err_set(e, ERR_LIMIT, "a table of too many packs"));
	n = sort_entries(entries, n);
	hash_long_init(&h, HASH_SHA256);
	hash_long_update(&h, entries, n * sizeof(*entries));
	hash_long_final(&h, mix);
	plan.domain = keyring_domain(ring);
	plan.entries = n;
	plan.info_bytes = info_bytes(packs, npacks, nreplaces);
	plan.packs = (uint32_t)npacks;
	plan.replaces = (uint32_t)nreplaces;
	plan.mix = mix;
	plan.mix_len = sizeof(mix);
	if (table_out_new(&o, store, ring, run, counter, &plan, e) != 0)
		return (-1);
	for (size_t i = 0; i < n; i++)
		table_out_filter(o, entries[i].id.b);
	if (table_out_filter_end(o, e) != 0)
		goto out;
	for (size_t i = 0; i < n; i++) {
		struct map_entry m = entries[i];

		if (place != NULL)
			place(ctx, &m);
		if (table_out_entry(o, m.id.b, m.pack, m.frame, m.slot,
		    e) != 0)
			goto out;
	}
	if (table_out_entry_end(o, e) != 0 ||
	    emit_info(o, packs, npacks, &b, e) != 0)
		goto out;
	for (size_t i = 0; i < nreplaces; i++)
		if (table_out_info(o, replaces[i].b, ID_BYTES, e) != 0)
			goto out;
	*out = o;
	o = NULL;
	ret = 0;
out:
	table_out_free(o);
	buf_fini(&b);
	return (ret < 0 ? err_wrap(e, "writing a table") : 0);
}
