#ifndef VITRINE_ENGINE_REPO_REPO_H
#define VITRINE_ENGINE_REPO_REPO_H

#include "engine/base/log.h"
#include "engine/chunk/cutter.h"
#include "engine/crypto/slot.h"
#include "engine/repo/manifest.h"
#include "engine/store/store.h"

/*
 * A repository: create, open, list and read snapshots, keys.  struct repo is
 * immutable after opening but for its caches, which are locked: any thread.
 */
struct repo;

struct repo_params {
	uint32_t chunk_bytes;	/* average; 0 = 64 KiB */
};
struct repo_header {
	struct repo_id id;
	uint32_t revision;
	/* Required features (vitrine-format(5), HEADER). */
	uint64_t need_read, need_write, need_collect;
	struct cutter_params cutter;
	uint8_t public_key[32];
	struct stamp created;
	uint8_t digest[HASH_BYTES];	/* of the object's bytes */
};

/* What the opener gives, once, before any thread.  Paths are directories that
 * are made as needed (0700); NULL for none: then nothing is cached or
 * remembered. */
struct repo_env {
	const struct log *log;		/* borrowed */
	const char *cache_dir;		/* $XDG_CACHE_HOME/vitrine */
	const char *state_dir;		/* $XDG_STATE_HOME/vitrine */
	size_t memory_bytes;		/* --memory */
	unsigned threads;		/* --threads; 0 = the CPUs' number */
};

/* Make a repository in an empty store: keys/ first, the header last.  An
 * existing header is ERR_EXISTS. */
int repo_init(struct store *, const struct repo_params *,
    const struct slot_params *, const struct secret *, const char *label,
    struct err *);

/*
 * Open: header, then the slots of the secret's kind until one opens.  Takes the
 * store, also on failure.  No header: ERR_NOREPO.  No slot opens: ERR_AUTH.
 * Argon2's memory is freed before this returns.
 */
int repo_open(struct repo **out, struct store *, enum slot_kind,
    const struct secret *, const struct repo_env *, struct err *);
void repo_close(struct repo *);

struct store *repo_store(const struct repo *);
const struct keyring *repo_keyring(const struct repo *);
const struct repo_header *repo_header(const struct repo *);
/* What packs are named by. */
enum hash_kind repo_pack_naming(const struct repo *);
/* Do catalogs hold CHUNK_KEY_BYTES of a chunk's id?  Else all of it. */
bool repo_short_ids(const struct repo *);
const struct repo_env *repo_env(const struct repo *);
const struct log *repo_log(const struct repo *);
/* "$cache_dir/<repository id>", made; NULL when there is no cache. */
const char *repo_cache_dir(const struct repo *);

/* Snapshots, as much as listings need.  The strings are the list's, and many
 * snapshots share them: they live until snapshots_fini(). */
struct snapshot_text;
struct snapshot {
	struct snapshot_id id;
	uint32_t writer;
	uint64_t sequence;
	struct lineage_id lineage;
	struct snapshot_id previous;
	struct stamp time;
	struct bytes host, user;
	struct bytes name;		/* empty: it has none */
	struct strings roots;
	struct strings tags;		/* as they are now */
	uint64_t tag_serial;		/* 0: those it was made with */
	uint64_t files, dirs, others, bytes, unread, bytes_new, bytes_added;
	uint32_t flags;
};
struct snapshots {
	struct snapshot *v;	/* by time, then id; owned */
	size_t n;
	struct snapshot_text **texts;	/* owned: all strings */
	size_t ntexts, texts_cap;
	size_t refused;	/* forged, revoked or damaged: each said in the log */
	struct snapshot_id *refused_ids;	/* `refused' of them; owned */
	/* What full keys' manifests say of others: the newest head seen of each
	 * lineage (owned, sorted by lineage), and how many name another header
	 * than this repository's. */
	struct head_seen *heads;
	size_t nheads;
	size_t other_header;
};
/* Sealed manifests are cached locally (verified again when read).  A manifest
 * that does not verify is left out, counted and said: the rest is served. */
int repo_snapshots(struct repo *, struct snapshots *, struct err *);
void snapshots_fini(struct snapshots *);
/* For qsort(3), of pointers to snapshots: by lineage, then in its order. */
int snapshot_by_lineage(const void *, const void *);
/* Find by "latest" or a hex prefix.  0 and the index; ERR_ABSENT; ERR_USAGE
 * with the candidates' list when the prefix fits several. */
int snapshots_find(const struct snapshots *, const char *name, size_t *index,
    struct err *);
/*
 * Give a snapshot other tags (vitrine-format(5), TAGS): all of the new set, in
 * any order.  Full keys only.  Somebody who does so at the same moment may win:
 * list again to see.
 */
int repo_tags_set(struct repo *, const struct snapshot *,
    const struct strings *tags, struct err *);
/* STORE_ABSENT when there is no such object. */
int repo_manifest(struct repo *, const struct snapshot_id *, struct manifest *,
    struct err *);

/*
 * A store that lies (vitrine-format(5), LYING STORES): compares what is listed
 * with itself (gaps, forks, heads that others saw) and with what this user saw
 * before (the state directory), says each finding through fn, then remembers.
 * fn's text is a sentence; lie is false of what only looks like one: a put-only
 * client that began to count anew.  *findings counts the lies.  A put-only
 * keyring, which has no snapshots to give (NULL), can only look at the header.
 */
typedef void repo_lie_fn(void *ctx, bool lie, const char *text);
int repo_check_history(struct repo *, const struct snapshots *, repo_lie_fn *,
    void *ctx, size_t *findings, struct err *);

/* Key slots. */
struct key_info {
	struct object_id id;
	enum slot_kind kind;
	struct slot_params params;
	bool current;		/* the one that opened this repository */
	bool revoked;
	struct slot_record record;
};
/* Full keys only.  Slots whose record doesn't verify are said in the log and
 * left out.  *out is the caller's: free() it. */
int repo_keys(struct repo *, struct key_info **out, size_t *n, struct err *);
int repo_key_add(struct repo *, const struct slot_params *,
    const struct secret *, struct slot_record * /* writer, domain filled in */,
    bool share_domain, struct object_id *out, struct err *);
/* Refuses to remove the last full slot.  For a put-only slot a revocation that
 * names the writer's accepted snapshots is stored first. */
int repo_key_remove(struct repo *, const struct object_id *, struct err *);

#endif
