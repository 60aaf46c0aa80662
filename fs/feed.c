/*
 * Feeding small files to the kernel's page cache.
 *
 * Who copies a tree asks for each small file in a request of its own, and most
 * of what that takes is waking each other.  Nodes are numbered in the order in
 * which trees are read (index/), so what comes after a file is known: when one
 * is asked for, those behind it go to the kernel as well (FUSE_NOTIFY_STORE),
 * as far as it knows their inodes and their frames are at hand, or they were
 * kept (fs/copies.c).  The reader waits meanwhile, so that it doesn't ask for
 * the same.  And who reads one file after another, reads those that it lists:
 * so they go along at a listing's end, which is a request of its own, when the
 * kernel has their inodes.
 *
 *	OFF --RUN files in a row were read--> ON
 *	ON --UNASKED files that were left out were not read--> OFF
 *
 * In each PROBE_EVERY-th window the first file is left out: without that
 * nothing would tell whether anybody reads what is fed.  It may be read much
 * later, after the subdirectories that stand before it; so it counts as not
 * read when PROBES more were left out.
 *
 * Storing waits for a page that somebody else is reading, thus for another
 * request's thread, so:
 * 1. One thread feeds at a time (`busy'), and none before another one has
 *    served something: threads stay, once they are there (fs/serve.c).
 * 2. It holds no lock and no connection meanwhile.
 */
#include "fs/feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fs/copies.h"
#include "fs/fs_int.h"

#define STREAMS		4	/* readers at a time */
#define NEAR		64	/* numbers apart, and yet in a row */
#define RUN		8
#define PROBE_EVERY	4
#define PROBES		8
#define LISTED		8	/* directories between beginning and end */
#define UNASKED		8
#define WINDOW_FILES	64
#define WINDOW_BYTES	(1U << 20)
#define FILE_BYTES	(128U << 10)
#define ROWS		192
#define ROWS_MIN	96	/* looked ahead at */
#define ALONE		2	/* rows of a frame: not worth all of it */
#define UNKNOWN		4	/* in a row: its directory ends here */

/* A reader's place: nodes from `from' to `to' were read or fed. */
struct stream {
	uint64_t from, to;
	uint64_t used;
};

/* Files behind a place, the feeding thread's. */
struct rows {
	uint32_t snapshot;
	uint64_t after, last;	/* the nodes looked at: after < ino <= last */
	uint64_t asked;		/* frames were asked for up to this node */
	uint32_t kept;		/* the frame of which copies were kept last */
	size_t n;
	struct small_file v[ROWS];
	bool located;
	uint32_t no;		/* located: the catalog's number of it */
	struct pack_info pack;
	struct frame_info frame;
};

struct feed {
	struct fuse_session *session;	/* borrowed */
	pthread_mutex_t lock;		/* of what follows, but for rows */
	unsigned servers;		/* threads that came by */
	bool on;
	bool busy;
	unsigned run;
	unsigned windows;
	unsigned unasked;		/* probes in a row */
	unsigned nprobes, nlisted;	/* ever; the next one's place */
	uint64_t probes[PROBES];	/* nodes, or 0 */
	struct { uint64_t dir, first; } listed[LISTED];
	uint64_t tick;
	struct stream streams[STREAMS];
	struct rows rows;		/* of the thread that set `busy' */
	struct copies *copies;		/* likewise; owned */
};

/* This thread is one of `servers'. */
static _Thread_local bool counted;

int
feed_new(struct feed **out, size_t memory, struct err *err)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	if (copies_new(&f->copies, memory, err) < 0) {
		free(f);
		return (-1);
	}
	(void)pthread_mutex_init(&f->lock, NULL);
	*out = f;
	return (0);
}

void
feed_begin(struct feed *f, struct fuse_session *session)
{
	f->session = session;
}

void
feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	(void)pthread_mutex_destroy(&f->lock);
	copies_free(f->copies);
	free(f);
}

/* From here to is_due(): under the lock.  The stream that goes on with that
 * node; else the one that was longest idle, begun anew there. */
static struct stream *
find(struct feed *f, uint64_t number)
{
	struct stream *idle = &f->streams[0];

	for (size_t i = 0; i < STREAMS; i++) {
		struct stream *s = &f->streams[i];

		if (s->from <= number && number <= s->to + NEAR) {
			s->used = ++f->tick;
			return (s);
		}
		if (s->used < idle->used)
			idle = s;
	}
	*idle = (struct stream){ .from = number, .used = ++f->tick };
	return (idle);
}

/* A node was read. */
static void
count_read(struct feed *f, uint64_t number)
{
	for (size_t i = 0; i < PROBES; i++) {
		if (f->probes[i] == number) {
			f->probes[i] = 0;
			f->unasked = 0;
		}
	}
}

