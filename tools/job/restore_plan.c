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
 *     memory and in files held open.
 *  2. A file whose pieces go to several jobs, or plans, is open from the first
 *     to the last; one whose pieces lie in one frame, only for that moment.
 *
 * Chunks that several files share lie anywhere, so that each plan reads many
 * frames for one of them only: so a plan is as large as memory allows.  But the
 * first is small, that the workers begin soon.
 */
#include "tools/job/restore_plan_int.h"

#include <stdlib.h>
#include <string.h>

#define PIECES_MIN	1024
#define FIRST_SHARE	16		/* of a plan's memory, of the first */
#define HEAP_BYTES	16		/* what malloc() adds */
#define BATCH		64
#define RUN_FRAMES_MIN	4
#define BARE_FILES	128		/* a job's, of files without bytes */

static struct plan *
plan_new(struct restore *rs)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return (NULL);
	p->rs = rs;
	p->frame = PIECE_NONE;
	p->bytes_max = rs->working != NULL ? rs->plan_bytes :
	    rs->plan_bytes / FIRST_SHARE;
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

/* By frame, or place, and in it by file; bare ones last. */
static int
by_place(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->place != y->place)
		return (x->place < y->place ? -1 : 1);
	return (x->nth < y->nth ? -1 : x->nth > y->nth);
}

static int
by_offset(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int d = memcmp(x->pack.id.b, y->pack.id.b, ID_BYTES);

	if (d != 0)
		return (d);
	return (x->info.off < y->info.off ? -1 : x->info.off > y->info.off);
}

/* Where a frame of the catalog lies; LOST: what needs it can't be had. */
#define LOST	1
static int
find_frame(struct restore *rs, uint32_t frame, struct place *at, struct err *e)
{
	if (catalog_frame(rs->catalog, frame, &at->pack, &at->info, e) == 0)
		return (0);
	return (failure_is_local(rs, e) ? LOST : -1);
}

/*
 * Where each distinct frame lies; pieces know their place by index.  Those
 * whose frame can't be found become bare ones of a file that failed.
 */
static int
find_places(struct plan *p, struct err *e)
{
	uint32_t *rank, frame = PIECE_NONE;
	int r = 0;
	size_t n = 0;

	if (p->npieces > 0)
		qsort(p->pieces, p->npieces, sizeof(*p->pieces), by_place);
	for (size_t i = 0; i < p->npieces; i++)
		if (p->pieces[i].place != PIECE_NONE && (i == 0 ||
		    p->pieces[i].place != p->pieces[i - 1].place))
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

		if (x->place == PIECE_NONE)
			break;
		if (x->place != frame) {
			frame = x->place;
			err_init(e);
			r = find_frame(p->rs, frame, &p->places[n], e);
			if (r < 0) {
				free(rank);
				return (-1);
			}
			/* Its number before sorting, for `rank'. */
			if (r == 0) {
				p->places[n].first = (uint32_t)n;
				n++;
			}
		}
		if (r == LOST)
			file_fail(x->file, e);
		x->place = r == LOST ? PIECE_NONE : (uint32_t)(n - 1);
	}
	err_init(e);
	if (n > 0)
		qsort(p->places, n, sizeof(*p->places), by_offset);
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
	if (p->npieces > 0)
		qsort(p->pieces, p->npieces, sizeof(*p->pieces), by_place);
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

static bool
is_full(const struct plan *p)
{
	return (p->bytes >= p->bytes_max || p->npieces == PIECES_MAX ||
	    p->nopen >= p->rs->open_max);
}

