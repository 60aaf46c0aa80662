/* Key slots: opened against slots made elsewhere (vectors.py), round trips for
 * both roles and both kinds, and every flipped bit and missing byte noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "engine/crypto/slot.h"
#include "tests/unit/vectors.h"

static uint8_t master[32], key_file[40];
static struct repo_id repo;

static const struct slot_params cheap = { SLOT_PASSPHRASE, 1, 8192 };
static const struct slot_params by_file = { SLOT_KEY_FILE, 0, 0 };

static int
setup(void **state)
{
	for (int i = 0; i < 32; i++)
		master[i] = (uint8_t)i;
	for (int i = 0; i < 40; i++)
		key_file[i] = (uint8_t)(i + 1);
	for (int i = 0; i < 16; i++)
		repo.b[i] = (uint8_t)(100 + i);
	return (0);
}

static struct secret
secret(const void *bytes, size_t len)
{
	struct err e = ERR_INIT;
	struct secret s;

	assert_int_equal(secret_copy(&s, bytes, len, &e), 0);
	return (s);
}

static struct keyring *
full(void)
{
	struct err e = ERR_INIT;
	struct keyring *k;

	assert_int_equal(keyring_new_full(&k, &repo, master, &e), 0);
	return (k);
}

static void
check_vector(const uint8_t *object, size_t len, enum slot_kind kind,
    const void *bytes, size_t n)
{
	struct secret s = secret(bytes, n), wrong = secret("another secret..",
	    16);
	struct err e = ERR_INIT;
	struct keyring *k;
	struct slot_record rec;

	assert_int_equal(slot_unlock(&k, object, len, &repo, kind, &wrong, &e),
	    SLOT_NO_MATCH);
	assert_int_equal(slot_unlock(&k, object, len, &repo,
	    kind == SLOT_KEY_FILE ? SLOT_PASSPHRASE : SLOT_KEY_FILE, &s, &e),
	    SLOT_NO_MATCH);
	assert_int_equal(slot_unlock(&k, object, len, &repo, kind, &s, &e), 0);
	assert_memory_equal(keyring_master(k), master, 32);
	assert_int_equal(slot_record_open(&rec, object, len, k, &e), 0);
	assert_int_equal(rec.role, ROLE_FULL);
	assert_int_equal(rec.created.s, 1234567890);
	assert_int_equal(rec.created.ns, 42);
	assert_string_equal(rec.label, "first");
	assert_string_equal(rec.host, "");
	keyring_free(k);
	secret_fini(&s);
	secret_fini(&wrong);
}

static void
test_vectors(void **state)
{
	check_vector(v_slot, sizeof(v_slot), SLOT_KEY_FILE, key_file, 40);
	check_vector(v_slot_pass, sizeof(v_slot_pass), SLOT_PASSPHRASE,
	    "correct horse", 13);
}

static void
test_round_trip(void **state)
{
	struct slot_record rec = { .role = ROLE_PUT_ONLY, .writer = 77,
	    .domain = 78, .created = { -5, 7 }, .host = "laptop" }, got;
	struct secret s = secret("pass", 4);
	struct keyring *k = full(), *w;
	struct put_only_secrets p;
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	struct slot_params params;
	enum slot_kind kind;
	uint8_t key[32], want[32];

	memset(rec.label, 'x', SLOT_LABEL_MAX);
	assert_int_equal(slot_emit(&b, k, &cheap, &s, &rec, &e), 0);
	assert_true(b.len <= SLOT_OBJECT_MAX);
	assert_int_equal(slot_kind_of(b.data, b.len, &repo, &kind, &params,
	    &e), 0);
	assert_int_equal(kind, SLOT_PASSPHRASE);
	assert_int_equal(params.mem_bytes, 8192);
	assert_int_equal(slot_unlock(&w, b.data, b.len, &repo, kind, &s, &e),
	    0);
	assert_int_equal(keyring_role(w), ROLE_PUT_ONLY);
	assert_int_equal(keyring_writer(w), 77);
	assert_int_equal(keyring_domain(w), 78);
	assert_string_equal(keyring_host(w), "laptop");
	assert_string_equal(keyring_host(k), "");
	assert_int_equal(keyring_put_only(k, 77, 78, &p, &e), 0);
	assert_memory_equal(keyring_public_key(w), p.public_key, 32);
	assert_int_equal(keyring_domain_id_key(w, 78, key, &e), 0);
	assert_int_equal(keyring_domain_id_key(k, 78, want, &e), 0);
	assert_memory_equal(key, want, 32);
	assert_int_equal(slot_record_open(&got, b.data, b.len, w, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	assert_int_equal(slot_record_open(&got, b.data, b.len, k, &e), 0);
	assert_int_equal(got.writer, 77);
	assert_int_equal(got.domain, 78);
	assert_int_equal(got.created.s, -5);
	assert_string_equal(got.host, "laptop");
	assert_string_equal(got.label, rec.label);
	/* Two slots of one secret share nothing. */
	struct buf b2 = BUF_INIT;
	assert_int_equal(slot_emit(&b2, k, &cheap, &s, &rec, &e), 0);
	assert_int_equal(b2.len, b.len);
	assert_memory_not_equal(b.data + 48, b2.data + 48, 16);
	/* A put-only key makes no keys. */
	assert_int_equal(slot_emit(&b2, w, &cheap, &s, &rec, &e), -1);
	assert_int_equal(e.code, ERR_AUTH);
	buf_fini(&b);
	buf_fini(&b2);
	keyring_free(k);
	keyring_free(w);
	secret_fini(&s);
}

