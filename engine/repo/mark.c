/*
 * Damaged packs, noted for the writers.
 */
#include "engine/repo/mark.h"

#include "engine/repo/impl.h"

int
repo_mark_damaged(struct repo *repo, const struct damaged *d, struct err *e)
{
	struct buf content = BUF_INIT, object = BUF_INIT;
	/* It is of no run: so the same note has the same name. */
	struct run_id none = { { 0 } };
	uint8_t id[ID_BYTES];
	int r;

	if (header_features(repo->header.need_write, "write to", e) != 0)
		return (-1);
	r = damaged_emit(&content, d, e);
	if (r == 0)
		r = plain_emit(&object, repo->ring, OBJECT_DAMAGED, &none,
		    &content, e);
	if (r == 0)
		r = object_put(repo->store, "damaged", &object, id, e);
	buf_fini(&content);
	buf_fini(&object);
	return (r);
}
