/*
 * Forwards (vitrine-format(5), FORWARDS): where a repack moved chunks.  Repacks
 * may have moved more chunks than memory should hold, so what is kept is only
 * which object speaks of which old pack; an object is read when a chunk of such
 * a pack is asked for, and the last few of them are kept.
 *
 * Only a full-key writer repacks: what others say is not believed.
 */
#include <stdlib.h>

#include "engine/repo/fetch_int.h"
#include "engine/repo/impl.h"
#include "engine/repo/records.h"

#define OBJECTS_KEPT	4	/* parsed */

/* Which object speaks of an old pack. */
struct mention {
	struct pack_id pack;
	uint32_t object;
};

struct kept {
	bool used;
	uint32_t object;
	struct forwards moves;			/* owned */
};

struct forward_index {
	struct repo *repo;			/* borrowed */
	char (*objects)[STORE_NAME_MAX + 1];	/* owned; immutable */
	size_t nobjects;
	struct mention *mentions;		/* owned, by pack; immutable */
	size_t nmentions;
	pthread_mutex_t lock;
	unsigned turn;				/* lock */
	struct kept kept[OBJECTS_KEPT];		/* lock */
};

/* Room for one more of size bytes in an array that grows by doubling. */
static void *
grow(void *array, size_t n, size_t size, struct err *e)
{
	void *p = array;
	size_t bytes;

	if (n == 0 || (n & (n - 1)) == 0) {
		if (__builtin_mul_overflow(n == 0 ? 1 : 2 * n, size, &bytes))
			p = NULL;
		else
			p = realloc(array, bytes);
		if (p == NULL)
			err_set(e, ERR_NOMEM, "no memory");
	}
	return (p);
}

static int
note_object(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct forward_index *fw = ctx;
	size_t len = strlen(name);
	void *p;

	(void)st;
	if (len > STORE_NAME_MAX)
		return (err_set(e, ERR_CORRUPT, "a name of %zu bytes", len));
	p = grow(fw->objects, fw->nobjects, sizeof(*fw->objects), e);
	if (p == NULL)
		return (-1);
	fw->objects = p;
	memcpy(fw->objects[fw->nobjects++], name, len + 1);
	return (0);
}

/* A forwards object, parsed.  STORE_ABSENT; ERR_CORRUPT for what is not to be
 * believed. */
static int
open_object(struct forward_index *fw, uint32_t no, struct forwards *moves,
    struct err *e)
{
	const char *name = fw->objects[no];
	struct buf object = BUF_INIT, content = BUF_INIT;
	struct sealed sealed;
	int rc;

	rc = store_load(repo_store(fw->repo), name, &object, SEALED_MAX, e);
	if (rc == 0)
		rc = sealed_open(&sealed, &content, repo_keyring(fw->repo),
		    OBJECT_FORWARDS, object.data, object.len, e);
	if (rc == 0 && sealed.head.writer != 0)
		rc = err_set(e, ERR_CORRUPT, "it is of a put-only writer");
	if (rc == 0)
		rc = forwards_parse(moves, content.data, content.len, e);
	buf_fini(&content);
	buf_fini(&object);
	if (rc < 0)
		return (err_wrap(e, "%s", name));
	return (rc);
}

static int
note_mentions(struct forward_index *fw, uint32_t object,
    const struct forwards *moves, struct err *e)
{
	for (uint32_t i = 0; i < moves->n; i++) {
		void *p;

		if (i > 0 && id_equal(moves->v[i].old.b, moves->v[i - 1].old.b))
			continue;
		p = grow(fw->mentions, fw->nmentions, sizeof(*fw->mentions), e);
		if (p == NULL)
			return (-1);
		fw->mentions = p;
		fw->mentions[fw->nmentions].pack = moves->v[i].old;
		fw->mentions[fw->nmentions++].object = object;
	}
	return (0);
}

static int
by_pack(const void *a, const void *b)
{
	const struct mention *x = a, *y = b;
	int d = memcmp(x->pack.b, y->pack.b, sizeof(x->pack.b));

	if (d != 0)
		return (d);
	return (x->object < y->object ? -1 : x->object > y->object);
}

