#ifndef VITRINE_ENGINE_STORE_FAULT_H
#define VITRINE_ENGINE_STORE_FAULT_H

#include "engine/store/store.h"

/*
 * A wrapper that fails on purpose, for tests.  Takes the inner store.  The plan
 * is a string: comma-separated "OP@N=WHAT": OP read, put, append, commit,
 * list, stat, remove or any; N counts calls of that OP from 1 ("N+" from the
 * Nth on); WHAT is eio, enospc, estale, kill (SIGKILL to ourselves), tear
 * (a put leaves a prefix under the final name, then fails: a store that
 * lies), flip (a read returns one flipped bit), short, lost (a put is done
 * but answers an error).  A test build honours VITRINE_TEST_FAULTS in
 * store_open().
 */
int store_fault_open(struct store **out, struct store *inner, const char *plan,
    struct err *);

#endif
