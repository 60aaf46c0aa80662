/*
 * vitrine history: every version of one file, one line each, by a look-up a
 * snapshot; nothing is walked.
 */
#include <string.h>

#include "tools/cmd/cmd.h"
#include "tools/cmd/entry.h"
#include "tools/job/diff.h"
#include "tools/job/lookup.h"

static const struct opt options[] = {
	FILTER_OPTIONS,
	{ .name = NULL }
};

/* What some snapshots in a row have. */
struct version {
	const struct snapshot *first, *last;
	uint64_t snapshots;
	const char *change;		/* from the one before */
	bool there;
	struct entry entry;
};
struct versions {
	struct version *v;		/* owned */
	size_t n, cap;
};
/* A snapshot that was looked at. */
struct look {
	struct reader reader;
	const struct snapshot *of;	/* NULL: none */
	bool there;
	struct entry entry;
};

static bool
same_host(const struct snapshot *a, const struct snapshot *b)
{
	return (a->host.len == b->host.len &&
	    memcmp(a->host.p, b->host.p, a->host.len) == 0);
}

/* From one snapshot of a host to the next; *change is NULL for none. */
static int
change_between(const struct look *was, const struct look *is,
    const char **change, struct err *e)
{
	const struct diff_side side[2] = {
		{ was->reader.catalog, was->reader.manifest.domain },
		{ is->reader.catalog, is->reader.manifest.domain }
	};
	enum diff_kind kind;
	unsigned meta;
	int r;

	*change = NULL;
	if (!was->there || !is->there) {
		if (was->there != is->there)
			*change = is->there ? "added" : "removed";
		return (0);
	}
	r = diff_entry(side, &was->entry, &is->entry, &kind, &meta, e);
	if (r > 0)
		*change = kind == DIFF_TYPE ? "type" : kind == DIFF_CONTENT ?
		    "content" : "metadata";
	/* A directory's says that names came or went. */
	else if (r == 0 && is->entry.kind == ENTRY_DIR &&
	    stamp_compare(&was->entry.mtime, &is->entry.mtime) != 0)
		*change = "content";
	return (r < 0 ? -1 : 0);
}

static int
add(struct versions *all, const struct look *was, const struct look *is,
    struct err *e)
{
	size_t cap = all->cap == 0 ? 64 : all->cap * 2;
	const char *change = "added";
	struct version *v;

	if (was->of == NULL || !same_host(was->of, is->of)) {
		/* Before it first appears it isn't missing. */
		if (!is->there)
			return (0);
	} else {
		if (change_between(was, is, &change, e) < 0)
			return (-1);
		if (change == NULL && !is->there && (all->n == 0 ||
		    !same_host(all->v[all->n - 1].first, is->of)))
			return (0);
	}
	if (change == NULL) {
		all->v[all->n - 1].last = is->of;
		all->v[all->n - 1].snapshots++;
		return (0);
	}
	if (all->n == all->cap) {
		v = reallocarray(all->v, cap, sizeof(*v));
		if (v == NULL)
			return (err_set(e, ERR_NOMEM, "out of memory"));
		all->v = v;
		all->cap = cap;
	}
	all->v[all->n++] = (struct version){ is->of, is->of, 1, change,
	    is->there, is->entry };
	return (0);
}

/* By host, then by time. */
static int
compare(const void *va, const void *vb)
{
	const struct snapshot *a = va, *b = vb;
	size_t len = a->host.len < b->host.len ? a->host.len : b->host.len;
	int c = memcmp(a->host.p, b->host.p, len);

	if (c != 0)
		return (c);
	if (a->host.len != b->host.len)
		return (a->host.len < b->host.len ? -1 : 1);
	c = stamp_compare(&a->time, &b->time);
	return (c != 0 ? c : memcmp(a->id.b, b->id.b, ID_BYTES));
}

/* 1: it is gone. */
static int
look_in(struct look *l, struct cmd *c, struct repo *repo,
    const struct readers *with, const struct snapshot *s, const char *path,
    struct err *e)
{
	struct chosen chosen;
	int got;

	memset(l, 0, sizeof(*l));
	memset(&chosen, 0, sizeof(chosen));
	chosen.id = s->id;
	(void)short_id(chosen.name, s->id.b, SHORT_ID);
	if ((got = reader_begin_many(&l->reader, c, repo, with, &chosen, 2,
	    e)) != 0)
		return (got);
	got = catalog_resolve(l->reader.catalog, path, strlen(path),
	    &l->entry, NULL, e);
	l->there = got == 0;
	l->of = s;
	return (got < 0 ? -1 : 0);
}

static int
look(struct cmd *c, struct repo *repo, const struct snapshots *some,
    const char *path, struct versions *all, struct err *e)
{
	struct look was = { .of = NULL }, is;
	struct readers with;
	int got = 0;

	if (readers_begin(&with, c, repo, e) < 0)
		return (-1);
	for (size_t i = 0; i < some->n && got >= 0; i++) {
		if (!snapshot_holds(&some->v[i], path))
			continue;
		if (atomic_load(signals_flag())) {
			got = err_set(e, ERR_CANCELED, "interrupted");
			break;
		}
		got = look_in(&is, c, repo, &with, &some->v[i], path, e);
		if (got == 0)
			got = add(all, &was, &is, e);
		if (got != 0) {
			reader_close(&is.reader);
			continue;
		}
		reader_close(&was.reader);
		was = is;
	}
	reader_close(&was.reader);
	readers_end(&with);
	return (got < 0 ? -1 : 0);
}

