/* Who may write what: revocations, and what lies beside the keys. */
#include "tests/unit/repo_fixture.h"

static const struct slot_record revoked = {
	.role = ROLE_PUT_ONLY, .writer = 5, .domain = 3, .host = "laptop",
	.label = "laptop"
};

/* A revocation that says so many ids, whose first bytes these are, and has
 * bytes behind them. */
static void
put_revocation(struct repo *r, const struct keyring *ring,
    const struct slot_record *record, uint32_t n, const char *ids,
    size_t behind)
{
	struct buf content = BUF_INIT, object = BUF_INIT;
	struct err e = ERR_INIT;
	uint8_t name[ID_BYTES];
	struct run_id run;

	rnd_bytes(run.b, sizeof(run.b));
	slot_record_emit(&content, record);
	buf_u32(&content, n);
	for (const char *p = ids; *p != '\0'; p++) {
		buf_u8(&content, (uint8_t)*p);
		buf_zeros(&content, ID_BYTES - 1);
	}
	buf_zeros(&content, behind);
	if (sealed_emit(&object, ring, OBJECT_REVOCATION, &run, 0, &content,
	    &e) != 0 || object_put(repo_store(r), "keys", &object, name,
	    &e) != 0)
		fail_msg("%s", err_text(&e));
	buf_fini(&content);
	buf_fini(&object);
}

/* Load; how many were left out. */
static unsigned
load(struct registry *g, struct repo *r)
{
	struct err e = ERR_INIT;

	said = 0;
	if (registry_load(g, r, &e) != 0)
		fail_msg("%s", err_text(&e));
	assert_true(g->loaded);
	assert_int_equal(g->nslots, 1);
	return (said);
}

/* One put-only writer can't have another refused. */
static void
test_revoker(void **state)
{
	struct keyring *liar;
	struct registry g;
	struct repo *r;

	make_repo();
	r = open_repo();
	for (uint32_t domain = 0; domain < 8; domain += 7) {
		liar = put_only_ring(repo_keyring(r), 7, domain);
		put_revocation(r, liar, &revoked, 0, "", 0);
		keyring_free(liar);
	}
	assert_int_equal(load(&g, r), 2);
	assert_non_null(strstr(last_said, "can't revoke"));
	assert_null(registry_find(&g, 5));
	registry_fini(&g);
	put_revocation(r, repo_keyring(r), &revoked, 0, "", 0);
	assert_int_equal(load(&g, r), 2);
	assert_non_null(registry_find(&g, 5));
	assert_true(registry_find(&g, 5)->revoked);
	assert_false(registry_find(&g, 5)->has_slot);
	assert_null(registry_find(&g, 3));
	registry_fini(&g);
	repo_close(r);
}

static bool
keeps(const struct registry *g, char c)
{
	uint8_t id[ID_BYTES] = { (uint8_t)c };

	return (ids_has(&registry_find(g, 5)->kept, id));
}

/* Of two revocations that counts which both keep, in whatever order. */
static void
test_kept(void **state)
{
	struct registry g;
	struct repo *r;

	make_repo();
	r = open_repo();
	put_revocation(r, repo_keyring(r), &revoked, 3, "cab", 0);
	assert_int_equal(load(&g, r), 0);
	assert_true(keeps(&g, 'a') && keeps(&g, 'b') && keeps(&g, 'c'));
	registry_fini(&g);
	put_revocation(r, repo_keyring(r), &revoked, 4, "dbcb", 0);
	assert_int_equal(load(&g, r), 0);
	assert_int_equal(g.n, 1);
	assert_int_equal(registry_find(&g, 5)->kept.n, 2);
	assert_true(keeps(&g, 'b') && keeps(&g, 'c'));
	registry_fini(&g);
	repo_close(r);
}

/* What is no revocation and no slot is left out and said; the rest counts. */
static void
test_odd(void **state)
{
	struct slot_record full = revoked;
	struct buf junk = BUF_INIT;
	struct err e = ERR_INIT;
	uint8_t name[ID_BYTES];
	struct registry g;
	struct repo *r;

	make_repo();
	r = open_repo();
	full.role = ROLE_FULL;
	full.writer = full.domain = 0;
	put_revocation(r, repo_keyring(r), &full, 0, "", 0);
	put_revocation(r, repo_keyring(r), &revoked, 0, "", 1);
	put_revocation(r, repo_keyring(r), &revoked, 2, "a", 0);
	put_revocation(r, repo_keyring(r), &revoked, UINT32_MAX, "a", 0);
	buf_bytes(&junk, "no key at all", 13);
	assert_int_equal(object_put(repo_store(r), "keys", &junk, name, &e),
	    0);
	buf_fini(&junk);
	assert_int_equal(load(&g, r), 5);
	assert_int_equal(g.n, 0);
	registry_fini(&g);
	repo_close(r);
}

/* A store that can't be read for the moment is not one without revocations. */
static void
test_unread(void **state)
{
	unsigned failed = 0;
	struct repo *r;

	make_repo();
	r = open_repo();
	put_revocation(r, repo_keyring(r), &revoked, 0, "", 0);
	repo_close(r);
	for (unsigned n = 1; n < 8; n++) {
		struct registry g = { .loaded = false };
		struct err e = ERR_INIT;
		char plan[32];

		(void)snprintf(plan, sizeof(plan), "read@%u+=estale", n);
		if (try_open(&r, plan, &pass, &e) != 0)
			continue;
		if (registry_load(&g, r, &e) == 0) {
			assert_non_null(registry_find(&g, 5));
		} else {
			assert_false(g.loaded);
			failed++;
		}
		registry_fini(&g);
		repo_close(r);
	}
	assert_true(failed > 0);
}

/* One that is damaged for good is left out, with a word on what that means; not
 * of a slot. */
static void
test_unread_for_good(void **state)
{
	unsigned revocations = 0, others = 0;
	struct repo *r;

	make_repo();
	r = open_repo();
	put_revocation(r, repo_keyring(r), &revoked, 0, "", 0);
	repo_close(r);
	for (unsigned n = 1; n < 8; n++) {
		struct registry g = { .loaded = false };
		struct err e = ERR_INIT;
		char plan[32];

		(void)snprintf(plan, sizeof(plan), "read@%u=eio", n);
		if (try_open(&r, plan, &pass, &e) != 0)
			continue;
		said = 0;
		assert_int_equal(registry_load(&g, r, &e), 0);
		if (said > 0 && registry_find(&g, 5) == NULL) {
			assert_non_null(strstr(last_said, "Input/output"));
			assert_non_null(strstr(last_said, "believed again"));
			revocations++;
		} else
			others++;
		registry_fini(&g);
		repo_close(r);
	}
	assert_true(revocations > 0 && others > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_revoker), T(test_kept), T(test_odd), T(test_unread),
		T(test_unread_for_good)
	};

	if (sodium_init() < 0)
		return (1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
