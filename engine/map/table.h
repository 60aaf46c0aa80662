#ifndef VITRINE_ENGINE_MAP_TABLE_H
#define VITRINE_ENGINE_MAP_TABLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/base/rd.h"
#include "engine/map/map.h"

/* One table (vitrine-format(5), TABLES), and the cache of pages that the tables
 * of a map share.  What the files of engine/map share; not for callers. */

#define TABLE_HEAD_BYTES	152
#define TABLE_PAGE_BYTES	16384		/* sealed */
#define TABLE_PLAIN_BYTES	16368		/* ... without the tag */
#define TABLE_ENTRY_BYTES	32
#define TABLE_ID_BYTES		CHUNK_KEY_BYTES
#define TABLE_PAGE_ENTRIES	511
#define TABLE_PAGE_BUCKETS	255
#define TABLE_BUCKET_BYTES	64
#define TABLE_PAGE_BITS		130560ULL	/* 255 buckets of 512 */
#define TABLE_FILTER_BITS	10		/* an entry */
#define TABLE_NAME_MAX		(6 + ID_HEX)	/* "index/ID" */
#define INFO_FRAME_BYTES	12
#define INFO_PACK_MIN		(PACK_RECORD_MAX - WRAP_BYTES + 4)

struct table_head {
	uint32_t domain, writer;
	struct run_id run;
	uint8_t salt[SALT_BYTES];
	uint64_t entries;
	uint32_t filter_pages, entry_pages, info_pages;
	uint32_t packs, replaces;
};
void table_head_emit(struct buf *, const struct table_head *,
    const struct repo_id *);	/* without the MAC */
/* Checks all but the MAC: that the counts fit each other. */
int table_head_parse(struct table_head *, const void *bytes, size_t len,
    const struct repo_id *, struct err *);
uint32_t table_filter_pages(uint64_t entries);
uint32_t table_entry_pages(uint64_t entries);
static inline uint32_t
table_pages(const struct table_head *h)
{
	return (h->filter_pages + h->entry_pages + h->info_pages);
}

/* The bucket of an id and its bits in it. */
uint64_t filter_bucket(const uint8_t *id, uint32_t filter_pages);
void filter_set(uint8_t *bucket, const uint8_t *id);
bool filter_has(const uint8_t *bucket, const uint8_t *id);

/* The key and names under which pages are sealed; holds a key: wipe. */
struct page_seal {
	uint8_t key[KEY_BYTES];
	uint8_t ad[60];
};
int page_seal_init(struct page_seal *, const struct keyring *,
    const struct table_head *, struct err *);
void page_seal_number(struct page_seal *, uint32_t page);

/*
 * The cache.  Pages are shared, referenced, immutable once in it; it is cut
 * into shards, each behind its own mutex, which is never held over a read of
 * the store.  Filter pages outlast others: every look-up needs them.
 */
struct pages;
struct page {
	uint8_t plain[TABLE_PLAIN_BYTES];
	uint32_t table, number;
	atomic_uint refs;
	bool bad;			/* could not be read: plain is zeros */
	bool filter;
	uint8_t chances;		/* the shard's */
	struct page *next;		/* in the bucket; the shard's */
	struct page *ring_next, *ring_prev;
};
int pages_new(struct pages **, size_t cache_bytes, struct err *);
void pages_free(struct pages *);
/* NULL when it isn't there. */
struct page *pages_get(struct pages *, uint32_t table, uint32_t number);
/* Takes a page with one reference and gives back the one that is now in the
 * cache (another thread may have been first), referenced for the caller. */
struct page *pages_add(struct pages *, struct page *);
void pages_put(struct page *);		/* NULL is fine */

/* What a scan of the information finds. */
struct info_index {
	struct object_id *replaces;	/* owned; head.replaces of them */
	uint64_t off[];			/* where each pack's record begins */
};

/* An open table.  Immutable but for `index', which is made at need. */
struct table {
	struct object_id id;
	uint32_t no;			/* its name in the cache */
	struct table_head head;
	struct page_seal seal;		/* its number is set on copies only */
	struct store *store;		/* borrowed */
	struct pages *pages;		/* borrowed */
	const struct log *log;		/* borrowed */
	bool replaced;			/* left out: another table names it */
	atomic_bool said;		/* that it is damaged */
	_Atomic(struct info_index *) index;	/* owned; once set immutable */
};
#define TABLE_NOT_OURS	1	/* of another domain */
#define TABLE_DAMAGED	2	/* a page could not be had; said in the log */
int table_open(struct table **, struct store *, const struct keyring *,
    uint32_t domain, const struct object_id *, uint64_t size_bytes,
    struct pages *, uint32_t no, const struct log *, struct err *);
void table_free(struct table *);
/* An id may stand there several times: nth counts from 0.  MAP_UNKNOWN,
 * TABLE_DAMAGED, or 0 and the entry. */
int table_find(struct table *, const uint8_t *id, unsigned nth, uint32_t *pack,
    uint32_t *frame, uint32_t *slot, struct err *);
/* The entries of an entry page. */
uint32_t table_page_count(const struct table *, uint32_t entry_page);
int table_place(struct table *, uint32_t pack, uint32_t frame,
    struct pack_info *, struct frame_info *, struct err *);
/* The information's index, borrowed.  TABLE_DAMAGED. */
int table_index(struct table *, const struct info_index **, struct err *);
/* Bytes of the information from off on; cut at its end (*got). */
int table_info(struct table *, uint64_t off, void *dst, size_t len,
    size_t *got, struct err *);
/* A page past the cache.  TABLE_DAMAGED. */
int table_read(struct table *, uint32_t number,
    uint8_t plain[TABLE_PLAIN_BYTES], struct err *);
/* n sealed pages in one read; how many there are, 0 when it fails. */
uint32_t table_read_pages(struct table *, uint32_t number, uint32_t n,
    uint8_t *sealed);
/* Opens one of them; false: that is not what was stored. */
bool table_page_open(const struct table *, uint32_t number,
    const uint8_t sealed[TABLE_PAGE_BYTES], uint8_t plain[TABLE_PLAIN_BYTES]);
/* A page, referenced.  TABLE_DAMAGED. */
int table_page(struct table *, uint32_t number, struct page **, struct err *);
void table_say_damaged(struct table *, const char *what);

/* Parse the information where `read' gives its bytes: fills packs offsets and
 * replaced ids.  ERR_CORRUPT, or what read answers. */
typedef int info_read_fn(void *ctx, uint64_t off, void *dst, size_t len,
    size_t *got, struct err *);
int info_scan(info_read_fn *, void *ctx, uint32_t packs, uint64_t *index,
    uint32_t replaces, struct object_id *ids, struct err *);

/*
 * Writing.  What a table holds is known in advance; then its ids are given (for
 * the filter), its entries in order, its information; then its name (map.h).
 */
struct table_plan {
	uint32_t domain;
	uint64_t entries;
	uint64_t info_bytes;
	uint32_t packs, replaces;
	const void *mix;		/* for the salt */
	size_t mix_len;
};
int table_out_new(struct table_out **, struct store *, const struct keyring *,
    const struct run_id *, uint64_t counter, const struct table_plan *,
    struct err *);
void table_out_filter(struct table_out *, const uint8_t *id);
int table_out_filter_end(struct table_out *, struct err *);
int table_out_entry(struct table_out *, const uint8_t *id, uint32_t pack,
    uint32_t frame, uint32_t slot, struct err *);
int table_out_entry_end(struct table_out *, struct err *);
int table_out_info(struct table_out *, const void *, size_t len, struct err *);

#endif
