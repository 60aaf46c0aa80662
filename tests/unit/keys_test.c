/* Digests, the AEAD and the key hierarchy against answers computed elsewhere
 * (vectors.py), and what a put-only keyring must refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "engine/crypto/aead.h"
#include "engine/crypto/hash_int.h"
#include "engine/crypto/keys.h"
#include "engine/crypto/rnd.h"
#include "engine/pack/frame.h"
#include "engine/pack/object.h"
#include "tests/unit/vectors.h"

#define SAME(a, v)	assert_memory_equal((a), (v), sizeof(v))

static uint8_t master[32], salt[32];
static struct repo_id repo;
static struct run_id run;

static int
setup(void **state)
{
	for (int i = 0; i < 32; i++) {
		master[i] = (uint8_t)i;
		salt[i] = (uint8_t)(64 + i);
	}
	for (int i = 0; i < 16; i++) {
		repo.b[i] = (uint8_t)(100 + i);
		run.b[i] = (uint8_t)(200 + i);
	}
	return (0);
}

static struct keyring *
full(void)
{
	struct err e = ERR_INIT;
	struct keyring *k;

	assert_int_equal(keyring_new_full(&k, &repo, master, &e), 0);
	return (k);
}

static struct keyring *
put_only(uint32_t writer, uint32_t domain)
{
	struct err e = ERR_INIT;
	struct keyring *f = full(), *k;
	struct put_only_secrets s;

	assert_int_equal(keyring_put_only(f, writer, domain, &s, &e), 0);
	assert_int_equal(keyring_new_put_only(&k, &repo, &s, &e), 0);
	keyring_free(f);
	return (k);
}

static void
test_hash(void **state)
{
	uint8_t out[32];
	struct hash h;

	hash_bytes(out, "abc", 3);
	SAME(out, v_h_abc);
	hash_keyed(out, master, "abc", 3);
	SAME(out, v_hk_abc);
	hash_init(&h);
	hash_update(&h, "a", 1);
	hash_update(&h, "bc", 2);
	hash_final(&h, out);
	SAME(out, v_h_abc);
	derive(out, master, "header", NULL, 0);
	SAME(out, v_header);
	assert_int_equal(mac_compare(out, v_header), 0);
	out[31] ^= 1;
	assert_int_equal(mac_compare(out, v_header), -1);
}

static void
test_hierarchy(void **state)
{
	struct err e = ERR_INIT;
	struct keyring *k = full();
	struct put_only_secrets s;
	struct pack_seal seal;
	struct wrap wrap;
	uint8_t out[32];

	assert_int_equal(keyring_role(k), ROLE_FULL);
	assert_memory_equal(keyring_master(k), master, 32);
	SAME(keyring_public_key(k), v_public);
	assert_int_equal(keyring_subkey(k, "header", out, &e), 0);
	SAME(out, v_header);
	assert_int_equal(keyring_subkey(k, "registry", out, &e), 0);
	SAME(out, v_registry);
	assert_int_equal(keyring_writer_key(k, 0, out, &e), 0);
	SAME(out, v_writer_0);
	assert_int_equal(keyring_writer_key(k, 7, out, &e), 0);
	SAME(out, v_writer_7);
	assert_int_equal(keyring_domain_id_key(k, 0, out, &e), 0);
	SAME(out, v_domain_0_id);
	assert_int_equal(keyring_domain_chunker_key(k, 0, out, &e), 0);
	SAME(out, v_domain_0_chunker);
	assert_int_equal(keyring_domain_table_key(k, 0, out, &e), 0);
	SAME(out, v_domain_0_table);
	assert_int_equal(keyring_put_only(k, 7, 0x01020304, &s, &e), 0);
	SAME(s.writer_key, v_writer_7);
	SAME(s.domain_secret, v_domain_1020304);
	SAME(s.public_key, v_public);
	assert_int_equal(keyring_put_only(k, 0, 0, &s, &e), -1);
	assert_int_equal(session_key_new(k, &run, salt, &wrap, out, &e), 0);
	SAME(out, v_session);
	assert_int_equal(wrap.kind, WRAP_DERIVED);
	assert_true(sodium_is_zero(wrap.bytes, WRAP_BYTES));
	pack_seal_init(&seal, &repo, 5, OBJECT_PACK_DATA, salt, out);
	SAME(seal.frame_key, v_frame_key);
	SAME(seal.dir_key, v_dir_key);
	keyring_free(k);
}

static void
test_put_only(void **state)
{
	struct err e = ERR_INIT;
	struct keyring *k = put_only(7, 0x01020304), *f = full();
	struct wrap wrap, again;
	uint8_t out[32], back[32];
	struct put_only_secrets s;

	assert_int_equal(keyring_role(k), ROLE_PUT_ONLY);
	assert_null(keyring_master(k));
	assert_int_equal(keyring_writer_key(k, 7, out, &e), 0);
	SAME(out, v_writer_7);
	assert_int_equal(keyring_domain_id_key(k, 0x01020304, out, &e), 0);
	SAME(out, v_domain_1020304_id);
	assert_int_equal(keyring_domain_chunker_key(k, 0x01020304, out, &e), 0);
	SAME(out, v_domain_1020304_chunker);
	assert_int_equal(keyring_domain_table_key(k, 0x01020304, out, &e), 0);
	SAME(out, v_domain_1020304_table);
	assert_int_equal(keyring_writer_key(k, 0, out, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	assert_int_equal(keyring_domain_id_key(k, 0, out, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	assert_int_equal(keyring_subkey(k, "header", out, &e), -1);
	assert_int_equal(keyring_put_only(k, 8, 8, &s, &e), -1);

	assert_int_equal(session_key_new(k, &run, salt, &wrap, out, &e), 0);
	assert_int_equal(wrap.kind, WRAP_SEALED);
	assert_int_equal(session_key_new(k, &run, salt, &again, back, &e), 0);
	assert_memory_not_equal(out, back, 32);
	assert_int_equal(session_key_open(k, &run, salt, &wrap, back, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	assert_int_equal(session_key_open(f, &run, salt, &wrap, back, &e), 0);
	assert_memory_equal(out, back, 32);
	for (size_t bit = 0; bit < WRAP_BYTES * 8; bit++) {
		again = wrap;
		again.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (session_key_open(f, &run, salt, &again, back, &e) == 0) {
			/* X25519 ignores a point's top bit, but the nonce
			 * is a hash of all of them. */
			fail();
		}
		assert_int_equal(e.code, ERR_CORRUPT);
	}
	memcpy(wrap.bytes, v_wrapped, WRAP_BYTES);
	assert_int_equal(session_key_open(f, &run, salt, &wrap, back, &e), 0);
	SAME(back, v_wrapped_key);
	wrap.kind = 3;
	assert_int_equal(session_key_open(f, &run, salt, &wrap, back, &e), -1);
	wrap.kind = WRAP_DERIVED;
	assert_int_equal(session_key_open(f, &run, salt, &wrap, back, &e), -1);
	keyring_free(k);
	keyring_free(f);
}

