/*
 * Dump: a snapshot's subtree as tar or zip, by libarchive, which knows what
 * other programs make of both.
 *
 * A tar is of the pax form: names of any bytes as they are, any size and time,
 * holes, attributes, ACLs, hard links, owners by number and name.  A zip has
 * none of holes, attributes and devices; a further name of a file is a file of
 * its own there.
 *
 * An archive is a stream: what was written can't be taken back.  A file that
 * turns out damaged halfway is filled with zeros to the length that was said,
 * and named.
 */
#include "tools/job/dump.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/rd.h"
#include "tools/job/content.h"
#include "tools/job/libarchive.h"
#include "tools/job/links.h"
#include "tools/job/lookup.h"

#define BLOCK_BYTES	(128 * 512)
#define ZEROS_BYTES	((size_t)16 << 20)
#define REGIONS_MAX	65536	/* of a file with holes; else it has none */
#define BATCH		64
#define TICK_MS		100

struct dump {
	const struct dump_env *env;
	const struct events *events;
	struct dump_result *res;
	const struct libarchive *la;
	struct archive *archive;	/* owned */
	struct archive_entry *entry;	/* owned */
	struct links *links;		/* owned */
	struct buf path;		/* what we are at, with a NUL */
	locale_t utf8, plain;		/* owned; 0: not to be had */
	const uint8_t *zeros;		/* mapped, never written to */
	int error;			/* errno of a failed write */
	bool over;			/* nothing more is written */
	uint64_t off;			/* of the file: what is written */
	uint64_t ticked_ms;
};

static void
failed(struct dump *d, const char *path, const char *text)
{
	d->res->failed++;
	events_item(d->events, EVENT_UNRESTORED, path, "%s", text);
}

static void
tick(struct dump *d, const char *path)
{
	struct event_progress p = { 0 };
	uint64_t now;

	if (d->events == NULL || d->events->progress == NULL)
		return;
	now = clock_mono_ms();
	if (now - d->ticked_ms < TICK_MS)
		return;
	d->ticked_ms = now;
	p.files = d->res->files;
	p.bytes = d->res->bytes;
	p.errors = d->res->failed;
	p.path = path;
	d->events->progress(d->events->ctx, &p);
}

/* What libarchive says, as an error of ours. */
static int
archive_failed(struct dump *d, struct err *e)
{
	const char *text = d->la->archive_error_string(d->archive);

	if (d->error != 0)
		return (err_sys(e, d->error, "standard output"));
	return (err_set(e, ERR_SYS, "archive: %s", text != NULL ? text :
	    "failed"));
}

/* An archive that failed is not told so: it would not free all that it has.
 * What it still writes goes nowhere. */
static la_ssize_t
write_out(struct archive *a, void *ctx, const void *p, size_t len)
{
	struct dump *d = ctx;

	(void)a;
	if (!d->over && d->env->write(d->env->ctx, p, len) < 0) {
		d->error = errno != 0 ? errno : EIO;
		d->over = true;
	}
	return ((la_ssize_t)len);
}

/*
 * Metadata.
 */

static int
add_acl(struct dump *d, int type, const uint8_t *value, size_t len)
{
	static const struct { uint16_t tag; int as; } tags[] = {
		{ 0x01, ARCHIVE_ENTRY_ACL_USER_OBJ },
		{ 0x02, ARCHIVE_ENTRY_ACL_USER },
		{ 0x04, ARCHIVE_ENTRY_ACL_GROUP_OBJ },
		{ 0x08, ARCHIVE_ENTRY_ACL_GROUP },
		{ 0x10, ARCHIVE_ENTRY_ACL_MASK },
		{ 0x20, ARCHIVE_ENTRY_ACL_OTHER }
	};
	struct rd r;

	rd_init(&r, value, len);
	if (rd_u32(&r) != 2)
		return (-1);
	while (!r.bad && rd_left(&r) > 0) {
		uint16_t tag = rd_u16(&r), perm = rd_u16(&r);
		uint32_t id = rd_u32(&r);
		int as = 0;

		for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
			if (tags[i].tag == tag)
				as = tags[i].as;
		if (r.bad || as == 0 || perm > 7)
			return (-1);
		if (as != ARCHIVE_ENTRY_ACL_USER &&
		    as != ARCHIVE_ENTRY_ACL_GROUP)
			id = UINT32_MAX;
		(void)d->la->archive_entry_acl_add_entry(d->entry, type, perm,
		    as, (int)id, NULL);
	}
	return (r.bad ? -1 : 0);
}

static int
add_xattr(void *ctx, const char *name, const void *value, size_t len,
    struct err *e)
{
	struct dump *d = ctx;
	int type = 0;

