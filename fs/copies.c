/*
 * Copies of what was stored long ago.
 *
 * A frame is decoded from its beginning: a file that is a copy of one in a
 * frame far away takes as long as a hundred neighbours, and a tree may have
 * thousands of them.  Whoever reads one small file after another comes to all:
 * so the catalog is looked through far ahead for such files, and when their
 * frame is decoded, for its own files or for one of them, they are all kept.
 */
#include "fs/copies.h"

#include <stdlib.h>
#include <string.h>

#define NEAR		1024	/* nodes from there: it goes on */
#define AWAY		8	/* times in a row elsewhere: it has gone */
#define FAR		65536	/* nodes ahead */
#define COPIES		4096
#define COPY_BYTES	(64U << 10)	/* a file, at most */
#define BATCH		192	/* rows at a time */
#define BATCHES		4	/* each time */
#define ALONE		2	/* rows of a frame: it is not their place */
#define PLACE_NEXT	2	/* frames behind the one in which others lie */

struct copy {
	struct small_file file;
	uint8_t *data;			/* owned; NULL: not kept */
};

struct copies {
	size_t memory;
	uint32_t snapshot;
	uint64_t from, to;		/* nodes that are ahead, looked at */
	unsigned away;
	bool here;			/* who asks now is in that snapshot */
	uint32_t place;			/* the frame in which others lie */
	size_t bytes;			/* kept */
	size_t first, n;
	struct copy v[COPIES];		/* a ring, by rising node */
	struct small_file row[BATCH];
};

int
copies_new(struct copies **out, size_t memory, struct err *err)
{
	struct copies *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	c->memory = memory;
	*out = c;
	return (0);
}

static void
let_go(struct copies *c, struct copy *x)
{
	if (x->data != NULL)
		c->bytes -= x->file.x.len;
	free(x->data);
	x->data = NULL;
}

static void
drop_first(struct copies *c)
{
	let_go(c, &c->v[c->first]);
	c->first = (c->first + 1) % COPIES;
	c->n--;
}

void
copies_free(struct copies *c)
{
	if (c == NULL)
		return;
	while (c->n > 0)
		drop_first(c);
	free(c);
}

static size_t
nth(const struct copies *c, size_t i)
{
	return ((c->first + i) % COPIES);
}

/* Does a row of the batch lie in a frame of which hardly another is? */
static bool
is_copy(struct copies *c, size_t n, size_t at)
{
	uint32_t frame = c->row[at].x.frame;
	unsigned same = 0;

	if (frame == c->place)
		return (false);
	for (size_t i = 0; i < n && same <= ALONE; i++)
		same += c->row[i].x.frame == frame;
	if (same > ALONE)
		c->place = frame;
	/* A batch may end where the next frame begins. */
	return (same <= ALONE &&
	    (frame < c->place || frame - c->place > PLACE_NEXT));
}

/* Look at a batch; *end when there is nothing more. */
static int
look(struct copies *c, struct catalog *cat, bool *end, struct err *err)
{
	uint64_t last;
	size_t n;

	if (catalog_small_files(cat, c->to, COPY_BYTES, c->row, BATCH, &n,
	    &last, err) != 0)
		return (-1);
	*end = last == c->to;
	c->to = last;
	for (size_t i = 0; i < n; i++)
		if (is_copy(c, n, i))
			c->v[nth(c, c->n++)] = (struct copy){
			    .file = c->row[i] };
	return (0);
}

int
copies_follow(struct copies *c, struct catalog *cat, uint32_t snapshot,
    uint64_t ino, struct err *err)
{
	bool ahead = snapshot == c->snapshot && c->from <= ino;
	bool again = ahead && ino <= c->to;
	bool end = false;

	c->here = snapshot == c->snapshot;
	/* Another reader, or files that are newer than their neighbours. */
	if ((!ahead || ino - c->from > NEAR) && c->to > 0 &&
	    ++c->away < AWAY)
		return (0);
	c->here = true;
	c->away = 0;
	while (c->n > 0 && (!again || c->v[c->first].file.ino <= ino))
		drop_first(c);
	c->from = ino;
	if (!again) {
		c->to = ino;
		c->snapshot = snapshot;
		c->place = 0;
	}
	for (unsigned i = 0; i < BATCHES && !end && c->to - ino < FAR &&
	    c->n + BATCH <= COPIES; i++)
		if (look(c, cat, &end, err) < 0)
			return (-1);
	return (0);
}

/* The kept one whose turn comes last, or n. */
static size_t
farthest(const struct copies *c)
{
	for (size_t i = c->n; i-- > 0;)
		if (c->v[nth(c, i)].data != NULL)
			return (i);
	return (c->n);
}

uint32_t
copies_last_slot(const struct copies *c, uint32_t frame, uint32_t slot)
{
	/* Where memory is short, of those that would be kept. */
	size_t end = c->bytes < c->memory / 4 * 3 ? c->n : farthest(c);

	for (size_t i = 0; i < end && c->here; i++) {
		const struct copy *x = &c->v[nth(c, i)];

		if (x->file.x.frame == frame && x->data == NULL &&
		    x->file.x.slot > slot)
			slot = x->file.x.slot;
	}
	return (slot);
}

static void
keep(struct copies *c, struct copy *x, struct fetch *f,
    const struct pack_info *pack, const struct frame_info *frame)
{
	const struct extent *at = &x->file.x;
	struct err ignored = ERR_INIT;
	struct fetched *ref;
	const uint8_t *data;

	if (fetch_alone(f, pack, frame, at->slot, &at->id, (uint32_t)at->len,
	    &ref, &data, &ignored) != 0)
		return;
	x->data = malloc((size_t)at->len);
	if (x->data != NULL) {
		memcpy(x->data, data, (size_t)at->len);
		c->bytes += at->len;
	}
	fetch_put(f, ref);
}

/* Room for the ith, if need be in place of what is wanted later. */
static bool
make_room(struct copies *c, size_t i)
{
	uint64_t len = c->v[nth(c, i)].file.x.len;
	size_t last;

	while (c->bytes + len > c->memory) {
		last = farthest(c);
		if (last == c->n || last <= i)
			return (false);
		let_go(c, &c->v[nth(c, last)]);
	}
	return (true);
}

void
copies_keep(struct copies *c, struct fetch *f, const struct pack_info *pack,
    const struct frame_info *frame, uint32_t no)
{
	for (size_t i = 0; i < c->n && c->here; i++) {
		struct copy *x = &c->v[nth(c, i)];

		if (x->file.x.frame == no && x->data == NULL &&
		    fetch_is_ready(f, pack, frame, x->file.x.slot)) {
			if (!make_room(c, i))
				return;
			keep(c, x, f, pack, frame);
		}
	}
}

const uint8_t *
copies_find(const struct copies *c, uint64_t ino)
{
	for (size_t i = 0; i < c->n && c->here; i++) {
		const struct copy *x = &c->v[nth(c, i)];

		if (x->file.ino >= ino)
			return (x->file.ino == ino ? x->data : NULL);
	}
	return (NULL);
}