/* One size by every way there is. */
static void
hash_both(const uint8_t *m, size_t n)
{
	uint8_t want[32], out[32];

	crypto_generichash(want, 32, m, n, master, 32);
	hash_keyed(out, master, m, n);
	assert_memory_equal(out, want, 32);
#ifdef HAVE_LIBCRYPTO
	memset(out, 0, sizeof(out));
	assert_true(hash_evp_keyed(out, master, m, n));
	assert_memory_equal(out, want, 32);
#else
	assert_false(hash_evp_keyed(out, master, m, n));
#endif
}

/* Without a key, in pieces, by the faster library and by libsodium. */
static void
long_both(const uint8_t *m, size_t n, enum hash_kind kind)
{
	struct hash_long h = { 0 };
	uint8_t want[32], out[32];

	if (kind == HASH_BLAKE2B)
		crypto_generichash(want, 32, m, n, NULL, 0);
	else
		crypto_hash_sha256(want, m, n);
	hash_long_fini(&h);
	hash_long_init(&h, kind);
	hash_long_update(&h, m, n / 3);
	hash_long_update(&h, m + n / 3, n - n / 3);
	hash_long_final(&h, out);
	assert_memory_equal(out, want, 32);
	hash_long_fini(&h);
	/* One that is given up. */
	hash_long_init(&h, kind);
	hash_long_update(&h, m, n);
	hash_long_fini(&h);
}

/* Whatever library hashes, the digest is libsodium's. */
static void
test_hash_twins(void **state)
{
	static const size_t lens[] = { 4095, 4096, 4097, 65535, 65536, 65537,
	    (1 << 20) - 1, 1 << 20 };
	uint8_t *m = malloc(1 << 20);

	assert_non_null(m);
	randombytes_buf(m, 1 << 20);
	for (size_t n = 0; n <= 1100; n++) {
		hash_both(m, n);
		long_both(m, n, HASH_BLAKE2B);
		long_both(m, n, HASH_SHA256);
	}
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		hash_both(m, lens[i]);
		long_both(m, lens[i], HASH_BLAKE2B);
		long_both(m, lens[i], HASH_SHA256);
	}
	hash_both(NULL, 0);
	free(m);
}

/* Threads with a key each: no context and no key is another's. */
static void *
hash_much(void *arg)
{
	uint8_t key[32], m[300], want[32], out[32];

	memset(key, *(int *)arg, sizeof(key));
	for (int i = 0; i < 2000; i++) {
		memset(m, i, sizeof(m));
		crypto_generichash(want, 32, m, (size_t)i % 300, key, 32);
		hash_keyed(out, key, m, (size_t)i % 300);
		if (memcmp(out, want, 32) != 0)
			return (arg);
		(void)hash_evp_keyed(out, key, m, (size_t)i % 300);
#ifdef HAVE_LIBCRYPTO
		if (memcmp(out, want, 32) != 0)
			return (arg);
#endif
	}
	return (NULL);
}

