/*
 * The header object: which repository this is, how it cuts, what a program must
 * know to read, write or collect in it.
 */
#include "engine/repo/header.h"

#include <string.h>

#define MAC_AT		128

int
header_emit(struct buf *b, const struct repo_header *h,
    const struct keyring *ring, struct err *e)
{
	struct head head = { .kind = OBJECT_HEADER, .repo = h->id };
	uint8_t key[KEY_BYTES], mac[HASH_BYTES];
	size_t at = b->len;

	head_emit(b, &head);
	buf_u32(b, h->revision);
	buf_u32(b, 0);
	buf_u64(b, h->need_read);
	buf_u64(b, h->need_write);
	buf_u64(b, h->need_collect);
	buf_u32(b, h->cutter.min_bytes);
	buf_u32(b, h->cutter.avg_bytes);
	buf_u32(b, h->cutter.max_bytes);
	buf_u32(b, 0);
	buf_bytes(b, h->public_key, sizeof(h->public_key));
	stamp_emit(b, &h->created);
	buf_u32(b, 0);
	if (buf_ok(b, e) != 0 || keyring_subkey(ring, "header", key, e) != 0)
		return (-1);
	derive(mac, key, "header", b->data + at, MAC_AT);
	sodium_memzero(key, sizeof(key));
	buf_bytes(b, mac, sizeof(mac));
	return (buf_ok(b, e));
}

int
header_parse(struct repo_header *out, const void *bytes, size_t len,
    struct err *e)
{
	const enum object_kind kind = OBJECT_HEADER;
	struct repo_header h;
	struct head head;
	struct rd r;

	memset(&h, 0, sizeof(h));
	rd_init(&r, bytes, len);
	if (head_parse(&head, &r, &kind, NULL, e) != 0)
		return (-1);
	h.id = head.repo;
	h.revision = rd_u32(&r);
	rd_zeros(&r, 4);
	h.need_read = rd_u64(&r);
	h.need_write = rd_u64(&r);
	h.need_collect = rd_u64(&r);
	h.cutter.min_bytes = rd_u32(&r);
	h.cutter.avg_bytes = rd_u32(&r);
	h.cutter.max_bytes = rd_u32(&r);
	rd_zeros(&r, 4);
	rd_bytes(&r, h.public_key, sizeof(h.public_key));
	stamp_parse(&h.created, &r);
	rd_zeros(&r, 4);
	(void)rd_view(&r, HASH_BYTES);
	if (!rd_end(&r) || head.domain != 0 || head.writer != 0 ||
	    h.revision == 0 || !cutter_params_ok(&h.cutter))
		return (err_set(e, ERR_CORRUPT, "the repository's header is "
		    "damaged"));
	hash_bytes(h.digest, bytes, len);
	*out = h;
	return (0);
}

int
header_verify(const struct repo_header *h, const void *bytes, size_t len,
    const struct keyring *ring, struct err *e)
{
	uint8_t key[KEY_BYTES], mac[HASH_BYTES];
	const uint8_t *p = bytes;

	BUG_ON(len != HEADER_BYTES);
	if (memcmp(h->public_key, keyring_public_key(ring), 32) != 0)
		return (err_set(e, ERR_CORRUPT, "the repository's header holds "
		    "another public key than this key slot: it was tampered "
		    "with or is damaged"));
	if (keyring_role(ring) != ROLE_FULL)
		return (0);
	if (keyring_subkey(ring, "header", key, e) != 0)
		return (-1);
	derive(mac, key, "header", p, MAC_AT);
	sodium_memzero(key, sizeof(key));
	if (mac_compare(mac, p + MAC_AT) != 0)
		return (err_set(e, ERR_CORRUPT, "the repository's header does "
		    "not verify: it was tampered with or is damaged"));
	return (0);
}

int
header_features(uint64_t needed, const char *operation, struct err *e)
{
	uint64_t unknown = needed & ~FEATURES_KNOWN;

	if (unknown == 0)
		return (0);
	return (err_set(e, ERR_VERSION, "to %s this repository a program must "
	    "know its feature bit %d (of %#llx), which this one doesn't: "
	    "a newer vitrine is needed", operation, __builtin_ctzll(unknown),
	    (unsigned long long)unknown));
}
