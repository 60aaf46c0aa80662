/*
 * Is the content of a file that had to be read again what the parent has of it?
 * Both are taken as the list of their chunks and holes, hashed, so that it
 * costs no memory.
 */
#include "tools/job/backup_int.h"

#include <string.h>

#define EXTENTS		64	/* of the parent, at a time */

static void
add(struct content *c, const uint8_t *id, uint64_t len)
{
	uint8_t n[8];

	le_put64(n, len);
	hash_update(&c->hash, n, sizeof(n));
	hash_update(&c->hash, id, CHUNK_KEY_BYTES);
}

/* Neighbouring holes are one. */
static void
flush(struct content *c)
{
	static const uint8_t none[CHUNK_KEY_BYTES];

	if (c->hole > 0)
		add(c, none, c->hole);
	c->hole = 0;
}

void
content_begin(struct content *c, const struct backup *b, bool like)
{
	memset(c, 0, sizeof(*c));
	c->on = like && b->parent != NULL;
	if (c->on)
		hash_init(&c->hash);
}

void
content_chunk(struct content *c, const struct chunk_id *id, uint64_t len)
{
	if (!c->on)
		return;
	flush(c);
	add(c, id->b, len);
}

void
content_hole(struct content *c, uint64_t len)
{
	if (c->on)
		c->hole += len;
}

/* The same of the parent's file. */
static int
content_of(struct content *c, struct catalog *cat, uint64_t ino, struct err *e)
{
	struct extent v[EXTENTS];
	uint64_t off = 0;
	size_t n;

	for (;;) {
		if (catalog_extents(cat, ino, off, v, EXTENTS, &n, e) < 0)
			return (-1);
		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++) {
			if (v[i].hole)
				content_hole(c, v[i].len);
			else
				content_chunk(c, &v[i].id, v[i].len);
			off = v[i].off + v[i].len;
		}
	}
	flush(c);
	return (0);
}

int
content_end(struct content *c, struct backup *b, uint64_t ino, struct err *e)
{
	struct content old;
	uint8_t now[HASH_BYTES], then[HASH_BYTES];

	c->same = false;
	if (!c->on) {
		b->altered = true;
		return (0);
	}
	flush(c);
	content_begin(&old, b, true);
	if (content_of(&old, b->parent, ino, e) != 0) {
		atomic_store(&b->parent_bad, e->code == ERR_CORRUPT);
		return (err_wrap(e, "the snapshot to compare with"));
	}
	hash_final(&c->hash, now);
	hash_final(&old.hash, then);
	c->same = memcmp(now, then, HASH_BYTES) == 0;
	if (!c->same)
		b->altered = true;
	return (0);
}
