/*
 * The list of manifests in the local cache.  It is derived: whatever is wrong
 * with it, the manifests themselves are read instead.
 *
 * It is read by every command, and a listing wants to cost little more than
 * the names of what is there.  So what snapshots of a lineage have alike, all
 * of the strings among it, stands there once; and the file is authenticated by
 * the seal's MAC, some times faster than a hash.
 */
#include "engine/repo/listed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/rnd.h"
#include "engine/repo/manifest_part.h"

#define MAGIC		"VTRNLIST"
#define VERSION		3
#define NAME		"listed"
#define SALT_AT		(8 + 4 + 16)
#define FRONT_BYTES	(SALT_AT + 32)
#define RECORD_MAX	(4U << 20)
#define SEEN_BYTES	(2 * ID_BYTES + 8)
#define COMMONS_TRIED	64	/* the last ones: one twice is no harm */

/* A record that is missing costs its manifest at each listing, some 30 us; the
 * file anew, 0.15 us a record. */
#define STALE_ADDED	4
#define STALE_SHARE	1024
#define STALE_PASSED	8

static int
front_emit(struct buf *b, const struct repo *repo, const uint8_t salt[32])
{
	buf_bytes(b, MAGIC, 8);
	buf_u32(b, VERSION);
	buf_bytes(b, repo->header.id.b, sizeof(repo->header.id.b));
	buf_bytes(b, salt, 32);
	return (b->failed || b->len != FRONT_BYTES ? -1 : 0);
}

/* The key for one file. */
static int
file_key(uint8_t key[KEY_BYTES], const struct repo *repo,
    const uint8_t salt[32], struct err *e)
{
	uint8_t listed[KEY_BYTES];

	if (keyring_subkey(repo->ring, "listed", listed, e) != 0)
		return (-1);
	derive(key, listed, "listed file", salt, 32);
	sodium_memzero(listed, sizeof(listed));
	return (0);
}

/* Is it ours, whole, and of this repository? */
static bool
is_genuine(const struct buf *file, const struct repo *repo)
{
	struct err ignored = ERR_INIT;
	struct buf front = BUF_INIT;
	uint8_t key[KEY_BYTES], none[1];
	const uint8_t *salt = file->data + SALT_AT;
	size_t len;
	bool is;

	if (file->len < FRONT_BYTES + AEAD_TAG_BYTES)
		return (false);
	len = file->len - AEAD_TAG_BYTES;
	is = front_emit(&front, repo, salt) == 0 &&
	    memcmp(file->data, front.data, FRONT_BYTES) == 0 &&
	    file_key(key, repo, salt, &ignored) == 0;
	buf_fini(&front);
	if (!is)
		return (false);
	is = aead_open(none, key, 0, file->data, len, file->data + len,
	    AEAD_TAG_BYTES) == 0;
	sodium_memzero(key, sizeof(key));
	return (is);
}

