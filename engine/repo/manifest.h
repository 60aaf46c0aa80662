#ifndef VITRINE_ENGINE_REPO_MANIFEST_H
#define VITRINE_ENGINE_REPO_MANIFEST_H

#include "engine/base/clock.h"
#include "engine/pack/pack.h"

/*
 * A manifest: what a snapshot is (vitrine-format(5), MANIFEST).  A value; parse
 * and emit do no I/O.
 */
#define MANIFEST_STRINGS_MAX	65535	/* roots, tags, excludes: each */
#define TAG_BYTES_MAX		65535	/* and at least one */
#define MANIFEST_HEADS_MAX	4096
#define MANIFEST_PACKS_MAX	4096
#define CATALOG_PAGE_BYTES	16384
#define CATALOG_BLOCK_BYTES	65536
#define MAP_FANOUT		128	/* blocks or pages a map page names */
#define MAP_LEVELS_MAX		5
#define PACK_PAGE_RECORDS	32

struct bytes {		/* bytes with a length; NUL-terminated besides */
	char *p;		/* owned */
	size_t len;
};
struct strings {
	struct bytes *v;	/* owned */
	uint32_t n;
};
int strings_add(struct strings *, const void *, size_t len, struct err *);
void strings_fini(struct strings *);
int bytes_set(struct bytes *, const void *, size_t len, struct err *);
/* For qsort: the order that the format wants. */
int bytes_compare(const void *, const void *);

/* Where a metadata chunk lies: pack is an index into the catalog's metadata
 * pack list; MPLACE_NONE in pack means there is no such place. */
#define MPLACE_NONE	UINT32_MAX
struct mplace {
	uint32_t pack;
	struct frame_info frame;	/* raw is not stored: 0 when parsed */
	uint16_t slot;
};
/* A metadata chunk, stored once or twice, and the hash of its plain bytes under
 * the domain's id key. */
struct mref {
	struct chunk_id hash;
	struct mplace place[2];
};
#define MREF_BYTES	(32 + 2 * 18)
void mref_emit(struct buf *, const struct mref *);
void mref_parse(struct mref *, struct rd *);

/* The root of a catalog. */
struct catalog_root {
	uint64_t size_bytes;		/* of the SQLite file */
	uint8_t levels;		/* of the map: 1 = the root page is a leaf */
	struct mref map;		/* the root page */
	uint32_t snapshots_since_key;	/* length of the incremental chain */
	/* The metadata pack list: full pages of PACK_PAGE_RECORDS records, then
	 * the records that aren't in a page yet.  Index = page * RECORDS + i,
	 * then the tail. */
	struct mref *pages;		/* owned; a page's places name packs of
					 * the tail or of later pages: read the
					 * last page first */
	uint32_t npages;
	struct pack_info *tail;		/* owned */
	uint32_t ntail;
};

struct head_seen {
	struct lineage_id lineage;
	uint64_t sequence;
	struct snapshot_id id;
};

struct manifest {
	/* From the object's envelope, verified. */
	uint32_t writer;
	uint32_t domain;
	struct run_id run;

	struct bytes host, user, program;
	struct stamp time;		/* what the user calls its time */
	struct stamp ended;
	struct lineage_id lineage;
	uint64_t sequence;		/* from 1 within the lineage */
	struct snapshot_id previous;	/* zeros for sequence 1 */
	uint8_t header_digest[HASH_BYTES];
	uint32_t flags;			/* SNAPSHOT_x */
	struct strings roots;		/* absolute paths, sorted, distinct */
	struct strings tags;
	struct bytes name;		/* empty: it has none */
	struct strings excludes;	/* as given */
	struct head_seen *heads;	/* owned; of other lineages */
	uint32_t nheads;
	uint64_t files, dirs, others;	/* entries by kind */
	uint64_t bytes;			/* sum of the regular files' sizes */
	uint64_t unread;		/* entries that could not be read */
	uint64_t bytes_new;	/* raw bytes of the chunks stored for it */
	uint64_t bytes_added;	/* stored bytes of its packs and tables */
	struct catalog_root catalog;
};
#define SNAPSHOT_INCOMPLETE	1	/* some source could not be read */
#define SNAPSHOT_NAMED		2	/* it has a name; set by emit */

void manifest_fini(struct manifest *);
int manifest_copy(struct manifest *dst, const struct manifest *src,
    struct err *);
int manifest_emit(struct buf *content, const struct manifest *, struct err *);
/* Envelope fields come from `env'; content is all of the opened body. */
int manifest_parse(struct manifest *, const struct sealed *env,
    const void *content, size_t len, struct err *);
/* The lineage of a writer, host, sorted root set, and name (NULL or empty:
 * none). */
void lineage_of(struct lineage_id *out, uint32_t writer,
    const struct bytes *host, const struct strings *roots,
    const struct bytes *name);

#endif
