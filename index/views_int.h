#ifndef VITRINE_INDEX_VIEWS_INT_H
#define VITRINE_INDEX_VIEWS_INT_H

#include "index/catalog_impl.h"

/*
 * The views files, chunks and packs (vitrine-catalog(5), VIEWS) on one
 * connection, with the function and the virtual table that they need.
 */
struct views {
	struct conn conn;
	uint64_t memo_dir;		/* whose path is in memo */
	struct buf memo;
};
/* On the connection that is in v->conn.db; v outlives it. */
int views_create(struct views *, struct err *);

#endif