void
listed_load(struct listed *l, struct snapshots *list, const struct repo *repo,
    int dir)
{
	struct err ignored = ERR_INIT;
	int fd, ret;

	memset(l, 0, sizeof(*l));
	l->list = list;
	rd_init(&l->at, NULL, 0);
	l->all = l->at;
	fd = dir < 0 ? -1 : openat(dir, NAME, O_RDONLY | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	ret = io_slurp(fd, &l->file, LISTED_MAX, &ignored);
	(void)close(fd);
	if (ret == 0 && is_genuine(&l->file, repo))
		(void)listed_parse(l, l->file.data + FRONT_BYTES,
		    l->file.len - FRONT_BYTES - AEAD_TAG_BYTES, &ignored);
}

void
listed_fini(struct listed *l)
{
	buf_fini(&l->file);
	buf_fini(&l->added);
	buf_fini(&l->fresh);
	free(l->commons);
}

/*
 * Commons.
 */
static struct listed_common *
common_add(struct listed *l, struct err *e)
{
	struct listed_common *v;
	size_t cap;

	if (l->ncommons == l->commons_cap) {
		cap = l->commons_cap == 0 ? 16 : l->commons_cap * 2;
		v = reallocarray(l->commons, cap, sizeof(*v));
		if (v == NULL) {
			(void)err_set(e, ERR_NOMEM, "out of memory");
			return (NULL);
		}
		l->commons = v;
		l->commons_cap = cap;
	}
	v = &l->commons[l->ncommons++];
	memset(v, 0, sizeof(*v));
	return (v);
}

static void
common_emit(struct buf *b, const struct lineage_id *lineage,
    const uint8_t header_digest[HASH_BYTES], const struct snapshot_text *t)
{
	buf_bytes(b, lineage->b, ID_BYTES);
	buf_bytes(b, header_digest, HASH_BYTES);
	buf_str16(b, t->host.p, t->host.len);
	buf_str16(b, t->user.p, t->user.len);
	buf_str16(b, t->name.p, t->name.len);
	strings_emit(b, &t->roots);
	strings_emit(b, &t->tags);
}

static int
common_parse(struct listed *l, struct rd *r, const uint8_t *base,
    struct err *e)
{
	struct snapshot_text *t = snapshots_text(l->list, e);
	struct listed_common *c = common_add(l, e);
	const uint8_t *from = r->p;

	if (t == NULL || c == NULL)
		return (-1);
	c->text = t;
	rd_bytes(r, c->lineage.b, ID_BYTES);
	rd_bytes(r, c->header_digest, HASH_BYTES);
	if (bytes_parse(&t->host, r, e) != 0 ||
	    bytes_parse(&t->user, r, e) != 0 ||
	    bytes_parse(&t->name, r, e) != 0 ||
	    strings_parse(&t->roots, r, e) != 0 ||
	    strings_parse(&t->tags, r, e) != 0)
		return (-1);
	c->off = (size_t)(from - base);
	c->len = (size_t)(r->p - from);
	return (0);
}

int
listed_parse(struct listed *l, const void *bytes, size_t len, struct err *e)
{
	uint32_t n;
	struct rd r;

	rd_init(&r, bytes, len);
	l->writes = rd_u32(&r);
	n = rd_u32(&r);
	for (uint32_t i = 0; i < n && !r.bad; i++)
		if (common_parse(l, &r, bytes, e) != 0)
			r.bad = true;
	if (r.bad) {
		l->ncommons = 0;
		return (err_set(e, ERR_CORRUPT, "the cached list is damaged"));
	}
	l->nold = l->ncommons;
	l->all = l->at = r;
	return (0);
}

static bool
strings_equal(const struct strings *a, const struct strings *b)
{
	if (a->n != b->n)
		return (false);
	for (uint32_t i = 0; i < a->n; i++)
		if (bytes_compare(&a->v[i], &b->v[i]) != 0)
			return (false);
	return (true);
}

static bool
texts_equal(const struct snapshot_text *a, const struct snapshot_text *b)
{
	return (bytes_compare(&a->host, &b->host) == 0 &&
	    bytes_compare(&a->user, &b->user) == 0 &&
	    bytes_compare(&a->name, &b->name) == 0 &&
	    strings_equal(&a->roots, &b->roots) &&
	    strings_equal(&a->tags, &b->tags));
}

/* The number of the common that such a snapshot has, added at need; UINT32_MAX
 * without memory. */
static uint32_t
common_of(struct listed *l, const struct lineage_id *lineage,
    const uint8_t header_digest[HASH_BYTES], const struct snapshot_text *t)
{
	struct err ignored = ERR_INIT;
	struct listed_common *c;
	size_t tried = 0;

	for (size_t i = l->ncommons; i-- > 0 && tried < COMMONS_TRIED;
	    tried++) {
		c = &l->commons[i];
		if (id_equal(c->lineage.b, lineage->b) &&
		    memcmp(c->header_digest, header_digest, HASH_BYTES) == 0 &&
		    texts_equal(c->text, t))
			return ((uint32_t)i);
	}
	c = common_add(l, &ignored);
	if (c == NULL)
		return (UINT32_MAX);
	c->lineage = *lineage;
	memcpy(c->header_digest, header_digest, HASH_BYTES);
	c->text = t;
	c->off = l->added.len;
	common_emit(&l->added, lineage, header_digest, t);
	c->len = l->added.len - c->off;
	return (l->added.failed ? UINT32_MAX : (uint32_t)(l->ncommons - 1));
}

/*
 * Records.
 */
static void
record_emit(struct buf *b, const struct snapshot *s, uint32_t common,
    const struct manifest *m)
{
	buf_bytes(b, s->id.b, ID_BYTES);
	buf_u32(b, common);
	buf_u64(b, s->sequence);
	buf_bytes(b, s->previous.b, ID_BYTES);
	stamp_emit(b, &s->time);
	buf_u32(b, s->flags);
	counts_emit(b, m);
	heads_emit(b, m);
}

bool
listed_record(const struct listed *l, const struct rd *record,
    struct snapshot *s, struct listed_said *said)
{
	const struct listed_common *c;
	struct manifest m = { 0 };
	struct rd r = *record;
	uint32_t no;

	memset(s, 0, sizeof(*s));
	rd_bytes(&r, s->id.b, ID_BYTES);
	no = rd_u32(&r);
	s->sequence = rd_u64(&r);
	rd_bytes(&r, s->previous.b, ID_BYTES);
	stamp_parse(&s->time, &r);
	s->flags = rd_u32(&r);
	counts_parse(&m, &r);
	said->nheads = rd_u32(&r);
	said->heads = r;
	if (r.bad || no >= l->ncommons || said->nheads > MANIFEST_HEADS_MAX ||
	    rd_left(&r) != (size_t)said->nheads * SEEN_BYTES)
		return (false);
	c = &l->commons[no];
	s->lineage = c->lineage;
	snapshot_say(s, c->text);
	snapshot_count(s, &m);
	said->header_digest = c->header_digest;
	return (true);
}

void
listed_head(struct listed_said *said, struct head_seen *h)
{
	rd_bytes(&said->heads, h->lineage.b, ID_BYTES);
	h->sequence = rd_u64(&said->heads);
	rd_bytes(&said->heads, h->id.b, ID_BYTES);
}

bool
listed_here(const struct rd *at, struct rd *record)
{
	struct rd r = *at;
	uint32_t len = rd_u32(&r);
	const uint8_t *p = rd_view(&r, len);

	if (p == NULL || len < ID_BYTES + 4 || len > RECORD_MAX)
		return (false);
	rd_init(record, p, len);
	return (true);
}

int
listed_find(struct listed *l, const struct snapshot_id *id,
    struct snapshot *s, struct listed_said *said)
{
	struct rd r;
	int c;

	while (listed_here(&l->at, &r)) {
		c = memcmp(r.p, id->b, ID_BYTES);
		if (c > 0)
			return (1);
		l->at.p = r.end;
		if (c < 0) {
			l->passed++;
			continue;
		}
		if (!listed_record(l, &r, s, said))
			return (1);
		l->found++;
		return (0);
	}
	return (1);
}

void
listed_add(struct listed *l, const struct snapshot *s,
    const struct snapshot_text *text, const struct manifest *m)
{
	uint32_t common = common_of(l, &s->lineage, m->header_digest, text);
	size_t at = l->fresh.len;

	if (common == UINT32_MAX)
		return;
	buf_u32(&l->fresh, 0);
	record_emit(&l->fresh, s, common, m);
	if (l->fresh.failed)
		return;
	buf_patch_u32(&l->fresh, at, (uint32_t)(l->fresh.len - at - 4));
	l->nadded++;
}

bool
listed_is_stale(const struct listed *l)
{
	return (l->nadded > STALE_ADDED + l->found / STALE_SHARE ||
	    l->passed > STALE_PASSED + l->found);
}

/*
 * The next file.
 */
typedef void merge_fn(struct listed *, struct buf *, const struct rd *record);

/* The common of a whole record: behind its id. */
static uint32_t
record_common(const struct rd *record)
{
	struct rd r;

	rd_init(&r, record->p + ID_BYTES, 4);
	return (rd_u32(&r));
}

static void
note_common(struct listed *l, struct buf *b, const struct rd *record)
{
	uint32_t no = record_common(record);

	if (no < l->ncommons)
		l->commons[no].next = 1;
}

static void
put_record(struct listed *l, struct buf *b, const struct rd *record)
{
	uint32_t no = record_common(record);
	size_t at = b->len;

	if (no >= l->ncommons)
		return;
	buf_u32(b, (uint32_t)rd_left(record));
	buf_bytes(b, record->p, rd_left(record));
	if (!b->failed)
		buf_patch_u32(b, at + 4 + ID_BYTES, l->commons[no].next);
}

/* Both by rising id; of two with one id that which was added counts. */
static void
merge(struct listed *l, struct buf *b, const struct ids *present, merge_fn *fn)
{
	struct rd old = l->all, fresh, x, y;
	bool is_old, is_fresh;
	int c;

	rd_init(&fresh, l->fresh.data, l->fresh.len);
	for (;;) {
		is_old = listed_here(&old, &x);
		is_fresh = listed_here(&fresh, &y);
		if (!is_old && !is_fresh)
			return;
		c = !is_old ? 1 : !is_fresh ? -1 :
		    memcmp(x.p, y.p, ID_BYTES);
		if (c > 0)
			fn(l, b, &y);
		else if (c < 0 && ids_has(present, x.p))
			fn(l, b, &x);
		if (c > 0)
			fresh.p = y.end;
		else
			old.p = x.end;
	}
}

/* Those that are in use, by their new numbers. */
static void
put_commons(struct listed *l, struct buf *b)
{
	size_t at = b->len;
	uint32_t n = 0;

	buf_u32(b, 0);
	for (size_t i = 0; i < l->ncommons; i++) {
		struct listed_common *c = &l->commons[i];
		const uint8_t *from = i < l->nold ?
		    l->file.data + FRONT_BYTES : l->added.data;

		if (c->next == 0)
			continue;
		buf_bytes(b, from + c->off, c->len);
		c->next = n++;
	}
	if (!b->failed)
		buf_patch_u32(b, at, n);
}

/* A random state that repeats must not seal two files with one key: the time
 * goes in as well. */
static void
make_salt(uint8_t salt[32])
{
	struct stamp now = clock_wall();
	uint8_t in[32 + 12];

	rnd_bytes(in, 32);
	le_put64(in + 32, (uint64_t)now.s);
	le_put32(in + 40, now.ns);
	hash_bytes(salt, in, sizeof(in));
}

static int
next_emit(struct buf *b, struct listed *l, const struct repo *repo,
    const struct ids *present)
{
	struct err ignored = ERR_INIT;
	uint8_t key[KEY_BYTES], salt[32], tag[AEAD_TAG_BYTES];

	make_salt(salt);
	if (l->fresh.failed || l->added.failed ||
	    front_emit(b, repo, salt) != 0 ||
	    file_key(key, repo, salt, &ignored) != 0)
		return (-1);
	for (size_t i = 0; i < l->ncommons; i++)
		l->commons[i].next = 0;
	merge(l, b, present, note_common);
	buf_u32(b, l->writes + 1);
	put_commons(l, b);
	merge(l, b, present, put_record);
	if (!b->failed && b->len <= LISTED_MAX - AEAD_TAG_BYTES) {
		aead_seal(tag, key, 0, b->data, b->len, NULL, 0);
		buf_bytes(b, tag, sizeof(tag));
	}
	sodium_memzero(key, sizeof(key));
	return (b->failed || b->len > LISTED_MAX ? -1 : 0);
}

/* The objects of those that it had and that are no more. */
static void
drop_gone(const struct listed *l, int dir, const struct ids *present)
{
	struct rd old = l->all, x;
	char hex[ID_HEX];

	for (; listed_here(&old, &x); old.p = x.end)
		if (!ids_has(present, x.p))
			(void)unlinkat(dir, hex_emit(hex, x.p, ID_BYTES), 0);
}

/* A torn file fails its seal. */
void
listed_store(struct listed *l, const struct repo *repo, int dir,
    const struct ids *present)
{
	struct buf next = BUF_INIT;

	if (dir < 0 || next_emit(&next, l, repo, present) != 0)
		goto out;
	io_keep(dir, NAME, next.data, next.len);
	drop_gone(l, dir, present);
out:
	buf_fini(&next);
}
