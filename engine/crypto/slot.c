/*
 * Key slots: what a passphrase or key file opens.  A slot's fixed part,
 * Argon2id's parameters included, is the associated data of what it seals, so
 * that a store can't weaken it; and it is checked against limits before any
 * work is done by it, so that a store can't make us eat all memory.
 */
#include "engine/crypto/slot.h"

#include <string.h>

#include "engine/base/rd.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/rnd.h"
#include "engine/pack/object.h"

#define FIXED_BYTES	72
#define SALT16		16
#define FULL_BYTES	KEY_BYTES
#define PUT_ONLY_LEAST	(4 + 4 + 3 * 32 + 2 + 1)
#define PUT_ONLY_MOST	(PUT_ONLY_LEAST - 1 + SLOT_HOST_MAX)
#define RECORD_LEAST	(1 + 4 + 4 + 12 + 2 + 2)
#define RECORD_MOST	(RECORD_LEAST + SLOT_HOST_MAX + SLOT_LABEL_MAX)
#define KEY_FILE_LEAST	16
#define KEY_FILE_MOST	(64U << 10)
#define MEM_LEAST	8192

int
secret_copy(struct secret *s, const void *bytes, size_t len, struct err *e)
{
	crypto_init();
	s->bytes = sodium_malloc(len > 0 ? len : 1);
	s->len = 0;
	if (s->bytes == NULL)
		return (err_set(e, ERR_NOMEM, "no memory for a secret"));
	if (len > 0)
		memcpy(s->bytes, bytes, len);
	s->len = len;
	return (0);
}

void
secret_fini(struct secret *s)
{
	sodium_free(s->bytes);
	s->bytes = NULL;
	s->len = 0;
}

struct slot_params
slot_params_default(enum slot_kind kind)
{
	struct slot_params p = { .kind = kind };

	if (kind == SLOT_PASSPHRASE) {
		p.ops = 3;
		p.mem_bytes = 64ULL << 20;
	}
	return (p);
}

static bool
params_are_good(const struct slot_params *p)
{
	switch (p->kind) {
	case SLOT_PASSPHRASE:
		return (p->ops >= 1 && p->ops <= SLOT_OPS_MAX &&
		    p->mem_bytes >= MEM_LEAST && p->mem_bytes <= SLOT_MEM_MAX &&
		    p->mem_bytes % 1024 == 0);
	case SLOT_KEY_FILE:
		return (p->ops == 0 && p->mem_bytes == 0);
	default:
		return (false);
	}
}

static int
slot_key(uint8_t out[KEY_BYTES], const struct slot_params *p,
    const struct secret *secret, const uint8_t salt[SALT16], struct err *e)
{
	uint8_t digest[HASH_BYTES];

	crypto_init();
	if (p->kind == SLOT_PASSPHRASE) {
		if (crypto_pwhash(out, KEY_BYTES, (const char *)secret->bytes,
		    secret->len, salt, p->ops, (size_t)p->mem_bytes,
		    crypto_pwhash_ALG_ARGON2ID13) != 0)
			return (err_set(e, ERR_NOMEM, "the passphrase's "
			    "function needs %llu MiB of memory",
			    (unsigned long long)(p->mem_bytes >> 20)));
		return (0);
	}
	if (secret->len < KEY_FILE_LEAST || secret->len > KEY_FILE_MOST)
		return (err_set(e, ERR_USAGE,
		    "a key file has 16 bytes to 64 KiB, this one %zu",
		    secret->len));
	hash_bytes(digest, secret->bytes, secret->len);
	derive(out, digest, "key file", salt, SALT16);
	sodium_memzero(digest, sizeof(digest));
	return (0);
}

/* The key of a slot's record. */
static int
record_key(uint8_t out[KEY_BYTES], const struct keyring *ring,
    const uint8_t salt[SALT16], const uint8_t *sealed, size_t len,
    struct err *e)
{
	uint8_t registry[KEY_BYTES], info[SALT16 + HASH_BYTES];

