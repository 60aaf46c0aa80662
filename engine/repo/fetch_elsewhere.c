/*
 * Where else a chunk may lie: the forwards that repacks left and the tables of
 * the chunk's domain.  Most processes never need either, so each is loaded when
 * first asked; and as a mount lives longer than a repack, what is loaded is
 * loaded anew when it knows no answer and has grown old.
 *
 *	(nothing) --shelf_get--> loading --> current --older and no answer-->
 *	loading (the old one stays readable for those who hold it) --> current
 *
 * Invariants, under the lock:
 *  1. A shelf is loaded by one thread at a time, which holds no lock meanwhile.
 *  2. A book's references are the shelf's one, while it is current, and one for
 *     each look-up under way; the last frees it.
 */
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/repo/fetch_int.h"
#include "engine/repo/pack_name.h"

#define TABLE_CACHE_BYTES	(1U << 20)
#define STALE_MS		30000

/* Something loaded: the forwards, or the map of one domain. */
struct book {
	unsigned refs;
	uint64_t loaded_ms;
	struct forward_index *forwards;	/* owned; one of the two */
	struct map *map;
};

struct shelf {
	struct shelf *next;
	bool is_map;
	uint32_t domain;
	bool loading;
	struct book *current;
};

struct elsewhere {
	struct repo *repo;		/* borrowed */
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	struct shelf forwards;
	struct shelf *maps;		/* owned, by domain */
};

static void
book_free(struct book *b)
{
	forward_index_free(b->forwards);
	map_close(b->map);
	free(b);
}

static int
book_load(struct elsewhere *el, const struct shelf *s, struct book **out,
    struct err *e)
{
	struct book *b = calloc(1, sizeof(*b));
	int rc;

	if (b == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	b->refs = 1;
	b->loaded_ms = clock_mono_ms();
	if (s->is_map)
		rc = map_open(&b->map, repo_store(el->repo),
		    repo_keyring(el->repo), s->domain, TABLE_CACHE_BYTES,
		    NULL, repo_log(el->repo), e);
	else
		rc = forward_index_load(&b->forwards, el->repo, e);
	if (rc != 0) {
		free(b);
		return (-1);
	}
	*out = b;
	return (0);
}

/* Under the lock; the book to free, if that was its last reference. */
static struct book *
drop(struct book *b)
{
	return (b != NULL && --b->refs == 0 ? b : NULL);
}

static void
book_put(struct elsewhere *el, struct book *b)
{
	struct book *gone;

	pthread_mutex_lock(&el->lock);
	gone = drop(b);
	pthread_mutex_unlock(&el->lock);
	if (gone != NULL)
		book_free(gone);
}

/* A reference to the shelf's book, loaded at `since' or later. */
static int
shelf_get(struct elsewhere *el, struct shelf *s, uint64_t since,
    struct book **out, struct err *e)
{
	struct book *b = NULL, *gone = NULL;
	int rc = 0;

	pthread_mutex_lock(&el->lock);
	while (s->loading)
		pthread_cond_wait(&el->loaded, &el->lock);
	if (s->current == NULL || s->current->loaded_ms < since) {
		s->loading = true;
		pthread_mutex_unlock(&el->lock);
		rc = book_load(el, s, &b, e);
		pthread_mutex_lock(&el->lock);
		s->loading = false;
		if (rc == 0) {
			gone = drop(s->current);
			s->current = b;
		}
		pthread_cond_broadcast(&el->loaded);
	}
	if (rc == 0) {
		s->current->refs++;
		*out = s->current;
	}
	pthread_mutex_unlock(&el->lock);
	if (gone != NULL)
		book_free(gone);
	return (rc);
}

/* The shelf of a domain's tables, made when there is none. */
static struct shelf *
map_shelf(struct elsewhere *el, uint32_t domain)
{
	struct shelf *s;

	pthread_mutex_lock(&el->lock);
	for (s = el->maps; s != NULL && s->domain != domain; s = s->next)
		;
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s != NULL) {
			s->is_map = true;
			s->domain = domain;
			s->next = el->maps;
			el->maps = s;
		}
	}
	pthread_mutex_unlock(&el->lock);
	return (s);
}

/* A look-up in a book. */
struct question {
	const struct pack_id *pack;
	uint32_t frame, slot;
	const struct chunk_id *id;
	unsigned nth;
};

/* Tables outlive packs: one that is gone doesn't count from then on, as another
 * table may know the chunk in a pack that is there. */
static int
ask_map(struct elsewhere *el, struct map *map, const struct question *q,
    struct map_hit *hit, struct err *e)
{
	for (;;) {
		char name[PACK_NAME_BYTES];
		struct store_stat st;
		int rc;

		rc = map_find_nth(map, q->id, q->nth, hit, e);
		if (rc != 0)
			return (rc == MAP_UNKNOWN ? FETCH_NOT_THERE : rc);
		rc = store_stat(repo_store(el->repo),
		    pack_name(name, &hit->pack.id), &st, e);
		if (rc != STORE_ABSENT)
			return (rc);
		if (map_exclude(map, &hit->pack.id, e) != 0)
			return (-1);
	}
}

static int
ask_book(struct elsewhere *el, struct book *b, const struct question *q,
    struct map_hit *hit, struct err *e)
{
	if (b->map == NULL)
		return (forward_index_find(b->forwards, q->pack, q->frame,
		    q->slot, hit, e));
	return (ask_map(el, b->map, q, hit, e));
}

static int
ask(struct elsewhere *el, struct shelf *s, const struct question *q,
    struct map_hit *hit, struct err *e)
{
	uint64_t since = 0;

	for (;;) {
		struct book *b;
		uint64_t now;
		bool stale;
		int rc;

		if (shelf_get(el, s, since, &b, e) != 0)
			return (-1);
		now = clock_mono_ms();
		stale = now - b->loaded_ms > STALE_MS;
		rc = ask_book(el, b, q, hit, e);
		book_put(el, b);
		if (rc != FETCH_NOT_THERE || !stale)
			return (rc);
		since = now;
	}
}

int
elsewhere_forward(struct elsewhere *el, const struct pack_id *pack,
    uint32_t frame, uint32_t slot, struct map_hit *hit, struct err *e)
{
	const struct question q = {
		.pack = pack, .frame = frame, .slot = slot
	};

	return (ask(el, &el->forwards, &q, hit, e));
}

int
elsewhere_table(struct elsewhere *el, uint32_t domain,
    const struct chunk_id *id, unsigned nth, struct map_hit *hit,
    struct err *e)
{
	const struct question q = { .id = id, .nth = nth };
	struct shelf *s = map_shelf(el, domain);

	if (s == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	return (ask(el, s, &q, hit, e));
}

int
elsewhere_new(struct elsewhere **out, struct repo *repo, struct err *e)
{
	struct elsewhere *el = calloc(1, sizeof(*el));

	if (el == NULL)
		return (err_set(e, ERR_NOMEM, "no memory"));
	el->repo = repo;
	pthread_mutex_init(&el->lock, NULL);
	pthread_cond_init(&el->loaded, NULL);
	*out = el;
	return (0);
}

void
elsewhere_free(struct elsewhere *el)
{
	if (el == NULL)
		return;
	if (el->forwards.current != NULL)
		book_free(el->forwards.current);
	while (el->maps != NULL) {
		struct shelf *s = el->maps;

		el->maps = s->next;
		if (s->current != NULL)
			book_free(s->current);
		free(s);
	}
	pthread_cond_destroy(&el->loaded);
	pthread_mutex_destroy(&el->lock);
	free(el);
}
