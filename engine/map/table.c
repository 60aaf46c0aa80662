/*
 * One open table: look-ups by page.  The filter says no to nearly all that
 * isn't there; then interpolation finds the entry's page in one or two steps,
 * since ids are evenly spread.  Whatever can't be read or doesn't verify is
 * said once and counts as not there: the chunk is stored again.
 */
#include "engine/map/table.h"

#include <stdlib.h>
#include <string.h>

#include "engine/crypto/aead.h"

#define INTERPOLATIONS	6		/* then bisect */

static char *
table_name(char name[TABLE_NAME_MAX], const struct object_id *id)
{
	char hex[ID_HEX];

	(void)snprintf(name, TABLE_NAME_MAX, "index/%s",
	    hex_emit(hex, id->b, sizeof(id->b)));
	return (name);
}

void
table_say_damaged(struct table *t, const char *what)
{
	char name[TABLE_NAME_MAX];

	if (!atomic_exchange(&t->said, true))
		log_say(t->log, LOG_WARNING, "%s: %s; what it lists there "
		    "counts as unknown", table_name(name, &t->id), what);
}

/* Is this about the object, not about this machine or the way to the store? */
static bool
is_damage(const struct err *e)
{
	return (e->code == ERR_CORRUPT || e->code == ERR_SYS ||
	    e->code == ERR_LIMIT || e->code == ERR_VERSION);
}

/* The MAC, where we have the writer's key. */
static int
verify_mac(const struct keyring *ring, const struct table_head *h,
    const uint8_t bytes[TABLE_HEAD_BYTES], struct err *e)
{
	const size_t len = TABLE_HEAD_BYTES - HASH_BYTES;
	struct err why = ERR_INIT;

	/* A put-only writer in a shared domain can't check others' heads; the
	 * pages' seals prove that somebody of the domain made them. */
	if (keyring_mac_check(ring, h->writer, "table", bytes, len,
	    bytes + len, &why) == 0 || why.code == ERR_AUTH)
		return (0);
	*e = why;
	return (-1);
}

static int
open_head(struct table_head *h, const struct keyring *ring,
    const uint8_t bytes[TABLE_HEAD_BYTES], size_t len, uint32_t domain,
    uint64_t size_bytes, struct err *e)
{
	if (len != TABLE_HEAD_BYTES)
		return (err_set(e, ERR_CORRUPT, "it is too short"));
	if (table_head_parse(h, bytes, len, keyring_repo(ring), e) != 0)
		return (-1);
	if (h->domain != domain)
		return (TABLE_NOT_OURS);
	if (size_bytes != TABLE_HEAD_BYTES +
	    (uint64_t)table_pages(h) * TABLE_PAGE_BYTES)
		return (err_set(e, ERR_CORRUPT, "it has another size than its "
		    "head says"));
	return (verify_mac(ring, h, bytes, e));
}

static int
read_head(struct table_head *h, struct store *store, const struct keyring *ring,
    const char *name, uint32_t domain, uint64_t size_bytes, struct err *e)
{
	uint8_t bytes[TABLE_HEAD_BYTES];
	size_t got = 0;
	int ret;

	ret = store_read_near(store, name, 0, bytes, sizeof(bytes), &got,
	    false, e);
	if (ret == 0)
		ret = open_head(h, ring, bytes, got, domain, size_bytes, e);
	if (ret >= 0 || e->code != ERR_CORRUPT)
		return (ret);
	err_init(e);
	store_forget(store, name, 0, sizeof(bytes));
	ret = store_read(store, name, 0, bytes, sizeof(bytes), &got, e);
	if (ret == 0)
		ret = open_head(h, ring, bytes, got, domain, size_bytes, e);
	return (ret);
}

int
table_open(struct table **out, struct store *store, const struct keyring *ring,
    uint32_t domain, const struct object_id *id, uint64_t size_bytes,
    struct pages *pages, uint32_t no, const struct log *log, struct err *e)
{
	char name[TABLE_NAME_MAX];
	struct err why = ERR_INIT;
	struct table_head h;
	struct table *t;
	int ret;