	(void)e;
	if (d->env->format == DUMP_ZIP) {
		d->res->left_out++;
		return (0);
	}
	if (strcmp(name, "system.posix_acl_access") == 0)
		type = ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
	else if (strcmp(name, "system.posix_acl_default") == 0)
		type = ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
	if (type != 0 && add_acl(d, type, value, len) == 0)
		return (0);
	d->la->archive_entry_xattr_add_entry(d->entry, name, value, len);
	return (0);
}

static int
add_owner(struct dump *d, bool group, uint32_t id, struct err *e)
{
	char name[CATALOG_NAME_MAX + 1];
	int r = catalog_owner(d->env->catalog, group, id, name, sizeof(name),
	    e);

	if (r < 0)
		return (-1);
	if (r == 0 && group)
		d->la->archive_entry_copy_gname(d->entry, name);
	else if (r == 0)
		d->la->archive_entry_copy_uname(d->entry, name);
	return (0);
}

/*
 * A tar has times as decimal fractions, and libarchive writes the sign, the
 * seconds' and the nanoseconds' digits: before 1970 it is to be given what they
 * should spell.  Less than a second before, the sign would be lost.
 */
static void
add_time(struct dump *d, const struct stamp *t)
{
	int64_t s = t->s;
	long ns = (long)t->ns;

	if (s == -1 && ns > 0)
		ns = 0;
	else if (s < 0 && ns > 0 && d->env->format == DUMP_TAR) {
		s++;
		ns = 1000000000 - ns;
	}
	d->la->archive_entry_set_mtime(d->entry, clock_nearest(s), ns);
}

static int
add_metadata(struct dump *d, const char *path, const struct entry *en,
    struct err *e)
{
	static const unsigned types[] = {
		[ENTRY_FILE] = AE_IFREG, [ENTRY_DIR] = AE_IFDIR,
		[ENTRY_SYMLINK] = AE_IFLNK, [ENTRY_FIFO] = AE_IFIFO,
		[ENTRY_CHAR] = AE_IFCHR, [ENTRY_BLOCK] = AE_IFBLK
	};
	char target[CATALOG_TARGET_MAX + 1];
	struct archive_entry *ae = d->entry;
	size_t len;

	(void)d->la->archive_entry_clear(ae);
	d->la->archive_entry_copy_pathname(ae, path);
	d->la->archive_entry_set_filetype(ae, types[en->kind]);
	d->la->archive_entry_set_perm(ae, en->mode);
	d->la->archive_entry_set_uid(ae, en->uid);
	d->la->archive_entry_set_gid(ae, en->gid);
	add_time(d, &en->mtime);
	d->la->archive_entry_set_size(ae, en->kind == ENTRY_FILE ?
	    (int64_t)en->size : 0);
	if (en->kind == ENTRY_CHAR || en->kind == ENTRY_BLOCK) {
		d->la->archive_entry_set_rdevmajor(ae, en->rdev_major);
		d->la->archive_entry_set_rdevminor(ae, en->rdev_minor);
	}
	if (en->kind == ENTRY_SYMLINK) {
		if (catalog_target(d->env->catalog, en->ino, target, &len,
		    e) < 0)
			return (-1);
		d->la->archive_entry_copy_symlink(ae, target);
	}
	if (add_owner(d, false, en->uid, e) < 0 ||
	    add_owner(d, true, en->gid, e) < 0)
		return (-1);
	return (catalog_xattrs(d->env->catalog, en->xattrs, add_xattr, d, e));
}

/* Where a file has bytes, for a format that knows holes. */
static int
add_regions(struct dump *d, const struct entry *en, struct err *e)
{
	uint64_t off = 0, from = 0;
	struct extent x[BATCH];
	unsigned regions = 0;
	bool in = false;
	size_t n;

	while (off < en->size) {
		if (catalog_extents(d->env->catalog, en->ino, off, x, BATCH,
		    &n, e) < 0)
			return (-1);
		/* Reading the content will say what is the matter. */
		if (n == 0 || x[n - 1].len > en->size - x[n - 1].off)
			break;
		for (size_t i = 0; i < n; i++) {
			if (!x[i].hole && !in)
				from = x[i].off;
			if (x[i].hole && in) {
				d->la->archive_entry_sparse_add_entry(d->entry,
				    (int64_t)from, (int64_t)(x[i].off - from));
				regions++;
			}
			in = !x[i].hole;
		}
		off = x[n - 1].off + x[n - 1].len;
		if (regions > REGIONS_MAX) {
			d->la->archive_entry_sparse_clear(d->entry);
			return (0);
		}
	}
	if (in)
		d->la->archive_entry_sparse_add_entry(d->entry, (int64_t)from,
		    (int64_t)(off - from));
	else
		d->la->archive_entry_sparse_add_entry(d->entry,
		    (int64_t)en->size, 0);
	return (0);
}

