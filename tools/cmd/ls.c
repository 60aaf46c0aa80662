/*
 * vitrine ls: names in a snapshot, one a line; with -l what ls -l would say.
 */
#include <string.h>
#include <unistd.h>

#include "tools/cmd/cmd.h"
#include "tools/cmd/entry.h"
#include "tools/job/lookup.h"

static const struct opt options[] = {
	{ "long", 'l', OPT_FLAG, false, NULL,
	    "mode, links, owners, size, time, and where a link leads" },
	{ "recursive", 'R', OPT_FLAG, false, NULL,
	    "everything below, as paths" },
	FILTER_OPTIONS,
	{ .name = NULL }
};

struct listing {
	struct reader *reader;
	struct ui *ui;
	struct json json;
	struct buf path;	/* of what is listed, for objects */
	size_t base;		/* ... of the directory in it */
	bool is_long, quoted;
	struct owners owners;
};

static void
print_owner(const char *name)
{
	struct buf b = BUF_INIT;

	text_escape(&b, name, strlen(name));
	(void)printf("%-8.*s ", b.failed ? 0 : (int)b.len,
	    b.failed ? "" : (const char *)b.data);
	buf_fini(&b);
}

static int
print_long(struct listing *l, const struct entry *en, struct err *e)
{
	char mode[11], time[TEXT_BYTES], size[TEXT_BYTES];
	const char *user, *group;

	mode_string(mode, en);
	if (owner_name(&l->owners, l->reader->catalog, false, en->uid, &user,
	    e) < 0 ||
	    owner_name(&l->owners, l->reader->catalog, true, en->gid, &group,
	    e) < 0)
		return (-1);
	if (en->kind == ENTRY_CHAR || en->kind == ENTRY_BLOCK)
		(void)snprintf(size, sizeof(size), "%u, %u", en->rdev_major,
		    en->rdev_minor);
	else if (en->kind == ENTRY_FILE)
		(void)text_size(size, en->size);
	else
		(void)snprintf(size, sizeof(size), "-");
	(void)printf("%s %3u ", mode, en->nlink);
	print_owner(user);
	print_owner(group);
	(void)printf("%12s %s ", size, text_time(time, &en->mtime));
	return (0);
}

static int
put_object(struct listing *l, const char *name, size_t len,
    const struct entry *en, struct err *e)
{
	l->path.len = l->base;
	if (len > 0) {
		buf_u8(&l->path, '/');
		buf_bytes(&l->path, name, len);
	}
	json_begin(&l->json, "entry");
	if (entry_members(&l->json, &l->owners, l->reader->catalog,
	    l->path.len > 0 ? (char *)l->path.data : "/",
	    l->path.len > 0 ? l->path.len : 1, en, e) < 0)
		return (-1);
	ui_object(l->ui, &l->json);
	return (0);
}

static int
print_entry(struct listing *l, const char *name, size_t len,
    const struct entry *en, struct err *e)
{
	char target[CATALOG_TARGET_MAX + 1];
	size_t target_len;

	if (l->ui->json != NULL)
		return (put_object(l, name, len, en, e));
	if (l->is_long && print_long(l, en, e) < 0)
		return (-1);
	print_name(name, len, l->quoted);
	if (l->is_long && en->kind == ENTRY_SYMLINK) {
		if (catalog_target(l->reader->catalog, en->ino, target,
		    &target_len, e) < 0)
			return (-1);
		(void)fputs(" -> ", stdout);
		print_name(target, target_len, l->quoted);
	}
	if (l->is_long && (en->flags & ENTRY_UNREAD) != 0)
		(void)fputs("  (could not be read)", stdout);
	(void)fputc('\n', stdout);
	return (0);
}

/* For both readdir and walk. */
static int
each(void *ctx, const char *name, size_t len, const struct entry *en,
    struct err *e)
{
	if (ferror(stdout))
		return (CATALOG_STOP);
	if (atomic_load(signals_flag()))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	return (print_entry(ctx, name, len, en, e));
}

/* What is no directory itself. */
static int
print_one(struct listing *l, const char *path, const struct entry *en,
    struct err *e)
{
	return (print_entry(l, path, l->ui->json != NULL ? 0 : strlen(path),
	    en, e));
}

static int
run(struct cmd *c, struct err *e)
{
	struct listing l;
	struct reader reader;
	struct entry en;
	const char *path;
	int r;

	memset(&l, 0, sizeof(l));
	if (reader_open(&reader, c, c->args[0], e) < 0)
		return (-1);
	l.reader = &reader;
	l.ui = &c->ui;
	l.is_long = opts_given(&c->own, "long");
	l.quoted = isatty(STDOUT_FILENO) == 1;
	path = reader.chosen.path;
	lookup_clean(&l.path, path, strlen(path));
	l.base = l.path.len;
	if ((r = reader_resolve(&reader, &en, e)) == 0) {
		if (en.kind != ENTRY_DIR)
			r = print_one(&l, path, &en, e);
		else if (opts_given(&c->own, "recursive"))
			r = catalog_walk(reader.catalog, en.ino, each, &l, e);
		else
			r = catalog_readdir(reader.catalog, en.ino, NULL, 0,
			    each, &l, e);
	}
	json_id(&c->ui.result, "snapshot", reader.chosen.id.b);
	json_fini(&l.json);
	buf_fini(&l.path);
	reader_close(&reader);
	return (r < 0 ? -1 : EXIT_DONE);
}

const struct command ls_command = {
	"ls", "SNAPSHOT[:PATH]", "List what is in a snapshot", options, 1, 1,
	run
};