int
forward_index_load(struct forward_index **out, struct repo *repo, struct err *e)
{
	struct forward_index *fw = calloc(1, sizeof(*fw));

	if (fw == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	fw->repo = repo;
	pthread_mutex_init(&fw->lock, NULL);
	if (store_list(repo_store(repo), "forwards", note_object, fw, e) < 0)
		goto fail;
	for (uint32_t i = 0; i < fw->nobjects; i++) {
		struct forwards moves = { 0 };
		int rc;

		rc = open_object(fw, i, &moves, e);
		if (rc == 0)
			rc = note_mentions(fw, i, &moves, e);
		forwards_fini(&moves);
		if (rc < 0 && !is_object_bad(e))
			goto fail;
		if (rc < 0) {
			log_say(repo_log(repo), LOG_WARNING, "left out: %s",
			    err_text(e));
			err_init(e);
		}
	}
	if (fw->nmentions > 0)
		qsort(fw->mentions, fw->nmentions, sizeof(*fw->mentions),
		    by_pack);
	*out = fw;
	return (0);
fail:
	forward_index_free(fw);
	return (-1);
}

void
forward_index_free(struct forward_index *fw)
{
	if (fw == NULL)
		return;
	for (unsigned i = 0; i < OBJECTS_KEPT; i++)
		forwards_fini(&fw->kept[i].moves);
	pthread_mutex_destroy(&fw->lock);
	free(fw->mentions);
	free(fw->objects);
	free(fw);
}

/* 0 or FETCH_NOT_THERE. */
static int
find_move(const struct forwards *moves, const struct pack_id *pack,
    uint32_t frame, uint32_t slot, struct map_hit *hit)
{
	const struct pack_info *to;

	if (!forwards_find(moves, pack, frame, slot, &to, &hit->frame,
	    &hit->slot))
		return (FETCH_NOT_THERE);
	hit->pack = *to;
	return (0);
}

/* The same among the objects that are kept; -1 when this one isn't. */
static int
find_kept(struct forward_index *fw, uint32_t object, const struct pack_id *pack,
    uint32_t frame, uint32_t slot, struct map_hit *hit)
{
	int rc = -1;

	pthread_mutex_lock(&fw->lock);
	for (unsigned i = 0; i < OBJECTS_KEPT && rc < 0; i++)
		if (fw->kept[i].used && fw->kept[i].object == object)
			rc = find_move(&fw->kept[i].moves, pack, frame, slot,
			    hit);
	pthread_mutex_unlock(&fw->lock);
	return (rc);
}

static int
find_in(struct forward_index *fw, uint32_t object, const struct pack_id *pack,
    uint32_t frame, uint32_t slot, struct map_hit *hit, struct err *e)
{
	struct forwards moves = { 0 }, gone;
	int rc;

	rc = find_kept(fw, object, pack, frame, slot, hit);
	if (rc >= 0)
		return (rc);
	rc = open_object(fw, object, &moves, e);
	if (rc != 0)
		return (rc > 0 ? FETCH_NOT_THERE : rc);
	rc = find_move(&moves, pack, frame, slot, hit);
	pthread_mutex_lock(&fw->lock);
	gone = fw->kept[fw->turn].moves;
	fw->kept[fw->turn].moves = moves;
	fw->kept[fw->turn].object = object;
	fw->kept[fw->turn].used = true;
	fw->turn = (fw->turn + 1) % OBJECTS_KEPT;
	pthread_mutex_unlock(&fw->lock);
	forwards_fini(&gone);
	return (rc);
}

int
forward_index_find(struct forward_index *fw, const struct pack_id *pack,
    uint32_t frame, uint32_t slot, struct map_hit *hit, struct err *e)
{
	size_t lo = 0, hi = fw->nmentions;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(fw->mentions[mid].pack.b, pack->b,
		    sizeof(pack->b)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < fw->nmentions &&
	    id_equal(fw->mentions[lo].pack.b, pack->b); lo++) {
		int rc;

		rc = find_in(fw, fw->mentions[lo].object, pack, frame, slot,
		    hit, e);
		if (rc != FETCH_NOT_THERE)
			return (rc);
	}
	return (FETCH_NOT_THERE);
}
