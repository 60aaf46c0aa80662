/* Sets of extended attributes: what is accepted is emitted again as the same
 * bytes. */
#include "index/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MAX	64

struct set {
	struct xattr v[MAX];
	char names[MAX][CATALOG_XATTR_NAME_MAX + 1];
	size_t n;
};

static int
keep(void *ctx, const char *name, const void *value, size_t len, struct err *e)
{
	struct set *s = ctx;

	if (s->n == MAX)
		return (CATALOG_STOP);
	memcpy(s->names[s->n], name, strlen(name) + 1);
	s->v[s->n] = (struct xattr){ s->names[s->n], value, len };
	s->n++;
	return (0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct set s;
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	s.n = 0;
	if (xset_parse(data, len, keep, &s, &e) == 0) {
		BUG_ON(xset_emit(&b, s.v, s.n, &e) != 0);
		BUG_ON(b.len != len || memcmp(b.data, data, len) != 0);
	}
	buf_fini(&b);
	return (0);
}
