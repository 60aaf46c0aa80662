#ifndef VITRINE_ENGINE_STORE_DIR_H
#define VITRINE_ENGINE_STORE_DIR_H

#include <sys/types.h>

#include "engine/store/store.h"

/*
 * A store in a directory.  An object is written under a temporary name
 * ("tmp/" and random), fsynced, given its name by link(2) or rename, and its
 * directory fsynced (a new directory's parent too).  After a failed fsync the
 * bytes are not trusted: the object fails and is written anew under another
 * temporary name by whoever tries again.  Temporary files older than a day
 * that no living process holds are removed at put_begin.
 */
int store_dir_open(struct store **out, const char *path, bool create,
    struct err *);
/* The device and inode of the directory: so that a backup does not back up its own
 * repository, and a mount is not made over it. */
int store_dir_identity(struct store *, dev_t *, ino_t *);

#endif
