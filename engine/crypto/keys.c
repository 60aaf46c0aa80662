/*
 * The key hierarchy and session keys.  A keyring holds the roots only (the
 * master, or a put-only writer's few keys); everything else is derived when
 * asked for, which takes a microsecond.  Its pages are locked, guarded and
 * read-only once it is made.
 */
#include "engine/crypto/keys.h"

#include <sodium.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/crypto/rnd.h"

struct keyring {
	enum key_role role;
	struct repo_id repo;
	uint32_t writer;
	uint32_t domain;
	uint8_t public_key[32];
	uint8_t master[KEY_BYTES];		/* full only */
	uint8_t secret_key[32];			/* full only: X25519 */
	uint8_t writer_key[KEY_BYTES];		/* put-only only */
	uint8_t domain_secret[KEY_BYTES];	/* put-only only */
	char host[KEYRING_HOST_MAX + 1];	/* put-only only */
};

static struct keyring *
ring_alloc(const struct repo_id *repo, struct err *e)
{
	struct keyring *k;

	crypto_init();
	k = sodium_malloc(sizeof(*k));
	if (k == NULL) {
		(void)err_set(e, ERR_NOMEM, "no memory for keys");
		return (NULL);
	}
	memset(k, 0, sizeof(*k));
	k->repo = *repo;
	return (k);
}

int
keyring_new_full(struct keyring **out, const struct repo_id *repo,
    const uint8_t master[KEY_BYTES], struct err *e)
{
	struct keyring *k = ring_alloc(repo, e);

	if (k == NULL)
		return (-1);
	k->role = ROLE_FULL;
	memcpy(k->master, master, KEY_BYTES);
	derive(k->secret_key, master, "x25519", NULL, 0);
	(void)crypto_scalarmult_base(k->public_key, k->secret_key);
	(void)sodium_mprotect_readonly(k);
	*out = k;
	return (0);
}

int
keyring_new_put_only(struct keyring **out, const struct repo_id *repo,
    const struct put_only_secrets *s, struct err *e)
{
	struct keyring *k;

	if (s->writer == 0)
		return (err_set(e, ERR_CORRUPT,
		    "a put-only key with writer number 0"));
	k = ring_alloc(repo, e);
	if (k == NULL)
		return (-1);
	k->role = ROLE_PUT_ONLY;
	k->writer = s->writer;
	k->domain = s->domain;
	memcpy(k->public_key, s->public_key, sizeof(k->public_key));
	memcpy(k->writer_key, s->writer_key, KEY_BYTES);
	memcpy(k->domain_secret, s->domain_secret, KEY_BYTES);
	memcpy(k->host, s->host, sizeof(k->host));
	k->host[KEYRING_HOST_MAX] = '\0';
	(void)sodium_mprotect_readonly(k);
	*out = k;
	return (0);
}

void
keyring_free(struct keyring *k)
{
	sodium_free(k);
}

enum key_role
keyring_role(const struct keyring *k)
{
	return (k->role);
}

const struct repo_id *
keyring_repo(const struct keyring *k)
{
	return (&k->repo);
}

uint32_t
keyring_writer(const struct keyring *k)
{
	return (k->writer);
}

uint32_t
keyring_domain(const struct keyring *k)
{
	return (k->domain);
}

const uint8_t *
keyring_public_key(const struct keyring *k)
{
	return (k->public_key);
}

const char *
keyring_host(const struct keyring *k)
{
	return (k->host);
}

const uint8_t *
keyring_master(const struct keyring *k)
{
	return (k->role == ROLE_FULL ? k->master : NULL);
}

static void
derive_u32(uint8_t out[KEY_BYTES], const uint8_t key[KEY_BYTES],
    const char *label, uint32_t number)
{
	uint8_t le[4];

	le_put32(le, number);
	derive(out, key, label, le, sizeof(le));
}

