#ifndef VITRINE_TOOLS_CMD_CONFIG_FILE_H
#define VITRINE_TOOLS_CMD_CONFIG_FILE_H

#include <stddef.h>

#include "engine/base/err.h"

/*
 * The text of a configuration file (vitrine-config(5)): sections and lines
 * "key = value".  What a key means is not known here.
 */
#define CONFIG_FILE_MAX	(1U << 20)
#define CONFIG_RANK_MAX	7

struct config_entry {
	char *origin;		/* "FILE:LINE"; owned */
	const char *profile;	/* of [profile NAME ...]; or NULL */
	const char *command;	/* of [COMMAND], [profile NAME COMMAND]; NULL */
	const char *key;	/* NULL: the section's own line */
	char *value;
	unsigned rank;		/* .. CONFIG_RANK_MAX: the higher counts */
};
/* A zeroed one is empty. */
struct config_entries {
	struct config_entry *v;	/* owned */
	size_t n;
	char **texts;		/* owned: what v points into */
	size_t ntexts;
};
void config_entries_fini(struct config_entries *);

/*
 * Parse a whole file and add its entries; `strong' for the file that counts
 * more.  ERR_USAGE with file and line for what is no configuration.
 */
int config_file_parse(struct config_entries *, const char *file, bool strong,
    const void *text, size_t len, struct err *);

#endif
