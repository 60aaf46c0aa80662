/*
 * Reading metadata: stat, link targets, extended attributes.  Attributes of
 * what can't be opened (links, devices, FIFOs, directories without permission)
 * are reached through /proc/self/fd/N/name, so that no long path is needed.
 */
#include "tools/job/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RECENT_PAST_S	2	/* FAT counts in two seconds */
#define RECENT_FUTURE_S	3600	/* a server's clock may be ahead */
#define LIST_MAX	(1U << 20)
#define VALUE_MAX	(1U << 20)

static uint8_t
kind_of(unsigned mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return (ENTRY_FILE);
	case S_IFDIR:
		return (ENTRY_DIR);
	case S_IFLNK:
		return (ENTRY_SYMLINK);
	case S_IFIFO:
		return (ENTRY_FIFO);
	case S_IFSOCK:
		return (ENTRY_SOCKET);
	case S_IFCHR:
		return (ENTRY_CHAR);
	case S_IFBLK:
		return (ENTRY_BLOCK);
	default:
		return (0);
	}
}

int
meta_stat(struct meta_stat *out, int dirfd, const char *name)
{
	struct statx st;

	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
	    (name[0] == '\0' ? AT_EMPTY_PATH : 0), STATX_BASIC_STATS, &st) != 0)
		return (errno);
	out->kind = kind_of(st.stx_mode);
	out->mode = st.stx_mode & 07777;
	out->uid = st.stx_uid;
	out->gid = st.stx_gid;
	out->nlink = st.stx_nlink;
	out->size = st.stx_size;
	out->allocated_bytes = st.stx_blocks * 512;
	out->mtime.s = st.stx_mtime.tv_sec;
	out->mtime.ns = st.stx_mtime.tv_nsec;
	out->ctime.s = st.stx_ctime.tv_sec;
	out->ctime.ns = st.stx_ctime.tv_nsec;
	out->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	out->ino = st.stx_ino;
	out->rdev_major = st.stx_rdev_major;
	out->rdev_minor = st.stx_rdev_minor;
	return (0);
}

static bool
is_recent(const struct stamp *t, const struct stamp *now)
{
	return (t->s >= now->s - RECENT_PAST_S &&
	    t->s <= now->s + RECENT_FUTURE_S);
}

bool
meta_is_recent(const struct meta_stat *st, const struct stamp *now)
{
	return (is_recent(&st->mtime, now) || is_recent(&st->ctime, now));
}

bool
meta_is_same(const struct meta_stat *a, const struct meta_stat *b)
{
	return (a->kind == b->kind && a->ino == b->ino && a->dev == b->dev &&
	    a->size == b->size && stamp_compare(&a->mtime, &b->mtime) == 0 &&
	    stamp_compare(&a->ctime, &b->ctime) == 0);
}

void
meta_fini(struct meta *m)
{
	free(m->target);
	free(m->xattrs);
	memset(m, 0, sizeof(*m));
}

/* What has the attributes: a descriptor, or a path when fd is -1. */
struct holder {
	int fd;
	const char *path;
};

static ssize_t
list_from(const struct holder *s, char *dst, size_t size)
{
	return (s->fd >= 0 ? flistxattr(s->fd, dst, size) :
	    llistxattr(s->path, dst, size));
}

static ssize_t
value_from(const struct holder *s, const char *name, void *dst, size_t size)
{
	return (s->fd >= 0 ? fgetxattr(s->fd, name, dst, size) :
	    lgetxattr(s->path, name, dst, size));
}

/* All names, end to end with a NUL after each; *out owned. */
static int
load_list(const struct holder *s, char *small, size_t small_size, char **out,
    size_t *len)
{
	size_t size = small_size;
	ssize_t got = list_from(s, small, size);
	char *list = NULL;

	while (got < 0 && errno == ERANGE && size < LIST_MAX) {
		size *= 8;
		free(list);
		list = malloc(size);
		if (list == NULL)
			return (ENOMEM);
		got = list_from(s, list, size);
	}
	if (got < 0) {
		int error = errno;

		free(list);
		return (error == ENOTSUP ? 0 : error);
	}
	*out = list;
	*len = (size_t)got;
	return (0);
}

