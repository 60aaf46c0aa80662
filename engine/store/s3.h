#ifndef VITRINE_ENGINE_STORE_S3_H
#define VITRINE_ENGINE_STORE_S3_H

#include "engine/store/s3_client.h"
#include "engine/store/store.h"

/*
 * A store in a bucket (vitrine-s3(5)): an object is one object, its key the
 * prefix and the name.  Every put is one PUT, checked by the server and, where
 * the server can, create-only; a stream is spooled to an unnamed file until its
 * commit, so memory holds no pack whatever the number of connections.
 *
 * Where an object's name is taken by an object of another size, putting it is
 * ERR_CORRUPT, as in a directory.
 */
/* Where it is; NULL for a store that is no bucket. */
const struct s3_url *store_s3_url(const struct store *);
int store_s3_open(struct store **out, const char *location, bool create,
    const struct s3_options *, struct err *);

#endif
