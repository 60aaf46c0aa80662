#ifndef VITRINE_TOOLS_JOB_IGNORE_H
#define VITRINE_TOOLS_JOB_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

/*
 * A file of rules in the tree (.vitrineignore), which say what of the directory
 * that it lies in is left out: gitignore's rules, as git itself follows them.
 * Immutable: any thread.
 */
#define IGNORE_NAME	".vitrineignore"
#define IGNORE_FILE_MAX	(256U << 10)	/* bytes of such a file */

struct ignore;

/* Whatever bytes a file holds are rules (or comments, or match nothing): only
 * the lack of memory is a failure. */
int ignore_parse(struct ignore **out, const void *, size_t len, struct err *);
void ignore_free(struct ignore *);		/* NULL is fine */
size_t ignore_bytes(const struct ignore *);	/* of memory */
/* Does any rule need more than the name? */
bool ignore_wants_path(const struct ignore *);

enum ignore_verdict { IGNORE_NONE, IGNORE_OUT, IGNORE_KEEP };
/* What the last rule that matches says.  `path' leads from the file's directory
 * to the entry (no slash in front), NULL when not wanted; `name' is its last
 * component. */
enum ignore_verdict ignore_verdict(const struct ignore *, const char *path,
    const char *name, bool is_dir);

#endif
