/*
 * Blocks out of the store: what a reference names is fetched from either of its
 * places and decoded, and nothing leaves here whose hash under the domain's id
 * key is not the reference's.  No lock is held while the store is read.
 */
#include <string.h>

#include "index/blocks_impl.h"

/* Decoders are lent, so that a block costs no new context. */
static ZSTD_DCtx *
decoder_get(struct blocks_state *s)
{
	ZSTD_DCtx *d = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->ndecoders > 0)
		d = s->decoders[--s->ndecoders];
	pthread_mutex_unlock(&s->lock);
	return (d != NULL ? d : ZSTD_createDCtx());
}

static void
decoder_put(struct blocks_state *s, ZSTD_DCtx *d)
{
	pthread_mutex_lock(&s->lock);
	if (s->ndecoders < DECODERS) {
		s->decoders[s->ndecoders++] = d;
		d = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	(void)ZSTD_freeDCtx(d);
}

void
blocks_hash(const struct blocks_state *s, struct chunk_id *out,
    const void *bytes, size_t len)
{
	hash_keyed(out->b, s->key, bytes, len);
}

bool
blocks_hash_holds(const struct blocks_state *s, const struct chunk_id *want,
    const void *bytes, size_t len)
{
	struct chunk_id have;

	blocks_hash(s, &have, bytes, len);
	return (id_equal(have.b, want->b));
}

/* Decode a delta over its prefix; the length, or 0. */
static size_t
undelta(struct blocks_state *s, const void *delta, size_t len,
    const uint8_t *prefix, size_t plen, uint8_t *dst)
{
	ZSTD_DCtx *d = decoder_get(s);
	size_t n;

	if (d == NULL)
		return (0);
	(void)ZSTD_DCtx_reset(d, ZSTD_reset_session_and_parameters);
	n = ZSTD_DCtx_refPrefix(d, prefix, plen);
	if (!ZSTD_isError(n))
		n = ZSTD_decompressDCtx(d, dst, CATALOG_BLOCK_BYTES, delta,
		    len);
	decoder_put(s, d);
	return (ZSTD_isError(n) ? 0 : n);
}

/*
 * Load what an mref names from one of its places into dst: itself, or (with a
 * prefix) the block that the delta makes of the prefix.
 */
static int
load_place(struct blocks_state *s, const struct mref *m, unsigned which,
    const uint8_t *prefix, size_t plen, uint8_t *dst, size_t max, size_t *len,
    struct err *e)
{
	const struct mplace *p = &m->place[which];
	struct fetched *ref = NULL;
	const struct pack_info *pack;
	const uint8_t *data;
	bool known;
	size_t n;
	int r = -1;

	if (blocks_pack(s, p->pack, &pack, e) != 0 ||
	    fetch_meta(s->fetch, pack, &p->frame, p->slot,
	    prefix == NULL ? &m->hash : NULL, &ref, &data, &n, e) != 0)
		return (-1);
	known = prefix == NULL && fetch_was_hashed(ref);
	if (prefix != NULL)
		n = undelta(s, data, n, prefix, plen, dst);
	else if (n <= max)
		memcpy(dst, data, n);
	else
		n = 0;
	if (n == 0)
		(void)err_set(e, ERR_CORRUPT, "a block that can't be decoded");
	else if (!known && !blocks_hash_holds(s, &m->hash, dst, n))
		(void)err_set(e, ERR_CORRUPT, "a block with another hash");
	else {
		*len = n;
		r = 0;
	}
	fetch_put(s->fetch, ref);
	return (r);
}

int
blocks_load(struct blocks_state *s, const struct mref *m, const uint8_t *prefix,
    size_t plen, uint8_t *dst, size_t max, size_t *len, struct err *e)
{
	struct err second = ERR_INIT;

	if (load_place(s, m, 0, prefix, plen, dst, max, len, e) == 0)
		return (0);
	if (m->place[1].pack == MPLACE_NONE)
		return (-1);
	if (load_place(s, m, 1, prefix, plen, dst, max, len, &second) == 0) {
		err_init(e);
		return (0);
	}
	/* Not proven lost where one of them could not be read. */
	if (e->code == ERR_CORRUPT && second.code != ERR_CORRUPT)
		*e = second;
	return (-1);
}
