/*
 * What a worker does for a walk: open and list a directory, stat a batch of its
 * names, ask whether each is wanted, compare with the parent catalog, read the
 * links and attributes of what changed.
 */
#include "tools/job/walk_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct visit *
visit_new(const struct walk_env *env, struct walk_dir *dir)
{
	struct visit *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return (NULL);
	v->job.run = visit_run;
	v->env = env;
	v->dir = dir;
	dir->refs++;
	err_init(&v->err);
	return (v);
}

void
visit_free(struct visit *v)
{
	if (v == NULL)
		return;
	names_fini(&v->names);
	walk_batch_free(v->batch);
	walk_dir_unref(v->dir);
	free(v->after);
	free(v);
}

static void
meta_free(struct meta *m)
{
	if (m != NULL)
		meta_fini(m);
	free(m);
}

static void
forget_gone(struct walk_batch *b)
{
	for (size_t i = 0; i < b->ngone; i++)
		free((void *)(uintptr_t)b->gone[i].name);
	b->ngone = 0;
}

void
walk_batch_reset(struct walk_batch *b)
{
	forget_gone(b);
	for (size_t i = 0; i < b->n; i++)
		b->v[i].has_old = b->v[i].same = b->v[i].like = false;
}

void
walk_batch_free(struct walk_batch *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->n; i++) {
		meta_free(b->v[i].meta);
		visit_free(b->v[i].ahead);
	}
	forget_gone(b);
	free(b->gone);
	meta_free(b->meta);
	free(b->v);
	free(b->text);
	free(b->dirs);
	free(b);
}

size_t
walk_batch_bytes(const struct walk_batch *b)
{
	return (sizeof(*b) + b->n * (sizeof(*b->v) + 16) +
	    b->gone_cap * sizeof(*b->gone));
}

int
walk_gone_add(struct walk_batch *b, const char *name, size_t len,
    const struct entry *old)
{
	char *copy;

	if (b->ngone == b->gone_cap) {
		size_t cap = b->gone_cap == 0 ? 16 : b->gone_cap * 2;
		struct walk_gone *v = reallocarray(b->gone, cap, sizeof(*v));

		if (v == NULL)
			return (ENOMEM);
		b->gone = v;
		b->gone_cap = cap;
	}
	copy = malloc(len + 1);
	if (copy == NULL)
		return (ENOMEM);
	memcpy(copy, name, len);
	copy[len] = '\0';
	b->gone[b->ngone].name = copy;
	b->gone[b->ngone].len = (uint16_t)len;
	b->gone[b->ngone].old = *old;
	b->ngone++;
	return (0);
}

/* The next components of the roots below an implied directory. */
static int
list_implied(struct visit *v)
{
	const struct roots *r = v->env->roots;
	const struct walk_dir *d = v->dir;
	const char *last = NULL;
	size_t last_len = 0;

	v->names.n = v->names.used = v->names.at = 0;
	v->names.more = false;
	for (size_t i = d->root_lo; i < d->root_hi; i++) {
		const char *c = r->v[i] + d->plen + 1;
		size_t len = roots_component(r, i, d->plen);
		int error;

		if (last != NULL && len == last_len &&
		    memcmp(c, last, len) == 0)
			continue;
		last = c;
		last_len = len;
		if (len > CATALOG_NAME_MAX)
			continue;
		error = names_add(&v->names, c, len, DT_UNKNOWN);
		if (error != 0)
			return (error);
	}
	if (v->after != NULL)
		while (v->names.at < v->names.n &&
		    strcmp(names_text(&v->names, v->names.at), v->after) <= 0)
			v->names.at++;
	return (0);
}

static int
open_and_list(struct visit *v)
{
	struct walk_dir *d = v->dir;
	struct source *s = v->env->source;
	int error = 0;

	if (!d->listed)
		return (0);
	if (v->first)
		error = s->ops->open_dir(s, d);
	if (error == 0 && v->list)
		error = d->implied ? list_implied(v) :
		    s->ops->list(s, d, !v->first, &v->names, v->after,
		    v->names_max);
	return (error);
}

