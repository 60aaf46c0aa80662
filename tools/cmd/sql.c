/*
 * vitrine sql: a question to a snapshot's catalog.  On a terminal a table; else
 * a heading and rows with tabs between, in which tab, newline, backslash and
 * control characters are escaped, and \N is null.
 */
#include <string.h>
#include <unistd.h>

#include "tools/cmd/cmd.h"

#define ROWS_ALIGNED	1000	/* aligned together; a longer answer by parts */

static const struct opt options[] = {
	FILTER_OPTIONS,
	{ .name = NULL }
};

struct answer {
	struct ui *ui;
	struct json json;
	bool aligned;		/* to a terminal */
	bool headed;		/* the heading was written */
	bool open;		/* table is in use */
	struct table table;
	size_t rows;
};

static void
put_field(const char *v, size_t len, bool terminal)
{
	struct buf b = BUF_INIT;

	if (v == NULL) {
		(void)fputs("\\N", stdout);
		return;
	}
	if (terminal)
		text_escape(&b, v, len);
	for (size_t i = 0; i < len && !terminal; i++)
		switch (v[i]) {
		case '\\':
			buf_bytes(&b, "\\\\", 2);
			break;
		case '\t':
			buf_bytes(&b, "\\t", 2);
			break;
		case '\n':
			buf_bytes(&b, "\\n", 2);
			break;
		case '\0':
			buf_bytes(&b, "\\0", 2);
			break;
		default:
			buf_u8(&b, (uint8_t)v[i]);
			break;
		}
	if (!b.failed && b.len > 0)
		(void)fwrite(b.data, 1, b.len, stdout);
	buf_fini(&b);
}

static void
put_row(int columns, const char *const *v, const size_t *lens, bool terminal)
{
	for (int i = 0; i < columns; i++) {
		if (i > 0)
			(void)fputc('\t', stdout);
		put_field(v[i], lens != NULL ? lens[i] : strlen(v[i]),
		    terminal);
	}
	(void)fputc('\n', stdout);
}

static int
flush(struct answer *a, struct err *e)
{
	int r = 0;

	if (a->open) {
		r = table_print(&a->table, stdout, e);
		table_fini(&a->table);
		a->open = false;
	}
	return (r);
}

static void
put_object(struct answer *a, int columns, const char *const *names,
    const char *const *values, const size_t *lens)
{
	size_t *widths = calloc((size_t)columns + 1, sizeof(*widths));

	json_begin(&a->json, "row");
	if (widths == NULL)
		a->json.b.failed = true;
	for (int i = 0; widths != NULL && i < columns; i++)
		widths[i] = strlen(names[i]);
	if (widths != NULL)
		json_list(&a->json, "columns", names, widths, (size_t)columns);
	json_list(&a->json, "values", values, lens, (size_t)columns);
	ui_object(a->ui, &a->json);
	free(widths);
}

static int
each(void *ctx, int columns, const char *const *names,
    const char *const *values, const size_t *lens, struct err *e)
{
	static const char align[TABLE_COLUMNS_MAX + 1] = "llllllllllllllll";
	struct answer *a = ctx;

	if (ferror(stdout))
		return (CATALOG_STOP);
	if (atomic_load(signals_flag()))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	a->rows++;
	if (a->ui->json != NULL) {
		put_object(a, columns, names, values, lens);
		return (0);
	}
	if (!a->aligned || columns > TABLE_COLUMNS_MAX) {
		if (!a->headed)
			put_row(columns, names, NULL, a->aligned);
		a->headed = true;
		put_row(columns, values, lens, a->aligned);
		return (0);
	}
	if (!a->open) {
		table_init(&a->table, (size_t)columns, align, false);
		a->open = true;
		for (int i = 0; i < columns; i++)
			table_cell(&a->table, a->headed ? "" : names[i]);
		a->headed = true;
	}
	for (int i = 0; i < columns; i++)
		if (values[i] == NULL)
			table_cell(&a->table, "-");
		else
			table_cell_bytes(&a->table, values[i], lens[i]);
	return (a->rows % ROWS_ALIGNED == 0 ? flush(a, e) : 0);
}

static bool
stop(void *ctx)
{
	return (atomic_load(signals_flag()));
}

static int
run(struct cmd *c, struct err *e)
{
	struct answer a = { .ui = &c->ui,
	    .aligned = isatty(STDOUT_FILENO) == 1 };
	struct reader reader;
	struct err ignored = ERR_INIT;
	int r;

	if (reader_open(&reader, c, c->args[0], e) < 0)
		return (-1);
	if (reader.chosen.has_path)
		r = err_set(e, ERR_USAGE, "sql takes a snapshot without a "
		    "path");
	else
		r = catalog_sql(reader.catalog, c->args[1], each, stop, &a,
		    e);
	if (flush(&a, r < 0 ? &ignored : e) < 0 && r >= 0)
		r = -1;
	json_u64(&c->ui.result, "rows", a.rows);
	json_fini(&a.json);
	reader_close(&reader);
	return (r < 0 ? -1 : EXIT_DONE);
}

const struct command sql_command = {
	"sql", "SNAPSHOT STATEMENT",
	"Ask a snapshot's catalog (views: files, chunks, packs)", options, 2, 2,
	run
};
