/*
 * The memory of checks: small, local, replaced as a whole.  Of two checks at
 * one time the later one's is kept.
 */
#include "tools/job/verified.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/crypto/hash.h"

#define MAGIC		"VTRNVRFY"
#define VERSION		1
#define PACK_BYTES	(VERIFIED_PREFIX + 8)
#define FILE_MAX	(8 + 4 + 16 + 4 + (size_t)VERIFIED_MAX * PACK_BYTES + \
    HASH_BYTES)
#define SUFFIX		".verified"

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
	uint8_t digest[HASH_BYTES];
	size_t at = b->len;

	buf_bytes(b, MAGIC, 8);
	buf_u32(b, VERSION);
	buf_bytes(b, repo->b, sizeof(repo->b));
	buf_u32(b, k->n);
	for (uint32_t i = 0; i < k->n; i++) {
		buf_bytes(b, k->v[i].prefix, VERIFIED_PREFIX);
		buf_u64(b, k->v[i].when);
	}
	if (buf_ok(b, e) != 0)
		return (-1);
	hash_bytes(digest, b->data + at, b->len - at);
	buf_bytes(b, digest, sizeof(digest));
	return (buf_ok(b, e));
}

int
verified_parse(struct verified *out, const void *bytes, size_t len,
    const struct repo_id *repo, struct err *e)
{
	uint8_t magic[8], is[HASH_BYTES];
	struct verified k = { 0 };
	struct repo_id id;
	struct rd r;

	if (len < HASH_BYTES)
		goto bad;
	rd_init(&r, bytes, len - HASH_BYTES);
	hash_bytes(is, bytes, len - HASH_BYTES);
	if (memcmp(is, r.end, HASH_BYTES) != 0)
		goto bad;
	rd_bytes(&r, magic, sizeof(magic));
	if (memcmp(magic, MAGIC, sizeof(magic)) != 0 || rd_u32(&r) != VERSION)
		goto bad;
	rd_bytes(&r, id.b, sizeof(id.b));
	k.n = k.cap = rd_u32(&r);
	if (memcmp(id.b, repo->b, sizeof(id.b)) != 0 || r.bad ||
	    k.n > VERIFIED_MAX || k.n > rd_left(&r) / PACK_BYTES)
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
	return (err_set(e, ERR_CORRUPT, "the memory of checks is damaged"));
}

static const char *
file_name(char name[RUN_HEX + sizeof(SUFFIX)], const struct repo *repo)
{
	const struct repo_id *id = &repo_header(repo)->id;
	char hex[RUN_HEX];

	(void)snprintf(name, RUN_HEX + sizeof(SUFFIX), "%s%s",
	    hex_emit(hex, id->b, sizeof(id->b)), SUFFIX);
	return (name);
}

/* The state directory, or -1: errno says why. */
static int
open_dir(const struct repo *repo)
{
	return (open(repo_env(repo)->state_dir,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int
verified_load(struct repo *repo, struct verified *k, struct err *e)
{
	char name[RUN_HEX + sizeof(SUFFIX)];
	const char *dir = repo_env(repo)->state_dir;
	struct buf b = BUF_INIT;
	struct err why = ERR_INIT;
	int at, fd = -1, r, error;

	memset(k, 0, sizeof(*k));
	if (dir == NULL)
		return (0);
	at = open_dir(repo);
	if (at >= 0)
		fd = openat(at, file_name(name, repo), O_RDONLY | O_CLOEXEC);
	error = errno;
	if (at >= 0)
		(void)close(at);
	if (fd < 0)
		return (error == ENOENT ? 0 : err_sys(e, error, "%s", dir));
	r = io_slurp(fd, &b, FILE_MAX, &why);
	(void)close(fd);
	if (r == 0)
		r = verified_parse(k, b.data, b.len, &repo_header(repo)->id,
		    &why);
	buf_fini(&b);
	if (r == 0)
		return (0);
	if (why.code != ERR_CORRUPT && why.code != ERR_LIMIT) {
		*e = why;
		return (-1);
	}
	log_say(repo_log(repo), LOG_WARNING, "%s/%s: %s; what was verified "
	    "when is forgotten", dir, name, err_text(&why));
	return (0);
}

int
verified_store(struct repo *repo, const struct verified *k, struct err *e)
{
	char name[RUN_HEX + sizeof(SUFFIX)];
	const char *dir = repo_env(repo)->state_dir;
	struct buf b = BUF_INIT;
	int fd, r;

	if (dir == NULL)
		return (0);
	if (io_mkdirs(dir, 0700, e) != 0)
		return (-1);
	if ((fd = open_dir(repo)) < 0)
		return (err_sys(e, errno, "%s", dir));
	r = verified_emit(&b, k, &repo_header(repo)->id, e);
	if (r == 0)
		r = io_replace(fd, file_name(name, repo), b.data, b.len, 0600,
		    e);
	buf_fini(&b);
	(void)close(fd);
	return (r);
}
