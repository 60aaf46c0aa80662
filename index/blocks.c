/*
 * Reading the blocks of a stored catalog.  A block is looked for in the cache
 * of decoded blocks, then among those that catalogs share (images.c), then in
 * the local plain file, then made from its chain (block_map.c) out of the store
 * (block_load.c).  Nothing is believed before
 * its hash under the domain's id key was compared with the map's, and the map's
 * pages with what names them, up to the manifest: so the local files may be
 * torn, stale or somebody else's.
 *
 * Invariants:
 *  1. The caches hold verified blocks and map pages, nothing else.
 *  2. No lock is held while the store is read.
 */
#include "index/blocks.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/io.h"
#include "index/blocks_impl.h"

#define SLOTS_MIN	8
#define PAGES_MAX	0xfffffffeU	/* SQLite's; a size_t counts them */
#define AHEAD_BLOCKS	16	/* looked at behind one that was missed */
#define AHEAD_FRAMES	3	/* asked for, of those that they lie in */

/* A block or image out of a local file, if it is there and right. */
static bool
local(struct blocks_state *s, unsigned which, uint64_t i,
    const struct chunk_id *want, uint8_t *dst, size_t len)
{
	struct err e = ERR_INIT;
	struct chunk_id have;
	size_t got;

	if (s->local[which] < 0 ||
	    images_differs(s->images, s->file[which], i, want) ||
	    io_pread(s->local[which], dst, len, i * CATALOG_BLOCK_BYTES, &got,
	    &e) != 0 || got != len)
		return (false);
	blocks_hash(s, &have, dst, len);
	images_saw(s->images, s->file[which], i, &have);
	return (id_equal(have.b, want->b));
}

int
blocks_image(struct blocks *b, uint64_t i, const struct chain *c,
    unsigned steps, uint8_t dst[CATALOG_BLOCK_BYTES], size_t *len,
    struct err *e)
{
	const struct mref *last = &c->ref[steps - 1];
	struct blocks_state *s = b->s;
	uint8_t *prefix = NULL;
	size_t n = 0;
	int r = -1;

