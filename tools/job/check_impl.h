#ifndef VITRINE_TOOLS_JOB_CHECK_IMPL_H
#define VITRINE_TOOLS_JOB_CHECK_IMPL_H

#include <pthread.h>

#include "engine/base/pool.h"
#include "index/catalog.h"
#include "tools/job/check.h"
#include "tools/job/verified.h"

/*
 * What the parts of a check share.
 */
struct bad;
struct packlist;
struct dirs;
struct tables;
struct data;
struct check {
	struct repo *repo;
	const struct check_env *env;
	const struct events *events;
	struct check_result res;	/* damage, warnings: under lock */
	pthread_mutex_t lock;
	pthread_mutex_t big;		/* who opens a frame beyond measure */
	uint64_t ticked_ms;		/* lock */
	atomic_uint_least64_t bytes;
	uint64_t bytes_total;

	uint64_t began_ms;
	uint64_t begun;			/* packs that are read, or were */
	struct verified verified;	/* as it was before */
	struct snapshots snaps;
	bool *unread;			/* owned; a snapshot: that was said */
	bool any_unread;		/* or a part of one */
	struct fetch *fetch;
	struct packlist *packs;
	struct dirs *dirs;
	struct data *data;		/* with read_data */
	struct bad *bad;		/* lock */
};

