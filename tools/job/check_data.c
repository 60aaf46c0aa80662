/*
 * Which packs are read to their end (check_read.c), one a worker at a time, and
 * when.  Where not all are to be read, those go first that this user has not
 * read for longest, so that every pack has its turn.
 *
 * Far away there are more workers than processors: some wait while the others
 * compute.  Nearby the first packs are read while the structure is gone
 * through, which is mostly one thread's work.  (Not far away: there they are
 * lent the directories that the structure's check has loaded, instead of
 * asking the store again.)
 */
#include <unistd.h>

#include "tools/job/check_impl.h"

#define THREADS_MAX	8

struct data {
	struct pool *pool;
	struct lane *lane;		/* of readings */
	uint64_t wanted;		/* bytes that are enough */
	uint64_t begun;			/* bytes, of packs asked for */
	uint64_t early;			/* packs, beside the structure */
};

static int
take(struct lane *lane, struct err *e)
{
	struct job *job = lane_take(lane);
	int r = reading_tell(job, e);

	reading_free(job);
	return (r);
}

static int
submit(struct check *c, struct lane *lane, const struct pack_id *id, bool lend,
    struct err *e)
{
	struct pack_row row;
	struct job *job;

	if (lane_is_full(lane) && take(lane, e) < 0)
		return (-1);
	/* As it is now: in the cursor it is as it was. */
	if (packlist_find(c->packs, id, &row, e) < 0 ||
	    reading_new(&job, c, &row, lend, e) < 0)
		return (-1);
	lane_submit(lane, job);
	return (0);
}

/* Is it one of the packs of that part?  Always the same ones. */
static bool
in_part(const struct check_env *env, const struct pack_id *id)
{
	uint64_t n = 0;

	for (size_t i = 0; i < 8; i++)
		n = n << 8 | id->b[i];
	return (n % env->parts == env->part - 1);
}

/* How many bytes are enough. */
static uint64_t
bytes_wanted(const struct check *c)
{
	const struct check_env *env = c->env;
	uint64_t share = env->share;

	if (env->subset == CHECK_BYTES)
		return (env->bytes);
	if (env->subset != CHECK_SHARE)
		return (UINT64_MAX);
	/* Rounded up, and without an overflow. */
	return (c->bytes_total / 1000000 * share + (c->bytes_total % 1000000 *
	    share + 999999) / 1000000);
}

static bool
time_is_up(const struct check *c)
{
	return (c->env->max_ms > 0 && c->begun > 0 &&
	    clock_mono_ms() - c->began_ms >= c->env->max_ms);
}

/* Have packs read: as many as the lane holds, or as there are. */
static int
read_some(struct check *c, bool early, struct err *e)
{
	struct data *d = c->data;
	struct pack_row row;
	int r = 0;

	while (d->begun < d->wanted && !time_is_up(c) &&
	    !(early && (lane_is_full(d->lane) || c->begun == d->early))) {
		if ((r = packlist_oldest_next(c->packs, &row, e)) != 0)
			break;
		if (c->env->subset == CHECK_PART && !in_part(c->env, &row.id))
			continue;
		if ((r = check_going(c, e)) < 0 ||
		    (r = submit(c, d->lane, &row.id, !early, e)) < 0)
			break;
		d->begun += row.size_bytes;
		c->begun++;
	}
	/* There is nothing behind the last row. */
	if (r == PACKLIST_NONE)
		d->wanted = 0;
	return (r < 0 ? -1 : 0);
}

struct memory {
	struct check *c;
	struct verified now;
};

static int
remember_pack(void *ctx, const struct pack_row *row, struct err *e)
{
	struct memory *m = ctx;
	struct check_result *res = &m->c->res;

	if (row->verified == 0) {
		res->packs_unverified++;
		return (0);
	}
	if (res->oldest == 0 || row->verified < res->oldest)
		res->oldest = row->verified;
	return (verified_add(&m->now, &row->id, row->verified, e));
}

/* What is known now of when each pack was read. */
static int
remember(struct check *c, struct err *e)
{
	struct memory m = { .c = c };
	int r = packlist_each(c->packs, remember_pack, &m, e);

	if (r == 0 && c->res.packs_read > 0 &&
	    verified_store(c->repo, &m.now, e) < 0) {
		check_warning(c, "what was verified can't be remembered: %s",
		    err_text(e));
		err_init(e);
	}
	verified_fini(&m.now);
	return (r);
}

int
check_data_begin(struct check *c, struct err *e)
{
	const struct repo_env *env = repo_env(c->repo);
	bool far = repo_store(c->repo)->parallel > 0;
	unsigned threads = env->threads;
	size_t fit = env->memory_bytes / 2 / reading_bytes(c);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct data *d;

	c->data = d = calloc(1, sizeof(*d));
	if (d == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (threads == 0)
		threads = cpus > 0 ? (unsigned)cpus : 1;
	if (threads > THREADS_MAX || far)
		threads = THREADS_MAX;
	if (threads > fit)
		threads = fit > 0 ? (unsigned)fit : 1;
	/* Beside the structure, which has most of the memory, as many at a time
	 * as an eighth of it is enough for. */
	d->early = env->memory_bytes / 8 / reading_bytes(c);
	if (d->early >= threads)
		d->early = threads * 3;
	d->wanted = bytes_wanted(c);
	if (c->env->subset == CHECK_PART)
		c->bytes_total = 0;
	else if (d->wanted < c->bytes_total)
		c->bytes_total = d->wanted;
	if (pool_new(&d->pool, threads > 1 ? threads : 0, e) < 0 ||
	    lane_new(&d->lane, d->pool, 0, threads * 3, e) < 0 ||
	    packlist_oldest(c->packs, e) < 0)
		return (-1);
	return (far || threads == 1 ? 0 : read_some(c, true, e));
}

int
check_data(struct check *c, struct err *e)
{
	struct lane *lane = c->data->lane;
	struct err why = ERR_INIT;
	int r = read_some(c, false, e);

	while (!lane_is_empty(lane))
		if (take(lane, e) < 0)
			r = -1;
	/* What was read before an interruption counts as well. */
	if (remember(c, &why) < 0 && r == 0) {
		*e = why;
		r = -1;
	}
	return (r);
}

void
check_data_end(struct check *c)
{
	struct data *d = c->data;

	if (d == NULL)
		return;
	while (d->lane != NULL && !lane_is_empty(d->lane))
		reading_free(lane_take(d->lane));
	lane_free(d->lane);
	pool_free(d->pool);
	free(d);
	c->data = NULL;
}