int
keyring_writer_key(const struct keyring *k, uint32_t writer,
    uint8_t out[KEY_BYTES], struct err *e)
{
	if (k->role == ROLE_FULL) {
		derive_u32(out, k->master, "writer", writer);
		return (0);
	}
	if (writer != k->writer)
		return (err_set(e, ERR_AUTH, "the put-only key of writer %u "
		    "can't check writer %u", k->writer, writer));
	memcpy(out, k->writer_key, KEY_BYTES);
	return (0);
}

int
keyring_mac(const struct keyring *k, uint32_t writer, const char *label,
    const void *bytes, size_t len, uint8_t out[HASH_BYTES], struct err *e)
{
	uint8_t key[KEY_BYTES];

	if (keyring_writer_key(k, writer, key, e) < 0)
		return (-1);
	derive(out, key, label, bytes, len);
	sodium_memzero(key, sizeof(key));
	return (0);
}

int
keyring_mac_check(const struct keyring *k, uint32_t writer, const char *label,
    const void *bytes, size_t len, const uint8_t mac[HASH_BYTES],
    struct err *e)
{
	uint8_t own[HASH_BYTES];

	if (keyring_mac(k, writer, label, bytes, len, own, e) < 0)
		return (-1);
	if (mac_compare(own, mac) != 0)
		return (err_set(e, ERR_CORRUPT, "forged or damaged: the MAC "
		    "of writer %u doesn't hold", writer));
	return (0);
}

static int
domain_key(const struct keyring *k, uint32_t domain, const char *label,
    uint8_t out[KEY_BYTES], struct err *e)
{
	uint8_t secret[KEY_BYTES];

	if (k->role == ROLE_FULL) {
		derive_u32(secret, k->master, "domain", domain);
	} else {
		if (domain != k->domain)
			return (err_set(e, ERR_AUTH, "the put-only key of "
			    "domain %u has no key for domain %u", k->domain,
			    domain));
		memcpy(secret, k->domain_secret, KEY_BYTES);
	}
	derive(out, secret, label, NULL, 0);
	sodium_memzero(secret, sizeof(secret));
	return (0);
}

int
keyring_domain_id_key(const struct keyring *k, uint32_t domain,
    uint8_t out[KEY_BYTES], struct err *e)
{
	return (domain_key(k, domain, "id", out, e));
}

int
keyring_domain_chunker_key(const struct keyring *k, uint32_t domain,
    uint8_t out[KEY_BYTES], struct err *e)
{
	return (domain_key(k, domain, "chunker", out, e));
}

int
keyring_domain_table_key(const struct keyring *k, uint32_t domain,
    uint8_t out[KEY_BYTES], struct err *e)
{
	return (domain_key(k, domain, "table", out, e));
}

static int
need_full(const struct keyring *k, struct err *e)
{
	if (k->role != ROLE_FULL)
		return (err_set(e, ERR_AUTH,
		    "a put-only key can't do that: it needs a full key"));
	return (0);
}

int
keyring_subkey(const struct keyring *k, const char *label,
    uint8_t out[KEY_BYTES], struct err *e)
{
	if (need_full(k, e) < 0)
		return (-1);
	derive(out, k->master, label, NULL, 0);
	return (0);
}

int
keyring_put_only(const struct keyring *k, uint32_t writer, uint32_t domain,
    struct put_only_secrets *out, struct err *e)
{
	if (need_full(k, e) < 0)
		return (-1);
	if (writer == 0)
		return (err_set(e, ERR_USAGE,
		    "a put-only writer's number is above 0"));
	out->writer = writer;
	out->domain = domain;
	derive_u32(out->writer_key, k->master, "writer", writer);
	derive_u32(out->domain_secret, k->master, "domain", domain);
	memcpy(out->public_key, k->public_key, sizeof(out->public_key));
	memset(out->host, 0, sizeof(out->host));
	return (0);
}

static void
session_derive(const struct keyring *k, const struct run_id *run,
    const uint8_t salt[SALT_BYTES], uint8_t key[KEY_BYTES])
{
	uint8_t wrap_key[KEY_BYTES];
	uint8_t info[RUN_BYTES + SALT_BYTES];

	memcpy(info, run->b, RUN_BYTES);
	memcpy(info + RUN_BYTES, salt, SALT_BYTES);
	derive(wrap_key, k->master, "wrap", NULL, 0);
	derive(key, wrap_key, "session", info, sizeof(info));
	sodium_memzero(wrap_key, sizeof(wrap_key));
}

