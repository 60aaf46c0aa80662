/*
 * A worker's part: a run of frames is read, and what lies in each is written to
 * the files that want it.  Chunks that follow one another in the frame and in
 * the file go out with one write.
 */
#include "tools/job/restore_plan_int.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/io.h"

struct writing {
	struct write_job *job;
	struct restore *rs;
	struct place *const *at;	/* of the run */
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
	file_count(f, len);
	early_made(f->parent->rs->early, len, false);
	return (0);
}

/* One piece by itself: whatever the run couldn't do. */
static int
write_piece(struct restore *rs, const struct place *at, const struct piece *p,
    struct err *e)
{
	struct buf path = BUF_INIT;
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
	if (!failure_is_local(rs, e)) {
		(void)err_wrap(e, "%s", file_path(p->file, &path));
		buf_fini(&path);
		return (-1);
	}
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
		if (i > 0 && (p[i].there || p[i].file != p[0].file ||
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

/*
 * Files that are written in place: which pieces are there already.  Where all
 * of a frame's are, it isn't read from the store.
 */
static bool
is_there(struct restore *rs, const struct piece *p, uint8_t **tmp)
{
	struct err e = ERR_INIT;
	size_t got = 0;
	int fd;

	if (p->file->how != OVER_UPDATE || (fd = file_open(p->file)) < 0)
		return (false);
	if (*tmp == NULL && (*tmp = malloc(CHUNK_MAX)) == NULL)
		return (false);
	return (io_pread(fd, *tmp, p->len, p->off, &got, &e) == 0 &&
	    got == p->len && fetch_is_chunk(rs->fetch, rs->manifest.domain,
	    &p->id, *tmp, p->len));
}

static bool
place_is_there(struct restore *rs, struct plan *plan, const struct place *at,
    uint8_t **tmp)
{
	struct piece *p = &plan->pieces[at->first];
	bool all = true;

	for (size_t i = 0; i < at->n; i++) {
		p[i].there = is_there(rs, &p[i], tmp);
		if (p[i].there)
			(void)atomic_fetch_add(&rs->there, p[i].len);
		else
			all = false;
	}
	return (all);
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

		n = x == NULL || p[i].there ? 0 : pieces_together(w->rs, x,
		    p + i, at->n - i, &data, &len);
		if (r == 0 && restore_stopped(w->rs))
			r = err_set(e, ERR_CANCELED, "interrupted");
		if (r == 0)
			r = n > 0 ? write_bytes(p[i].file, data, len, p[i].off,
			    e) : p[i].there ? 0 :
			    write_piece(w->rs, at, p + i, e);
		if (n == 0)
			n = 1;
		restore_tick(w->rs, p[i].file->parent, p[i].file->name);
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
	if (write_place(w, w->at[i], x, &j->err) < 0)
		j->result = -1;
	return (0);
}

/* The places of the job that must be read, in runs. */
static void
write_places(struct write_job *j)
{
	struct restore *rs = j->plan->rs;
	struct place *places = &j->plan->places[j->from];
	struct frame_info v[RUN_FRAMES_MAX];
	struct place *at[RUN_FRAMES_MAX];
	struct writing w = { j, rs, at };
	struct buf scratch = scratch_get(rs);
	uint8_t *tmp = NULL;
	size_t n = 0, len;

	for (size_t i = 0; i < j->n; i++) {
		bool there = rs->env->in_place &&
		    place_is_there(rs, j->plan, &places[i], &tmp);

		if (there && write_place(&w, &places[i], NULL, &j->err) < 0)
			j->result = -1;
		if (there)
			continue;
		at[n] = &places[i];
		v[n++] = places[i].info;
	}
	free(tmp);
	for (size_t i = 0; i < n; i += len) {
		len = fetch_run_len(v + i, n - i, SIZE_MAX);
		w.at = at + i;
		(void)fetch_run(rs->fetch, &places[0].pack, v + i, len,
		    &scratch, write_frame, &w, &j->err);
	}
	scratch_put(rs, &scratch);
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

	if (j->bare)
		j->result = make_bare(j);
	else
		write_places(j);
	if (j->result < 0)
		atomic_store(&j->plan->rs->stop, true);
}
