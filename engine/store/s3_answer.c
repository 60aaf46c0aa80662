/*
 * What the headers of an answer say.
 */
#include <curl/curl.h>
#include <string.h>
#include <time.h>

#include "engine/store/s3_client.h"

static bool
digits(const char **p, uint64_t *out)
{
	uint64_t v = 0;
	int n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++, n++) {
		if (n == 18)
			return (false);
		v = v * 10 + (uint64_t)(**p - '0');
	}
	*out = v;
	return (n > 0);
}

bool
s3_content_range(const struct s3_call *c, uint64_t *first, uint64_t *last,
    uint64_t *total)
{
	char value[96];
	const char *p = value;

	if (!http_header(&c->rq, "content-range", value, sizeof(value)) ||
	    strncmp(p, "bytes ", 6) != 0)
		return (false);
	p += 6;
	return (digits(&p, first) && *p++ == '-' && digits(&p, last) &&
	    *p++ == '/' && digits(&p, total) && *p == '\0');
}

bool
s3_content_length(const struct s3_call *c, uint64_t *len)
{
	char value[64];
	const char *p = value;

	return (http_header(&c->rq, "content-length", value, sizeof(value)) &&
	    digits(&p, len) && *p == '\0');
}

int64_t
s3_last_modified(const struct s3_call *c)
{
	char value[64];
	time_t t;

	if (!http_header(&c->rq, "last-modified", value, sizeof(value)))
		return (0);
	t = curl_getdate(value, NULL);
	return (t == (time_t)-1 ? 0 : (int64_t)t);
}

void
s3_etag(const struct s3_call *c, char dst[S3_TEXT_MAX])
{
	size_t len;

	dst[0] = '\0';
	if (!http_header(&c->rq, "etag", dst, S3_TEXT_MAX))
		return;
	len = strlen(dst);
	if (len >= 2 && dst[0] == '"' && dst[len - 1] == '"') {
		memmove(dst, dst + 1, len - 2);
		dst[len - 2] = '\0';
	}
}
