/*
 * A writing session: the lease, and the packs that don't count as known because
 * a collection condemned them or somebody found them damaged.
 *
 * Invariants (DESIGN, 8):
 *  1. The lease is in the store before the first look at condemned/; so a
 *     collector that condemns later has seen us, or we see what it condemned.
 *  2. `banned' holds every pack that was condemned, being deleted or damaged
 *     when the session began.
 *  3. packs/ is listed after condemned/: a pack that was being deleted is in
 *     `banned', or, if the collection had ended by then, no longer listed.
 */
#include "engine/repo/session_impl.h"

#include <stdlib.h>
#include <string.h>

/* Loads a plain object.  0; STORE_ABSENT, also for one that must be passed over
 * (said in the log). */
static int
load_plain(struct repo *repo, const char *dir, enum object_kind kind,
    const uint8_t id[ID_BYTES], struct sealed *env, struct buf *content,
    struct err *e)
{
	char name[OBJECT_NAME_MAX];
	struct buf b = BUF_INIT;
	struct err why = ERR_INIT;
	bool verified;
	int ret;

	buf_reset(content);
	ret = object_load(repo->store, dir, id, SEALED_MAX, &b, e);
	if (ret == 0) {
		/*
		 * Its bytes have its name, so this is what was put; if it
		 * doesn't verify, one without a key put it.
		 */
		ret = plain_open(env, content, &verified, repo->ring, kind,
		    b.data, b.len, &why);
		if (ret < 0 && why.code != ERR_CORRUPT) {
			*e = why;
		} else if (ret < 0) {
			log_say(repo->env.log, LOG_WARNING, "%s is passed "
			    "over: %s", object_name(name, dir, id),
			    err_text(&why));
			ret = STORE_ABSENT;
		}
	}
	buf_fini(&b);
	return (ret);
}

static int
add_condemned(struct repo *repo, const uint8_t id[ID_BYTES], uint8_t state,
    struct ids *packs, struct buf *content, struct err *e)
{
	struct condemned c;
	struct sealed env;
	int ret;

	ret = load_plain(repo, "condemned", OBJECT_CONDEMNED, id, &env,
	    content, e);
	if (ret != 0)
		return (ret < 0 ? ret : 0);
	/* Only full keys collect. */
	if (env.head.writer != 0)
		return (0);
	if (condemned_parse(&c, content->data, content->len, e) != 0)
		return (-1);
	for (uint32_t i = 0; c.state >= state && i < c.npacks && ret == 0; i++)
		ret = ids_add(packs, c.packs[i].b, e);
	condemned_fini(&c);
	return (ret);
}

int
condemned_load(struct repo *repo, uint8_t state, struct ids *packs,
    struct err *e)
{
	struct buf content = BUF_INIT;
	char name[OBJECT_NAME_MAX];
	struct ids list = { 0 };
	int ret;

	ret = ids_list(&list, repo->store, "condemned", repo->env.log, e);
	for (size_t i = 0; i < list.n && ret == 0; i++) {
		ret = add_condemned(repo, list.v[i], state, packs, &content, e);
		if (ret != 0)
			(void)err_wrap(e, "%s says which packs a collection "
			    "deletes, but can't be read", object_name(name,
			    "condemned", list.v[i]));
	}
	ids_fini(&list);
	buf_fini(&content);
	ids_sort(packs);
	return (ret);
}

static int
add_damaged(struct repo *repo, const uint8_t id[ID_BYTES], struct ids *packs,
    struct buf *content, struct err *e)
{
	struct damaged d;
	struct sealed env;
	int ret;

	ret = load_plain(repo, "damaged", OBJECT_DAMAGED, id, &env, content,
	    e);
	if (ret != 0)
		return (ret < 0 ? ret : 0);
	/* Only full keys check.  Who can't tell a forgery stores more. */
	if (env.head.writer != 0)
		return (0);
	if (damaged_parse(&d, content->data, content->len, e) != 0)
		return (-1);
	for (uint32_t i = 0; i < d.n && ret == 0; i++)
		ret = ids_add(packs, d.v[i].id.b, e);
	damaged_fini(&d);
	return (ret);
}

int
damaged_load(struct repo *repo, struct ids *packs, struct err *e)
{
	struct buf content = BUF_INIT;
	struct err why = ERR_INIT;
	char name[OBJECT_NAME_MAX];
	struct ids list = { 0 };
	int ret;

	ret = ids_list(&list, repo->store, "damaged", repo->env.log, e);
	for (size_t i = 0; i < list.n && ret == 0; i++) {
		ret = add_damaged(repo, list.v[i], packs, &content, &why);
		if (ret < 0 && is_object_bad(&why)) {
			/* A note that is lost costs no data that was stored. */
			log_say(repo->env.log, LOG_WARNING, "%s is passed "
			    "over: %s", object_name(name, "damaged",
			    list.v[i]), err_text(&why));
			ret = 0;
		} else if (ret < 0)
			*e = why;
	}
	ids_fini(&list);
	buf_fini(&content);
	ids_sort(packs);
	return (ret);
}

int
session_begin(struct session **out, struct repo *repo, struct err *e)
{
	/* The last two are for those who look next. */
	static const char *const soon[] = {
		"condemned", "damaged", "snapshots", "index"
	};
	struct session *s;

	if (header_features(repo->header.need_write, "write to", e) != 0)
		return (-1);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	s->repo = repo;
	present_init(&s->present, repo->store);
	if (lease_begin(s, e) != 0) {
		present_fini(&s->present);
		free(s);
		return (-1);
	}
	store_list_ahead(repo->store, soon, sizeof(soon) / sizeof(soon[0]));
	if (condemned_load(repo, CONDEMNED, &s->banned, e) != 0 ||
	    damaged_load(repo, &s->banned, e) != 0) {
		session_end(s);
		return (-1);
	}
	/* Last: what a collection deletes after condemned/ was listed, that
	 * said so. */
	present_begin(&s->present);
	*out = s;
	return (0);
}

void
session_end(struct session *s)
{
	if (s == NULL)
		return;
	present_fini(&s->present);
	lease_end(s);
	ids_fini(&s->banned);
	snapshots_fini(&s->snaps);
	free(s);
}

const struct run_id *
session_run(const struct session *s)
{
	return (&s->run);
}

struct repo *
session_repo(const struct session *s)
{
	return (s->repo);
}

bool
session_is_banned(const struct session *s, const struct pack_id *id)
{
	return (ids_has(&s->banned, id->b));
}

int
session_each_banned(const struct session *s, session_banned_fn *fn, void *ctx,
    struct err *e)
{
	struct pack_id id;

	for (size_t i = 0; i < s->banned.n; i++) {
		int ret;

		memcpy(id.b, s->banned.v[i], ID_BYTES);
		ret = fn(ctx, &id, e);
		if (ret != 0)
			return (ret);
	}
	return (0);
}

uint64_t
session_counter(struct session *s)
{
	return (s->counter++);
}
