#ifndef VITRINE_TOOLS_CMD_TEXT_H
#define VITRINE_TOOLS_CMD_TEXT_H

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/err.h"

/* Values as a person reads them.  All fill dst and return it. */
#define TEXT_BYTES	64
char *text_count(char dst[TEXT_BYTES], uint64_t);	/* "1,203" */
char *text_size(char dst[TEXT_BYTES], uint64_t);	/* "45 MiB" */
/* From now on text_size() gives plain numbers (--bytes).  Before any thread. */
void text_exact_sizes(void);
/* "1 file", "1,203 files". */
char *text_n(char dst[TEXT_BYTES], uint64_t, const char *one,
    const char *many);
char *text_time(char dst[TEXT_BYTES], const struct stamp *);	/* local */
char *text_interval(char dst[TEXT_BYTES], uint64_t ms);	/* "0.4 s", "3:07" */

/* Bytes for a message or a terminal: what is printable in this locale as it
 * is, the rest as \n or \ooo. */
void text_escape(struct buf *, const void *, size_t len);
/* The same for a name in a list on a terminal: quoted as a shell would take it
 * where it isn't plain. */
void text_quote(struct buf *, const void *, size_t len);
/* "95 s", "3:07 min": how long something will take, which nobody knows well. */
char *text_estimate(char dst[TEXT_BYTES], uint64_t ms);
/* Columns that a text takes; where it would take more than max, *cut (may be
 * NULL) is the bytes that fit. */
size_t text_width(const char *, size_t len, size_t max, size_t *cut);
/* Where the last part of a text begins that takes at most max columns. */
size_t text_tail(const char *, size_t len, size_t max);

/* The columns of the terminal at a descriptor; 0 when it is none. */
size_t text_columns(int fd);

/* Colours, for those who see them; an escape sequence to begin with, and
 * STYLE_END. */
enum style { STYLE_PLAIN, STYLE_DIM, STYLE_GREEN, STYLE_RED, STYLE_YELLOW };
const char *style_begin(enum style);
#define STYLE_END	"\033[0m"

/*
 * Rows of cells, printed aligned.  Text is escaped when it is added.  On a
 * terminal a row that is too wide goes on in the next line, between cells.
 */
#define TABLE_COLUMNS_MAX	16
struct table {
	size_t columns;
	const char *align;	/* 'l' or 'r' a column */
	bool color;
	char **cells;		/* owned, row by row */
	uint8_t *styles;	/* owned, enum style a cell */
	size_t n, cap;
	bool failed;
};
void table_init(struct table *, size_t columns, const char *align, bool color);
void table_fini(struct table *);
void table_cell(struct table *, const char *);
void table_cell_bytes(struct table *, const void *, size_t len);
/* How the last cell looks. */
void table_style(struct table *, enum style);
/* ERR_NOMEM when a cell could not be added.  The first row is the heading. */
int table_print(const struct table *, FILE *, struct err *);

#endif
