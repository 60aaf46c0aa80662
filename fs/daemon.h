#ifndef VITRINE_FS_DAEMON_H
#define VITRINE_FS_DAEMON_H

#include "fs/mount.h"

/*
 * Leave the terminal and tell the waiting parent that all is well.
 * ERR_CANCELED when nobody waits any more.  Nothing without a parent.
 */
int daemon_ready(struct mount_parent *, struct err *);

#endif
