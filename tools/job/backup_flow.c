/*
 * Files' content in the order of the walk.
 *
 *	flow_file -> work -> [read lane] -> joint -> [hash lane] -> settle
 *
 * A work is a run of neighbouring small files, which one worker opens, reads,
 * cuts and looks up; or a step of a large file, which one worker reads, the
 * coordinator cuts (`joint': a chunk may span two steps), and another looks up.
 * `settle' writes: chunks into the put, nodes, names and extents into the
 * catalog.
 *
 * Invariants:
 * 1. Works are settled in the order in which they were made, and taken out of a
 *    lane only when it is full or all is drained.  So what is written, and
 *    between which directories of the walk, depends on neither timing nor the
 *    number of threads.
 * 2. There are at most as many works, and buffers, as both lanes hold and two
 *    more.
 * 3. A large file's descriptor is open from its first step's making to its last
 *    one's settling.
 */
#include "tools/job/backup_flow_int.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The workers prefer what is downstream: 0 is the walk's. */
#define PRIORITY_READ	1
#define PRIORITY_HASH	2

#define POLL_MS		200	/* a stream that waits: looks for a signal */

static int
no_memory(struct err *e)
{
	return (err_set(e, ERR_NOMEM, "no memory for reading"));
}

static void
large_unref(struct large *f)
{
	if (--f->refs > 0)
		return;
	if (f->is_open)
		f->source->ops->close(f->source, &f->file);
	if (f->it.dir != NULL)
		walk_dir_drop(f->it.dir);
	meta_fini(&f->meta);
	free(f->name);
	free(f);
}

static void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	free(w->buf);
	free(w->cuts.v);
	free(w->items);
	buf_fini(&w->names);
	free(w);
}

/* Empty it and keep its memory. */
static void
work_put(struct flow *f, struct work *w)
{
	for (size_t i = 0; i < w->n; i++) {
		meta_fini(&w->items[i].meta);
		walk_dir_drop(w->items[i].it.dir);
	}
	if (w->file != NULL)
		large_unref(w->file);
	w->file = NULL;
	w->n = w->bytes = w->ndirs = 0;
	w->cuts.n = 0;
	buf_reset(&w->names);
	w->next_free = f->free;
	f->free = w;
}

static struct work *
work_get(struct flow *f, struct err *e)
{
	struct work *w = f->free;

	if (w != NULL) {
		f->free = w->next_free;
	} else {
		w = calloc(1, sizeof(*w));
		if (w == NULL) {
			(void)no_memory(e);
			return (NULL);
		}
		w->b = f->b;
	}
	w->failed = w->last = w->run_end = w->skipped = false;
	w->error = 0;
	w->off = w->hole = 0;
	w->len = w->got = 0;
	w->next_free = NULL;
	return (w);
}

static int
work_buf(struct work *w, size_t size, struct err *e)
{
	if (w->cap >= size)
		return (0);
	free(w->buf);
	w->cap = 0;
	w->buf = malloc(size);
	if (w->buf == NULL)
		return (no_memory(e));
	w->cap = size;
	return (0);
}

/* On a worker. */
static void
run_read(struct job *job)
{
	struct work *w = (struct work *)job;
	size_t off = 0;

	for (size_t i = 0; i < w->n && !w->failed; i++) {
		struct run_item *ri = &w->items[i];

		if (ri->it.link)
			continue;
		ri->it.name = (const char *)w->names.data + ri->name_off;
		ri->it.now = clock_wall();
		read_pace(w->b, (size_t)ri->it.st.size);
		if (events_canceled(w->b->ev))
			ri->redo = true;
		else if (read_small(w->b, ri, w->buf, off, &w->cuts,
		    &w->err) != 0)
			w->failed = true;
		off += (size_t)ri->it.st.size + 1;
	}
}

static void
step_read(struct job *job)
{
	struct work *w = (struct work *)job;
	struct source *s = w->b->source;
	size_t head = w->cap - STEP_BYTES;

	read_pace(w->b, w->len);
	if (w->len > 0)
		w->error = s->ops->read_at(s, &w->file->file, w->buf + head,
		    w->len, w->off, &w->got);
}

static void
step_hash(struct job *job)
{
	struct work *w = (struct work *)job;

	if (w->file != NULL && !w->failed &&
	    read_lookup(w->b, w->buf, &w->cuts, 0, &w->err) != 0)
		w->failed = true;
}

