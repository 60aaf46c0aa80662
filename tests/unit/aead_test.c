/*
 * Seals while libcrypto finds no memory: libsodium makes and opens the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#ifdef HAVE_LIBCRYPTO
#include <openssl/crypto.h>
#endif

#include "engine/crypto/aead.h"

#define LEN	1000

static bool no_memory;

#ifdef HAVE_LIBCRYPTO
static unsigned refused;

static void *
get(size_t n, const char *file, int line)
{
	refused += no_memory;
	return (no_memory ? NULL : malloc(n));
}

static void *
resize(void *p, size_t n, const char *file, int line)
{
	refused += no_memory;
	return (no_memory ? NULL : realloc(p, n));
}

static void
let_go(void *p, const char *file, int line)
{
	free(p);
}
#endif

static void
test_no_memory(void **state)
{
	uint8_t key[KEY_BYTES] = { 1 }, plain[LEN], want[LEN + AEAD_TAG_BYTES];
	uint8_t have[LEN + AEAD_TAG_BYTES], back[LEN];

	memset(plain, 'p', sizeof(plain));
	aead_seal(want, key, 7, "ad", 2, plain, LEN);
	no_memory = true;
	aead_seal(have, key, 7, "ad", 2, plain, LEN);
	assert_memory_equal(have, want, sizeof(want));
	memcpy(have, plain, LEN);
	aead_seal(have, key, 7, "ad", 2, have, LEN);
	assert_memory_equal(have, want, sizeof(want));
	assert_int_equal(aead_open(back, key, 7, "ad", 2, want, sizeof(want)),
	    0);
	assert_memory_equal(back, plain, LEN);
	/* And it is no reason to open what is forged. */
	have[0] ^= 1;
	assert_int_equal(aead_open(back, key, 7, "ad", 2, have, sizeof(have)),
	    -1);
	no_memory = false;
	assert_int_equal(aead_open(back, key, 7, "ad", 2, want, sizeof(want)),
	    0);
#ifdef HAVE_LIBCRYPTO
	assert_true(refused >= 4);
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory),
	};

#ifdef HAVE_LIBCRYPTO
	/* Before it takes any. */
	if (CRYPTO_set_mem_functions(get, resize, let_go) != 1)
		return (1);
#endif
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
