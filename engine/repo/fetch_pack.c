/*
 * What must be known of a pack before its frames are opened: its keys, and
 * whether its record can be believed.
 *
 * A full-key writer's session key comes from the master secret, so a frame that
 * opens under it was made by somebody who had that.  A put-only writer's is
 * sealed to the public key, which proves nothing: so its header is loaded, its
 * MAC verified and the record compared with it (vitrine-format(5), PACKS).  A
 * record that mixes the two (writer 0 with a sealed key) is refused: it would
 * pass anybody's pack off as a full-key writer's.
 *
 * The keys of recent packs are kept: deriving costs microseconds, but a
 * put-only writer's cost a read.
 */
#include <sodium.h>
#include <stdlib.h>

#include "engine/repo/fetch_int.h"
#include "engine/repo/pack_name.h"

#define KEY_SETS	64
#define KEY_WAYS	4
#define TAIL_BYTES	((size_t)128 << 10)

struct key_entry {
	bool used;
	struct pack_info info;
	struct pack_seal seal;
};

struct pack_keys {
	struct repo *repo;
	pthread_mutex_t lock;
	uint8_t turn[KEY_SETS];		/* lock: the way to be replaced next */
	struct key_entry *slots;	/* lock; owned, sodium_malloc'ed */
};

int
pack_keys_new(struct pack_keys **out, struct repo *repo, struct err *e)
{
	struct pack_keys *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	k->slots = sodium_malloc(KEY_SETS * KEY_WAYS * sizeof(*k->slots));
	if (k->slots == NULL) {
		free(k);
		return (err_set(e, ERR_NOMEM, "no memory"));
	}
	memset(k->slots, 0, KEY_SETS * KEY_WAYS * sizeof(*k->slots));
	k->repo = repo;
	pthread_mutex_init(&k->lock, NULL);
	*out = k;
	return (0);
}

