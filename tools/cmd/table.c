/*
 * Tables: rows of cells printed in aligned columns.
 */
#include <string.h>

#include "tools/cmd/text.h"

#define COLUMNS_MAX	16

void
table_init(struct table *t, size_t columns, const char *align)
{
	BUG_ON(columns > COLUMNS_MAX);
	memset(t, 0, sizeof(*t));
	t->columns = columns;
	t->align = align;
}

void
table_fini(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->n = t->cap = 0;
}

void
table_cell_bytes(struct table *t, const void *bytes, size_t len)
{
	struct buf b = BUF_INIT;
	char **cells;
	size_t cap;

	if (t->n == t->cap) {
		cap = t->cap == 0 ? 64 : t->cap * 2;
		cells = reallocarray(t->cells, cap, sizeof(*cells));
		if (cells == NULL) {
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->cap = cap;
	}
	text_escape(&b, bytes, len);
	buf_u8(&b, '\0');
	if (b.failed) {
		buf_fini(&b);
		t->failed = true;
		return;
	}
	t->cells[t->n++] = (char *)b.data;
}

void
table_cell(struct table *t, const char *s)
{
	table_cell_bytes(t, s, strlen(s));
}

int
table_print(const struct table *t, FILE *f, struct err *e)
{
	size_t widths[COLUMNS_MAX] = { 0 }, w;

	if (t->failed)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	for (size_t i = 0; i < t->n; i++) {
		w = text_width(t->cells[i], strlen(t->cells[i]), SIZE_MAX / 2,
		    NULL);
		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->n; i++) {
		size_t c = i % t->columns;
		int pad;

		w = text_width(t->cells[i], strlen(t->cells[i]), SIZE_MAX / 2,
		    NULL);
		pad = (int)(widths[c] - w);
		if (t->align[c] == 'r')
			(void)fprintf(f, "%*s%s", pad, "", t->cells[i]);
		else if (c + 1 < t->columns)
			(void)fprintf(f, "%s%*s", t->cells[i], pad, "");
		else
			(void)fputs(t->cells[i], f);
		(void)fputs(c + 1 < t->columns ? "  " : "\n", f);
	}
	return (0);
}