	ret = read_head(&h, store, ring, table_name(name, id), domain,
	    size_bytes, &why);
	if (ret == STORE_ABSENT)
		return (TABLE_NOT_OURS);	/* collected meanwhile */
	if (ret > 0)
		return (ret);
	if (ret < 0) {
		if (!is_damage(&why)) {
			*e = why;
			return (err_wrap(e, "%s", name));
		}
		log_say(log, LOG_WARNING, "%s is left out: %s", name,
		    err_text(&why));
		return (TABLE_DAMAGED);
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	t->id = *id;
	t->no = no;
	t->head = h;
	t->store = store;
	t->pages = pages;
	t->log = log;
	if (page_seal_init(&t->seal, ring, &h, e) != 0) {
		table_free(t);
		return (-1);
	}
	*out = t;
	return (0);
}

static void
index_free(struct info_index *x)
{
	if (x != NULL)
		free(x->replaces);
	free(x);
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	index_free(atomic_load(&t->index));
	sodium_memzero(&t->seal, sizeof(t->seal));
	free(t);
}

bool
table_page_open(const struct table *t, uint32_t number,
    const uint8_t sealed[TABLE_PAGE_BYTES], uint8_t plain[TABLE_PLAIN_BYTES])
{
	struct page_seal seal = t->seal;
	bool good;

	page_seal_number(&seal, number);
	good = aead_open(plain, seal.key, number, seal.ad, sizeof(seal.ad),
	    sealed, TABLE_PAGE_BYTES) == 0;
	sodium_memzero(&seal, sizeof(seal));
	return (good);
}

uint32_t
table_read_pages(struct table *t, uint32_t number, uint32_t n, uint8_t *sealed)
{
	struct err ignored = ERR_INIT;
	char name[TABLE_NAME_MAX];
	size_t got = 0;

	if (store_read_near(t->store, table_name(name, &t->id),
	    TABLE_HEAD_BYTES + (uint64_t)number * TABLE_PAGE_BYTES, sealed,
	    (size_t)n * TABLE_PAGE_BYTES, &got, false, &ignored) != 0)
		return (0);
	return ((uint32_t)(got / TABLE_PAGE_BYTES));
}

/* 0, STORE_ABSENT, or < 0: it can't be read, or doesn't open. */
static int
read_page(struct table *t, uint32_t number, bool again,
    uint8_t plain[TABLE_PLAIN_BYTES], struct err *e)
{
	const uint64_t off = TABLE_HEAD_BYTES +
	    (uint64_t)number * TABLE_PAGE_BYTES;
	uint8_t sealed[TABLE_PAGE_BYTES];
	char name[TABLE_NAME_MAX];
	size_t got = 0;
	int ret;

	(void)table_name(name, &t->id);
	if (again) {
		store_forget(t->store, name, off, sizeof(sealed));
		ret = store_read(t->store, name, off, sealed, sizeof(sealed),
		    &got, e);
	} else {
		ret = store_read_near(t->store, name, off, sealed,
		    sizeof(sealed), &got, false, e);
	}
	if (ret != 0)
		return (ret);
	if (got != sizeof(sealed))
		return (err_set(e, ERR_CORRUPT, "it is cut off"));
	if (!table_page_open(t, number, sealed, plain))
		return (err_set(e, ERR_CORRUPT, "a page is damaged or "
		    "forged"));
	return (0);
}

int
table_read(struct table *t, uint32_t number, uint8_t plain[TABLE_PLAIN_BYTES],
    struct err *e)
{
	struct err why = ERR_INIT;
	char name[TABLE_NAME_MAX];
	int ret;

	ret = read_page(t, number, false, plain, &why);
	if (ret < 0 && why.code == ERR_CORRUPT) {
		err_init(&why);
		ret = read_page(t, number, true, plain, &why);
	}
	if (ret == 0)
		return (0);
	if (ret < 0 && !is_damage(&why)) {
		*e = why;
		return (err_wrap(e, "%s", table_name(name, &t->id)));
	}
	table_say_damaged(t, ret < 0 ? err_text(&why) : "it has vanished");
	return (TABLE_DAMAGED);
}

int
table_page(struct table *t, uint32_t number, struct page **out, struct err *e)
{
	struct page *page = pages_get(t->pages, t->no, number);
	int ret;

	if (page == NULL) {
		page = malloc(sizeof(*page));
		if (page == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		page->table = t->no;
		page->number = number;
		page->filter = number < t->head.filter_pages;
		atomic_init(&page->refs, 1);
		ret = table_read(t, number, page->plain, e);
		if (ret < 0) {
			free(page);
			return (-1);
		}
		/* A bad page is kept as such: it is not read again and
		 * again. */
		page->bad = ret != 0;
		page = pages_add(t->pages, page);
	}
	if (page->bad) {
		pages_put(page);
		return (TABLE_DAMAGED);
	}
	*out = page;
	return (0);
}

uint32_t
table_page_count(const struct table *t, uint32_t entry_page)
{
	if (entry_page + 1 < t->head.entry_pages)
		return (TABLE_PAGE_ENTRIES);
	return ((uint32_t)(t->head.entries -
	    (uint64_t)entry_page * TABLE_PAGE_ENTRIES));
}

static uint64_t
be64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return (v);
}

/* Where between two keys does this one lie, as one of n pages? */
static uint32_t
interpolate(uint64_t key, uint64_t lo, uint64_t hi, uint32_t n)
{
	uint64_t span = hi - lo;

	if (key <= lo || hi <= lo)
		return (0);
	if (key > hi)
		return (n - 1);
	key -= lo;
	/* The upper 32 bits tell enough. */
	for (; span > UINT32_MAX; span >>= 1)
		key >>= 1;
	return ((uint32_t)(key * n / (span + 1)));
}

/* First entry of a page that is not below the id. */
static uint32_t
lower_bound(const struct page *page, uint32_t n, const uint8_t *id)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(page->plain + (size_t)mid * TABLE_ENTRY_BYTES, id,
		    TABLE_ID_BYTES) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo);
}