/* A work out of the hash lane (or past it): write what it found. */
static int
settle(struct flow *f, struct work *w, struct err *e)
{
	int rc = -1;

	if (w->failed)
		*e = w->err;
	else if (w->file != NULL)
		rc = settle_step(f, w, e);
	else
		rc = settle_run(f, w, e);
	work_put(f, w);
	return (rc);
}

/* Cut a step that was read, together with what the one before left over. */
static int
joint(struct flow *f, struct work *w, struct err *e)
{
	struct large *lf = w->file;
	size_t at = w->cap - STEP_BYTES - f->tail_len;
	bool last;

	if (lf->stopped) {
		/* The file ended or failed before this. */
		w->got = 0;
		w->skipped = true;
		return (0);
	}
	if (w->error != 0 || w->got < w->len) {
		lf->stopped = true;
		lf->error = w->error;
		lf->is_short = w->error == 0;
		w->error = 0;
	}
	BUG_ON(w->buf == NULL);
	if (f->tail_len > 0)
		memcpy(w->buf + at, f->tail, f->tail_len);
	last = w->run_end || lf->stopped ||
	    (w->off + w->len) % SEGMENT_BYTES == 0;
	if (read_cut(f->b, w->buf, at, f->tail_len + w->got, last, &w->cuts,
	    &f->tail_len, e) != 0)
		return (-1);
	if (f->tail_len > 0)
		memcpy(f->tail, w->buf + w->cap - STEP_BYTES + w->got -
		    f->tail_len, f->tail_len);
	return (0);
}

static int
advance_hash(struct flow *f, struct err *e)
{
	return (settle(f, (struct work *)lane_take(f->hash), e));
}

/* A work that is read and cut goes on; taken. */
static int
to_hash(struct flow *f, struct work *w, struct err *e)
{
	if (lane_is_full(f->hash) && advance_hash(f, e) != 0) {
		work_put(f, w);
		return (-1);
	}
	w->job.run = step_hash;
	lane_submit(f->hash, &w->job);
	return (0);
}

/* The oldest work of the read lane goes on. */
static int
advance_read(struct flow *f, struct err *e)
{
	struct work *w = (struct work *)lane_take(f->read);

	if (w->file != NULL && joint(f, w, e) != 0) {
		work_put(f, w);
		return (-1);
	}
	if (w->file == NULL && lane_is_empty(f->hash))
		return (settle(f, w, e));
	return (to_hash(f, w, e));
}

/* Takes the work. */
static int
submit(struct flow *f, struct work *w, void (*run)(struct job *),
    struct err *e)
{
	if (lane_is_full(f->read) && advance_read(f, e) != 0) {
		work_put(f, w);
		return (-1);
	}
	w->job.run = run;
	lane_submit(f->read, &w->job);
	return (0);
}

static int
flush_run(struct flow *f, struct err *e)
{
	struct work *w = f->run;

	f->run = NULL;
	if (w == NULL)
		return (0);
	/* Of one size, so that it serves for the next run too. */
	if (work_buf(w, SMALL_MAX > w->bytes ? SMALL_MAX : w->bytes, e) != 0) {
		work_put(f, w);
		return (-1);
	}
	return (submit(f, w, run_read, e));
}

/* Make and queue a step; takes nothing. */
static int
add_step(struct flow *f, struct large *lf, const struct work *what,
    struct err *e)
{
	struct work *w = work_get(f, e);

	if (w == NULL)
		return (-1);
	if (work_buf(w, f->head + STEP_BYTES, e) != 0) {
		work_put(f, w);
		return (-1);
	}
	w->file = lf;
	lf->refs++;
	w->off = what->off;
	w->len = what->len;
	w->hole = what->hole;
	w->run_end = what->run_end;
	w->last = what->last;
	return (submit(f, w, step_read, e));
}

/* The steps of a run of data that begins after `hole' bytes of hole. */
static int
add_span(struct flow *f, struct large *lf, uint64_t off, uint64_t hole,
    uint64_t data, struct err *e)
{
	uint64_t end = off + hole + data;

	off += hole;
	do {
		uint64_t len = end - off < STEP_BYTES ? end - off : STEP_BYTES;
		uint64_t room = SEGMENT_BYTES - off % SEGMENT_BYTES;
		struct work what = { .off = off, .hole = hole };

		what.len = (size_t)(len < room ? len : room);
		off += what.len;
		hole = 0;
		what.run_end = off == end;
		what.last = off == lf->it.st.size;
		if (add_step(f, lf, &what, e) != 0)
			return (-1);
	} while (off < end);
	return (0);
}

