/*
 * The plan: the walk finds files in the order of their names, but their bytes
 * lie in the store in another.  So files are gathered until there are enough of
 * them, their pieces sorted by place, and each frame is read and decoded once
 * for all of them, neighbouring frames with one access, by several threads; a
 * large file has as many writers as there are.
 *
 *	filling --plan_flush: sorted, cut into jobs--> working --all jobs
 *	taken--> freed
 *
 * Invariants:
 *  1. At most two plans exist: one filling, one working.  Each is bounded in
 *     files, pieces, directories held open and files held open.
 *  2. A file whose pieces go to several jobs, or plans, is open from the first
 *     to the last; one that a single job writes, only for that moment.
 */
#include "tools/job/restore_plan.h"

#include <stdlib.h>
#include <string.h>

/* Chunks that several files share lie anywhere, so that each plan decodes many
 * frames for one of them only: the more files it has, the fewer.  A file is
 * some 350 bytes here, a piece 72. */
#define FILES_MAX	24576
#define PIECES_MAX	32768
#define BATCH		64
#define RUN_FRAMES_MIN	4
#define BARE_FILES	128		/* a job's, of files without bytes */
#define PLAN_BYTES_MAX	(1ULL << 30)

static struct plan *
plan_new(struct restore *rs)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return (NULL);
	p->rs = rs;
	p->pieces = malloc(PIECES_MAX * sizeof(*p->pieces));
	if (p->pieces == NULL) {
		free(p);
		return (NULL);
	}
	return (p);
}

static void
plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	free(p->pieces);
	free(p->places);
	free(p);
}

static int
by_frame(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return (x->frame < y->frame ? -1 : x->frame > y->frame);
}

static int
by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int d = memcmp(x->pack.id.b, y->pack.id.b, ID_BYTES);

	if (d != 0)
		return (d);
	return (x->info.off < y->info.off ? -1 : x->info.off > y->info.off);
}

/* By place, and where files share a chunk, by slot; bare ones last. */
static int
by_slot(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->place != y->place)
		return (x->place < y->place ? -1 : 1);
	if (x->slot != y->slot)
		return (x->slot < y->slot ? -1 : 1);
	if (x->file != y->file)
		return ((uintptr_t)x->file < (uintptr_t)y->file ? -1 : 1);
	return (x->off < y->off ? -1 : x->off > y->off);
}

