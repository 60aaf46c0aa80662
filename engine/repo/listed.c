/*
 * The list of manifests in the local cache.  It is derived: whatever is wrong
 * with it, the manifests themselves are read instead.
 */
#include "engine/repo/listed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/repo/manifest_part.h"

#define MAGIC		"VTRNLIST"
#define VERSION		2
#define NAME		"listed"
#define FRONT_BYTES	(8 + 4 + 16)
#define STALE_ADDED	8
#define RECORD_MAX	(4U << 20)

static int
front_emit(struct buf *b, const struct repo *repo)
{
	buf_bytes(b, MAGIC, 8);
	buf_u32(b, VERSION);
	buf_bytes(b, repo->header.id.b, sizeof(repo->header.id.b));
	return (b->failed || b->len != FRONT_BYTES ? -1 : 0);
}

static int
mac_of(uint8_t mac[HASH_BYTES], const struct repo *repo, const void *bytes,
    size_t len, struct err *e)
{
	uint8_t key[KEY_BYTES];

	if (keyring_subkey(repo->ring, "listed", key, e) != 0)
		return (-1);
	hash_keyed(mac, key, bytes, len);
	sodium_memzero(key, sizeof(key));
	return (0);
}

/* Is it ours, whole, and of this repository? */
static bool
is_genuine(const struct buf *file, const struct repo *repo)
{
	struct err ignored = ERR_INIT;
	struct buf front = BUF_INIT;
	uint8_t mac[HASH_BYTES];
	bool is;

	is = (front_emit(&front, repo) == 0 &&
	    file->len >= FRONT_BYTES + HASH_BYTES &&
	    memcmp(file->data, front.data, FRONT_BYTES) == 0 &&
	    mac_of(mac, repo, file->data, file->len - HASH_BYTES,
	    &ignored) == 0 &&
	    mac_compare(mac, file->data + file->len - HASH_BYTES) == 0);
	buf_fini(&front);
	return (is);
}

void
listed_load(struct listed *l, const struct repo *repo, int dir)
{
	struct err ignored = ERR_INIT;
	int fd, ret;

	memset(l, 0, sizeof(*l));
	rd_init(&l->at, NULL, 0);
	l->all = l->at;
	fd = dir < 0 ? -1 : openat(dir, NAME, O_RDONLY | O_CLOEXEC |
	    O_NOFOLLOW);
	if (fd < 0)
		return;
	ret = io_slurp(fd, &l->file, LISTED_MAX, &ignored);
	(void)close(fd);
	if (ret == 0 && is_genuine(&l->file, repo))
		rd_init(&l->at, l->file.data + FRONT_BYTES,
		    l->file.len - FRONT_BYTES - HASH_BYTES);
	l->all = l->at;
}

void
listed_fini(struct listed *l)
{
	buf_fini(&l->file);
	buf_fini(&l->fresh);
}

int
listed_parse(struct snapshot_id *id, struct manifest *out, struct rd *r,
    struct err *e)
{
	struct manifest m = { 0 };
	int ret = 0;

	memset(out, 0, sizeof(*out));
	rd_bytes(r, id->b, ID_BYTES);
	m.sequence = rd_u64(r);
	rd_bytes(r, m.lineage.b, ID_BYTES);
	rd_bytes(r, m.previous.b, ID_BYTES);
	rd_bytes(r, m.header_digest, HASH_BYTES);
	stamp_parse(&m.time, r);
	m.flags = rd_u32(r);
	counts_parse(&m, r);
	if (bytes_parse(&m.host, r, e) != 0 ||
	    bytes_parse(&m.user, r, e) != 0 ||
	    bytes_parse(&m.name, r, e) != 0 ||
	    strings_parse(&m.roots, r, e) != 0 ||
	    strings_parse(&m.tags, r, e) != 0 || heads_parse(&m, r, e) != 0)
		ret = -1;
	else if (!rd_end(r))
		ret = err_set(e, ERR_CORRUPT, "the cached list is damaged");
	if (ret != 0)
		manifest_fini(&m);
	else
		*out = m;
	return (ret);
}

static void
record_emit(struct buf *b, const struct snapshot_id *id,
    const struct manifest *m)
{
	buf_bytes(b, id->b, ID_BYTES);
	buf_u64(b, m->sequence);
	buf_bytes(b, m->lineage.b, ID_BYTES);
	buf_bytes(b, m->previous.b, ID_BYTES);
	buf_bytes(b, m->header_digest, HASH_BYTES);
	stamp_emit(b, &m->time);
	buf_u32(b, m->flags);
	counts_emit(b, m);
	buf_str16(b, m->host.p, m->host.len);
	buf_str16(b, m->user.p, m->user.len);
	buf_str16(b, m->name.p, m->name.len);
	strings_emit(b, &m->roots);
	strings_emit(b, &m->tags);
	heads_emit(b, m);
}

