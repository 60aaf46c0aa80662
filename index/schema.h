#ifndef VITRINE_INDEX_SCHEMA_H
#define VITRINE_INDEX_SCHEMA_H

#include <sqlite3.h>

#include "engine/base/err.h"
#include "index/pages.h"

/* The catalog's schema (vitrine-catalog(5), SCHEMA): made, and compared word
 * for word when a stored catalog is opened, so that no view, trigger or odd
 * table in hostile bytes is ever used. */
#define SCHEMA_VERSION		1
#define SCHEMA_APPLICATION	0x76747263	/* "vtrc" */

int schema_create(sqlite3 *, struct err *);
int schema_check(sqlite3 *, struct err *);
/* Before SQLite opens a stored catalog, and reads all of the schema that there
 * is: it is on the first page, as many rows as there must be. */
int schema_page(struct pages *, struct err *);

/* Run statements that give no rows. */
int sql_exec(sqlite3 *, const char *sql, struct err *);
/* The integer that a statement gives; none is an error. */
int sql_int(sqlite3 *, const char *sql, int64_t *out, struct err *);

/* A connection's settings: hostile bytes, and a page cache of so many KiB. */
int schema_guard(sqlite3 *, unsigned cache_kib, struct err *);

#endif
