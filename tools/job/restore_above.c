/*
 * Directories above what was backed up ("implied").  Nobody asked for them, but
 * what they kept from others' eyes they go on keeping: those that a restore
 * makes get the owner, mode and time that they had; those that were there are
 * left alone.
 */
#include <string.h>
#include <unistd.h>

#include "tools/job/lookup.h"
#include "tools/job/restore_impl.h"

#define ABOVE_MAX	(1U << 16)

void
above_made(struct restore *rs, const struct entry *en, const char *path)
{
	if ((en->flags & ENTRY_IMPLIED) == 0)
		return;
	rs->above.max = ABOVE_MAX;
	if (!inoset_add(&rs->above, en->ino))
		restore_failed(rs, path, "its owner, mode and time: too many "
		    "directories above what was backed up");
}

int
above_made_at(struct restore *rs, const char *path, size_t len, struct err *e)
{
	struct buf whole = BUF_INIT;
	struct entry en;
	int r;

	buf_bytes(&whole, rs->prefix, strlen(rs->prefix));
	buf_u8(&whole, '/');
	buf_bytes(&whole, path, len);
	buf_u8(&whole, '\0');
	r = buf_ok(&whole, e);
	if (r == 0)
		r = catalog_resolve(rs->catalog, (char *)whole.data,
		    whole.len - 1, &en, NULL, e);
	if (r == 0)
		above_made(rs, &en, (char *)whole.data);
	buf_fini(&whole);
	return (r < 0 ? -1 : 0);
}

bool
above_wants(const struct restore *rs, struct entry *en)
{
	if (!inoset_has(&rs->above, en->ino))
		return (false);
	/* That they are another's is no loss worth a word to a normal user. */
	if (!rs->privileged) {
		en->uid = geteuid();
		en->gid = getegid();
		en->xattrs = 0;
	}
	return (true);
}