static uint8_t
kind_of_type(uint8_t type)
{
	switch (type) {
	case DT_DIR:
		return (ENTRY_DIR);
	case DT_LNK:
		return (ENTRY_SYMLINK);
	case DT_FIFO:
		return (ENTRY_FIFO);
	case DT_SOCK:
		return (ENTRY_SOCKET);
	case DT_CHR:
		return (ENTRY_CHAR);
	case DT_BLK:
		return (ENTRY_BLOCK);
	default:
		return (ENTRY_FILE);
	}
}

/* Look at one name; false when it is not (or no longer) to be looked at. */
static bool
look(struct visit *v, const struct name_ref *r, const char *name,
    const char *path, struct walk_entry *en)
{
	const struct walk_dir *d = v->dir;
	struct source *s = v->env->source;
	size_t lo = 0, hi = 0;

	memset(en, 0, sizeof(*en));
	en->name = name;
	en->len = r->len;
	if (d->root_lo < d->root_hi)
		roots_within(v->env->roots, d->root_lo, d->root_hi, d->plen,
		    name, &lo, &hi, &en->is_root);
	en->implied = d->implied && !en->is_root;
	en->error = s->ops->stat(s, d, name, &en->st);
	if (en->error == 0 && en->st.kind == 0)
		en->error = EINVAL;
	if (en->error == ENOENT && lo == hi)
		return (false);
	if (en->error != 0) {
		memset(&en->st, 0, sizeof(en->st));
		en->st.kind = kind_of_type(r->type);
	}
	en->leads = lo < hi;
	return (v->env->ops->keep(v->env->ctx, d, path, en));
}

/* The batch's names, copied: the list may be replaced while they are in use. */
static int
copy_names(struct visit *v, struct walk_batch *b, size_t n)
{
	const struct names *ns = &v->names;
	size_t bytes = v->after != NULL ? strlen(v->after) + 1 : 0;
	char *p;

	for (size_t i = 0; i < n; i++)
		bytes += ns->v[ns->at + i].len + 1u;
	b->text = p = malloc(bytes + 1);
	b->v = calloc(n + 1, sizeof(*b->v));
	if (b->text == NULL || b->v == NULL)
		return (ENOMEM);
	if (v->after != NULL) {
		b->after = p;
		memcpy(p, v->after, strlen(v->after) + 1);
		p += strlen(p) + 1;
	}
	for (size_t i = 0; i < n; i++) {
		const struct name_ref *r = &ns->v[ns->at + i];

		b->v[i].name = p;
		memcpy(p, ns->text + r->off, r->len + 1u);
		p += r->len + 1;
	}
	return (0);
}

/* Those that may be visited ahead. */
static int
find_dirs(struct walk_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct walk_entry *en = &b->v[i];

		if (en->st.kind != ENTRY_DIR || en->error != 0 ||
		    en->left_out || en->st.dev != b->dir->st.dev)
			continue;
		if (b->dirs == NULL)
			b->dirs = calloc(b->n - i, sizeof(*b->dirs));
		if (b->dirs == NULL)
			return (ENOMEM);
		b->dirs[b->ndirs++] = (uint16_t)i;
	}
	return (0);
}

