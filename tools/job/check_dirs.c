/*
 * Pack directories in memory, within a budget: the least recently used go
 * first. Confined to one thread.
 */
#include <string.h>

#include "tools/job/check_impl.h"

#define BUCKETS	4096

struct dirs {
	struct dir *buckets[BUCKETS];
	size_t bytes, budget;
	uint64_t clock;
};

int
dirs_new(struct dirs **out, size_t budget, struct err *e)
{
	if ((*out = calloc(1, sizeof(**out))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	(*out)->budget = budget;
	return (0);
}

static struct dir **
bucket(struct dirs *d, const struct pack_id *id)
{
	return (&d->buckets[(id->b[0] | (unsigned)id->b[1] << 8) % BUCKETS]);
}

static void
free_dir(struct dirs *d, struct dir *x)
{
	d->bytes -= x->bytes;
	pack_directory_fini(&x->dir);
	free(x);
}

void
dirs_clear(struct dirs *d)
{
	struct dir *x;

	for (size_t i = 0; i < BUCKETS; i++)
		while ((x = d->buckets[i]) != NULL) {
			d->buckets[i] = x->next;
			free_dir(d, x);
		}
}

void
dirs_free(struct dirs *d)
{
	if (d == NULL)
		return;
	dirs_clear(d);
	free(d);
}

bool
dirs_full(const struct dirs *d)
{
	return (d->bytes >= d->budget);
}

static struct dir *
find(struct dirs *d, const struct pack_id *id)
{
	for (struct dir *x = *bucket(d, id); x != NULL; x = x->next)
		if (id_equal(x->info.id.b, id->b)) {
			x->used = ++d->clock;
			return (x);
		}
	return (NULL);
}

const struct pack_directory *
dirs_find(struct dirs *d, const struct pack_id *id)
{
	struct dir *x = find(d, id);

	return (x != NULL ? &x->dir : NULL);
}

const struct pack_info *
dirs_info(struct dirs *d, const struct pack_id *id)
{
	struct dir *x = find(d, id);

	return (x != NULL ? &x->info : NULL);
}

static void
evict_oldest(struct dirs *d)
{
	struct dir **oldest = NULL, *x;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct dir **p = &d->buckets[i]; *p != NULL;
		    p = &(*p)->next)
			if (oldest == NULL || (*p)->used < (*oldest)->used)
				oldest = p;
	if (oldest == NULL)
		return;
	x = *oldest;
	*oldest = x->next;
	free_dir(d, x);
}

int
dirs_add(struct dirs *d, const struct pack_info *info,
    struct pack_directory *dir, struct err *e)
{
	struct dir *x, **b;

	if (find(d, &info->id) != NULL) {
		pack_directory_fini(dir);
		return (0);
	}
	if ((x = calloc(1, sizeof(*x))) == NULL) {
		pack_directory_fini(dir);
		return (err_set(e, ERR_NOMEM, "out of memory"));
	}
	x->info = *info;
	x->dir = *dir;
	x->used = ++d->clock;
	x->bytes = sizeof(*x) + x->dir.nframes * (sizeof(struct frame_info) +
	    sizeof(uint32_t) + 1) + (x->dir.nframes > 0 ?
	    x->dir.first_slot[x->dir.nframes] : 0) * sizeof(struct slot_entry);
	d->bytes += x->bytes;
	b = bucket(d, &info->id);
	x->next = *b;
	*b = x;
	return (0);
}

int
dirs_load(struct dirs *d, struct repo *repo, const struct pack_info *info,
    const struct pack_directory **out, struct err *e)
{
	struct pack_directory dir = { 0 };
	int r;

	if ((*out = dirs_find(d, &info->id)) != NULL)
		return (0);
	while (d->bytes > 0 && dirs_full(d))
		evict_oldest(d);
	r = fetch_directory(repo, info, &dir, e);
	if (r > 0)
		return (err_set(e, ERR_CORRUPT, "it is gone"));
	if (r < 0 || dirs_add(d, info, &dir, e) < 0)
		return (-1);
	*out = dirs_find(d, &info->id);
	return (0);
}
