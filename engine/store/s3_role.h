#ifndef VITRINE_ENGINE_STORE_S3_ROLE_H
#define VITRINE_ENGINE_STORE_S3_ROLE_H

#include "engine/store/http.h"
#include "engine/store/s3_profile.h"

/*
 * Keys from the role of a container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or
 * _FULL_URI) or of an instance (its metadata service, version 2; elsewhere by
 * AWS_EC2_METADATA_SERVICE_ENDPOINT, not asked with AWS_EC2_METADATA_DISABLED).
 * 0, or > 0 where there is no such service.
 */
int s3_role_load(struct http *, struct s3_keys *, struct err *);

/* The document that these services answer with: an object with AccessKeyId,
 * SecretAccessKey, Token and Expiration.  Pure. */
int s3_role_parse(struct s3_keys *, const char *json, size_t len,
    struct err *);

#endif
