/*
 * Going over tables entry by entry, some pages in one read and past the cache:
 * for a merge, which has a cursor on each table, and for a check.
 */
#include "engine/map/map_impl.h"

#include <stdlib.h>

/* As many pages as one read brings: none, if it fails.  One that is not there,
 * or doesn't open, is read by itself and says what is wrong with it. */
static int
fill_window(struct cursor *c, struct err *e)
{
	uint32_t left = c->table->head.entry_pages - c->page;

	if (c->window == NULL)
		c->window = malloc((size_t)CURSOR_PAGES * TABLE_PAGE_BYTES);
	if (c->window == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	c->first = c->page;
	c->pages = table_read_pages(c->table,
	    c->table->head.filter_pages + c->page,
	    left < CURSOR_PAGES ? left : CURSOR_PAGES, c->window);
	return (0);
}

static int
cursor_page(struct cursor *c, struct err *e)
{
	uint32_t number = c->table->head.filter_pages + c->page;

	c->at = 0;
	c->count = table_page_count(c->table, c->page);
	if (c->page - c->first >= c->pages && fill_window(c, e) < 0)
		return (-1);
	if (c->pages > 0 && table_page_open(c->table, number, c->window +
	    (size_t)(c->page - c->first) * TABLE_PAGE_BYTES, c->plain))
		return (0);
	return (table_read(c->table, number, c->plain, e));
}

int
cursor_start(struct cursor *c, struct table *t, struct err *e)
{
	c->table = t;
	c->page = c->at = c->count = 0;
	c->first = c->pages = 0;
	c->left = t->head.entries;
	return (c->left == 0 ? 0 : cursor_page(c, e));
}

int
cursor_next(struct cursor *c, struct err *e)
{
	c->left--;
	c->at++;
	if (c->left == 0 || c->at < c->count)
		return (0);
	c->page++;
	return (cursor_page(c, e));
}

void
cursor_fini(struct cursor *c)
{
	free(c->window);
	c->window = NULL;
}

/* All of a table but its damaged pages; *damaged says that there are some. */
static int
walk_table(struct table *t, struct cursor *c, map_walk_fn *fn, void *ctx,
    bool *damaged, struct err *e)
{
	struct pack_info pack;
	struct frame_info frame;
	struct rd r;
	int ret;

	for (ret = cursor_start(c, t, e); c->left > 0;
	    ret = cursor_next(c, e)) {
		const uint8_t *id;
		uint32_t pack_no, frame_no, slot;

		if (ret < 0)
			return (-1);
		if (ret > 0) {
			/* As if its entries were done. */
			*damaged = true;
			c->left -= c->count - 1;
			c->at = c->count - 1;
			continue;
		}
		rd_init(&r, cursor_entry(c), TABLE_ENTRY_BYTES);
		id = rd_view(&r, TABLE_ID_BYTES);
		pack_no = rd_u32(&r);
		frame_no = rd_u32(&r);
		slot = rd_u32(&r);
		ret = table_place(t, pack_no, frame_no, &pack, &frame, e);
		if (ret < 0)
			return (-1);
		if (ret > 0) {
			*damaged = true;
			continue;
		}
		ret = fn(ctx, &t->id, id, &pack, &frame, slot, e);
		if (ret != 0)
			return (ret);
	}
	return (0);
}

int
map_walk(struct map *m, map_walk_fn *fn, void *ctx, struct err *e)
{
	struct cursor *c = calloc(1, sizeof(*c));
	char hex[ID_HEX] = "";
	int ret = 0;

	if (c == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < m->n && ret == 0; i++) {
		bool damaged = false;

		if (m->tables[i]->replaced)
			continue;
		ret = walk_table(m->tables[i], c, fn, ctx, &damaged, e);
		if (damaged && hex[0] == '\0')
			(void)hex_emit(hex, m->tables[i]->id.b, ID_BYTES);
	}
	cursor_fini(c);
	free(c);
	if (ret == 0 && hex[0] != '\0')
		return (err_set(e, ERR_CORRUPT, "index/%s: damaged", hex));
	return (ret);
}
