/*
 * Plain objects: what every writer, also a put-only one, must be able to read
 * of the others.  The content is in the clear; the MAC lets those who hold the
 * writer's key tell a forgery.
 */
#include "engine/pack/object.h"

#define FRONT_BYTES	52	/* in front of the content */

int
plain_emit(struct buf *out, const struct keyring *ring, enum object_kind kind,
    const struct run_id *run, const struct buf *content, struct err *e)
{
	struct head head = { .kind = (uint8_t)kind, .repo = *keyring_repo(ring),
	    .domain = keyring_domain(ring), .writer = keyring_writer(ring) };
	uint8_t mac[HASH_BYTES];
	size_t start = out->len;

	if (content->len > PLAIN_MAX - FRONT_BYTES - HASH_BYTES)
		return (err_set(e, ERR_LIMIT, "it would be larger than %u MiB",
		    PLAIN_MAX >> 20));
	head_emit(out, &head);
	buf_bytes(out, run->b, RUN_BYTES);
	buf_u32(out, (uint32_t)content->len);
	buf_bytes(out, content->data, content->len);
	if (buf_ok(out, e) < 0 || keyring_mac(ring, head.writer, "plain",
	    out->data + start, out->len - start, mac, e) < 0)
		return (-1);
	buf_bytes(out, mac, sizeof(mac));
	return (buf_ok(out, e));
}

/* May this keyring check that writer's MAC? */
static bool
can_verify(const struct keyring *ring, uint32_t writer)
{
	return (keyring_role(ring) == ROLE_FULL ||
	    keyring_writer(ring) == writer);
}

int
plain_open(struct sealed *out, struct buf *content, bool *verified,
    const struct keyring *ring, enum object_kind kind, const void *object,
    size_t len, struct err *e)
{
	uint8_t mac[HASH_BYTES];
	struct sealed s;
	const uint8_t *p;
	bool checked;
	uint32_t n;
	struct rd r;

	rd_init(&r, object, len);
	if (head_parse(&s.head, &r, &kind, keyring_repo(ring), e) < 0)
		return (-1);
	rd_bytes(&r, s.run.b, RUN_BYTES);
	n = rd_u32(&r);
	p = rd_view(&r, n);
	rd_bytes(&r, mac, sizeof(mac));
	if (!rd_end(&r) || len > PLAIN_MAX)
		return (err_set(e, ERR_CORRUPT, "its head makes no sense"));
	checked = can_verify(ring, s.head.writer);
	if (checked && keyring_mac_check(ring, s.head.writer, "plain", object,
	    len - HASH_BYTES, mac, e) < 0)
		return (-1);
	buf_bytes(content, p, n);
	if (buf_ok(content, e) < 0)
		return (-1);
	*out = s;
	*verified = checked;
	return (0);
}
