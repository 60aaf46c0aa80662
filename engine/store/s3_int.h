#ifndef VITRINE_ENGINE_STORE_S3_INT_H
#define VITRINE_ENGINE_STORE_S3_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/store/s3_client.h"
#include "engine/store/s3_creds.h"

/*
 * What the files of the client share.  Nobody else includes this.
 *
 *	s3_client.c	opening, one signed request
 *	s3_retry.c	calls: requests until there is an answer
 *	s3_error.c	what an answer means, and what to do about it
 *	s3_list.c	listings
 */
struct s3 {
	struct http *http;		/* owned */
	struct s3_creds *creds;		/* owned */
	struct s3_url url;		/* immutable, as o */
	struct s3_options o;		/* strings: not ours */
	char region[S3_REGION_MAX];
	atomic_bool answered;		/* the server has answered once */
	atomic_bool lost;		/* ... and then a call was given up;
					 * until the next that is not */
	atomic_bool wants_md5;		/* of bodies, in the open as well */
};

/* Sign and send once.  *access gets the access key ("" for none). */
int s3_send(struct s3 *, struct s3_call *, char access[S3_ACCESS_MAX],
    struct err *);

/* s3_retry.c: how long this call may take in all. */
unsigned s3_total_s(const struct s3 *, const struct s3_call *);

/* s3_error.c: read the answer's error into the call; true when it is one,
 * whatever its status. */
bool s3_error_load(struct s3_call *);
/* Is it worth asking again? */
bool s3_is_passing(const struct s3_call *);

#endif
