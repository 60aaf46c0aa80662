#ifndef VITRINE_ENGINE_STORE_DIR_H
#define VITRINE_ENGINE_STORE_DIR_H

#include <sys/types.h>

#include "engine/store/store.h"

/*
 * A store in a directory.  An object is written under a temporary name ("tmp/"
 * and random), fsynced, given its name by a rename that refuses to replace (or
 * link(2)), and its directory fsynced (a new directory's parent too).  After a
 * failed fsync the bytes are not trusted: the object fails and is written anew
 * under another temporary name by whoever tries again.  At the first object
 * that is begun, temporary files older than a day that no living process holds
 * are removed.  Files are made 0600, directories 0700.
 *
 * Where an object's name is taken by a file of another size, putting it is
 * ERR_CORRUPT: names are made of contents, so one of the two is damaged.
 */
int store_dir_open(struct store **out, const char *path, bool create,
    struct err *);
/* The device and inode of the directory: so that a backup does not back up its
 * own repository, and a mount is not made over it.  Looks through wrappers; -1
 * where there is no directory. */
int store_dir_identity(struct store *, dev_t *, ino_t *);

#endif