static void
test_aead_vectors(void **state)
{
	uint8_t m[200], c[216], back[216];

	for (int i = 0; i < 200; i++)
		m[i] = (uint8_t)i;
	aead_seal(c, master, 0, "associated", 10, m, sizeof(m));
	SAME(c, v_seal_0);
	aead_seal(c, master, 1, "associated", 10, m, sizeof(m));
	SAME(c, v_seal_1);
	aead_seal(c, master, 0x1122334455667788, "associated", 10, m,
	    sizeof(m));
	SAME(c, v_seal_1122334455667788);
	assert_int_equal(aead_open(back, master, 0x1122334455667788,
	    "associated", 10, c, sizeof(c)), 0);
	assert_memory_equal(back, m, sizeof(m));
	for (size_t bit = 0; bit < sizeof(c) * 8; bit++) {
		memset(back, 1, sizeof(back));
		c[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(aead_open(back, master, 0x1122334455667788,
		    "associated", 10, c, sizeof(c)), -1);
		assert_true(sodium_is_zero(back, sizeof(m)));
		c[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(aead_open(back, master, 1, "associated", 10, c,
	    sizeof(c)), -1);
	assert_int_equal(aead_open(back, master, 0x1122334455667788,
	    "associateD", 10, c, sizeof(c)), -1);
	for (size_t n = 0; n < sizeof(c); n++)
		assert_int_equal(aead_open(back, master, 0x1122334455667788,
		    "associated", 10, c, n), -1);
}

/* Whatever library seals, the bytes are libsodium's; in place or not. */
static void
test_aead_twins(void **state)
{
	static const size_t lens[] = { 0, 1, 15, 16, 17, 63, 64, 65, 255, 256,
	    257, 511, 512, 1023, 1024, 4096, 16368, 65537, 1 << 20 };
	uint8_t ad[80], nonce[12] = { 0 };
	uint8_t *m = malloc((1 << 20) + 16), *c = malloc((1 << 20) + 16);
	uint8_t *want = malloc((1 << 20) + 16);

	assert_true(m != NULL && c != NULL && want != NULL);
	randombytes_buf(m, 1 << 20);
	randombytes_buf(ad, sizeof(ad));
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		for (size_t al = 0; al < sizeof(ad); al += 20) {
			size_t n = lens[i];

			nonce[4] = (uint8_t)i;
			crypto_aead_chacha20poly1305_ietf_encrypt(want, NULL, m,
			    n, ad, al, NULL, nonce, master);
			aead_seal(c, master, i, ad, al, m, n);
			assert_memory_equal(c, want, n + 16);
			memcpy(c, m, n);
			aead_seal(c, master, i, ad, al, c, n);
			assert_memory_equal(c, want, n + 16);
			assert_int_equal(aead_open(c, master, i, ad, al, c,
			    n + 16), 0);
			assert_memory_equal(c, m, n);
		}
	}
	free(m);
	free(c);
	free(want);
}

static void *
seal_much(void *arg)
{
	uint8_t m[1000], c[1016], back[1000];

	memset(m, *(int *)arg, sizeof(m));
	for (uint64_t i = 0; i < 2000; i++) {
		aead_seal(c, master, i, "a", 1, m, sizeof(m));
		if (aead_open(back, master, i, "a", 1, c, sizeof(c)) != 0 ||
		    memcmp(m, back, sizeof(m)) != 0)
			return (arg);
	}
	return (NULL);
}

static void
in_threads(void *(*much)(void *))
{
	pthread_t t[4];
	int arg[4];

	for (int i = 0; i < 4; i++) {
		arg[i] = i;
		assert_int_equal(pthread_create(&t[i], NULL, much, &arg[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		void *bad;

		assert_int_equal(pthread_join(t[i], &bad), 0);
		assert_null(bad);
	}
}

static void
test_aead_threads(void **state)
{
	in_threads(seal_much);
}

static void
test_hash_threads(void **state)
{
	in_threads(hash_much);
}

static void
test_rnd(void **state)
{
	unsigned seen[7] = { 0 };
	uint8_t a[64], b[64];

	rnd_bytes(a, sizeof(a));
	rnd_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	for (int i = 0; i < 7000; i++)
		seen[rnd_below(7)]++;
	for (int i = 0; i < 7; i++)
		assert_true(seen[i] > 800 && seen[i] < 1200);
	assert_int_equal(rnd_below(1), 0);
}

static void
test_salt(void **state)
{
	uint8_t a[32], b[32];

	salt_new(a, &run, 1, "mix", 3);
	salt_new(b, &run, 1, "mix", 3);
	assert_memory_not_equal(a, b, 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_hash_twins),
		cmocka_unit_test(test_hash_threads),
		cmocka_unit_test(test_hierarchy),
		cmocka_unit_test(test_put_only),
		cmocka_unit_test(test_aead_vectors),
		cmocka_unit_test(test_aead_twins),
		cmocka_unit_test(test_aead_threads),
		cmocka_unit_test(test_rnd),
		cmocka_unit_test(test_salt),
	};

	return (cmocka_run_group_tests(tests, setup, NULL));
}