/*
 * The entry page that may hold the id, referenced: 0; MAP_UNKNOWN when it falls
 * between two.
 */
static int
find_page(struct table *t, const uint8_t *id, uint32_t *number,
    struct page **out, struct err *e)
{
	uint64_t key = be64(id), lo_key = 0, hi_key = UINT64_MAX;
	uint32_t lo = 0, hi = t->head.entry_pages;	/* lo <= page < hi */
	struct page *page;
	int ret;

	for (unsigned step = 0; lo < hi; step++) {
		uint32_t at = step < INTERPOLATIONS ?
		    lo + interpolate(key, lo_key, hi_key, hi - lo) :
		    lo + (hi - lo) / 2;
		uint32_t n = table_page_count(t, at);
		const uint8_t *last;

		ret = table_page(t, t->head.filter_pages + at, &page, e);
		if (ret != 0)
			return (ret);
		last = page->plain + (size_t)(n - 1) * TABLE_ENTRY_BYTES;
		if (memcmp(id, page->plain, TABLE_ID_BYTES) < 0) {
			hi = at;
			hi_key = be64(page->plain);
		} else if (memcmp(id, last, TABLE_ID_BYTES) > 0) {
			lo = at + 1;
			lo_key = be64(last);
		} else {
			*number = at;
			*out = page;
			return (0);
		}
		pages_put(page);
	}
	return (MAP_UNKNOWN);
}

/* Equal ids may begin on an earlier page: go to the first that has one. */
static int
first_page(struct table *t, const uint8_t *id, uint32_t *number,
    struct page **page, struct err *e)
{
	while (*number > 0 &&
	    memcmp((*page)->plain, id, TABLE_ID_BYTES) == 0) {
		uint32_t n = table_page_count(t, *number - 1);
		struct page *before;
		int ret = table_page(t, t->head.filter_pages + *number - 1,
		    &before, e);

		if (ret != 0)
			return (ret);
		if (memcmp(before->plain + (size_t)(n - 1) * TABLE_ENTRY_BYTES,
		    id, TABLE_ID_BYTES) != 0) {
			pages_put(before);
			return (0);
		}
		pages_put(*page);
		*page = before;
		(*number)--;
	}
	return (0);
}

static int
may_have(struct table *t, const uint8_t *id, struct err *e)
{
	uint64_t bucket = filter_bucket(id, t->head.filter_pages);
	struct page *page;
	bool has;
	int ret;

	ret = table_page(t, (uint32_t)(bucket / TABLE_PAGE_BUCKETS), &page, e);
	if (ret != 0)
		return (ret);
	has = filter_has(page->plain + (bucket % TABLE_PAGE_BUCKETS) *
	    TABLE_BUCKET_BYTES, id);
	pages_put(page);
	return (has ? 0 : MAP_UNKNOWN);
}

int
table_find(struct table *t, const uint8_t *id, unsigned nth, uint32_t *pack,
    uint32_t *frame, uint32_t *slot, struct err *e)
{
	struct page *page = NULL;
	uint32_t number, at;
	struct rd r;
	int ret;

	ret = may_have(t, id, e);
	if (ret == 0)
		ret = find_page(t, id, &number, &page, e);
	if (ret == 0)
		ret = first_page(t, id, &number, &page, e);
	if (ret != 0)
		goto out;
	at = lower_bound(page, table_page_count(t, number), id);
	for (;; nth--, at++) {
		if (at == table_page_count(t, number)) {
			if (++number >= t->head.entry_pages) {
				ret = MAP_UNKNOWN;
				goto out;
			}
			pages_put(page);
			page = NULL;
			ret = table_page(t, t->head.filter_pages + number,
			    &page, e);
			if (ret != 0)
				goto out;
			at = 0;
		}
		rd_init(&r, page->plain + (size_t)at * TABLE_ENTRY_BYTES,
		    TABLE_ENTRY_BYTES);
		if (memcmp(rd_view(&r, TABLE_ID_BYTES), id,
		    TABLE_ID_BYTES) != 0) {
			ret = MAP_UNKNOWN;
			goto out;
		}
		if (nth == 0)
			break;
	}
	*pack = rd_u32(&r);
	*frame = rd_u32(&r);
	*slot = rd_u32(&r);
out:
	pages_put(page);
	return (ret);
}

