/*
 * Headers and attributes of objects.
 */
#include "tools/job/bucket_meta.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX		"user.s3."
#define USER_HEADER	"x-amz-meta-"
#define USER_ATTRIBUTE	PREFIX "meta."
#define ATTRIBUTES_MAX	256

/* back: it is sent again when the object is put. */
static const struct {
	const char *header, *attribute;
	bool back;
} known[] = {
	{ "etag", BUCKET_ETAG, false },
	{ "x-amz-version-id", PREFIX "version-id", false },
	{ "x-amz-storage-class", PREFIX "storage-class", false },
	{ "content-type", PREFIX "content-type", true },
	{ "cache-control", PREFIX "cache-control", true },
	{ "content-disposition", PREFIX "content-disposition", true },
	{ "content-encoding", PREFIX "content-encoding", true },
	{ "content-language", PREFIX "content-language", true },
	{ "expires", PREFIX "expires", true },
	{ "x-amz-website-redirect-location", PREFIX "redirect-location", true }
};
#define KNOWN	(sizeof(known) / sizeof(known[0]))

struct mark {
	size_t name, value, len;
};
struct reading {
	struct buf text;		/* names with a NUL, values */
	struct mark v[ATTRIBUTES_MAX];
	size_t n;
	int error;
};

/* Of one that comes twice the first counts. */
static bool
has(const struct reading *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp((const char *)r->text.data + r->v[i].name, name) ==
		    0)
			return (true);
	return (false);
}

static void
add(struct reading *r, const char *name, const char *value, size_t len)
{
	struct mark *m;

	if (has(r, name))
		return;
	if (r->n == ATTRIBUTES_MAX || strlen(name) > CATALOG_XATTR_NAME_MAX) {
		r->error = E2BIG;
		return;
	}
	m = &r->v[r->n++];
	m->name = r->text.len;
	buf_bytes(&r->text, name, strlen(name) + 1);
	m->value = r->text.len;
	m->len = len;
	buf_bytes(&r->text, value, len);
	if (r->text.failed)
		r->error = ENOMEM;
}

static void
take(struct reading *r, const char *name, size_t len, const char *value,
    size_t value_len)
{
	char attribute[CATALOG_XATTR_NAME_MAX + 2];
	size_t n = strlen(USER_HEADER);

	for (size_t i = 0; i < KNOWN; i++) {
		if (strlen(known[i].header) != len ||
		    strncasecmp(known[i].header, name, len) != 0)
			continue;
		if (i == 0 && value_len >= 2 && value[0] == '"' &&
		    value[value_len - 1] == '"') {
			value++;
			value_len -= 2;
		}
		if (strcmp(known[i].header, "x-amz-storage-class") != 0 ||
		    value_len != 8 || memcmp(value, "STANDARD", 8) != 0)
			add(r, known[i].attribute, value, value_len);
		return;
	}
	if (len <= n || strncasecmp(name, USER_HEADER, n) != 0)
		return;
	(void)snprintf(attribute, sizeof(attribute), USER_ATTRIBUTE "%.*s",
	    (int)(len - n), name + n);
	for (char *p = attribute; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	add(r, attribute, value, value_len);
}

static void
read_line(struct reading *r, const char *p, size_t len)
{
	const char *colon = memchr(p, ':', len), *value;
	size_t n;

	if (colon == NULL)
		return;
	value = colon + 1;
	n = len - (size_t)(value - p);
	while (n > 0 && isspace((unsigned char)*value)) {
		value++;
		n--;
	}
	while (n > 0 && isspace((unsigned char)value[n - 1]))
		n--;
	take(r, p, (size_t)(colon - p), value, n);
}

/* One piece of memory: structures, then names and values. */
static int
assemble(struct meta *m, const struct reading *r)
{
	uint8_t *text;

	if (r->n == 0)
		return (0);
	m->xattrs = malloc(r->n * sizeof(*m->xattrs) + r->text.len);
	if (m->xattrs == NULL)
		return (ENOMEM);
	text = (uint8_t *)(m->xattrs + r->n);
	memcpy(text, r->text.data, r->text.len);
	for (size_t i = 0; i < r->n; i++) {
		m->xattrs[i].name = (const char *)text + r->v[i].name;
		m->xattrs[i].value = text + r->v[i].value;
		m->xattrs[i].len = r->v[i].len;
	}
	m->nxattrs = r->n;
	return (0);
}

void
bucket_meta_read(struct meta *m, const struct buf *head)
{
	const char *p = (const char *)head->data, *nl;
	const char *end = p + head->len;
	struct reading r = { .n = 0 };

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		read_line(&r, p, (size_t)(nl - p));
		if (nl == end)
			break;
	}
	if (!has(&r, BUCKET_ETAG))
		add(&r, BUCKET_ETAG, "", 0);
	if (r.error == 0)
		r.error = assemble(m, &r);
	if (r.error != 0)
		m->error = r.error;
	buf_fini(&r.text);
}

/* What may stand in a header's name. */
static bool
is_token(const char *p)
{
	if (*p == '\0')
		return (false);
	for (; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) &&
		    strchr("!#$%&'*+-.^_`|~", *p) == NULL)
			return (false);
	return (true);
}

bool
bucket_meta_header(const char *attribute, char *name, size_t size)
{
	size_t n = strlen(USER_ATTRIBUTE);

	for (size_t i = 0; i < KNOWN; i++)
		if (known[i].back &&
		    strcmp(known[i].attribute, attribute) == 0) {
			(void)snprintf(name, size, "%s", known[i].header);
			return (true);
		}
	if (strncmp(attribute, USER_ATTRIBUTE, n) != 0 ||
	    !is_token(attribute + n))
		return (false);
	return ((size_t)snprintf(name, size, USER_HEADER "%s",
	    attribute + n) < size);
}
