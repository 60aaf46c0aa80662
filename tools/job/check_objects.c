/*
 * Every object that is named by the hash of its bytes has that hash.  (Packs
 * are read whole only with read_data.)  Read from the store itself: a good copy
 * in the cache must not hide a bad one.  They are many and small, so several
 * are read at a time.
 */
#include <string.h>

#include "tools/job/check_impl.h"

#define PIECE		((size_t)1 << 20)
#define PIECES_MAX	((size_t)8 << 20)	/* of all together */

struct hashing {
	struct job job;
	struct check *c;
	char name[STORE_NAME_MAX + 1];
	uint64_t listed_bytes;
	size_t piece_bytes;
	int result;
	struct err err;
};

struct listing {
	struct check *c;
	struct lane *lane;
	size_t piece_max;
};

/* A manifest that was refused was named and counted before. */
static bool
is_refused(const struct check *c, const char *name, const uint8_t *id)
{
	if (strncmp(name, "snapshots/", 10) != 0)
		return (false);
	for (size_t i = 0; i < c->snaps.refused; i++)
		if (id_equal(c->snaps.refused_ids[i].b, id))
			return (true);
	return (false);
}

/* All of the object, hashed; of one that has more than was listed, and maybe no
 * end, no more than shows that.  STORE_ABSENT. */
static int
hash_object(struct hashing *x, uint8_t out[HASH_BYTES], struct err *e)
{
	struct store *store = repo_store(x->c->repo);
	uint8_t *piece = malloc(x->piece_bytes);
	struct hash h;
	uint64_t off = 0;
	size_t n;
	int r;

	if (piece == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	hash_init(&h);
	do {
		r = store_read(store, x->name, off, piece, x->piece_bytes, &n,
		    e);
		if (r != 0)
			break;
		hash_update(&h, piece, n);
		off += n;
	} while (n == x->piece_bytes && off <= x->listed_bytes);
	free(piece);
	hash_final(&h, out);
	return (r);
}

static int
check_one(struct hashing *x, struct err *e)
{
	uint8_t want[HASH_BYTES], got[HASH_BYTES];
	const char *slash = strrchr(x->name, '/');
	int r;

	if (slash == NULL || hex_parse(want, HASH_BYTES, slash + 1) < 0) {
		check_warning(x->c, "%s is no name of an object", x->name);
		return (0);
	}
	r = hash_object(x, got, e);
	if (r != 0)
		/* Gone since it was listed: another's to remove. */
		return (r < 0 ? -1 : 0);
	if (memcmp(got, want, HASH_BYTES) != 0 &&
	    !is_refused(x->c, x->name, want))
		check_damage(x->c, NULL, "%s: its bytes are not what its name "
		    "says", x->name);
	return (0);
}

static void
run_job(struct job *job)
{
	struct hashing *x = (struct hashing *)job;

	x->result = check_one(x, &x->err);
	if (x->result < 0 && check_is_damage(&x->err)) {
		check_damage(x->c, NULL, "%s: %s", x->name, err_text(&x->err));
		x->result = 0;
	}
}

/* The first failure stays in e. */
static int
take(struct lane *lane, struct err *e)
{
	struct hashing *x = (struct hashing *)lane_take(lane);
	int r = x->result;

	if (r < 0 && e->code == ERR_NONE)
		*e = x->err;
	free(x);
	return (r);
}

static int
each(void *ctx, const char *name, const struct store_stat *st, struct err *e)
{
	struct listing *l = ctx;
	struct hashing *x;

	if (check_going(l->c, e) < 0)
		return (-1);
	check_tick(l->c, name);
	if (lane_is_full(l->lane) && take(l->lane, e) < 0)
		return (-1);
	if ((x = calloc(1, sizeof(*x))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	x->job.run = run_job;
	x->c = l->c;
	(void)snprintf(x->name, sizeof(x->name), "%s", name);
	x->listed_bytes = st->size_bytes;
	/* One byte more, so that the first read sees the end. */
	x->piece_bytes = st->size_bytes < l->piece_max ?
	    (size_t)st->size_bytes + 1 : l->piece_max;
	err_init(&x->err);
	lane_submit(l->lane, &x->job);
	return (0);
}

static int
list_all(struct listing *l, struct err *e)
{
	static const char *const prefixes[] = {
		"keys", "index", "snapshots", "pending", "condemned",
		"forwards", "forgotten", "tags", "damaged"
	};
	const size_t n = sizeof(prefixes) / sizeof(prefixes[0]);
	int r = 0;

	store_list_ahead(repo_store(l->c->repo), prefixes, n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = store_list(repo_store(l->c->repo), prefixes[i], each, l,
		    e);
	while (!lane_is_empty(l->lane))
		if (take(l->lane, e) < 0)
			r = -1;
	return (r);
}

int
check_objects(struct check *c, struct err *e)
{
	struct listing l = { .c = c };
	unsigned threads = check_threads(c);
	struct pool *pool = NULL;
	int r = -1;

	l.piece_max = PIECES_MAX / (threads + 1);
	if (l.piece_max > PIECE)
		l.piece_max = PIECE;
	if (pool_new(&pool, threads, e) == 0 &&
	    lane_new(&l.lane, pool, 0, 2 * threads + 1, e) == 0)
		r = list_all(&l, e);
	lane_free(l.lane);
	pool_free(pool);
	return (r);
}
