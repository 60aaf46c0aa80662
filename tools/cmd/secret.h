#ifndef VITRINE_TOOLS_CMD_SECRET_H
#define VITRINE_TOOLS_CMD_SECRET_H

#include "engine/crypto/slot.h"
#include "tools/cmd/opt.h"

/*
 * Where a passphrase or key file comes from.  Never from argv; a file's or
 * command's output loses one final newline; key files are taken as they are.
 */
enum secret_from {
	SECRET_FILE, SECRET_COMMAND, SECRET_FD, SECRET_ENV, SECRET_KEY_FILE,
	SECRET_PROMPT
};
struct secret_source {
	enum secret_from from;
	const char *what;	/* path, command, variable's name */
	int fd;
};
/* From the options, else the environment, else a prompt.  Two options that
 * contradict one another are ERR_USAGE. */
int secret_source(struct secret_source *, const struct opts *global,
    struct err *);
/* Is this one of those options?  Does the environment have a secret? */
bool secret_is_option(const char *option);
bool secret_in_environment(void);
/* Obtain it.  prompt: what a prompt asks for; twice: ask again and compare.
 * An empty passphrase is refused. */
int secret_obtain(const struct secret_source *, const char *prompt, bool twice,
    struct secret *, enum slot_kind *, struct err *);

#endif