/*
 * Content.
 */

/* 0; < 0 when the archive can't be gone on with. */
static int
put_data(void *ctx, uint64_t off, const uint8_t *data, uint64_t len,
    struct err *e)
{
	struct dump *d = ctx;

	while (len > 0) {
		size_t n = data == NULL && len > ZEROS_BYTES ? ZEROS_BYTES :
		    (size_t)len;
		la_ssize_t put;

		if (events_canceled(d->events))
			return (err_set(e, ERR_CANCELED, "interrupted"));
		put = d->la->archive_write_data(d->archive,
		    data != NULL ? data : d->zeros, n);
		if (put <= 0 || d->error != 0)
			return (archive_failed(d, e));
		d->off += (uint64_t)put;
		d->res->bytes += (uint64_t)put;
		len -= (uint64_t)put;
		if (data != NULL)
			data += put;
	}
	(void)off;
	return (0);
}

static int
put_content(struct dump *d, const char *path, const struct entry *en,
    struct err *e)
{
	char text[640];

	d->off = 0;
	if (content_read(d->env->catalog, d->env->fetch, en, 0, put_data, d,
	    e) == 0)
		return (0);
	if (d->error != 0 || (e->code != ERR_CORRUPT && e->code != ERR_ABSENT &&
	    e->code != ERR_AUTH && e->code != ERR_VERSION))
		return (err_wrap(e, "%s", path));
	(void)snprintf(text, sizeof(text), "%s; from its byte %llu on there "
	    "are zeros in the archive", err_text(e),
	    (unsigned long long)d->off);
	failed(d, path, text);
	err_init(e);
	return (put_data(d, d->off, NULL, en->size - d->off, e));
}

/* A further name of what the archive has already?  0 or LINKS_NONE. */
static int
find_link(struct dump *d, const char *path, const struct entry *en,
    struct err *e)
{
	struct buf first = BUF_INIT;
	int r;

	if (en->nlink < 2 || en->kind == ENTRY_DIR ||
	    d->env->format == DUMP_ZIP)
		return (LINKS_NONE);
	r = links_first(d->links, en->ino, path, strlen(path), e);
	if (r != 0)
		return (r);
	r = links_get(d->links, en->ino, &first, e);
	if (r == 0) {
		d->la->archive_entry_copy_hardlink(d->entry,
		    (char *)first.data);
		d->la->archive_entry_set_size(d->entry, 0);
	}
	buf_fini(&first);
	return (r);
}

static void
count(struct dump *d, const struct entry *en)
{
	if (en->kind == ENTRY_DIR)
		d->res->dirs++;
	else if (en->kind == ENTRY_FILE)
		d->res->files++;
	else
		d->res->others++;
}

/* A zip says of each name whether it is UTF-8; libarchive goes by the
 * locale. */
static int
put_header(struct dump *d, const char *path)
{
	bool plain = d->env->format == DUMP_ZIP && d->plain != (locale_t)0 &&
	    mbstowcs(NULL, path, 0) == (size_t)-1;
	locale_t before = (locale_t)0;
	int r;

	if (plain)
		before = uselocale(d->plain);
	r = d->la->archive_write_header(d->archive, d->entry);
	if (plain)
		(void)uselocale(before);
	return (r);
}

/* The header of an entry, and what is in it. */
static int
put_entry(struct dump *d, const char *path, const struct entry *en,
    struct err *e)
{
	int link, r;

	if (add_metadata(d, path, en, e) < 0 ||
	    (link = find_link(d, path, en, e)) < 0)
		return (-1);
	if (link != 0 && en->kind == ENTRY_FILE &&
	    (en->flags & ENTRY_SPARSE) != 0 && d->env->format == DUMP_TAR &&
	    add_regions(d, en, e) < 0)
		return (-1);
	r = put_header(d, path);
	if (r == ARCHIVE_FAILED && d->error == 0) {
		const char *text = d->la->archive_error_string(d->archive);

		failed(d, path, text != NULL ? text : "the format can't hold "
		    "it");
		return (link != 0 && en->nlink > 1 &&
		    d->env->format == DUMP_TAR ?
		    links_drop(d->links, en->ino, e) : 0);
	}
	if ((r != ARCHIVE_OK && r != ARCHIVE_WARN) || d->error != 0)
		return (archive_failed(d, e));
	if (link != 0 && en->kind == ENTRY_FILE &&
	    put_content(d, path, en, e) < 0)
		return (-1);
	if (d->la->archive_write_finish_entry(d->archive) < ARCHIVE_WARN ||
	    d->error != 0)
		return (archive_failed(d, e));
	count(d, en);
	return (0);
}

