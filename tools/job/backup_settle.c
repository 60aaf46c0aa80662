/*
 * Settling: what a work has found is written, chunks into the put, nodes, names
 * and extents into the catalog.  A file that was not as the walk saw it when a
 * worker came to it is read here once more, by itself, so that what is stored
 * was all read from one open file.
 */
#include "tools/job/backup_flow_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
put_cuts(struct backup *b, uint64_t ino, struct content *ct,
    const uint8_t *buf, const struct cuts *cuts, size_t first, size_t n,
    struct err *e)
{
	for (size_t i = first; i < first + n; i++) {
		const struct cut *c = &cuts->v[i];

		if (sink_chunk(b, ino, &c->hint, buf + c->off, c->len, e) != 0)
			return (-1);
		content_chunk(ct, &c->hint.id, c->len);
		b->res->bytes_read += c->len;
		b->partial_bytes += c->len;
	}
	return (0);
}

int
settle_file(struct backup *b, const struct item *it, const struct meta *meta,
    unsigned flags, struct err *e)
{
	struct node nd = { .ino = it->ino, .flags = (uint8_t)flags,
	    .st = &it->st, .meta = meta,
	    .xattrs = meta == NULL && flags == 0 ? it->old_xattrs : 0,
	    .now = b->source->vouches ? NULL : &it->now, .like = it->like,
	    .old_xattrs = it->old_xattrs };

	if (meta != NULL && meta->error != 0) {
		backup_unread(b, it->dir, it->name, meta->error);
		nd.flags |= ENTRY_UNREAD;
	}
	if (sink_node(b, &nd, e) != 0)
		return (-1);
	return (it->named ? 0 :
	    sink_name(b, it->dir->ino, it->name, it->ino, e));
}

/* A name of a file: what became of it. */
static void
count_name(struct backup *b, const struct item *it, bool same)
{
	b->res->files++;
	if (it->is_new)
		b->res->files_new++;
	else if (same)
		b->res->files_unchanged++;
	else
		b->res->files_changed++;
	if (it->is_root)
		b->roots_read++;
	if (it->is_new || !same)
		backup_say(b, EVENT_DETAIL, it->dir, it->name, "%s",
		    it->is_new ? "added" : "changed");
}

static void
count_file(struct backup *b, const struct item *it, uint64_t bytes, bool same)
{
	b->res->bytes += bytes;
	b->partial_bytes = 0;
	count_name(b, it, same);
}

/* It was there when the walk came by, and is not any more. */
static int
put_vanished(struct backup *b, const struct item *it, struct err *e)
{
	if (it->is_root)
		backup_unread(b, it->dir, it->name, ENOENT);
	else
		backup_say(b, EVENT_DETAIL, it->dir, it->name, "vanished");
	if (it->st.nlink > 1 && !inoset_add(&b->lost, it->ino))
		return (err_set(e, ERR_NOMEM, "no memory for reading"));
	return (it->named ? sink_unname(b, it->dir->ino, it->name, e) : 0);
}

/* A file that could not be opened at all. */
static int
put_unopened(struct backup *b, const struct item *it, int error, struct err *e)
{
	if (error == ENOENT)
		return (put_vanished(b, it, e));
	backup_unread(b, it->dir, it->name, error);
	b->res->files++;
	if (settle_file(b, it, NULL, ENTRY_UNREAD, e) != 0 ||
	    sink_begin(b, it->ino, e) != 0)
		return (-1);
	return (sink_end(b, it->ino, e));
}

/* What a file that was read to its end, or as far as possible, turned out to
 * be. */
static int
put_outcome(struct backup *b, struct item *it, const struct meta *meta,
    struct source_file *file, int error, bool is_short, uint64_t bytes,
    struct content *ct, struct err *e)
{
	struct meta_stat now;
	unsigned flags = 0;

