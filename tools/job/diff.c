/*
 * The comparison of two trees: a merge, directory by directory, depth first.
 *
 * Invariants:
 * 1. The path up to a level's path_len is that of its directory; what stands
 *    behind is the name that was met last there, so that a batch that was given
 *    up is read again from behind that name.
 * 2. Only the upper KEEP levels and the last one hold batches, so memory is
 *    bounded whatever the depth.
 */
#include "tools/job/diff_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define KEEP	32

struct level {
	struct diff_dir side[2];
	size_t path_len;
	bool begun;			/* invariant 1 holds */
	bool implied;			/* the old one only leads to roots */
};
struct walk {
	struct diff diff;
	struct level *v;		/* owned */
	size_t n, cap;
};

static const char *
last_name(const struct walk *w, const struct level *l)
{
	return (l->begun ? (const char *)w->diff.path.data + l->path_len :
	    NULL);
}

static void
level_fini(struct level *l)
{
	for (int s = 0; s < 2; s++) {
		diff_batch_free(l->side[s].batch);
		if (l->side[s].there && l->side[s].fd >= 0)
			(void)close(l->side[s].fd);
	}
}

/* The row that a side would give next; NULL at its end. */
static int
next_row(struct walk *w, struct level *l, int s, struct diff_row **out,
    struct err *e)
{
	struct diff_dir *d = &l->side[s];

	*out = NULL;
	if (!d->there)
		return (0);
	while (d->batch == NULL || d->batch->at == d->batch->n) {
		if (d->batch != NULL && d->batch->last)
			return (0);
		if (d->batch == NULL) {
			d->batch = malloc(sizeof(*d->batch));
			if (d->batch == NULL)
				return (err_set(e, ERR_NOMEM,
				    "out of memory"));
			memset(&d->batch->names, 0, sizeof(d->batch->names));
			d->batch->n = d->batch->at = 0;
			d->batch->last = d->batch->begun = false;
		}
		if (diff_fill(&w->diff, w->diff.env->side[s].catalog, d,
		    last_name(w, l), s == 1 && l->implied, e) < 0)
			return (-1);
	}
	*out = &d->batch->v[d->batch->at];
	return (0);
}

/* The path of a row becomes the current one. */
static int
set_name(struct walk *w, struct level *l, const char *name, struct err *e)
{
	struct buf *b = &w->diff.path;

	b->len = l->path_len;
	buf_bytes(b, name, strlen(name) + 1);
	l->begun = true;
	return (buf_ok(b, e));
}

static int
report(struct walk *w, enum diff_kind kind, const struct entry *old,
    const struct entry *new, unsigned metadata, struct err *e)
{
	struct diff_item it = { kind, (const char *)w->diff.path.data, old,
	    new, metadata };

	return (w->diff.env->fn(w->diff.env->ctx, &it, e));
}

/* Both are there, of one kind: 1 if they differ. */
static int
differ(struct diff *d, const struct entry *old, const struct entry *new,
    int fd, const char *name, enum diff_kind *kind, unsigned *metadata,
    struct err *e)
{
	int same = diff_same_content(d, old, new, fd, name, e), xattrs;
	unsigned meta = 0;

	if (same < 0)
		return (-1);
	if (old->mode != new->mode)
		meta |= DIFF_MODE;
	if (old->uid != new->uid || old->gid != new->gid)
		meta |= DIFF_OWNER;
	if (old->kind != ENTRY_DIR &&
	    stamp_compare(&old->mtime, &new->mtime) != 0)
		meta |= DIFF_MTIME;
	xattrs = diff_same_xattrs(d, old, new, fd, name, e);
	if (xattrs < 0)
		return (-1);
	if (xattrs == 0)
		meta |= DIFF_XATTRS;
	*kind = same == 0 ? DIFF_CONTENT : DIFF_METADATA;
	*metadata = meta;
	return (same == 0 || meta != 0);
}

int
diff_entry(const struct diff_side side[2], const struct entry *old,
    const struct entry *new, enum diff_kind *kind, unsigned *metadata,
    struct err *e)
{
	struct diff_env env = { .side = { side[0], side[1] } };
	struct diff d = { .env = &env };

