/*
 * Listing directories.  getdents64 is read by hand: readdir would hold a buffer
 * a directory and can't be told when an error came.
 */
#include "tools/job/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/err.h"

#define LIST_BYTES	32768

void
names_fini(struct names *ns)
{
	free(ns->text);
	free(ns->v);
	memset(ns, 0, sizeof(*ns));
}

size_t
names_bytes(const struct names *ns)
{
	return (ns->cap + ns->vcap * sizeof(*ns->v));
}

static uint64_t
key_of(const char *name, size_t len)
{
	uint64_t key = 0;

	for (size_t i = 0; i < 8; i++)
		key = key << 8 | (i < len ? (unsigned char)name[i] : 0);
	return (key);
}

int
names_add(struct names *ns, const char *name, size_t len, uint8_t type)
{
	struct name_ref *r;

	if (ns->cap - ns->used < len + 1) {
		size_t cap = ns->cap < 256 ? 512 : ns->cap + ns->cap / 2;
		char *text;

		while (cap - ns->used < len + 1)
			cap *= 2;
		if (cap > UINT32_MAX)
			return (ENOMEM);
		text = realloc(ns->text, cap);
		if (text == NULL)
			return (ENOMEM);
		ns->text = text;
		ns->cap = cap;
	}
	if (ns->n == ns->vcap) {
		size_t cap = ns->vcap < 16 ? 32 : ns->vcap + ns->vcap / 2;
		struct name_ref *v = reallocarray(ns->v, cap, sizeof(*v));

		if (v == NULL)
			return (ENOMEM);
		ns->v = v;
		ns->vcap = cap;
	}
	r = &ns->v[ns->n++];
	r->key = key_of(name, len);
	r->off = (uint32_t)ns->used;
	r->len = (uint16_t)len;
	r->type = type;
	memcpy(ns->text + ns->used, name, len);
	ns->text[ns->used + len] = '\0';
	ns->used += len + 1;
	return (0);
}

static int
compare(const void *va, const void *vb, void *text)
{
	const struct name_ref *a = va, *b = vb;

	if (a->key != b->key)
		return (a->key < b->key ? -1 : 1);
	if (a->len <= 8 || b->len <= 8)
		return ((int)a->len - (int)b->len);
	return (strcmp((const char *)text + a->off + 8,
	    (const char *)text + b->off + 8));
}

void
names_sort(struct names *ns)
{
	size_t n = 1;

	if (ns->n < 2)
		return;
	qsort_r(ns->v, ns->n, sizeof(*ns->v), compare, ns->text);
	/* What is renamed while it is listed may be told twice. */
	for (size_t i = 1; i < ns->n; i++)
		if (compare(&ns->v[n - 1], &ns->v[i], ns->text) != 0)
			ns->v[n++] = ns->v[i];
	ns->n = n;
}

int
names_has(const struct names *ns, const char *name)
{
	size_t lo = 0, hi = ns->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(names_text(ns, mid), name);

		if (c == 0)
			return (1);
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (ns->more && lo == ns->n ? -1 : 0);
}

/* Keep the smaller half; the texts are moved together. */
static int
halve(struct names *ns)
{
	struct names half = { 0 };
	size_t keep;
	int error = 0;

	names_sort(ns);
	keep = ns->n < 2 ? ns->n : ns->n / 2;
	for (size_t i = 0; i < keep && error == 0; i++)
		error = names_add(&half, names_text(ns, i), ns->v[i].len,
		    ns->v[i].type);
	if (error != 0) {
		names_fini(&half);
		return (error);
	}
	BUG_ON(half.n == 0);	/* there was one at least */
	half.more = true;
	names_fini(ns);
	*ns = half;
	return (0);
}

struct listing {
	struct names *ns;
	const char *after;
	size_t max_bytes;
	bool limited;		/* larger names than `limit' are left out */
	char limit[256];
};

static int
take(struct listing *l, const struct dirent64 *d)
{
	struct names *ns = l->ns;
	const char *name = d->d_name;
	int error;

	if (name[0] == '.' && (name[1] == '\0' ||
	    (name[1] == '.' && name[2] == '\0')))
		return (0);
	if (l->after != NULL && strcmp(name, l->after) <= 0)
		return (0);
	if (l->limited && strcmp(name, l->limit) > 0)
		return (0);
	error = names_add(ns, name, strlen(name), d->d_type);
	if (error != 0 || ns->n < 2 ||
	    ns->used + ns->n * sizeof(*ns->v) <= l->max_bytes)
		return (error);
	error = halve(ns);
	if (error != 0)
		return (error);
	l->limited = true;
	(void)snprintf(l->limit, sizeof(l->limit), "%s",
	    names_text(ns, ns->n - 1));
	return (0);
}

int
names_list(struct names *ns, int fd, const char *after, size_t max_bytes)
{
	struct listing l = { .ns = ns, .after = after,
	    .max_bytes = max_bytes };
	union {
		struct dirent64 d;
		char bytes[LIST_BYTES];
	} *page;
	int error = 0;

	ns->n = ns->used = ns->at = 0;
	ns->more = false;
	page = malloc(sizeof(*page));
	if (page == NULL)
		return (ENOMEM);
	while (error == 0) {
		ssize_t got = getdents64(fd, page, sizeof(*page));

		if (got < 0)
			error = errno;
		if (got <= 0)
			break;
		for (ssize_t at = 0; at < got && error == 0;) {
			const struct dirent64 *d = (const void *)
			    (page->bytes + at);

			at += d->d_reclen;
			error = take(&l, d);
		}
	}
	free(page);
	names_sort(ns);
	return (error);
}