/* Append the value of one attribute; gone again in between is no error. */
static int
load_value(const struct holder *s, const char *name, struct buf *dst,
    bool *there)
{
	size_t size = 256;

	*there = false;
	for (;;) {
		uint8_t *p = buf_grow(dst, size);
		ssize_t got;

		if (p == NULL)
			return (ENOMEM);
		got = value_from(s, name, p, size);
		if (got >= 0) {
			dst->len -= size - (size_t)got;
			*there = true;
			return (0);
		}
		dst->len -= size;
		if (errno == ENODATA || errno == ENOTSUP)
			return (0);
		if (errno != ERANGE || size >= VALUE_MAX)
			return (errno);
		size *= 16;
	}
}

struct mark {
	size_t name, value, len;
};

/* Build the array: structures first, then names and values. */
static int
assemble(struct meta *m, const struct mark *marks, size_t n,
    const struct buf *all)
{
	uint8_t *text;

	if (n == 0)
		return (0);
	m->xattrs = malloc(n * sizeof(*m->xattrs) + all->len);
	if (m->xattrs == NULL)
		return (ENOMEM);
	text = (uint8_t *)(m->xattrs + n);
	memcpy(text, all->data, all->len);
	for (size_t i = 0; i < n; i++) {
		m->xattrs[i].name = (const char *)text + marks[i].name;
		m->xattrs[i].value = text + marks[i].value;
		m->xattrs[i].len = marks[i].len;
	}
	m->nxattrs = n;
	return (0);
}

static void
read_listed(struct meta *m, const struct holder *s, const char *list,
    size_t len)
{
	struct buf all = BUF_INIT;
	struct mark *marks;
	size_t n = 0, max = 0;
	int error = 0;

	for (size_t i = 0; i < len; i++)
		max += list[i] == '\0';
	marks = calloc(max + 1, sizeof(*marks));
	if (marks == NULL) {
		m->error = ENOMEM;
		return;
	}
	for (const char *p = list; p < list + len && error == 0;
	    p += strlen(p) + 1) {
		size_t start = all.len;
		bool there;

		buf_bytes(&all, p, strlen(p) + 1);
		marks[n].name = start;
		marks[n].value = all.len;
		error = load_value(s, p, &all, &there);
		marks[n].len = all.len - marks[n].value;
		if (error != 0 && error != ENOMEM) {
			/* The others are worth having. */
			m->error = error;
			error = 0;
			there = false;
		}
		if (all.len > CATALOG_XATTRS_MAX) {
			m->error = E2BIG;
			there = false;
		}
		if (there)
			n++;
		else
			all.len = start;
	}
	if (all.failed)
		error = ENOMEM;
	if (error == 0)
		error = assemble(m, marks, n, &all);
	if (error != 0)
		m->error = error;
	free(marks);
	buf_fini(&all);
}

static void
read_xattrs(struct meta *m, const struct holder *s)
{
	char small[1024], *list = NULL;
	size_t len = 0;
	int error = load_list(s, small, sizeof(small), &list, &len);

	if (error != 0)
		m->error = error;
	else if (len > 0)
		read_listed(m, s, list != NULL ? list : small, len);
	free(list);
}

void
meta_read_fd(struct meta *m, int fd)
{
	struct holder s = { .fd = fd };

	read_xattrs(m, &s);
}

void
meta_read_at(struct meta *m, int dirfd, const char *name, uint8_t kind)
{
	char path[300];
	struct holder s = { .fd = -1, .path = path };

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	read_xattrs(m, &s);
	/* A link that went away will be missed by its target. */
	if (m->error == ENOENT)
		m->error = 0;
	if (kind == ENTRY_SYMLINK) {
		ssize_t got;

		m->target = malloc(CATALOG_TARGET_MAX + 1);
		if (m->target == NULL) {
			m->error = ENOMEM;
			return;
		}
		got = readlinkat(dirfd, name, m->target, CATALOG_TARGET_MAX);
		/* EINVAL: it is something else now; no link is empty. */
		if (got <= 0) {
			m->error = got == 0 || errno == EINVAL ? ESTALE :
			    errno;
			got = 0;
		}
		m->target_len = (size_t)got;
		m->target[got] = '\0';
	}
}
