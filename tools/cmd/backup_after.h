#ifndef VITRINE_TOOLS_CMD_BACKUP_AFTER_H
#define VITRINE_TOOLS_CMD_BACKUP_AFTER_H

#include "tools/cmd/cmd.h"
#include "tools/job/backup.h"

/* How a backup went, for those who are told of it. */
struct outcome {
	const struct backup_env *env;
	const struct backup_result *res;
	int status;			/* exit status */
	const char *error;		/* "" when there is none */
};

/*
 * Commands around a backup (vitrine-backup(1), HOOKS): all that the option
 * names, in order, by the shell.  The first that fails is the error; the rest
 * are run all the same but for "before".
 */
int hooks_run(struct cmd *, const char *option, const struct outcome *,
    struct err *);

/* The file for Prometheus (vitrine-backup(1), METRICS), replaced whole. */
int metrics_write(struct cmd *, const char *file, const struct outcome *,
    struct err *);

#endif