void
pack_keys_free(struct pack_keys *k)
{
	if (k == NULL)
		return;
	sodium_free(k->slots);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

/* All but the id and size, which a header doesn't have. */
static bool
same_record(const struct pack_info *a, const struct pack_info *b)
{
	return (a->domain == b->domain && a->writer == b->writer &&
	    a->kind == b->kind &&
	    memcmp(&a->run, &b->run, sizeof(a->run)) == 0 &&
	    memcmp(a->salt, b->salt, sizeof(a->salt)) == 0 &&
	    a->wrap.kind == b->wrap.kind &&
	    memcmp(a->wrap.bytes, b->wrap.bytes, sizeof(a->wrap.bytes)) == 0);
}

static int
check_record(const struct pack_info *pack, struct err *e)
{
	if (pack->kind != OBJECT_PACK_DATA && pack->kind != OBJECT_PACK_META)
		return (err_set(e, ERR_CORRUPT, "its record names kind %u",
		    pack->kind));
	if ((pack->writer == 0) != (pack->wrap.kind == WRAP_DERIVED))
		return (err_set(e, ERR_CORRUPT,
		    "its record names writer %u with key wrap %u",
		    pack->writer, pack->wrap.kind));
	return (0);
}

/* Exactly len bytes of the pack at off.  STORE_ABSENT. */
static int
read_part(struct repo *repo, const struct pack_id *id, uint64_t off, void *dst,
    size_t len, struct err *e)
{
	char name[PACK_NAME_BYTES];
	size_t got = 0;
	int rc;

	rc = store_read(repo_store(repo), pack_name(name, id), off, dst, len,
	    &got, e);
	if (rc != 0)
		return (rc);
	if (got != len)
		return (err_set(e, ERR_CORRUPT, "it is cut short"));
	return (0);
}

/* Read the header into bytes and compare the record with it.  STORE_ABSENT. */
static int
check_header(struct repo *repo, const struct pack_info *pack,
    uint8_t bytes[PACK_HEADER_BYTES], struct err *e)
{
	struct pack_info found;
	int rc;

	rc = read_part(repo, &pack->id, 0, bytes, PACK_HEADER_BYTES, e);
	if (rc != 0)
		return (rc);
	if (pack_header_parse(&found, repo_keyring(repo), bytes, e) != 0)
		return (-1);
	if (!same_record(pack, &found))
		return (err_set(e, ERR_CORRUPT,
		    "its header is not what its record says"));
	return (0);
}

static struct key_entry *
find_slot(struct pack_keys *k, const struct pack_info *pack)
{
	struct key_entry *set = k->slots + pack->id.b[0] % KEY_SETS * KEY_WAYS;

	for (unsigned i = 0; i < KEY_WAYS; i++)
		if (set[i].used && id_equal(set[i].info.id.b, pack->id.b) &&
		    same_record(&set[i].info, pack))
			return (&set[i]);
	return (NULL);
}

static void
remember(struct pack_keys *k, const struct pack_info *pack,
    const struct pack_seal *seal)
{
	unsigned set = pack->id.b[0] % KEY_SETS;
	struct key_entry *slot;

	pthread_mutex_lock(&k->lock);
	if (find_slot(k, pack) == NULL) {
		slot = &k->slots[set * KEY_WAYS + k->turn[set]];
		k->turn[set] = (uint8_t)((k->turn[set] + 1) % KEY_WAYS);
		slot->used = true;
		slot->info = *pack;
		slot->seal = *seal;
	}
	pthread_mutex_unlock(&k->lock);
}

int
pack_keys_get(struct pack_keys *k, const struct pack_info *pack,
    struct pack_seal *seal, struct err *e)
{
	uint8_t header[PACK_HEADER_BYTES];
	const struct key_entry *slot;
	int rc;

	pthread_mutex_lock(&k->lock);
	slot = find_slot(k, pack);
	if (slot != NULL)
		*seal = slot->seal;
	pthread_mutex_unlock(&k->lock);
	if (slot != NULL)
		return (0);
	if (check_record(pack, e) != 0)
		return (-1);
	if (pack->writer != 0) {
		rc = check_header(k->repo, pack, header, e);
		if (rc != 0)
			return (rc == STORE_ABSENT ? FETCH_NO_PACK : rc);
	}
	if (pack_seal_open(seal, repo_keyring(k->repo), pack, e) != 0)
		return (-1);
	remember(k, pack, seal);
	return (0);
}

/* The record that a header gives; of any kind where kind is 0. */
static int
parse_header(struct repo *repo, const struct pack_id *id, uint64_t size_bytes,
    enum object_kind kind, const uint8_t bytes[PACK_HEADER_BYTES],
    struct pack_info *out, struct err *e)
{
	struct pack_info info;

	if (pack_header_parse(&info, repo_keyring(repo), bytes, e) != 0)
		return (-1);
	if (kind != 0 && info.kind != kind)
		return (err_set(e, ERR_CORRUPT, "it is of kind %u, not %u",
		    info.kind, (unsigned)kind));
	info.id = *id;
	info.size_bytes = size_bytes;
	*out = info;
	return (0);
}

/* "pack ID: " in front of an error; whatever it was comes back. */
static int
wrap(int rc, const struct pack_id *id, struct err *e)
{
	char hex[ID_HEX];

	if (rc < 0)
		(void)err_wrap(e, "pack %s", hex_emit(hex, id->b, ID_BYTES));
	return (rc);
}

int
fetch_pack_info(struct repo *repo, const struct pack_id *id,
    enum object_kind kind, struct pack_info *out, struct err *e)
{
	char name[PACK_NAME_BYTES];
	uint8_t bytes[PACK_HEADER_BYTES];
	struct store_stat st;
	int rc;

	rc = store_stat(repo_store(repo), pack_name(name, id), &st, e);
	if (rc == 0)
		rc = read_part(repo, id, 0, bytes, sizeof(bytes), e);
	if (rc == 0)
		rc = parse_header(repo, id, st.size_bytes, kind, bytes, out,
		    e);
	return (wrap(rc, id, e));
}

/*
 * A pack's two ends.  Far away each read costs a round trip, so the last one
 * takes more than the trailer: mostly the directory is in it, and of a small
 * pack the header as well.
 */
struct ends {
	uint8_t head[PACK_HEADER_BYTES];
	struct buf tail;		/* the last bytes */
	struct buf rest;		/* a directory that is longer */
};

static void
ends_fini(struct ends *x)
{
	buf_fini(&x->tail);
	buf_fini(&x->rest);
}

static int
check_size(uint64_t size_bytes, struct err *e)
{
	if (size_bytes < PACK_HEADER_BYTES + PACK_TRAILER_BYTES ||
	    size_bytes > PACK_MAX)
		return (err_set(e, ERR_CORRUPT, "it has %llu bytes",
		    (unsigned long long)size_bytes));
	return (0);
}

/* STORE_ABSENT. */
static int
read_ends(struct repo *repo, const struct pack_id *id, uint64_t size_bytes,
    struct ends *x, struct err *e)
{
	size_t len = size_bytes < TAIL_BYTES ? (size_t)size_bytes : TAIL_BYTES;
	uint8_t *p;
	int rc;

	if (check_size(size_bytes, e) != 0)
		return (-1);
	if ((p = buf_grow(&x->tail, len)) == NULL)
		return (buf_ok(&x->tail, e));
	rc = read_part(repo, id, size_bytes - len, p, len, e);
	if (rc == 0 && len < size_bytes)
		rc = read_part(repo, id, 0, x->head, sizeof(x->head), e);
	else if (rc == 0)
		memcpy(x->head, p, sizeof(x->head));
	return (rc);
}

/* The directory, which the record's keys open. */
static int
open_directory(struct repo *repo, const struct pack_info *pack, struct ends *x,
    struct pack_directory *out, struct err *e)
{
	const uint8_t *trailer = x->tail.data + x->tail.len -
	    PACK_TRAILER_BYTES;
	uint64_t off, len, tail_off = pack->size_bytes - x->tail.len;
	const uint8_t *sealed;
	struct pack_seal seal;
	uint32_t nframes;
	uint8_t *p;
	int rc;

	if (pack_trailer_parse(&off, &len, &nframes, trailer, pack->size_bytes,
	    e) != 0)
		return (-1);
	if (off >= tail_off) {
		sealed = x->tail.data + (off - tail_off);
	} else {
		if ((p = buf_grow(&x->rest, (size_t)len)) == NULL)
			return (buf_ok(&x->rest, e));
		rc = read_part(repo, &pack->id, off, p, (size_t)len, e);
		if (rc != 0)
			return (rc);
		sealed = p;
	}
	if (pack_seal_open(&seal, repo_keyring(repo), pack, e) != 0)
		return (-1);
	rc = pack_directory_open(out, &seal, x->head, trailer, sealed,
	    (size_t)len, e);
	sodium_memzero(&seal, sizeof(seal));
	return (rc);
}

int
fetch_directory(struct repo *repo, const struct pack_info *pack,
    struct pack_directory *out, struct err *e)
{
	struct ends x = { .tail = BUF_INIT, .rest = BUF_INIT };
	struct pack_info found;
	int rc;

	rc = check_record(pack, e);
	if (rc == 0)
		rc = read_ends(repo, &pack->id, pack->size_bytes, &x, e);
	if (rc == 0)
		rc = parse_header(repo, &pack->id, pack->size_bytes, 0,
		    x.head, &found, e);
	if (rc == 0 && !same_record(pack, &found))
		rc = err_set(e, ERR_CORRUPT,
		    "its header is not what its record says");
	if (rc == 0)
		rc = open_directory(repo, pack, &x, out, e);
	ends_fini(&x);
	return (wrap(rc, &pack->id, e));
}

static int
open_ends(struct repo *repo, const struct pack_id *id, uint64_t size_bytes,
    enum object_kind kind, struct ends *x, struct pack_info *info,
    struct pack_directory *out, struct err *e)
{
	if (parse_header(repo, id, size_bytes, kind, x->head, info, e) != 0)
		return (-1);
	return (open_directory(repo, info, x, out, e));
}

int
fetch_pack(struct repo *repo, const struct pack_id *id, uint64_t size_bytes,
    enum object_kind kind, struct pack_info *info, struct pack_directory *out,
    struct err *e)
{
	struct ends x = { .tail = BUF_INIT, .rest = BUF_INIT };
	int rc;

	memset(info, 0, sizeof(*info));
	rc = read_ends(repo, id, size_bytes, &x, e);
	if (rc == 0)
		rc = open_ends(repo, id, size_bytes, kind, &x, info, out, e);
	ends_fini(&x);
	return (wrap(rc, id, e));
}

int
fetch_pack_parse(struct repo *repo, const struct pack_id *id,
    enum object_kind kind, const void *bytes, size_t len,
    struct pack_info *info, struct pack_directory *out, struct err *e)
{
	struct ends x = { .tail = BUF_INIT, .rest = BUF_INIT };
	int rc;

	memset(info, 0, sizeof(*info));
	rc = check_size(len, e);
	if (rc == 0) {
		buf_bytes(&x.tail, bytes, len);
		rc = buf_ok(&x.tail, e);
	}
	if (rc == 0) {
		memcpy(x.head, bytes, sizeof(x.head));
		rc = open_ends(repo, id, len, kind, &x, info, out, e);
	}
	ends_fini(&x);
	return (wrap(rc, id, e));
}