	if (old->kind == new->kind)
		return (differ(&d, old, new, -1, NULL, kind, metadata, e));
	*kind = DIFF_TYPE;
	*metadata = 0;
	return (1);
}

static int
compare(struct walk *w, const struct level *l, const struct entry *old,
    const struct entry *new, const char *name, struct err *e)
{
	enum diff_kind kind;
	unsigned meta;
	int r;

	if ((old->flags & ENTRY_IMPLIED) != 0 ||
	    (new->flags & ENTRY_IMPLIED) != 0)
		return (0);
	r = differ(&w->diff, old, new, l->side[1].fd, name, &kind, &meta, e);
	return (r <= 0 ? r : report(w, kind, old, new, meta, e));
}

static int
push(struct walk *w, struct level **l, const struct entry *old,
    const struct entry *new, const char *name, struct err *e)
{
	struct level in = { .side = { { .fd = -1 }, { .fd = -1 } } }, *v;
	size_t cap = w->cap == 0 ? 32 : w->cap * 2;

	in.implied = old != NULL && (old->flags & ENTRY_IMPLIED) != 0;
	for (int s = 0; s < 2; s++) {
		const struct entry *en = s == 0 ? old : new;

		in.side[s].there = en != NULL && en->kind == ENTRY_DIR;
		if (!in.side[s].there)
			continue;
		in.side[s].ino = en->ino;
		if (w->diff.env->side[s].catalog != NULL)
			continue;
		if (w->n >= DIFF_LIVE_DEPTH)
			return (err_set(e, ERR_LIMIT, "%s: deeper than %d "
			    "directories", (const char *)w->diff.path.data,
			    DIFF_LIVE_DEPTH));
		in.side[s].fd = openat((*l)->side[s].fd, name, O_RDONLY |
		    O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (in.side[s].fd < 0) {
			diff_unread(&w->diff, NULL, errno);
			return (0);
		}
	}
	if (w->n == w->cap) {
		if ((v = reallocarray(w->v, cap, sizeof(*v))) == NULL) {
			level_fini(&in);
			return (err_set(e, ERR_NOMEM, "out of memory"));
		}
		w->v = v;
		w->cap = cap;
		*l = &v[w->n - 1];
	}
	for (int s = 0; w->n > KEEP && s < 2; s++) {
		diff_batch_free((*l)->side[s].batch);
		(*l)->side[s].batch = NULL;
	}
	/* In place of the NUL behind the name; there is another then. */
	buf_u8(&w->diff.path, '\0');
	if (buf_ok(&w->diff.path, e) < 0) {
		level_fini(&in);
		return (-1);
	}
	w->diff.path.len--;
	w->diff.path.data[w->diff.path.len - 1] = '/';
	in.path_len = w->diff.path.len;
	w->v[w->n++] = in;
	return (0);
}

/* One name, on one side or on both. */
static int
visit(struct walk *w, struct level *l, const struct entry *old,
    const struct entry *new, const char *name, struct err *e)
{
	bool dir = (old != NULL && old->kind == ENTRY_DIR) ||
	    (new != NULL && new->kind == ENTRY_DIR);
	int r;

	w->diff.result->entries++;
	if (events_canceled(w->diff.ev))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	if (old == NULL)
		r = (new->flags & ENTRY_IMPLIED) != 0 ? 0 :
		    report(w, DIFF_ADDED, NULL, new, 0, e);
	else if (new == NULL)
		r = (old->flags & ENTRY_IMPLIED) != 0 ? 0 :
		    report(w, DIFF_REMOVED, old, NULL, 0, e);
	else if (old->kind != new->kind)
		r = report(w, DIFF_TYPE, old, new, 0, e);
	else
		r = compare(w, l, old, new, name, e);
	/* What stands beside the roots is none of ours. */
	if (old == NULL && w->diff.env->side[1].catalog == NULL &&
	    (new->flags & ENTRY_IMPLIED) != 0)
		dir = false;
	if (r == 0 && dir)
		r = push(w, &l, old, new, name, e);
	return (r < 0 ? -1 : 0);
}

/* The next name of the last level; 1 when there is none. */
static int
step(struct walk *w, struct err *e)
{
	struct level *l = &w->v[w->n - 1];
	struct diff_row *row[2];
	struct entry en[2];
	char name[CATALOG_NAME_MAX + 1];
	int order;

	for (int s = 0; s < 2; s++)
		if (next_row(w, l, s, &row[s], e) < 0)
			return (-1);
	if (row[0] == NULL && row[1] == NULL)
		return (1);
	order = row[0] == NULL ? 1 : row[1] == NULL ? -1 :
	    strcmp(row[0]->name, row[1]->name);
	memcpy(name, row[order > 0]->name, sizeof(name));
	/* Copies: the batches may go when a directory is entered. */
	for (int s = 0; s < 2; s++)
		if (row[s] != NULL && (order == 0 || (order > 0) == (s == 1))) {
			en[s] = row[s]->entry;
			l->side[s].batch->at++;
		}
	if (order == 0 && w->diff.env->side[1].catalog == NULL)
		en[1].flags = 0;
	if (set_name(w, l, name, e) < 0)
		return (-1);
	return (visit(w, l, order <= 0 ? &en[0] : NULL,
	    order >= 0 ? &en[1] : NULL, name, e));
}

/*
 * The beginning: a level without a directory whose two batches have one row
 * each, so that the path itself is compared like any name.
 */
static int
find_live(const char *path, struct entry *en, int *parent,
    struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int error;

	if ((dir = strndup(path, (size_t)(slash - path))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	*parent = open(slash == path ? "/" : dir, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	free(dir);
	error = *parent < 0 ? errno : diff_stat(en, *parent,
	    slash[1] == '\0' ? "." : slash + 1);
	if (error == ENOENT || error == ENOTDIR)
		return (CATALOG_ABSENT);
	if (error != 0)
		return (err_sys(e, error, "%s", path));
	return (0);
}

static int
begin(struct walk *w, struct err *e)
{
	const struct diff_env *env = w->diff.env;
	const char *path = *env->path != '\0' ? env->path : "/";
	const char *name = strrchr(path, '/') + 1;
	struct level *first;
	struct entry en[2] = { { 0 } };
	bool there[2];
	int r;

	w->v = calloc(KEEP, sizeof(*w->v));
	if (w->v == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	w->cap = KEEP;
	first = &w->v[w->n++];
	first->begun = true;
	first->side[0].fd = first->side[1].fd = -1;
	buf_bytes(&w->diff.path, path, strlen(path) + 1);
	if (buf_ok(&w->diff.path, e) < 0)
		return (-1);
	for (int s = 0; s < 2; s++) {
		if (env->side[s].catalog != NULL)
			r = catalog_resolve(env->side[s].catalog, path,
			    strlen(path), &en[s], NULL, e);
		else {
			r = find_live(path, &en[s], &first->side[1].fd, e);
			first->side[1].there = first->side[1].fd >= 0;
		}
		if (r < 0)
			return (-1);
		there[s] = r == 0;
	}
	if (!there[0] && !there[1])
		return (err_set(e, ERR_ABSENT, "there is no %s on either side",
		    path));
	r = visit(w, first, there[0] ? &en[0] : NULL,
	    there[1] ? &en[1] : NULL, *name != '\0' ? name : ".", e);
	/* The root's children stand behind one '/'. */
	if (r == 0 && w->n == 2 && path[1] == '\0')
		w->v[1].path_len = w->diff.path.len = 1;
	return (r);
}

int
diff_run(const struct diff_env *env, const struct events *ev,
    struct diff_result *result, struct err *e)
{
	struct walk *w = calloc(1, sizeof(*w));
	int r;

	memset(result, 0, sizeof(*result));
	if (w == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	w->diff.env = env;
	w->diff.ev = ev;
	w->diff.result = result;
	r = begin(w, e);
	while (r == 0 && w->n > 1) {
		r = step(w, e);
		if (r != 1)
			continue;
		/* Back: the path is that of the directory, as a name. */
		r = 0;
		w->diff.path.len = w->v[w->n - 1].path_len;
		w->diff.path.data[w->diff.path.len - 1] = '\0';
		level_fini(&w->v[--w->n]);
	}
	while (w->n > 0)
		level_fini(&w->v[--w->n]);
	free(w->v);
	free(w->diff.piece);
	buf_fini(&w->diff.path);
	free(w);
	return (r < 0 ? -1 : 0);
}