static void
test_flips(void **state)
{
	struct secret s = secret(key_file, 40);
	struct keyring *k = full(), *got = NULL;
	uint8_t bad[sizeof(v_slot) + 1];
	struct slot_record rec;
	struct err e = ERR_INIT;

	for (size_t bit = 0; bit < sizeof(v_slot) * 8; bit++) {
		memcpy(bad, v_slot, sizeof(v_slot));
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		int u = slot_unlock(&got, bad, sizeof(v_slot), &repo,
		    SLOT_KEY_FILE, &s, &e);
		int r = slot_record_open(&rec, bad, sizeof(v_slot), k, &e);
		assert_int_equal(r, -1);
		/* The record alone may be damaged: the key still opens. */
		if (bit / 8 < 72 + 48) {
			assert_int_not_equal(u, 0);
		} else {
			assert_int_equal(u, 0);
			keyring_free(got);
		}
	}
	for (size_t n = 0; n < sizeof(v_slot); n++) {
		memcpy(bad, v_slot, n);
		assert_int_equal(slot_unlock(&got, bad, n, &repo,
		    SLOT_KEY_FILE, &s, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
	}
	memcpy(bad, v_slot, sizeof(v_slot));
	bad[sizeof(v_slot)] = 0;
	assert_int_equal(slot_unlock(&got, bad, sizeof(bad), &repo,
	    SLOT_KEY_FILE, &s, &e), -1);
	keyring_free(k);
	secret_fini(&s);
}

/* Refused before Argon2id is run: the last would take hours. */
static void
test_limits(void **state)
{
	struct secret s = secret("correct horse", 13), none = secret("", 0);
	struct slot_record rec = { .role = ROLE_FULL };
	struct slot_params p = cheap;
	struct keyring *k = full(), *got;
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	uint8_t bad[sizeof(v_slot_pass)];
	static const uint64_t mems[] = { 0, 1024, 8193, (4ULL << 30) + 1024,
	    UINT64_MAX };
	static const uint32_t ops[] = { 0, 65, UINT32_MAX };

	for (size_t i = 0; i < sizeof(mems) / sizeof(*mems); i++) {
		memcpy(bad, v_slot_pass, sizeof(bad));
		le_put64(bad + 40, mems[i]);
		assert_int_equal(slot_unlock(&got, bad, sizeof(bad), &repo,
		    SLOT_PASSPHRASE, &s, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
		p.mem_bytes = mems[i];
		assert_int_equal(slot_emit(&b, k, &p, &s, &rec, &e), -1);
		assert_int_equal(e.code, ERR_LIMIT);
	}
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		memcpy(bad, v_slot_pass, sizeof(bad));
		le_put32(bad + 36, ops[i]);
		assert_int_equal(slot_unlock(&got, bad, sizeof(bad), &repo,
		    SLOT_PASSPHRASE, &s, &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
	}
	memcpy(bad, v_slot_pass, sizeof(bad));
	bad[5] = 2;
	assert_int_equal(slot_unlock(&got, bad, sizeof(bad), &repo,
	    SLOT_PASSPHRASE, &s, &e), -1);
	assert_int_equal(e.code, ERR_VERSION);
	assert_int_equal(slot_emit(&b, k, &cheap, &none, &rec, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_int_equal(slot_emit(&b, k, &by_file, &s, &rec, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	rec.writer = 3;
	assert_int_equal(slot_emit(&b, k, &cheap, &s, &rec, &e), -1);
	rec.role = ROLE_PUT_ONLY;
	assert_int_equal(slot_emit(&b, k, &cheap, &s, &rec, &e), -1);
	assert_int_equal(b.len, 0);
	p = slot_params_default(SLOT_PASSPHRASE);
	assert_int_equal(p.ops, 3);
	assert_int_equal(p.mem_bytes, 64 << 20);
	buf_fini(&b);
	keyring_free(k);
	secret_fini(&s);
	secret_fini(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_limits),
	};

	return (cmocka_run_group_tests(tests, setup, NULL));
}
