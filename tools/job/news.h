#ifndef VITRINE_TOOLS_JOB_NEWS_H
#define VITRINE_TOOLS_JOB_NEWS_H

#include "index/catalog.h"

/*
 * Which entries of a snapshot may be others than in the one before it, over the
 * snapshots of a lineage: each distinct page of their catalogs is read once, by
 * way of the proof that a check makes (index/prove.h).  What can't be told so
 * has to be walked.  Memory is bounded: the names that may be wanted are in a
 * temporary database, which spills to disk.  Confined.
 */
struct news;
struct news_ops {
	/* May an entry of that name be wanted, whatever it is?  With a NUL. */
	bool (*name)(void *ctx, const char *name);
	/* And such an entry, whatever its name? */
	bool (*entry)(void *ctx, const struct entry *);
	/* Now and then; < 0 to give up. */
	int (*going)(void *ctx, struct err *);
};
int news_new(struct news **out, size_t budget_bytes, const struct news_ops *,
    void *ctx, struct err *);
void news_free(struct news *);		/* NULL is fine */

/*
 * Take in the next snapshot's catalog; `before' is the one of the last call (or
 * one with the same root), NULL where a lineage begins.  0: news_each() gives
 * all that may differ and be wanted.  NEWS_WALK: all may differ, or more than
 * `most' entries.  < 0 only when going() gave up: other failures are NEWS_WALK,
 * and a walk will meet them where they matter.
 */
#define NEWS_WALK	1
int news_next(struct news *, struct catalog *, struct catalog *before,
    uint64_t most, struct err *);
/* After a 0: like catalog_walk() from the root, in its order; some may be the
 * same as before.  CATALOG_SKIP has no meaning. */
int news_each(struct news *, struct catalog *, catalog_walk_fn *, void *ctx,
    struct err *);

#endif
