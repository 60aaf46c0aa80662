/*
 * A SQLite file in memory, for catalogs made by a test.
 */
#ifndef VITRINE_TESTS_MEMORY_PAGES_H
#define VITRINE_TESTS_MEMORY_PAGES_H

#include <stdlib.h>
#include <string.h>

#include "index/catalog_impl.h"

#define MEMORY_MAX	(1U << 20)
#define ZEROS32 "00000000000000000000000000000000" \
	"00000000000000000000000000000000"

struct memory_pages {
	struct pages pages;
	uint8_t *bytes;			/* MEMORY_MAX */
	uint64_t size;
};

static inline int
memory_read(struct pages *p, void *dst, size_t len, uint64_t off,
    struct err *e)
{
	memcpy(dst, ((struct memory_pages *)p)->bytes + off, len);
	return (0);
}

static inline uint64_t
memory_size(struct pages *p)
{
	return (((struct memory_pages *)p)->size);
}

static inline int
memory_write(struct pages *p, const void *src, size_t len, uint64_t off,
    struct err *e)
{
	struct memory_pages *m = (struct memory_pages *)p;

	if (off + len > MEMORY_MAX)
		return (err_set(e, ERR_FULL, "no room"));
	memcpy(m->bytes + off, src, len);
	if (off + len > m->size)
		m->size = off + len;
	return (0);
}

static inline int
memory_truncate(struct pages *p, uint64_t size, struct err *e)
{
	((struct memory_pages *)p)->size = size;
	return (0);
}

static const struct pages_ops memory_rw = { memory_read, memory_size,
    memory_write, memory_truncate };
static const struct pages_ops memory_ro = { memory_read, memory_size, NULL,
    NULL };

/* A small catalog that is right, then the statements of a test. */
static inline int
memory_catalog(struct memory_pages *m, const char *more, struct err *e)
{
	static const char rows[] =
	    "INSERT INTO node VALUES(1,2,1,493,0,0,0,0,0,0,0,1,0,0,0,0,0,0,"
	    "x'',NULL),"
	    "(2,2,0,493,0,0,0,-1,999999999,0,0,1,0,0,1,0,-1,5,x'646972',NULL),"
	    "(3,1,0,420,0,0,30,0,0,0,0,2,0,0,0,1,0,0,NULL,"
	    "x'0114000000010000000000" ZEROS32 "020a00000000000000'),"
	    "(4,3,0,511,0,0,0,0,0,0,0,1,0,0,0,0,0,0,x'2e2e2f78',NULL),"
	    "(5,1,0,420,0,0,4096,0,0,0,0,1,0,0,0,0,0,0,NULL,NULL),"
	    "(6,2,0,493,0,0,0,0,0,0,0,1,0,0,2,0,0,6,x'737562',NULL);"
	    "INSERT INTO dirent VALUES(1,x'646972',2),(2,x'61',3),(2,x'62',3),"
	    "(1,x'6c',4),(6,x'ff',5),(2,x'737562',6);"
	    "INSERT INTO segment VALUES(5,0,x'020010000000000000');"
	    "INSERT INTO xset VALUES(1,zeroblob(32),15,"
	    "x'010000000475736572020000006869');"
	    "INSERT INTO owner VALUES(0,0,x'726f6f74');"
	    "INSERT INTO meta VALUES('next_ino',7);"
	    "INSERT INTO frame VALUES(1,1,0,200,100,1000,1);"
	    "INSERT INTO pack VALUES(1,zeroblob(32),100000,0,0,zeroblob(16),"
	    "zeroblob(32),1,NULL);";
	sqlite3 *db;
	int r = -1;

	if (m->bytes == NULL)
		m->bytes = calloc(1, MEMORY_MAX);
	memset(m->bytes, 0, MEMORY_MAX);
	m->size = 0;
	m->pages.ops = &memory_rw;
	if (vfs_open(&db, &m->pages, e) != 0)
		return (-1);
	if (sql_exec(db, "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; "
	    "BEGIN", e) == 0 && schema_create(db, e) == 0 &&
	    sql_exec(db, rows, e) == 0 &&
	    sql_exec(db, more == NULL ? "" : more, e) == 0 &&
	    sql_exec(db, "COMMIT", e) == 0)
		r = 0;
	(void)sqlite3_close(db);
	m->pages.ops = &memory_ro;
	return (r);
}

#endif
