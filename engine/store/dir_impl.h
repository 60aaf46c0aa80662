#ifndef VITRINE_ENGINE_STORE_DIR_IMPL_H
#define VITRINE_ENGINE_STORE_DIR_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/store/dir.h"

/* What dir.c (reading, listing) and dir_put.c (making objects) share; nobody
 * else includes this. */

/* More directories than a repository has (packs/00 .. packs/ff and the roots):
 * beyond it a parent is synced more often than needed. */
#define DIR_KNOWN_MAX	320
#define DIR_KNOWN_NAME	16

struct dir_store {
	struct store base;
	int fd;			/* the directory; immutable */
	dev_t dev;
	ino_t ino;
	atomic_bool cleaned;	/* stale temporary files were looked for */

	pthread_mutex_t lock;	/* known: directories whose own entry is */
	unsigned known_n;	/* durable, as far as this process saw to */
	char known[DIR_KNOWN_MAX][DIR_KNOWN_NAME];
};

int dir_put(struct store *, const char *name, const void *, size_t len,
    struct err *);
int dir_put_begin(struct store *, struct store_put **, struct err *);
int dir_put_append(struct store_put *, const void *, size_t len, struct err *);
int dir_put_commit(struct store_put *, const char *name, struct err *);
void dir_put_abort(struct store_put *);

/* Open the directory that holds the object; ENOENT is left in errno with -1
 * returned, as with open(2). */
int dir_open_parent(const struct dir_store *, const char *name);

#endif
