/*
 * Frames read in the order of the store.  Who knows what he will need (a
 * restore, a check) asks for runs: frames of one pack that lie so close
 * together that one access is cheaper than several.  Far away an access costs
 * more than the bytes of a small gap, and at hand a gap costs next to nothing.
 *
 * The frames don't go through the cache: each is decoded, handed out and
 * dropped, so the memory of a run is its stored bytes and one frame.  What goes
 * wrong here is not told here: the caller asks fetch_chunk() for the chunks of
 * such a frame, which tries again, looks elsewhere and knows what to say.
 */
#include <sodium.h>
#include <stdlib.h>

#include "engine/crypto/aead.h"
#include "engine/repo/fetch_int.h"
#include "engine/repo/pack_name.h"

size_t
fetch_run_len(const struct frame_info *v, size_t n, size_t max_bytes)
{
	uint64_t first, end;
	size_t len = 1;

	if (n == 0)
		return (0);
	first = v[0].off;
	end = first + v[0].stored;
	for (; len < n; len++) {
		uint64_t next = (uint64_t)v[len].off + v[len].stored;

		if (v[len].off < end || v[len].off - end > FETCH_GAP_MAX ||
		    next - first > max_bytes)
			break;
		end = next;
	}
	return (len);
}

/* The stored bytes of the run, from its first frame to its last. */
static bool
read_run(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *v, size_t n, struct buf *bytes)
{
	uint64_t len = (uint64_t)v[n - 1].off - v[0].off + v[n - 1].stored;
	char name[PACK_NAME_BYTES];
	struct err e = ERR_INIT;
	size_t got = 0;
	uint8_t *p;

	buf_reset(bytes);
	if (len > PACK_MAX)
		return (false);
	p = buf_grow(bytes, (size_t)len);
	if (p == NULL) {
		buf_fini(bytes);
		return (false);
	}
	return (store_read(repo_store(fetch_repo(f)),
	    pack_name(name, &pack->id), v[0].off, p, (size_t)len, &got,
	    &e) == 0 && got == len);
}

static bool
is_run(const struct frame_info *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].stored < FRAME_PREFIX + AEAD_TAG_BYTES ||
		    (i > 0 && (uint64_t)v[i - 1].off + v[i - 1].stored >
		    v[i].off))
			return (false);
	return (n > 0);
}

int
fetch_run(struct fetch *f, const struct pack_info *pack,
    const struct frame_info *v, size_t n, struct buf *scratch,
    fetch_run_fn *fn, void *ctx, struct err *e)
{
	struct pack_seal seal;
	struct err hidden = ERR_INIT;
	bool ok;
	int r = 0;

	ok = is_run(v, n) &&
	    pack_keys_get(fetch_keys(f), pack, &seal, &hidden) == 0;
	if (ok && !read_run(f, pack, v, n, scratch)) {
		sodium_memzero(&seal, sizeof(seal));
		ok = false;
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		struct fetched x = { .domain = pack->domain };
		bool opened = false;

		if (ok) {
			opened = frame_open(&x.frame, &seal, v[i].no,
			    scratch->data + (v[i].off - v[0].off),
			    v[i].stored, &hidden) == 0;
			err_init(&hidden);
		}
		r = fn(ctx, i, opened ? &x : NULL, e);
		if (opened)
			opened_frame_fini(&x.frame);
	}
	if (ok)
		sodium_memzero(&seal, sizeof(seal));
	return (r);
}

bool
fetch_run_chunk(struct fetch *f, struct fetched *x, uint32_t slot,
    const struct chunk_id *id, uint32_t len, const uint8_t **data)
{
	const struct opened_frame *o = &x->frame;

	if (slot >= o->nslots || o->off[slot + 1] - o->off[slot] != len)
		return (false);
	*data = o->raw + o->off[slot];
	return (fetch_is_chunk(f, x->domain, id, *data, len));
}
