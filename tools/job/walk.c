/*
 * The walk's coordinator: a stack of directories, deepest on top, each with the
 * batch of entries that is being gone through.
 *
 * Invariants:
 * 1. Callbacks come in the order of the tree alone: depth first, names by
 *    bytes.  What workers do ahead changes when something is read, never what
 *    is told.
 * 2. A visit that a worker may be running is in the lane, or was taken out of
 *    it (`done') and waits with its entry (`ahead', in a frame's batch or in
 *    that of another visit that is done) or frame (`next').  It is waited for
 *    before it, or a descriptor that it uses, is let go.
 * 3. All batches and lists of the stack together stay near half of the budget:
 *    the frames nearest to "/" are emptied first, keeping only the name that
 *    they had come to (`after'), and are listed again from there.  Nothing is
 *    read ahead while what was takes more than an eighth.
 * 4. Only the top FDS_MAX frames keep descriptors, besides those in use by
 *    others, for whom those above stay open no longer than the walk is in them;
 *    and each visit that waits with its entry has one, for which no more than
 *    half of what the process may have beyond FDS_OTHERS is taken.
 * 5. The top frame's descriptor is open while entries of it are told.
 */
#include "tools/job/walk_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX		48	/* directories of the stack kept open */
#define AHEAD_NEXT	64	/* the next directories are read ahead */
#define AHEAD_MAX	(2 * AHEAD_NEXT)	/* with those farther on */
#define FDS_OTHERS	128	/* FDS_MAX, and for who isn't the walk */
#define AHEAD_NAMES	65536	/* bytes of names in each of those */
#define AHEAD_AFTER	8	/* directories entered between looks ahead */
#define LANE_JOBS	(2 * AHEAD_MAX)
#define GATHER		8	/* visits for which a worker is woken */

struct level {
	struct walk_dir *dir;		/* a reference */
	struct names names;		/* the list, when no visit has it */
	struct walk_batch *batch;	/* owned; NULL: to be got */
	struct visit *next;		/* owned: the batch after this one */
	char *after;		/* owned: last name of the past batches */
	size_t at;			/* entries of the batch told */
	size_t gone_at;			/* gone ones told */
	const char *told;		/* in the batch: the last name told */
	bool last;			/* no batch after this one */
	int error;
	size_t bytes;			/* counted in held */
};

struct walk {
	const struct walk_env *env;
	struct lane *lane;
	struct level *v;		/* owned: the stack */
	size_t n, cap;
	size_t parked;			/* frames from the bottom without fd */
	size_t emptied;			/* frames from the bottom let go */
	size_t held;			/* bytes of all frames */
	unsigned ahead_max;
	unsigned ahead;			/* visits that wait with entries */
	size_t ahead_bytes;		/* of those that are done */
	unsigned entered;		/* since the last look ahead */
};

static int
no_memory(struct err *e)
{
	return (err_set(e, ERR_NOMEM, "no memory for the walk"));
}

static size_t
names_max(const struct walk *w)
{
	return (w->env->budget_bytes / 4);
}

/* The oldest in the lane. */
static void
take(struct walk *w)
{
	struct visit *v = (struct visit *)lane_take(w->lane);

	BUG_ON(v == NULL);
	v->done = true;
	if (!v->ahead || v->batch == NULL)
		return;
	v->bytes = walk_batch_bytes(v->batch);
	w->ahead_bytes += v->bytes;
}

static void
wait_for(struct walk *w, struct visit *v)
{
	while (v->submitted && !v->done)
		take(w);
}

/* It waits with its entry no more. */
static void
release(struct walk *w, struct visit *v)
{
	w->ahead--;
	w->ahead_bytes -= v->bytes;
	v->ahead = false;
}

/* Its result, whoever makes it. */
static int
finish(struct walk *w, struct visit *v, struct err *e)
{
	if (v->submitted)
		wait_for(w, v);
	else
		visit_run(&v->job);
	if (!v->failed)
		return (0);
	*e = v->err;
	return (-1);
}

static void
submit(struct walk *w, struct visit *v)
{
	if (pool_threads(w->env->pool) == 0 || lane_is_full(w->lane))
		return;
	v->submitted = true;
	lane_submit(w->lane, &v->job);
}

static void
count(struct walk *w, struct level *f)
{
	w->held -= f->bytes;
	f->bytes = names_bytes(&f->names) +
	    (f->batch != NULL ? walk_batch_bytes(f->batch) : 0);
	w->held += f->bytes;
}

/* What was read ahead from a batch goes. */
static void
drop_ahead(struct walk *w, struct walk_batch *b)
{
	for (size_t i = 0; i < b->ndirs; i++) {
		struct walk_entry *en = &b->v[b->dirs[i]];

		if (en->ahead == NULL)
			continue;
		wait_for(w, en->ahead);
		if (en->ahead->batch != NULL)
			drop_ahead(w, en->ahead->batch);
		release(w, en->ahead);
		visit_free(en->ahead);
		en->ahead = NULL;
	}
}

