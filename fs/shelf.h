#ifndef VITRINE_FS_SHELF_H
#define VITRINE_FS_SHELF_H

#include "index/catalog.h"

/*
 * The open catalogs: at most so many, the least recently used is closed; one
 * in use stays (so there may be as many more as there are threads).
 * Thread-safe; two that want one catalog open it once.
 */
struct shelf;

struct shelf_env {
	struct repo *repo;		/* borrowed */
	struct fetch *fetch;		/* borrowed */
	unsigned open_max;		/* at least 1 */
	struct catalog_env each;
};

/* The snapshot is no longer in the store. */
#define SHELF_ABSENT	1

int shelf_new(struct shelf **out, const struct shelf_env *, struct err *);
void shelf_free(struct shelf *);	/* nothing is in use; NULL is fine */
/* Borrowed until shelf_put().  SHELF_ABSENT. */
int shelf_get(struct shelf *, const struct snapshot_id *, struct catalog **,
    struct err *);
void shelf_put(struct shelf *, struct catalog *);	/* NULL is fine */

#endif
