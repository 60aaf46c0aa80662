/* The cached list of manifests, behind its front. */
#include "engine/repo/listed.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What a record says is what its writer would write. */
static void
again(struct listed *l, const struct rd *record, const struct snapshot *s,
    struct listed_said *said)
{
	const struct listed_common *c = NULL;
	struct head_seen heads[MANIFEST_HEADS_MAX];
	struct manifest m = { .heads = heads, .nheads = said->nheads,
	    .files = s->files, .dirs = s->dirs, .others = s->others,
	    .bytes = s->bytes, .unread = s->unread,
	    .bytes_new = s->bytes_new, .bytes_added = s->bytes_added };

	for (size_t i = 0; i < l->ncommons && c == NULL; i++)
		if (l->commons[i].header_digest == said->header_digest)
			c = &l->commons[i];
	BUG_ON(c == NULL);
	memcpy(m.header_digest, said->header_digest, HASH_BYTES);
	for (uint32_t i = 0; i < said->nheads; i++)
		listed_head(said, &heads[i]);
	BUG_ON(!rd_end(&said->heads));
	buf_reset(&l->fresh);
	listed_add(l, s, c->text, &m);
	/* Its common may stand there twice: the number may differ. */
	BUG_ON(l->fresh.failed || l->fresh.len != rd_left(record) + 4 ||
	    memcmp(l->fresh.data + 4, record->p, ID_BYTES) != 0 ||
	    memcmp(l->fresh.data + 8 + ID_BYTES, record->p + ID_BYTES + 4,
	    rd_left(record) - ID_BYTES - 4) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct snapshots list = { 0 };
	struct listed l = { .list = &list };
	struct err e = ERR_INIT;
	struct listed_said said;
	struct snapshot s;
	struct rd record;

	if (listed_parse(&l, data, len, &e) == 0)
		for (; listed_here(&l.at, &record); l.at.p = record.end)
			if (listed_record(&l, &record, &s, &said))
				again(&l, &record, &s, &said);
	listed_fini(&l);
	snapshots_fini(&list);
	return (0);
}
