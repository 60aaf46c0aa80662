/*
 * The shelf of open catalogs.
 *
 *	(none) --shelf_get--> opening --open_catalog--> open, refs > 0
 *	open, refs 0 --shelf_get--> open, refs > 0 --shelf_put--> open, refs 0
 *	open, refs 0 --evict--> (none);  opening, failed --> (none)
 *
 * 1. A snapshot has at most one book.
 * 2. A book with refs > 0 or opening is never taken from the list by another
 * thread.
 * 3. Nothing is opened or closed under the lock; what stands in the list is
 * read and written under it.
 */
#include "fs/shelf.h"

#include <pthread.h>
#include <stdlib.h>

struct book {
	struct book *next;
	struct snapshot_id id;
	struct catalog *catalog;
	bool opening;
	unsigned refs;
	uint64_t used;
};

struct shelf {
	struct shelf_env env;
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t opened;
	struct book *books;
	unsigned n;
	uint64_t tick;
};

int
shelf_new(struct shelf **out, const struct shelf_env *env, struct err *err)
{
	struct shelf *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (err_set(err, ERR_NOMEM, "no memory"));
	s->env = *env;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->opened, NULL);
	*out = s;
	return (0);
}

static void
book_free(struct book *b)
{
	if (b == NULL)
		return;
	catalog_close(b->catalog);
	free(b);
}

void
shelf_free(struct shelf *s)
{
	struct book *b;

	if (s == NULL)
		return;
	while ((b = s->books) != NULL) {
		BUG_ON(b->refs > 0);
		s->books = b->next;
		book_free(b);
	}
	(void)pthread_cond_destroy(&s->opened);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static void
unlink_book(struct shelf *s, struct book *b)
{
	struct book **p = &s->books;

	while (*p != b)
		p = &(*p)->next;
	*p = b->next;
	s->n--;
}

/* The least recently used idle book, taken from the list; NULL: none to
 * spare. */
static struct book *
evict(struct shelf *s)
{
	struct book *old = NULL;

	if (s->n < s->env.open_max)
		return (NULL);
	for (struct book *b = s->books; b != NULL; b = b->next)
		if (b->refs == 0 && !b->opening &&
		    (old == NULL || b->used < old->used))
			old = b;
	if (old != NULL)
		unlink_book(s, old);
	return (old);
}

static int
open_catalog(struct shelf *s, const struct snapshot_id *id,
    struct catalog **out, struct err *err)
{
	struct manifest m = { 0 };
	char hex[ID_HEX];
	int rc;

	rc = repo_manifest(s->env.repo, id, &m, err);
	if (rc == STORE_ABSENT)
		return (SHELF_ABSENT);
	if (rc == 0) {
		rc = catalog_open(out, s->env.fetch, s->env.repo, &m,
		    &s->env.each, err);
		manifest_fini(&m);
	}
	if (rc < 0)
		(void)err_wrap(err, "snapshot %.8s",
		    hex_emit(hex, id->b, ID_BYTES));
	return (rc);
}

/* With the lock held: the book of a snapshot once it is open; NULL: none. */
static struct book *
find(struct shelf *s, const struct snapshot_id *id)
{
	struct book *b;

	for (;;) {
		for (b = s->books; b != NULL; b = b->next)
			if (id_equal(b->id.b, id->b))
				break;
		if (b == NULL || !b->opening)
			return (b);
		(void)pthread_cond_wait(&s->opened, &s->lock);
	}
}

int
shelf_get(struct shelf *s, const struct snapshot_id *id, struct catalog **out,
    struct err *err)
{
	struct catalog *catalog = NULL;
	struct book *b, *old;
	int rc;

	(void)pthread_mutex_lock(&s->lock);
	b = find(s, id);
	if (b != NULL) {
		b->refs++;
		b->used = ++s->tick;
		*out = b->catalog;
		(void)pthread_mutex_unlock(&s->lock);
		return (0);
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		(void)pthread_mutex_unlock(&s->lock);
		return (err_set(err, ERR_NOMEM, "no memory"));
	}
	old = evict(s);
	b->id = *id;
	b->opening = true;
	b->refs = 1;
	b->next = s->books;
	s->books = b;
	s->n++;
	b->used = ++s->tick;
	(void)pthread_mutex_unlock(&s->lock);

	book_free(old);
	rc = open_catalog(s, id, &catalog, err);

	(void)pthread_mutex_lock(&s->lock);
	b->opening = false;
	if (rc == 0)
		*out = b->catalog = catalog;
	else
		unlink_book(s, b);
	(void)pthread_cond_broadcast(&s->opened);
	(void)pthread_mutex_unlock(&s->lock);
	if (rc != 0)
		book_free(b);
	return (rc);
}

void
shelf_put(struct shelf *s, struct catalog *c)
{
	struct book *b, *old = NULL;

	if (c == NULL)
		return;
	(void)pthread_mutex_lock(&s->lock);
	for (b = s->books; b != NULL; b = b->next)
		if (b->catalog == c)
			break;
	BUG_ON(b == NULL || b->refs == 0);
	b->refs--;
	if (s->n > s->env.open_max)
		old = evict(s);
	(void)pthread_mutex_unlock(&s->lock);
	book_free(old);
}