/* The frame's batch goes. */
static void
drop_batch(struct walk *w, struct level *f)
{
	if (f->batch == NULL)
		return;
	drop_ahead(w, f->batch);
	walk_batch_free(f->batch);
	f->batch = NULL;
	f->told = NULL;
}

static int
set_after(struct level *f, const char *name, struct err *e)
{
	char *copy = strdup(name);

	if (copy == NULL)
		return (no_memory(e));
	free(f->after);
	f->after = copy;
	return (0);
}

static bool
is_told(const struct level *f)
{
	return (f->batch == NULL || (f->at == f->batch->n &&
	    f->gone_at == f->batch->ngone));
}

/* Let go of all but the place that the frame has come to (invariant 3). */
static int
empty(struct walk *w, struct level *f, struct err *e)
{
	if (f->next != NULL) {
		wait_for(w, f->next);
		visit_free(f->next);
		f->next = NULL;
	}
	if (f->told != NULL && set_after(f, f->told, e) != 0)
		return (-1);
	/* A finished list stays finished. */
	if (!f->last || !is_told(f)) {
		f->last = false;
		names_fini(&f->names);
		f->names.more = true;
	}
	drop_batch(w, f);
	count(w, f);
	return (0);
}

static int
park(struct walk *w, struct level *f)
{
	if (f->dir->users > 0 || f->dir->fd < 0)
		return (f->dir->users > 0 ? -1 : 0);
	if (f->next != NULL)
		wait_for(w, f->next);
	for (size_t i = 0; f->batch != NULL && i < f->batch->ndirs; i++) {
		struct visit *v = f->batch->v[f->batch->dirs[i]].ahead;

		if (v != NULL)
			wait_for(w, v);
	}
	(void)close(f->dir->fd);
	f->dir->fd = -1;
	return (0);
}

/* Keep invariants 3 and 4 after the stack has grown. */
static int
make_room(struct walk *w, struct err *e)
{
	while (w->parked + FDS_MAX < w->n) {
		if (park(w, &w->v[w->parked]) != 0)
			break;
		w->parked++;
	}
	while (w->held > w->env->budget_bytes / 2 && w->emptied + 1 < w->n) {
		if (empty(w, &w->v[w->emptied], e) != 0)
			return (-1);
		w->emptied++;
	}
	return (0);
}

/* The visit that gets the frame's next batch; takes the frame's list. */
static struct visit *
next_visit(struct walk *w, struct level *f, struct err *e)
{
	struct visit *v = visit_new(w->env, f->dir);
	const char *after;

	if (v == NULL) {
		(void)no_memory(e);
		return (NULL);
	}
	after = f->batch != NULL ? f->batch->upto : f->after;
	if (after != NULL && (v->after = strdup(after)) == NULL) {
		visit_free(v);
		(void)no_memory(e);
		return (NULL);
	}
	v->names = f->names;
	memset(&f->names, 0, sizeof(f->names));
	v->list = v->names.at == v->names.n && v->names.more;
	v->names_max = names_max(w);
	return (v);
}

/* A finished visit's batch becomes the frame's; frees the visit. */
static int
adopt(struct walk *w, struct level *f, struct visit *v, struct err *e)
{
	int rc = 0;

	if (f->batch != NULL && f->batch->upto != NULL)
		rc = set_after(f, f->batch->upto, e);
	drop_batch(w, f);
	f->batch = v->batch;
	v->batch = NULL;
	names_fini(&f->names);
	f->names = v->names;
	memset(&v->names, 0, sizeof(v->names));
	f->at = f->gone_at = 0;
	f->last = names_at_end(&f->names);
	if (f->batch->error != 0)
		f->error = f->batch->error;
	visit_free(v);
	if (rc == 0 && !f->last && pool_threads(w->env->pool) > 0) {
		f->next = next_visit(w, f, e);
		if (f->next == NULL)
			rc = -1;
		else
			submit(w, f->next);
	}
	count(w, f);
	return (rc);
}

/* Visit directories of a batch ahead, its entries from `from' on, and those in
 * them as far as they are known: *next in the order of the walk, *room new. */
