#ifndef VITRINE_ENGINE_MAP_MAP_IMPL_H
#define VITRINE_ENGINE_MAP_MAP_IMPL_H

#include "engine/map/table.h"

/* A set of pack ids, open-addressed by their first bytes (they are hashes). */
struct pack_set {
	struct pack_id *v;		/* owned; zeros: free */
	size_t n, cap;			/* cap: 0 or a power of two */
};

/* A table that the listing showed when the map was opened. */
struct found_table {
	struct object_id id;
	uint64_t size_bytes;
	bool sized;			/* size_bytes is known */
	bool replaced;			/* an open table says so */
	bool tried;			/* to open it */
};

/* `lock' guards tables, n, cap, excluded, and tables' `replaced'. */
struct map {
	struct store *store;		/* borrowed */
	const struct keyring *ring;	/* borrowed */
	const struct log *log;		/* borrowed */
	uint32_t domain;
	struct pages *pages;		/* owned; has its own locks */
	pthread_rwlock_t lock;
	struct table **tables;		/* owned; the largest first */
	size_t n, cap;
	uint32_t next_no;
	struct found_table *found;	/* owned; by id; fixed once open */
	size_t nfound, found_cap;
	struct pack_set excluded;
};

/*
 * hints.c: a file with the ids of the tables that were live, as they are.
 * Nothing of it is believed: it says what to look at first.  load gives n = 0
 * where there is no such file; *v is the caller's.  Both do their best.
 */
#define HINTS_MAX	4096
void hints_load(const char *path, struct object_id **v, size_t *n);
void hints_store(const char *path, const struct object_id *v, size_t n);

/* NULL when the listing didn't show it. */
struct found_table *map_found(const struct map *, const struct object_id *);

/* walk.c */
#define CURSOR_PAGES	16		/* in one read */

/* A hand on the next entry of a table, past the cache.  All zeros at first, or
 * as an earlier walk left it. */
struct cursor {
	struct table *table;		/* borrowed */
	uint32_t page, at, count;
	uint64_t left;			/* entries, the current one counted */
	uint8_t plain[TABLE_PLAIN_BYTES];
	/* Sealed pages, from entry page `first' on: one read's. */
	uint8_t *window;		/* owned; NULL until it is needed */
	uint32_t first, pages;
};
/* 0, TABLE_DAMAGED (then on the page after), < 0; left == 0 at the end. */
int cursor_start(struct cursor *, struct table *, struct err *);
void cursor_fini(struct cursor *);
int cursor_next(struct cursor *, struct err *);
static inline const uint8_t *
cursor_entry(const struct cursor *c)
{
	return (c->plain + (size_t)c->at * TABLE_ENTRY_BYTES);
}

#endif
