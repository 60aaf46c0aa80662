/*
 * The directories that files are made in.  A plan has the files of thousands of
 * them, in the order of the store, so that they can't all be open: one is
 * opened when somebody works in it, and of those that nobody works in any more
 * some stay open, for the next file mostly lies in the same.
 *
 *	shut --hold--> held --last let--> open, by age --hold--> held
 *	  ^-------------- the oldest of too many --'
 *
 * Under the lock of `parents':
 *  1. `fd' changes only while nobody holds it.
 *  2. The list by age has just those that are open and not held.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/job/restore_impl.h"

static void
age_remove(struct parents *all, struct parent *p)
{
	if (p->newer != NULL)
		p->newer->older = p->older;
	else
		all->newest = p->older;
	if (p->older != NULL)
		p->older->newer = p->newer;
	else
		all->oldest = p->newer;
	p->newer = p->older = NULL;
	all->n--;
}

static void
age_add(struct parents *all, struct parent *p)
{
	p->newer = NULL;
	p->older = all->newest;
	if (all->newest != NULL)
		all->newest->newer = p;
	else
		all->oldest = p;
	all->newest = p;
	all->n++;
}

/* Under the lock: one more who holds it, if it is open. */
static bool
hold(struct parents *all, struct parent *p)
{
	if (p->fd < 0)
		return (false);
	if (p->held++ == 0)
		age_remove(all, p);
	return (true);
}

int
parent_hold(struct parent *p, int *fd, struct err *e)
{
	struct parents *all = &p->rs->parents;
	int ours = -1, r;
	bool is_open;

	(void)pthread_mutex_lock(&all->lock);
	is_open = hold(all, p);
	(void)pthread_mutex_unlock(&all->lock);
	if (!is_open) {
		r = beneath_open(p->rs->target, p->path, p->len, &ours, e);
		if (r != 0)
			return (r);
		if (mounted_note(p->rs, ours, p->path, p->len, e) < 0) {
			(void)close(ours);
			return (-1);
		}
		(void)pthread_mutex_lock(&all->lock);
		/* Unless somebody else was faster. */
		if (!hold(all, p)) {
			p->fd = ours;
			p->held = 1;
			ours = -1;
		}
		(void)pthread_mutex_unlock(&all->lock);
		if (ours >= 0)
			(void)close(ours);
	}
	*fd = p->fd;
	return (0);
}

void
parent_let(struct parent *p)
{
	struct parents *all = &p->rs->parents;
	int old = -1;

	(void)pthread_mutex_lock(&all->lock);
	if (--p->held == 0) {
		age_add(all, p);
		if (all->n > all->max) {
			p = all->oldest;
			age_remove(all, p);
			old = p->fd;
			p->fd = -1;
		}
	}
	(void)pthread_mutex_unlock(&all->lock);
	if (old >= 0)
		(void)close(old);
}

void
parent_put(struct parent *p)
{
	struct parents *all;

	if (p == NULL || atomic_fetch_sub(&p->refs, 1) > 1)
		return;
	all = &p->rs->parents;
	(void)pthread_mutex_lock(&all->lock);
	if (p->fd >= 0)
		age_remove(all, p);
	(void)pthread_mutex_unlock(&all->lock);
	if (p->fd >= 0)
		(void)close(p->fd);
	free(p);
}

void
parent_done(struct restore *rs)
{
	if (rs->parent == NULL)
		return;
	parent_let(rs->parent);
	parent_put(rs->parent);
	rs->parent = NULL;
}

static int
parent_new(struct restore *rs, const char *path, size_t len,
    struct parent **out, struct err *e)
{
	struct parent *p = calloc(1, sizeof(*p) + len + 1);
	int fd, r;

	if (p == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	p->rs = rs;
	atomic_init(&p->refs, 1);
	p->fd = -1;
	p->len = len;
	memcpy(p->path, path, len);
	r = parent_hold(p, &fd, e);
	if (r != 0) {
		free(p);
		return (r);
	}
	p->acl = acl_handed_down(fd);
	*out = p;
	return (0);
}

int
parent_get(struct restore *rs, const char *path, size_t len,
    struct parent **out, const char **name, struct err *e)
{
	struct parent *p = rs->parent;
	const char *slash = memrchr(path, '/', len);
	size_t dir_len = slash != NULL ? (size_t)(slash - path) : 0;
	int r;

	*name = slash != NULL ? slash + 1 : path;
	if (p == NULL || p->len != dir_len ||
	    memcmp(p->path, path, dir_len) != 0) {
		r = parent_new(rs, path, dir_len, &p, e);
		if (r != 0)
			return (r);
		parent_done(rs);
		rs->parent = p;
	}
	(void)atomic_fetch_add(&p->refs, 1);
	*out = p;
	return (0);
}
