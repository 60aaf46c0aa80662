#ifndef VITRINE_ENGINE_REPO_IMPL_H
#define VITRINE_ENGINE_REPO_IMPL_H

#include "engine/pack/object.h"
#include "engine/repo/header.h"
#include "engine/repo/repo.h"

/* What the files of engine/repo share.  Not for callers. */

#define OBJECT_NAME_MAX	(16 + ID_HEX)	/* "condemned/" and an id */
#define KEY_OBJECT_MAX	(SEALED_MAX)	/* a revocation may be long */

/* Immutable after repo_open. */
struct repo {
	struct store *store;		/* owned */
	struct keyring *ring;		/* owned */
	struct object_id slot;		/* the one that opened */
	struct repo_header header;
	struct repo_env env;		/* its paths are owned copies */
	char *cache_dir;		/* owned: of this repository; or NULL */
};

/* "dir/ID"; returns dst. */
char *object_name(char dst[OBJECT_NAME_MAX], const char *dir,
    const uint8_t id[ID_BYTES]);
/* The id in "dir/ID"; false for any other name. */
bool object_name_parse(const char *name, const char *dir, uint8_t id[ID_BYTES]);
/* The first digits of an id, for messages. */
#define SHORT_HEX	13
char *short_hex(char dst[SHORT_HEX], const uint8_t id[ID_BYTES]);

/*
 * Load "dir/ID" whole and see that its bytes have that name.  STORE_ABSENT;
 * ERR_CORRUPT when they don't.  At most max bytes.
 */
int object_load(struct store *, const char *dir, const uint8_t id[ID_BYTES],
    size_t max, struct buf *, struct err *);
/*
 * Put an object under the name that its bytes have.  A put whose answer was
 * lost is recognised: when it fails, what is there is compared, and it is tried
 * once more.
 */
int object_put(struct store *, const char *dir, const struct buf *,
    uint8_t id[ID_BYTES], struct err *);

/* Emit a slot, see that it opens again, store it. */
int slot_store(struct store *, const struct keyring *,
    const struct slot_params *, const struct secret *,
    const struct slot_record *, struct object_id *, struct err *);

/* A growing list of ids. */
struct ids {
	uint8_t (*v)[ID_BYTES];		/* owned */
	size_t n, cap;
};
int ids_add(struct ids *, const uint8_t id[ID_BYTES], struct err *);
void ids_sort(struct ids *);		/* and makes them distinct */
bool ids_has(const struct ids *, const uint8_t id[ID_BYTES]);	/* sorted */
/* And where. */
bool ids_find(const struct ids *, const uint8_t id[ID_BYTES], size_t *at);
void ids_fini(struct ids *);
/* The ids under a directory of the store, sorted.  Names that are no ids are
 * said in the log and left out. */
int ids_list(struct ids *, struct store *, const char *dir, const struct log *,
    struct err *);

int dir_has_objects(struct store *, const char *dir, bool *some, struct err *);

/*
 * Who may write what: the put-only writers that full keys know of, from their
 * slots and revocations.
 */
struct writer {
	struct slot_record record;
	bool has_slot, revoked;
	struct ids kept;		/* sorted; when revoked */
};
struct key_slot {
	struct object_id id;
	enum slot_kind kind;
	struct slot_params params;
	struct slot_record record;
};
struct registry {
	bool loaded;			/* {0} is not: made at need */
	struct writer *v;		/* owned */
	size_t n;
	struct key_slot *slots;		/* owned */
	size_t nslots;
};
int registry_load(struct registry *, struct repo *, struct err *);
void registry_fini(struct registry *);
const struct writer *registry_find(const struct registry *, uint32_t writer);

/*
 * Read, verify and parse a manifest: its bytes' name, its writer's MAC, and
 * that this writer may write it.  STORE_ABSENT.
 */
int manifest_load(struct repo *, struct registry *,
    const struct snapshot_id *, struct manifest *, struct err *);
/* The parsing and the rules of manifest_load for bytes at hand. */
int manifest_open(struct repo *, struct registry *, const struct snapshot_id *,
    const struct buf *object, struct manifest *, struct err *);
/* Is what reading an object failed with about that object (not about this
 * machine or the store)? */
bool is_object_bad(const struct err *);
/* As repo_snapshots, but what `out' holds already isn't loaded again.  After a
 * failure `out' may lack some. */
int snapshots_refresh(struct repo *, struct snapshots *out, struct err *);

/* Strings that snapshots of one list may share; once one has them they change
 * no more. */
struct snapshot_text {
	struct bytes host, user, name;
	struct strings roots, tags;
};
/* A new one, empty, of that list; NULL without memory. */
struct snapshot_text *snapshots_text(struct snapshots *, struct err *);
/* Give a snapshot these strings; what the manifest counted. */
void snapshot_say(struct snapshot *, const struct snapshot_text *);
void snapshot_count(struct snapshot *, const struct manifest *);

/* ERR_AUTH with a sentence when this keyring can't read. */
int must_read(const struct repo *, const char *what, struct err *);

/* A put-only writer's own newest manifest, kept locally (sealed). */
int local_parent_store(struct repo *, const struct snapshot_id *,
    const struct manifest *, struct err *);
/* STORE_ABSENT when there is none that verifies. */
int local_parent_load(struct repo *, const struct lineage_id *,
    struct snapshot_id *, struct manifest *, struct err *);

/*
 * A cache of sealed objects.  open gives a descriptor, which is the caller's to
 * close, or -1 when there is no cache; the rest takes -1 too.
 */
int objcache_open(const struct repo *, const char *name);
/* As object_load(), by way of the cache; at most SEALED_MAX bytes. */
int objcache_load(int dir, struct store *, const char *prefix,
    const uint8_t id[ID_BYTES], struct buf *, struct err *);
/* Drop what the store has no more. */
void objcache_sweep(int dir, const struct ids *present);

/* Put the tags that were given to snapshots later in place of their own. */
int tags_apply(struct repo *, struct snapshots *, struct err *);

/* All tombstones under forgotten/, sorted by lineage, sequence. */
struct forgotten;
int forgotten_load(struct repo *, struct forgotten *, struct err *);

#endif