static int
large_open(struct flow *f, const struct item *it, struct large **out,
    struct err *e)
{
	struct source *s = f->b->source;
	struct large *lf = calloc(1, sizeof(*lf));
	struct meta_stat st;

	if (lf == NULL || (lf->name = strdup(it->name)) == NULL) {
		free(lf);
		return (no_memory(e));
	}
	lf->refs = 1;
	lf->source = s;
	lf->stream = -1;
	lf->it = *it;
	lf->it.name = lf->name;
	walk_dir_hold(it->dir);
	lf->is_open = s->ops->open(s, it->dir, it->name, !s->vouches,
	    &lf->file) == 0;
	lf->it.now = clock_wall();
	if (!lf->is_open || s->ops->stat_file(s, &lf->file, &st) != 0 ||
	    st.kind != ENTRY_FILE || st.size <= SMALL_MAX) {
		large_unref(lf);
		return (1);
	}
	lf->it.like = it->like && meta_is_same(&st, &it->st);
	lf->it.st = st;
	content_begin(&lf->content, f->b, lf->it.like);
	s->ops->file_meta(s, &lf->file, &lf->meta);
	*out = lf;
	return (0);
}

/* The node of a large file, and all its steps. */
static int
add_steps(struct flow *f, struct large *lf, struct err *e)
{
	struct source *s = f->b->source;
	uint64_t off = 0, hole, data;

	/* Where they come with the bytes settle_step() adds them. */
	if (settle_file(f->b, &lf->it, s->vouches ? NULL : &lf->meta, 0, e) !=
	    0 || sink_begin(f->b, lf->it.ino, e) != 0)
		return (-1);
	lf->it.named = true;
	while (off < lf->it.st.size) {
		int error = s->ops->span(s, &lf->file, &lf->it.st, off, &hole,
		    &data);

		if (error != 0) {
			/* No map of the holes: read them. */
			hole = 0;
			data = lf->it.st.size - off;
		}
		if (add_span(f, lf, off, hole, data, e) != 0)
			return (-1);
		off += hole + data;
	}
	return (0);
}

static int
add_large(struct flow *f, const struct item *it, struct err *e)
{
	struct large *lf = NULL;
	int rc;

	if (flush_run(f, e) != 0)
		return (-1);
	rc = large_open(f, it, &lf, e);
	if (rc > 0) {
		struct item own = *it;

		/* Not what the walk saw.  What comes before goes first. */
		if (flow_drain(f, e) != 0)
			return (-1);
		return (settle_alone(f, &own, e));
	}
	if (rc < 0)
		return (-1);
	rc = add_steps(f, lf, e);
	large_unref(lf);
	return (rc);
}

int
flow_file(struct flow *f, const struct item *it, struct err *e)
{
	struct work *w;
	struct run_item *ri;
	size_t bytes = it->link ? 0 : (size_t)it->st.size + 1;

	if (!it->link && it->st.size > SMALL_MAX)
		return (add_large(f, it, e));
	w = f->run;
	if (w != NULL && (w->n == f->run_items ||
	    w->bytes + bytes > SMALL_MAX || (w->ndirs == f->run_dirs &&
	    w->items[w->n - 1].it.dir != it->dir))) {
		if (flush_run(f, e) != 0)
			return (-1);
		w = NULL;
	}
	if (w == NULL) {
		w = work_get(f, e);
		if (w == NULL)
			return (-1);
		if (w->items == NULL)
			w->items = calloc(RUN_ITEMS, sizeof(*w->items));
		if (w->items == NULL) {
			work_put(f, w);
			return (no_memory(e));
		}
		f->run = w;
	}
	if (w->n == 0 || w->items[w->n - 1].it.dir != it->dir)
		w->ndirs++;
	ri = &w->items[w->n];
	memset(ri, 0, sizeof(*ri));
	ri->it = *it;
	ri->name_off = (uint32_t)w->names.len;
	buf_bytes(&w->names, it->name, strlen(it->name) + 1);
	if (buf_ok(&w->names, e) != 0)
		return (-1);
	walk_dir_hold(it->dir);
	w->n++;
	w->bytes += bytes;
	return (0);
}

/* The next bytes of a stream, as many as there is room for or come before its
 * end; waits in a way that can be interrupted. */
