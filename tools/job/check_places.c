/*
 * Chunks where the catalogs say that they are: compared with the directories
 * of the packs; where a place doesn't hold, or no directory tells, the chunk
 * itself is asked for.
 */
#include <string.h>

#include "tools/job/check_impl.h"

/* Make a frame the current one. */
static int
turn_to(struct place *p, const struct pack_info *pack,
    const struct frame_info *info, struct err *e)
{
	struct pack_row row;
	int r;

	if (p->have && id_equal(p->pack.id.b, pack->id.b) &&
	    memcmp(&p->info, info, sizeof(*info)) == 0)
		return (0);
	p->have = false;
	p->pack = *pack;
	p->info = *info;
	p->dir = NULL;
	p->unsure = false;
	r = packlist_find(p->c->packs, &pack->id, &row, e);
	if (r < 0)
		return (-1);
	p->gone = r == PACKLIST_NONE || !row.present;
	/* A directory that doesn't open is said elsewhere, once. */
	if (r == 0 && row.present && (row.flags & PACK_SAID) == 0 &&
	    dirs_load(p->c->dirs, p->c->repo, &p->pack, &p->dir, e) < 0) {
		if (!check_is_damage(e))
			return (-1);
		p->dir = NULL;
		p->unsure = true;
		err_init(e);
	}
	p->have = true;
	return (0);
}

/* Does the place hold that chunk, by the pack's own directory? */
static bool
holds(const struct place *p, const struct extent *x)
{
	const struct pack_directory *d = p->dir;
	const struct frame_info *f;
	uint32_t first, n;

	if (p->info.no >= d->nframes)
		return (false);
	f = &d->frames[p->info.no];
	if (f->off != p->info.off || f->stored != p->info.stored ||
	    f->raw != p->info.raw)
		return (false);
	first = d->first_slot[p->info.no];
	n = d->first_slot[p->info.no + 1] - first;
	return (x->slot < n && d->slots[first + x->slot].len == x->len &&
	    chunk_id_equal(&d->slots[first + x->slot].id, &x->id));
}

int
place_chunk(struct place *p, const struct pack_info *pack,
    const struct frame_info *info, const struct extent *x, struct err *e)
{
	struct fetched *ref;
	const uint8_t *data;

	if (turn_to(p, pack, info, e) < 0)
		return (-1);
	p->c->res.chunks++;
	if (!p->gone && (p->dir != NULL ? holds(p, x) :
	    !p->unsure || !p->c->env->read_data))
		return (0);
	/* The place is a hint: is the chunk to be had elsewhere?  And where no
	 * directory tells what should be there, the chunk itself does. */
	if (x->len <= CHUNK_MAX && fetch_chunk(p->c->fetch, &p->pack,
	    &p->info, x->slot, &x->id, (uint32_t)x->len, &ref, &data,
	    e) == 0) {
		fetch_put(p->c->fetch, ref);
		return (0);
	}
	return (check_is_damage(e) ? PLACE_LOST : -1);
}
