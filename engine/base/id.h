#ifndef VITRINE_ENGINE_BASE_ID_H
#define VITRINE_ENGINE_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Identifiers: each kind is a struct of its own, so that two can't be
 * swapped. */
#define ID_BYTES	32
#define ID_HEX		(2 * ID_BYTES + 1)	/* with the final NUL */
#define RUN_BYTES	16
#define RUN_HEX		(2 * RUN_BYTES + 1)

struct repo_id { uint8_t b[16]; };
struct run_id { uint8_t b[RUN_BYTES]; };	/* one run of one writer */
struct chunk_id { uint8_t b[ID_BYTES]; }; /* keyed hash of a chunk's bytes */
struct object_id { uint8_t b[ID_BYTES]; }; /* hash of a stored object's bytes */
struct pack_id { uint8_t b[ID_BYTES]; }; /* ... when the object is a pack */
struct snapshot_id { uint8_t b[ID_BYTES]; };	/* ... when it is a manifest */
struct lineage_id { uint8_t b[ID_BYTES]; };	/* writer, host, name, roots */

/* Chunks are told apart by the first bytes of their ids: tables hold no more,
 * nor do catalogs. */
#define CHUNK_KEY_BYTES	20

static inline bool
id_equal(const uint8_t a[ID_BYTES], const uint8_t b[ID_BYTES])
{
	return (memcmp(a, b, ID_BYTES) == 0);
}

static inline bool
id_is_zero(const uint8_t a[ID_BYTES])
{
	static const uint8_t zero[ID_BYTES] = { 0 };

	return (memcmp(a, zero, ID_BYTES) == 0);
}

static inline bool
chunk_id_equal(const struct chunk_id *a, const struct chunk_id *b)
{
	return (memcmp(a->b, b->b, CHUNK_KEY_BYTES) == 0);
}

/* Lower-case hex; dst has 2 * len + 1 bytes.  Returns dst. */
char *hex_emit(char *dst, const uint8_t *src, size_t len);
/* Exactly 2 * len lower-case digits and a NUL; 0, or -1 for anything else. */
int hex_parse(uint8_t *dst, size_t len, const char *src);

#endif
