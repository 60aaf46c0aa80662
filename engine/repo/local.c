/*
 * A put-only writer can't read the manifests that it wrote, but needs the
 * newest of each lineage to build on.  So it keeps that one in its cache,
 * sealed under a key that comes from its domain's secret:
 * $cache_dir/<repository>/parents/<lineage>.
 *
 *	bytes 32	salt: the file's key is derive(id key, "local parent",
 *			salt)
 *	bytes 32	id of the snapshot
 *	bytes 16	run
 *	bytes		seal(key, 0, lineage || all before, the manifest's
 *			content)
 *
 * It is a cache: what doesn't verify isn't there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/rnd.h"
#include "engine/repo/impl.h"

#define HEAD_LEN	(SALT_BYTES + ID_BYTES + RUN_BYTES)
#define AD_LEN		(ID_BYTES + HEAD_LEN)

static int
local_key(const struct repo *repo, const uint8_t salt[SALT_BYTES],
    uint8_t key[KEY_BYTES], struct err *e)
{
	uint8_t id_key[KEY_BYTES];

	if (keyring_domain_id_key(repo->ring, keyring_domain(repo->ring),
	    id_key, e) != 0)
		return (-1);
	derive(key, id_key, "local parent", salt, SALT_BYTES);
	sodium_memzero(id_key, sizeof(id_key));
	return (0);
}

static int
open_dir(const struct repo *repo, bool make, struct err *e)
{
	char *path;
	int fd = -1;

	if (asprintf(&path, "%s/parents", repo->cache_dir) < 0)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (!make || io_mkdirs(path, 0700, e) == 0) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			(void)err_sys(e, errno, "%s", path);
	}
	free(path);
	return (fd);
}

int
local_parent_store(struct repo *repo, const struct snapshot_id *id,
    const struct manifest *m, struct err *e)
{
	uint8_t key[KEY_BYTES], ad[AD_LEN], *sealed;
	struct buf content = BUF_INIT, b = BUF_INIT;
	char hex[ID_HEX];
	int dir = -1, ret = -1;

	if (repo->cache_dir == NULL)
		return (0);
	memcpy(ad, m->lineage.b, ID_BYTES);
	rnd_bytes(ad + ID_BYTES, SALT_BYTES);
	memcpy(ad + ID_BYTES + SALT_BYTES, id->b, ID_BYTES);
	memcpy(ad + 2 * ID_BYTES + SALT_BYTES, m->run.b, RUN_BYTES);
	if (manifest_emit(&content, m, e) != 0 ||
	    local_key(repo, ad + ID_BYTES, key, e) != 0)
		goto out;
	buf_bytes(&b, ad + ID_BYTES, HEAD_LEN);
	sealed = buf_grow(&b, content.len + AEAD_TAG_BYTES);
	if (sealed != NULL)
		aead_seal(sealed, key, 0, ad, sizeof(ad), content.data,
		    content.len);
	sodium_memzero(key, sizeof(key));
	if (buf_ok(&b, e) != 0)
		goto out;
	dir = open_dir(repo, true, e);
	if (dir >= 0)
		ret = io_replace(dir, hex_emit(hex, m->lineage.b, ID_BYTES),
		    b.data, b.len, 0600, e);
out:
	if (dir >= 0)
		(void)close(dir);
	buf_fini(&content);
	buf_fini(&b);
	return (ret);
}

static int
slurp(const struct repo *repo, const struct lineage_id *lineage,
    struct buf *b)
{
	struct err ignored = ERR_INIT;
	char hex[ID_HEX];
	int dir, fd, ret = -1;

	dir = open_dir(repo, false, &ignored);
	if (dir < 0)
		return (-1);
	fd = openat(dir, hex_emit(hex, lineage->b, ID_BYTES),
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0) {
		ret = io_slurp(fd, b, SEALED_MAX, &ignored);
		(void)close(fd);
	}
	(void)close(dir);
	return (ret);
}

int
local_parent_load(struct repo *repo, const struct lineage_id *lineage,
    struct snapshot_id *id, struct manifest *m, struct err *e)
{
	uint8_t key[KEY_BYTES], ad[AD_LEN];
	struct err ignored = ERR_INIT;
	struct sealed env = { 0 };
	struct buf b = BUF_INIT;
	size_t len;
	int ret = STORE_ABSENT;

	if (repo->cache_dir == NULL)
		return (STORE_ABSENT);
	if (slurp(repo, lineage, &b) != 0 ||
	    b.len < HEAD_LEN + AEAD_TAG_BYTES)
		goto out;
	memcpy(ad, lineage->b, ID_BYTES);
	memcpy(ad + ID_BYTES, b.data, HEAD_LEN);
	if (local_key(repo, b.data, key, e) != 0) {
		ret = -1;
		goto out;
	}
	memcpy(id->b, b.data + SALT_BYTES, ID_BYTES);
	memcpy(env.run.b, b.data + SALT_BYTES + ID_BYTES, RUN_BYTES);
	env.head.writer = keyring_writer(repo->ring);
	env.head.domain = keyring_domain(repo->ring);
	len = b.len - HEAD_LEN;
	if (aead_open(b.data + HEAD_LEN, key, 0, ad, sizeof(ad),
	    b.data + HEAD_LEN, len) == 0 &&
	    manifest_parse(m, &env, b.data + HEAD_LEN, len - AEAD_TAG_BYTES,
	    &ignored) == 0)
		ret = 0;
	sodium_memzero(key, sizeof(key));
out:
	buf_fini(&b);
	return (ret);
}
