/*
 * What a backup is compared with and builds upon, and what of the lineage it
 * must not use again.
 */
#include "engine/repo/session.h"
#include "tools/job/backup_int.h"

int
backup_find_parent(struct backup *b, const struct manifest *m, struct err *e)
{
	const char *asked = b->env->parent;
	struct snapshots all;
	const struct snapshot *best = NULL;
	size_t at;
	int rc = 0;

	if (repo_snapshots(b->repo, &all, e) != 0)
		return (-1);
	if (asked != NULL) {
		rc = snapshots_find(&all, asked, &at, e);
		if (rc == 0)
			best = &all.v[at];
		else
			(void)err_wrap(e, "--parent");
	}
	for (size_t i = 0; i < all.n && asked == NULL; i++)
		if (id_equal(all.v[i].lineage.b, m->lineage.b) &&
		    (best == NULL || all.v[i].sequence > best->sequence))
			best = &all.v[i];
	if (rc == 0 && best != NULL) {
		b->res->parent = best->id;
		rc = repo_manifest(b->repo, &best->id, &b->before, e);
		b->has_before = rc == 0;
	}
	snapshots_fini(&all);
	if (rc == 0 && asked != NULL && b->before.domain != m->domain)
		rc = err_set(e, ERR_USAGE, "--parent: a snapshot by another "
		    "kind of key, whose data can't be built upon");
	return (rc < 0 ? -1 : 0);
}

/* The catalog's first unused number; a damaged one tells nothing. */
static int
next_ino(struct backup *b, const struct manifest *m, uint64_t *out,
    struct err *e)
{
	struct catalog_env env = { .connections = 1, .use_cache = true };
	struct err why = ERR_INIT;
	struct catalog *c;
	int rc = catalog_open(&c, b->fetch, b->repo, m, &env, &why);

	if (rc == 0) {
		rc = catalog_next_ino(c, out, &why);
		catalog_close(c);
	}
	if (rc == 0 || why.code == ERR_CORRUPT)
		return (0);
	*e = why;
	return (err_wrap(e, "the newest snapshot of its kind"));
}

int
backup_first_ino(struct backup *b, const struct manifest *m, uint64_t *out,
    struct err *e)
{
	struct snapshot_id id;
	struct manifest newest;
	int rc;

	*out = 0;
	if (keyring_role(repo_keyring(b->repo)) != ROLE_FULL)
		return (0);
	rc = session_parent(b->session, &m->lineage, &id, &newest, e);
	if (rc != 0)
		return (rc < 0 ? -1 : 0);
	rc = next_ino(b, &newest, out, e);
	manifest_fini(&newest);
	return (rc);
}
