/*
 * The bounded cache of directory positions.  The oldest gives way; the keys
 * lie apart from the names, so that a look through all of them stays in the
 * CPU's cache.
 */
#include "fs/cookie.h"

#include <pthread.h>

struct key {
	uint64_t node, off;
};
struct name {
	bool last;
	uint8_t len;
	char b[CATALOG_NAME_MAX];
};

struct cookies {
	pthread_mutex_t lock;	/* of all below */
	size_t n, next;
	struct key *keys;	/* node 0: free */
	struct name *names;
};

int
cookies_new(struct cookies **out, size_t n, struct err *err)
{
	struct cookies *c = calloc(1, sizeof(*c));

	if (c != NULL) {
		(void)pthread_mutex_init(&c->lock, NULL);
		c->n = n;
		c->keys = calloc(n, sizeof(*c->keys));
		c->names = calloc(n, sizeof(*c->names));
	}
	if (c == NULL || c->keys == NULL || c->names == NULL) {
		cookies_free(c);
		return (err_set(err, ERR_NOMEM, "no memory"));
	}
	*out = c;
	return (0);
}

void
cookies_free(struct cookies *c)
{
	if (c == NULL)
		return;
	(void)pthread_mutex_destroy(&c->lock);
	free(c->keys);
	free(c->names);
	free(c);
}

void
cookies_note(struct cookies *c, uint64_t node, uint64_t off,
    const char *name, size_t len, bool last)
{
	size_t i;

	BUG_ON(len > CATALOG_NAME_MAX);
	(void)pthread_mutex_lock(&c->lock);
	for (i = 0; i < c->n; i++)
		if (c->keys[i].node == node && c->keys[i].off == off)
			break;
	if (i == c->n) {
		i = c->next;
		if (++c->next == c->n)
			c->next = 0;
	}
	c->keys[i].node = node;
	c->keys[i].off = off;
	c->names[i].last = last;
	c->names[i].len = (uint8_t)len;
	memcpy(c->names[i].b, name, len);
	(void)pthread_mutex_unlock(&c->lock);
}

bool
cookies_find(struct cookies *c, uint64_t node, uint64_t off,
    uint64_t *found, char name[CATALOG_NAME_MAX + 1], size_t *len)
{
	size_t best = SIZE_MAX;
	bool end = false;

	*found = 0;
	*len = 0;
	(void)pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->n; i++)
		if (c->keys[i].node == node && c->keys[i].off <= off &&
		    (best == SIZE_MAX || c->keys[i].off > c->keys[best].off))
			best = i;
	if (best != SIZE_MAX) {
		*found = c->keys[best].off;
		*len = c->names[best].len;
		end = *found == off && c->names[best].last;
		memcpy(name, c->names[best].b, *len);
	}
	name[*len] = '\0';
	(void)pthread_mutex_unlock(&c->lock);
	return (end);
}