	if (keyring_subkey(ring, "registry", registry, e) < 0)
		return (-1);
	memcpy(info, salt, SALT16);
	hash_bytes(info + SALT16, sealed, len);
	derive(out, registry, "record", info, sizeof(info));
	sodium_memzero(registry, sizeof(registry));
	return (0);
}

static int
record_check(const struct slot_record *r, struct err *e)
{
	size_t host = strlen(r->host);

	if (r->role == ROLE_FULL && (r->writer != 0 || r->domain != 0 ||
	    host != 0))
		return (err_set(e, ERR_USAGE,
		    "a full key has no writer number, domain or host"));
	if (r->role == ROLE_PUT_ONLY && (r->writer == 0 || host == 0))
		return (err_set(e, ERR_USAGE,
		    "a put-only key needs a writer number and a host"));
	return (0);
}

void
slot_record_emit(struct buf *b, const struct slot_record *r)
{
	buf_u8(b, (uint8_t)r->role);
	buf_u32(b, r->writer);
	buf_u32(b, r->domain);
	stamp_emit(b, &r->created);
	buf_str16(b, r->host, strlen(r->host));
	buf_str16(b, r->label, strlen(r->label));
}

/* The secrets that the slot will seal, into out; their length. */
static int
secrets_emit(uint8_t out[PUT_ONLY_MOST], size_t *len,
    const struct keyring *ring, const struct slot_record *r, struct err *e)
{
	struct put_only_secrets s;
	const uint8_t *master = keyring_master(ring);
	size_t host;

	if (master == NULL)
		return (err_set(e, ERR_AUTH, "making a key needs a full key"));
	if (r->role == ROLE_FULL) {
		memcpy(out, master, FULL_BYTES);
		*len = FULL_BYTES;
		return (0);
	}
	if (keyring_put_only(ring, r->writer, r->domain, &s, e) < 0)
		return (-1);
	le_put32(out, s.writer);
	le_put32(out + 4, s.domain);
	memcpy(out + 8, s.writer_key, 32);
	memcpy(out + 40, s.domain_secret, 32);
	memcpy(out + 72, s.public_key, 32);
	sodium_memzero(&s, sizeof(s));
	host = strlen(r->host);
	le_put16(out + 104, (uint16_t)host);
	memcpy(out + 106, r->host, host);
	*len = 106 + host;
	return (0);
}

static void
fixed_emit(struct buf *b, const struct keyring *ring,
    const struct slot_params *p, enum key_role role,
    const uint8_t salt[SALT16], size_t secrets, size_t record)
{
	struct head head = { .kind = OBJECT_SLOT, .repo = *keyring_repo(ring) };

	head_emit(b, &head);
	buf_u8(b, (uint8_t)p->kind);
	buf_u8(b, (uint8_t)role);
	buf_u16(b, 0);
	buf_u32(b, p->ops);
	buf_u64(b, p->mem_bytes);
	buf_bytes(b, salt, SALT16);
	buf_u32(b, (uint32_t)(secrets + AEAD_TAG_BYTES));
	buf_u32(b, (uint32_t)(record + AEAD_TAG_BYTES));
}

/* Emits into an empty buffer, all of it or nothing useful. */
static int
emit(struct buf *out, const struct keyring *ring, const struct slot_params *p,
    const struct secret *secret, const struct slot_record *record,
    struct err *e)
{
	uint8_t key[KEY_BYTES], rkey[KEY_BYTES], salt[SALT16];
	uint8_t secrets[PUT_ONLY_MOST], sealed[PUT_ONLY_MOST + 16];
	uint8_t sealed_record[RECORD_MOST + AEAD_TAG_BYTES];
	struct buf rec = BUF_INIT;
	size_t len = 0;
	int r = -1;