static int
visit_ahead(struct walk *w, struct walk_dir *dir, struct walk_batch *b,
    size_t from, unsigned *next, unsigned *room, struct err *e)
{
	for (size_t i = 0; i < b->ndirs && *next > 0; i++) {
		struct walk_entry *en = &b->v[b->dirs[i]];
		struct visit *v = en->ahead;

		if (b->dirs[i] < from)
			continue;
		(*next)--;
		if (v == NULL) {
			if (*room == 0 || lane_is_full(w->lane))
				return (0);
			v = en->ahead = walk_visit_entry(w->env, dir, en);
			if (v == NULL)
				return (no_memory(e));
			v->names_max = AHEAD_NAMES;
			v->ahead = true;
			submit(w, v);
			w->ahead++;
			(*room)--;
		} else if (v->done && v->batch != NULL && !v->failed &&
		    visit_ahead(w, v->dir, v->batch, 0, next, room, e) != 0) {
			return (-1);
		}
	}
	return (0);
}

/* Is the frame's next directory on its way, or is there none? */
static bool
has_next(const struct level *f)
{
	const struct walk_batch *b = f->batch;

	for (size_t i = 0; b != NULL && i < b->ndirs; i++)
		if (b->dirs[i] >= f->at)
			return (b->v[b->dirs[i]].ahead != NULL);
	return (true);
}

/*
 * Keep workers busy with the directories that come next, in this frame and in
 * those above.  What was found farther on and waits may keep no more than half
 * of the room from what is nearer and found later, and so on.
 */
static int
look_ahead(struct walk *w, struct err *e)
{
	unsigned next = AHEAD_NEXT, room = (w->ahead_max - w->ahead + 1) / 2;

	if (pool_threads(w->env->pool) == 0 ||
	    (w->entered < AHEAD_AFTER && has_next(&w->v[w->n - 1])))
		return (0);
	w->entered = 0;
	while (!lane_is_empty(w->lane) && lane_is_ready(w->lane))
		take(w);
	if (w->ahead_bytes > w->env->budget_bytes / 8)
		return (0);
	for (size_t i = w->n; i-- > w->parked && next > 0;) {
		struct level *f = &w->v[i];

		if (f->batch != NULL && f->dir->fd >= 0 && visit_ahead(w,
		    f->dir, f->batch, f->at, &next, &room, e) != 0)
			return (-1);
	}
	return (0);
}

static int
push(struct walk *w, struct visit *v, struct err *e)
{
	struct level *f;

	if (w->n == w->cap) {
		size_t cap = w->cap == 0 ? 64 : w->cap * 2;
		struct level *stack = reallocarray(w->v, cap, sizeof(*stack));

		if (stack == NULL) {
			drop_ahead(w, v->batch);
			visit_free(v);
			return (no_memory(e));
		}
		w->v = stack;
		w->cap = cap;
	}
	f = &w->v[w->n++];
	memset(f, 0, sizeof(*f));
	f->dir = v->dir;
	f->dir->refs++;
	return (adopt(w, f, v, e));
}

static void
pop(struct walk *w)
{
	struct level *f = &w->v[w->n - 1];

	if (f->next != NULL) {
		wait_for(w, f->next);
		visit_free(f->next);
	}
	drop_batch(w, f);
	names_fini(&f->names);
	count(w, f);
	free(f->after);
	walk_dir_leave(f->dir);
	w->n--;
	if (w->parked > w->n)
		w->parked = w->n;
	if (w->emptied > w->n)
		w->emptied = w->n;
}

/* Go down into a directory. */
static int
descend(struct walk *w, struct walk_entry *en, struct err *e)
{
	struct level *f = &w->v[w->n - 1];
	struct visit *v = en->ahead;
	bool list = true;
	uint64_t old;
	int rc;

	if (en->st.dev != f->dir->st.dev) {
		rc = w->env->ops->cross(w->env->ctx, f->dir, en, &list, e);
		if (rc != 0)
			return (rc);
	}
	if (v == NULL) {
		v = walk_visit_entry(w->env, f->dir, en);
		if (v == NULL)
			return (no_memory(e));
		v->names_max = names_max(w);
		v->dir->listed = list;
	}
	en->ahead = NULL;
	rc = finish(w, v, e);
	if (v->ahead)
		release(w, v);
	if (rc != 0) {
		visit_free(v);
		return (-1);
	}
	w->entered++;
	old = v->dir->old;
	rc = w->env->ops->enter(w->env->ctx, v->dir, f->batch, en, v->batch,
	    e);
	/* Those in it were compared with what isn't theirs. */
	if (rc != 0 || v->dir->old != old)
		drop_ahead(w, v->batch);
	if (rc != 0) {
		visit_free(v);
		return (-1);
	}
	if (push(w, v, e) != 0 || make_room(w, e) != 0)
		return (-1);
	f = &w->v[w->n - 1];
	if (w->env->ops->batch(w->env->ctx, f->batch, e) != 0)
		return (-1);
	return (look_ahead(w, e));
}

