#ifndef VITRINE_TOOLS_JOB_BUCKET_TABLE_H
#define VITRINE_TOOLS_JOB_BUCKET_TABLE_H

#include "engine/base/clock.h"
#include "engine/base/err.h"

/*
 * A bucket's listing as a tree: objects come by their places, in any order, the
 * directories between are made, and each is found again by directory and name,
 * in byte order.  In a temporary file that is gone when the process is; memory
 * is cache_bytes, however many objects there are.  Thread-safe.
 */
#define TABLE_ROOT	1		/* the directory "/" */
#define TABLE_ABSENT	1
#define TABLE_ETAG_MAX	256
#define TABLE_CLASS_MAX	64

struct bucket_table;
struct listed {
	uint64_t dir;			/* number, > 0; 0: not a directory */
	bool has_object;		/* false: a directory without marker */
	uint64_t size;			/* of the object, and so below */
	struct stamp mtime;
	char etag[TABLE_ETAG_MAX];	/* without quotes; "": none */
	char class[TABLE_CLASS_MAX];	/* "": none */
};

int bucket_table_new(struct bucket_table **out, size_t cache_bytes,
    struct err *);
void bucket_table_free(struct bucket_table *);	/* NULL is fine */

/* The path has no '/' at its ends; `marker': it is that directory's.  One that
 * is a directory as well goes to PLACE_SELF in it, whichever comes first. */
int bucket_table_add(struct bucket_table *, const char *path, size_t len,
    bool marker, const struct listed *object, struct err *);
/* Make a directory, if it isn't there. */
int bucket_table_dir(struct bucket_table *, const char *path, size_t len,
    struct err *);

/* TABLE_ABSENT. */
int bucket_table_get(struct bucket_table *, uint64_t dir, const char *name,
    size_t len, struct listed *, struct err *);
/* The names after `after' (NULL: all); fn: 0 to go on,
 * > 0 to stop.  It may not call back. */
typedef int bucket_table_fn(void *ctx, const char *name, size_t len,
    bool is_dir);
int bucket_table_names(struct bucket_table *, uint64_t dir, const char *after,
    bucket_table_fn *, void *ctx, struct err *);

#endif
