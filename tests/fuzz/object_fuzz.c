/* Contents of small objects: the first byte says which.  What parses is emitted
 * again to the same bytes (forwards: to as many, since they are sorted). */
#include "engine/repo/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
compare(struct buf *b, const uint8_t *data, size_t len, bool sorted)
{
	BUG_ON(b->failed || b->len != len);
	BUG_ON(!sorted && len > 0 && memcmp(b->data, data, len) != 0);
	buf_fini(b);
}

static void
try_forwards(const uint8_t *data, size_t len, struct err *e)
{
	const struct pack_info *pack;
	struct buf b = BUF_INIT;
	struct frame_info to;
	struct forwards f;
	uint32_t slot;

	if (forwards_parse(&f, data, len, e) != 0)
		return;
	BUG_ON(forwards_emit(&b, &f, e) != 0);
	compare(&b, data, len, true);
	for (uint32_t i = 0; i < f.n; i++)
		for (uint32_t k = 0; k < f.v[i].nmoves; k++)
			BUG_ON(!forwards_find(&f, &f.v[i].old,
			    f.v[i].moves[k].frame, f.v[i].moves[k].slot, &pack,
			    &to, &slot));
	forwards_fini(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct lease l;
	struct condemned c;
	struct damaged d;
	struct forgotten f;
	struct tag_set t;

	if (len == 0)
		return (0);
	len--;
	switch (*data++ % 6) {
	case 0:
		if (lease_parse(&l, data, len, &e) == 0) {
			BUG_ON(lease_emit(&b, &l, &e) != 0);
			compare(&b, data, len, false);
			lease_fini(&l);
		}
		break;
	case 1:
		if (condemned_parse(&c, data, len, &e) == 0) {
			BUG_ON(condemned_emit(&b, &c, &e) != 0);
			compare(&b, data, len, false);
			condemned_fini(&c);
		}
		break;
	case 2:
		if (damaged_parse(&d, data, len, &e) == 0) {
			BUG_ON(damaged_emit(&b, &d, &e) != 0);
			compare(&b, data, len, false);
			damaged_fini(&d);
		}
		break;
	case 3:
		try_forwards(data, len, &e);
		break;
	case 4:
		if (forgotten_parse(&f, data, len, &e) == 0) {
			BUG_ON(forgotten_emit(&b, &f, &e) != 0);
			compare(&b, data, len, false);
			forgotten_fini(&f);
		}
		break;
	default:
		if (tag_set_parse(&t, data, len, &e) == 0) {
			BUG_ON(tag_set_emit(&b, &t, &e) != 0);
			compare(&b, data, len, false);
			tag_set_fini(&t);
		}
		break;
	}
	return (0);
}
