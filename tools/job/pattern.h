#ifndef VITRINE_TOOLS_JOB_PATTERN_H
#define VITRINE_TOOLS_JOB_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"
#include "engine/repo/manifest.h"

/*
 * Lists of patterns (vitrine-backup(1), --exclude), of the form that glob.h
 * calls plain.
 *
 * A pattern that begins with '/' is matched against the whole absolute path;
 * one without '/' against the last component; one with '/' inside against the
 * last components.  A '/' at its end makes it match directories only.  One that
 * begins with '!' takes back what those before it say: the last one that
 * matches counts.
 * Immutable: any thread.
 */
struct patterns;

/* An empty pattern, one of only '/', or an unfinished set is ERR_USAGE. */
int patterns_new(struct patterns **out, const char *const *, size_t n,
    struct err *);
/* Those that a backup went by, out of its manifest. */
int patterns_of_backup(struct patterns **out, const struct strings *,
    struct err *);
void patterns_free(struct patterns *);	/* NULL is fine */
bool patterns_is_empty(const struct patterns *);
/* Does any need the directory's path? */
bool patterns_want_path(const struct patterns *);

enum pattern_verdict { PATTERN_NONE, PATTERN_HIT, PATTERN_TAKEN_BACK };
/* What the last pattern that matches says.  `path' is the absolute path of the
 * entry, unused (may be NULL) unless patterns_want_path(); `name' its last
 * component. */
enum pattern_verdict patterns_verdict(const struct patterns *,
    const char *path, const char *name, bool is_dir);
/* Is it PATTERN_HIT?  `dir' is the absolute path of the directory without a
 * final '/' ("" for the root), unused (may be NULL) unless
 * patterns_want_path(). */
bool patterns_match(const struct patterns *, const char *dir, const char *name,
    bool is_dir);

#endif
