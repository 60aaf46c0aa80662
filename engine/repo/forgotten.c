/*
 * All tombstones of a repository: what was taken away on purpose is no lie of
 * the store's.  Only full keys forget.
 */
#include "engine/repo/impl.h"

#include <stdlib.h>
#include <string.h>

#include "engine/repo/records.h"

static int
tombstone_compare(const void *va, const void *vb)
{
	const struct tombstone *a = va, *b = vb;
	int c = memcmp(a->lineage.b, b->lineage.b, ID_BYTES);

	if (c != 0)
		return (c);
	if (a->sequence != b->sequence)
		return (a->sequence < b->sequence ? -1 : 1);
	return (memcmp(a->id.b, b->id.b, ID_BYTES));
}

static int
append(struct forgotten *to, struct forgotten *from, struct err *e)
{
	struct tombstone *v;

	if (from->n == 0)
		return (0);
	if (from->n > UINT32_MAX - to->n)
		return (err_set(e, ERR_LIMIT, "too many tombstones"));
	v = reallocarray(to->v, (size_t)to->n + from->n, sizeof(*v));
	if (v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	memcpy(v + to->n, from->v, from->n * sizeof(*v));
	to->v = v;
	to->n += from->n;
	return (0);
}

static int
add_object(struct repo *repo, const uint8_t id[ID_BYTES], struct forgotten *all,
    struct err *e)
{
	struct buf b = BUF_INIT, content = BUF_INIT;
	struct forgotten f = { 0 };
	struct sealed env;
	int ret;

	ret = object_load(repo->store, "forgotten", id, SEALED_MAX, &b, e);
	if (ret == 0)
		ret = sealed_open(&env, &content, repo->ring, OBJECT_FORGOTTEN,
		    b.data, b.len, e);
	if (ret == 0 && env.head.writer != 0)
		ret = err_set(e, ERR_CORRUPT, "a put-only writer can't "
		    "forget");
	if (ret == 0)
		ret = forgotten_parse(&f, content.data, content.len, e);
	if (ret == 0)
		ret = append(all, &f, e);
	forgotten_fini(&f);
	buf_fini(&b);
	buf_fini(&content);
	return (ret < 0 ? ret : 0);
}

int
forgotten_load(struct repo *repo, struct forgotten *out, struct err *e)
{
	struct forgotten all = { 0 };
	struct err why = ERR_INIT;
	char hex[ID_HEX];
	struct ids ids;
	int ret = 0;

	if (ids_list(&ids, repo->store, "forgotten", repo->env.log, e) != 0)
		return (-1);
	for (size_t i = 0; i < ids.n && ret == 0; i++) {
		ret = add_object(repo, ids.v[i], &all, &why);
		if (ret < 0 && is_object_bad(&why)) {
			log_say(repo->env.log, LOG_WARNING, "forgotten/%s is "
			    "left out: %s", hex_emit(hex, ids.v[i], ID_BYTES),
			    err_text(&why));
			ret = 0;
		} else if (ret < 0)
			*e = why;
	}
	ids_fini(&ids);
	if (ret < 0) {
		forgotten_fini(&all);
		return (-1);
	}
	if (all.n > 1)
		qsort(all.v, all.n, sizeof(*all.v), tombstone_compare);
	*out = all;
	return (0);
}
