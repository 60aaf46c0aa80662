#ifndef VITRINE_ENGINE_REPO_SESSION_H
#define VITRINE_ENGINE_REPO_SESSION_H

#include "engine/repo/repo.h"

/*
 * A writing session: the writer's side of DESIGN section 8.
 *
 *	session_begin	put lease, list condemned, damaged and packs
 *	   work		(struct put; the lease is renewed by a thread of ours)
 *	session_commit	put pending, list condemned again, put the snapshot
 *			only if none of its packs is being deleted, see that
 *			pending still stands, else withdraw and fail; remove
 *			pending
 *	session_end	remove the lease
 *
 * A session that dies leaves a lease and perhaps a pending object, which
 * expire.  Confined to one thread but for session_run, session_is_banned,
 * session_packs and session_has_pack.
 */
struct session;

int session_begin(struct session **out, struct repo *, struct err *);
void session_end(struct session *);	/* NULL is fine; best effort */
const struct run_id *session_run(const struct session *);
/* The repository that it was begun in; borrowed. */
struct repo *session_repo(const struct session *);
/* Does this pack not count as known (condemned, deleting or damaged)? */
bool session_is_banned(const struct session *, const struct pack_id *);
/* Waits until the packs have been listed; fails as that did. */
int session_packs(struct session *, struct err *);
/* Was this pack in the store when the session began?  What is not (a lost file,
 * a collection since) can't be relied on, whoever names it.  Only after
 * session_packs(). */
bool session_has_pack(const struct session *, const struct pack_id *);
typedef int session_banned_fn(void *ctx, const struct pack_id *, struct err *);
int session_each_banned(const struct session *, session_banned_fn *, void *ctx,
    struct err *);
/* The next number for salts and objects of this run; ordered code only. */
uint64_t session_counter(struct session *);

/*
 * Commit.  `packs' gives every pack that the snapshot needs: called with a
 * callback for each.  Fills previous, sequence, heads, lineage, header digest
 * and run of the manifest.  ERR_BUSY: a collection is deleting what the
 * snapshot needs; run the backup again.
 */
typedef int session_pack_fn(void *ctx, const struct pack_id *, struct err *);
typedef int session_packs_fn(void *ctx, session_pack_fn *, void *fn_ctx,
    struct err *);
int session_commit(struct session *, struct manifest *, session_packs_fn *packs,
    void *ctx, struct snapshot_id *out, struct err *);

/* Newest snapshot of a lineage: 0 and its manifest; REPO_NO_PARENT. */
#define REPO_NO_PARENT	1
int session_parent(struct session *, const struct lineage_id *,
    struct snapshot_id *, struct manifest *, struct err *);

#endif