static int
stream_fill(struct flow *f, struct work *w, int fd, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t *dst = w->buf + w->cap - STEP_BYTES;
	ssize_t n;

	read_pace(f->b, w->len);
	while (w->got < w->len) {
		if (backup_tick(f->b, NULL, NULL, e) != 0)
			return (-1);
		if (poll(&p, 1, POLL_MS) <= 0)
			continue;
		n = read(fd, dst + w->got, w->len - w->got);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return (err_sys(e, errno, "the stream can't be read"));
		if (n == 0)
			break;
		w->got += (size_t)n;
	}
	return (0);
}

/* One step of a stream: read, cut, sent on. */
static int
stream_step(struct flow *f, struct large *lf, uint64_t *off, struct err *e)
{
	struct work *w = work_get(f, e);

	if (w == NULL)
		return (-1);
	w->off = *off;
	w->len = STEP_BYTES;
	if (work_buf(w, f->head + STEP_BYTES, e) != 0 ||
	    stream_fill(f, w, lf->stream, e) != 0) {
		work_put(f, w);
		return (-1);
	}
	w->run_end = w->last = w->got < w->len;
	w->len = w->got;
	*off += w->got;
	w->file = lf;
	lf->refs++;
	if (joint(f, w, e) != 0) {
		work_put(f, w);
		return (-1);
	}
	lf->stopped = w->last;
	return (to_hash(f, w, e));
}

int
flow_stream(struct flow *f, int fd, uint64_t ino, struct content *content,
    uint64_t *bytes, struct err *e)
{
	struct large *lf = calloc(1, sizeof(*lf));
	int rc = 0;

	*bytes = 0;
	if (lf == NULL)
		return (no_memory(e));
	lf->refs = 1;
	lf->stream = fd;
	lf->it.ino = ino;
	lf->content = *content;
	while (rc == 0 && !lf->stopped)
		rc = stream_step(f, lf, bytes, e);
	if (rc == 0)
		rc = flow_drain(f, e);
	*content = lf->content;
	large_unref(lf);
	return (rc);
}

int
flow_drain(struct flow *f, struct err *e)
{
	if (flush_run(f, e) != 0)
		return (-1);
	while (!lane_is_empty(f->read))
		if (advance_read(f, e) != 0)
			return (-1);
	while (!lane_is_empty(f->hash))
		if (advance_hash(f, e) != 0)
			return (-1);
	return (0);
}

/* Of what the walk leaves, each work's share. */
static size_t
run_dirs(const struct backup *b, size_t works)
{
	size_t others = walk_descriptors(b->descriptors), share;

	share = b->descriptors > others ?
	    (b->descriptors - others) / works : 0;
	return (share < 1 ? 1 : share > RUN_DIRS ? RUN_DIRS : share);
}

int
flow_new(struct flow **out, struct backup *b, struct err *e)
{
	struct flow *f = calloc(1, sizeof(*f));
	size_t works = b->memory_bytes / (24U << 20);
	bool far = b->bucket != NULL;

	if (f == NULL)
		return (no_memory(e));
	f->b = b;
	/* What waits for an answer needs its buffer alone. */
	if (far)
		works *= 2;
	f->run_items = far ? RUN_ITEMS_FAR : RUN_ITEMS;
	f->head = b->cutter.params.max_bytes;
	f->tail = malloc(f->head);
	if (f->head > STEP_BYTES)
		works = works * STEP_BYTES / f->head;
	works = works < 4 ? 4 : works > 64 ? 64 : works;
	if (f->tail == NULL ||
	    lane_new(&f->read, b->pool, PRIORITY_READ, (unsigned)works, e) !=
	    0 || lane_new(&f->hash, b->pool, PRIORITY_HASH,
	    (unsigned)(works + 1) / 2, e) != 0) {
		if (f->tail == NULL)
			(void)no_memory(e);
		flow_free(f);
		return (-1);
	}
	lane_limit(f->read, b->readers);
	f->run_dirs = run_dirs(b, works + (works + 1) / 2 + 2);
	*out = f;
	return (0);
}

void
flow_free(struct flow *f)
{
	struct work *w;

	if (f == NULL)
		return;
	if (f->run != NULL)
		work_put(f, f->run);
	for (int i = 0; i < 2; i++) {
		struct lane *lane = i == 0 ? f->hash : f->read;

		while (lane != NULL &&
		    (w = (struct work *)lane_take(lane)) != NULL)
			work_put(f, w);
		lane_free(lane);
	}
	while ((w = f->free) != NULL) {
		f->free = w->next_free;
		work_free(w);
	}
	free(f->tail);
	free(f->alone);
	free(f);
}
