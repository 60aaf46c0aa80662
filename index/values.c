/*
 * Rows as values: the rules of vitrine-catalog(5) that one row can break by
 * itself, for the reader through SQLite and for the one without.
 */
#include "index/values_int.h"

#include <string.h>

#include "index/catalog_impl.h"

uint64_t
val_u64(const struct bval *v, uint64_t max, bool *bad)
{
	if (v->type != BVAL_INT || v->i < 0 || (uint64_t)v->i > max) {
		*bad = true;
		return (0);
	}
	return ((uint64_t)v->i);
}

int64_t
val_i64(const struct bval *v, bool *bad)
{
	if (v->type != BVAL_INT)
		*bad = true;
	return (v->type == BVAL_INT ? v->i : 0);
}

const void *
val_blob(const struct bval *v, size_t max, size_t *len, bool *bad)
{
	*len = 0;
	if (v->type != BVAL_BLOB || v->len > max) {
		*bad = true;
		return (NULL);
	}
	*len = v->len;
	return (v->p);
}

bool
entry_values(struct entry *x, const struct bval *v)
{
	bool bad = false;

	memset(x, 0, sizeof(*x));
	x->ino = val_u64(&v[0], INT64_MAX, &bad);
	x->kind = (uint8_t)val_u64(&v[1], ENTRY_BLOCK, &bad);
	x->flags = (uint8_t)val_u64(&v[2], ENTRY_FLAGS, &bad);
	x->mode = (uint16_t)val_u64(&v[3], 07777, &bad);
	x->uid = (uint32_t)val_u64(&v[4], UINT32_MAX, &bad);
	x->gid = (uint32_t)val_u64(&v[5], UINT32_MAX, &bad);
	x->size = val_u64(&v[6], INT64_MAX, &bad);
	x->mtime.s = val_i64(&v[7], &bad);
	x->mtime.ns = (uint32_t)val_u64(&v[8], 999999999, &bad);
	x->ctime.s = val_i64(&v[9], &bad);
	x->ctime.ns = (uint32_t)val_u64(&v[10], 999999999, &bad);
	x->nlink = (uint32_t)val_u64(&v[11], UINT32_MAX, &bad);
	x->rdev_major = (uint32_t)val_u64(&v[12], UINT32_MAX, &bad);
	x->rdev_minor = (uint32_t)val_u64(&v[13], UINT32_MAX, &bad);
	x->parent = val_u64(&v[14], INT64_MAX, &bad);
	x->xattrs = val_u64(&v[15], INT64_MAX, &bad);
	x->src_dev = (uint64_t)val_i64(&v[16], &bad);
	x->src_ino = (uint64_t)val_i64(&v[17], &bad);
	if (bad || x->ino == 0 || x->kind == 0)
		return (false);
	if (x->size != 0 && x->kind != ENTRY_FILE)
		return (false);
	/* The root alone is a directory without parent. */
	return ((x->parent != 0) ==
	    (x->kind == ENTRY_DIR && x->ino != CATALOG_ROOT_INO));
}

static void
copy_exact(void *dst, size_t want, const struct bval *v, bool *bad)
{
	size_t len;
	const void *p = val_blob(v, want, &len, bad);

	if (len != want)
		*bad = true;
	if (!*bad)
		memcpy(dst, p, want);
}

bool
pack_values(struct pack_info *p, const struct bval *v, uint32_t domain)
{
	bool bad = false;

	memset(p, 0, sizeof(*p));
	p->kind = OBJECT_PACK_DATA;
	copy_exact(p->id.b, ID_BYTES, &v[0], &bad);
	p->size_bytes = val_u64(&v[1], PACK_MAX, &bad);
	p->domain = (uint32_t)val_u64(&v[2], UINT32_MAX, &bad);
	p->writer = (uint32_t)val_u64(&v[3], UINT32_MAX, &bad);
	copy_exact(p->run.b, RUN_BYTES, &v[4], &bad);
	copy_exact(p->salt, SALT_BYTES, &v[5], &bad);
	p->wrap.kind = (uint8_t)val_u64(&v[6], WRAP_SEALED, &bad);
	if (p->wrap.kind == WRAP_SEALED)
		copy_exact(p->wrap.bytes, WRAP_BYTES, &v[7], &bad);
	else if (p->wrap.kind != WRAP_DERIVED || v[7].type != BVAL_NULL)
		bad = true;
	return (!bad && p->domain == domain);
}

bool
frame_values(struct frame_info *f, const struct bval *v,
    const struct pack_info *p)
{
	bool bad = false;

	f->no = (uint32_t)val_u64(&v[0], PACK_FRAMES_MAX - 1, &bad);
	f->off = (uint32_t)val_u64(&v[1], PACK_MAX, &bad);
	f->stored = (uint32_t)val_u64(&v[2], PACK_MAX, &bad);
	f->raw = (uint32_t)val_u64(&v[3], FRAME_RAW_MAX, &bad);
	return (!bad && f->off >= PACK_HEADER_BYTES &&
	    f->stored > FRAME_PREFIX &&
	    (uint64_t)f->off + f->stored <= p->size_bytes);
}
