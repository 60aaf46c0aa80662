/*
 * vitrine ls: names in a snapshot, one a line; with -l what ls -l would say.
 */
#include <string.h>
#include <unistd.h>

#include "tools/cmd/cmd.h"
#include "tools/job/lookup.h"

#define OWNERS		64	/* remembered names of owners */

static const struct opt options[] = {
	{ "long", 'l', OPT_FLAG, false, NULL,
	    "mode, links, owners, size, time, and where a link leads" },
	{ "recursive", 'R', OPT_FLAG, false, NULL,
	    "everything below, as paths" },
	FILTER_OPTIONS,
	{ .name = NULL }
};

struct owner {
	bool known;
	uint32_t id;
	char name[256];		/* any bytes */
};
struct listing {
	struct reader *reader;
	struct ui *ui;
	struct json json;
	struct buf path;	/* of what is listed, for objects */
	size_t base;		/* ... of the directory in it */
	bool is_long, quoted;
	struct owner owners[2][OWNERS];
};

static int
owner_name(struct listing *l, bool group, uint32_t id, const char **out,
    struct err *e)
{
	struct owner *o = &l->owners[group][id % OWNERS];
	int r;

	*out = o->name;
	if (o->known && o->id == id)
		return (0);
	o->known = false;
	r = catalog_owner(l->reader->catalog, group, id, o->name,
	    sizeof(o->name), e);
	if (r < 0)
		return (-1);
	if (r == CATALOG_ABSENT || o->name[0] == '\0')
		(void)snprintf(o->name, sizeof(o->name), "%u", id);
	o->known = true;
	o->id = id;
	return (0);
}

static void
mode_string(char dst[11], const struct entry *en)
{
	static const char kinds[] = "?-dlpscb";
	static const char bits[] = "rwxrwxrwx";

	dst[0] = en->kind <= ENTRY_BLOCK ? kinds[en->kind] : '?';
	for (int i = 0; i < 9; i++)
		dst[1 + i] = (en->mode & (0400 >> i)) != 0 ? bits[i] : '-';
	if (en->mode & 04000)
		dst[3] = dst[3] == 'x' ? 's' : 'S';
	if (en->mode & 02000)
		dst[6] = dst[6] == 'x' ? 's' : 'S';
	if (en->mode & 01000)
		dst[9] = dst[9] == 'x' ? 't' : 'T';
	dst[10] = '\0';
}

static void
print_name(const struct listing *l, const char *name, size_t len)
{
	struct buf b = BUF_INIT;

	if (!l->quoted) {
		(void)fwrite(name, 1, len, stdout);
		return;
	}
	text_quote(&b, name, len);
	if (!b.failed)
		(void)fwrite(b.data, 1, b.len, stdout);
	buf_fini(&b);
}

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
	if (owner_name(l, false, en->uid, &user, e) < 0 ||
	    owner_name(l, true, en->gid, &group, e) < 0)
		return (-1);
	if (en->kind == ENTRY_CHAR || en->kind == ENTRY_BLOCK)
		(void)snprintf(size, sizeof(size), "%u, %u", en->rdev_major,
		    en->rdev_minor);
	else
		(void)snprintf(size, sizeof(size), "%llu",
		    (unsigned long long)en->size);
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
	static const char *const kinds[] = {
		"", "file", "directory", "symlink", "fifo", "socket", "char",
		"block"
	};
	char target[CATALOG_TARGET_MAX + 1], mode[11];
	const char *user, *group;
	struct json *j = &l->json;
	size_t target_len;

	mode_string(mode, en);
	if (owner_name(l, false, en->uid, &user, e) < 0 ||
	    owner_name(l, true, en->gid, &group, e) < 0)
		return (-1);
	l->path.len = l->base;
	if (len > 0) {
		buf_u8(&l->path, '/');
		buf_bytes(&l->path, name, len);
	}
	json_begin(j, "entry");
	json_bytes(j, "path", l->path.len > 0 ? (char *)l->path.data : "/",
	    l->path.len > 0 ? l->path.len : 1);
	json_text(j, "kind", en->kind <= ENTRY_BLOCK ? kinds[en->kind] : "");
	json_u64(j, "mode", en->mode);
	json_text(j, "permissions", mode);
	json_u64(j, "links", en->nlink);
	json_u64(j, "uid", en->uid);
	json_u64(j, "gid", en->gid);
	json_text(j, "user", user);
	json_text(j, "group", group);
	json_u64(j, "size", en->size);
	json_time(j, "mtime", &en->mtime);
	json_time(j, "ctime", &en->ctime);
	if (en->kind == ENTRY_CHAR || en->kind == ENTRY_BLOCK) {
		json_u64(j, "major", en->rdev_major);
		json_u64(j, "minor", en->rdev_minor);
	}
	if (en->kind == ENTRY_SYMLINK) {
		if (catalog_target(l->reader->catalog, en->ino, target,
		    &target_len, e) < 0)
			return (-1);
		json_bytes(j, "target", target, target_len);
	}
	json_bool(j, "unread", (en->flags & ENTRY_UNREAD) != 0);
	ui_object(l->ui, j);
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
	print_name(l, name, len);
	if (l->is_long && en->kind == ENTRY_SYMLINK) {
		if (catalog_target(l->reader->catalog, en->ino, target,
		    &target_len, e) < 0)
			return (-1);
		(void)fputs(" -> ", stdout);
		print_name(l, target, target_len);
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
