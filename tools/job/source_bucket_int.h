#ifndef VITRINE_TOOLS_JOB_SOURCE_BUCKET_INT_H
#define VITRINE_TOOLS_JOB_SOURCE_BUCKET_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "tools/job/bucket_table.h"
#include "tools/job/source_bucket.h"
#include "tools/job/walk.h"

/*
 * What source_bucket.c (the tree) and source_bucket_object.c (reading) share.
 */
#define BUCKET_WORDS	32		/* errors that are told apart */
#define BUCKET_WORD_MAX	160

struct bucket {
	struct source base;
	struct s3 *s3;			/* borrowed */
	const struct s3_url *url;
	struct bucket_table *table;	/* owned */
	size_t head;			/* bytes of "/BUCKET/" */
	uint32_t uid, gid;

	atomic_uint lost;		/* calls without an answer, in a row */
	atomic_bool broken;
	pthread_mutex_t lock;		/* of what follows */
	char word[BUCKET_WORDS][BUCKET_WORD_MAX];
	unsigned words;
	struct err why;			/* of what is broken */
};

/* An object that is open. */
struct object {
	struct bucket *b;
	char *key;			/* owned */
	size_t key_len;
	struct listed listed;		/* what it should be */
	struct buf head;		/* of an answer, once there is one */
	atomic_bool changed;		/* another was met */
};

/* source_bucket.c */
/* So many calls had no answer that the run ends. */
bool bucket_is_gone(const struct bucket *);
/* The table failed: an errno, and the run ends. */
int bucket_broken(struct bucket *, const struct err *);
void bucket_stat_object(const struct bucket *, const struct listed *,
    struct meta_stat *);

/* source_bucket_object.c */
int bucket_open(struct source *, const struct walk_dir *, const char *name,
    bool large, struct source_file *);
void bucket_close(struct source *, struct source_file *);
int bucket_stat_file(struct source *, struct source_file *,
    struct meta_stat *);
void bucket_file_meta(struct source *, struct source_file *, struct meta *);
int bucket_read_whole(struct source *, struct source_file *,
    const struct meta_stat *, uint8_t *dst, size_t *got, bool *redo);
int bucket_span(struct source *, struct source_file *,
    const struct meta_stat *, uint64_t off, uint64_t *hole, uint64_t *data);
int bucket_read_at(struct source *, struct source_file *, void *dst,
    size_t len, uint64_t off, size_t *got);
/* Of the marker of a directory that has one. */
void bucket_marker_meta(struct bucket *, const struct walk_dir *,
    const struct listed *, struct meta *);

#endif