	if (error != 0) {
		backup_unread(b, it->dir, it->name, error);
		flags |= ENTRY_UNREAD;
	}
	if (is_short || b->source->ops->stat_file(b->source, file, &now) != 0 ||
	    !meta_is_same(&now, &it->st)) {
		b->res->changed_meanwhile++;
		b->altered = true;
		backup_say(b, EVENT_CHANGED, it->dir, it->name,
		    "changed while it was read");
		flags |= ENTRY_CHANGED;
	}
	if (content_end(ct, b, it->ino, e) != 0)
		return (-1);
	count_file(b, it, bytes, ct->same && flags == 0);
	it->named = true;
	if (flags != 0 && settle_file(b, it, meta, flags, e) != 0)
		return (-1);
	return (sink_end(b, it->ino, e));
}

/*
 * Read a file here and now: one that changed since the walk saw it, has holes,
 * or is another name of one that vanished.
 */
struct alone {
	struct flow *f;
	struct item *it;
	struct source_file file;
	struct cuts cuts;
	size_t left;			/* bytes at the buffer's beginning */
	uint64_t bytes;
	struct content content;
	int error;
	bool is_short;
};

static int
alone_data(struct alone *a, uint64_t off, uint64_t len, struct err *e)
{
	struct backup *b = a->f->b;

	while (len > 0 && a->error == 0 && !a->is_short) {
		uint64_t room = SEGMENT_BYTES - off % SEGMENT_BYTES;
		size_t want = len < STEP_BYTES ? (size_t)len : STEP_BYTES;
		size_t got, all;
		bool last;

		if (want > room)
			want = (size_t)room;
		read_pace(b, want);
		a->error = b->source->ops->read_at(b->source, &a->file,
		    a->f->alone + a->left, want, off, &got);
		a->is_short = got < want;
		off += got;
		len -= got;
		all = a->left + got;
		last = len == 0 || got < want || got == room;
		a->cuts.n = 0;
		if (read_cut(b, a->f->alone, 0, all, last, &a->cuts, &a->left,
		    e) != 0 ||
		    read_lookup(b, a->f->alone, &a->cuts, 0, e) != 0 ||
		    put_cuts(b, a->it->ino, &a->content, a->f->alone, &a->cuts,
		    0, a->cuts.n, e) != 0 ||
		    backup_tick(b, a->it->dir, a->it->name, e) != 0)
			return (-1);
		memmove(a->f->alone, a->f->alone + all - a->left, a->left);
		a->bytes += got;
	}
	return (0);
}

static int
alone_spans(struct alone *a, struct err *e)
{
	const struct meta_stat *st = &a->it->st;
	struct source *s = a->f->b->source;
	uint64_t off = 0, hole, data;

	while (a->error == 0 && !a->is_short) {
		a->error = s->ops->span(s, &a->file, st, off, &hole, &data);
		if (a->error != 0 || (hole == 0 && data == 0))
			break;
		if (hole > 0 && sink_hole(a->f->b, a->it->ino, hole, e) != 0)
			return (-1);
		content_hole(&a->content, hole);
		a->bytes += hole;
		if (alone_data(a, off + hole, data, e) != 0)
			return (-1);
		off += hole + data;
	}
	return (0);
}

int
settle_alone(struct flow *f, struct item *it, struct err *e)
{
	struct alone a = { .f = f, .it = it };
	struct source *s = f->b->source;
	struct meta meta = { 0 };
	struct meta_stat st;
	int rc = -1;

	if (f->alone == NULL) {
		f->alone = malloc(f->head + STEP_BYTES);
		if (f->alone == NULL)
			return (err_set(e, ERR_NOMEM, "no memory for reading"));
	}
	a.error = s->ops->open(s, it->dir, it->name, true, &a.file);
	if (a.error != 0)
		return (put_unopened(f->b, it, a.error, e));
	it->now = clock_wall();
	a.error = s->ops->stat_file(s, &a.file, &st);
	if (a.error == 0 && st.kind != ENTRY_FILE)
		a.error = ESTALE;
	if (a.error != 0) {
		s->ops->close(s, &a.file);
		return (put_unopened(f->b, it, a.error, e));
	}
	it->like = it->like && meta_is_same(&st, &it->st);
	it->st = st;
	content_begin(&a.content, f->b, it->like);
	s->ops->file_meta(s, &a.file, &meta);
	if (settle_file(f->b, it, &meta, 0, e) == 0 &&
	    sink_begin(f->b, it->ino, e) == 0 && alone_spans(&a, e) == 0)
		rc = put_outcome(f->b, it, &meta, &a.file, a.error, a.is_short,
		    a.bytes, &a.content, e);
	s->ops->close(s, &a.file);
	free(a.cuts.v);
	meta_fini(&meta);
	return (rc);
}

