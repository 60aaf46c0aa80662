/*
 * Tables: rows of cells printed in aligned columns.
 */
#include <string.h>

#include "tools/cmd/text.h"

#define GAP		2	/* between columns; and before a row's rest */

void
table_init(struct table *t, size_t columns, const char *align, bool color)
{
	BUG_ON(columns == 0 || columns > TABLE_COLUMNS_MAX);
	memset(t, 0, sizeof(*t));
	t->columns = columns;
	t->align = align;
	t->color = color;
}

void
table_fini(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->styles);
	t->cells = NULL;
	t->styles = NULL;
	t->n = t->cap = 0;
}

static bool
grow(struct table *t)
{
	size_t cap = t->cap == 0 ? 64 : t->cap * 2;
	char **cells = reallocarray(t->cells, cap, sizeof(*cells));
	uint8_t *styles;

	if (cells == NULL)
		return (false);
	t->cells = cells;
	styles = realloc(t->styles, cap);
	if (styles == NULL)
		return (false);
	t->styles = styles;
	t->cap = cap;
	return (true);
}

void
table_cell_bytes(struct table *t, const void *bytes, size_t len)
{
	struct buf b = BUF_INIT;

	if (t->n == t->cap && !grow(t)) {
		t->failed = true;
		return;
	}
	text_escape(&b, bytes, len);
	buf_u8(&b, '\0');
	if (b.failed) {
		buf_fini(&b);
		t->failed = true;
		return;
	}
	t->styles[t->n] = STYLE_PLAIN;
	t->cells[t->n++] = (char *)b.data;
}

void
table_cell(struct table *t, const char *s)
{
	table_cell_bytes(t, s, strlen(s));
}

void
table_style(struct table *t, enum style style)
{
	if (t->n > 0 && !t->failed)
		t->styles[t->n - 1] = (uint8_t)style;
}

static size_t
width_of(const char *s)
{
	return (text_width(s, strlen(s), SIZE_MAX / 2, NULL));
}

/* How the columns go onto the lines. */
struct layout {
	size_t widths[TABLE_COLUMNS_MAX];
	bool hidden[TABLE_COLUMNS_MAX];	/* nothing in it, on a terminal */
	bool breaks[TABLE_COLUMNS_MAX];	/* begins a new line */
	bool ends[TABLE_COLUMNS_MAX];		/* the last of its line */
};

/* Rows that are too wide for the terminal are folded between columns. */
static void
lay_out(const struct table *t, size_t terminal, struct layout *l)
{
	size_t at = 0, last = 0, w, c;

	BUG_ON(t->columns == 0);
	memset(l, 0, sizeof(*l));
	for (c = 0; c < t->columns; c++)
		l->hidden[c] = terminal > 0;
	for (size_t i = 0; i < t->n; i++) {
		c = i % t->columns;
		w = width_of(t->cells[i]);
		if (w > l->widths[c])
			l->widths[c] = w;
		if (i >= t->columns && w > 0)
			l->hidden[c] = false;
	}
	for (c = 0; c < t->columns; c++) {
		if (l->hidden[c])
			continue;
		l->breaks[c] = terminal > 0 && at > 0 &&
		    at + GAP + l->widths[c] > terminal;
		l->ends[last] = l->breaks[c];
		at = l->breaks[c] ? 0 : at;
		at += (last > 0 || at > 0 ? GAP : 0) + l->widths[c];
		last = c;
	}
	l->ends[last] = true;
}

static void
put_cell(const struct table *t, size_t i, const struct layout *l, FILE *f)
{
	size_t c = i % t->columns;
	const char *cell = t->cells[i];
	int pad = (int)(l->widths[c] - width_of(cell));
	bool style = t->color && t->styles[i] != STYLE_PLAIN;

	if (l->breaks[c])
		(void)fputc('\n', f);
	if (c > 0)
		(void)fprintf(f, "%*s", GAP, "");
	if (t->align[c] == 'r')
		(void)fprintf(f, "%*s", pad, "");
	if (style)
		(void)fputs(style_begin(t->styles[i]), f);
	(void)fputs(cell, f);
	if (style)
		(void)fputs(STYLE_END, f);
	if (t->align[c] != 'r' && !l->ends[c])
		(void)fprintf(f, "%*s", pad, "");
}

int
table_print(const struct table *t, FILE *f, struct err *e)
{
	struct layout l;

	if (t->failed)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	lay_out(t, text_columns(fileno(f)), &l);
	for (size_t i = 0; i < t->n; i++) {
		if (!l.hidden[i % t->columns])
			put_cell(t, i, &l, f);
		if ((i + 1) % t->columns == 0)
			(void)fputc('\n', f);
	}
	return (0);
}
