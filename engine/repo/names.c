/*
 * Objects by the name that their bytes have, and lists of ids.  A store is not
 * trusted: what is loaded by name is hashed, and an answer to a put that got
 * lost is cleared up by looking.
 */
#include "engine/repo/impl.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define SORT_SPREAD	64	/* so many ids are spread before the sort */

char *
object_name(char dst[OBJECT_NAME_MAX], const char *dir,
    const uint8_t id[ID_BYTES])
{
	char hex[ID_HEX];

	(void)snprintf(dst, OBJECT_NAME_MAX, "%s/%s", dir,
	    hex_emit(hex, id, ID_BYTES));
	return (dst);
}

bool
object_name_parse(const char *name, const char *dir, uint8_t id[ID_BYTES])
{
	size_t n = strlen(dir);

	return (strncmp(name, dir, n) == 0 && name[n] == '/' &&
	    hex_parse(id, ID_BYTES, name + n + 1) == 0);
}

char *
short_hex(char dst[SHORT_HEX], const uint8_t id[ID_BYTES])
{
	return (hex_emit(dst, id, (SHORT_HEX - 1) / 2));
}

int
object_load(struct store *store, const char *dir, const uint8_t id[ID_BYTES],
    size_t max, struct buf *b, struct err *e)
{
	char name[OBJECT_NAME_MAX];
	uint8_t digest[HASH_BYTES];
	int ret;

	buf_reset(b);
	ret = store_load(store, object_name(name, dir, id), b, max, e);
	if (ret != 0)
		return (ret);
	hash_bytes(digest, b->data, b->len);
	if (!id_equal(digest, id))
		return (err_set(e, ERR_CORRUPT, "%s: damaged: its bytes don't "
		    "have that name", name));
	return (0);
}

/* Is the object there with these bytes?  0; STORE_ABSENT. */
static int
is_stored(struct store *store, const char *dir, const uint8_t id[ID_BYTES],
    size_t len, struct err *e)
{
	struct buf b = BUF_INIT;
	int ret = object_load(store, dir, id, len, &b, e);

	buf_fini(&b);
	return (ret);
}

int
object_put(struct store *store, const char *dir, const struct buf *b,
    uint8_t id[ID_BYTES], struct err *e)
{
	char name[OBJECT_NAME_MAX];
	struct err again = ERR_INIT;
	int ret;

	hash_bytes(id, b->data, b->len);
	(void)object_name(name, dir, id);
	for (int attempt = 0; ; attempt++) {
		ret = store_put(store, name, b->data, b->len, e);
		if (ret == 0)
			return (0);
		if (ret == STORE_EXISTS) {
			ret = is_stored(store, dir, id, b->len, e);
			if (ret == STORE_ABSENT)
				ret = err_set(e, ERR_BUSY,
				    "%s: vanished while it was stored", name);
			return (ret);
		}
		if (is_stored(store, dir, id, b->len, &again) == 0)
			return (0);
		if (attempt > 0 || e->code == ERR_FULL ||
		    e->code == ERR_NOMEM)
			return (err_wrap(e, "%s", name));
	}
}

int
ids_add(struct ids *l, const uint8_t id[ID_BYTES], struct err *e)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 16 : l->cap * 2;
		void *v = reallocarray(l->v, cap, ID_BYTES);

		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		l->v = v;
		l->cap = cap;
	}
	memcpy(l->v[l->n++], id, ID_BYTES);
	return (0);
}

static int
id_compare(const void *a, const void *b)
{
	return (memcmp(a, b, ID_BYTES));
}

/* Ids are hashes: those that begin with the same byte are few, as a rule. */
static void
sort_by_first_byte(struct ids *l)
{
	uint8_t (*v)[ID_BYTES] = calloc(l->cap, ID_BYTES);
	size_t at[257] = { 0 }, from = 0;

	if (v == NULL) {
		qsort(l->v, l->n, ID_BYTES, id_compare);
		return;
	}
	for (size_t i = 0; i < l->n; i++)
		at[l->v[i][0] + 1]++;
	for (size_t i = 1; i < 257; i++)
		at[i] += at[i - 1];
	for (size_t i = 0; i < l->n; i++)
		memcpy(v[at[l->v[i][0]]++], l->v[i], ID_BYTES);
	/* at[i] has moved to where the next byte's begin. */
	for (size_t i = 0; i < 256; from = at[i++])
		if (at[i] - from > 1)
			qsort(v[from], at[i] - from, ID_BYTES, id_compare);
	free(l->v);
	l->v = v;
}

void
ids_sort(struct ids *l)
{
	size_t n = 0;

	if (l->n < 2)
		return;
	if (l->n < SORT_SPREAD)
		qsort(l->v, l->n, ID_BYTES, id_compare);
	else
		sort_by_first_byte(l);
	for (size_t i = 1; i < l->n; i++)
		if (memcmp(l->v[n], l->v[i], ID_BYTES) != 0)
			memmove(l->v[++n], l->v[i], ID_BYTES);
	l->n = n + 1;
}

/* What the order of ids says of their first bytes. */
static uint64_t
id_rank(const uint8_t id[ID_BYTES])
{
	uint64_t v;

	memcpy(&v, id, sizeof(v));
	return (be64toh(v));
}

bool
ids_find(const struct ids *l, const uint8_t id[ID_BYTES], size_t *at)
{
	size_t lo = 0, hi = l->n, mid;
	uint64_t rank = id_rank(id), is;
	int c;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		is = id_rank(l->v[mid]);
		c = is != rank ? (is < rank ? -1 : 1) :
		    memcmp(l->v[mid], id, ID_BYTES);
		if (c == 0) {
			*at = mid;
			return (true);
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (false);
}

bool
ids_has(const struct ids *l, const uint8_t id[ID_BYTES])
{
	size_t at;

	return (ids_find(l, id, &at));
}

void
ids_fini(struct ids *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

struct listing {
	struct ids *ids;
	const char *dir;
	const struct log *log;
};

static int
list_one(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	struct listing *l = ctx;
	uint8_t id[ID_BYTES];

	if (!object_name_parse(name, l->dir, id)) {
		log_say(l->log, LOG_NOTICE, "%s: not an object's name; ignored",
		    name);
		return (0);
	}
	return (ids_add(l->ids, id, e));
}

int
ids_list(struct ids *out, struct store *store, const char *dir,
    const struct log *log, struct err *e)
{
	struct ids ids = { 0 };
	struct listing l = { &ids, dir, log };

	if (store_list_names(store, dir, list_one, &l, e) < 0) {
		ids_fini(&ids);
		return (err_wrap(e, "listing %s", dir));
	}
	ids_sort(&ids);
	*out = ids;
	return (0);
}

static int
note_one(void *ctx, const char *name, const struct store_stat *st,
    struct err *e)
{
	*(bool *)ctx = true;
	return (STORE_STOP);
}

int
dir_has_objects(struct store *store, const char *dir, bool *some,
    struct err *e)
{
	*some = false;
	if (store_list_names(store, dir, note_one, some, e) < 0)
		return (err_wrap(e, "listing %s", dir));
	return (0);
}
