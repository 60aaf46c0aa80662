/*
 * A worker's part: a run of frames is read, and what lies in each is written to
 * the files that want it.  Chunks that follow one another in the frame and in
 * the file go out with one write.
 */
#include "tools/job/restore_plan.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/io.h"

struct writing {
	struct write_job *job;
	struct restore *rs;
};

/* Memory for a run's stored bytes, kept between runs. */
static struct buf
scratch_get(struct restore *rs)
{
	struct buf b = BUF_INIT;

	(void)pthread_mutex_lock(&rs->lock);
	if (rs->nscratch > 0)
		b = rs->scratch[--rs->nscratch];
	(void)pthread_mutex_unlock(&rs->lock);
	return (b);
}

static void
scratch_put(struct restore *rs, struct buf *b)
{
	(void)pthread_mutex_lock(&rs->lock);
	if (rs->nscratch < RESTORE_THREADS_MAX) {
		rs->scratch[rs->nscratch++] = *b;
		*b = (struct buf)BUF_INIT;
	}
	(void)pthread_mutex_unlock(&rs->lock);
	buf_fini(b);
}

/* Bytes to their place in the file; a failure is the file's or (< 0) all's. */
static int
write_bytes(struct file *f, const uint8_t *data, size_t len, uint64_t off,
    struct err *e)
{
	int fd;

	if (atomic_load_explicit(&f->failed, memory_order_relaxed) ||
	    (fd = file_open(f)) < 0)
		return (0);
	if (io_pwrite_all(fd, data, len, off, e) < 0) {
		file_fail(f, e);
		err_init(e);
		return (0);
	}
	(void)atomic_fetch_add(&f->rs->bytes, len);
	return (0);
}

/* One piece by itself: whatever the run couldn't do. */
static int
write_piece(struct restore *rs, const struct place *at, const struct piece *p,
    struct err *e)
{
	struct fetched *ref;
	const uint8_t *data;
	int r;

	if (atomic_load(&p->file->failed))
		return (0);
	r = fetch_chunk(rs->fetch, &at->pack, &at->info, p->slot, &p->id,
	    p->len, &ref, &data, e);
	if (r == 0) {
		r = write_bytes(p->file, data, p->len, p->off, e);
		fetch_put(rs->fetch, ref);
		return (r);
	}
	if (!failure_is_local(e))
		return (err_wrap(e, "%s", p->file->path));
	file_fail(p->file, e);
	err_init(e);
	return (0);
}

/* How many of the pieces from p on can be written at once; *data is where they
 * begin.  0: the first isn't in the frame. */
static size_t
pieces_together(struct restore *rs, struct fetched *x, const struct piece *p,
    size_t n, const uint8_t **data, size_t *len)
{
	const uint8_t *next;
	size_t i;

	*len = 0;
	for (i = 0; i < n; i++) {
		if (i > 0 && (p[i].file != p[0].file ||
		    p[i].off != p[0].off + *len))
			break;
		if (!fetch_run_chunk(rs->fetch, x, p[i].slot, &p[i].id,
		    p[i].len, &next))
			break;
		if (i == 0)
			*data = next;
		else if (next != *data + *len)
			break;
		*len += p[i].len;
	}
	return (i);
}

/* All that lies in one frame. */
static int
write_place(struct writing *w, const struct place *at, struct fetched *x,
    struct err *e)
{
	const struct piece *p = &w->job->plan->pieces[at->first];
	size_t n;
	int r = w->job->result;

	for (size_t i = 0; i < at->n; i += n) {
		const uint8_t *data;
		size_t len;

		n = x == NULL ? 0 : pieces_together(w->rs, x, p + i,
		    at->n - i, &data, &len);
		if (r == 0 && restore_stopped(w->rs))
			r = err_set(e, ERR_CANCELED, "interrupted");
		if (r == 0)
			r = n > 0 ? write_bytes(p[i].file, data, len, p[i].off,
			    e) : write_piece(w->rs, at, p + i, e);
		if (n == 0)
			n = 1;
		restore_tick(w->rs, p[i].file->path);
		/* Whatever happened, the references go back. */
		for (size_t k = i; k < i + n; k++) {
			if (r < 0)
				file_fail(p[k].file, e);
			if (file_put(p[k].file, r < 0 ? &(struct err)ERR_INIT :
			    e) < 0)
				r = -1;
		}
	}
	return (r);
}

static int
write_frame(void *ctx, size_t i, struct fetched *x, struct err *e)
{
	struct writing *w = ctx;
	struct write_job *j = w->job;

	/* A failure doesn't end the run: the pieces left are to be dropped. */
	if (write_place(w, &j->plan->places[j->from + i], x, &j->err) < 0)
		j->result = -1;
	return (0);
}

/* Files without bytes: empty ones, and those that are one hole. */
static int
make_bare(struct write_job *j)
{
	struct piece *p = &j->plan->pieces[j->from];
	int r = 0;

	for (size_t i = 0; i < j->n; i++) {
		if (r == 0 && restore_stopped(j->plan->rs))
			r = err_set(&j->err, ERR_CANCELED, "interrupted");
		if (r < 0)
			file_fail(p[i].file, &j->err);
		else
			(void)file_open(p[i].file);
		if (file_put(p[i].file, r < 0 ? &(struct err)ERR_INIT :
		    &j->err) < 0)
			r = -1;
	}
	return (r);
}

void
write_run(struct job *job)
{
	struct write_job *j = (struct write_job *)job;
	struct restore *rs = j->plan->rs;
	struct writing w = { j, rs };
	struct frame_info v[RUN_FRAMES_MAX];
	struct buf scratch;

	if (j->bare) {
		j->result = make_bare(j);
	} else {
		for (size_t i = 0; i < j->n; i++)
			v[i] = j->plan->places[j->from + i].info;
		scratch = scratch_get(rs);
		(void)fetch_run(rs->fetch, &j->plan->places[j->from].pack, v,
		    j->n, &scratch, write_frame, &w, &j->err);
		scratch_put(rs, &scratch);
	}
	if (j->result < 0)
		atomic_store(&rs->stop, true);
}
