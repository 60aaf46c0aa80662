#ifndef VITRINE_TOOLS_CMD_TEXT_H
#define VITRINE_TOOLS_CMD_TEXT_H

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/err.h"

/* Values as a person reads them.  All fill dst and return it. */
#define TEXT_BYTES	64
char *text_count(char dst[TEXT_BYTES], uint64_t);	/* "1,203" */
char *text_size(char dst[TEXT_BYTES], uint64_t);	/* "45 MiB" */
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
/* Columns that a text takes; where it would take more than max, *cut (may be
 * NULL) is the bytes that fit. */
size_t text_width(const char *, size_t len, size_t max, size_t *cut);

/* Rows of cells, printed aligned.  Text is escaped when it is added. */
struct table {
	size_t columns;
	const char *align;	/* 'l' or 'r' a column */
	char **cells;		/* owned, row by row */
	size_t n, cap;
	bool failed;
};
void table_init(struct table *, size_t columns, const char *align);
void table_fini(struct table *);
void table_cell(struct table *, const char *);
void table_cell_bytes(struct table *, const void *, size_t len);
/* ERR_NOMEM when a cell could not be added.  The first row is the heading. */
int table_print(const struct table *, FILE *, struct err *);

#endif