static int
fill(struct visit *v, struct walk_batch *b)
{
	struct names *ns = &v->names;
	size_t n = ns->n - ns->at;
	struct buf path = BUF_INIT;
	bool want_path = v->env->ops->want_path || v->dir->want_path;
	size_t plen = 0;
	int error;

	if (n > WALK_BATCH)
		n = WALK_BATCH;
	error = copy_names(v, b, n);
	if (error != 0)
		return (error);
	if (n > 0 && want_path) {
		if (walk_path(v->dir, NULL, &path, &v->err) != 0)
			return (ENOMEM);
		plen = path.len;
	}
	for (size_t i = 0; i < n; i++) {
		const struct name_ref *r = &ns->v[ns->at + i];
		const char *name = b->v[i].name;

		if (want_path) {
			path.len = plen;
			buf_u8(&path, '/');
			buf_bytes(&path, name, r->len + 1u);
			if (path.failed) {
				buf_fini(&path);
				return (ENOMEM);
			}
		}
		if (look(v, r, name, want_path ? (const char *)path.data :
		    NULL, &b->v[b->n]))
			b->n++;
		if (i + 1 == n)
			b->upto = name;
	}
	buf_fini(&path);
	ns->at += n;
	if (names_at_end(ns))
		b->upto = NULL;
	return (find_dirs(b));
}

static struct meta *
meta_new(struct visit *v)
{
	struct meta *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		v->failed = true;
		(void)err_set(&v->err, ERR_NOMEM, "no memory for the walk");
	}
	return (m);
}

static void
read_metas(struct visit *v, struct walk_batch *b)
{
	const struct walk_dir *d = v->dir;
	struct source *s = v->env->source;

	for (size_t i = 0; i < b->n && !v->failed; i++) {
		struct walk_entry *en = &b->v[i];

		if (en->same || en->error != 0 || en->left_out ||
		    en->st.kind == ENTRY_FILE || en->st.kind == ENTRY_DIR)
			continue;
		en->meta = meta_new(v);
		if (en->meta != NULL)
			s->ops->entry_meta(s, d, en->name, en->st.kind,
			    en->meta);
	}
	if (!v->first || !v->want_meta || v->failed)
		return;
	b->meta = meta_new(v);
	if (b->meta != NULL)
		s->ops->dir_meta(s, d, b->meta);
}

void
visit_run(struct job *job)
{
	struct visit *v = (struct visit *)job;
	struct walk_batch *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		v->failed = true;
		(void)err_set(&v->err, ERR_NOMEM, "no memory for the walk");
		return;
	}
	v->batch = b;
	b->dir = v->dir;
	b->first = v->first;
	b->now = clock_wall();
	b->error = open_and_list(v);
	if (v->first && b->error == 0 && v->dir->listed && !v->dir->implied &&
	    v->env->ops->listed != NULL && v->env->ops->listed(v->env->ctx,
	    v->dir, &v->names, &v->err) != 0) {
		v->failed = true;
		return;
	}
	if (fill(v, b) != 0) {
		v->failed = true;
		(void)err_set(&v->err, ERR_NOMEM, "no memory for the walk");
		return;
	}
	if (v->env->ops->examine(v->env->ctx, b, &v->err) != 0) {
		v->failed = true;
		return;
	}
	read_metas(v, b);
}

struct visit *
walk_visit_entry(const struct walk_env *env, struct walk_dir *parent,
    const struct walk_entry *en)
{
	struct walk_dir *d = walk_dir_new(parent, en->name, en->len);
	struct visit *v;
	bool is_root;

	if (d == NULL)
		return (NULL);
	d->st = en->st;
	d->implied = en->implied;
	d->want_path = parent->want_path;
	d->ignore_bytes = parent->ignore_bytes;
	if (parent->root_lo < parent->root_hi) {
		roots_within(env->roots, parent->root_lo, parent->root_hi,
		    parent->plen, en->name, &d->root_lo, &d->root_hi, &is_root);
		d->plen = parent->plen + 1 + en->len;
	}
	/* An inode that stands for another directory now is another one. */
	if (en->has_old && en->old.kind == ENTRY_DIR &&
	    en->old.src_ino == en->st.ino)
		d->old = en->old.ino;
	v = visit_new(env, d);
	walk_dir_unref(d);
	if (v == NULL)
		return (NULL);
	v->first = v->list = true;
	v->want_meta = !en->same;
	return (v);
}