static int
walk(void *ctx, const char *bytes, size_t len, const struct entry *en,
    struct err *e)
{
	struct dump *d = ctx;
	bool unread = (en->flags & ENTRY_UNREAD) != 0;
	const char *path;

	if (events_canceled(d->events))
		return (err_set(e, ERR_CANCELED, "interrupted"));
	buf_reset(&d->path);
	buf_bytes(&d->path, bytes, len);
	buf_u8(&d->path, '\0');
	if (buf_ok(&d->path, e) < 0)
		return (-1);
	path = (const char *)d->path.data;
	tick(d, path);
	if (unread)
		failed(d, path, en->kind == ENTRY_DIR ? "it could not be read "
		    "when it was backed up: what was in it is missing" :
		    "it could not be read when it was backed up");
	if (en->kind == ENTRY_SOCKET || en->kind > ENTRY_BLOCK)
		failed(d, path, "a socket, which no archive holds");
	/* Directories above the roots were not asked for. */
	if ((en->flags & ENTRY_IMPLIED) != 0 || en->kind == ENTRY_SOCKET ||
	    en->kind > ENTRY_BLOCK || (unread && en->kind != ENTRY_DIR))
		return (0);
	return (put_entry(d, path, en, e));
}

/*
 * The whole.
 */

static int
open_archive(struct dump *d, struct err *e)
{
	void *zeros;
	int r;

	zeros = mmap(NULL, ZEROS_BYTES, PROT_READ, MAP_PRIVATE |
	    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (zeros == MAP_FAILED)
		return (err_sys(e, errno, "map"));
	d->zeros = zeros;
	d->archive = d->la->archive_write_new();
	d->entry = d->la->archive_entry_new();
	if (d->archive == NULL || d->entry == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	if (d->env->format == DUMP_TAR) {
		r = d->la->archive_write_set_format_pax(d->archive);
		if (r == ARCHIVE_OK)
			r = d->la->archive_write_set_options(d->archive,
			    "pax:xattrheader=SCHILY");
	} else
		r = d->la->archive_write_set_format_zip(d->archive);
	if (r == ARCHIVE_OK)
		r = d->la->archive_write_set_bytes_per_block(d->archive,
		    BLOCK_BYTES);
	if (r == ARCHIVE_OK)
		r = d->la->archive_write_set_bytes_in_last_block(d->archive, 1);
	if (r == ARCHIVE_OK)
		r = d->la->archive_write_open(d->archive, d, NULL, write_out,
		    NULL);
	return (r == ARCHIVE_OK ? 0 : archive_failed(d, e));
}

static int
dump_top(struct dump *d, struct err *e)
{
	const char *slash = strrchr(d->env->path, '/');
	const char *name = slash != NULL ? slash + 1 : d->env->path;
	struct entry top;

	if (lookup_path(d->env->catalog, d->env->path, &top, e) < 0)
		return (-1);
	if (top.kind == ENTRY_DIR)
		name = ".";
	if (walk(d, name, strlen(name), &top, e) < 0)
		return (-1);
	if (top.kind == ENTRY_DIR && catalog_walk(d->env->catalog, top.ino,
	    walk, d, e) < 0)
		return (-1);
	return (0);
}

int
dump_run(const struct dump_env *env, const struct events *events,
    struct dump_result *res, struct err *e)
{
	struct dump d = { .env = env, .events = events, .res = res };
	locale_t before = (locale_t)0;
	int r;

	memset(res, 0, sizeof(*res));
	if (libarchive_load(&d.la, e) < 0)
		return (-1);
	/* Names that are UTF-8 are to be that in the archive, the others bytes,
	 * whatever the user's locale is. */
	d.utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	d.plain = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	if (d.utf8 != (locale_t)0)
		before = uselocale(d.utf8);
	r = links_open(&d.links, e);
	if (r == 0)
		r = open_archive(&d, e);
	if (r == 0)
		r = dump_top(&d, e);
	if (r == 0 && (d.la->archive_write_close(d.archive) != ARCHIVE_OK ||
	    d.error != 0))
		r = archive_failed(&d, e);
	/* Of one that failed no end is written: it is to look broken. */
	d.over = r < 0;
	if (d.archive != NULL)
		(void)d.la->archive_write_free(d.archive);
	d.la->archive_entry_free(d.entry);
	if (d.utf8 != (locale_t)0) {
		(void)uselocale(before);
		freelocale(d.utf8);
	}
	if (d.plain != (locale_t)0)
		freelocale(d.plain);
	links_close(d.links);
	buf_fini(&d.path);
	if (d.zeros != NULL)
		(void)munmap((void *)(uintptr_t)d.zeros, ZEROS_BYTES);
	return (r < 0 ? -1 : 0);
}
