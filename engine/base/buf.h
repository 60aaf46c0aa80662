#ifndef VITRINE_ENGINE_BASE_BUF_H
#define VITRINE_ENGINE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A growing byte buffer, and the emitting twin of struct rd: integers are
 * appended little-endian.  A failed allocation sets `failed' and later appends
 * do nothing, so a whole object is emitted and then checked once with
 * buf_ok().  Confined to one thread.
 */
struct buf {
	uint8_t *data;		/* owned; NULL when empty */
	size_t len;
	size_t cap;
	bool failed;
};

#define BUF_INIT	{ 0 }

struct err;

void buf_fini(struct buf *);			/* frees; leaves it empty */
void buf_wipe(struct buf *);			/* zeroes, then frees */
void buf_reset(struct buf *);			/* empties, keeps the memory */
int buf_reserve(struct buf *, size_t extra, struct err *);
int buf_ok(const struct buf *, struct err *);	/* 0, or -1 and ERR_NOMEM */

/* len bytes to be filled by the caller, appended; NULL after a failure. */
uint8_t *buf_grow(struct buf *, size_t len);
void buf_bytes(struct buf *, const void *, size_t len);
void buf_zeros(struct buf *, size_t len);
void buf_u8(struct buf *, uint8_t);
void buf_u16(struct buf *, uint16_t);
void buf_u32(struct buf *, uint32_t);
void buf_u64(struct buf *, uint64_t);
void buf_i64(struct buf *, int64_t);
/* u16 length, then the bytes; longer than 65535 sets failed. */
void buf_str16(struct buf *, const void *, size_t len);
/* Overwrite four bytes written before (a length or count known later). */
void buf_patch_u32(struct buf *, size_t at, uint32_t);

/* The same onto plain memory. */
void le_put16(uint8_t *, uint16_t);
void le_put32(uint8_t *, uint32_t);
void le_put64(uint8_t *, uint64_t);

#endif
