/*
 * The memory of checks.  Of two checks at one time the later one's is kept.
 */
#include "tools/job/verified.h"

#include <stdlib.h>
#include <string.h>

#include "engine/crypto/hash.h"
#include "engine/repo/state_file.h"

#define PACK_BYTES	(VERIFIED_PREFIX + 8)

static const struct state_kind kind = {
	.magic = "VTRNVRFY",
	.version = 1,
	.suffix = ".verified",
	.max = 8 + 4 + 16 + 4 + (size_t)VERIFIED_MAX * PACK_BYTES + HASH_BYTES,
	.what = "the memory of checks",
	.lost = "what was verified when",
};

void
verified_fini(struct verified *k)
{
	free(k->v);
	memset(k, 0, sizeof(*k));
}

int
verified_add(struct verified *k, const struct pack_id *id, uint64_t when,
    struct err *e)
{
	struct verified_pack *v;
	uint32_t cap;

	if (k->n == VERIFIED_MAX || (k->n > 0 &&
	    memcmp(k->v[k->n - 1].prefix, id->b, VERIFIED_PREFIX) >= 0))
		return (0);
	if (k->n == k->cap) {
		cap = k->cap == 0 ? 64 : k->cap * 2;
		if ((v = reallocarray(k->v, cap, sizeof(*v))) == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		k->v = v;
		k->cap = cap;
	}
	memcpy(k->v[k->n].prefix, id->b, VERIFIED_PREFIX);
	k->v[k->n++].when = when;
	return (0);
}

static int
by_prefix(const void *key, const void *one)
{
	return (memcmp(key, ((const struct verified_pack *)one)->prefix,
	    VERIFIED_PREFIX));
}

uint64_t
verified_when(const struct verified *k, const struct pack_id *id)
{
	const struct verified_pack *v = k->n == 0 ? NULL :
	    bsearch(id->b, k->v, k->n, sizeof(*k->v), by_prefix);

	return (v == NULL ? 0 : v->when);
}

int
verified_emit(struct buf *b, const struct verified *k,
    const struct repo_id *repo, struct err *e)
{
	size_t at = b->len;

	state_file_begin(b, &kind, repo);
	buf_u32(b, k->n);
	for (uint32_t i = 0; i < k->n; i++) {
		buf_bytes(b, k->v[i].prefix, VERIFIED_PREFIX);
		buf_u64(b, k->v[i].when);
	}
	state_file_end(b, at);
	return (buf_ok(b, e));
}

int
verified_parse(struct verified *out, const void *bytes, size_t len,
    const struct repo_id *repo, struct err *e)
{
	struct verified k = { 0 };
	struct rd r;

	if (state_file_open(&r, &kind, bytes, len, repo, e) != 0)
		return (-1);
	k.n = k.cap = rd_u32(&r);
	if (r.bad || k.n > VERIFIED_MAX || k.n > rd_left(&r) / PACK_BYTES)
		goto bad;
	k.v = calloc((size_t)k.n + 1, sizeof(*k.v));
	if (k.v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (uint32_t i = 0; i < k.n; i++) {
		rd_bytes(&r, k.v[i].prefix, VERIFIED_PREFIX);
		k.v[i].when = rd_u64(&r);
		if (i > 0 && memcmp(k.v[i - 1].prefix, k.v[i].prefix,
		    VERIFIED_PREFIX) >= 0)
			r.bad = true;
		if (k.v[i].when > INT64_MAX)
			r.bad = true;
	}
	if (!rd_end(&r))
		goto bad;
	*out = k;
	return (0);
bad:
	verified_fini(&k);
	return (state_file_bad(&kind, e));
}

static int
parse(void *out, const void *bytes, size_t len, const struct repo_id *repo,
    struct err *e)
{
	return (verified_parse(out, bytes, len, repo, e));
}

int
verified_load(struct repo *repo, struct verified *k, struct err *e)
{
	memset(k, 0, sizeof(*k));
	return (state_file_load(repo, &kind, parse, k, e));
}

int
verified_store(struct repo *repo, const struct verified *k, struct err *e)
{
	struct buf b = BUF_INIT;
	int r;

	if (repo_env(repo)->state_dir == NULL)
		return (0);
	r = verified_emit(&b, k, &repo_header(repo)->id, e);
	if (r == 0)
		r = state_file_store(repo, &kind, &b, e);
	buf_fini(&b);
	return (r);
}
