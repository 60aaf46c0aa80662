/*
 * AWS Signature Version 4: canonical request, string to sign, key of the day,
 * signature.
 */
#include "engine/store/s3_sign.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "engine/base/id.h"

#define ALGORITHM	"AWS4-HMAC-SHA256"

struct mac {
	uint8_t b[SHA256_BYTES];
};

static void
text(crypto_hash_sha256_state *h, const char *s)
{
	(void)crypto_hash_sha256_update(h, (const uint8_t *)s, strlen(s));
}

static struct mac
hmac(const void *key, size_t len, const char *a, const char *b)
{
	crypto_auth_hmacsha256_state h;
	struct mac m;

	(void)crypto_auth_hmacsha256_init(&h, key, len);
	(void)crypto_auth_hmacsha256_update(&h, (const uint8_t *)a,
	    strlen(a));
	(void)crypto_auth_hmacsha256_update(&h, (const uint8_t *)b,
	    strlen(b));
	(void)crypto_auth_hmacsha256_final(&h, m.b);
	sodium_memzero(&h, sizeof(h));
	return (m);
}

/* A value without what servers take off: spaces around, and all but one of
 * those that follow each other. */
static void
folded(crypto_hash_sha256_state *h, const char *s)
{
	const char *end = s + strlen(s);

	while (*s == ' ')
		s++;
	while (end > s && end[-1] == ' ')
		end--;
	for (const char *p = s; p < end; s = p) {
		while (p < end && (p[0] != ' ' || p[1] != ' '))
			p++;
		(void)crypto_hash_sha256_update(h, (const uint8_t *)s,
		    (size_t)(p - s));
		while (p < end && p[0] == ' ' && p[1] == ' ')
			p++;
	}
}

/* The canonical request's hash. */
static void
request_hash(const struct s3_signing *s, char hex[SHA256_TEXT])
{
	uint8_t sum[SHA256_BYTES];
	crypto_hash_sha256_state h;

	(void)crypto_hash_sha256_init(&h);
	text(&h, s->method);
	text(&h, "\n");
	text(&h, s->path);
	text(&h, "\n");
	text(&h, s->query);
	text(&h, "\n");
	for (size_t i = 0; i < s->nheaders; i++) {
		text(&h, s->headers[i].name);
		text(&h, ":");
		folded(&h, s->headers[i].value);
		text(&h, "\n");
	}
	text(&h, "\n");
	for (size_t i = 0; i < s->nheaders; i++) {
		text(&h, i == 0 ? "" : ";");
		text(&h, s->headers[i].name);
	}
	text(&h, "\n");
	text(&h, s->payload);
	(void)crypto_hash_sha256_final(&h, sum);
	hex_emit(hex, sum, sizeof(sum));
}

static struct mac
day_key(const struct s3_signing *s, const char *day)
{
	uint8_t key[4 + 256];
	size_t len = strlen(s->secret_key);
	struct mac m;

	if (len > sizeof(key) - 4)
		len = sizeof(key) - 4;
	memcpy(key, "AWS4", 4);
	memcpy(key + 4, s->secret_key, len);
	m = hmac(key, 4 + len, day, "");
	sodium_memzero(key, sizeof(key));
	m = hmac(m.b, sizeof(m.b), s->region, "");
	m = hmac(m.b, sizeof(m.b), s->service, "");
	return (hmac(m.b, sizeof(m.b), "aws4_request", ""));
}

static void
add(struct buf *b, const char *s)
{
	buf_bytes(b, s, strlen(s));
}

void
s3_sign(struct buf *out, const struct s3_signing *s)
{
	char day[9] = "", hex[SHA256_TEXT], scope[256], first[384];
	struct mac key, m;

	memcpy(day, s->date, 8);
	(void)snprintf(scope, sizeof(scope), "%s/%s/%s/aws4_request", day,
	    s->region, s->service);
	(void)snprintf(first, sizeof(first), "%s\n%s\n%s\n", ALGORITHM,
	    s->date, scope);
	request_hash(s, hex);
	key = day_key(s, day);
	m = hmac(key.b, sizeof(key.b), first, hex);
	sodium_memzero(&key, sizeof(key));
	add(out, ALGORITHM " Credential=");
	add(out, s->access_key);
	add(out, "/");
	add(out, scope);
	add(out, ",SignedHeaders=");
	for (size_t i = 0; i < s->nheaders; i++) {
		add(out, i == 0 ? "" : ";");
		add(out, s->headers[i].name);
	}
	add(out, ",Signature=");
	add(out, hex_emit(hex, m.b, sizeof(m.b)));
}

void
s3_date(char dst[S3_DATE_BYTES], int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(dst, S3_DATE_BYTES, "%Y%m%dT%H%M%SZ", &tm) == 0)
		memcpy(dst, "19700101T000000Z", S3_DATE_BYTES);
}
