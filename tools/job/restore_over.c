/*
 * What is in the way: whether an entry is made, left, replaced or written in
 * place, by what the user allows.  And what the snapshot doesn't have, taken
 * away where he asks for that.
 *
 * A directory is never followed through a link, and nothing that is mounted
 * below the target, be it from the same file system, is deleted; nor is what is
 * vitrine's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tools/job/names.h"
#include "tools/job/restore_impl.h"

#define NAMES_BYTES	(1U << 20)
#define DEPTH_MAX	1000

static int
compare_times(const struct entry *en, const struct stat *st)
{
	if (en->mtime.s != st->st_mtim.tv_sec)
		return (en->mtime.s < st->st_mtim.tv_sec ? -1 : 1);
	if (en->mtime.ns == (uint64_t)st->st_mtim.tv_nsec)
		return (0);
	return (en->mtime.ns < (uint64_t)st->st_mtim.tv_nsec ? -1 : 1);
}

static mode_t
type_of(const struct entry *en)
{
	static const mode_t types[] = {
		[ENTRY_FILE] = S_IFREG, [ENTRY_DIR] = S_IFDIR,
		[ENTRY_SYMLINK] = S_IFLNK, [ENTRY_FIFO] = S_IFIFO,
		[ENTRY_SOCKET] = S_IFSOCK, [ENTRY_CHAR] = S_IFCHR,
		[ENTRY_BLOCK] = S_IFBLK
	};

	return (en->kind <= ENTRY_BLOCK ? types[en->kind] : 0);
}

static bool
same_target(struct restore *rs, int dir, const char *name,
    const struct entry *en)
{
	char want[CATALOG_TARGET_MAX + 1], is[CATALOG_TARGET_MAX + 1];
	struct err e = ERR_INIT;
	size_t len;
	ssize_t n;

	if (catalog_target(rs->catalog, en->ino, want, &len, &e) != 0)
		return (false);
	n = readlinkat(dir, name, is, sizeof(is));
	return (n >= 0 && (size_t)n == len && memcmp(is, want, len) == 0);
}

/* As far as its type, size and time tell. */
static bool
is_same(struct restore *rs, int dir, const char *name, const struct entry *en,
    const struct stat *st)
{
	if ((st->st_mode & S_IFMT) != type_of(en))
		return (false);
	switch (en->kind) {
	case ENTRY_FILE:
		return ((uint64_t)st->st_size == en->size &&
		    compare_times(en, st) == 0);
	case ENTRY_SYMLINK:
		return (same_target(rs, dir, name, en));
	case ENTRY_CHAR:
	case ENTRY_BLOCK:
		return (st->st_rdev == makedev(en->rdev_major, en->rdev_minor));
	default:
		return (true);
	}
}

enum over
over_look(struct restore *rs, int dir, const char *name,
    const struct entry *en)
{
	const struct restore_env *env = rs->env;
	struct stat st;

	/* What can't be looked at can't be made either: that will be said. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (OVER_MAKE);
	if (en->kind == ENTRY_DIR && S_ISDIR(st.st_mode))
		return (OVER_SAME);
	switch (env->overwrite) {
	case OVERWRITE_REFUSE:
		return (OVER_REFUSE);
	case OVERWRITE_NEVER:
		return (OVER_KEEP);
	case OVERWRITE_NEWER:
		if (compare_times(en, &st) <= 0)
			return (OVER_KEEP);
		break;
	case OVERWRITE_CHANGED:
		if (is_same(rs, dir, name, en, &st))
			return (OVER_SAME);
		break;
	case OVERWRITE_ALWAYS:
		break;
	}
	/* Another name of the file must not change with this one. */
	if (env->in_place && en->kind == ENTRY_FILE && S_ISREG(st.st_mode) &&
	    st.st_nlink == 1)
		return (OVER_UPDATE);
	return (S_ISDIR(st.st_mode) ? OVER_REPLACE_DIR : OVER_REPLACE);
}

/*
 * Taking away.
 */

static void remove_below(struct restore *, int dir, struct buf *path,
    const struct mount_id *, unsigned depth);

/* A layered file system may give files other devices than directories. */
static const char *
why_spared(const struct mount_id *id, const struct mount_id *here,
    const struct stat *st)
{
	if (id->mount != here->mount)
		return ("something is mounted there");
	if (id->dev == here->dev || (id->mount != 0 && !S_ISDIR(st->st_mode)))
		return (NULL);
	return (id->mount != 0 ? "it is a subvolume" :
	    "another file system is mounted there");
}

