/* A machine whose memory or processor is faulty: what zstd or the cipher made
 * wrong is noticed while the source is at hand, and is not stored.  Both stand
 * behind calls of ours here, one of which, when it is told to, takes or gives a
 * bit that is another. */
#include "tests/unit/put_fixture.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <zstd.h>
#ifdef HAVE_LIBCRYPTO
#include <openssl/evp.h>
#endif

#define LEN	50000
#define LARGE	4096		/* no frame is smaller here, all else is */

enum fault { NONE, SQUEEZE_IN, SQUEEZE_OUT, SEAL_IN, SEAL_OUT, COPY };
static _Atomic enum fault fault;	/* of the next call that it is for */
static _Atomic size_t squeezed;		/* the last frame's bytes */

static bool
is_now(enum fault f, size_t len)
{
	return (len >= LARGE && atomic_compare_exchange_strong(&fault, &f,
	    NONE));
}

/* A copy with another bit; the caller's. */
static uint8_t *
flipped(const void *p, size_t len)
{
	uint8_t *copy = malloc(len);

	assert_non_null(copy);
	memcpy(copy, p, len);
	copy[len / 2] ^= 1;
	return (copy);
}

size_t
ZSTD_compress2(ZSTD_CCtx *c, void *dst, size_t cap, const void *src, size_t len)
{
	size_t (*real)(ZSTD_CCtx *, void *, size_t, const void *, size_t) =
	    dlsym(RTLD_NEXT, "ZSTD_compress2");
	uint8_t *copy = is_now(SQUEEZE_IN, len) ? flipped(src, len) : NULL;
	size_t r = real(c, dst, cap, copy != NULL ? copy : src, len);

	free(copy);
	if (is_now(SQUEEZE_OUT, len))
		((uint8_t *)dst)[r / 2] ^= 1;
	atomic_store(&squeezed, r);
	return (r);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COPIES
#define HEAD_MOST	100	/* in a frame, before what was squeezed */

/* Everybody's; the fault is for the one of a squeezed frame.  (A sanitizer has
 * one of its own.) */
void *
memcpy(void *dst, const void *src, size_t len)
{
	size_t least = atomic_load(&squeezed);

	(void)memmove(dst, src, len);
	if (len > least && len < least + HEAD_MOST && is_now(COPY, len))
		((uint8_t *)dst)[len / 2] ^= 1;
	return (dst);
}
#endif

#ifdef HAVE_LIBCRYPTO
int
EVP_CipherUpdate(EVP_CIPHER_CTX *c, unsigned char *dst, int *n,
    const unsigned char *src, int len)
{
	int (*real)(EVP_CIPHER_CTX *, unsigned char *, int *,
	    const unsigned char *, int) = dlsym(RTLD_NEXT, "EVP_CipherUpdate");
	bool seals = dst != NULL && EVP_CIPHER_CTX_is_encrypting(c) == 1;
	uint8_t *copy = seals && is_now(SEAL_IN, (size_t)len) ?
	    flipped(src, (size_t)len) : NULL;
	int r = real(c, dst, n, copy != NULL ? copy : src, len);

	free(copy);
	if (seals && is_now(SEAL_OUT, (size_t)len))
		dst[len / 2] ^= 1;
	return (r);
}
#endif

/* One chunk of data, or of metadata, is stored while that goes wrong. */
enum what { DATA, META, META_TWICE };
static int
store(enum fault f, enum what what, bool verify_data, unsigned *packs,
    struct err *e)
{
	static uint8_t bytes[LEN];
	struct chunk_id id;
	struct put_hint hint;
	struct place at[2];
	struct rig r;
	int rc;

	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (uint8_t)('a' + rand() % 7);
	rig_new(&r, 2);
	r.env.verify_data = verify_data;
	rig_begin(&r);
	OK(put_lookup(r.put, bytes, LEN, &hint, E));
	atomic_store(&fault, f);
	rc = what == DATA ? put_chunk(r.put, &hint, bytes, LEN, at, e) :
	    put_meta(r.put, bytes, LEN, what == META_TWICE, &id, at, e);
	if (rc == 0)
		rc = put_close(r.put, what == DATA ? OBJECT_PACK_DATA :
		    OBJECT_PACK_META, e);
	/* It was met. */
	assert_int_equal(atomic_load(&fault), NONE);
	*packs = count(r.repo, "packs");
	rig_end(&r);
	rig_free(&r);
	return (rc);
}

static void
noticed_one(enum fault f, enum what what, bool verify_data)
{
	struct err e = ERR_INIT;
	unsigned packs;

	assert_int_equal(store(f, what, verify_data, &packs, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_non_null(strstr(err_text(&e), "is faulty"));
	assert_int_equal(packs, 0);
}

static void
noticed(enum what what, bool verify_data)
{
#ifdef HAVE_LIBCRYPTO
	const enum fault last = SEAL_OUT;
#else
	const enum fault last = SQUEEZE_OUT;
#endif

	for (enum fault f = SQUEEZE_IN; f <= last; f++)
		noticed_one(f, what, verify_data);
}

static void
test_data(void **state)
{
	struct err e = ERR_INIT;
	unsigned packs;

	noticed(DATA, true);
	assert_int_equal(store(NONE, DATA, true, &packs, &e), 0);
	assert_int_equal(packs, 1);
}

/* Always. */
static void
test_meta(void **state)
{
	noticed(META, true);
	noticed(META, false);
	noticed(META_TWICE, false);
#ifdef COPIES
	noticed_one(COPY, META_TWICE, false);
#endif
}

#ifdef HAVE_LIBCRYPTO
static int
no_packs(void *ctx, session_pack_fn *fn, void *fn_ctx, struct err *e)
{
	return (0);
}

/* A manifest that was sealed from other bytes opens, and isn't it. */
static void
test_manifest(void **state)
{
	static char root[LEN] = "/";
	struct pack_info pack = { .kind = OBJECT_PACK_META,
	    .size_bytes = 4096, .wrap.kind = WRAP_DERIVED };
	struct snapshot_id id;
	struct err e = ERR_INIT;
	struct manifest m;
	struct rig r;

	rig_new(&r, 2);
	rig_begin(&r);
	memset(&m, 0, sizeof(m));
	memset(root + 1, 'r', sizeof(root) - 1);
	OK(bytes_set(&m.host, "host", 4, E));
	OK(strings_add(&m.roots, root, sizeof(root), E));
	m.catalog.size_bytes = 16384;
	m.catalog.levels = 1;
	m.catalog.map.place[1].pack = MPLACE_NONE;
	m.catalog.tail = &pack;
	m.catalog.ntail = 1;
	for (enum fault f = SEAL_IN; f <= SEAL_OUT; f++) {
		atomic_store(&fault, f);
		err_init(&e);
		assert_int_equal(session_commit(r.session, &m, no_packs, NULL,
		    &id, &e), -1);
		assert_int_equal(atomic_load(&fault), NONE);
		if (f == SEAL_IN)
			assert_non_null(strstr(err_text(&e), "faulty?"));
		assert_int_equal(count(r.repo, "snapshots"), 0);
		assert_int_equal(count(r.repo, "pending"), 0);
	}
	OK(session_commit(r.session, &m, no_packs, NULL, &id, E));
	assert_int_equal(count(r.repo, "snapshots"), 1);
	m.catalog.tail = NULL;
	manifest_fini(&m);
	rig_end(&r);
	rig_free(&r);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_meta),
#ifdef HAVE_LIBCRYPTO
		cmocka_unit_test(test_manifest),
#endif
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
