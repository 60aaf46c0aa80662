#ifndef VITRINE_TOOLS_CMD_CONFIG_H
#define VITRINE_TOOLS_CMD_CONFIG_H

#include "tools/cmd/config_file.h"
#include "tools/cmd/opt.h"

/*
 * The configuration (vitrine-config(5)): /etc/vitrine/config, then the user's.
 * What the command line says counts more than the environment, that more than a
 * file; within the files a profile more than what stands outside of one, the
 * user's more than the system's.
 */
struct cmd;
struct config {
	struct config_entries entries;
	struct {
		char *path;		/* owned; NULL: HOME is not known */
		bool there;
	} files[2];
	char **values;			/* owned: with "~/" resolved */
	size_t nvalues;
};
void config_fini(struct config *);

/*
 * Read the files into cmd->config, see that all of them is right, and complete
 * cmd->global, cmd->own and, where none was given, cmd->args by what holds for
 * this profile and command.  ERR_USAGE names file and line.
 */
int config_load(struct cmd *, struct err *);
/* Complete `opts', the command's of that name (NULL: the global ones). */
int config_apply(struct cmd *, const char *command, struct opts *,
    struct err *);
/* Is it an entry for that command (NULL: a global one), whatever profile is in
 * force? */
bool config_holds(const struct cmd *, const struct config_entry *,
    const char *command);

/* The key that gives a command's arguments. */
#define CONFIG_ARGUMENT	"argument"

#endif