/* One name, and what is below it; the path is for messages. */
static void
remove_name(struct restore *rs, int dir, const char *name, struct buf *path,
    const struct mount_id *here, unsigned depth)
{
	struct mount_id id = { 0 };
	size_t old = path->len;
	const char *text, *why;
	struct stat st;
	int fd, error, flags = 0;

	if (old > 0)
		buf_u8(path, '/');
	buf_bytes(path, name, strlen(name));
	buf_u8(path, '\0');
	if (path->failed)
		return;
	text = (const char *)path->data;
	path->len--;
	error = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? errno :
	    mount_id(&id, dir, name);
	if (error != 0) {
		restore_failed(rs, text, "can't be deleted: %s",
		    strerror(error));
	} else if (own_is(rs, &st)) {
		restore_note(rs, EVENT_SKIPPED, text, OWN_TEXT);
	} else if ((why = why_spared(&id, here, &st)) != NULL) {
		restore_failed(rs, text, "%s, so it stays", why);
	} else if (rs->env->dry_run) {
		restore_would(rs, "delete", text);
	} else {
		if (S_ISDIR(st.st_mode)) {
			flags = AT_REMOVEDIR;
			fd = depth < DEPTH_MAX ? openat(dir, name, O_RDONLY |
			    O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
			if (fd >= 0) {
				remove_below(rs, fd, path, here, depth + 1);
				(void)close(fd);
			}
		}
		/* Appending may have moved the text. */
		buf_u8(path, '\0');
		text = path->failed ? name : (const char *)path->data;
		if (unlinkat(dir, name, flags) < 0)
			restore_failed(rs, text, "can't be deleted: %s",
			    strerror(errno));
		else {
			(void)atomic_fetch_add(&rs->deleted, 1);
			restore_note(rs, EVENT_DETAIL, text, "deleted");
		}
	}
	path->len = old;
}

/* The names of a directory in parts that memory can hold; false: no more. */
static bool
next_names(struct restore *rs, struct names *ns, int fd, const char *path,
    char after[CATALOG_NAME_MAX + 1], bool *first)
{
	int error;

	if (!*first && !ns->more)
		return (false);
	if (!*first)
		(void)snprintf(after, CATALOG_NAME_MAX + 1, "%s",
		    names_text(ns, ns->n - 1));
	names_fini(ns);
	(void)lseek(fd, 0, SEEK_SET);
	error = names_list(ns, fd, *first ? NULL : after, NAMES_BYTES);
	*first = false;
	if (error != 0)
		restore_failed(rs, path, "its names can't be listed: %s",
		    strerror(error));
	return (error == 0 && ns->n > 0);
}

static void
remove_below(struct restore *rs, int dir, struct buf *path,
    const struct mount_id *here, unsigned depth)
{
	char after[CATALOG_NAME_MAX + 1];
	struct names ns = { 0 };
	bool first = true;

	while (!restore_stopped(rs) &&
	    next_names(rs, &ns, dir, "a directory", after, &first))
		for (size_t i = 0; i < ns.n && !restore_stopped(rs); i++)
			remove_name(rs, dir, names_text(&ns, i), path, here,
			    depth);
	names_fini(&ns);
}

int
over_remove(struct restore *rs, int dir, const char *name, const char *path,
    enum over how)
{
	struct buf where = BUF_INIT;
	const char *slash = strrchr(path, '/');
	struct mount_id here;
	struct stat st;

	if (how == OVER_REPLACE_DIR && rs->env->delete_extra &&
	    mount_id(&here, dir, "") == 0) {
		if (slash != NULL)
			buf_bytes(&where, path, (size_t)(slash - path));
		remove_name(rs, dir, name, &where, &here, 0);
		buf_fini(&where);
		return (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 :
		    -1);
	}
	if (unlinkat(dir, name, how == OVER_REPLACE_DIR ? AT_REMOVEDIR : 0)
	    == 0)
		return (0);
	restore_failed(rs, path, how == OVER_REPLACE_DIR && (errno == ENOTEMPTY
	    || errno == EEXIST) ? OVER_FULL_TEXT :
	    "what is there can't be replaced: %s", strerror(errno));
	return (-1);
}

int
over_delete(struct restore *rs, const struct entry *en, const char *path,
    size_t len, struct err *e)
{
	char after[CATALOG_NAME_MAX + 1];
	struct names ns = { 0 };
	struct buf where = BUF_INIT;
	struct mount_id here;
	bool first = true;
	int fd, r;

	/* Of these the snapshot doesn't know all. */
	if ((en->flags & (ENTRY_IMPLIED | ENTRY_UNREAD)) != 0)
		return (0);
	r = beneath_open(rs->target, path, len, &fd, e);
	if (r != 0)
		return (r < 0 ? -1 : 0);
	buf_bytes(&where, path, len);
	r = mount_id(&here, fd, "");
	if (r != 0)
		r = err_sys(e, r, "stat");
	else
		r = mounted_note(rs, fd, path, len, e);
	while (r == 0 && next_names(rs, &ns, fd, len > 0 ? path :
	    rs->env->target, after, &first)) {
		for (size_t i = 0; r == 0 && i < ns.n; i++) {
			const char *name = names_text(&ns, i);
			struct entry found;

			if (restore_stopped(rs)) {
				r = err_set(e, ERR_CANCELED, "interrupted");
				break;
			}
			r = catalog_lookup(rs->catalog, en->ino, name,
			    strlen(name), &found, e);
			if (r != CATALOG_ABSENT)
				continue;
			r = 0;
			if (!filter_spares(rs->filter, path, len, name))
				remove_name(rs, fd, name, &where, &here, 0);
		}
	}
	names_fini(&ns);
	buf_fini(&where);
	(void)close(fd);
	return (r < 0 ? -1 : 0);
}
