/*
 * Headers and directories of many packs, read by several threads.  Far away a
 * read is mostly waiting, so there are more threads than processors; what they
 * have read is taken in the order in which it was asked for.
 */
#include <string.h>
#include <unistd.h>

#include "tools/job/check_impl.h"

#define FAR_THREADS	16

struct loading {
	struct job job;
	struct check *c;
	struct loaded l;
};

struct loader {
	struct check *c;
	struct pool *pool;
	struct lane *lane;
};

unsigned
check_threads(const struct check *c)
{
	unsigned n = repo_env(c->repo)->threads;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (repo_store(c->repo)->parallel > 0)
		return (FAR_THREADS);
	if (n == 0)
		n = cpus > 0 ? (unsigned)cpus : 1;
	if (n > FAR_THREADS)
		n = FAR_THREADS;
	return (n > 1 ? n : 0);
}

static void
run_job(struct job *job)
{
	struct loading *x = (struct loading *)job;
	struct loaded *l = &x->l;

	l->result = fetch_pack(x->c->repo, &l->row.id, l->row.size_bytes,
	    l->row.kind, &l->info, &l->dir, &l->err);
}

int
loader_new(struct loader **out, struct check *c, struct err *e)
{
	struct loader *l = calloc(1, sizeof(*l));
	unsigned threads = check_threads(c);

	if (l == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	l->c = c;
	if (pool_new(&l->pool, threads, e) < 0 ||
	    lane_new(&l->lane, l->pool, 0, threads + 2, e) < 0) {
		loader_free(l);
		return (-1);
	}
	*out = l;
	return (0);
}

void
loader_free(struct loader *l)
{
	struct loaded x;

	if (l == NULL)
		return;
	while (l->lane != NULL && loader_take(l, &x))
		pack_directory_fini(&x.dir);
	lane_free(l->lane);
	pool_free(l->pool);
	free(l);
}

bool
loader_is_full(const struct loader *l)
{
	return (lane_is_full(l->lane));
}

bool
loader_is_empty(const struct loader *l)
{
	return (lane_is_empty(l->lane));
}

int
loader_ask(struct loader *l, const struct pack_row *row, struct err *e)
{
	struct loading *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	x->job.run = run_job;
	x->c = l->c;
	x->l.row = *row;
	err_init(&x->l.err);
	lane_submit(l->lane, &x->job);
	return (0);
}

bool
loader_take(struct loader *l, struct loaded *out)
{
	struct loading *x;

	if (lane_is_empty(l->lane))
		return (false);
	x = (struct loading *)lane_take(l->lane);
	*out = x->l;
	free(x);
	return (true);
}

/* What failed is met again where it is needed. */
static int
preload_one(struct check *c, struct loader *l, struct err *e)
{
	struct loaded x;

	if (!loader_take(l, &x) || x.result != 0)
		return (0);
	return (dirs_add(c->dirs, &x.info, &x.dir, e));
}

struct preload {
	struct check *c;
	struct loader *l;
};

/* 1: no more of them are kept. */
static int
ask_one(void *ctx, const struct pack_row *row, struct err *e)
{
	struct preload *p = ctx;

	check_tick(p->c, NULL);
	if (dirs_full(p->c->dirs))
		return (1);
	if (check_going(p->c, e) < 0 ||
	    (loader_is_full(p->l) && preload_one(p->c, p->l, e) < 0))
		return (-1);
	return (loader_ask(p->l, row, e));
}

int
check_preload(struct check *c, struct err *e)
{
	struct preload p = { .c = c };
	int r;

	if (repo_store(c->repo)->parallel == 0)
		return (0);
	r = loader_new(&p.l, c, e);
	if (r == 0)
		r = packlist_each(c->packs, ask_one, &p, e);
	while (r >= 0 && !loader_is_empty(p.l))
		r = preload_one(c, p.l, e);
	loader_free(p.l);
	return (r < 0 ? -1 : 0);
}