/* The top frame is done; the one below goes on. */
static int
ascend(struct walk *w, struct err *e)
{
	struct level *f = &w->v[w->n - 1], *up;
	int error = 0;

	if (w->env->ops->leave(w->env->ctx, f->dir, f->error, e) != 0)
		return (-1);
	if (w->n > 1) {
		up = f - 1;
		if (up->dir->fd < 0 && w->parked >= w->n - 1) {
			error = w->env->source->ops->reopen_dir(
			    w->env->source, up->dir, f->dir);
			w->parked = w->n - 2;
		}
	}
	pop(w);
	if (w->n == 0)
		return (0);
	up = &w->v[w->n - 1];
	if (w->emptied >= w->n)
		w->emptied = w->n - 1;
	if (error != 0) {
		/* The rest of it can't be reached. */
		up->error = error;
		drop_batch(w, up);
		names_fini(&up->names);
		if (up->next != NULL) {
			wait_for(w, up->next);
			visit_free(up->next);
			up->next = NULL;
		}
		count(w, up);
		up->last = true;
		return (0);
	}
	return (look_ahead(w, e));
}

static int
next_batch(struct walk *w, struct err *e)
{
	struct level *f = &w->v[w->n - 1];
	struct visit *v = f->next;

	f->next = NULL;
	if (v == NULL) {
		v = next_visit(w, f, e);
		if (v == NULL)
			return (-1);
	}
	if (finish(w, v, e) != 0) {
		visit_free(v);
		return (-1);
	}
	if (adopt(w, f, v, e) != 0 ||
	    w->env->ops->batch(w->env->ctx, f->batch, e) != 0)
		return (-1);
	return (look_ahead(w, e));
}

static int
step(struct walk *w, struct err *e)
{
	struct level *f = &w->v[w->n - 1];
	struct walk_entry *en;
	struct walk_gone *gone;

	if (is_told(f))
		return (f->last ? ascend(w, e) : next_batch(w, e));
	en = &f->batch->v[f->at];
	gone = &f->batch->gone[f->gone_at];
	if (f->gone_at < f->batch->ngone && (f->at == f->batch->n ||
	    strcmp(gone->name, en->name) <= 0)) {
		f->gone_at++;
		f->told = gone->name;
		return (w->env->ops->gone(w->env->ctx, f->batch, gone, e));
	}
	f->at++;
	f->told = en->name;
	if (en->left_out)
		return (0);
	if (en->st.kind == ENTRY_DIR && en->error == 0)
		return (descend(w, en, e));
	return (w->env->ops->entry(w->env->ctx, f->batch, en, e));
}

static int
start(struct walk *w, struct err *e)
{
	const struct roots *r = w->env->roots;
	struct walk_dir *d = walk_dir_new(NULL, "", 0);
	struct visit *v;
	int error;

	if (d == NULL)
		return (no_memory(e));
	d->root_hi = r->n;
	d->implied = r->n == 0 || r->v[0][0] != '\0';
	error = w->env->source->ops->root(w->env->source, &d->st);
	v = error == 0 ? visit_new(w->env, d) : NULL;
	walk_dir_unref(d);
	if (error != 0)
		return (err_sys(e, error, "/"));
	if (v == NULL)
		return (no_memory(e));
	v->first = v->list = v->want_meta = true;
	v->names_max = names_max(w);
	d->old = CATALOG_ROOT_INO;
	if (finish(w, v, e) != 0 ||
	    w->env->ops->enter(w->env->ctx, d, NULL, NULL, v->batch,
	    e) != 0) {
		visit_free(v);
		return (-1);
	}
	if (push(w, v, e) != 0 ||
	    w->env->ops->batch(w->env->ctx, w->v[0].batch, e) != 0)
		return (-1);
	return (look_ahead(w, e));
}

/* By the descriptors that there may be. */
static unsigned
ahead_max(size_t descriptors)
{
	if (descriptors >= FDS_OTHERS + 2 * AHEAD_MAX)
		return (AHEAD_MAX);
	return (descriptors > FDS_OTHERS ?
	    (unsigned)(descriptors - FDS_OTHERS) / 2 : 0);
}

size_t
walk_descriptors(size_t descriptors)
{
	return (FDS_OTHERS + ahead_max(descriptors));
}

int
walk_run(const struct walk_env *given, struct err *e)
{
	struct walk_env env = *given;
	struct walk w = { .env = &env };
	int rc;

	if (env.source == NULL)
		env.source = source_fs();
	w.ahead_max = ahead_max(env.descriptors);
	if (lane_new(&w.lane, env.pool, env.priority, LANE_JOBS, e) != 0)
		return (-1);
	lane_gather(w.lane, GATHER);
	rc = start(&w, e);
	while (rc == 0 && w.n > 0)
		rc = step(&w, e);
	while (w.n > 0)
		pop(&w);
	free(w.v);
	lane_free(w.lane);
	return (rc);
}