	slot_record_emit(&rec, record);
	rnd_bytes(salt, sizeof(salt));
	if (buf_ok(&rec, e) < 0 ||
	    secrets_emit(secrets, &len, ring, record, e) < 0)
		goto out;
	fixed_emit(out, ring, p, record->role, salt, len, rec.len);
	if (buf_ok(out, e) < 0 || slot_key(key, p, secret, salt, e) < 0)
		goto out;
	aead_seal(sealed, key, 0, out->data, FIXED_BYTES, secrets, len);
	if (record_key(rkey, ring, salt, sealed, len + AEAD_TAG_BYTES, e) < 0)
		goto out;
	aead_seal(sealed_record, rkey, 0, out->data, FIXED_BYTES, rec.data,
	    rec.len);
	buf_bytes(out, sealed, len + AEAD_TAG_BYTES);
	buf_bytes(out, sealed_record, rec.len + AEAD_TAG_BYTES);
	r = buf_ok(out, e);
out:
	sodium_memzero(key, sizeof(key));
	sodium_memzero(rkey, sizeof(rkey));
	sodium_memzero(secrets, sizeof(secrets));
	buf_wipe(&rec);
	return (r);
}

int
slot_emit(struct buf *out, const struct keyring *ring,
    const struct slot_params *p, const struct secret *secret,
    const struct slot_record *record, struct err *e)
{
	struct buf b = BUF_INIT;
	int r;

	if (!params_are_good(p))
		return (err_set(e, ERR_LIMIT,
		    "Argon2id takes 1 to %u passes and 8 KiB to 4 GiB",
		    SLOT_OPS_MAX));
	if (secret->len == 0)
		return (err_set(e, ERR_USAGE, "an empty secret protects "
		    "nothing"));
	if (record_check(record, e) < 0)
		return (-1);
	r = emit(&b, ring, p, secret, record, e);
	if (r == 0) {
		buf_bytes(out, b.data, b.len);
		r = buf_ok(out, e);
	}
	buf_fini(&b);
	return (r);
}

/* A slot taken apart; the views are borrowed from the object. */
struct slot {
	struct slot_params params;
	enum key_role role;
	const uint8_t *salt;
	const uint8_t *secrets;
	size_t secrets_len;		/* tag counted */
	const uint8_t *record;
	size_t record_len;		/* tag counted */
};

static int
parse(struct slot *s, const void *object, size_t len,
    const struct repo_id *repo, struct err *e)
{
	static const enum object_kind kind = OBJECT_SLOT;
	struct head head;
	struct rd r;
	uint8_t how, role;
	size_t least, most;

	rd_init(&r, object, len);
	if (head_parse(&head, &r, &kind, repo, e) < 0)
		return (-1);
	how = rd_u8(&r);
	role = rd_u8(&r);
	rd_zeros(&r, 2);
	s->params.kind = (enum slot_kind)how;
	s->params.ops = rd_u32(&r);
	s->params.mem_bytes = rd_u64(&r);
	s->salt = rd_view(&r, SALT16);
	s->secrets_len = rd_u32(&r);
	s->record_len = rd_u32(&r);
	s->secrets = rd_view(&r, s->secrets_len);
	s->record = rd_view(&r, s->record_len);
	if (!rd_end(&r) || head.domain != 0 || head.writer != 0 ||
	    role > ROLE_PUT_ONLY || !params_are_good(&s->params))
		return (err_set(e, ERR_CORRUPT, "the key slot makes no sense"));
	s->role = (enum key_role)role;
	least = role == ROLE_FULL ? FULL_BYTES : PUT_ONLY_LEAST;
	most = role == ROLE_FULL ? FULL_BYTES : PUT_ONLY_MOST;
	if (s->secrets_len < least + AEAD_TAG_BYTES ||
	    s->secrets_len > most + AEAD_TAG_BYTES ||
	    s->record_len < RECORD_LEAST + AEAD_TAG_BYTES ||
	    s->record_len > RECORD_MOST + AEAD_TAG_BYTES)
		return (err_set(e, ERR_CORRUPT,
		    "the key slot's lengths make no sense"));
	return (0);
}

int
slot_kind_of(const void *object, size_t len, const struct repo_id *repo,
    enum slot_kind *kind, struct slot_params *params, struct err *e)
{
	struct slot s;

