#ifndef VITRINE_TOOLS_CMD_BACKUP_ARGS_H
#define VITRINE_TOOLS_CMD_BACKUP_ARGS_H

#include "tools/cmd/cmd.h"

/*
 * What a backup's options name, put together: the paths of the command line and
 * of lists, the patterns of both.
 */
struct backup_args {
	const char **excludes;		/* owned; into argv and lists */
	size_t nexcludes;
	const char **roots;		/* owned; into argv, lists, globs */
	size_t nroots;
	struct lines *lists;		/* owned */
	size_t nlists;
	char **globs;			/* owned, each too */
	size_t nglobs;
};
/* `arguments': the command's are paths.  What is wrong with a list is an error;
 * a pattern of --files-from that matches nothing is warned of. */
int backup_args_init(struct backup_args *, struct cmd *, bool arguments,
    struct err *);
void backup_args_fini(struct backup_args *);

#endif
