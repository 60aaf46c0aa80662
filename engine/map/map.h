#ifndef VITRINE_ENGINE_MAP_MAP_H
#define VITRINE_ENGINE_MAP_MAP_H

#include "engine/base/log.h"
#include "engine/pack/pack.h"
#include "engine/store/store.h"

/*
 * The map: chunk id -> place, in sorted immutable sealed tables under index/
 * (vitrine-format(5), TABLES).  Data chunks of one domain.  A table answers
 * "no" from its filter pages; entries and filters are read by pages through one
 * bounded cache.  Nothing here is the truth: all can be rebuilt from the packs'
 * directories.
 */
#define TABLE_ENTRIES_PER_RUN	(1U << 17)	/* a writer's table, at most */
#define MAP_MERGE_RATIO		8	/* see map_merge() */

struct map_entry {			/* a place in a table being written */
	struct chunk_id id;
	uint32_t pack;			/* index into the table's packs */
	uint32_t frame;
	uint32_t slot;
};
struct map_pack {			/* a pack of a table being written */
	struct pack_info info;
	const struct frame_info *frames;	/* borrowed */
	uint32_t nframes;
};

/*
 * Writing a table.  table_write() sorts the entries and streams all of it to
 * the store; it is there from the commit on, for which its packs must be, and
 * which gives its id and size.  What an entry has for pack and frame is turned
 * into the table's by `place', on a copy of it; NULL: it is the table's.
 * `replaces' are ids of tables merged into it.
 */
struct table_out;
typedef void map_place_fn(void *ctx, struct map_entry *);
int table_write(struct table_out **, struct store *, const struct keyring *,
    const struct run_id *, uint64_t counter, struct map_entry *, size_t n,
    map_place_fn *place, void *ctx, const struct map_pack *, size_t npacks,
    const struct object_id *replaces, size_t nreplaces, struct err *);
/* Nothing but table_out_free() may follow. */
int table_out_commit(struct table_out *, struct object_id *,
    uint64_t *size_bytes, struct err *);
void table_out_free(struct table_out *);	/* aborts what isn't done */

struct map;
/*
 * Open the map of a domain: lists index/, reads headers; tables that another
 * present table replaces are left out.  A damaged or forged table is said in
 * the log and left out.  Borrows store, keyring and log.  `cache_bytes' bounds
 * the pages held.  hints: a local file of ours that says which tables were live
 * the last time, made and renewed here (its directory must be there); NULL for
 * none.  Immutable but for map_add/map_exclude (ordered code, before
 * or between look-ups: they take the map's write lock); look-ups are
 * thread-safe.
 */
int map_open(struct map **out, struct store *, const struct keyring *,
    uint32_t domain, size_t cache_bytes, const char *hints,
    const struct log *, struct err *);
void map_close(struct map *);
/* Also consult a table that was just written, of that size.  One that isn't
 * there is ERR_CORRUPT. */
int map_add(struct map *, const struct object_id *, uint64_t size_bytes,
    struct err *);
/* Chunks in this pack don't count as known (condemned, damaged, or not in
 * the store). */
int map_exclude(struct map *, const struct pack_id *, struct err *);

struct map_hit {
	struct pack_info pack;
	struct frame_info frame;
	uint32_t slot;
};
#define MAP_UNKNOWN	1
/* 0 and the place; MAP_UNKNOWN.  Damage in a table counts as unknown (the chunk
 * is stored again), said once in the log. */
int map_find(struct map *, const struct chunk_id *, struct map_hit *,
    struct err *);
/* The nth place, from 0, where tables say that the chunk lies: for who found
 * the ones before not to hold. */
int map_find_nth(struct map *, const struct chunk_id *, unsigned nth,
    struct map_hit *, struct err *);
/* Counts tables and entries, for merging and for stats. */
void map_stats(struct map *, uint64_t *tables, uint64_t *entries);
/*
 * Merge small tables (DESIGN section 3): when there are four or more tables of
 * at most MAP_MERGE_RATIO times `entries', or of no more than fill a page,
 * write one that replaces them, streaming in bounded memory.  Never deletes.
 * `added' (may be NULL) tells whether.  Beside look-ups of others, but ordered
 * with map_add().
 */
int map_merge(struct map *, const struct run_id *, uint64_t counter,
    uint64_t entries, bool *added, struct err *);

/* Walk every entry of every table (check).  fn returns 0 to go on. */
typedef int map_walk_fn(void *ctx, const struct object_id *table,
    const uint8_t key[CHUNK_KEY_BYTES], const struct pack_info *,
    const struct frame_info *, uint32_t slot, struct err *);
int map_walk(struct map *, map_walk_fn *, void *ctx, struct err *);

#endif