/* A node was left out. */
static void
add_probe(struct feed *f, uint64_t number)
{
	uint64_t *at = &f->probes[f->nprobes++ % PROBES];

	if (*at != 0 && ++f->unasked >= UNASKED) {
		f->on = false;
		/* What was read in a row is no reason to go on. */
		f->run = 0;
	}
	*at = number;
}

/* Is it time to feed? Then it is the caller who does. */
static bool
is_due(struct feed *f, uint64_t number, struct stream **out)
{
	struct stream *s = find(f, number);

	f->run = s->from < number ? f->run + 1 : 0;
	count_read(f, number);
	if (number <= s->to)
		return (false);
	s->to = number;
	if (!f->on && f->run >= RUN) {
		f->on = true;
		f->unasked = f->run = 0;
		memset(f->probes, 0, sizeof(f->probes));
	}
	if (!f->on || f->busy || f->servers < 2)
		return (false);
	f->busy = true;
	*out = s;
	return (true);
}

/* The same at a listing's end; the first of its files, or 0. */
static uint64_t
is_due_listed(struct feed *f, uint64_t dir, struct stream **out)
{
	uint64_t first = 0;

	for (size_t i = 0; i < LISTED; i++)
		if (f->listed[i].dir == dir)
			first = f->listed[i].first;
	if (first == 0 || !f->on || f->busy || f->servers < 2)
		return (0);
	*out = find(f, first - 1);
	if (first <= (*out)->to)
		return (0);
	(*out)->to = first - 1;
	f->busy = true;
	return (first);
}

/* Have ROWS_MIN rows behind ino, where there are so many; *at is the first. */
static int
fill(struct rows *r, struct catalog *c, const struct node *n, size_t *at,
    struct err *err)
{
	size_t i = 0;

	if (r->snapshot == n->snapshot && r->after <= n->ino &&
	    n->ino <= r->last) {
		while (i < r->n && r->v[i].ino <= n->ino)
			i++;
		if (r->n - i >= ROWS_MIN) {
			*at = i;
			return (0);
		}
	} else {
		r->located = false;
		r->asked = 0;
	}
	*at = 0;
	r->snapshot = n->snapshot;
	r->after = n->ino;
	r->n = 0;
	return (catalog_small_files(c, n->ino, FILE_BYTES, r->v, ROWS, &r->n,
	    &r->last, err));
}

static int
locate(struct rows *r, struct catalog *c, uint32_t no, struct err *err)
{
	int rc;

	if (r->located && r->no == no)
		return (0);
	r->located = false;
	rc = catalog_frame(c, no, &r->pack, &r->frame, err);
	if (rc != 0)
		return (-1);
	r->located = true;
	r->no = no;
	return (0);
}

/* How much of a row's frame is worth decoding: where hardly another row lies in
 * it (copies of what was stored long ago), what it takes for that one. */
static uint32_t
slot_wanted(const struct rows *r, size_t at)
{
	unsigned same = 0;

	for (size_t i = 0; i < r->n && same <= ALONE; i++)
		same += r->v[i].x.frame == r->v[at].x.frame;
	return (same <= ALONE ? r->v[at].x.slot : FETCH_WHOLE);
}

/* Ask for the frames of the next rows, those that were not asked for. */
static int
look_ahead(struct feed *f, struct fs *fs, struct catalog *c, size_t at,
    struct err *err)
{
	struct rows *r = &f->rows;
	size_t end = at + ROWS_MIN < r->n ? at + ROWS_MIN : r->n;
	uint32_t no = 0, slot;

	for (; at < end; at++) {
		const struct small_file *v = &r->v[at];

		if (v->ino <= r->asked || v->x.frame == no ||
		    copies_find(f->copies, v->ino) != NULL)
			continue;
		no = v->x.frame;
		if (locate(r, c, no, err) < 0)
			return (-1);
		slot = slot_wanted(r, at);
		if (slot != FETCH_WHOLE)
			slot = copies_last_slot(f->copies, no, slot);
		fetch_ahead_slot(fs->fetch, &r->pack, &r->frame, slot);
		r->asked = v->ino;
	}
	return (0);
}

static int
store_bytes(struct feed *f, const uint8_t *data, size_t len, uint64_t number)
{
	struct fuse_bufvec b = FUSE_BUFVEC_INIT(len);

	b.buf[0].mem = (void *)(uintptr_t)data;
	return (-fuse_lowlevel_notify_store(f->session, number, 0, &b,
	    FUSE_BUF_NO_SPLICE));
}

/* Store a file that lies in r's frame: 0, an errno, or -1. */
static int
store(struct feed *f, struct fs *fs, const struct rows *r,
    const struct small_file *v, uint64_t number, struct err *err)
{
	struct fetched *ref;
	const uint8_t *data;
	int rc;

	if (fetch_alone(fs->fetch, &r->pack, &r->frame, v->x.slot, &v->x.id,
	    (uint32_t)v->x.len, &ref, &data, err) != 0)
		return (-1);
	rc = store_bytes(f, data, (size_t)v->x.len, number);
	fetch_put(fs->fetch, ref);
	return (rc);
}