int
table_info(struct table *t, uint64_t off, void *dst, size_t len, size_t *got,
    struct err *e)
{
	uint64_t end = (uint64_t)t->head.info_pages * TABLE_PLAIN_BYTES;
	uint32_t first = t->head.filter_pages + t->head.entry_pages;
	uint8_t *p = dst;
	size_t done = 0;

	while (done < len && off < end) {
		size_t at = off % TABLE_PLAIN_BYTES;
		size_t n = TABLE_PLAIN_BYTES - at;
		struct page *page;
		int ret = table_page(t, first +
		    (uint32_t)(off / TABLE_PLAIN_BYTES), &page, e);

		if (ret != 0)
			return (ret);
		if (n > len - done)
			n = len - done;
		memcpy(p + done, page->plain + at, n);
		pages_put(page);
		done += n;
		off += n;
	}
	*got = done;
	return (0);
}

static int
info_read(void *ctx, uint64_t off, void *dst, size_t len, size_t *got,
    struct err *e)
{
	return (table_info(ctx, off, dst, len, got, e));
}

static int
make_index(struct table *t, struct info_index **out, struct err *e)
{
	struct err why = ERR_INIT;
	struct info_index *x;
	int ret;

	/* Bounded by the pages that there are: table_head_parse. */
	x = calloc(1, sizeof(*x) + (size_t)t->head.packs * sizeof(x->off[0]));
	if (x != NULL)
		x->replaces = calloc((size_t)t->head.replaces + 1,
		    sizeof(*x->replaces));
	if (x == NULL || x->replaces == NULL) {
		index_free(x);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	ret = info_scan(info_read, t, t->head.packs, x->off, t->head.replaces,
	    x->replaces, &why);
	if (ret == 0) {
		*out = x;
		return (0);
	}
	index_free(x);
	if (ret < 0 && why.code == ERR_CORRUPT) {
		table_say_damaged(t, err_text(&why));
		return (TABLE_DAMAGED);
	}
	if (ret < 0)
		*e = why;
	return (ret);
}

int
table_index(struct table *t, const struct info_index **out, struct err *e)
{
	struct info_index *x, *there;
	int ret;

	x = atomic_load_explicit(&t->index, memory_order_acquire);
	if (x == NULL) {
		/* Two threads may both make it; one's stays. */
		ret = make_index(t, &x, e);
		if (ret != 0)
			return (ret);
		there = NULL;
		if (!atomic_compare_exchange_strong(&t->index, &there, x)) {
			index_free(x);
			x = there;
		}
	}
	*out = x;
	return (0);
}

static int
place_bad(struct table *t)
{
	table_say_damaged(t, "an entry names what the table doesn't hold");
	return (TABLE_DAMAGED);
}

int
table_place(struct table *t, uint32_t pack, uint32_t frame,
    struct pack_info *info, struct frame_info *fi, struct err *e)
{
	uint8_t b[PACK_RECORD_MAX + 4], f[INFO_FRAME_BYTES];
	const struct info_index *x;
	uint32_t frames;
	uint64_t off;
	struct rd r;
	size_t got;
	int ret;

	ret = table_index(t, &x, e);
	if (ret != 0)
		return (ret);
	if (pack >= t->head.packs)
		return (place_bad(t));
	off = x->off[pack];
	ret = table_info(t, off, b, sizeof(b), &got, e);
	if (ret != 0)
		return (ret);
	rd_init(&r, b, got);
	pack_info_parse(info, &r);
	frames = rd_u32(&r);
	if (r.bad || frame >= frames || info->kind != OBJECT_PACK_DATA ||
	    info->domain != t->head.domain)
		return (place_bad(t));
	off += (uint64_t)(r.p - b) + (uint64_t)frame * INFO_FRAME_BYTES;
	ret = table_info(t, off, f, sizeof(f), &got, e);
	if (ret != 0)
		return (ret);
	rd_init(&r, f, got);
	fi->no = frame;
	fi->off = rd_u32(&r);
	fi->stored = rd_u32(&r);
	fi->raw = rd_u32(&r);
	return (rd_end(&r) ? 0 : place_bad(t));
}