	if (parse(&s, object, len, repo, e) < 0)
		return (-1);
	*kind = s.params.kind;
	*params = s.params;
	return (0);
}

/* A text without NUL bytes, so that what is read is what was written. */
static void
text_parse(char *dst, size_t max, struct rd *r)
{
	uint16_t n = rd_u16(r);

	if (n > max)
		r->bad = true;
	if (r->bad)
		n = 0;
	rd_bytes(r, dst, n);
	if (memchr(dst, '\0', n) != NULL)
		r->bad = true;
	dst[n] = '\0';
}

/* A keyring from the opened secrets. */
static int
ring_of(struct keyring **out, const struct slot *s, const uint8_t *plain,
    const struct repo_id *repo, struct err *e)
{
	struct put_only_secrets p;
	struct rd r;
	int rv;

	if (s->role == ROLE_FULL)
		return (keyring_new_full(out, repo, plain, e));
	rd_init(&r, plain, s->secrets_len - AEAD_TAG_BYTES);
	p.writer = rd_u32(&r);
	p.domain = rd_u32(&r);
	rd_bytes(&r, p.writer_key, KEY_BYTES);
	rd_bytes(&r, p.domain_secret, KEY_BYTES);
	rd_bytes(&r, p.public_key, sizeof(p.public_key));
	text_parse(p.host, SLOT_HOST_MAX, &r);
	if (!rd_end(&r) || p.host[0] == '\0')
		rv = err_set(e, ERR_CORRUPT,
		    "the key slot's secrets make no sense");
	else
		rv = keyring_new_put_only(out, repo, &p, e);
	sodium_memzero(&p, sizeof(p));
	return (rv);
}

int
slot_unlock(struct keyring **out, const void *object, size_t len,
    const struct repo_id *repo, enum slot_kind kind,
    const struct secret *secret, struct err *e)
{
	uint8_t key[KEY_BYTES], plain[PUT_ONLY_MOST];
	struct slot s;
	int r;

	if (parse(&s, object, len, repo, e) < 0)
		return (-1);
	if (s.params.kind != kind)
		return (SLOT_NO_MATCH);
	if (slot_key(key, &s.params, secret, s.salt, e) < 0)
		return (-1);
	r = SLOT_NO_MATCH;
	if (aead_open(plain, key, 0, object, FIXED_BYTES, s.secrets,
	    s.secrets_len) == 0)
		r = ring_of(out, &s, plain, repo, e);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(plain, sizeof(plain));
	return (r);
}

void
slot_record_parse(struct slot_record *rec, struct rd *r)
{
	rec->role = (enum key_role)rd_u8(r);
	rec->writer = rd_u32(r);
	rec->domain = rd_u32(r);
	stamp_parse(&rec->created, r);
	text_parse(rec->host, SLOT_HOST_MAX, r);
	text_parse(rec->label, SLOT_LABEL_MAX, r);
	if ((rec->role == ROLE_FULL) != (rec->writer == 0))
		r->bad = true;
}

int
slot_record_open(struct slot_record *out, const void *object, size_t len,
    const struct keyring *ring, struct err *e)
{
	uint8_t key[KEY_BYTES], plain[RECORD_MOST];
	struct slot_record rec;
	struct slot s;
	struct rd r;
	int opened;

	if (parse(&s, object, len, keyring_repo(ring), e) < 0 ||
	    record_key(key, ring, s.salt, s.secrets, s.secrets_len, e) < 0)
		return (-1);
	opened = aead_open(plain, key, 0, object, FIXED_BYTES, s.record,
	    s.record_len);
	sodium_memzero(key, sizeof(key));
	if (opened != 0)
		return (err_set(e, ERR_CORRUPT,
		    "forged or damaged: the key slot's record doesn't open"));
	rd_init(&r, plain, s.record_len - AEAD_TAG_BYTES);
	slot_record_parse(&rec, &r);
	if (!rd_end(&r) || rec.role != s.role)
		return (err_set(e, ERR_CORRUPT,
		    "the key slot's record makes no sense"));
	*out = rec;
	return (0);
}