	if (images_find(s->images, &last->hash, dst, len))
		return (0);
	if (steps <= 2 && local(s, steps == 1 ? LOCAL_KEY : LOCAL_L1, i,
	    &last->hash, dst, CATALOG_BLOCK_BYTES)) {
		*len = CATALOG_BLOCK_BYTES;
		images_keep(s->images, &last->hash, dst, *len);
		return (0);
	}
	prefix = malloc(CATALOG_BLOCK_BYTES);
	if (prefix == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (steps == 1) {
		if (blocks_load(s, last, NULL, 0, dst,
		    CATALOG_BLOCK_BYTES, len, e) != 0)
			goto out;
	} else if (blocks_image(b, i, c, steps - 1, prefix, &n, e) != 0 ||
	    blocks_load(s, last, prefix, n, dst, CATALOG_BLOCK_BYTES, len,
	    e) != 0)
		goto out;
	images_keep(s->images, &last->hash, dst, *len);
	r = 0;
out:
	free(prefix);
	return (r);
}

/*
 * Block i had to come out of the store.  Where the one before it is here,
 * somebody walks: the frames that the next ones lie in are asked for, so that
 * they are read and decoded meanwhile.
 */
static void
look_ahead(struct blocks_state *s, uint64_t i)
{
	struct mplace last = { .pack = MPLACE_NONE };
	struct err ignored = ERR_INIT;
	unsigned asked = 0;
	struct chain c;

	if (i == 0 || !block_cache_has(s->cache, i - 1))
		return;
	for (uint64_t k = i + 1; k < s->count && k <= i + AHEAD_BLOCKS &&
	    asked < AHEAD_FRAMES; k++) {
		if (block_cache_has(s->cache, k))
			continue;
		if (!blocks_chain_at_hand(s, k, &c))
			return;
		for (unsigned d = 0; d < c.depth; d++) {
			const struct mplace *p = &c.ref[d].place[0];
			const struct pack_info *pack;

			if ((p->pack == last.pack &&
			    p->frame.no == last.frame.no) ||
			    blocks_pack(s, p->pack, &pack, &ignored) != 0)
				continue;
			fetch_ahead(s->fetch, pack, &p->frame);
			last = *p;
			asked++;
		}
	}
}

int
blocks_read(struct blocks *b, uint64_t i, uint8_t *dst, struct err *e)
{
	struct blocks_state *s = b->s;
	const struct chunk_id *hash;
	struct chain c;
	uint8_t *image;
	size_t len;
	bool known;
	int r = -1;

	if (blocks_chain(b, i, &c, e) != 0)
		return (-1);
	image = malloc(CATALOG_BLOCK_BYTES);
	if (image == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	hash = &c.ref[c.depth - 1].hash;
	known = images_find(s->images, hash, image, &len);
	if (!known && local(s, LOCAL_PLAIN, i, hash, dst, blocks_len(b, i))) {
		images_keep(s->images, hash, dst, blocks_len(b, i));
		free(image);
		return (0);
	}
	if (!known)
		look_ahead(s, i);
	if (!known && blocks_image(b, i, &c, c.depth, image, &len, e) != 0)
		(void)err_wrap(e, "block %llu of a catalog",
		    (unsigned long long)i);
	else if (len != blocks_len(b, i))
		(void)err_set(e, ERR_CORRUPT, "a block of the wrong length");
	else {
		memcpy(dst, image, len);
		r = 0;
	}
	free(image);
	return (r);
}

/* Bytes within one block. */
static int
read_within(struct blocks *b, uint64_t i, size_t at, void *dst, size_t len,
    struct err *e)
{
	struct blocks_state *s = b->s;
	uint8_t *bytes;

	if (block_cache_read(s->cache, i, at, dst, len))
		return (0);
	bytes = malloc(CATALOG_BLOCK_BYTES);
	if (bytes == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (blocks_read(b, i, bytes, e) != 0) {
		free(bytes);
		return (-1);
	}
	memcpy(dst, bytes + at, len);
	block_cache_keep(s->cache, i, bytes);
	return (0);
}

static int
pages_read(struct pages *p, void *dst, size_t len, uint64_t off,
    struct err *e)
{
	struct blocks *b = (struct blocks *)p;
	uint8_t *to = dst;

	while (len > 0) {
		size_t at = off % CATALOG_BLOCK_BYTES;
		size_t n = CATALOG_BLOCK_BYTES - at;

		if (n > len)
			n = len;
		if (read_within(b, off / CATALOG_BLOCK_BYTES, at, to, n,
		    e) != 0)
			return (-1);
		to += n;
		off += n;
		len -= n;
	}
	return (0);
}

static uint64_t
pages_size(struct pages *p)
{
	return (((struct blocks *)p)->s->size);
}

static const struct pages_ops blocks_ops = {
	.read = pages_read,
	.size = pages_size,
};

uint64_t
blocks_count(const struct blocks *b)
{
	return (b->s->count);
}

size_t
blocks_len(const struct blocks *b, uint64_t i)
{
	uint64_t left = b->s->size - i * CATALOG_BLOCK_BYTES;

	return (left < CATALOG_BLOCK_BYTES ? (size_t)left :
	    CATALOG_BLOCK_BYTES);
}

/* The local files; one that isn't there is no loss. */
static void
open_local(struct blocks_state *s, const char *cache)
{
	static const char *const names[LOCALS] = { "plain", "key", "l1" };
	struct stat st;
	int dir;

	dir = cache == NULL ? -1 :
	    open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	for (size_t i = 0; i < LOCALS; i++) {
		s->local[i] = openat(dir, names[i],
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (s->images != NULL && s->local[i] >= 0 &&
		    fstat(s->local[i], &st) == 0)
			s->file[i] = st.st_ino;
	}
	(void)close(dir);
}

static int
state_init(struct blocks_state *s, const struct catalog_root *root,
    size_t cache_bytes, struct err *e)
{
	if (root->size_bytes == 0 ||
	    root->size_bytes % CATALOG_PAGE_BYTES != 0 ||
	    root->size_bytes / CATALOG_PAGE_BYTES > PAGES_MAX)
		return (err_set(e, ERR_CORRUPT,
		    "a catalog of an impossible size"));
	s->size = root->size_bytes;
	s->count = s->size / CATALOG_BLOCK_BYTES +
	    (s->size % CATALOG_BLOCK_BYTES != 0);
	s->levels = map_levels(s->count);
	if (s->levels != root->levels || s->levels > MAP_LEVELS_MAX)
		return (err_set(e, ERR_CORRUPT,
		    "a catalog's map has the wrong levels"));
	s->root = root->map;
	if (cache_bytes / CATALOG_BLOCK_BYTES < SLOTS_MIN)
		cache_bytes = (size_t)SLOTS_MIN * CATALOG_BLOCK_BYTES;
	return (block_cache_new(&s->cache,
	    (uint32_t)(cache_bytes / CATALOG_BLOCK_BYTES), e));
}

int
blocks_new(struct blocks **out, struct fetch *fetch, const struct keyring *ring,
    uint32_t domain, const struct catalog_root *root, size_t cache_bytes,
    const char *cache, struct images *images, struct err *e)
{
	struct blocks *b = calloc(1, sizeof(*b));
	struct blocks_state *s = calloc(1, sizeof(*s));

	if (b == NULL || s == NULL) {
		free(b);
		free(s);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	b->pages.ops = &blocks_ops;
	b->s = s;
	s->fetch = fetch;
	s->images = images;
	for (size_t i = 0; i < LOCALS; i++)
		s->local[i] = -1;
	(void)pthread_mutex_init(&s->lock, NULL);
	s->key = sodium_malloc(KEY_BYTES);
	if (s->key == NULL) {
		(void)err_set(e, ERR_NOMEM, "out of memory");
		goto fail;
	}
	if (keyring_domain_id_key(ring, domain, s->key, e) != 0 ||
	    state_init(s, root, cache_bytes, e) != 0 ||
	    packs_init(s, root, domain, e) != 0)
		goto fail;
	open_local(s, cache);
	*out = b;
	return (0);
fail:
	blocks_free(b);
	return (-1);
}

void
blocks_shrink(struct blocks *b)
{
	block_cache_shrink(b->s->cache, SLOTS_MIN);
}

void
blocks_free(struct blocks *b)
{
	struct blocks_state *s;

	if (b == NULL)
		return;
	s = b->s;
	for (size_t i = 0; i < PAGE_SLOTS; i++)
		free(s->map[i].entries);
	while (s->ndecoders > 0)
		(void)ZSTD_freeDCtx(s->decoders[--s->ndecoders]);
	for (size_t i = 0; i < LOCALS; i++)
		if (s->local[i] >= 0)
			(void)close(s->local[i]);
	(void)pthread_mutex_destroy(&s->lock);
	sodium_free(s->key);
	block_cache_free(s->cache);
	packs_fini(s);
	free(s);
	free(b);
}
