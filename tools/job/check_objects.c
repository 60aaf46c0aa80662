/*
 * Every object that is named by the hash of its bytes has that hash.  (Packs
 * are read whole only with read_data.)  Read from the store itself: a good copy
 * in the cache must not hide a bad one.
 */
#include <string.h>

#include "tools/job/check_impl.h"

#define PIECE	(1U << 20)

struct listing {
	struct check *c;
	uint8_t *piece;
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

static int
check_one(struct listing *l, const char *name, const struct store_stat *st,
    struct err *e)
{
	uint8_t want[HASH_BYTES], got[HASH_BYTES];
	const char *slash = strrchr(name, '/');
	struct store *store = repo_store(l->c->repo);
	struct hash h;
	uint64_t off = 0;
	size_t n;
	int r;

	if (slash == NULL || hex_parse(want, HASH_BYTES, slash + 1) < 0) {
		check_warning(l->c, "%s is no name of an object", name);
		return (0);
	}
	hash_init(&h);
	do {
		r = store_read(store, name, off, l->piece, PIECE, &n, e);
		if (r != 0)
			/* Gone since it was listed: another's to remove. */
			return (r < 0 ? -1 : 0);
		hash_update(&h, l->piece, n);
		off += n;
	} while (n == PIECE);
	hash_final(&h, got);
	if (memcmp(got, want, HASH_BYTES) != 0 &&
	    !is_refused(l->c, name, want))
		check_damage(l->c, NULL, "%s: its bytes are not what its name "
		    "says", name);
	return (0);
}

static int
each(void *ctx, const char *name, const struct store_stat *st, struct err *e)
{
	struct listing *l = ctx;

	if (check_going(l->c, e) < 0)
		return (-1);
	check_tick(l->c, name);
	if (check_one(l, name, st, e) == 0)
		return (0);
	if (!check_is_damage(e))
		return (-1);
	check_damage(l->c, NULL, "%s: %s", name, err_text(e));
	err_init(e);
	return (0);
}

int
check_objects(struct check *c, struct err *e)
{
	static const char *const prefixes[] = {
		"keys", "index", "snapshots", "pending", "condemned",
		"forwards", "forgotten", "tags", "damaged"
	};
	struct listing l = { c, malloc(PIECE) };
	int r = 0;

	if (l.piece == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; r == 0 &&
	    i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		r = store_list(repo_store(c->repo), prefixes[i], each, &l, e);
	free(l.piece);
	return (r);
}