static int
settle_link(struct flow *f, struct item *it, struct err *e)
{
	if (inoset_has(&f->b->lost, it->ino)) {
		struct item own = *it;

		/* The first name vanished before it was read: this one
		 * counts. */
		own.link = false;
		return (settle_alone(f, &own, e));
	}
	/* Read under its first name: here stat tells whether it changed. */
	count_name(f->b, it, it->like);
	return (it->named ? 0 :
	    sink_name(f->b, it->dir->ino, it->name, it->ino, e));
}

int
settle_run(struct flow *f, struct work *w, struct err *e)
{
	struct backup *b = f->b;

	for (size_t i = 0; i < w->n; i++) {
		struct run_item *ri = &w->items[i];
		struct item *it = &ri->it;
		struct content ct;
		int rc;

		it->name = (const char *)w->names.data + ri->name_off;
		if (backup_tick(b, it->dir, it->name, e) != 0)
			return (-1);
		if (it->link) {
			rc = settle_link(f, it, e);
		} else if (ri->error != 0) {
			rc = put_unopened(b, it, ri->error, e);
		} else if (ri->redo) {
			rc = settle_alone(f, it, e);
		} else {
			rc = settle_file(b, it, &ri->meta, 0, e);
			if (rc == 0)
				rc = sink_begin(b, it->ino, e);
			content_begin(&ct, b, it->like);
			if (rc == 0)
				rc = put_cuts(b, it->ino, &ct, w->buf,
				    &w->cuts, ri->first_cut, ri->ncuts, e);
			if (rc == 0)
				rc = content_end(&ct, b, it->ino, e);
			if (rc == 0)
				rc = sink_end(b, it->ino, e);
			count_file(b, it, it->st.size, rc == 0 && ct.same);
		}
		if (rc != 0)
			return (-1);
	}
	return (0);
}

/* A large file of a source that vouches: what was read is of the file that was
 * listed, or another is there now. */
static int
settle_vouched(struct flow *f, struct large *lf, struct err *e)
{
	struct source *s = f->b->source;
	struct meta_stat now;

	if (lf->error == ENOENT || (lf->error == 0 &&
	    s->ops->stat_file(s, &lf->file, &now) != 0)) {
		if (sink_end(f->b, lf->it.ino, e) != 0)
			return (-1);
		return (settle_alone(f, &lf->it, e));
	}
	s->ops->file_meta(s, &lf->file, &lf->meta);
	if (settle_file(f->b, &lf->it, &lf->meta, 0, e) != 0)
		return (-1);
	return (put_outcome(f->b, &lf->it, &lf->meta, &lf->file, lf->error,
	    lf->is_short, lf->bytes, &lf->content, e));
}

int
settle_step(struct flow *f, struct work *w, struct err *e)
{
	struct large *lf = w->file;
	struct backup *b = f->b;

	if (backup_tick(b, lf->it.dir, lf->it.name, e) != 0)
		return (-1);
	if (w->hole > 0 && !w->skipped) {
		if (sink_hole(b, lf->it.ino, w->hole, e) != 0)
			return (-1);
		content_hole(&lf->content, w->hole);
		lf->bytes += w->hole;
	}
	lf->bytes += w->got;
	if (put_cuts(b, lf->it.ino, &lf->content, w->buf, &w->cuts, 0,
	    w->cuts.n, e) != 0)
		return (-1);
	if (!w->last || lf->stream >= 0)
		return (0);
	if (b->source->vouches)
		return (settle_vouched(f, lf, e));
	return (put_outcome(b, &lf->it, &lf->meta, &lf->file, lf->error,
	    lf->is_short, lf->bytes, &lf->content, e));
}