/* Store a file whose bytes are at hand: as store(), or EAGAIN where they are
 * not. */
static int
feed_file(struct feed *f, struct fs *fs, struct catalog *c,
    const struct small_file *v, uint64_t number, struct err *err)
{
	struct rows *r = &f->rows;
	const uint8_t *data = copies_find(f->copies, v->ino);

	if (data != NULL)
		return (store_bytes(f, data, (size_t)v->x.len, number));
	if (locate(r, c, v->x.frame, err) < 0)
		return (-1);
	if (!fetch_is_ready(fs->fetch, &r->pack, &r->frame, v->x.slot))
		return (EAGAIN);
	if (r->kept != r->no)
		copies_keep(f->copies, fs->fetch, &r->pack, &r->frame, r->no);
	r->kept = r->no;
	return (store(f, fs, r, v, number, err));
}

/* What a window came to. */
struct fed {
	uint64_t to;		/* the last that is done with */
	uint64_t probe;		/* left out, or 0 */
};

/* Feed the files behind n, but for the first where there is to be a probe. */
static void
feed_window(struct feed *f, struct fs *fs, struct catalog *c,
    const struct node *n, bool probe, struct fed *fed)
{
	struct rows *r = &f->rows;
	struct err ignored = ERR_INIT;
	unsigned unknown = 0;
	uint64_t bytes = 0, number;
	size_t at, end;
	int rc;

	if (fill(r, c, n, &at, &ignored) != 0 ||
	    copies_follow(f->copies, c, r->snapshot, n->ino, &ignored) != 0 ||
	    look_ahead(f, fs, c, at, &ignored) != 0)
		return;
	end = at + WINDOW_FILES < r->n ? at + WINDOW_FILES : r->n;
	for (; at < end && bytes < WINDOW_BYTES && unknown < UNKNOWN &&
	    !fuse_session_exited(f->session); at++) {
		const struct small_file *v = &r->v[at];

		if (fs_number(fs, n, v->ino, &number, &ignored) < 0)
			return;
		if (probe && fed->probe == 0) {
			fed->probe = number;
			continue;
		}
		rc = feed_file(f, fs, c, v, number, &ignored);
		if (rc == EAGAIN)
			continue;
		if (rc != 0 && rc != ENOENT)
			return;
		unknown = rc == 0 ? 0 : unknown + 1;
		bytes += v->x.len;
		if (rc == 0)
			fed->to = number;
	}
}

/* Feed what is behind that node, which is s's last one.  Of the thread that set
 * `busy'. */
static void
feed_behind(struct feed *f, struct fs *fs, struct catalog *c,
    const struct node *n, uint64_t number, struct stream *s, bool probe)
{
	struct fed fed = { .to = number };

	feed_window(f, fs, c, n, probe, &fed);
	(void)pthread_mutex_lock(&f->lock);
	/* Unless the stream became another one's meanwhile. */
	if (s->from <= number && number <= s->to)
		s->to = fed.to;
	/* The directory's last file is no probe. */
	if (fed.probe != 0 && fed.probe < fed.to)
		add_probe(f, fed.probe);
	f->busy = false;
	(void)pthread_mutex_unlock(&f->lock);
}

static void
count_server(struct feed *f)
{
	f->servers += !counted;
	counted = true;
}

void
feed_after(struct feed *f, struct fs *fs, struct catalog *c,
    const struct node *n, uint64_t number)
{
	struct stream *s = NULL;
	bool due, probe = false;

	(void)pthread_mutex_lock(&f->lock);
	count_server(f);
	due = is_due(f, number, &s);
	if (due)
		probe = ++f->windows % PROBE_EVERY == 0;
	(void)pthread_mutex_unlock(&f->lock);
	if (due)
		feed_behind(f, fs, c, n, number, s, probe);
}

void
feed_listing(struct feed *f, uint64_t dir, uint64_t first)
{
	(void)pthread_mutex_lock(&f->lock);
	f->listed[f->nlisted].dir = dir;
	f->listed[f->nlisted].first = first;
	f->nlisted = (f->nlisted + 1) % LISTED;
	(void)pthread_mutex_unlock(&f->lock);
}

void
feed_listed(struct feed *f, struct fs *fs, struct catalog *c, uint64_t dir)
{
	struct node before;
	struct stream *s = NULL;
	uint64_t first;
	bool probe = false;

	(void)pthread_mutex_lock(&f->lock);
	count_server(f);
	first = is_due_listed(f, dir, &s);
	if (first != 0)
		probe = ++f->windows % PROBE_EVERY == 0;
	(void)pthread_mutex_unlock(&f->lock);
	if (first == 0)
		return;
	layout_node(&fs->layout, first, &before);
	before.ino--;
	feed_behind(f, fs, c, &before, first - 1, s, probe);
}