static int
make_room(struct plan *p, struct err *e)
{
	size_t room = p->room == 0 ? PIECES_MIN : 2 * p->room;
	struct piece *pieces = reallocarray(p->pieces, room, sizeof(*pieces));

	if (pieces == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	p->pieces = pieces;
	p->room = room;
	return (0);
}

static int
add_piece(struct file *f, const struct extent *x, struct err *e)
{
	struct restore *rs = f->parent->rs;
	struct plan *p = rs->filling;
	struct piece *piece;

	if (p != NULL && is_full(p) && plan_flush(rs, e) < 0)
		return (-1);
	if (plan_begin(rs, e) < 0)
		return (-1);
	p = rs->filling;
	if (p->npieces == p->room && make_room(p, e) < 0)
		return (-1);
	piece = &p->pieces[p->npieces];
	(void)atomic_fetch_add(&f->refs, 1);
	memset(piece, 0, sizeof(*piece));
	piece->file = f;
	piece->nth = p->npieces++ & PIECES_MAX;
	piece->place = PIECE_NONE;
	p->bytes += sizeof(*piece);
	if (x != NULL) {
		piece->off = x->off;
		piece->len = (uint32_t)x->len;
		piece->slot = x->slot;
		piece->place = x->frame;
		piece->id = x->id;
		/* At worst it is one more frame. */
		if (x->frame != p->frame)
			p->bytes += sizeof(struct place);
		p->frame = x->frame;
	}
	return (0);
}

/* A file's failure is noted in it; < 0: all must stop. */
static int
not_this_file(struct file *f, struct err *e)
{
	struct buf path = BUF_INIT;

	if (!failure_is_local(f->parent->rs, e)) {
		(void)err_wrap(e, "%s", file_path(f, &path));
		buf_fini(&path);
		return (-1);
	}
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
	if (!x->hole && (x->len > CHUNK_MAX || x->frame == PIECE_NONE))
		return (err_set(e, ERR_CORRUPT, "a chunk of %llu bytes",
		    (unsigned long long)x->len));
	return (0);
}

/* What is known of a file while its extents become pieces. */
struct adding {
	uint64_t off;			/* so far */
	size_t n;			/* pieces with bytes */
	uint32_t frame;			/* of the first */
	bool wide;			/* they lie in several frames */
};

static int
add_extents(struct file *f, struct extent *x, size_t nx, struct adding *a,
    struct err *e)
{
	/* A long hole may begin before the place asked for. */
	if (x[0].off < a->off && x[0].off + x[0].len > a->off) {
		x[0].len -= a->off - x[0].off;
		x[0].off = a->off;
	}
	for (size_t i = 0; i < nx; i++) {
		if (check_extent(&x[i], a->off, f->size, e) < 0)
			return (not_this_file(f, e));
		a->off += x[i].len;
		if (x[i].hole) {
			file_count(f, x[i].len);
			if (f->how == OVER_UPDATE && file_punch(f, x[i].off,
			    x[i].len, e) < 0)
				return (not_this_file(f, e));
			continue;
		}
		/* All is in one piece: one job has the file to itself. */
		if (a->n == 0)
			f->single = f->how != OVER_UPDATE && x[i].off == 0 &&
			    x[i].len == f->size;
		if (add_piece(f, &x[i], e) < 0)
			return (-1);
		if (a->n++ == 0)
			a->frame = x[i].frame;
		else if (x[i].frame != a->frame)
			a->wide = true;
	}
	return (0);
}

static int
add_content(struct file *f, struct err *e)
{
	struct restore *rs = f->parent->rs;
	struct extent x[BATCH];
	struct adding a = { 0 };
	size_t nx;

	while (a.off < f->size && !atomic_load(&f->failed)) {
		if (restore_stopped(rs))
			return (err_set(e, ERR_CANCELED, "interrupted"));
		if (catalog_extents(rs->catalog, f->ino, a.off, x, BATCH, &nx,
		    e) < 0)
			return (not_this_file(f, e));
		if (nx == 0) {
			(void)err_set(e, ERR_CORRUPT, "the catalog lacks the "
			    "bytes from %llu on", (unsigned long long)a.off);
			return (not_this_file(f, e));
		}
		if (add_extents(f, x, nx, &a, e) < 0)
			return (-1);
	}
	if (a.n == 0 && add_piece(f, NULL, e) < 0)
		return (-1);
	if ((a.wide || f->how == OVER_UPDATE) && rs->filling != NULL)
		rs->filling->nopen++;
	return (0);
}

static struct file *
file_new(struct parent *parent, const char *name, size_t len,
    const struct entry *en, enum over how)
{
	struct file *f = calloc(1, sizeof(*f) + len + 1);

	if (f == NULL)
		return (NULL);
	f->parent = parent;
	(void)atomic_fetch_add(&parent->refs, 1);
	f->ino = en->ino;
	f->size = en->size;
	f->xattrs = en->xattrs;
	f->mtime = en->mtime;
	f->uid = en->uid;
	f->gid = en->gid;
	f->mode = en->mode;
	f->flags = en->flags;
	f->has_links = en->nlink > 1;
	f->how = (uint8_t)how;
	f->fd = -1;
	atomic_init(&f->refs, 1);
	atomic_init(&f->bytes, 0);
	atomic_init(&f->failed, false);
	memcpy(f->name, name, len);
	return (f);
}

/* The memory of a file and, with the first in it, of its directory. */
static void
count_file(struct plan *p, const struct parent *parent, size_t name_len)
{
	p->bytes += sizeof(struct file) + name_len + HEAP_BYTES;
	if (parent != p->rs->planned)
		p->bytes += sizeof(*parent) + parent->len + HEAP_BYTES;
	/* Only compared, never followed. */
	p->rs->planned = parent;
}

int
plan_file(struct restore *rs, struct parent *parent, const char *path,
    size_t len, const struct entry *en, enum over how, struct err *e)
{
	const char *slash = memrchr(path, '/', len);
	const char *name = slash != NULL ? slash + 1 : path;
	size_t name_len = len - (size_t)(name - path);
	struct file *f;
	int r;

	if (en->size > INT64_MAX) {
		restore_failed(rs, path, "its size is impossible");
		return (en->nlink > 1 ? links_drop(rs->links, en->ino, e) : 0);
	}
	f = file_new(parent, name, name_len, en, how);
	if (f == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	r = plan_begin(rs, e);
	if (r == 0) {
		count_file(rs->filling, parent, name_len);
		r = add_content(f, e);
	}
	if (r < 0)
		file_fail(f, e);
	if (file_put(f, r < 0 ? &(struct err)ERR_INIT : e) < 0)
		r = -1;
	if (r == 0 && rs->filling != NULL && is_full(rs->filling))
		r = plan_flush(rs, e);
	return (r);
}
