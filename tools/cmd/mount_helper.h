#ifndef VITRINE_TOOLS_CMD_MOUNT_HELPER_H
#define VITRINE_TOOLS_CMD_MOUNT_HELPER_H

#include "engine/base/err.h"

/*
 * mount.vitrine(8): what mount(8) runs for "mount -t vitrine", for a line of
 * fstab, a mount unit or an autofs map.  It is this same program under another
 * name; its words are made the command line of "vitrine mount".
 */
struct mount_words {
	char **argv;			/* owned, and the strings; ends NULL */
	int argc;
	bool fake;			/* -f: nothing is to be done */
};

/* Was the program called by that name? */
bool mount_helper_is(const char *argv0);
/* ERR_USAGE.  Free with mount_words_fini() in any case. */
int mount_helper_parse(struct mount_words *, int argc, char **argv,
    struct err *);
void mount_words_fini(struct mount_words *);

#endif
