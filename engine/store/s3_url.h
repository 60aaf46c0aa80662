#ifndef VITRINE_ENGINE_STORE_S3_URL_H
#define VITRINE_ENGINE_STORE_S3_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * Where a bucket is, and how its objects are addressed.  Pure: no I/O, no
 * environment.
 */
#define S3_HOST_MAX	256
#define S3_BUCKET_MAX	64
#define S3_REGION_MAX	64
#define S3_KEY_MAX	1024		/* bytes */

enum s3_style {
	S3_STYLE_AUTO,	/* HOST for Amazon's own endpoints, else PATH */
	S3_STYLE_PATH,	/* https://host/bucket/key */
	S3_STYLE_HOST	/* https://bucket.host/key */
};

struct s3_url {
	bool tls;
	char host[S3_HOST_MAX];		/* as in the Host header, with port */
	char base[S3_BUCKET_MAX + 1];	/* "/bucket" or "" */
	char bucket[S3_BUCKET_MAX];
	char prefix[S3_KEY_MAX + 1];	/* "" or with a final '/' */
};

/* Is this a location that is ours ("s3:...")? */
bool s3_is_location(const char *);
/* Does it name no endpoint of its own ("s3://...")? */
bool s3_needs_endpoint(const char *);

/*
 * "s3:https://HOST[:PORT]/BUCKET[/PREFIX]", "s3:http://...", or
 * "s3://BUCKET[/PREFIX]" with the endpoint given apart ("https://HOST[:PORT]").
 * The prefix is taken as it stands, byte for byte, without a final '/'.
 * ERR_USAGE says what is wrong.
 */
int s3_url_parse(struct s3_url *, const char *location, const char *endpoint,
    enum s3_style, struct err *);
/* What the prefix of one has behind the other's: "" if they are the same; NULL
 * if it doesn't lie in it. */
const char *s3_url_within(const struct s3_url *, const struct s3_url *top);
/* The region that the name of a well-known endpoint has in it; false: none. */
bool s3_host_region(const char *host, char region[S3_REGION_MAX]);

/* Percent-encoding as signatures want it: all but letters, digits and "-._~";
 * keep_slash leaves '/' as well. */
void s3_encode(struct buf *, const void *, size_t len, bool keep_slash);
/* The reverse in place, "+" being a space; 0, or -1 for what is none.  Text has
 * room for a NUL behind its len bytes. */
int s3_decode(char *text, size_t *len);

#endif