static void
put_objects(struct cmd *c, const struct versions *all, const char *path)
{
	struct json j = JSON_INIT;

	for (size_t i = 0; i < all->n; i++) {
		const struct version *v = &all->v[i];

		json_begin(&j, "file_version");
		json_text(&j, "path", path);
		json_text(&j, "change", v->change);
		json_bytes(&j, "host", v->first->host.p, v->first->host.len);
		json_id(&j, "snapshot", v->first->id.b);
		json_time(&j, "time", &v->first->time);
		json_id(&j, "last_snapshot", v->last->id.b);
		json_u64(&j, "snapshots", v->snapshots);
		if (v->there) {
			json_text(&j, "kind", kind_name(v->entry.kind));
			json_u64(&j, "size", v->entry.size);
			json_u64(&j, "mode", v->entry.mode);
			json_time(&j, "mtime", &v->entry.mtime);
		}
		ui_object(&c->ui, &j);
	}
	json_fini(&j);
}

static int
print(struct cmd *c, const struct versions *all, size_t digits, struct err *e)
{
	static const char *const heads[] = {
		"SNAPSHOT", "TIME", "HOST", "IN", "CHANGE", "MODE", "SIZE",
		"MODIFIED"
	};
	char id[ID_HEX], text[TEXT_BYTES], mode[11];
	struct table t;
	int r = 0;

	table_init(&t, 8, "lllrllrl", c->ui.color);
	for (size_t i = 0; i < 8; i++)
		table_cell(&t, heads[i]);
	for (size_t i = 0; i < all->n; i++) {
		const struct version *v = &all->v[i];

		mode_string(mode, &v->entry);
		table_cell(&t, short_id(id, v->first->id.b, digits));
		table_style(&t, STYLE_DIM);
		table_cell(&t, text_time(text, &v->first->time));
		table_cell_bytes(&t, v->first->host.p, v->first->host.len);
		table_cell(&t, text_count(text, v->snapshots));
		table_cell(&t, v->change);
		table_style(&t, !v->there ? STYLE_RED : STYLE_PLAIN);
		table_cell(&t, v->there ? mode : "");
		table_cell(&t, v->there && v->entry.kind == ENTRY_FILE ?
		    text_size(text, v->entry.size) : "");
		table_cell(&t, v->there ? text_time(text, &v->entry.mtime) :
		    "");
	}
	if (all->n > 0 || t.failed)
		r = table_print(&t, stdout, e);
	table_fini(&t);
	return (r);
}

static int
show(struct cmd *c, struct repo *repo, const struct snapshots *snaps,
    const char *path, struct err *e)
{
	struct versions all = { 0 };
	struct snapshots some;
	char n[TEXT_BYTES];
	size_t seen = 0;
	int r;

	if (cmd_filter(c, snaps, &some, e) < 0)
		return (-1);
	if (some.n > 1)
		qsort(some.v, some.n, sizeof(*some.v), compare);
	r = look(c, repo, &some, path, &all, e);
	for (size_t i = 0; i < all.n; i++)
		seen += all.v[i].there;
	if (r == 0 && seen == 0)
		r = err_set(e, ERR_ABSENT, "no snapshot has %s; \"vitrine find "
		    "'%s'\" looks for the name everywhere", path,
		    strrchr(path, '/') + 1);
	if (r == 0 && c->ui.json != NULL)
		put_objects(c, &all, path);
	else if (r == 0)
		r = print(c, &all, short_id_len(snaps), e);
	if (r == 0) {
		json_u64(&c->ui.result, "versions", seen);
		ui_say(&c->ui, "%s.", text_n(n, seen, "version", "versions"));
	}
	free(all.v);
	free(some.v);
	return (r);
}

static int
run(struct cmd *c, struct err *e)
{
	struct snapshots snaps;
	struct buf path = BUF_INIT;
	struct repo *repo;
	int r;

	lookup_clean(&path, c->args[0], strlen(c->args[0]));
	buf_u8(&path, '\0');
	if (c->args[0][0] != '/' || path.len == 1) {
		buf_fini(&path);
		return (err_set(e, ERR_USAGE, "history takes an absolute path, "
		    "not \"%s\"", c->args[0]));
	}
	if ((r = buf_ok(&path, e)) == 0 && (r = cmd_open(c, &repo, e)) == 0) {
		if ((r = cmd_snapshots(c, repo, &snaps, e)) == 0) {
			r = show(c, repo, &snaps, (const char *)path.data, e);
			snapshots_fini(&snaps);
		}
		repo_close(repo);
	}
	buf_fini(&path);
	return (r < 0 ? -1 : EXIT_DONE);
}

const struct command history_command = {
	"history", "PATH", "Show every version of one file", options, 1, 1, run
};
