/*
 * Blocks that catalogs share.  They lie in a cache of blocks, numbered by the
 * beginning of their hash; the rest of it, and their length, stand behind the
 * bytes.
 */
#include "index/images.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "index/block_cache.h"

#define SEEN		4096

struct image {
	uint8_t bytes[CATALOG_BLOCK_BYTES];
	struct chunk_id hash;
	size_t len;
};
struct seen {
	uint64_t file, no;
	struct chunk_id hash;
};
struct images {
	struct block_cache *cache;	/* of struct image */
	pthread_mutex_t lock;		/* of what follows */
	struct seen seen[SEEN];		/* by file and number; file 0: none */
};

int
images_new(struct images **out, size_t bytes, struct err *e)
{
	struct images *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	(void)pthread_mutex_init(&m->lock, NULL);
	if (block_cache_new(&m->cache, (uint32_t)(bytes /
	    sizeof(struct image)), e) != 0) {
		images_free(m);
		return (-1);
	}
	*out = m;
	return (0);
}

void
images_free(struct images *m)
{
	if (m == NULL)
		return;
	block_cache_free(m->cache);
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

static uint64_t
number(const struct chunk_id *hash)
{
	uint64_t no;

	memcpy(&no, hash->b, sizeof(no));
	return (no);
}

bool
images_find(struct images *m, const struct chunk_id *hash,
    uint8_t dst[CATALOG_BLOCK_BYTES], size_t *len)
{
	struct image *x;
	bool found;

	if (m == NULL || !block_cache_has(m->cache, number(hash)) ||
	    (x = malloc(sizeof(*x))) == NULL)
		return (false);
	/* In one piece: what lies under a number may change. */
	found = block_cache_read(m->cache, number(hash), 0, x, sizeof(*x)) &&
	    id_equal(x->hash.b, hash->b);
	if (found) {
		memcpy(dst, x->bytes, x->len);
		*len = x->len;
	}
	free(x);
	return (found);
}

void
images_keep(struct images *m, const struct chunk_id *hash,
    const uint8_t *bytes, size_t len)
{
	struct image *x;

	if (m == NULL || (x = calloc(1, sizeof(*x))) == NULL)
		return;
	memcpy(x->bytes, bytes, len);
	x->hash = *hash;
	x->len = len;
	block_cache_keep(m->cache, number(hash), (uint8_t *)x);
}

/* Under the lock. */
static struct seen *
seen_at(struct images *m, uint64_t file, uint64_t no)
{
	return (&m->seen[(file * UINT64_C(0x9e3779b97f4a7c15) + no) % SEEN]);
}

bool
images_differs(struct images *m, uint64_t file, uint64_t no,
    const struct chunk_id *want)
{
	const struct seen *x;
	bool differs;

	if (m == NULL || file == 0)
		return (false);
	(void)pthread_mutex_lock(&m->lock);
	x = seen_at(m, file, no);
	differs = x->file == file && x->no == no &&
	    !id_equal(x->hash.b, want->b);
	(void)pthread_mutex_unlock(&m->lock);
	return (differs);
}

void
images_saw(struct images *m, uint64_t file, uint64_t no,
    const struct chunk_id *have)
{
	if (m == NULL || file == 0)
		return;
	(void)pthread_mutex_lock(&m->lock);
	*seen_at(m, file, no) = (struct seen){ file, no, *have };
	(void)pthread_mutex_unlock(&m->lock);
}
