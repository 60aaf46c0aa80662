#ifndef VITRINE_TOOLS_JOB_NAMES_H
#define VITRINE_TOOLS_JOB_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A directory's names, sorted by bytes, in little memory.  A directory with
 * more names than fit is listed in ranges: each listing keeps the smallest
 * names after a given one.  Confined.
 */
struct name_ref {
	uint64_t key;		/* the first eight bytes, big-endian */
	uint32_t off;		/* in text, NUL-terminated */
	uint16_t len;
	uint8_t type;		/* DT_x */
};
struct names {
	char *text;		/* owned */
	size_t used, cap;
	struct name_ref *v;	/* owned */
	size_t n, vcap;
	size_t at;		/* the reader's: how many are consumed */
	bool more;		/* names after the last one were left out */
};

void names_fini(struct names *);	/* frees; leaves it empty */
size_t names_bytes(const struct names *);
static inline const char *
names_text(const struct names *ns, size_t i)
{
	return (ns->text + ns->v[i].off);
}

/* Is the list consumed, and was nothing left out? */
static inline bool
names_at_end(const struct names *ns)
{
	return (ns->at == ns->n && !ns->more);
}

int names_add(struct names *, const char *name, size_t len, uint8_t type);
/* By bytes; what is there twice is left there once. */
void names_sort(struct names *);
/* Is this name in a sorted list?  0 or 1; -1 when it would be among those that
 * were left out. */
int names_has(const struct names *, const char *name);
/*
 * List a directory (not "." and "..") from where the descriptor stands, which
 * is to be its beginning: the names after `after' (NULL: all), at most about
 * max_bytes of memory, sorted.  0 or errno; what could be listed before an
 * error is there.
 */
int names_list(struct names *, int fd, const char *after, size_t max_bytes);

#endif
