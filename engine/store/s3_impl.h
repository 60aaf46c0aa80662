#ifndef VITRINE_ENGINE_STORE_S3_IMPL_H
#define VITRINE_ENGINE_STORE_S3_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/store/s3.h"

/* What s3.c (reading, listing, removing), s3_put.c (making objects), s3_learn.c
 * (what servers can do) and s3_ahead.c (listing before it is needed) share;
 * nobody else includes this. */

/* Does the server honour If-None-Match? */
enum create_only { CREATE_UNKNOWN, CREATE_ONLY, CREATE_REPLACES };

#define S3_AHEAD_MAX	12
struct ahead;

/* A file without a name, in which an object is gathered. */
struct spool {
	int fd;
	uint64_t since_ms;		/* when it was made */
};
#define S3_SPOOLS_MAX	2

struct s3_store {
	struct store base;
	struct s3 *s3;			/* owned; with url immutable */
	const struct s3_url *url;
	char *storage_class;		/* owned; NULL: the bucket's own */
	char *spool_dir;		/* owned */
	char *memory_dir;		/* owned; NULL: nothing is remembered */
	_Atomic enum create_only create_only;
	pthread_mutex_t lock;
	struct ahead *ahead[S3_AHEAD_MAX];	/* owned, or NULL; lock */
	struct spool spools[S3_SPOOLS_MAX];	/* not in use; owned; lock */
	unsigned nspools;			/* lock */
};

#define S3_NAME_BYTES	(S3_KEY_MAX + STORE_NAME_MAX + 1)
/* The key of a name; key has S3_NAME_BYTES.  Its length. */
size_t s3_key_of(const struct s3_store *, const char *name, char *key);
/* "where/name: verb: " in front of the error; -1. */
int s3_wrap(const struct s3_store *, const char *name, const char *verb,
    struct err *);

/* etag: without quotes, "" when there is none; or NULL. */
int s3_stat_key(struct s3_store *, const char *key, size_t len,
    struct store_stat *, char etag[S3_TEXT_MAX], struct err *);
int s3_read_key(struct s3_store *, const char *key, size_t len, uint64_t off,
    void *dst, size_t size, size_t *got, uint64_t *total, struct err *);

/* What was learned of this server before, and what is now. */
void s3_recall(struct s3_store *);
void s3_learn(struct s3_store *, enum create_only);

/* Every object of a prefix, as of now. */
int s3_list_objects(struct s3_store *, const char *prefix, store_list_fn *,
    void *ctx, struct err *);
int s3_list_names(struct store *, const char *prefix, store_list_fn *,
    void *ctx, struct err *);
void s3_list_ahead(struct store *, const char *const *prefixes, size_t n);
void s3_ahead_fini(struct s3_store *);

int s3_put(struct store *, const char *name, const void *, size_t len,
    struct err *);
int s3_put_begin(struct store *, struct store_put **, struct err *);
int s3_put_append(struct store_put *, const void *, size_t len, struct err *);
int s3_put_commit(struct store_put *, const char *name, struct err *);
void s3_put_abort(struct store_put *);
void s3_put_bulk(struct store_put *);
void s3_put_sha256(struct store_put *, const uint8_t *sum);
void s3_spools_fini(struct s3_store *);

#endif
