#ifndef VITRINE_FS_POINT_H
#define VITRINE_FS_POINT_H

#include <sys/types.h>

#include "engine/base/err.h"

/*
 * Mountpoints: the table of mounts (/proc/self/mountinfo), and paths to them.
 */
#define POINT_TYPE	"fuse.vitrine"

struct point {
	int id;			/* of the mount, in this boot */
	dev_t dev;
	const char *path;	/* borrowed, unescaped */
	const char *type;	/* borrowed */
};

#define POINT_STOP	1
/* Each mount, in the table's order: of those over one directory the last is
 * seen.  fn: 0, POINT_STOP or < 0, which is returned. */
typedef int point_fn(void *ctx, const struct point *, struct err *);
int point_scan(point_fn *, void *ctx, struct err *);

/* The absolute path without links; also where the last part is a mount whose
 * daemon is dead.  Returns owned in *out.  ERR_ABSENT. */
int point_resolve(const char *path, char **out, struct err *);
/* Is the topmost mount at this (resolved) path one of ours? */
int point_find(const char *path, bool *ours, int *id, dev_t *dev,
    struct err *);

#endif
