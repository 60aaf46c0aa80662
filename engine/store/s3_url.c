/*
 * Locations, endpoints, addresses of objects.
 */
#include "engine/store/s3_url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define LOCATION	"s3:"

bool
s3_is_location(const char *text)
{
	return (strncmp(text, LOCATION, strlen(LOCATION)) == 0);
}

bool
s3_needs_endpoint(const char *text)
{
	return (strncmp(text, "s3://", 5) == 0);
}

static int
refuse(const char *location, const char *what, struct err *e)
{
	return (err_set(e, ERR_USAGE, "%s: %s; give "
	    "s3:https://HOST[:PORT]/BUCKET[/PREFIX] or s3://BUCKET[/PREFIX]",
	    location, what));
}

/* "https://" or "http://" in front; what follows, or NULL. */
static const char *
parse_scheme(struct s3_url *u, const char *text)
{
	u->tls = strncmp(text, "https://", 8) == 0;
	if (u->tls)
		return (text + 8);
	return (strncmp(text, "http://", 7) == 0 ? text + 7 : NULL);
}

/* Letters, digits and what ports and addresses of either kind have in them. */
static bool
host_ok(const char *p, size_t len)
{
	if (len == 0 || len >= S3_HOST_MAX)
		return (false);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)p[i]) &&
		    strchr("-._:[]", p[i]) == NULL)
			return (false);
	return (true);
}

static bool
bucket_ok(const char *p, size_t len)
{
	if (len < 3 || len >= S3_BUCKET_MAX)
		return (false);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)p[i]) &&
		    strchr("-._", p[i]) == NULL)
			return (false);
	return (true);
}

/* "bucket/prefix". */
static int
parse_path(struct s3_url *u, const char *location, const char *p,
    struct err *e)
{
	size_t len = strcspn(p, "/");

	if (len == 0)
		return (refuse(location, "no bucket is named", e));
	if (!bucket_ok(p, len))
		return (refuse(location, "a bucket's name has 3 to 63 letters, "
		    "digits, dots and dashes", e));
	memcpy(u->bucket, p, len);
	u->bucket[len] = '\0';
	p += len;
	while (*p == '/')
		p++;
	len = strlen(p);
	while (len > 0 && p[len - 1] == '/')
		len--;
	if (len == 0)
		return (0);
	/* Room for the names of objects behind it. */
	if (len > S3_KEY_MAX - 256)
		return (refuse(location, "the prefix is too long", e));
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] < ' ' || p[i] == 127)
			return (refuse(location, "control characters in the "
			    "prefix", e));
	memcpy(u->prefix, p, len);
	u->prefix[len] = '/';
	u->prefix[len + 1] = '\0';
	return (0);
}

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return (n >= m && strcmp(s + n - m, end) == 0);
}

/* May the bucket be a part of the host's name?  A dot in it would fall outside
 * the certificate. */
static bool
fits_host(const struct s3_url *u)
{
	for (const char *p = u->bucket; *p != '\0'; p++)
		if (isupper((unsigned char)*p) || *p == '_' ||
		    (*p == '.' && u->tls))
			return (false);
	return (true);
}

/* A host that is an address has no names below it. */
static bool
is_address(const char *host)
{
	char bare[S3_HOST_MAX];
	struct in_addr in;
	size_t n = strcspn(host, ":");

	memcpy(bare, host, n);
	bare[n] = '\0';
	return (*host == '[' || inet_pton(AF_INET, bare, &in) == 1);
}

static int
address(struct s3_url *u, const char *location, enum s3_style style,
    struct err *e)
{
	char host[S3_HOST_MAX];
	int n;

	if (style == S3_STYLE_AUTO)
		style = (ends_with(u->host, ".amazonaws.com") ||
		    ends_with(u->host, ".amazonaws.com.cn")) &&
		    fits_host(u) ? S3_STYLE_HOST : S3_STYLE_PATH;
	if (style == S3_STYLE_PATH) {
		(void)snprintf(u->base, sizeof(u->base), "/%s", u->bucket);
		return (0);
	}
	if (is_address(u->host))
		return (err_set(e, ERR_USAGE, "%s: style host puts the bucket "
		    "before the host's name, and %s is an address: path does "
		    "without", location, u->host));
	n = snprintf(host, sizeof(host), "%s.%s", u->bucket, u->host);
	if (n < 0 || (size_t)n >= sizeof(host))
		return (refuse(location, "the host's name is too long", e));
	memcpy(u->host, host, sizeof(host));
	return (0);
}