/* Where each distinct frame lies; pieces know their place by index. */
static int
find_places(struct plan *p, struct err *e)
{
	size_t n = 0;
	uint32_t *rank;

	qsort(p->pieces, p->npieces, sizeof(*p->pieces), by_frame);
	for (size_t i = 0; i < p->npieces; i++)
		if (p->pieces[i].frame != PIECE_NONE && (i == 0 ||
		    p->pieces[i].frame != p->pieces[i - 1].frame))
			n++;
	p->places = calloc(n + 1, sizeof(*p->places));
	rank = calloc(n + 1, sizeof(*rank));
	if (p->places == NULL || rank == NULL) {
		free(rank);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	n = 0;
	for (size_t i = 0; i < p->npieces; i++) {
		struct piece *x = &p->pieces[i];

		if (x->frame == PIECE_NONE) {
			x->place = PIECE_NONE;
			continue;
		}
		if (n == 0 || p->places[n - 1].frame != x->frame) {
			struct place *at = &p->places[n];

			if (catalog_frame(p->rs->catalog, x->frame, &at->pack,
			    &at->info, e) < 0) {
				free(rank);
				return (-1);
			}
			at->frame = x->frame;
			/* Its number before sorting, for `rank'. */
			at->first = (uint32_t)n++;
		}
		x->place = (uint32_t)(n - 1);
	}
	qsort(p->places, n, sizeof(*p->places), by_place);
	for (size_t i = 0; i < n; i++)
		rank[p->places[i].first] = (uint32_t)i;
	for (size_t i = 0; i < p->npieces; i++)
		if (p->pieces[i].place != PIECE_NONE)
			p->pieces[i].place = rank[p->pieces[i].place];
	free(rank);
	p->nplaces = n;
	return (0);
}

static void
sort_pieces(struct plan *p)
{
	qsort(p->pieces, p->npieces, sizeof(*p->pieces), by_slot);
	for (size_t i = 0; i < p->nplaces; i++)
		p->places[i].n = 0;
	for (size_t i = 0; i < p->npieces; i++) {
		struct place *at;

		if (p->pieces[i].place == PIECE_NONE)
			break;
		at = &p->places[p->pieces[i].place];
		if (at->n++ == 0)
			at->first = (uint32_t)i;
	}
}

/* Take the oldest job back. */
static int
take_job(struct restore *rs, struct err *e)
{
	struct write_job *j = (struct write_job *)lane_take(rs->lane);
	int r = j->result;

	if (r < 0 && (e->code == ERR_NONE || e->code == ERR_CANCELED))
		*e = j->err;
	j->plan->jobs--;
	free(j);
	return (r);
}

/* Wait until a plan has been worked off, and free it. */
static int
plan_finish(struct restore *rs, struct plan *p, struct err *e)
{
	int r = 0;

	while (p != NULL && p->jobs > 0)
		if (take_job(rs, e) < 0)
			r = -1;
	plan_free(p);
	return (r);
}

static int
submit(struct plan *p, size_t from, size_t n, bool bare, struct err *e)
{
	struct restore *rs = p->rs;
	struct write_job *j;

	if (lane_is_full(rs->lane) && take_job(rs, e) < 0)
		return (-1);
	if ((j = calloc(1, sizeof(*j))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	j->job.run = write_run;
	j->plan = p;
	j->from = from;
	j->n = n;
	j->bare = bare;
	err_init(&j->err);
	p->jobs++;
	lane_submit(rs->lane, &j->job);
	return (0);
}

/* How many places from the i-th on are one run: no more than leaves each thread
 * a few. */
static size_t
run_len(const struct plan *p, size_t i)
{
	struct frame_info v[RUN_FRAMES_MAX];
	size_t n = 0, most = p->nplaces / (4 * p->rs->threads);

	if (most < RUN_FRAMES_MIN)
		most = RUN_FRAMES_MIN;
	if (most > RUN_FRAMES_MAX)
		most = RUN_FRAMES_MAX;
	while (n < most && i + n < p->nplaces &&
	    id_equal(p->places[i + n].pack.id.b, p->places[i].pack.id.b)) {
		v[n] = p->places[i + n].info;
		n++;
	}
	return (fetch_run_len(v, n, p->rs->run_bytes));
}

/* Give back pieces that no job will ever hold: their files are taken away. */
static void
drop_pieces(struct plan *p, size_t from, const struct err *why)
{
	struct err e = ERR_INIT;

	for (size_t i = from; i < p->npieces; i++) {
		file_fail(p->pieces[i].file, why);
		(void)file_put(p->pieces[i].file, &e);
	}
}

static int
submit_all(struct plan *p, struct err *e)
{
	size_t bare, n;

	for (size_t i = 0; i < p->nplaces; i += n) {
		n = run_len(p, i);
		if (submit(p, i, n, false, e) < 0) {
			drop_pieces(p, p->places[i].first, e);
			return (-1);
		}
	}
	for (bare = p->npieces; bare > 0 &&
	    p->pieces[bare - 1].place == PIECE_NONE; bare--)
		;
	for (; bare < p->npieces; bare += n) {
		n = p->npieces - bare;
		if (n > BARE_FILES)
			n = BARE_FILES;
		if (submit(p, bare, n, true, e) < 0) {
			drop_pieces(p, bare, e);
			return (-1);
		}
	}
	return (0);
}

/* Hand the plan that was filled to the workers. */
static int
plan_flush(struct restore *rs, struct err *e)
{
	struct plan *p = rs->filling;
	int r = 0;

	if (p == NULL)
		return (0);
	rs->filling = NULL;
	r = find_places(p, e);
	if (r == 0)
		sort_pieces(p);
	if (plan_finish(rs, rs->working, e) < 0)
		r = -1;
	rs->working = p;
	if (r == 0)
		r = submit_all(p, e);
	else
		drop_pieces(p, 0, e);
	if (r < 0)
		atomic_store(&rs->stop, true);
	return (r);
}

int
plan_drain(struct restore *rs, struct err *e)
{
	int r = plan_flush(rs, e);
	uint64_t ino;

	if (plan_finish(rs, rs->working, e) < 0)
		r = -1;
	rs->working = NULL;
	/* The names that stand for several and weren't made. */
	for (size_t i = 0; r == 0 && i < rs->undone.len; i += sizeof(ino)) {
		memcpy(&ino, rs->undone.data + i, sizeof(ino));
		r = links_drop(rs->links, ino, e);
	}
	buf_reset(&rs->undone);
	return (r);
}

static int
plan_begin(struct restore *rs, struct err *e)
{
	if (rs->filling == NULL && (rs->filling = plan_new(rs)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	return (0);
}

static int
add_piece(struct file *f, const struct extent *x, struct err *e)
{
	struct restore *rs = f->rs;
	struct plan *p = rs->filling;
	struct piece *piece;

	if (p != NULL && p->npieces == PIECES_MAX && plan_flush(rs, e) < 0)
		return (-1);
	if (plan_begin(rs, e) < 0)
		return (-1);
	p = rs->filling;
	piece = &p->pieces[p->npieces++];
	(void)atomic_fetch_add(&f->refs, 1);
	memset(piece, 0, sizeof(*piece));
	piece->file = f;
	piece->frame = PIECE_NONE;
	if (x != NULL) {
		piece->off = x->off;
		piece->len = (uint32_t)x->len;
		piece->slot = x->slot;
		piece->frame = x->frame;
		piece->id = x->id;
		p->bytes += x->len;
	}
	return (0);
}

/* A file's failure is noted in it; < 0: all must stop. */
static int
not_this_file(struct file *f, struct err *e)
{
	if (!failure_is_local(e))
		return (err_wrap(e, "%s", f->path));
	file_fail(f, e);
	err_init(e);
	return (0);
}

static int
check_extent(const struct extent *x, uint64_t off, uint64_t size, struct err *e)
{
	if (x->off != off || x->len == 0 || x->len > size - off)
		return (err_set(e, ERR_CORRUPT, "the catalog's list of chunks "
		    "doesn't add up"));
	if (!x->hole && x->len > CHUNK_MAX)
		return (err_set(e, ERR_CORRUPT, "a chunk of %llu bytes",
		    (unsigned long long)x->len));
	return (0);
}

/* A batch of extents into pieces; *n counts those with bytes. */
static int
add_extents(struct file *f, struct extent *x, size_t nx, uint64_t *off,
    size_t *n, struct err *e)
{
	/* A long hole may begin before the place asked for. */
	if (x[0].off < *off && x[0].off + x[0].len > *off) {
		x[0].len -= *off - x[0].off;
		x[0].off = *off;
	}
	for (size_t i = 0; i < nx; i++) {
		if (check_extent(&x[i], *off, f->entry.size, e) < 0)
			return (not_this_file(f, e));
		*off += x[i].len;
		if (x[i].hole) {
			(void)atomic_fetch_add(&f->rs->bytes, x[i].len);
			if (f->how == OVER_UPDATE && file_punch(f, x[i].off,
			    x[i].len, e) < 0)
				return (not_this_file(f, e));
			continue;
		}
		/* All is in one piece: one job has the file to itself. */
		if (*n == 0)
			f->single = f->how != OVER_UPDATE && x[i].off == 0 &&
			    x[i].len == f->entry.size;
		if (add_piece(f, &x[i], e) < 0)
			return (-1);
		++*n;
	}
	return (0);
}

static int
add_content(struct file *f, struct err *e)
{
	struct extent x[BATCH];
	uint64_t off = 0;
	size_t n = 0, nx;

	while (off < f->entry.size && !atomic_load(&f->failed)) {
		if (restore_stopped(f->rs))
			return (err_set(e, ERR_CANCELED, "interrupted"));
		if (catalog_extents(f->rs->catalog, f->entry.ino, off, x,
		    BATCH, &nx, e) < 0)
			return (not_this_file(f, e));
		if (nx == 0) {
			(void)err_set(e, ERR_CORRUPT, "the catalog lacks the "
			    "bytes from %llu on", (unsigned long long)off);
			return (not_this_file(f, e));
		}
		if (add_extents(f, x, nx, &off, &n, e) < 0)
			return (-1);
	}
	if (n == 0)
		return (add_piece(f, NULL, e));
	if (!f->single && f->rs->filling != NULL)
		f->rs->filling->nopen++;
	return (0);
}

int
plan_file(struct restore *rs, struct parent *parent, const char *path,
    size_t len, const struct entry *en, enum over how, struct err *e)
{
	const char *slash = memrchr(path, '/', len);
	struct plan *p;
	struct file *f;
	int r;

	if (en->size > INT64_MAX) {
		restore_failed(rs, path, "its size is impossible");
		return (en->nlink > 1 ? links_drop(rs->links, en->ino, e) : 0);
	}
	if ((f = calloc(1, sizeof(*f) + len + 1)) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	f->rs = rs;
	f->parent = parent;
	(void)atomic_fetch_add(&parent->refs, 1);
	f->entry = *en;
	f->name = slash != NULL ? (size_t)(slash - path) + 1 : 0;
	f->fd = -1;
	f->how = how;
	atomic_init(&f->refs, 1);
	atomic_init(&f->failed, false);
	(void)pthread_mutex_init(&f->lock, NULL);
	memcpy(f->path, path, len);
	if (plan_begin(rs, e) < 0)
		r = -1;
	else {
		p = rs->filling;
		p->nfiles++;
		if (parent != rs->planned)
			p->nparents++;
		/* Only compared, never followed. */
		rs->planned = parent;
		r = add_content(f, e);
	}
	if (r < 0)
		file_fail(f, e);
	if (file_put(f, r < 0 ? &(struct err)ERR_INIT : e) < 0)
		r = -1;
	p = rs->filling;
	if (r == 0 && p != NULL && (p->nfiles == FILES_MAX ||
	    p->nparents >= rs->open_max || p->nopen >= rs->open_max ||
	    p->bytes >= PLAN_BYTES_MAX))
		r = plan_flush(rs, e);
	return (r);
}