/* The next record, if it is whole; the reader stays where it is. */
static bool
record_here(const struct rd *at, struct rd *record)
{
	struct rd r = *at;
	uint32_t len = rd_u32(&r);
	const uint8_t *p = rd_view(&r, len);

	if (p == NULL || len < ID_BYTES || len > RECORD_MAX)
		return (false);
	rd_init(record, p, len);
	return (true);
}

int
listed_find(struct listed *l, const struct snapshot_id *id,
    struct manifest *m, struct err *e)
{
	struct snapshot_id is;
	struct rd r;
	int c;

	while (record_here(&l->at, &r)) {
		c = memcmp(r.p, id->b, ID_BYTES);
		if (c > 0)
			return (1);
		l->at.p = r.end;
		if (c < 0) {
			l->passed++;
			continue;
		}
		if (listed_parse(&is, m, &r, e) != 0)
			return (e->code == ERR_NOMEM ? -1 : 1);
		l->found++;
		return (0);
	}
	return (1);
}

void
listed_add(struct listed *l, const struct snapshot_id *id,
    const struct manifest *m)
{
	size_t at = l->fresh.len;

	buf_u32(&l->fresh, 0);
	record_emit(&l->fresh, id, m);
	if (l->fresh.failed)
		return;
	if (l->fresh.len - at - 4 > RECORD_MAX) {
		l->fresh.len = at;
		return;
	}
	buf_patch_u32(&l->fresh, at, (uint32_t)(l->fresh.len - at - 4));
	l->added++;
}

bool
listed_is_stale(const struct listed *l)
{
	return (l->added > STALE_ADDED + l->found / 64 ||
	    l->passed > STALE_ADDED + l->found);
}

/* One record moves into the new file. */
static void
record_move(struct buf *b, struct rd *from, const struct rd *record)
{
	buf_u32(b, (uint32_t)rd_left(record));
	buf_bytes(b, record->p, rd_left(record));
	from->p = record->end;
}

/* Both by rising id; of two with one id that which was added counts. */
static void
merge(struct buf *b, const struct listed *l, const struct ids *present)
{
	struct rd old = l->all, fresh, x, y;
	bool is_old, is_fresh;
	int c;

	rd_init(&fresh, l->fresh.data, l->fresh.len);
	for (;;) {
		is_old = record_here(&old, &x);
		is_fresh = record_here(&fresh, &y);
		if (!is_old && !is_fresh)
			return;
		c = !is_old ? 1 : !is_fresh ? -1 :
		    memcmp(x.p, y.p, ID_BYTES);
		if (c > 0)
			record_move(b, &fresh, &y);
		else if (c < 0 && ids_has(present, x.p))
			record_move(b, &old, &x);
		else
			old.p = x.end;
	}
}

static int
next_emit(struct buf *b, const struct listed *l, const struct repo *repo,
    const struct ids *present)
{
	struct err ignored = ERR_INIT;
	uint8_t mac[HASH_BYTES];

	if (l->fresh.failed || front_emit(b, repo) != 0)
		return (-1);
	merge(b, l, present);
	if (b->failed || b->len > LISTED_MAX - HASH_BYTES ||
	    mac_of(mac, repo, b->data, b->len, &ignored) != 0)
		return (-1);
	buf_bytes(b, mac, sizeof(mac));
	return (b->failed ? -1 : 0);
}

/* Without fsync: a torn file fails its MAC. */
void
listed_store(struct listed *l, const struct repo *repo, int dir,
    const struct ids *present)
{
	struct err ignored = ERR_INIT;
	struct buf next = BUF_INIT;
	char tmp[64];
	int fd, ret;

	if (dir < 0 || next_emit(&next, l, repo, present) != 0)
		goto out;
	(void)snprintf(tmp, sizeof(tmp), NAME ".%d", (int)getpid());
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd < 0)
		goto out;
	ret = io_write_all(fd, next.data, next.len, &ignored);
	if (close(fd) != 0)
		ret = -1;
	if (ret != 0 || renameat(dir, tmp, dir, NAME) != 0)
		(void)unlinkat(dir, tmp, 0);
out:
	buf_fini(&next);
}
