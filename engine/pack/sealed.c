/*
 * Sealed objects: small authenticated, encrypted, padded records that stand by
 * themselves (manifests and their like).  The MAC says which writer made it,
 * the seal that it is whole and secret; both are needed, because sealing to the
 * repository's public key proves nothing about who did it.
 */
#include "engine/crypto/aead.h"
#include "engine/pack/object.h"

#define MAC_AT		176
#define FIXED_BYTES	208	/* all that stands in front of the body */
#define BODY_EXTRA	(4 + AEAD_TAG_BYTES)

static void
body_key_of(uint8_t out[KEY_BYTES], const uint8_t session_key[KEY_BYTES],
    const struct head *head, const uint8_t salt[SALT_BYTES])
{
	uint8_t c[16 + 4 + 1 + SALT_BYTES];

	memcpy(c, head->repo.b, 16);
	le_put32(c + 16, head->domain);
	c[20] = head->kind;
	memcpy(c + 21, salt, SALT_BYTES);
	derive(out, session_key, "body", c, sizeof(c));
}

/* Everything in front of the body, MAC included. */
static int
emit_fixed(struct buf *out, const struct keyring *ring,
    const struct head *head, const struct run_id *run,
    const uint8_t salt[SALT_BYTES], const struct wrap *wrap, uint64_t body,
    struct err *e)
{
	uint8_t mac[HASH_BYTES];
	size_t start = out->len;

	head_emit(out, head);
	buf_bytes(out, run->b, RUN_BYTES);
	buf_bytes(out, salt, SALT_BYTES);
	buf_u8(out, wrap->kind);
	buf_zeros(out, 7);
	buf_bytes(out, wrap->bytes, WRAP_BYTES);
	buf_u64(out, body);
	if (buf_ok(out, e) < 0 || keyring_mac(ring, head->writer, "object",
	    out->data + start, MAC_AT, mac, e) < 0)
		return (-1);
	buf_bytes(out, mac, sizeof(mac));
	return (buf_ok(out, e));
}

int
sealed_emit(struct buf *out, const struct keyring *ring, enum object_kind kind,
    const struct run_id *run, uint64_t counter, const struct buf *content,
    struct err *e)
{
	struct head head = { .kind = (uint8_t)kind, .repo = *keyring_repo(ring),
	    .domain = keyring_domain(ring), .writer = keyring_writer(ring) };
	uint8_t salt[SALT_BYTES], key[KEY_BYTES], body_key[KEY_BYTES];
	struct wrap wrap;
	size_t start = out->len, size;
	uint8_t *p;
	int r = -1;

	if (content->len > SEALED_MAX - FIXED_BYTES - BODY_EXTRA)
		return (err_set(e, ERR_LIMIT, "it would be larger than %u MiB",
		    SEALED_MAX >> 20));
	size = (size_t)padme(FIXED_BYTES + BODY_EXTRA + content->len);
	salt_new(salt, run, counter, content->data, content->len);
	if (session_key_new(ring, run, salt, &wrap, key, e) < 0)
		return (-1);
	body_key_of(body_key, key, &head, salt);
	if (emit_fixed(out, ring, &head, run, salt, &wrap, size - FIXED_BYTES,
	    e) < 0)
		goto out;
	p = buf_grow(out, size - FIXED_BYTES);
	if (p == NULL) {
		(void)buf_ok(out, e);
		goto out;
	}
	memset(p, 0, size - FIXED_BYTES);
	le_put32(p, (uint32_t)content->len);
	if (content->len > 0)
		memcpy(p + 4, content->data, content->len);
	aead_seal(p, body_key, 0, out->data + start, FIXED_BYTES, p,
	    size - FIXED_BYTES - AEAD_TAG_BYTES);
	r = 0;
out:
	sodium_memzero(key, sizeof(key));
	sodium_memzero(body_key, sizeof(body_key));
	return (r);
}

struct fixed {
	struct sealed sealed;
	uint8_t salt[SALT_BYTES];
	struct wrap wrap;
};

static int
parse_fixed(struct fixed *f, const struct keyring *ring, enum object_kind kind,
    const uint8_t *object, size_t len, struct err *e)
{
	uint8_t mac[HASH_BYTES];
	uint64_t body;
	struct rd r;

	rd_init(&r, object, len);
	if (head_parse(&f->sealed.head, &r, &kind, keyring_repo(ring), e) < 0)
		return (-1);
	rd_bytes(&r, f->sealed.run.b, RUN_BYTES);
	rd_bytes(&r, f->salt, SALT_BYTES);
	f->wrap.kind = rd_u8(&r);
	rd_zeros(&r, 7);
	rd_bytes(&r, f->wrap.bytes, WRAP_BYTES);
	body = rd_u64(&r);
	rd_bytes(&r, mac, sizeof(mac));
	if (r.bad || len > SEALED_MAX || body != rd_left(&r) ||
	    body < BODY_EXTRA || padme(len) != len ||
	    f->wrap.kind != wrap_kind_of(f->sealed.head.writer))
		return (err_set(e, ERR_CORRUPT, "its head makes no sense"));
	return (keyring_mac_check(ring, f->sealed.head.writer, "object",
	    object, MAC_AT, mac, e));
}

/* What the seal held: length, content, zeros up to the padded size. */
static int
parse_body(struct buf *content, const uint8_t *body, size_t len, size_t size,
    struct err *e)
{
	const uint8_t *p;
	struct rd r;
	uint32_t n;

	rd_init(&r, body, len);
	n = rd_u32(&r);
	p = rd_view(&r, n);
	rd_zeros(&r, rd_left(&r));
	if (!rd_end(&r) ||
	    padme(FIXED_BYTES + BODY_EXTRA + (uint64_t)n) != size)
		return (err_set(e, ERR_CORRUPT, "its body makes no sense"));
	buf_bytes(content, p, n);
	return (buf_ok(content, e));
}

int
sealed_open(struct sealed *out, struct buf *content,
    const struct keyring *ring, enum object_kind kind, const void *object,
    size_t len, struct err *e)
{
	uint8_t key[KEY_BYTES], body_key[KEY_BYTES];
	const uint8_t *bytes = object;
	struct buf body = BUF_INIT;
	struct fixed f;
	uint8_t *p;
	int r = -1;

	if (keyring_role(ring) != ROLE_FULL)
		return (err_set(e, ERR_AUTH,
		    "a put-only key can't read what is stored"));
	if (parse_fixed(&f, ring, kind, bytes, len, e) < 0)
		return (-1);
	if (session_key_open(ring, &f.sealed.run, f.salt, &f.wrap, key, e) < 0)
		return (-1);
	body_key_of(body_key, key, &f.sealed.head, f.salt);
	sodium_memzero(key, sizeof(key));
	p = buf_grow(&body, len - FIXED_BYTES - AEAD_TAG_BYTES);
	if (p == NULL) {
		(void)buf_ok(&body, e);
		goto out;
	}
	if (aead_open(p, body_key, 0, bytes, FIXED_BYTES, bytes + FIXED_BYTES,
	    len - FIXED_BYTES) != 0) {
		(void)err_set(e, ERR_CORRUPT,
		    "forged or damaged: the seal doesn't hold");
		goto out;
	}
	if (parse_body(content, body.data, body.len, len, e) < 0)
		goto out;
	*out = f.sealed;
	r = 0;
out:
	sodium_memzero(body_key, sizeof(body_key));
	buf_wipe(&body);
	return (r);
}
