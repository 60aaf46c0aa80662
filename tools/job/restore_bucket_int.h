#ifndef VITRINE_TOOLS_JOB_RESTORE_BUCKET_INT_H
#define VITRINE_TOOLS_JOB_RESTORE_BUCKET_INT_H

#include "tools/job/restore_impl.h"

/*
 * Into a bucket instead of a directory: every file below `top' (or it alone)
 * becomes an object.
 *
 *	restore_bucket.c	the walk, the jobs, the memory that they take
 *	restore_bucket_put.c	the requests
 */
int restore_bucket(struct restore *, const struct entry *top,
    const char *name, struct err *);

/* Within.  What the server was seen to do with If-None-Match. */
enum put_rule { RULE_UNKNOWN, RULE_ASKED, RULE_CREATES, RULE_REPLACES };
#define PUT_FAILED	1		/* this one alone; the error says why */
#define PUT_PARTS_MAX	10000

/* What an object is to be besides its bytes. */
struct put_target {
	struct buf key;			/* without a NUL */
	struct buf text;		/* headers: names and values, NULs */
	size_t headers;
	char etag[S3_TEXT_MAX];		/* it had at its source; "": none */
	bool is_object;			/* its source was a bucket */
	const char *unsent;		/* what of it can't be sent; NULL */
};
/* From the path below what is restored.  PUT_FAILED. */
int put_target_make(struct put_target *, struct restore *, const char *path,
    size_t len, const struct entry *, struct err *);
void put_target_fini(struct put_target *);

/* What there is of that key, and so what is to be done. */
enum put_how { PUT_MAKE, PUT_REPLACE, PUT_KEEP, PUT_REFUSE };
int put_look(struct restore *, const struct put_target *, const struct entry *,
    enum put_how *, struct err *);
/* Or needs nobody to look, before that object is put whole? */
bool put_is_safe(const struct restore *, const struct entry *, enum put_how *);
/* A whole object; `looked': at what was there.  If not, *how may become
 * PUT_REFUSE.  All of these: PUT_FAILED. */
int put_whole(struct restore *, const struct put_target *, bool looked,
    enum put_how *how, const void *, size_t len, struct err *);
/* One of parts: begin, each part (number from 1 on; tag has room for
 * S3_TEXT_MAX), then either end or abort. */
int put_begin_parts(struct restore *, const struct put_target *, struct buf *id,
    struct err *);
int put_part(struct restore *, const struct put_target *, const struct buf *id,
    unsigned number, const void *, size_t len, char *tag, struct err *);
int put_end_parts(struct restore *, const struct put_target *,
    const struct buf *id, const char *tags, unsigned parts, uint64_t size,
    struct err *);
int put_abort_parts(struct restore *, const struct put_target *,
    const struct buf *id, struct err *);

#endif
