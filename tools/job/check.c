/*
 * Check: prove that a repository is whole.
 *
 *	snapshots, history: forged manifests; a store that lies
 *	objects: names are hashes (check_objects.c)
 *	catalogs: structure, packs, places (check_catalogs.c)
 *	packs: headers, directories (check_packs.c)
 *	tables: against the directories (check_tables.c)
 *	data: every byte, when asked for (check_data.c, check_read.c); some are
 *	    read from the beginning on, and told of in their turn
 *	trace: damage -> snapshots and paths (check_trace.c)
 *	mark: damage -> the next backup, when asked for (check_mark.c)
 *
 * Snapshots are listed before packs: what a listed snapshot needs was in the
 * store before it.
 */
#include "tools/job/check.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "tools/job/check_impl.h"

#define TICK_MS		100
#define FETCH_MAX	(8U << 20)

char *
check_id(char dst[ID_HEX], const uint8_t id[ID_BYTES])
{
	(void)hex_emit(dst, id, ID_BYTES);
	dst[CHECK_ID] = '\0';
	return (dst);
}

static void
__attribute__((format(printf, 5, 0)))
say(struct check *c, enum event_kind kind, uint64_t *count, const char *path,
    const char *fmt, va_list ap)
{
	char text[768];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)pthread_mutex_lock(&c->lock);
	(*count)++;
	events_item(c->events, kind, path, "%s", text);
	(void)pthread_mutex_unlock(&c->lock);
}

void
check_damage(struct check *c, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(c, EVENT_DAMAGE, &c->res.damage, path, fmt, ap);
	va_end(ap);
}

void
check_warning(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(c, EVENT_WARNING, &c->res.warnings, NULL, fmt, ap);
	va_end(ap);
}

void
check_bad(struct check *c, const struct pack_id *id, uint32_t frame)
{
	(void)pthread_mutex_lock(&c->lock);
	bad_add(c->bad, id, frame);
	(void)pthread_mutex_unlock(&c->lock);
}

int
check_going(struct check *c, struct err *e)
{
	if (events_canceled(c->events))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	return (0);
}

const char *
check_why(const struct err *e)
{
	const char *text = err_text(e);
	uint8_t id[ID_BYTES];
	char hex[ID_HEX];

	if (strncmp(text, "pack ", 5) != 0 || strlen(text) < 5 + ID_HEX ||
	    memcmp(text + 5 + ID_HEX - 1, ": ", 2) != 0)
		return (text);
	(void)snprintf(hex, sizeof(hex), "%s", text + 5);
	return (hex_parse(id, ID_BYTES, hex) < 0 ? text : text + 6 + ID_HEX);
}

bool
check_is_damage(const struct err *e)
{
	switch (e->code) {
	case ERR_CORRUPT:
	case ERR_ABSENT:
	case ERR_VERSION:
		return (true);
	case ERR_SYS:
		return (e->sys == EIO);
	default:
		return (false);
	}
}

void
check_tick(struct check *c, const char *what)
{
	struct event_progress p;
	uint64_t now;

	if (c->events == NULL || c->events->progress == NULL)
		return;
	now = clock_mono_ms();
	(void)pthread_mutex_lock(&c->lock);
	if (now - c->ticked_ms >= TICK_MS) {
		c->ticked_ms = now;
		memset(&p, 0, sizeof(p));
		p.bytes = atomic_load(&c->bytes);
		p.bytes_total = c->env->read_data ? c->bytes_total : 0;
		p.errors = c->res.damage;
		p.path = what;
		c->events->progress(c->events->ctx, &p);
	}
	(void)pthread_mutex_unlock(&c->lock);
}

size_t
check_share(const struct check *c, size_t part, size_t max)
{
	size_t bytes = repo_env(c->repo)->memory_bytes / part;

	return (bytes < max ? bytes : max);
}

static void
lie(void *ctx, bool is_lie, const char *text)
{
	struct check *c = ctx;

	if (is_lie)
		check_damage(c, NULL, "%s", text);
	else
		check_warning(c, "%s", text);
}

static int
run(struct check *c, struct err *e)
{
	size_t findings = 0;

	if (repo_snapshots(c->repo, &c->snaps, e) < 0)
		return (-1);
	c->res.snapshots = c->snaps.n;
	/* The log has named each. */
	c->res.damage += c->snaps.refused;
	if ((c->unread = calloc(c->snaps.n + 1, sizeof(*c->unread))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (repo_check_history(c->repo, &c->snaps, lie, c, &findings, e) < 0)
		return (-1);
	/* Not from the frame cache's copies only: each frame is read again once
	 * it has left the cache, and every byte with read_data. */
	if ((c->env->read_data && verified_load(c->repo, &c->verified,
	    e) < 0) || packlist_open(&c->packs, c, e) < 0 ||
	    dirs_new(&c->dirs, check_share(c, 4, SIZE_MAX), e) < 0 ||
	    bad_new(&c->bad, e) < 0 ||
	    fetch_new(&c->fetch, c->repo, check_share(c, 6, FETCH_MAX), true,
	    e) < 0)
		return (-1);
	if (c->env->read_data && check_data_begin(c, e) < 0)
		return (-1);
	if (check_objects(c, e) < 0 || check_preload(c, e) < 0 ||
	    check_catalogs(c, e) < 0 || check_packs(c, e) < 0)
		return (-1);
	if (c->env->read_data && check_data(c, e) < 0)
		return (-1);
	dirs_clear(c->dirs);
	if (check_trace(c, e) < 0)
		return (-1);
	return (c->env->mark ? check_mark(c, e) : 0);
}

int
check_run(struct repo *repo, const struct check_env *env,
    const struct events *events, struct check_result *res, struct err *e)
{
	struct check c;
	int r;

	memset(&c, 0, sizeof(c));
	c.began_ms = clock_mono_ms();
	c.repo = repo;
	c.env = env;
	c.events = events;
	(void)pthread_mutex_init(&c.lock, NULL);
	(void)pthread_mutex_init(&c.big, NULL);
	r = run(&c, e);
	check_data_end(&c);
	fetch_free(c.fetch);
	bad_free(c.bad);
	dirs_free(c.dirs);
	packlist_close(c.packs);
	verified_fini(&c.verified);
	free(c.unread);
	snapshots_fini(&c.snaps);
	(void)pthread_mutex_destroy(&c.big);
	(void)pthread_mutex_destroy(&c.lock);
	if (r < 0)
		return (-1);
	*res = c.res;
	res->bytes_read = atomic_load(&c.bytes);
	res->duration_ms = clock_mono_ms() - c.began_ms;
	return (0);
}
