/*
 * A snapshot opened for reading: for ls, cat, sql.
 */
#include <string.h>

#include "index/images.h"
#include "tools/cmd/cmd.h"
#include "tools/job/lookup.h"

/* Of --memory, what the frames and the catalog's blocks may take. */
#define CACHE_SHARE	4
/* More is of no use: a tree is gone through once, in the order in which it is
 * stored, and what several snapshots share lies among the images. */
#define FRAMES_MAX	((size_t)8 << 20)
#define BLOCKS_MAX	((size_t)8 << 20)
#define IMAGES_SHARE	4	/* of the blocks' */

void
reader_close(struct reader *r)
{
	catalog_close(r->catalog);
	if (!r->shared)
		fetch_free(r->fetch);
	manifest_fini(&r->manifest);
	if (!r->borrowed)
		repo_close(r->repo);
	memset(r, 0, sizeof(*r));
}

static size_t
at_most(size_t bytes, size_t max)
{
	return (bytes < max ? bytes : max);
}

bool
reader_same(const struct reader *a, const struct reader *b)
{
	const struct manifest *x = &a->manifest, *y = &b->manifest;

	return (x->domain == y->domain &&
	    x->catalog.size_bytes == y->catalog.size_bytes &&
	    id_equal(x->catalog.map.hash.b, y->catalog.map.hash.b));
}

/* repo and chosen are set, and the fetch if it is shared. */
static int
begin(struct reader *r, struct cmd *c, struct images *images, unsigned parts,
    struct err *e)
{
	struct catalog_env env = { .connections = 1, .use_cache = true,
	    .images = images };
	size_t share = c->env.memory_bytes / CACHE_SHARE / parts;
	int got;

	got = repo_manifest(r->repo, &r->chosen.id, &r->manifest, e);
	if (got != 0)
		return (got);
	/* What goes out is verified as what it claims to be. */
	if (!r->shared && fetch_new(&r->fetch, r->repo,
	    at_most(share, FRAMES_MAX), true, e) < 0)
		return (-1);
	env.cache_bytes = at_most(images == NULL ? share :
	    share - share / IMAGES_SHARE, BLOCKS_MAX);
	if (catalog_open(&r->catalog, r->fetch, r->repo, &r->manifest, &env,
	    e) < 0)
		return (err_wrap(e, "snapshot %s", r->chosen.name));
	return (0);
}

int
readers_begin(struct readers *rs, struct cmd *c, struct repo *repo,
    struct err *e)
{
	size_t share = c->env.memory_bytes / CACHE_SHARE;

	memset(rs, 0, sizeof(*rs));
	if (fetch_new(&rs->fetch, repo, at_most(share, FRAMES_MAX), true,
	    e) < 0 ||
	    images_new(&rs->images, share / IMAGES_SHARE, e) < 0) {
		readers_end(rs);
		return (-1);
	}
	return (0);
}

void
readers_end(struct readers *rs)
{
	fetch_free(rs->fetch);
	images_free(rs->images);
	memset(rs, 0, sizeof(*rs));
}

int
reader_begin_many(struct reader *r, struct cmd *c, struct repo *repo,
    const struct readers *with, const struct chosen *chosen, unsigned parts,
    struct err *e)
{
	int got;

	memset(r, 0, sizeof(*r));
	r->repo = repo;
	r->borrowed = true;
	r->shared = with != NULL;
	if (with != NULL)
		r->fetch = with->fetch;
	r->chosen = *chosen;
	if ((got = begin(r, c, with != NULL ? with->images : NULL, parts,
	    e)) != 0)
		reader_close(r);
	return (got);
}

int
reader_begin(struct reader *r, struct cmd *c, struct repo *repo,
    const struct chosen *chosen, unsigned parts, struct err *e)
{
	return (reader_begin_many(r, c, repo, NULL, chosen, parts, e));
}

int
reader_open(struct reader *r, struct cmd *c, const char *arg, struct err *e)
{
	int got;

	memset(r, 0, sizeof(*r));
	if (cmd_open(c, &r->repo, e) < 0)
		return (-1);
	if (cmd_choose(c, r->repo, arg, &r->chosen, e) < 0)
		goto fail;
	got = begin(r, c, NULL, 1, e);
	if (got == 0)
		return (0);
	if (got > 0)
		(void)err_set(e, ERR_ABSENT, "snapshot %s is gone",
		    r->chosen.name);
fail:
	reader_close(r);
	return (-1);
}

int
reader_resolve(struct reader *r, struct entry *entry, struct err *e)
{
	if (lookup_path(r->catalog, r->chosen.path, entry, e) < 0)
		return (err_wrap(e, "snapshot %s", r->chosen.name));
	return (0);
}