/* A finding: said and counted.  Any thread. */
void check_damage(struct check *, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void check_warning(struct check *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void check_tick(struct check *, const char *what);
/* 0, or -1 and ERR_CANCELED. */
int check_going(struct check *, struct err *);
/* A part of the memory, at most max. */
size_t check_share(const struct check *, size_t part, size_t max);
/* A failure that is damage of what was read, not of the check itself. */
bool check_is_damage(const struct err *);
/* The error without a "pack ID: " in front: who says it has named the pack. */
const char *check_why(const struct err *);
/* "3f2a81bc" */
#define CHECK_ID	8
char *check_id(char dst[ID_HEX], const uint8_t id[ID_BYTES]);

/*
 * The packs of the store, listed once, on disk (a temporary database): what is
 * there, what snapshots say of it.
 */
#define PACK_USED	1	/* a snapshot needs it */
#define PACK_SAID	2	/* that it is missing or damaged was said */
#define PACK_SEEN	4	/* a record of it was compared */
#define PACK_PUT_ONLY	8	/* its header is needed to read it */
struct pack_row {
	struct pack_id id;
	uint64_t size_bytes;	/* in the store */
	bool present;
	unsigned flags;		/* PACK_x */
	uint8_t kind;		/* 0: not known */
	uint8_t record[HASH_BYTES];	/* digest of its record, when SEEN */
	uint64_t entries;	/* that tables have of it */
	uint64_t balance;	/* its directory's sum less theirs */
	uint64_t verified;	/* when it was read last; 0: never */
};
int packlist_open(struct packlist **out, struct check *, struct err *);
void packlist_close(struct packlist *);	/* NULL is fine */
#define PACKLIST_NONE	1
int packlist_find(struct packlist *, const struct pack_id *, struct pack_row *,
    struct err *);
/* Write a row back; one that isn't there is added. */
int packlist_save(struct packlist *, const struct pack_row *, struct err *);
/* Each present pack, by id, until fn returns something else than 0, which is
 * returned: < 0 for a failure, > 0 to end there.  fn may save rows. */
typedef int packlist_fn(void *ctx, const struct pack_row *, struct err *);
int packlist_each(struct packlist *, packlist_fn *, void *ctx, struct err *);
/* Present packs, those first that were not read for longest, of these the
 * largest (so that no thread is left with one at the end): begin, then next
 * until PACKLIST_NONE.  What is saved meanwhile doesn't change the order. */
int packlist_oldest(struct packlist *, struct err *);
int packlist_oldest_next(struct packlist *, struct pack_row *, struct err *);
/* When it was read; 0: it isn't whole. */
int packlist_verified(struct packlist *, const struct pack_id *,
    uint64_t when, struct err *);
void record_digest(uint8_t out[HASH_BYTES], const struct pack_info *);

/* Directories of packs, read and verified, within a memory budget. */
struct dir {
	struct pack_info info;	/* by the pack's header */
	struct pack_directory dir;
	size_t bytes;
	uint64_t used;		/* when, for eviction */
	struct dir *next;	/* in its bucket */
};
int dirs_new(struct dirs **out, size_t budget_bytes, struct err *);
void dirs_free(struct dirs *);		/* NULL is fine */
const struct pack_directory *dirs_find(struct dirs *, const struct pack_id *);
/* NULL: it isn't there. */
const struct pack_info *dirs_info(struct dirs *, const struct pack_id *);
/* Takes the directory, also when it fails; evicts none. */
int dirs_add(struct dirs *, const struct pack_info *, struct pack_directory *,
    struct err *);
bool dirs_full(const struct dirs *);
void dirs_clear(struct dirs *);
/* Reads it; evicts others.  Damage is < 0 with ERR_CORRUPT. */
int dirs_load(struct dirs *, struct repo *, const struct pack_info *,
    const struct pack_directory **out, struct err *);

/*
 * Headers and directories of packs, read by several threads.  Confined to the
 * one who asks and takes.
 */
struct loaded {
	struct pack_row row;
	int result;			/* of fetch_pack(), with these: */
	struct pack_info info;
	struct pack_directory dir;	/* the taker's */
	struct err err;
};
struct loader;
int loader_new(struct loader **out, struct check *, struct err *);
void loader_free(struct loader *);	/* NULL is fine */
bool loader_is_full(const struct loader *);
bool loader_is_empty(const struct loader *);
/* It is not full. */
int loader_ask(struct loader *, const struct pack_row *, struct err *);
/* The oldest; false: there is none. */
bool loader_take(struct loader *, struct loaded *);
/* How many threads for what is mostly reading; 0: none but this. */
unsigned check_threads(const struct check *);

/*
 * Every byte of a pack (check_read.c).  The job runs on any thread and says
 * nothing; reading_tell(), on the check's own, says what it found unless the
 * pack was PACK_SAID meanwhile, and notes whether it is whole.  lend: with the
 * directory that is loaded, if one is, which must stay till the job was told.
 */
int reading_new(struct job **out, struct check *, const struct pack_row *,
    bool lend, struct err *);
int reading_tell(struct job *, struct err *);	/* it has run */
void reading_free(struct job *);		/* NULL is fine */
/* The memory that one takes while it runs. */
size_t reading_bytes(const struct check *);

/* The tables against the directories (check_tables.c).  Of each pack that is
 * read its domain is told and, if it is whole, its directory; then all is
 * compared, over c->dirs. */
int tables_new(struct tables **out, struct check *, struct err *);
void tables_free(struct tables *);	/* NULL is fine */
int tables_domain(struct tables *, uint32_t domain, struct err *);
int tables_directory(struct tables *, const struct pack_id *,
    const struct pack_directory *, struct err *);
int tables_compare(struct tables *, struct err *);

/* Is a chunk to be had?  At its place by the pack's directory, or elsewhere. */
struct place {
	struct check *c;
	/* The frame that was looked at last. */
	bool have;
	struct pack_info pack;
	struct frame_info info;
	const struct pack_directory *dir;	/* borrowed; NULL: none */
	bool unsure;			/* the directory doesn't open */
	bool gone;			/* the pack is not there */
};
#define PLACE_LOST	1		/* e says why */
int place_chunk(struct place *, const struct pack_info *,
    const struct frame_info *, const struct extent *, struct err *);

/* What was found damaged, to be traced to paths; bounded. */
int bad_new(struct bad **out, struct err *);
void bad_free(struct bad *);		/* NULL is fine */
/* frame UINT32_MAX: all of it.  Under the check's lock. */
void bad_add(struct bad *, const struct pack_id *, uint32_t frame);
/* Under the check's lock, or while nothing adds. */
bool bad_hit(const struct bad *, const struct pack_id *, uint32_t frame);
size_t bad_count(const struct bad *);
bool bad_overflowed(const struct bad *);
/* The i-th, by pack and frame. */
void bad_at(const struct bad *, size_t i, struct pack_id *, uint32_t *frame);
void check_bad(struct check *, const struct pack_id *, uint32_t frame);

/* The parts, in order. */
int check_objects(struct check *, struct err *);	/* names are hashes */
/* Far away: as many directories as the budget holds, before they are asked for
 * one by one. */
int check_preload(struct check *, struct err *);
int check_catalogs(struct check *, struct err *);	/* snapshots -> packs */
int check_packs(struct check *, struct err *);		/* headers, tables */
/* Every byte: begun before the parts above, where that helps; the rest after
 * them, when all is said.  check_data_end() waits for what still runs. */
int check_data_begin(struct check *, struct err *);
int check_data(struct check *, struct err *);
void check_data_end(struct check *);			/* not begun is fine */
int check_trace(struct check *, struct err *);		/* damage -> paths */
int check_mark(struct check *, struct err *);	/* damage -> the next backup */

/* A snapshot opened for checking: from the store, not from the cache. */
struct check_open {
	struct manifest manifest;
	struct catalog *catalog;
};
int check_open(struct check *, const struct snapshot *, struct check_open *,
    struct err *);
void check_close(struct check_open *);

#endif
