/*
 * The state file, under a lock file beside it.
 */
#include "engine/repo/state.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/repo/impl.h"
#include "engine/repo/state_file.h"

#define LINEAGE_BYTES	(3 * ID_BYTES + 2 * 8)
#define HOLD_MS		10000	/* for another run's commit, which takes less */
#define HOLD_NAP_MS	20

static const struct state_kind kind = {
	.magic = "VTRNSTAT",
	.version = 1,
	.suffix = "",
	.max = STATE_MAX_BYTES,
	.what = "the state file",
	.lost = "what was seen of this repository before",
};

void
state_fini(struct state *s)
{
	free(s->v);
	memset(s, 0, sizeof(*s));
}

int
state_emit(struct buf *b, const struct state *s, const struct repo_id *repo,
    struct err *e)
{
	size_t at = b->len;

	state_file_begin(b, &kind, repo);
	buf_u32(b, s->revision);
	buf_bytes(b, s->digest, sizeof(s->digest));
	buf_u32(b, s->n);
	for (uint32_t i = 0; i < s->n; i++) {
		buf_bytes(b, s->v[i].lineage.b, ID_BYTES);
		buf_u64(b, s->v[i].sequence);
		buf_bytes(b, s->v[i].id.b, ID_BYTES);
		buf_u64(b, s->v[i].try_sequence);
		buf_bytes(b, s->v[i].try_id.b, ID_BYTES);
	}
	state_file_end(b, at);
	return (buf_ok(b, e));
}

static void
lineage_parse(struct state_lineage *l, struct rd *r)
{
	rd_bytes(r, l->lineage.b, ID_BYTES);
	l->sequence = rd_u64(r);
	rd_bytes(r, l->id.b, ID_BYTES);
	l->try_sequence = rd_u64(r);
	rd_bytes(r, l->try_id.b, ID_BYTES);
	if ((l->sequence == 0) != id_is_zero(l->id.b) ||
	    (l->try_sequence == 0) != id_is_zero(l->try_id.b))
		r->bad = true;
}

int
state_parse(struct state *out, const void *bytes, size_t len,
    const struct repo_id *repo, struct err *e)
{
	struct state s = { 0 };
	struct rd r;

	if (state_file_open(&r, &kind, bytes, len, repo, e) != 0)
		return (-1);
	s.revision = rd_u32(&r);
	rd_bytes(&r, s.digest, sizeof(s.digest));
	s.n = s.cap = rd_u32(&r);
	if (r.bad || s.n > rd_left(&r) / LINEAGE_BYTES)
		goto bad;
	s.v = calloc((size_t)s.n + 1, sizeof(*s.v));
	if (s.v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (uint32_t i = 0; i < s.n; i++) {
		lineage_parse(&s.v[i], &r);
		if (i > 0 && memcmp(s.v[i - 1].lineage.b, s.v[i].lineage.b,
		    ID_BYTES) >= 0)
			r.bad = true;
	}
	if (!rd_end(&r))
		goto bad;
	*out = s;
	return (0);
bad:
	state_fini(&s);
	return (state_file_bad(&kind, e));
}

/* Where the lineage is or would be. */
static uint32_t
position(const struct state *s, const struct lineage_id *l)
{
	uint32_t lo = 0, hi = s->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (memcmp(s->v[mid].lineage.b, l->b, ID_BYTES) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo);
}

struct state_lineage *
state_find(const struct state *s, const struct lineage_id *l)
{
	uint32_t i = position(s, l);

	if (i == s->n || !id_equal(s->v[i].lineage.b, l->b))
		return (NULL);
	return (&s->v[i]);
}

struct state_lineage *
state_entry(struct state *s, const struct lineage_id *l, struct err *e)
{
	uint32_t i = position(s, l), cap;
	struct state_lineage *v;

	if (i < s->n && id_equal(s->v[i].lineage.b, l->b))
		return (&s->v[i]);
	if (s->n >= s->cap) {
		cap = s->cap < 8 ? 8 : s->cap * 2;
		v = reallocarray(s->v, cap, sizeof(*v));
		if (v == NULL) {
			(void)err_set(e, ERR_NOMEM, "out of memory");
			return (NULL);
		}
		s->v = v;
		s->cap = cap;
	}
	memmove(&s->v[i + 1], &s->v[i], (s->n - i) * sizeof(*s->v));
	memset(&s->v[i], 0, sizeof(s->v[i]));
	s->v[i].lineage = *l;
	s->n++;
	return (&s->v[i]);
}

/*
 * The file.
 */
static int
parse(void *out, const void *bytes, size_t len, const struct repo_id *repo,
    struct err *e)
{
	return (state_parse(out, bytes, len, repo, e));
}

int
state_load(struct repo *repo, struct state *s, struct err *e)
{
	memset(s, 0, sizeof(*s));
	return (state_file_load(repo, &kind, parse, s, e));
}

static int
lock(const struct repo *repo, int dir, struct err *e)
{
	char name[STATE_NAME_MAX];
	int fd, ret;

	fd = openat(dir, state_file_name(name, repo, ".lock"),
	    O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return (err_sys(e, errno, "%s/%s", repo->env.state_dir, name));
	do
		ret = flock(fd, LOCK_EX);
	while (ret != 0 && errno == EINTR);
	if (ret != 0) {
		(void)err_sys(e, errno, "%s/%s: lock", repo->env.state_dir,
		    name);
		(void)close(fd);
		return (-1);
	}
	return (fd);
}

int
state_hold(struct repo *repo)
{
	const struct timespec nap = { 0, HOLD_NAP_MS * 1000000L };
	struct err ignored = ERR_INIT;
	char name[STATE_NAME_MAX];
	int dir, fd;

	if (repo->env.state_dir == NULL)
		return (-1);
	dir = state_dir_open(repo, &ignored);
	if (dir < 0)
		return (-1);
	fd = openat(dir, state_file_name(name, repo, ".commit"),
	    O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	(void)close(dir);
	for (int ms = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
	    ms += HOLD_NAP_MS) {
		if ((errno != EWOULDBLOCK && errno != EINTR) ||
		    ms >= HOLD_MS) {
			(void)close(fd);
			return (-1);
		}
		(void)nanosleep(&nap, NULL);
	}
	return (fd);
}

int
state_update(struct repo *repo, state_change_fn *fn, void *ctx, struct err *e)
{
	struct buf b = BUF_INIT;
	struct state s = { 0 };
	int dir, fd, ret = -1;

	if (repo->env.state_dir == NULL)
		return (0);
	dir = state_dir_open(repo, e);
	if (dir < 0)
		return (-1);
	fd = lock(repo, dir, e);
	(void)close(dir);
	if (fd < 0)
		return (-1);
	if (state_load(repo, &s, e) == 0)
		ret = fn(ctx, &s, e);
	if (ret == 0)
		ret = state_emit(&b, &s, &repo->header.id, e);
	if (ret == 0)
		ret = state_file_store(repo, &kind, &b, e);
	state_fini(&s);
	buf_fini(&b);
	(void)close(fd);
	return (ret < 0 ? -1 : 0);
}
