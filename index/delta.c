/*
 * Deltas between a block and what it was, by zstd with the old block as prefix.
 */
#include "index/delta.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "engine/base/err.h"
#include "engine/repo/manifest.h"

#define DELTA_LEVEL	9
#define FULL_LEVEL	3
#define WINDOW_LOG	17	/* prefix and block, 128 KiB */

struct delta {
	ZSTD_CCtx *c;
	ZSTD_DCtx *d;
	uint8_t *out;		/* bound bytes */
	size_t bound;
	uint8_t again[CATALOG_BLOCK_BYTES];
};

int
delta_new(struct delta **out, struct err *e)
{
	struct delta *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	x->c = ZSTD_createCCtx();
	x->d = ZSTD_createDCtx();
	x->bound = ZSTD_compressBound(CATALOG_BLOCK_BYTES);
	x->out = malloc(x->bound);
	if (x->c == NULL || x->d == NULL || x->out == NULL) {
		delta_free(x);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	*out = x;
	return (0);
}

void
delta_free(struct delta *x)
{
	if (x == NULL)
		return;
	(void)ZSTD_freeCCtx(x->c);
	(void)ZSTD_freeDCtx(x->d);
	free(x->out);
	free(x);
}

int
delta_full_bytes(struct delta *x, const void *block, size_t len,
    size_t *bytes, struct err *e)
{
	size_t n;

	(void)ZSTD_CCtx_reset(x->c, ZSTD_reset_session_and_parameters);
	n = ZSTD_compressCCtx(x->c, x->out, x->bound, block, len, FULL_LEVEL);
	if (ZSTD_isError(n))
		return (err_set(e, ERR_NOMEM, "zstd: %s",
		    ZSTD_getErrorName(n)));
	*bytes = n < len ? n : len;
	return (0);
}

int
delta_make(struct delta *x, struct buf *out, const void *prefix,
    size_t prefix_len, const void *block, size_t len, struct err *e)
{
	size_t n, back;

	(void)ZSTD_CCtx_reset(x->c, ZSTD_reset_session_and_parameters);
	(void)ZSTD_CCtx_setParameter(x->c, ZSTD_c_compressionLevel,
	    DELTA_LEVEL);
	(void)ZSTD_CCtx_setParameter(x->c, ZSTD_c_windowLog, WINDOW_LOG);
	n = ZSTD_CCtx_refPrefix(x->c, prefix, prefix_len);
	if (!ZSTD_isError(n))
		n = ZSTD_compress2(x->c, x->out, x->bound, block, len);
	if (ZSTD_isError(n))
		return (err_set(e, ERR_NOMEM, "zstd: %s",
		    ZSTD_getErrorName(n)));
	(void)ZSTD_DCtx_reset(x->d, ZSTD_reset_session_and_parameters);
	back = ZSTD_DCtx_refPrefix(x->d, prefix, prefix_len);
	if (!ZSTD_isError(back))
		back = ZSTD_decompressDCtx(x->d, x->again, sizeof(x->again),
		    x->out, n);
	if (back != len || memcmp(x->again, block, len) != 0)
		return (err_set(e, ERR_CORRUPT, "a delta that doesn't give "
		    "its block back: this machine's memory or zstd"));
	buf_reset(out);
	buf_bytes(out, x->out, n);
	return (buf_ok(out, e));
}
