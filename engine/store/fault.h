#ifndef VITRINE_ENGINE_STORE_FAULT_H
#define VITRINE_ENGINE_STORE_FAULT_H

#include "engine/store/store.h"

/*
 * A wrapper that fails on purpose, for tests.  Takes the inner store (unless it
 * fails).  The plan is a string: comma-separated "OP@N=WHAT".
 *
 * OP is read, put, begin, append, commit, list, stat, remove or any; N counts
 * calls of that OP from 1 ("N+" from the Nth on), over all threads.  WHAT is
 *	eio, enospc, estale	the call fails so, and does nothing
 *	kill	SIGKILL to ourselves before the call
 *	lost	the call is done but answers EIO
 *	tear	a put or commit leaves a prefix under the final name and
 *		fails: a store that lies; an append writes a prefix and fails
 *	flip	a read returns one flipped bit
 *	short	a read or stat tells half of the bytes, a list ends before its
 *		last half without an error
 * Of a plan's entries for one call the first counts.  An entry that makes no
 * sense is ERR_USAGE.
 *
 * In a test build store_open() takes the plan from VITRINE_TEST_FAULTS, and the
 * file that VITRINE_TEST_FAULTS_HIT names is made once an entry has come true.
 */
int store_fault_open(struct store **out, struct store *inner, const char *plan,
    struct err *);

/* How many calls were made so far (OP any), for a test that then fails each. */
uint64_t store_fault_calls(const struct store *);

#endif
