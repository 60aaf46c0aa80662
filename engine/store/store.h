#ifndef VITRINE_ENGINE_STORE_STORE_H
#define VITRINE_ENGINE_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * A store keeps immutable named objects.  Names are paths of at most
 * STORE_NAME_MAX bytes of [a-z0-9-] and '/', as laid out in vitrine-format(5),
 * LAYOUT.  A store is thread-safe: any function from any thread.  The streams
 * (struct store_put) are confined.
 *
 * An object exists whole and durable or not at all: when store_put() or
 * store_put_commit() has returned 0, it survives power loss.
 */
#define STORE_NAME_MAX	128

#define STORE_ABSENT	1	/* there is no such object: proven */
#define STORE_EXISTS	2	/* an object of that name is there already */
#define STORE_STOP	3	/* the listing's callback asked to stop */
#define STORE_KEPT	4	/* the store does not let us remove it */

struct store;
struct store_put;

struct store_stat {
	uint64_t size_bytes;
	int64_t mtime_s;	/* the store's clock: for people only */
	bool odd;		/* listed, and no object: whoever reads it is
				 * told what it is */
};

typedef int store_list_fn(void *ctx, const char *name,
    const struct store_stat *, struct err *);

struct store_ops {
	void (*close)(struct store *);
	/* Read len bytes at off into dst; *got < len only at the object's end.
	 * STORE_ABSENT. */
	int (*read)(struct store *, const char *name, uint64_t off, void *dst,
	    size_t len, size_t *got, struct err *);
	/* NULL: as read. */
	int (*read_near)(struct store *, const char *name, uint64_t off,
	    void *dst, size_t len, size_t *got, bool bulk, struct err *);
	/* NULL: nothing is kept. */
	void (*forget)(struct store *, const char *name, uint64_t off,
	    size_t len);
	int (*stat)(struct store *, const char *name, struct store_stat *,
	    struct err *);
	/* Make an object of these bytes.  STORE_EXISTS (nothing changed) where
	 * the name is taken. */
	int (*put)(struct store *, const char *name, const void *, size_t len,
	    struct err *);
	/* The same in pieces, for a name known only at the end.  commit and
	 * abort free the stream, also when they fail. */
	int (*put_begin)(struct store *, struct store_put **, struct err *);
	int (*put_append)(struct store_put *, const void *, size_t len,
	    struct err *);
	int (*put_commit)(struct store_put *, const char *name, struct err *);
	void (*put_abort)(struct store_put *);
	/* Both NULL where it makes no difference. */
	void (*put_bulk)(struct store_put *);
	void (*put_sha256)(struct store_put *, const uint8_t *sum);
	/* Every object whose name begins with "prefix/", in no order; names are
	 * whole.  fn returns 0 to go on, STORE_STOP to end, < 0 to fail.  A
	 * missing directory is an empty listing; any other doubt is an
	 * error. */
	int (*list)(struct store *, const char *prefix, store_list_fn *,
	    void *ctx, struct err *);
	/* The same with a stat of zeros but for `odd', where that is cheaper;
	 * or NULL. */
	int (*list_names)(struct store *, const char *prefix, store_list_fn *,
	    void *ctx, struct err *);
	/* NULL: it saves nothing. */
	void (*list_ahead)(struct store *, const char *const *prefixes,
	    size_t n);
	/* STORE_ABSENT where there is none, if the store tells; STORE_KEPT. */
	int (*remove)(struct store *, const char *name, struct err *);
};

struct store {
	const struct store_ops *ops;
	struct store *under;	/* what a wrapper wraps; NULL in a real store */
	/* 0: at hand.  Else it is far away, and so many requests under way at
	 * one time are worth having. */
	unsigned parallel;
	char where[512];	/* for messages: a path or URL */
};
struct store_put {
	struct store *store;
};

/* Is this a name that an object may have? */
bool store_name_ok(const char *name);

/* These check the name (another is ERR_CORRUPT: it came from bytes) and call
 * the store. */
void store_close(struct store *);	/* NULL is fine */
int store_read(struct store *, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, struct err *);
/*
 * The same, and the bytes may come from a cache: for what is authenticated
 * afterwards, and where it doesn't matter whether the store still has it.  The
 * name must be made of contents.  bulk: this is files' contents, kept only
 * where that is asked for.
 */
int store_read_near(struct store *, const char *name, uint64_t off, void *dst,
    size_t len, size_t *got, bool bulk, struct err *);
/*
 * That range turned out not to be what was stored: it is kept no longer.  A
 * store may have been wrong once, and a cache would repeat it for ever; so what
 * doesn't open is read again, by store_read, before it counts as damaged.
 */
void store_forget(struct store *, const char *name, uint64_t off, size_t len);
/* The whole object, appended to dst; more than max bytes is ERR_LIMIT.  dst is
 * as before when it fails. */
int store_load(struct store *, const char *name, struct buf *dst, size_t max,
    struct err *);
int store_stat(struct store *, const char *name, struct store_stat *,
    struct err *);
int store_put(struct store *, const char *name, const void *, size_t len,
    struct err *);
int store_put_begin(struct store *, struct store_put **, struct err *);
int store_put_append(struct store_put *, const void *, size_t len,
    struct err *);
/* Before the commit: this is bulk, seldom read, and may lie in a cheaper class
 * of storage. */
void store_put_bulk(struct store_put *);
/* Before the first append: where the SHA-256 of all the bytes stands at the
 * commit (32 bytes, borrowed until then), so that a store that sends it along
 * needn't make it. */
void store_put_sha256(struct store_put *, const uint8_t *sum);
int store_put_commit(struct store_put *, const char *name, struct err *);
void store_put_abort(struct store_put *);	/* NULL is fine */
/* 0 also when fn asked to stop. */
int store_list(struct store *, const char *prefix, store_list_fn *, void *ctx,
    struct err *);
/* For callers that look at nothing of the stat but `odd': the rest may be
 * zeros. */
int store_list_names(struct store *, const char *prefix, store_list_fn *,
    void *ctx, struct err *);
/*
 * These will be listed soon: far away they are from now on, side by side.  The
 * next listing of each, once, may be what was seen since this call.  What an
 * earlier call asked for and nobody listed is forgotten; so a call with none
 * makes sure that all that follow are of then.
 */
void store_list_ahead(struct store *, const char *const *prefixes, size_t n);
int store_remove(struct store *, const char *name, struct err *);

/*
 * Open the store that a location names: "s3:..." (vitrine-s3(5)), else a
 * directory.  With `create' a directory is made (mode 0700) if it isn't there;
 * an existing one, and a place in a bucket, must hold nothing but what an init
 * that died leaves, keys/ and tmp/ (ERR_EXISTS names what else is in it).
 * Without, a missing directory is ERR_NOREPO.
 */
int store_open(struct store **out, const char *location, bool create,
    struct err *);
/* The same with what S3 wants to know; NULL: its defaults. */
struct s3_options;
int store_open_with(struct store **out, const char *location, bool create,
    const struct s3_options *, struct err *);

#endif
