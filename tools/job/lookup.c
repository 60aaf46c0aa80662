/*
 * A path that a person typed, looked up so that a slip explains itself.
 */
#include "tools/job/lookup.h"

#include <string.h>

#define NAMES_SHOWN	8

struct names {
	struct buf list;
	unsigned n;
};

static int
add_name(void *ctx, const char *name, size_t len, const struct entry *entry,
    struct err *e)
{
	struct names *names = ctx;

	if (names->n++ == NAMES_SHOWN) {
		buf_bytes(&names->list, ", ...", 5);
		return (CATALOG_STOP);
	}
	if (names->n > 1)
		buf_bytes(&names->list, ", ", 2);
	buf_bytes(&names->list, name, len);
	return (0);
}

static int
not_found(struct catalog *catalog, const char *path, size_t known,
    struct err *e)
{
	struct names names = { .list = BUF_INIT };
	struct entry entry;
	const char *at = known > 0 ? path : "/";
	int shown = known > 0 ? (int)known : 1, r;

	r = catalog_resolve(catalog, path, known, &entry, NULL, e);
	if (r < 0)
		return (-1);
	if (r > 0)
		return (err_set(e, ERR_ABSENT, "there is no %s", path));
	if (entry.kind != ENTRY_DIR)
		return (err_set(e, ERR_ABSENT, "there is no %s: %.*s is no "
		    "directory", path, shown, at));
	if (catalog_readdir(catalog, entry.ino, NULL, 0, add_name, &names,
	    e) < 0) {
		buf_fini(&names.list);
		return (-1);
	}
	buf_u8(&names.list, '\0');
	if (names.list.failed || names.n == 0)
		(void)err_set(e, ERR_ABSENT, "there is no %s: %.*s is empty",
		    path, shown, at);
	else
		(void)err_set(e, ERR_ABSENT, "there is no %s; %.*s has %s",
		    path, shown, at, (const char *)names.list.data);
	buf_fini(&names.list);
	return (-1);
}

int
lookup_path(struct catalog *catalog, const char *path, struct entry *entry,
    struct err *e)
{
	size_t known = 0;
	int r;

	r = catalog_resolve(catalog, path, strlen(path), entry, &known, e);
	if (r == CATALOG_ABSENT)
		return (not_found(catalog, path, known, e));
	return (r < 0 ? -1 : 0);
}

void
lookup_clean(struct buf *b, const char *path, size_t len)
{
	size_t n;

	buf_reset(b);
	for (size_t i = 0; i < len; i += n) {
		n = 1;
		if (path[i] == '/')
			continue;
		while (i + n < len && path[i + n] != '/')
			n++;
		buf_u8(b, '/');
		buf_bytes(b, path + i, n);
	}
}
