/*
 * Owner, mode, xattrs (ACLs and capabilities among them) and times.
 *
 * The order: attributes that need write permission while the object is ours
 * (user.*), then the owner, then the mode (a change of owner clears set-id
 * bits), then attributes that either of these would clear or change
 * (capabilities, ACLs), and times last.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tools/job/restore_impl.h"

#define ACL_ACCESS	"system.posix_acl_access"
#define ACL_DEFAULT	"system.posix_acl_default"

/* No descriptor can be had of a link or device: through the directory's, and
 * never through a link. */
#define BY_NAME_BYTES	(64 + CATALOG_NAME_MAX)
static const char *
by_name(char dst[BY_NAME_BYTES], const struct meta_at *at)
{
	(void)snprintf(dst, BY_NAME_BYTES, "/proc/self/fd/%d/%s", at->dir,
	    at->name);
	return (dst);
}

bool
acl_handed_down(int dir)
{
	return (fgetxattr(dir, ACL_DEFAULT, NULL, 0) > 0);
}

int
acl_drop(const struct meta_at *at)
{
	static const char *const names[] = { ACL_ACCESS, ACL_DEFAULT };
	char path[BY_NAME_BYTES];

	for (size_t i = 0; i < 2; i++) {
		int r = at->fd >= 0 ? fremovexattr(at->fd, names[i]) :
		    lremovexattr(by_name(path, at), names[i]);

		/* EACCES: only directories have a default. */
		if (r < 0 && errno != ENODATA && errno != ENOTSUP &&
		    !(i == 1 && errno == EACCES))
			return (errno);
	}
	return (0);
}

void
acl_none(struct restore *rs, const struct meta_at *at, const char *path)
{
	int error = acl_drop(at);

	if (error != 0)
		restore_failed(rs, path, "its directory's ACL stays on it, "
		    "and on what is below it: %s", strerror(error));
}

struct meta {
	struct restore *rs;
	const struct meta_at *at;
	const char *path;
	bool link;			/* a symbolic link */
	bool late;			/* second round of attributes */
};

static int
set_owner(const struct meta *m, uid_t uid, gid_t gid)
{
	if (m->at->fd >= 0)
		return (fchown(m->at->fd, uid, gid));
	return (fchownat(m->at->dir, m->at->name, uid, gid,
	    AT_SYMLINK_NOFOLLOW));
}

static int
look(const struct meta *m, struct stat *st)
{
	return (m->at->fd >= 0 ? fstat(m->at->fd, st) : fstatat(m->at->dir,
	    m->at->name, st, AT_SYMLINK_NOFOLLOW));
}

/* The set-id bits that may stand; who gets a file that isn't the old owner's
 * must not get his rights. */
static mode_t
restore_owner(const struct meta *m, const struct entry *en)
{
	struct restore *rs = m->rs;
	bool group;
	int saved;

	if (set_owner(m, en->uid, en->gid) == 0)
		return (07777);
	saved = errno;
	group = set_owner(m, (uid_t)-1, en->gid) == 0;
	if (saved == EPERM && !rs->privileged)
		(void)atomic_fetch_add(&rs->owners, 1);
	else
		restore_failed(rs, m->path, "owner %u:%u: %s", en->uid,
		    en->gid, strerror(saved));
	return (group ? 07777 & ~S_ISUID : 07777 & ~(S_ISUID | S_ISGID));
}

static void
set_mode(const struct meta *m, mode_t mode)
{
	int r;

	if (m->at->fd >= 0)
		r = fchmod(m->at->fd, mode);
	else
		r = fchmodat(m->at->dir, m->at->name, mode,
		    AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		restore_failed(m->rs, m->path, "mode %04o: %s", mode,
		    strerror(errno));
}

/* A change to what it is already would cost a transaction of the file
 * system. */
static void
restore_access(const struct meta *m, const struct entry *en)
{
	mode_t bits = 07777;
	struct stat st;
	bool owned;

	owned = look(m, &st) == 0 && st.st_uid == en->uid &&
	    st.st_gid == en->gid;
	if (!owned)
		bits = restore_owner(m, en);
	if (!m->link && (!owned || (st.st_mode & 07777) != (en->mode & 07777)))
		set_mode(m, en->mode & bits);
}

static int
restore_xattr(void *ctx, const char *name, const void *value, size_t len,
    struct err *e)
{
	const struct meta *m = ctx;
	struct restore *rs = m->rs;
	char path[BY_NAME_BYTES];
	bool late = strncmp(name, "user.", 5) != 0;
	int r;

	if (late != m->late)
		return (0);
	if (m->at->fd >= 0)
		r = fsetxattr(m->at->fd, name, value, len, 0);
	else
		r = lsetxattr(by_name(path, m->at), name, value, len, 0);
	if (r == 0)
		return (0);
	if (errno == EPERM && !rs->privileged && late)
		(void)atomic_fetch_add(&rs->xattrs, 1);
	else
		restore_failed(rs, m->path, "attribute %s: %s", name,
		    strerror(errno));
	return (0);
}

/* A time beyond what a file system can hold is cut by the kernel, silently. */
static void
check_times(const struct meta *m, const struct entry *en)
{
	struct stat st;

	if (en->mtime.s >= 0 && en->mtime.s <= INT32_MAX)
		return;
	if (look(m, &st) == 0 && st.st_mtim.tv_sec != en->mtime.s)
		restore_failed(m->rs, m->path, "its time, %lld seconds from "
		    "1970, is beyond what this file system holds",
		    (long long)en->mtime.s);
}

static void
restore_times(const struct meta *m, const struct entry *en)
{
	struct timespec ts[2];
	int r;

	ts[0].tv_sec = 0;
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_sec = (time_t)en->mtime.s;
	ts[1].tv_nsec = (long)en->mtime.ns;
	if (m->at->fd >= 0)
		r = futimens(m->at->fd, ts);
	else
		r = utimensat(m->at->dir, m->at->name, ts,
		    AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		restore_failed(m->rs, m->path, "time: %s", strerror(errno));
	else
		check_times(m, en);
}

static int
set_all(struct meta *m, const struct entry *en, struct err *e)
{
	struct restore *rs = m->rs;

	if (en->xattrs != 0 && catalog_xattrs(rs->catalog, en->xattrs,
	    restore_xattr, m, e) < 0)
		return (-1);
	restore_access(m, en);
	m->late = true;
	if (en->xattrs != 0 && catalog_xattrs(rs->catalog, en->xattrs,
	    restore_xattr, m, e) < 0)
		return (-1);
	restore_times(m, en);
	return (0);
}

int
meta_restore(struct restore *rs, const struct meta_at *at, const char *path,
    const struct entry *en, struct err *e)
{
	struct meta m = { rs, at, path, en->kind == ENTRY_SYMLINK, false };
	struct entry mapped;

	if (rs->users == NULL && rs->groups == NULL)
		return (set_all(&m, en, e));
	mapped = *en;
	if (owners_map(rs->users, rs->catalog, &mapped.uid, e) < 0 ||
	    owners_map(rs->groups, rs->catalog, &mapped.gid, e) < 0)
		return (-1);
	return (set_all(&m, &mapped, e));
}
