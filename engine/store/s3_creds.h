#ifndef VITRINE_ENGINE_STORE_S3_CREDS_H
#define VITRINE_ENGINE_STORE_S3_CREDS_H

#include "engine/store/http.h"
#include "engine/store/s3_profile.h"

/*
 * The keys that requests are signed with, renewed before they end where they
 * come from a role.  Thread-safe.
 */
struct s3_creds;

/* Takes the keys (also when it fails), borrows http.  Without keys the role of
 * the container or the instance is asked, when they are first needed. */
int s3_creds_new(struct s3_creds **out, struct http *, struct s3_keys *,
    bool anonymous, const struct s3_profile *, struct err *);
void s3_creds_free(struct s3_creds *);

/*
 * The keys, the newest that there are, locked until s3_creds_release(), which
 * the caller owes soon, without a request between.  0; > 0: requests go
 * unsigned (nothing is locked).
 */
int s3_creds_hold(struct s3_creds *, const struct s3_keys **, struct err *);
void s3_creds_release(struct s3_creds *);
/* The server says that this access key's token has ended: get others.  0 when
 * they were got, though they may be the same; > 0 when these are all there are;
 * < 0 when who gives them doesn't at this time. */
int s3_creds_renew(struct s3_creds *, const char *access, struct err *);

#endif
