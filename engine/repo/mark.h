#ifndef VITRINE_ENGINE_REPO_MARK_H
#define VITRINE_ENGINE_REPO_MARK_H

#include "engine/repo/records.h"
#include "engine/repo/repo.h"

/*
 * Note packs as damaged (vitrine-format(5), LEASES, CONDEMNED, DAMAGED): for
 * writers what lies in them is no longer known, so that the next backup that
 * has it stores it anew.  Nothing else changes.  What was noted before, word
 * for word, is not noted again.
 */
int repo_mark_damaged(struct repo *, const struct damaged *, struct err *);

#endif
