/*
 * Damage, traced to the snapshots and paths that it hits.
 */
#include <string.h>

#include "tools/job/check_impl.h"

#define PATHS_SAID	1000		/* a snapshot */

struct trace {
	struct check *c;
	char id[ID_HEX];
	uint64_t paths;
	bool part;		/* not all can be told, and that was said */
};

static bool
is_hit(void *ctx, const struct pack_info *pack, const struct frame_info *frame)
{
	struct trace *t = ctx;

	return (bad_hit(t->c->bad, &pack->id, frame->no));
}

/* What was stored once more since, or moved, can be had from there. */
static int
is_lost(void *ctx, const struct pack_info *pack,
    const struct frame_info *frame, const struct extent *x, struct err *e)
{
	struct trace *t = ctx;
	struct fetched *ref;
	const uint8_t *data;

	if (check_going(t->c, e) < 0)
		return (-1);
	if (x->len > CHUNK_MAX)
		return (1);
	if (fetch_chunk(t->c->fetch, pack, frame, x->slot, &x->id,
	    (uint32_t)x->len, &ref, &data, e) == 0) {
		fetch_put(t->c->fetch, ref);
		return (0);
	}
	if (!check_is_damage(e))
		return (-1);
	err_init(e);
	return (1);
}

static int
say_path(void *ctx, const char *path, size_t len, uint64_t off,
    uint64_t bytes, const struct pack_id *pack, struct err *e)
{
	struct trace *t = ctx;
	char hex[ID_HEX];
	struct buf name = BUF_INIT;

	if (check_going(t->c, e) < 0)
		return (-1);
	if (t->paths++ >= PATHS_SAID)
		return (0);
	if (len > 0 && path[0] != '/')
		buf_u8(&name, '/');
	buf_bytes(&name, path, len);
	buf_u8(&name, '\0');
	if (buf_ok(&name, e) < 0) {
		buf_fini(&name);
		return (-1);
	}
	(void)pthread_mutex_lock(&t->c->lock);
	events_item(t->c->events, EVENT_DAMAGE, (const char *)name.data,
	    "snapshot %s: bytes %llu-%llu are lost (pack %s)", t->id,
	    (unsigned long long)off, (unsigned long long)(off + bytes - 1),
	    check_id(hex, pack->b));
	(void)pthread_mutex_unlock(&t->c->lock);
	buf_fini(&name);
	return (0);
}

/* check_catalogs.c has named what that takes by itself. */
static bool
unread(void *ctx, const struct err *e)
{
	struct trace *t = ctx;

	if (!check_is_damage(e))
		return (false);
	t->c->res.traced = false;
	if (!t->part)
		check_warning(t->c, "snapshot %s: not all that the damage hits "
		    "can be told: %s", t->id, err_text(e));
	t->part = true;
	return (true);
}

static int
trace_snapshot(struct check *c, const struct snapshot *s, struct err *e)
{
	static const struct damage_ops ops = { is_hit, is_lost, say_path,
	    unread };
	struct trace t = { .c = c };
	struct check_open open;
	int r;

	(void)check_id(t.id, s->id.b);
	r = check_open(c, s, &open, e);
	if (r == 0) {
		r = catalog_damage(open.catalog, &ops, &t, e);
		c->res.lost += t.paths;
		check_close(&open);
	}
	if (t.paths > PATHS_SAID)
		check_warning(c, "snapshot %s: %llu more places are hit", t.id,
		    (unsigned long long)(t.paths - PATHS_SAID));
	if (r >= 0)
		return (0);
	if (!check_is_damage(e))
		return (-1);
	c->res.traced = false;
	check_warning(c, "snapshot %s: what the damage hits can't be told: "
	    "%s", t.id, err_text(e));
	err_init(e);
	return (0);
}

int
check_trace(struct check *c, struct err *e)
{
	int r = 0;

	if (bad_overflowed(c->bad))
		check_warning(c, "so much is damaged that not all of it can be "
		    "traced to paths");
	c->res.traced = !bad_overflowed(c->bad) && !c->any_unread &&
	    c->snaps.refused == 0;
	if (bad_count(c->bad) == 0)
		return (0);
	for (size_t i = 0; r == 0 && i < c->snaps.n; i++)
		if ((r = check_going(c, e)) == 0 && !c->unread[i])
			r = trace_snapshot(c, &c->snaps.v[i], e);
	return (r);
}