/*
 * crypto_box_seal(), but with the ephemeral key from our own random source, so
 * that a test build can repeat it.
 */
static int
box_seal(uint8_t dst[WRAP_BYTES], const uint8_t key[KEY_BYTES],
    const uint8_t public_key[32], struct err *e)
{
	uint8_t secret[32], nonce[crypto_box_NONCEBYTES];
	crypto_generichash_state st;
	int r;

	rnd_bytes(secret, sizeof(secret));
	(void)crypto_scalarmult_base(dst, secret);
	(void)crypto_generichash_init(&st, NULL, 0, sizeof(nonce));
	(void)crypto_generichash_update(&st, dst, 32);
	(void)crypto_generichash_update(&st, public_key, 32);
	(void)crypto_generichash_final(&st, nonce, sizeof(nonce));
	r = crypto_box_easy(dst + 32, key, KEY_BYTES, nonce, public_key,
	    secret);
	sodium_memzero(secret, sizeof(secret));
	if (r != 0)
		return (err_set(e, ERR_CORRUPT,
		    "the repository's public key is no X25519 key"));
	return (0);
}

int
session_key_new(const struct keyring *k, const struct run_id *run,
    const uint8_t salt[SALT_BYTES], struct wrap *out,
    uint8_t key[KEY_BYTES], struct err *e)
{
	struct wrap wrap = { 0 };

	if (k->role == ROLE_FULL) {
		wrap.kind = WRAP_DERIVED;
		session_derive(k, run, salt, key);
	} else {
		uint8_t fresh[KEY_BYTES];

		wrap.kind = WRAP_SEALED;
		rnd_bytes(fresh, sizeof(fresh));
		if (box_seal(wrap.bytes, fresh, k->public_key, e) < 0) {
			sodium_memzero(fresh, sizeof(fresh));
			return (-1);
		}
		memcpy(key, fresh, KEY_BYTES);
		sodium_memzero(fresh, sizeof(fresh));
	}
	*out = wrap;
	return (0);
}

int
session_key_open(const struct keyring *k, const struct run_id *run,
    const uint8_t salt[SALT_BYTES], const struct wrap *wrap,
    uint8_t key[KEY_BYTES], struct err *e)
{
	if (k->role != ROLE_FULL)
		return (err_set(e, ERR_AUTH,
		    "a put-only key can't read what is stored"));
	switch (wrap->kind) {
	case WRAP_DERIVED:
		if (!sodium_is_zero(wrap->bytes, WRAP_BYTES))
			return (err_set(e, ERR_CORRUPT,
			    "a derived session key with wrapped bytes"));
		session_derive(k, run, salt, key);
		return (0);
	case WRAP_SEALED:
		if (crypto_box_seal_open(key, wrap->bytes, WRAP_BYTES,
		    k->public_key, k->secret_key) != 0)
			return (err_set(e, ERR_CORRUPT,
			    "the wrapped session key doesn't open"));
		return (0);
	default:
		return (err_set(e, ERR_CORRUPT,
		    "session key wrapped in an unknown way (%u)", wrap->kind));
	}
}

void
salt_new(uint8_t out[SALT_BYTES], const struct run_id *run, uint64_t counter,
    const void *mix, size_t mix_len)
{
	struct stamp now = clock_wall();
	uint8_t head[32 + RUN_BYTES + 8 + 8 + 4];
	struct hash h;

	rnd_bytes(head, 32);
	memcpy(head + 32, run->b, RUN_BYTES);
	le_put64(head + 48, counter);
	le_put64(head + 56, (uint64_t)now.s);
	le_put32(head + 64, now.ns);
	hash_init(&h);
	hash_update(&h, head, sizeof(head));
	hash_update(&h, mix, mix_len);
	hash_final(&h, out);
}