int
s3_url_parse(struct s3_url *u, const char *location, const char *endpoint,
    enum s3_style style, struct err *e)
{
	const char *p, *slash;
	size_t len;

	memset(u, 0, sizeof(*u));
	if (!s3_is_location(location))
		return (refuse(location, "no location of S3", e));
	if (s3_needs_endpoint(location)) {
		p = parse_scheme(u, endpoint);
		if (p == NULL)
			return (err_set(e, ERR_USAGE, "the endpoint \"%s\" "
			    "begins with neither https:// nor http://",
			    endpoint));
		len = strcspn(p, "/");
		if (!host_ok(p, len) || (p[len] == '/' && p[len + 1] != '\0'))
			return (err_set(e, ERR_USAGE, "the endpoint \"%s\" is "
			    "not https://HOST[:PORT]", endpoint));
		slash = location + strlen("s3:/");
	} else {
		p = parse_scheme(u, location + strlen(LOCATION));
		if (p == NULL)
			return (refuse(location, "no https:// or http://", e));
		len = strcspn(p, "/");
		if (memchr(p, '@', len) != NULL)
			return (err_set(e, ERR_USAGE, "credentials don't "
			    "belong into a location: set AWS_ACCESS_KEY_ID and "
			    "AWS_SECRET_ACCESS_KEY"));
		if (!host_ok(p, len))
			return (refuse(location, "no host is named", e));
		slash = p + len;
	}
	for (size_t i = 0; i < len; i++)
		u->host[i] = (char)tolower((unsigned char)p[i]);
	/* Neither signatures nor Host headers have a scheme's own port. */
	if (ends_with(u->host, u->tls ? ":443" : ":80"))
		*strrchr(u->host, ':') = '\0';
	if (parse_path(u, location, *slash == '/' ? slash + 1 : slash, e) != 0)
		return (-1);
	return (address(u, location, style, e));
}

const char *
s3_url_within(const struct s3_url *u, const struct s3_url *top)
{
	size_t len = strlen(top->prefix);

	if (strcmp(u->host, top->host) != 0 ||
	    strcmp(u->bucket, top->bucket) != 0 ||
	    strncmp(u->prefix, top->prefix, len) != 0)
		return (NULL);
	return (u->prefix + len);
}

bool
s3_host_region(const char *host, char region[S3_REGION_MAX])
{
	static const char *const hosts[] = {
		".amazonaws.com", ".amazonaws.com.cn", ".backblazeb2.com",
		".wasabisys.com", ".scw.cloud", ".digitaloceanspaces.com"
	};
	char name[S3_HOST_MAX], *p;
	size_t len;

	(void)snprintf(name, sizeof(name), "%s", host);
	if (ends_with(name, ".r2.cloudflarestorage.com")) {
		memcpy(region, "auto", 5);
		return (true);
	}
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (!ends_with(name, hosts[i]))
			continue;
		name[strlen(name) - strlen(hosts[i])] = '\0';
		/* "s3.REGION", "s3.dualstack.REGION", "REGION" */
		if ((p = strrchr(name, '.')) == NULL)
			p = name;
		else
			p++;
		len = strlen(p);
		if (len == 0 || len >= S3_REGION_MAX || strcmp(p, "s3") == 0)
			return (false);
		memcpy(region, p, len + 1);
		return (true);
	}
	return (false);
}

void
s3_encode(struct buf *b, const void *src, size_t len, bool keep_slash)
{
	static const char digit[] = "0123456789ABCDEF";
	const unsigned char *p = src;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = p[i];

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		    c == '_' || c == '~' || (c == '/' && keep_slash)) {
			buf_u8(b, c);
		} else {
			buf_u8(b, '%');
			buf_u8(b, (uint8_t)digit[c >> 4]);
			buf_u8(b, (uint8_t)digit[c & 15]);
		}
	}
}

static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	return (c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1);
}

int
s3_decode(char *text, size_t *len)
{
	size_t out = 0;

	for (size_t i = 0; i < *len; i++) {
		char c = text[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int hi, lo;

			if (*len - i < 3)
				return (-1);
			hi = digit_of(text[i + 1]);
			lo = digit_of(text[i + 2]);
			if (hi < 0 || lo < 0)
				return (-1);
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		text[out++] = c;
	}
	text[out] = '\0';
	*len = out;
	return (0);
}
