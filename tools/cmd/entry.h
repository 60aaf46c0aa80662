#ifndef VITRINE_TOOLS_CMD_ENTRY_H
#define VITRINE_TOOLS_CMD_ENTRY_H

#include "index/catalog.h"
#include "tools/cmd/json.h"

/* An entry of a snapshot, as commands show it. */

/* Remembered names of owners. */
#define OWNERS		64
struct owner {
	bool known;
	uint32_t id;
	char name[256];		/* any bytes */
};
struct owners {
	struct owner v[2][OWNERS];
};
/* The name, or the number where there is none; borrowed until the next call. */
int owner_name(struct owners *, struct catalog *, bool group, uint32_t id,
    const char **, struct err *);

const char *kind_name(uint8_t kind);	/* "file", "directory" ... */
/* 0 and the kind of that name, or -1. */
int kind_of_name(uint8_t *, const char *);
void mode_string(char dst[11], const struct entry *);

/* The members of an "entry" object (vitrine-json(5)). */
int entry_members(struct json *, struct owners *, struct catalog *,
    const char *path, size_t len, const struct entry *, struct err *);

/* A name on stdout, quoted for a terminal when asked to. */
void print_name(const char *name, size_t len, bool quoted);

#endif
